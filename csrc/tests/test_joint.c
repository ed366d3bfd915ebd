/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Joint covariances of any combination of levels, and the derivatives of the conditional
 * modes by beta, against a dense inverse; for linear and for generalized models.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "glmm_dense.h"

#define TOL 1e-10
#define ROWS 60

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    if (!out) abort();
    return out;
}

/* Lambda inverse Lambda', q x q. */
static double *sandwich(const problem *m, const double *inverse)
{
    int64_t q = m->q;
    double *lambda = dense_lambda(m, m->theta), *half = doubles(q * q), *full = doubles(q * q);
    for (int64_t c = 0; c < q; c++)
        for (int64_t r = 0; r < q; r++)
            for (int64_t e = 0; e < q; e++)
                half[r + c * q] += lambda[r + e * q] * inverse[e + c * q];
    for (int64_t c = 0; c < q; c++)
        for (int64_t r = 0; r < q; r++)
            for (int64_t e = 0; e < q; e++)
                full[r + c * q] += half[r + e * q] * lambda[c + e * q];
    free(lambda);
    free(half);
    return full;
}

/* Combinations at random, so that many do not occur in the data and some lack a term. */
static void make_levels(const problem *m, int32_t *levels)
{
    uint64_t state = 77;
    for (int i = 0; i < ROWS; i++)
        for (int32_t t = 0; t < m->nterms; t++)
            levels[i * m->nterms + t] = (int32_t)(uniform(&state) * (m->term[t].levels + 1)) - 1;
}

static void check_covariances(const problem *m, const double *full, const int32_t *levels,
                              const double *out)
{
    int64_t K = 0;
    for (int32_t t = 0; t < m->nterms; t++) K += m->term[t].cols;
    for (int i = 0; i < ROWS; i++, out += K * K, levels += m->nterms) {
        int64_t at_s = 0, start_s = 0;
        for (int32_t s = 0; s < m->nterms; s++) {
            int32_t ks = m->term[s].cols;
            int64_t at_t = 0, start_t = 0;
            for (int32_t t = 0; t < m->nterms; t++) {
                int32_t kt = m->term[t].cols;
                for (int32_t r = 0; r < ks; r++)
                    for (int32_t c = 0; c < kt; c++) {
                        double expected = 0;
                        if (levels[s] >= 0 && levels[t] >= 0)
                            expected = full[start_s + levels[s] * ks + r +
                                            (start_t + levels[t] * kt + c) * m->q];
                        CHECK_NEAR(out[(at_s + r) * K + at_t + c], expected, TOL);
                    }
                at_t += kt;
                start_t += (int64_t)m->term[t].levels * kt;
            }
            at_s += ks;
            start_s += (int64_t)m->term[s].levels * ks;
        }
    }
}

/* full Z'WX */
static void check_slopes(const problem *m, const double *full, const double *weights,
                         const double *slopes)
{
    double *Z = dense_z(m), *zx = doubles(m->q * m->p);
    for (int64_t c = 0; c < m->q; c++)
        for (int32_t v = 0; v < m->p; v++)
            for (int64_t i = 0; i < m->n; i++)
                zx[c * m->p + v] += Z[i + c * m->n] * (weights ? weights[i] : 1) *
                                    m->X[i * m->p + v];
    for (int64_t c = 0; c < m->q; c++)
        for (int32_t v = 0; v < m->p; v++) {
            double sum = 0;
            for (int64_t e = 0; e < m->q; e++) sum += full[c + e * m->q] * zx[e * m->p + v];
            CHECK_NEAR(slopes[c * m->p + v], sum, TOL);
        }
    free(Z);
    free(zx);
}

