/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows rotated into cells: cross-products by cell and in all are those of the data, in any
 * order and parts the rows came; few rows, rows of zeros, huge rows; memory that runs out.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "purse.h"

enum { N = 60, TERMS = 2, COLS = 2, WIDTH = 5 };

static double draw(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / 4503599627370496.0 - 1;
}

static void make(int32_t *keys, double *rows, int32_t levels, double size)
{
    uint64_t state = 3;
    for (int i = 0; i < N; i++) {
        for (int t = 0; t < TERMS; t++)
            keys[i * TERMS + t] = (int32_t)((draw(&state) + 1) / 2 * levels);
        for (int v = 0; v < WIDTH; v++) rows[i * WIDTH + v] = size * draw(&state);
        rows[i * WIDTH] = i % 7 ? size : 0; /* a constant, and rows that do not have it */
    }
}

/* The sum of products of columns a and b over the rows of a key, or over all rows. */
static double product(int64_t n, const int32_t *keys, const double *rows, const int32_t *key,
                      int per_key, int a, int b)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        if (!key || !memcmp(keys + i / per_key * TERMS, key, TERMS * sizeof *key))
            sum += rows[i * WIDTH + a] * rows[i * WIDTH + b];
    return sum;
}

static void check_products(int32_t levels, double size, int parts)
{
    static int32_t keys[N * TERMS], kept_keys[N * TERMS];
    static double data[N * WIDTH], rest[N * WIDTH], kept[N * COLS * WIDTH];
    double unit = size * size;
    smm_cells *c;
    make(keys, data, levels, size);
    memcpy(rest, data, sizeof data);
    CHECK(smm_cells_create(NULL, TERMS, COLS, WIDTH, &c) == SMM_OK);
    for (int part = 0, each = N / parts; part < parts; part++)
        CHECK(smm_cells_add(c, each, keys + part * each * TERMS, rest + part * each * WIDTH) ==
              SMM_OK);
    int64_t count = smm_cells_count(c);
    CHECK(count > 0 && count <= N);
    CHECK(smm_cells_read(c, kept_keys, kept) == SMM_OK);
    for (int64_t cell = 0; cell < count; cell++)
        for (int a = 0; a < COLS; a++) {
            for (int b = 0; b < WIDTH; b++) {
                double theirs = product(N, keys, data, kept_keys + cell * TERMS, 1, a, b);
                double ours =
                    product(count * COLS, kept_keys, kept, kept_keys + cell * TERMS, COLS, a, b);
                CHECK_NEAR(ours / unit, theirs / unit, 1e-13);
            }
            for (int b = 0; b < a; b++) CHECK(kept[(cell * COLS + a) * WIDTH + b] == 0);
        }
    for (int i = 0; i < N; i++)
        for (int a = 0; a < COLS; a++) CHECK(rest[i * WIDTH + a] == 0);
    for (int a = COLS; a < WIDTH; a++)
        for (int b = COLS; b < WIDTH; b++) {
            double ours = product(count * COLS, kept_keys, kept, NULL, COLS, a, b) +
                          product(N, keys, rest, NULL, 1, a, b);
            CHECK_NEAR(ours / unit, product(N, keys, data, NULL, 1, a, b) / unit, 1e-13);
        }
    smm_cells_destroy(c);
}

/* More cells than a block and the first table have room for. */
static void check_many(void)
{
    enum { MANY = 9000 };
    int32_t *keys = malloc(2 * MANY * sizeof *keys), *read = malloc(2 * MANY * sizeof *read);
    double *rows = malloc(2 * MANY * sizeof *rows);
    if (!keys || !rows || !read) abort();
    smm_cells *c;
    CHECK(smm_cells_create(NULL, 2, 1, 2, &c) == SMM_OK);
    for (int pass = 0; pass < 3; pass++) {
        for (int i = 0; i < MANY; i++) {
            keys[2 * i] = i / 10;
            keys[2 * i + 1] = i % 10 - 5;
            rows[2 * i] = 1;
            rows[2 * i + 1] = i;
        }
        CHECK(smm_cells_add(c, MANY, keys, rows) == SMM_OK);
    }
    CHECK(smm_cells_count(c) == MANY);
    CHECK(smm_cells_read(c, read, rows) == SMM_OK);
    CHECK(!memcmp(read, keys, 2 * MANY * sizeof *keys));
    for (int i = 0; i < MANY; i++) {
        CHECK_NEAR(rows[2 * i], sqrt(3), 1e-15);
        CHECK_NEAR(rows[2 * i + 1], sqrt(3) * i, 1e-14);
    }
    smm_cells_destroy(c);
    free(keys);
    free(read);
    free(rows);
}

static int add_until_full(purse *p, int32_t *keys, double *rows, int n, smm_cells **c)
{
    smm_allocator mem = {purse_alloc, purse_release, p};
    int status = smm_cells_create(&mem, 1, 1, 1, c);
    for (int i = 0; i < n; i++) {
        keys[i] = i;
        rows[i] = 1;
    }
    return status ? status : smm_cells_add(*c, n, keys, rows);
}

