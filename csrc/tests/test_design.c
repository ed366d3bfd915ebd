/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The contract of smm_design_create: what it refuses, with which code, and the sizes it
 * finds.
 */
#include <string.h>

#include "check.h"
#include "problem.h"

#define ROWS 6

static const int32_t refs[ROWS] = {0, 0, 1, 1, 2, 2};
static const double z[2 * ROWS] = {1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1, 7};
static const double X[ROWS] = {1, 1, 1, 1, 1, 1};
static const uint8_t full[] = {1, 0, 1, 1};

static const smm_term good = {3, 2, refs, z, full, NULL, 0};

/* The status of one term; the handle must be NULL exactly on failure. */
static int create(smm_term term)
{
    smm_blas blas = ref_blas();
    smm_design *design = (smm_design *)&blas; /* anything but NULL */
    int status = smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, &design);
    CHECK((design == NULL) == (status != SMM_OK));
    smm_design_destroy(design);
    return status;
}

static void test_terms(void)
{
    static const int32_t negative[ROWS] = {0, 0, -1, 1, 2, 2};
    static const uint8_t upper[] = {1, 1, 1, 1}, gap[] = {1, 0, 1, 0}, diagonal[] = {1, 0, 0, 1};
    const smm_term legal[] = {
        good,
        {4, 2, refs, z, full, NULL, 0}, /* a level without rows */
        {3, 2, refs, z, diagonal, NULL, 0},
        {3, 1, refs, z, full, NULL, 0},
    };
    const smm_term impossible[] = {
        {0, 2, refs, z, full, NULL, 0},     {-1, 2, refs, z, full, NULL, 0},
        {2, 2, refs, z, full, NULL, 0},     {3, 0, refs, z, full, NULL, 0},
        {3, -2, refs, z, full, NULL, 0},    {3, 2, NULL, z, full, NULL, 0},
        {3, 2, refs, NULL, full, NULL, 0},  {3, 2, refs, z, NULL, NULL, 0},
        {3, 2, negative, z, full, NULL, 0}, {3, 2, refs, z, upper, NULL, 0},
        {3, 2, refs, z, gap, NULL, 0},      {3, 2, refs, z, full, NULL, -1},
        {3, 2, refs, z, full, NULL, 2},
    };
    for (size_t i = 0; i < sizeof legal / sizeof *legal; i++) CHECK(create(legal[i]) == SMM_OK);
    for (size_t i = 0; i < sizeof impossible / sizeof *impossible; i++)
        CHECK(create(impossible[i]) == SMM_EINVAL);
}

static void test_arguments(void)
{
    smm_blas blas = ref_blas();
    smm_term term = good;
    smm_design *design = NULL;
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, NULL) == SMM_EINVAL);
    CHECK(smm_design_create(NULL, NULL, ROWS, 1, &term, 1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, 0, 1, &term, 1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, -1, 1, &term, 1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, ROWS, 0, &term, 1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, NULL, 1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, -1, X, &design) == SMM_EINVAL);
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, NULL, &design) == SMM_EINVAL);
    CHECK(design == NULL);
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 0, NULL, &design) == SMM_OK);
    smm_design_destroy(design);
    smm_design_destroy(NULL);
    smm_workspace_destroy(NULL);
}

static void test_blas_table(void)
{
    smm_term term = good;
    smm_design *design = NULL;
    smm_blas blas = ref_blas();
    blas.size--;
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, &design) == SMM_EINVAL);
    blas = ref_blas();
    blas.int_bytes = 8;
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, &design) == SMM_EINVAL);

    /* each pointer is needed; they come after `int_bytes`, one behind the other */
    size_t first = offsetof(smm_blas, dpotrf), width = sizeof blas.dpotrf;
    for (size_t at = first; at + width <= sizeof blas; at += width) {
        blas = ref_blas();
        memset((char *)&blas + at, 0, width);
        CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, &design) == SMM_EINVAL);
    }

    /* the table is copied */
    blas = ref_blas();
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1, X, &design) == SMM_OK);
    memset(&blas, 0, sizeof blas);
    smm_workspace *ws;
    double theta[] = {1, 0.1, 1}, value, y[ROWS] = {1, 3, 2, 5, 8, 2};
    CHECK(smm_workspace_create(design, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, y, NULL) == SMM_OK);
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    smm_workspace_destroy(ws);
    smm_design_destroy(design);
}

static void test_overflow(void)
{
    smm_blas blas = ref_blas();
    smm_design *design = NULL;
    smm_term term = good;
    term.levels = INT32_MAX; /* times 2 columns */
    CHECK(create(term) == SMM_EOVERFLOW);
    term = good;
    term.cols = 32768;
    CHECK(create(term) == SMM_EOVERFLOW);
    CHECK(smm_design_create(&blas, NULL, ROWS, 1, &term, 1 << 20, X, &design) == SMM_EOVERFLOW);

    /* 300 correlated columns have 45150 elements of theta */
    enum { WIDE = 300 };
    static double wide[ROWS * WIDE];
    static uint8_t pattern[WIDE * WIDE];
    for (int r = 0; r < WIDE; r++)
        for (int c = 0; c <= r; c++) pattern[r * WIDE + c] = 1;
    smm_term many = {3, WIDE, refs, wide, pattern, NULL, 0};
    CHECK(create(many) == SMM_EOVERFLOW);

    static smm_term terms[1001];
    for (int t = 0; t < 1001; t++) terms[t] = good;
    CHECK(smm_design_create(&blas, NULL, ROWS, 1001, terms, 1, X, &design) == SMM_EOVERFLOW);
    CHECK(design == NULL);
}

static void test_sizes(void)
{
    const int32_t levels[] = {12, 5}, cols[] = {2, 3};
    problem m = problem_make(1, COMPLETE, 120, 4, 2, levels, cols);
    smm_design *design = problem_design(&m);
    smm_sizes sizes;
    CHECK(smm_design_sizes(design, &sizes) == SMM_OK);
    CHECK(sizes.n == 120);
    CHECK(sizes.p == 4);
    CHECK(sizes.q == 12 * 2 + 5 * 3);
    CHECK(sizes.nterms == 2);
    CHECK(sizes.ntheta == 3 + 6);
    CHECK(sizes.nodes == 17);
    CHECK(sizes.nblocks == 17 + 12 * 5);
    CHECK(sizes.head_nodes == 12);
    CHECK(sizes.tail_size == 15);
    /* below the two pivots of a level are 16 and 15 elements, in the tail 14, 13, ... */
    CHECK(sizes.factor_operations == 12 * (16 * 17 + 15 * 16) + 15 * (15 * 15 - 1) / 3);
    CHECK(smm_design_sizes(NULL, &sizes) == SMM_EINVAL);
    CHECK(smm_design_sizes(design, NULL) == SMM_EINVAL);
    smm_design_destroy(design);
    problem_free(&m);

    const int32_t chain[] = {24, 6, 2}, ones[] = {1, 1, 1};
    m = problem_make(2, NESTED, 96, 1, 3, chain, ones);
    design = problem_design(&m);
    CHECK(smm_design_sizes(design, &sizes) == SMM_OK);
    /* every level has one parent in each term above it, and nothing fills in: the head
     * stores no more than the blocks of A that lie there */
    CHECK(sizes.nblocks == 32 + 24 * 2 + 6);
    CHECK(sizes.tail_size <= 5);
    CHECK(sizes.head_values <= sizes.nblocks - sizes.tail_size);
    smm_design_destroy(design);
    problem_free(&m);
}

int main(void)
{
    test_terms();
    test_arguments();
    test_blas_table();
    test_overflow();
    test_sizes();
    return check_result();
}
