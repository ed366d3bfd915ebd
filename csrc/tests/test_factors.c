/* SPDX-License-Identifier: BSD-3-Clause
 *
 * T given whole: values and gradients are those at the theta of the same T; the scores and the
 * projected directions against matrices of all rows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

#define TOL 1e-9
#define DIRECTIONS 2

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    if (!out) abort();
    return out;
}

/* T of all terms, column-major, with what is above the diagonal set to nonsense. */
static double *factors_of(const problem *m, int64_t *size)
{
    *size = 0;
    for (int32_t t = 0; t < m->nterms; t++) *size += m->term[t].cols * m->term[t].cols;
    double *out = doubles(*size), *at = out;
    const double *theta = m->theta;
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) at[r + c * k] = r < c ? 7.5 : *theta++;
        at += k * k;
    }
    return out;
}

static void check_same(const problem *m, smm_workspace *ws)
{
    int64_t size;
    double *T = factors_of(m, &size), *gradient = doubles(m->ntheta), *full = doubles(size);
    double expected, value;
    CHECK(smm_value(ws, m->theta, &expected) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_value_factors(ws, T, &value) == SMM_OK);
    CHECK(value == expected);
    CHECK(smm_gradient_factors(ws, full) == SMM_OK);
    const double *g = gradient, *F = full;
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = c; r < k; r++) CHECK(2 * F[r + c * k] == *g++);
        F += k * k;
    }
    free(T);
    free(gradient);
    free(full);
}

/* P (n x n) and P y by dense matrices. */
static double *dense_projection(const problem *m, const double *weights, double *py)
{
    int64_t n = m->n, q = m->q, p = m->p;
    double *Z = dense_z(m), *lambda = dense_lambda(m, m->theta), *ZL = doubles(n * q);
    double *V = doubles(n * n), *inverse = doubles(n * n), *VX = doubles(n * p);
    double *xvx = doubles(p * p), *M = doubles(p * p);
    for (int64_t c = 0; c < q; c++)
        for (int64_t a = 0; a < q; a++)
            for (int64_t i = 0; i < n; i++) ZL[i + c * n] += Z[i + a * n] * lambda[a + c * q];
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            for (int64_t c = 0; c < q; c++) V[i + j * n] += ZL[i + c * n] * ZL[j + c * n];
            if (i == j) V[i + j * n] += weights ? 1 / weights[i] : 1;
        }
    dense_inverse(n, V, inverse);
    for (int64_t v = 0; v < p; v++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) VX[i + v * n] += inverse[i + j * n] * m->X[j * p + v];
    for (int64_t v = 0; v < p; v++)
        for (int64_t w = 0; w < p; w++)
            for (int64_t i = 0; i < n; i++) xvx[v + w * p] += m->X[i * p + v] * VX[i + w * n];
    if (p) dense_inverse(p, xvx, M);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t v = 0; v < p; v++)
                for (int64_t w = 0; w < p; w++)
                    inverse[i + j * n] -= VX[i + v * n] * M[v + w * p] * VX[j + w * n];
    for (int64_t i = 0; i < n; i++) {
        py[i] = 0;
        for (int64_t j = 0; j < n; j++) py[i] += inverse[i + j * n] * m->y[j];
    }
    free(Z);
    free(lambda);
    free(ZL);
    free(V);
    free(VX);
    free(xvx);
    free(M);
    return inverse;
}

