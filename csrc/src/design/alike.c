/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of a model that are alike, bit by bit, by a table of those met so far.
 */
#include "base/base.h"

/* With hardly any alike among the first rows the search ends: among this many at least, and among
 * this share of all. */
#define FIRST_ROWS 256
#define FIRST_SHARE 64

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * 0xff51afd7ed558ccdu;
    return h ^ (h >> 32);
}

static uint64_t mix_row(const smm_rows_of *x, int64_t i)
{
    uint64_t h = 0x9e3779b97f4a7c15u, bits;
    for (int32_t t = 0; t < x->groups; t++) h = mix(h, (uint32_t)x->refs[t][i]);
    for (int32_t k = 0; k < x->parts; k++) {
        const double *row = x->part[k] + i * x->cols[k];
        for (int32_t c = 0; c < x->cols[k]; c++) {
            memcpy(&bits, row + c, sizeof bits);
            h = mix(h, bits);
        }
    }
    return h;
}

static int equal(const smm_rows_of *x, int64_t i, int64_t j)
{
    for (int32_t t = 0; t < x->groups; t++)
        if (x->refs[t][i] != x->refs[t][j]) return 0;
    for (int32_t k = 0; k < x->parts; k++) {
        int64_t cols = x->cols[k];
        const double *part = x->part[k];
        if (memcmp(part + i * cols, part + j * cols, sizeof *part * (size_t)cols)) return 0;
    }
    return 1;
}

int smm_alike(const smm_rows_of *x, int64_t n, int64_t most, int64_t slots, int32_t *table,
              int32_t *which, int64_t *first, int64_t *count)
{
    if (!x || n < 0 || n > INT32_MAX || most < 0 || slots <= most || (slots & (slots - 1)) ||
        !table || !which || !first || !count)
        return SMM_EINVAL;
    int64_t found = 0, begin = n / FIRST_SHARE > FIRST_ROWS ? n / FIRST_SHARE : FIRST_ROWS;
    *count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i == begin && found > i - i / 8) return SMM_OK;
        int64_t at = (int64_t)(mix_row(x, i) & (uint64_t)(slots - 1));
        while (table[at] && !equal(x, i, first[table[at] - 1])) at = (at + 1) & (slots - 1);
        if (!table[at]) {
            if (found == most) return SMM_OK;
            first[found++] = i;
            table[at] = (int32_t)found;
        }
        which[i] = table[at] - 1;
    }
    *count = found;
    return SMM_OK;
}
