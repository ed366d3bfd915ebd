/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Newton steps along a constraint, by the equations of the minimum: H s + g is a multiple of a
 * where a's = 0, and H t is one for the tangent t, where a't = 1. Derivatives in log sigma, by
 * differences of the deviance.
 */
#include <string.h>

#include "check.h"
#include "problem.h"

#define MOST 5

static double model[3 * MOST * MOST + 2 * MOST], work[2 * MOST + 2 * MOST * MOST];
static double g[MOST], H[MOST * MOST], a[MOST], bent[MOST * MOST], step[2 * MOST + 1];

static void fill(int32_t m)
{
    uint64_t state = 7;
    double root[MOST * MOST];
    for (int32_t i = 0; i < m * m; i++) root[i] = normal(&state);
    for (int32_t i = 0; i < m; i++) {
        g[i] = normal(&state);
        a[i] = normal(&state);
        for (int32_t j = 0; j < m; j++) {
            H[i + j * m] = i == j;
            bent[i + j * m] = i == j ? 1 : 0.5;
            for (int32_t e = 0; e < m; e++) H[i + j * m] += root[i + e * m] * root[j + e * m];
        }
    }
}

static int run(int32_t m, const double *b, int32_t bound, int32_t *k)
{
    return smm_constrained_step(m, g, H, a, b, bound, 1e-6, k, step, model, work);
}

/* Whether v + offset is a multiple of a, but for the element at a bound. */
static void check_multiple(int32_t m, int32_t bound, const double *v, const double *offset)
{
    double along[MOST], ratio = NAN;
    for (int32_t i = 0; i < m; i++) {
        along[i] = offset ? offset[i] : 0;
        for (int32_t j = 0; j < m; j++) along[i] += model[i + j * m] * v[j];
        if (i != bound && isnan(ratio)) ratio = along[i] / a[i];
    }
    for (int32_t i = 0; i < m; i++)
        if (i != bound) CHECK_NEAR(along[i], ratio * a[i], 1e-11);
}

static double times_a(int32_t m, const double *v)
{
    double sum = 0;
    for (int32_t i = 0; i < m; i++) sum += a[i] * v[i];
    return sum;
}

static void test_minimum(int32_t m, const double *b)
{
    int32_t k = 0;
    const double *tangent = step + m;
    fill(m);
    CHECK(run(m, b, -1, &k) == SMM_OK);
    CHECK(k == m - 1);
    double slope = times_a(m, g) / times_a(m, a);
    for (int32_t e = 0; e < m * m; e++)
        CHECK_NEAR(model[e], H[e] - (b ? slope * b[e] : 0), 1e-13);
    CHECK_NEAR(times_a(m, step), 0, 1e-13);
    CHECK_NEAR(times_a(m, tangent), 1, 1e-13);
    check_multiple(m, -1, step, g);
    check_multiple(m, -1, tangent, NULL);
    double promised = 0;
    for (int32_t i = 0; i < m; i++) promised -= g[i] * step[i];
    CHECK_NEAR(step[2 * m], promised, 1e-12);
}

static void test_bound(void)
{
    int32_t k = 0;
    fill(4);
    CHECK(run(4, NULL, 2, &k) == SMM_OK);
    CHECK(k == 2);
    CHECK_NEAR(step[2], 0, 1e-15);
    CHECK_NEAR(times_a(4, step), 0, 1e-13);
    check_multiple(4, 2, step, g);
    for (int32_t i = 0; i < 4; i++) a[i] = i == 2; /* a's = 0 holds the element already */
    CHECK(run(4, NULL, 2, &k) == SMM_OK);
    CHECK(k == 3);
}

static void test_refused(void)
{
    int32_t k = 0;
    fill(3);
    for (int32_t i = 0; i < 9; i++) H[i] = -H[i];
    CHECK(run(3, bent, -1, &k) == SMM_ENOTPD);
    CHECK(k == 2);
    H[0] = NAN;
    CHECK(run(3, bent, -1, &k) == SMM_ENOTPD);
    CHECK(run(0, NULL, -1, &k) == SMM_EINVAL);
    CHECK(run(3, NULL, 3, &k) == SMM_EINVAL);
    CHECK(run(3, NULL, -1, NULL) == SMM_EINVAL);
}

static double deviance(smm_workspace *ws, const double *theta, double tau)
{
    double value = NAN;
    CHECK(smm_set_criterion(ws, 0, exp(tau)) == SMM_OK);
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    return value;
}

/* Of the four parameters of a correlated term and another; a known element in theta and tau. */
static void test_log_sigma(void)
{
    const int32_t levels[] = {6, 4}, cols[] = {2, 1};
    const double h = 1e-4, tau = 0.3;
    problem m = problem_make(13, RANDOM, 40, 2, 2, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, m.weights, 0, 0);
    double gradient[5], hessian[25], theta[4], corner[2];
    memcpy(theta, m.theta, sizeof theta);
    double middle = deviance(ws, theta, tau);
    CHECK(smm_derivatives_log_sigma(ws, gradient, hessian) == SMM_OK);
    double up = deviance(ws, theta, tau + h), low = deviance(ws, theta, tau - h);
    CHECK_NEAR(gradient[4], (up - low) / (2 * h), 1e-5);
    CHECK_NEAR(hessian[24], (up - 2 * middle + low) / (h * h), 1e-4);
    for (int32_t i = 0; i < 4; i++) {
        for (int32_t side = 0; side < 2; side++) {
            theta[i] = m.theta[i] + (side ? h : -h);
            corner[side] = deviance(ws, theta, tau + h) - deviance(ws, theta, tau - h);
        }
        double up_i = deviance(ws, theta, tau);
        theta[i] = m.theta[i] - h;
        CHECK_NEAR(gradient[i], (up_i - deviance(ws, theta, tau)) / (2 * h), 1e-5);
        theta[i] = m.theta[i];
        CHECK_NEAR(hessian[4 + i * 5], (corner[1] - corner[0]) / (4 * h * h), 1e-4);
        CHECK_NEAR(hessian[i + 4 * 5], hessian[4 + i * 5], 0);
    }
    deviance(ws, theta, tau);
    double plain[16];
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_curvature(ws, plain) == SMM_OK);
    for (int32_t i = 0; i < 16; i++) CHECK_NEAR(hessian[i % 4 + 5 * (i / 4)], plain[i], 0);
    CHECK(smm_set_criterion(ws, 0, 0) == SMM_OK);
    CHECK(smm_value(ws, theta, plain) == SMM_OK);
    CHECK(smm_derivatives_log_sigma(ws, gradient, hessian) == SMM_ESTATE);
    CHECK(isnan(gradient[4]) && isnan(hessian[0]));
    CHECK(smm_derivatives_log_sigma(ws, NULL, hessian) == SMM_EINVAL);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_minimum(1, NULL);
    test_minimum(2, NULL);
    test_minimum(5, NULL);
    test_minimum(5, bent);
    test_bound();
    test_refused();
    test_log_sigma();
    return check_result();
}