/* Variances of rows are the quadratic forms of joint covariances, less what slopes take off x. */
static void check_row_errors(smm_workspace *ws, const problem *m, const int32_t *levels,
                             const double *joint, int64_t K)
{
    double z[ROWS * 16], x[ROWS * 8], out[ROWS], *M = doubles(m->p * m->p + 1);
    double *slopes = doubles(m->q * m->p + 1), rest[8];
    for (int64_t i = 0; i < ROWS * K; i++) z[i] = sin(1.7 * (double)i);
    for (int64_t i = 0; i < ROWS * m->p; i++) x[i] = cos(2.3 * (double)i);
    CHECK(smm_row_errors(NULL, ROWS, levels, z, x, out) == SMM_EINVAL);
    CHECK(smm_row_errors(ws, -1, levels, z, x, out) == SMM_EINVAL);
    CHECK(smm_row_errors(ws, ROWS, NULL, z, x, out) == SMM_EINVAL);
    if (m->p) CHECK(smm_row_errors(ws, ROWS, levels, z, NULL, out) == SMM_EINVAL);
    CHECK(smm_row_errors(ws, 0, NULL, NULL, NULL, NULL) == SMM_OK);
    CHECK(smm_row_errors(ws, ROWS, levels, z, x, out) == SMM_OK);
    CHECK(smm_solution(ws, NULL, NULL, NULL, M, NULL) == SMM_OK);
    CHECK(smm_mode_slopes(ws, slopes) == SMM_OK);
    for (int64_t i = 0; i < ROWS; i++) {
        double expected = 0;
        for (int64_t r = 0; r < K; r++)
            for (int64_t c = 0; c < K; c++)
                expected += z[i * K + r] * joint[(i * K + r) * K + c] * z[i * K + c];
        for (int32_t v = 0; v < m->p; v++) rest[v] = x[i * m->p + v];
        int64_t start = 0, at = 0;
        for (int32_t t = 0; t < m->nterms; t++) {
            int32_t k = m->term[t].cols, level = levels[i * m->nterms + t];
            for (int32_t c = 0; level >= 0 && c < k; c++)
                for (int32_t v = 0; v < m->p; v++)
                    rest[v] -= z[i * K + at + c] * slopes[(start + level * k + c) * m->p + v];
            start += (int64_t)m->term[t].levels * k;
            at += k;
        }
        for (int32_t v = 0; v < m->p; v++)
            for (int32_t w = 0; w < m->p; w++) expected += rest[v] * M[v + w * m->p] * rest[w];
        CHECK_NEAR(out[i], expected, TOL);
    }
    free(M);
    free(slopes);
}

static const struct {
    enum layout layout;
    int64_t n;
    int32_t p, nterms, levels[MAX_TERMS], cols[MAX_TERMS];
} SHAPES[] = {
    {RANDOM, 30, 2, 1, {6}, {1}},
    {RANDOM, 40, 1, 1, {5}, {3}},
    {COMPLETE, 40, 2, 2, {5, 4}, {2, 1}},
    {RANDOM, 40, 3, 2, {6, 8}, {1, 2}},
    {RANDOM, 70, 0, 2, {40, 32}, {1, 1}},
    {NESTED, 48, 2, 3, {12, 4, 2}, {2, 1, 1}},
    {RANDOM, 50, 1, 4, {9, 7, 5, 3}, {1, 2, 1, 3}},
    {RANDOM, 90, 1, 2, {60, 40}, {2, 1}},
    {RANDOM, 80, 2, 3, {50, 40, 30}, {1, 1, 1}},
};

static void check_refused(smm_workspace *ws, const problem *m, int32_t *levels, double *out)
{
    int32_t old = levels[m->nterms - 1];
    CHECK(smm_level_covariances(NULL, ROWS, levels, out) == SMM_EINVAL);
    CHECK(smm_level_covariances(ws, -1, levels, out) == SMM_EINVAL);
    CHECK(smm_level_covariances(ws, ROWS, NULL, out) == SMM_EINVAL);
    CHECK(smm_level_covariances(ws, 0, NULL, NULL) == SMM_OK);
    levels[m->nterms - 1] = m->term[m->nterms - 1].levels;
    CHECK(smm_level_covariances(ws, ROWS, levels, out) == SMM_EINVAL);
    levels[m->nterms - 1] = -2;
    CHECK(smm_level_covariances(ws, ROWS, levels, out) == SMM_EINVAL);
    levels[m->nterms - 1] = old;
    CHECK(smm_mode_slopes(NULL, out) == SMM_EINVAL);
    if (m->p) CHECK(smm_mode_slopes(ws, NULL) == SMM_EINVAL);
}