static void check_dense(const problem *m, smm_workspace *ws, const double *weights)
{
    int64_t n = m->n, q = m->q;
    uint64_t state = 77;
    double *py = doubles(n), *P = dense_projection(m, weights, py), *Z = dense_z(m);
    double *scores = doubles(q), *w = doubles(q * DIRECTIONS), *out = doubles(q * DIRECTIONS);
    for (int64_t i = 0; i < q * DIRECTIONS; i++) w[i] = normal(&state);
    CHECK(smm_scores(ws, scores) == SMM_OK);
    int32_t most = m->ntheta < DIRECTIONS ? 1 : DIRECTIONS;
    CHECK(smm_project(ws, most, w, out) == SMM_OK);
    double *Zw = doubles(n), *PZw = doubles(n);
    for (int64_t a = 0; a < q; a++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += Z[i + a * n] * py[i];
        CHECK_NEAR(scores[a], sum, TOL);
    }
    for (int32_t v = 0; v < most; v++) {
        for (int64_t i = 0; i < n; i++) {
            Zw[i] = 0;
            for (int64_t a = 0; a < q; a++) Zw[i] += Z[i + a * n] * w[a * most + v];
        }
        for (int64_t i = 0; i < n; i++) {
            PZw[i] = 0;
            for (int64_t j = 0; j < n; j++) PZw[i] += P[i + j * n] * Zw[j];
        }
        for (int64_t a = 0; a < q; a++) {
            double sum = 0;
            for (int64_t i = 0; i < n; i++) sum += Z[i + a * n] * PZw[i];
            CHECK_NEAR(out[a * most + v], sum, TOL);
        }
    }
    w[0] = NAN;
    CHECK(smm_project(ws, 1, w, out) == SMM_ENONFINITE);
    free(py);
    free(P);
    free(Z);
    free(scores);
    free(w);
    free(out);
    free(Zw);
    free(PZw);
}

static void check_misuse(const problem *m, const smm_design *d)
{
    int64_t size;
    double *T = factors_of(m, &size), *out = doubles(size + m->q), value;
    smm_workspace *fresh;
    CHECK(smm_workspace_create(d, &fresh) == SMM_OK);
    CHECK(smm_value_factors(fresh, T, &value) == SMM_ESTATE && isnan(value));
    CHECK(smm_gradient_factors(fresh, out) == SMM_ESTATE);
    CHECK(smm_scores(fresh, out) == SMM_ESTATE);
    CHECK(smm_project(fresh, 1, out, out) == SMM_ESTATE);
    CHECK(smm_value_factors(NULL, T, &value) == SMM_EINVAL);
    CHECK(smm_value_factors(fresh, NULL, &value) == SMM_EINVAL);
    CHECK(smm_gradient_factors(NULL, out) == SMM_EINVAL);
    CHECK(smm_scores(NULL, out) == SMM_EINVAL);
    CHECK(smm_project(NULL, 1, out, out) == SMM_EINVAL);
    CHECK(smm_project(fresh, 0, out, out) == SMM_EINVAL);
    CHECK(smm_project(fresh, m->ntheta + 1, out, out) == SMM_EINVAL);
    smm_workspace_destroy(fresh);
    smm_workspace *ws = problem_workspace(d, m, NULL, 0, 0);
    T[0] = INFINITY;
    CHECK(smm_value_factors(ws, T, &value) == SMM_ENONFINITE && isnan(value));
    smm_workspace_destroy(ws);
    free(T);
    free(out);
}

int main(void)
{
    static const struct {
        enum layout layout;
        int64_t n;
        int32_t p, nterms, levels[MAX_TERMS], cols[MAX_TERMS];
    } shapes[] = {
        {RANDOM, 30, 2, 1, {6}, {1}},
        {RANDOM, 40, 1, 1, {5}, {3}},
        {COMPLETE, 40, 2, 2, {5, 4}, {2, 1}},
        {RANDOM, 70, 0, 2, {40, 32}, {1, 1}},
        {NESTED, 48, 2, 3, {12, 4, 2}, {2, 1, 1}},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        problem m = problem_make(300 + s, shapes[s].layout, shapes[s].n, shapes[s].p,
                                 shapes[s].nterms, shapes[s].levels, shapes[s].cols);
        smm_design *d = problem_design(&m);
        for (int weighted = 0; weighted < 2; weighted++) {
            const double *weights = weighted ? m.weights : NULL;
            smm_workspace *ws = problem_workspace(d, &m, weights, 1, 0);
            check_same(&m, ws);
            check_dense(&m, ws, weights);
            smm_workspace_destroy(ws);
        }
        check_misuse(&m, d);
        smm_design_destroy(d);
        problem_free(&m);
    }
    return check_result();
}
