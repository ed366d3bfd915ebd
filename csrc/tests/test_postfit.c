/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is read off a solved workspace: conditional variances against a dense inverse,
 * the solution and the leverages by what defines them.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

#define TOL 1e-10

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    if (!out) abort();
    return out;
}

static void solve(smm_workspace *ws, const problem *m, double *gradient)
{
    double value;
    CHECK(smm_value(ws, m->theta, &value) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
}

/* Diagonal blocks of Lambda Omega^-1 Lambda'. */
static void check_condvar(const problem *m, smm_workspace *ws, const double *weights)
{
    int64_t q = m->q, length = 0, start = 0;
    for (int32_t t = 0; t < m->nterms; t++)
        length += (int64_t)m->term[t].levels * m->term[t].cols * m->term[t].cols;
    double *out = doubles(length), *at = out, *inverse = doubles(q * q);
    double *omega = dense_omega(m, m->theta, weights), *lambda = dense_lambda(m, m->theta);
    dense_inverse(q, omega, inverse);
    CHECK(smm_condvar(ws, out) == SMM_OK);
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        for (int32_t l = 0; l < m->term[t].levels; l++, start += k, at += k * k)
            for (int32_t r = 0; r < k; r++)
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int64_t a = start; a < start + k; a++)
                        for (int64_t b = start; b < start + k; b++)
                            sum += lambda[start + r + a * q] * inverse[a + b * q] *
                                   lambda[start + c + b * q];
                    CHECK_NEAR(at[r * k + c], sum, TOL);
                }
    }
    free(out);
    free(inverse);
    free(omega);
    free(lambda);
}

/* r = W (y - X beta - Z b) solves the mixed model equations: X'r = 0, Lambda'Z'r = u. */
static void check_solution(const problem *m, smm_workspace *ws, const double *weights)
{
    int64_t n = m->n, p = m->p, q = m->q;
    double *beta = doubles(p), *u = doubles(q), *b = doubles(q), *inverse = doubles(p * p);
    double *Z = dense_z(m), *lambda = dense_lambda(m, m->theta), *r = doubles(n), scalars[4];
    CHECK(smm_solution(ws, NULL, NULL, NULL, NULL, NULL) == SMM_OK);
    CHECK(smm_solution(ws, beta, u, b, inverse, scalars) == SMM_OK);
    double squares = 0;
    for (int64_t i = 0; i < n; i++) {
        r[i] = m->y[i];
        for (int64_t v = 0; v < p; v++) r[i] -= m->X[i * p + v] * beta[v];
        for (int64_t c = 0; c < q; c++) r[i] -= Z[i + c * n] * b[c];
        double w = weights ? weights[i] : 1;
        squares += w * r[i] * r[i];
        r[i] *= w;
    }
    for (int64_t v = 0; v < p; v++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += m->X[i * p + v] * r[i];
        CHECK_NEAR(sum, 0.0, TOL);
        for (int64_t w = 0; w < v; w++) CHECK(inverse[v * p + w] == inverse[w * p + v]);
    }
    for (int64_t c = 0; c < q; c++) {
        double from_r = 0, from_u = 0;
        for (int64_t a = 0; a < q; a++) {
            from_u += lambda[c + a * q] * u[a];
            if (lambda[a + c * q] != 0)
                for (int64_t i = 0; i < n; i++) from_r += lambda[a + c * q] * Z[i + a * n] * r[i];
        }
        CHECK_NEAR(from_r, u[c], TOL);
        CHECK_NEAR(from_u, b[c], TOL);
        squares += u[c] * u[c];
    }
    CHECK_NEAR(scalars[0], squares, TOL);
    CHECK(scalars[3] == (double)(n - p)); /* REML */
    free(beta);
    free(u);
    free(b);
    free(inverse);
    free(Z);
    free(lambda);
    free(r);
}

/* Fitted values are linear in y, so the leverage of row i is the fitted value there for
 * a response that is 1 in row i and 0 elsewhere. */
static void check_leverage(const problem *m, smm_workspace *ws, const double *weights)
{
    int64_t n = m->n, p = m->p, q = m->q;
    double *leverage = doubles(n), *y = doubles(n), *beta = doubles(p), *b = doubles(q);
    double *Z = dense_z(m), *gradient = doubles(m->ntheta);
    CHECK(smm_leverage(ws, weights, leverage) == SMM_OK);
    for (int64_t i = 0; i < n; i += 3) {
        y[i] = 1;
        CHECK(smm_crossprod_y(ws, y, weights) == SMM_OK);
        y[i] = 0;
        solve(ws, m, gradient);
        CHECK(smm_solution(ws, beta, NULL, b, NULL, NULL) == SMM_OK);
        double fitted = 0;
        for (int64_t v = 0; v < p; v++) fitted += m->X[i * p + v] * beta[v];
        for (int64_t c = 0; c < q; c++) fitted += Z[i + c * n] * b[c];
        CHECK_NEAR(leverage[i], fitted, TOL);
        CHECK(leverage[i] > 0 && leverage[i] < 1);
    }
    free(leverage);
    free(y);
    free(beta);
    free(b);
    free(Z);
    free(gradient);
}

/* The scale of theta is 1 / root mean square of the columns of W^(1/2) Z. */
static void check_scale(const problem *m, const smm_workspace *ws, const double *weights)
{
    double *scale = doubles(m->ntheta), *at = scale;
    CHECK(smm_theta_scale(ws, scale) == SMM_OK);
    for (int32_t t = 0; t < m->nterms; t++)
        for (int32_t c = 0; c < m->term[t].cols; c++)
            for (int32_t r = c; r < m->term[t].cols; r++, at++) {
                double sum = 0;
                for (int64_t i = 0; i < m->n; i++) {
                    double z = m->term[t].z[i * m->term[t].cols + r];
                    sum += (weights ? weights[i] : 1) * z * z;
                }
                CHECK_NEAR(*at, 1 / sqrt(sum / (double)m->n), TOL);
            }
    free(scale);
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
        {RANDOM, 40, 3, 2, {6, 8}, {1, 2}},
        {RANDOM, 70, 0, 2, {40, 32}, {1, 1}},
        {NESTED, 48, 2, 3, {12, 4, 2}, {2, 1, 1}},
        {RANDOM, 50, 1, 4, {9, 7, 5, 3}, {1, 2, 1, 3}},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        problem m = problem_make(200 + s, shapes[s].layout, shapes[s].n, shapes[s].p,
                                 shapes[s].nterms, shapes[s].levels, shapes[s].cols);
        double *gradient = doubles(m.ntheta);
        for (int weighted = 0; weighted < 2; weighted++) {
            const double *weights = weighted ? m.weights : NULL;
            smm_design *d = problem_design(&m);
            smm_workspace *ws = problem_workspace(d, &m, weights, 1, 0);
            solve(ws, &m, gradient);
            check_condvar(&m, ws, weights);
            check_solution(&m, ws, weights);
            check_scale(&m, ws, weights);
            check_leverage(&m, ws, weights);
            smm_workspace_destroy(ws);
            smm_design_destroy(d);
        }
        free(gradient);
        problem_free(&m);
    }
    return check_result();
}
