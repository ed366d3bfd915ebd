/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Several hundred small random models, most of them odd: levels without rows, single
 * levels, more random effects than rows, no fixed effects, many terms. Each is taken
 * through every function; value and gradient are compared with dense matrices.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

static int32_t pick(uint64_t *state, int32_t low, int32_t high)
{
    return low + (int32_t)(uniform(state) * (high - low + 1));
}

static double *doubles(int64_t count)
{
    double *out = calloc((size_t)count + 1, sizeof *out);
    if (!out) abort();
    return out;
}

/* One directional derivative, which is wrong if any element of the gradient is. */
static void check_slope(smm_workspace *ws, const problem *m, const double *gradient,
                        uint64_t *state)
{
    double *theta = doubles(m->ntheta), *way = doubles(m->ntheta), f[2], slope = 0, size = 0;
    const double h = 1e-5;
    for (int32_t i = 0; i < m->ntheta; i++) {
        way[i] = normal(state);
        slope += way[i] * gradient[i];
        size += fabs(way[i] * gradient[i]);
    }
    for (int side = 0; side < 2; side++) {
        for (int32_t i = 0; i < m->ntheta; i++) theta[i] = m->theta[i] + (side ? h : -h) * way[i];
        CHECK(smm_value(ws, theta, &f[side]) == SMM_OK);
    }
    CHECK_NEAR((f[1] - f[0]) / (2 * h), slope, 1e-5 * (1 + size));
    free(theta);
    free(way);
}

static void check_model(const problem *m, const double *weights, int reml, uint64_t *state)
{
    smm_design *d = problem_design(m);
    smm_workspace *ws = problem_workspace(d, m, weights, reml, 0);
    double value, *gradient = doubles(m->ntheta), *hessian = doubles(m->ntheta * m->ntheta);
    double *leverage = doubles(m->n), sum = 0;
    CHECK(smm_value(ws, m->theta, &value) == SMM_OK);
    CHECK_NEAR(value, dense_value(m, m->theta, weights, reml, 0), 1e-9);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_curvature(ws, hessian) == SMM_OK);
    CHECK(smm_leverage(ws, weights, leverage) == SMM_OK);
    for (int64_t i = 0; i < m->n; i++) sum += leverage[i];
    CHECK(sum > m->p - 1e-8 && sum < (double)(m->n) + 1e-8 && sum < (double)(m->p + m->q) + 1e-8);
    check_slope(ws, m, gradient, state);

    smm_options options = {.ftol_abs = 1e-8, .max_eval = 50};
    smm_report report = {0};
    double *theta = doubles(m->ntheta);
    memcpy(theta, m->theta, sizeof(double) * (size_t)m->ntheta);
    int status = smm_newton(ws, &options, theta, &report);
    /* a likelihood without bound, as with more random effects than rows, has no minimum */
    CHECK(status == SMM_OK || status == SMM_ENONFINITE);
    if (status == SMM_OK) CHECK(report.value <= value + 1e-9 * fabs(value));
    free(theta);
    free(gradient);
    free(hessian);
    free(leverage);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
}

int main(void)
{
    uint64_t state = 12345;
    for (int trial = 0; trial < 400; trial++) {
        int32_t p = pick(&state, 0, 3), nterms = pick(&state, 1, MAX_TERMS);
        int32_t levels[MAX_TERMS], cols[MAX_TERMS];
        for (int32_t t = 0; t < nterms; t++) {
            levels[t] = pick(&state, 1, 14);
            cols[t] = pick(&state, 1, 3);
        }
        int64_t n = pick(&state, p + 2, 30);
        enum layout layout = (enum layout)pick(&state, RANDOM, COMPLETE);
        problem m = problem_make(1000 + (uint64_t)trial, layout, n, p, nterms, levels, cols);
        if (trial % 3 == 0) problem_uncorrelate(&m);
        check_model(&m, trial % 2 ? m.weights : NULL, trial % 4 < 2, &state);
        problem_free(&m);
    }
    return check_result();
}