static void check_memory(void)
{
    enum { MANY = 80000 }; /* lists of blocks have to grow, and the table often */
    int32_t *keys = malloc(MANY * sizeof *keys);
    double *rows = malloc(MANY * sizeof *rows);
    if (!keys || !rows) abort();
    smm_cells *c;
    purse plenty = {INT64_MAX, 0, 0};
    CHECK(add_until_full(&plenty, keys, rows, MANY, &c) == SMM_OK);
    int64_t needed = plenty.allocated;
    smm_cells_destroy(c);
    CHECK(plenty.live == 0 && needed > 40);
    for (int64_t k = 0; k < needed; k++) {
        purse p = {k, 0, 0};
        c = NULL;
        CHECK(add_until_full(&p, keys, rows, MANY, &c) == SMM_ENOMEM);
        smm_cells_destroy(c);
        CHECK(p.live == 0);
    }
    free(keys);
    free(rows);
}

/* Rows of zeros may be left out if they are counted. */
static void check_rows_of_zeros(void)
{
    const int32_t levels[] = {5, 4}, cols[] = {2, 1};
    enum { ALL = 60, SOME = 47, P = 2 };
    problem m = problem_make(11, RANDOM, ALL, P, 2, levels, cols);
    for (int64_t i = SOME; i < ALL; i++) {
        m.y[i] = 0;
        for (int v = 0; v < P; v++) m.X[i * P + v] = 0;
        for (int t = 0; t < 2; t++)
            for (int c = 0; c < cols[t]; c++) ((double *)m.term[t].z)[i * cols[t] + c] = 0;
    }
    for (int reml = 0; reml < 2; reml++) {
        double value[2], scale[2][8];
        for (int left_out = 0; left_out < 2; left_out++) {
            smm_design *d;
            purse p = {INT64_MAX, 0, 0};
            m.n = left_out ? SOME : ALL;
            CHECK(purse_design(&m, &p, &d) == SMM_OK);
            smm_workspace *ws;
            CHECK(smm_workspace_create(d, &ws) == SMM_OK);
            CHECK(smm_set_rows(ws, ALL) == SMM_ESTATE);
            CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
            CHECK(smm_set_rows(ws, P) == SMM_EINVAL);
            CHECK(smm_set_rows(ws, ALL) == SMM_OK);
            CHECK(smm_set_criterion(ws, reml, 0) == SMM_OK);
            CHECK(smm_value(ws, m.theta, value + left_out) == SMM_OK);
            CHECK(smm_theta_scale(ws, scale[left_out]) == SMM_OK);
            smm_workspace_destroy(ws);
            smm_design_destroy(d);
        }
        CHECK_NEAR(value[1], value[0], 1e-13);
        for (int i = 0; i < m.ntheta; i++) CHECK_NEAR(scale[1][i], scale[0][i], 1e-13);
    }
    m.n = ALL;
    problem_free(&m);
}

static void check_arguments(void)
{
    int32_t key = 0;
    double row[2] = {0, 1};
    smm_cells *c = (smm_cells *)&key;
    CHECK(smm_cells_create(NULL, 0, 1, 2, &c) == SMM_EINVAL && !c);
    CHECK(smm_cells_create(NULL, 1, 0, 2, &c) == SMM_EINVAL);
    CHECK(smm_cells_create(NULL, 1, 3, 2, &c) == SMM_EINVAL);
    CHECK(smm_cells_create(NULL, 1, 1, 2, NULL) == SMM_EINVAL);
    CHECK(smm_cells_create(NULL, 2000, 1, 2, &c) == SMM_EOVERFLOW);
    CHECK(smm_cells_create(NULL, 1, 1, 2, &c) == SMM_OK);
    CHECK(smm_cells_add(NULL, 1, &key, row) == SMM_EINVAL);
    CHECK(smm_cells_add(c, -1, &key, row) == SMM_EINVAL);
    CHECK(smm_cells_add(c, 1, NULL, row) == SMM_EINVAL);
    CHECK(smm_cells_add(c, 0, NULL, NULL) == SMM_OK);
    CHECK(smm_cells_count(c) == 0 && smm_cells_count(NULL) == 0);
    CHECK(smm_cells_add(c, 1, &key, row) == SMM_OK); /* a row without random effects */
    CHECK(smm_cells_count(c) == 1 && row[1] == 1);
    CHECK(smm_cells_read(c, NULL, row) == SMM_EINVAL);
    smm_cells_destroy(c);
    smm_cells_destroy(NULL);
}

int main(void)
{
    const int32_t levels[] = {1, 3, 100}, parts[] = {1, 6, N};
    for (int l = 0; l < 3; l++)
        for (int p = 0; p < 3; p++) {
            check_products(levels[l], 1, parts[p]);
            check_products(levels[l], 1e150, parts[p]); /* squares of squares are no doubles */
        }
    check_many();
    check_rows_of_zeros();
    check_memory();
    check_arguments();
    return check_result();
}
