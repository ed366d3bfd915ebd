/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The objective against dense matrices, its gradient against differences, its edges
 * (nothing fixed, one level, one row, theta zero), and the order of calls.
 */
#include <string.h>

#include "check.h"
#include "problem.h"

#define MAX_THETA 64
#define PI 3.14159265358979323846

/* Value, then every element of the gradient by a difference of fourth order. */
static void check_gradient(const problem *m, const double *weights, int reml, double sigma)
{
    smm_design *d = problem_design(m);
    smm_workspace *ws = problem_workspace(d, m, weights, reml, sigma);
    double gradient[MAX_THETA], theta[MAX_THETA], value, largest = 0;
    size_t bytes = sizeof(double) * (size_t)m->ntheta;
    memcpy(theta, m->theta, bytes);
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    CHECK_NEAR(value, dense_value(m, theta, weights, reml, sigma), 1e-11);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    for (int32_t i = 0; i < m->ntheta; i++) largest = fmax(largest, fabs(gradient[i]));
    for (int32_t i = 0; i < m->ntheta; i++) {
        const double h = 1e-3, steps[] = {-2 * h, -h, h, 2 * h}, factors[] = {1, -8, 8, -1};
        double slope = 0, f;
        for (int s = 0; s < 4; s++) {
            theta[i] = m->theta[i] + steps[s];
            CHECK(smm_value(ws, theta, &f) == SMM_OK);
            slope += factors[s] * f / (12 * h);
        }
        theta[i] = m->theta[i];
        CHECK_NEAR(slope, gradient[i], 1e-7 * (1 + largest));
    }
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
}

static void check_criteria(const problem *m)
{
    for (int reml = 0; reml < 2; reml++)
        for (int fixed = 0; fixed < 2; fixed++) {
            check_gradient(m, NULL, reml, fixed ? 1.3 : 0);
            check_gradient(m, m->weights, reml, fixed ? 0.7 : 0);
        }
}

static void test_shapes(void)
{
    static const struct {
        enum layout layout;
        int64_t n;
        int32_t p, nterms, levels[MAX_TERMS], cols[MAX_TERMS];
    } shapes[] = {
        {RANDOM, 24, 2, 1, {5}, {1}},
        {RANDOM, 24, 0, 1, {5}, {2}},
        {RANDOM, 30, 1, 1, {1}, {3}},
        {COMPLETE, 24, 2, 2, {4, 3}, {1, 1}},
        {RANDOM, 30, 6, 2, {6, 4}, {2, 2}},
        {RANDOM, 30, 2, 2, {8, 3}, {1, 3}},
        {NESTED, 36, 2, 3, {12, 4, 2}, {2, 1, 1}},
        {RANDOM, 45, 1, 2, {30, 22}, {1, 1}},
        {RANDOM, 30, 2, 4, {6, 4, 3, 2}, {1, 1, 1, 1}},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        problem m = problem_make(100 + s, shapes[s].layout, shapes[s].n, shapes[s].p,
                                 shapes[s].nterms, shapes[s].levels, shapes[s].cols);
        check_criteria(&m);
        problem_uncorrelate(&m);
        check_criteria(&m);
        problem_free(&m);
    }
}

/* One row, nothing fixed: V = 1 + z^2 theta^2. */
static void test_one_row(void)
{
    smm_blas blas = ref_blas();
    const int32_t ref = 0;
    const double z = 2, y = 3, theta = 0.5;
    const uint8_t pattern = 1;
    smm_term term = {1, 1, &ref, &z, &pattern, NULL, 0};
    smm_design *d;
    smm_workspace *ws;
    double value, gradient, hessian, beta, u, b, v, out;
    CHECK(smm_design_create(&blas, NULL, 1, 1, &term, 0, NULL, &d) == SMM_OK);
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, &y, NULL) == SMM_OK);
    CHECK(smm_crossprod_y(ws, &y, NULL) == SMM_OK);
    CHECK(smm_value(ws, &theta, &value) == SMM_OK);
    double V = 1 + z * z * theta * theta;
    CHECK_NEAR(value, log(V) + 1 + log(2 * PI * y * y / V), 1e-14);
    CHECK(smm_gradient(ws, &gradient) == SMM_OK);
    CHECK_NEAR(gradient, 0.0, 1e-14); /* the profiled objective does not depend on theta */
    CHECK(smm_curvature(ws, &hessian) == SMM_OK);
    CHECK(smm_solution(ws, &beta, &u, &b, &beta, NULL) == SMM_OK);
    CHECK_NEAR(b, theta * theta * z * y / V, 1e-14);
    CHECK(smm_condvar(ws, &v) == SMM_OK);
    CHECK_NEAR(v, theta * theta / V, 1e-14);
    CHECK(smm_leverage(ws, NULL, &out) == SMM_OK);
    CHECK_NEAR(out, 1 - 1 / V, 1e-14);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
}