static void check_linear(size_t s, int weighted)
{
    problem m = problem_make(400 + s, SHAPES[s].layout, SHAPES[s].n, SHAPES[s].p,
                             SHAPES[s].nterms, SHAPES[s].levels, SHAPES[s].cols);
    const double *weights = weighted ? m.weights : NULL;
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, weights, 0, 0);
    int32_t levels[ROWS * MAX_TERMS];
    int64_t K = 0;
    for (int32_t t = 0; t < m.nterms; t++) K += m.term[t].cols;
    double *out = doubles(ROWS * K * K), *slopes = doubles(m.q * m.p);
    double *gradient = doubles(m.ntheta), value, *inverse = doubles(m.q * m.q);
    make_levels(&m, levels);
    CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
    CHECK(smm_level_covariances(ws, ROWS, levels, out) == SMM_ESTATE);
    CHECK(smm_mode_slopes(ws, slopes) == SMM_ESTATE);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    check_refused(ws, &m, levels, out);
    CHECK(smm_level_covariances(ws, ROWS, levels, out) == SMM_OK);
    check_row_errors(ws, &m, levels, out, K);
    CHECK(smm_mode_slopes(ws, slopes) == SMM_OK);
    double *omega = dense_omega(&m, m.theta, weights);
    dense_inverse(m.q, omega, inverse);
    double *full = sandwich(&m, inverse);
    check_covariances(&m, full, levels, out);
    check_slopes(&m, full, weights, slopes);
    double *all[] = {out, slopes, gradient, inverse, omega, full};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void check_generalized(size_t s, smm_family family, double spread)
{
    mixed x = mixed_make(problem_make(500 + s, SHAPES[s].layout, SHAPES[s].n, SHAPES[s].p,
                                      SHAPES[s].nterms, SHAPES[s].levels, SHAPES[s].cols),
                         family, 1, 0.4, spread);
    const problem *m = &x.m;
    smm_design *d = problem_design(m);
    smm_glmm *g = mixed_glmm(&x, d, 1);
    int32_t levels[ROWS * MAX_TERMS];
    int64_t K = 0;
    for (int32_t t = 0; t < m->nterms; t++) K += m->term[t].cols;
    double *at = doubles(m->ntheta + m->p + 1), *gradient = doubles(m->ntheta + m->p + 1), value;
    double *out = doubles(ROWS * K * K), *slopes = doubles(m->q * m->p);
    mixed_parameters(&x, at);
    make_levels(m, levels);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_level_covariances(g, ROWS, levels, out) == SMM_ESTATE);
    CHECK(smm_glmm_mode_slopes(g, slopes) == SMM_ESTATE);
    CHECK(smm_glmm_level_covariances(NULL, ROWS, levels, out) == SMM_EINVAL);
    CHECK(smm_glmm_mode_slopes(NULL, slopes) == SMM_EINVAL);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    CHECK(smm_glmm_level_covariances(g, ROWS, levels, out) == SMM_OK);
    CHECK(smm_glmm_mode_slopes(g, slopes) == SMM_OK);
    modes a = dense_modes(&x);
    double *full = sandwich(m, a.omega_inverse);
    check_covariances(m, full, levels, out);
    check_slopes(m, full, a.weights, slopes);
    modes_free(&a);
    double *all[] = {at, gradient, out, slopes, full};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

int main(void)
{
    static const smm_family logit = {SMM_BINOMIAL, SMM_LOGIT, 0, 0};
    static const smm_family cloglog = {SMM_BINOMIAL, SMM_CLOGLOG, 0, 0};
    for (size_t s = 0; s < sizeof SHAPES / sizeof *SHAPES; s++)
        for (int weighted = 0; weighted < 2; weighted++) check_linear(s, weighted);
    for (size_t s = 0; s < 7; s++) {
        check_generalized(s, logit, 1);
        check_generalized(s, cloglog, 0.5);
    }
    return check_result();
}
