/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows that pass by in batches: value, gradient, curvature and solution are those of the same
 * rows in memory, whose own are compared with dense matrices; what cannot be had, and memory that
 * runs out.
 */
#include <string.h>

#include "glmm_dense.h"
#include "purse.h"

enum { MOST = 12, ROWS = 11 };

/* Gives the rows of a problem, ROWS at a time, and fails after `left` calls. */
typedef struct {
    const mixed *x;
    int64_t at, left;
    const int32_t *refs[MAX_TERMS];
    const double *z[MAX_TERMS];
    int32_t wrong[ROWS]; /* levels that do not exist */
    int hurt;
} reader;

static int next_rows(void *ctx, int restart, smm_batch *batch)
{
    reader *r = ctx;
    const problem *m = &r->x->m;
    if (r->left-- <= 0) return 1;
    if (restart) r->at = 0;
    int64_t at = r->at, n = m->n - at < ROWS ? m->n - at : ROWS;
    r->at += n;
    batch->n = r->hurt == 1 && n ? ROWS + 1 : n;
    batch->y = r->hurt == 2 ? NULL : m->y + at;
    batch->weights = r->x->weighted == (r->hurt == 3) ? NULL : m->weights + at;
    batch->offset = r->x->offset + at;
    batch->X = r->hurt == 4 ? NULL : m->X + at * m->p;
    for (int32_t t = 0; t < m->nterms; t++) {
        r->refs[t] = r->hurt == 5 ? r->wrong : m->term[t].refs + at;
        r->z[t] = m->term[t].z + at * m->term[t].cols;
    }
    batch->refs = r->refs;
    batch->z = r->z;
    return 0;
}

/* The root mean squares of the columns of Z. */
static void column_sizes(const problem *m, double *sizes)
{
    for (int32_t t = 0; t < m->nterms; t++)
        for (int32_t c = 0; c < m->term[t].cols; c++) {
            double sum = 0;
            for (int64_t i = 0; i < m->n; i++) {
                double z = m->term[t].z[i * m->term[t].cols + c];
                sum += z * z;
            }
            *sizes++ = sqrt(sum / (double)m->n);
        }
}

static int create(const mixed *x, const smm_design *d, reader *r, smm_glmm **g)
{
    double sizes[MOST];
    column_sizes(&x->m, sizes);
    memset(r, 0, sizeof *r);
    r->x = x;
    r->left = INT64_MAX;
    for (int i = 0; i < ROWS; i++) r->wrong[i] = -1;
    return smm_glmm_create_streamed(d, &x->family, x->m.n, ROWS, x->weighted, sizes, 1, next_rows,
                                    r, g);
}

static void check_equal(const mixed *x)
{
    smm_design *d = problem_design(&x->m);
    smm_glmm *g[2];
    reader r;
    double value[2], at[MOST], gradient[2][MOST], hessian[2][MOST * MOST], beta[2][MOST];
    double inverse[2][MOST * MOST], scalars[2][7], *u[2], *b = malloc(sizeof(double) * 400);
    if (!b) abort();
    g[0] = mixed_glmm(x, d, 1);
    CHECK(create(x, d, &r, &g[1]) == SMM_OK);
    CHECK(smm_glmm_approximation(g[1], x->fast, 1, NULL, NULL) == SMM_OK);
    int32_t count = mixed_parameters(x, at);
    for (int k = 0; k < 2; k++) {
        if (x->fast) CHECK(smm_glmm_set_beta(g[k], x->beta) == SMM_OK);
        CHECK(smm_glmm_value(g[k], at, value + k) == SMM_OK);
        CHECK(smm_glmm_gradient(g[k], gradient[k]) == SMM_OK);
        CHECK(smm_glmm_curvature(g[k], hessian[k]) == SMM_OK);
        u[k] = b + 200 * k;
        CHECK(smm_glmm_solution(g[k], beta[k], u[k], NULL, NULL, inverse[k], NULL, scalars[k]) ==
              SMM_OK);
    }
    CHECK_NEAR(value[0], value[1], 1e-10);
    for (int i = 0; i < count; i++) CHECK_NEAR(gradient[0][i], gradient[1][i], 1e-7);
    for (int i = 0; i < count * count; i++) CHECK_NEAR(hessian[0][i], hessian[1][i], 1e-7);
    for (int i = 0; i < x->m.p; i++) CHECK_NEAR(beta[0][i], beta[1][i], 1e-8);
    for (int i = 0; i < x->m.p * x->m.p; i++) CHECK_NEAR(inverse[0][i], inverse[1][i], 1e-8);
    for (int i = 0; i < x->m.q && i < 200; i++) CHECK_NEAR(u[0][i], u[1][i], 1e-8);
    for (int i = 0; i < 4; i++) CHECK_NEAR(scalars[0][i], scalars[1][i], 1e-8);
    CHECK(smm_glmm_passes(g[0]) == 0 && smm_glmm_passes(g[1]) > 2);
    smm_glmm_destroy(g[0]);
    smm_glmm_destroy(g[1]);
    smm_design_destroy(d);
    free(b);
}