/* theta = 0 is ordinary least squares, and stationary because the objective is even. */
static void test_zero_theta(void)
{
    const int32_t levels[] = {6, 4}, cols[] = {2, 1};
    problem m = problem_make(9, RANDOM, 30, 2, 2, levels, cols);
    double zero[MAX_THETA] = {0}, gradient[MAX_THETA], hessian[MAX_THETA], value;
    for (int reml = 0; reml < 2; reml++) {
        smm_design *d = problem_design(&m);
        smm_workspace *ws = problem_workspace(d, &m, NULL, reml, 0);
        CHECK(smm_value(ws, zero, &value) == SMM_OK);
        CHECK_NEAR(value, dense_value(&m, zero, NULL, reml, 0), 1e-12);
        CHECK(smm_gradient(ws, gradient) == SMM_OK);
        for (int32_t i = 0; i < m.ntheta; i++) CHECK(gradient[i] == 0);
        /* the second-order term needs Gamma, which a singular T does not give */
        CHECK(smm_curvature(ws, hessian) == SMM_ENOTPD);
        for (int32_t i = 0; i < m.ntheta * m.ntheta; i++) CHECK(isnan(hessian[i]));
        double u[16], b[16];
        CHECK(smm_solution(ws, NULL, u, b, NULL, NULL) == SMM_OK);
        for (int64_t i = 0; i < m.q; i++) CHECK(u[i] == 0 && b[i] == 0);
        smm_workspace_destroy(ws);
        smm_design_destroy(d);
    }
    problem_free(&m);
}

/* Leave out every fourth row. */
static void drop_rows(problem *m)
{
    int64_t to = 0;
    for (int64_t i = 0; i < m->n; i++) {
        if (i % 4 == 0) continue;
        memcpy(m->X + to * m->p, m->X + i * m->p, sizeof(double) * (size_t)m->p);
        m->y[to] = m->y[i];
        m->weights[to] = m->weights[i];
        for (int32_t t = 0; t < m->nterms; t++) {
            int32_t k = m->term[t].cols;
            double *z = (double *)m->term[t].z;
            ((int32_t *)m->term[t].refs)[to] = m->term[t].refs[i];
            memmove(z + to * k, z + i * k, sizeof(double) * (size_t)k);
        }
        to++;
    }
    m->n = to;
}

/* A row of weight zero is a row that is not there. */
static void test_rows_of_no_weight(void)
{
    const int32_t levels[] = {6, 4}, cols[] = {2, 1};
    for (int reml = 0; reml < 2; reml++) {
        problem m = problem_make(12, RANDOM, 40, 2, 2, levels, cols);
        double gradient[2][MAX_THETA], scale[2][MAX_THETA], value[2], scalars[2][4], old[40];
        memcpy(old, m.weights, sizeof old);
        for (int without = 0; without < 2; without++) {
            for (int64_t i = 0; i < 40; i++) m.weights[i] = i % 4 ? old[i] : 0;
            if (without) drop_rows(&m);
            smm_design *d = problem_design(&m);
            smm_workspace *ws = problem_workspace(d, &m, m.weights, reml, 0);
            CHECK(smm_value(ws, m.theta, &value[without]) == SMM_OK);
            CHECK(smm_gradient(ws, gradient[without]) == SMM_OK);
            CHECK(smm_theta_scale(ws, scale[without]) == SMM_OK);
            CHECK(smm_solution(ws, NULL, NULL, NULL, NULL, scalars[without]) == SMM_OK);
            smm_workspace_destroy(ws);
            smm_design_destroy(d);
        }
        CHECK(m.n == 30 && scalars[0][3] == 30 - 2 * reml);
        CHECK_NEAR(value[0], value[1], 1e-13);
        for (int32_t i = 0; i < m.ntheta; i++) {
            CHECK_NEAR(gradient[0][i], gradient[1][i], 1e-12);
            CHECK_NEAR(scale[0][i], scale[1][i], 1e-13);
        }
        problem_free(&m);
    }
}

