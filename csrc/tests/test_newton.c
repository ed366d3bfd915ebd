/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The default minimizer: a minimum known in closed form, minima checked by their
 * gradients, limits, interruption, starts that cannot be used.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { GROUPS = 8, REPEATS = 6, ROWS = GROUPS * REPEATS };
#define PI 3.14159265358979323846

/* A balanced one-way layout with group means `spread` apart. */
static problem one_way(double spread)
{
    const int32_t levels[] = {GROUPS}, cols[] = {1};
    problem m = problem_make(21, NESTED, ROWS, 1, 1, levels, cols);
    uint64_t state = 99;
    for (int i = 0; i < ROWS; i++) m.y[i] = spread * m.term[0].refs[i] + normal(&state);
    return m;
}

/* Searle, Casella and McCulloch (1992), section 3.7: ML in a balanced layout. */
static double closed_form(const problem *m, double *theta)
{
    double mean[GROUPS] = {0}, grand = 0, between = 0, within = 0;
    for (int i = 0; i < ROWS; i++) mean[i / REPEATS] += m->y[i] / REPEATS;
    for (int g = 0; g < GROUPS; g++) grand += mean[g] / GROUPS;
    for (int g = 0; g < GROUPS; g++) between += REPEATS * (mean[g] - grand) * (mean[g] - grand);
    for (int i = 0; i < ROWS; i++) within += pow(m->y[i] - mean[i / REPEATS], 2);
    double s2 = within / (GROUPS * (REPEATS - 1));
    if (between / GROUPS <= s2) {
        *theta = 0;
        return ROWS * (1 + log(2 * PI * (between + within) / ROWS));
    }
    double theta2 = (between / GROUPS / s2 - 1) / REPEATS;
    *theta = sqrt(theta2);
    return GROUPS * log(1 + REPEATS * theta2) + ROWS * (1 + log(2 * PI * s2));
}

static smm_options tight(void)
{
    smm_options options = {.ftol_abs = 1e-10, .xtol_abs = 1e-10};
    return options;
}