static mixed crossed(smm_family family, int weighted)
{
    const int32_t levels[] = {5, 7, 3}, cols[] = {2, 1, 1};
    return mixed_make(problem_make(3, RANDOM, 60, 2, 3, levels, cols), family, weighted, 0.4,
                      0.5);
}

static void test_equality(void)
{
    const smm_family families[] = {
        {SMM_BINOMIAL, SMM_LOGIT, 0, 0},   {SMM_BINOMIAL, SMM_PROBIT, 0, 0},
        {SMM_POISSON, SMM_LOG, 0, 1},      {SMM_GAMMA, SMM_LOG, 0, 0},
        {SMM_GAMMA, SMM_LOG, 0, 1},        {SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 1},
        {SMM_GAUSSIAN, SMM_IDENTITY, 0, 0}};
    for (size_t k = 0; k < sizeof families / sizeof *families; k++)
        for (int way = 0; way < 4; way++) {
            mixed x = crossed(families[k], way % 2);
            x.fast = way / 2;
            check_equal(&x);
            mixed_free(&x);
        }
}

static void test_failures(void)
{
    mixed x = crossed((smm_family){SMM_POISSON, SMM_LOG, 0, 0}, 0);
    smm_design *d = problem_design(&x.m);
    smm_glmm *g;
    reader r;
    double at[MOST], value, gradient[MOST], sizes[MOST] = {1, 1, 1, 1}, rows[60];
    CHECK(create(&x, d, &r, &g) == SMM_OK);
    mixed_parameters(&x, at);
    for (r.hurt = 1; r.hurt <= 5; r.hurt++)
        CHECK(smm_glmm_value(g, at, &value) == SMM_ENONFINITE);
    r.hurt = 0;
    r.left = 3;
    CHECK(smm_glmm_value(g, at, &value) == SMM_ENONFINITE && isnan(value));
    r.left = INT64_MAX;
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    r.left = 3;
    CHECK(smm_glmm_gradient(g, gradient) == SMM_ENONFINITE && isnan(gradient[0]));
    r.left = INT64_MAX;
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    CHECK(smm_glmm_leverage(g, rows) == SMM_EINVAL);
    CHECK(smm_glmm_set_target(g, x.m.y) == SMM_EINVAL);
    CHECK(smm_glmm_without_effects(g, x.m.y, 1, x.beta) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 3, rows, rows) == SMM_EINVAL);
    CHECK(smm_glmm_solution(g, NULL, NULL, NULL, rows, NULL, NULL, NULL) == SMM_EINVAL);
    smm_glmm_destroy(g);
    const smm_family *f = &x.family;
    CHECK(smm_glmm_create_streamed(NULL, f, 60, ROWS, 0, sizes, 1, next_rows, &r, &g) ==
          SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, NULL, 60, ROWS, 0, sizes, 1, next_rows, &r, &g) ==
          SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, f, 0, ROWS, 0, sizes, 1, next_rows, &r, &g) == SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, f, 60, 0, 0, sizes, 1, next_rows, &r, &g) == SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, f, 60, ROWS, 0, NULL, 1, next_rows, &r, &g) == SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, f, 60, ROWS, 0, sizes, 1, NULL, &r, &g) == SMM_EINVAL);
    CHECK(smm_glmm_create_streamed(d, f, 60, ROWS, 0, sizes, 1, next_rows, &r, NULL) ==
          SMM_EINVAL);
    CHECK(g == NULL && smm_glmm_passes(NULL) == 0);
    smm_design_destroy(d);
    mixed_free(&x);
}

/* The k-th allocation fails, for every k. */
static void test_memory(void)
{
    mixed x = crossed((smm_family){SMM_POISSON, SMM_LOG, 0, 0}, 0);
    purse p = {INT64_MAX, 0, 0};
    smm_design *d;
    smm_glmm *g;
    reader r;
    double at[MOST], value;
    CHECK(purse_design(&x.m, &p, &d) == SMM_OK);
    int64_t before = p.allocated, live = p.live;
    CHECK(create(&x, d, &r, &g) == SMM_OK);
    int64_t needed = p.allocated - before;
    before = p.allocated;
    mixed_parameters(&x, at);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK && p.allocated == before);
    smm_glmm_destroy(g);
    for (int64_t k = 0; k < needed; k++) {
        p.countdown = k;
        g = (smm_glmm *)&p;
        CHECK(create(&x, d, &r, &g) == SMM_ENOMEM);
        CHECK(g == NULL && p.live == live);
    }
    p.countdown = INT64_MAX;
    smm_design_destroy(d);
    CHECK(p.live == 0);
    mixed_free(&x);
}

int main(void)
{
    test_equality();
    test_failures();
    test_memory();
    return check_result();
}