static void test_curvature_is_symmetric(void)
{
    const int32_t levels[] = {6, 4}, cols[] = {3, 2};
    problem m = problem_make(10, RANDOM, 60, 2, 2, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 1, 0);
    double value, gradient[9], hessian[81];
    CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_curvature(ws, hessian) == SMM_OK);
    for (int i = 0; i < 9; i++)
        for (int j = 0; j < 9; j++) CHECK(hessian[i * 9 + j] == hessian[j * 9 + i]);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* With sigma fixed the objective is linear in r2 / sigma^2: two of them give r2. */
static void test_share_left(int weighted)
{
    const int32_t levels[] = {6, 4}, cols[] = {2, 1};
    problem m = problem_make(13, RANDOM, 40, 2, 2, levels, cols);
    const double *weights = weighted ? m.weights : NULL;
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, weights, 0, 0);
    double n = 40, whole = 0, share = 0, gradient[4];
    double above = dense_value(&m, m.theta, weights, 0, 1);
    double below = dense_value(&m, m.theta, weights, 0, sqrt(2));
    for (int64_t i = 0; i < 40; i++) whole += (weighted ? m.weights[i] : 1) * m.y[i] * m.y[i];
    CHECK(smm_share_left(ws, m.theta, &share) == SMM_OK);
    CHECK_NEAR(share, 2 * (above - below + n * log(2)) / whole, 1e-11);
    CHECK(smm_gradient(ws, gradient) == SMM_ESTATE);
    m.theta[0] = INFINITY;
    CHECK(smm_share_left(ws, m.theta, &share) == SMM_ENONFINITE);
    CHECK(isnan(share));
    CHECK(smm_share_left(ws, NULL, &share) == SMM_EINVAL);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* Every step refuses to run before the one it needs, and numbers become NaN. */