static void test_closed_form(double spread)
{
    problem m = one_way(spread);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_options options = tight();
    double best, deviance = closed_form(&m, &best), value;
    CHECK((best == 0) == (spread == 0));
    const double starts[] = {1, 1e-9, 1e3, 0, -0.5};
    for (int s = 0; s < 5; s++) {
        double theta = starts[s];
        smm_report report = {0};
        CHECK(smm_newton(ws, &options, &theta, &report) == SMM_OK);
        CHECK(report.stop >= SMM_STOP_GTOL && report.stop <= SMM_STOP_ROUNDOFF);
        CHECK_NEAR(report.value, deviance, 1e-11);
        CHECK_NEAR(fabs(theta), best, 1e-4);
        CHECK(report.failures == 0);
        CHECK(report.evaluations > 0 && report.gradients > 0);
        /* the workspace is left there, with its gradient */
        double condvar[GROUPS];
        CHECK(smm_condvar(ws, condvar) == SMM_OK);
        CHECK(smm_value(ws, &theta, &value) == SMM_OK);
        CHECK(value == report.value);
    }
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* At the end of a run the gradient vanishes and no neighbour is better. */
static void test_stationary(enum layout layout, int64_t n, int32_t nterms, const int32_t *levels,
                            const int32_t *cols)
{
    problem m = problem_make(31, layout, n, 2, nterms, levels, cols);
    smm_design *d = problem_design(&m);
    for (int reml = 0; reml < 2; reml++) {
        smm_workspace *ws = problem_workspace(d, &m, m.weights, reml, 0);
        smm_options options = tight();
        smm_report report = {0};
        double theta[16], gradient[16], scale[16], value, near;
        memcpy(theta, m.theta, sizeof(double) * (size_t)m.ntheta);
        CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
        CHECK(report.decrement < 1e-8);
        CHECK(smm_value(ws, theta, &value) == SMM_OK);
        CHECK(value == report.value);
        CHECK(smm_gradient(ws, gradient) == SMM_OK);
        CHECK(smm_theta_scale(ws, scale) == SMM_OK);
        for (int32_t i = 0; i < m.ntheta; i++) {
            CHECK(fabs(gradient[i] * scale[i]) < 1e-3);
            for (int sign = -1; sign <= 1; sign += 2) {
                double old = theta[i];
                theta[i] += sign * 0.05 * scale[i];
                CHECK(smm_value(ws, theta, &near) == SMM_OK && near > value - 1e-9);
                theta[i] = old;
            }
        }
        smm_workspace_destroy(ws);
    }
    smm_design_destroy(d);
    problem_free(&m);
}

typedef struct {
    int calls, stop_at;
} poll_state;

static int poll(void *ctx)
{
    poll_state *p = ctx;
    return ++p->calls >= p->stop_at;
}

static void test_limits(void)
{
    const int32_t levels[] = {8, 5}, cols[] = {2, 1};
    problem m = problem_make(41, RANDOM, 60, 2, 2, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    double theta[4];
    smm_report report = {0};

    smm_options options = {.max_eval = 3};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_MAXEVAL);
    CHECK(report.evaluations <= 6 && isfinite(report.value));

    options = (smm_options){.max_time = 1e-12};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_MAXTIME);

    poll_state state = {0, 2};
    options = (smm_options){.poll = poll, .poll_ctx = &state};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_FORCED);
    CHECK(state.calls >= 2 && state.calls <= 5);
    CHECK(isfinite(report.value));

    state = (poll_state){0, 1};
    options.poll_every = 1e6;
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(state.calls == 0 && report.stop != SMM_STOP_FORCED);

    /* no limit and no tolerance: rounding ends the run */
    options = (smm_options){0};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(report.stop >= SMM_STOP_GTOL && report.stop <= SMM_STOP_ROUNDOFF);
    CHECK(report.evaluations < 200);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void test_log(void)
{
    problem m = one_way(1);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_options options = tight();
    double log_theta[4] = {-1, -1, -1, -1}, log_value[4] = {-1, -1, -1, -1}, theta = 1, value;
    smm_report report = {.log_capacity = 3, .log_theta = log_theta, .log_value = log_value};
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_OK);
    CHECK(report.evaluations > 3);
    CHECK(log_theta[0] == 1);
    CHECK(log_theta[3] == -1 && log_value[3] == -1); /* nothing beyond its capacity */
    for (int i = 0; i < 3; i++) {
        CHECK(smm_value(ws, log_theta + i, &value) == SMM_OK);
        CHECK(value == log_value[i]);
    }
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* A run made elsewhere ends as those made here do. */
static void test_end_of_another_run(void)
{
    problem m = one_way(1);
    smm_design *d = problem_design(&m);
    smm_options options = tight();
    smm_report newton = {0}, report = {0};
    smm_workspace *ws;
    double theta = 1, gradient = NAN;
    report.gradient = &gradient;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_newton(ws, &options, &theta, &newton) == SMM_OK);
    double end = theta;
    CHECK(smm_end(ws, &options, &theta, &report) == SMM_OK);
    CHECK(theta == end && report.evaluations == 0);
    CHECK(fabs(report.value - newton.value) <= 1e-12 * fabs(newton.value));
    CHECK(report.decrement < 1e-12 && fabs(gradient) < 1e-6);
    CHECK(fabs(report.min_eigenvalue - newton.min_eigenvalue) <= 1e-9 * newton.min_eigenvalue);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void test_bad_starts(void)
{
    problem m = one_way(1);
    smm_design *d = problem_design(&m);
    smm_options options = tight();
    smm_report report = {0};
    smm_workspace *ws;
    double theta = 1;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_ESTATE);
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(smm_newton(NULL, &options, &theta, &report) == SMM_EINVAL);
    CHECK(smm_newton(ws, NULL, &theta, &report) == SMM_EINVAL);
    CHECK(smm_newton(ws, &options, NULL, &report) == SMM_EINVAL);
    CHECK(smm_newton(ws, &options, &theta, NULL) == SMM_EINVAL);
    CHECK(smm_end(NULL, &options, &theta, &report) == SMM_EINVAL);
    CHECK(smm_end(ws, NULL, &theta, &report) == SMM_EINVAL);
    CHECK(smm_end(ws, &options, NULL, &report) == SMM_EINVAL);
    CHECK(smm_end(ws, &options, &theta, NULL) == SMM_EINVAL);
    theta = NAN;
    CHECK(smm_end(ws, &options, &theta, &report) == SMM_ENONFINITE);
    theta = 1e300;
    CHECK(smm_end(ws, &options, &theta, &report) == SMM_ENONFINITE);
    theta = NAN;
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_ENONFINITE);
    theta = INFINITY;
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_ENONFINITE);
    theta = 1e300; /* finite, but its square is not */
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_ENONFINITE);
    CHECK(report.stop == SMM_STOP_FAILED);
    CHECK(report.failures == report.evaluations && report.failures > 0);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_closed_form(1);
    test_closed_form(0.2);
    test_closed_form(0);
    const int32_t crossed[] = {10, 6}, chain[] = {16, 4}, one[] = {12};
    const int32_t sizes[] = {2, 1}, three[] = {3};
    test_stationary(RANDOM, 120, 2, crossed, sizes);
    test_stationary(COMPLETE, 120, 2, crossed, sizes);
    test_stationary(NESTED, 96, 2, chain, sizes);
    test_stationary(RANDOM, 150, 1, one, three);
    test_limits();
    test_log();
    test_end_of_another_run();
    test_bad_starts();
    return check_result();
}
