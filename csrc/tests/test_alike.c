/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows that are alike: by a search through all rows before; too many of them, and hardly any.
 */
#include <string.h>

#include "check.h"
#include "smm.h"

enum { N = 3000, MOST = 64, SLOTS = 128 };

static double x[N], z[N * 2];
static int32_t g[N], table[4 * N], which[N];
static int64_t first[N];

static smm_rows_of rows(void)
{
    static const double *const part[] = {x, z};
    static const int32_t cols[] = {1, 2}, *const refs[] = {g};
    return (smm_rows_of){2, 1, part, cols, refs};
}

static void fill(void)
{
    uint64_t state = 5;
    for (int i = 0; i < N; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(state >> 62);
        z[2 * i] = 1;
        z[2 * i + 1] = x[i] + (double)(state >> 40 & 1);
        g[i] = (int32_t)(state >> 35 & 3);
    }
}

static void test_against_search(void)
{
    smm_rows_of r = rows();
    int64_t count, found = 0;
    fill();
    memset(table, 0, sizeof table);
    CHECK(smm_alike(&r, N, MOST, SLOTS, table, which, first, &count) == SMM_OK);
    for (int i = 0; i < N; i++) {
        int64_t same = 0;
        while (x[same] != x[i] || z[2 * same + 1] != z[2 * i + 1] || g[same] != g[i]) same++;
        CHECK(first[which[i]] == same);
        if (same == i) CHECK(which[i] == found++);
    }
    CHECK(count == found && found > 20);
    memset(table, 0, sizeof table);
    CHECK(smm_alike(&r, N, found, SLOTS, table, which, first, &count) == SMM_OK);
    CHECK(count == found);
    memset(table, 0, sizeof table);
    CHECK(smm_alike(&r, N, found - 1, SLOTS, table, which, first, &count) == SMM_OK);
    CHECK(count == 0);
}

static void test_hardly_any(void)
{
    smm_rows_of r = rows();
    int64_t count;
    fill();
    for (int i = 0; i < 256; i++)
        x[i] = i + 10; /* the first rows, and others like none of them */
    memset(table, 0, sizeof table);
    CHECK(smm_alike(&r, N, N, 4096, table, which, first, &count) == SMM_OK);
    CHECK(count == 0);
    for (int i = 0; i < 256; i += 4) x[i] = 10, z[2 * i + 1] = 0, g[i] = 0;
    memset(table, 0, sizeof table);
    CHECK(smm_alike(&r, N, N, 4096, table, which, first, &count) == SMM_OK);
    CHECK(count > 192);
}

static void test_arguments(void)
{
    smm_rows_of r = rows();
    int64_t count = 7;
    CHECK(smm_alike(&r, 0, 0, 1, table, which, first, &count) == SMM_OK && count == 0);
    CHECK(smm_alike(NULL, N, MOST, SLOTS, table, which, first, &count) == SMM_EINVAL);
    CHECK(smm_alike(&r, -1, MOST, SLOTS, table, which, first, &count) == SMM_EINVAL);
    CHECK(smm_alike(&r, N, MOST, MOST, table, which, first, &count) == SMM_EINVAL);
    CHECK(smm_alike(&r, N, MOST, SLOTS + 1, table, which, first, &count) == SMM_EINVAL);
    CHECK(smm_alike(&r, N, MOST, SLOTS, NULL, which, first, &count) == SMM_EINVAL);
    CHECK(smm_alike(&r, N, MOST, SLOTS, table, which, first, NULL) == SMM_EINVAL);
}

int main(void)
{
    test_against_search();
    test_hardly_any();
    test_arguments();
    return check_result();
}