static void test_order_of_calls(void)
{
    const int32_t levels[] = {5}, cols[] = {1};
    problem m = problem_make(11, RANDOM, 20, 1, 1, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws;
    double value = 7, gradient = 7, hessian = 7, out[20], scale = 7;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod_y(ws, m.y, NULL) == SMM_ESTATE);
    CHECK(smm_theta_scale(ws, &scale) == SMM_ESTATE);
    CHECK(smm_moments(ws, &scale) == SMM_ESTATE);
    CHECK(smm_value(ws, m.theta, &value) == SMM_ESTATE);
    CHECK(isnan(value));
    CHECK(smm_gradient(ws, &gradient) == SMM_ESTATE);
    CHECK(isnan(gradient));
    CHECK(smm_curvature(ws, &hessian) == SMM_ESTATE);
    CHECK(isnan(hessian));
    CHECK(smm_solution(ws, out, NULL, NULL, NULL, NULL) == SMM_ESTATE);
    CHECK(smm_condvar(ws, out) == SMM_ESTATE);
    CHECK(smm_leverage(ws, NULL, out) == SMM_ESTATE);

    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_theta_scale(ws, &scale) == SMM_OK);
    CHECK_NEAR(scale, 1.0, 1e-14);
    CHECK(smm_gradient(ws, &gradient) == SMM_ESTATE);
    CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
    CHECK(smm_curvature(ws, &hessian) == SMM_ESTATE);
    CHECK(smm_condvar(ws, out) == SMM_ESTATE);
    CHECK(smm_gradient(ws, &gradient) == SMM_OK);
    CHECK(smm_curvature(ws, &hessian) == SMM_OK);
    CHECK(smm_leverage(ws, NULL, out) == SMM_OK);
    CHECK(smm_curvature(ws, &hessian) == SMM_OK);
    CHECK(smm_gradient(ws, &gradient) == SMM_OK);

    /* a change of the problem takes the solution away */
    CHECK(smm_set_criterion(ws, 1, 0) == SMM_OK);
    CHECK(smm_gradient(ws, &gradient) == SMM_ESTATE);
    CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
    CHECK(smm_gradient(ws, &gradient) == SMM_OK);
    CHECK(smm_crossprod_y(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_condvar(ws, out) == SMM_ESTATE);
    double bad = NAN;
    CHECK(smm_value(ws, &bad, &value) == SMM_ENONFINITE);
    CHECK(isnan(value));
    CHECK(smm_gradient(ws, &gradient) == SMM_ESTATE);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void test_arguments(void)
{
    const int32_t levels[] = {5}, cols[] = {1};
    problem m = problem_make(12, RANDOM, 20, 1, 1, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0), *none = ws;
    double value = 0;
    CHECK(smm_workspace_create(NULL, &none) == SMM_EINVAL);
    CHECK(none == NULL);
    CHECK(smm_workspace_create(d, NULL) == SMM_EINVAL);
    CHECK(smm_crossprod(NULL, m.y, NULL) == SMM_EINVAL);
    CHECK(smm_crossprod(ws, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_crossprod_y(NULL, m.y, NULL) == SMM_EINVAL);
    CHECK(smm_crossprod_y(ws, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_value(NULL, m.theta, &value) == SMM_EINVAL);
    CHECK(smm_value(ws, NULL, &value) == SMM_EINVAL);
    CHECK(smm_value(ws, m.theta, NULL) == SMM_EINVAL);
    CHECK(smm_gradient(NULL, &value) == SMM_EINVAL);
    CHECK(smm_gradient(ws, NULL) == SMM_EINVAL);
    CHECK(smm_curvature(NULL, &value) == SMM_EINVAL);
    CHECK(smm_curvature(ws, NULL) == SMM_EINVAL);
    CHECK(smm_theta_scale(NULL, &value) == SMM_EINVAL);
    CHECK(smm_moments(NULL, &value) == SMM_EINVAL);
    CHECK(smm_moments(ws, NULL) == SMM_EINVAL);
    CHECK(smm_theta_scale(ws, NULL) == SMM_EINVAL);
    CHECK(smm_solution(NULL, &value, NULL, NULL, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_condvar(NULL, &value) == SMM_EINVAL);
    CHECK(smm_condvar(ws, NULL) == SMM_EINVAL);
    CHECK(smm_leverage(NULL, NULL, &value) == SMM_EINVAL);
    CHECK(smm_leverage(ws, NULL, NULL) == SMM_EINVAL);

    CHECK(smm_set_criterion(NULL, 0, 0) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, 2, 0) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, -1, 0) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, 0, -1) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, 0, NAN) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, 0, INFINITY) == SMM_EINVAL);

    m.weights[3] = -1;
    CHECK(smm_crossprod(ws, m.y, m.weights) == SMM_EINVAL);
    m.weights[3] = NAN;
    CHECK(smm_crossprod(ws, m.y, m.weights) == SMM_ENONFINITE);
    m.weights[3] = INFINITY;
    CHECK(smm_crossprod(ws, m.y, m.weights) == SMM_ENONFINITE);
    for (int i = 0; i < 20; i++) m.weights[i] = 0;
    CHECK(smm_crossprod(ws, m.y, m.weights) == SMM_ENONFINITE);
    m.y[3] = NAN;
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_ENONFINITE);
    m.y[3] = -INFINITY;
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_ENONFINITE);
    CHECK(smm_value(ws, m.theta, &value) == SMM_ESTATE); /* nothing usable is left */
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* What cannot be evaluated says so: dependent columns of X, a response with nothing to
 * explain, more columns than rows under REML. */
static void test_degenerate_data(void)
{
    const int32_t levels[] = {5}, cols[] = {1};
    double value;
    problem m = problem_make(13, RANDOM, 20, 2, 1, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    for (int i = 0; i < 20; i++) m.X[2 * i + 1] = 0;
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_value(ws, m.theta, &value) == SMM_ENOTPD);
    CHECK(isnan(value));
    for (int i = 0; i < 20; i++) {
        m.X[2 * i + 1] = i;
        m.y[i] = 0;
    }
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_value(ws, m.theta, &value) == SMM_ENONFINITE);
    CHECK(isnan(value));
    m.X[7] = NAN;
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_value(ws, m.theta, &value) != SMM_OK);
    CHECK(isnan(value));
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);

    m = problem_make(14, RANDOM, 3, 3, 1, levels, cols);
    d = problem_design(&m);
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_set_criterion(ws, 1, 0) == SMM_EINVAL);
    CHECK(smm_set_criterion(ws, 0, 0) == SMM_OK);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_shapes();
    test_one_row();
    test_zero_theta();
    test_rows_of_no_weight();
    test_curvature_is_symmetric();
    test_share_left(0);
    test_share_left(1);
    test_order_of_calls();
    test_arguments();
    test_degenerate_data();
    return check_result();
}
