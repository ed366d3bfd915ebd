/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bridge to NLopt, with a small stand-in for NLopt behind the same function
 * pointers: descent along the gradient, or a search along the coordinates without one.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { WITH_GRADIENT, WITHOUT_GRADIENT, UNKNOWN };
enum { FORCED_STOP = -5, INVALID_ARGS = -2, SUCCESS = 1, FTOL = 3, XTOL = 4, MAXEVAL = 5 };

typedef double (*function)(unsigned, const double *, double *, void *);

/* One optimizer at a time is enough here. */
static struct fake {
    unsigned n;
    int algorithm, stopped, created, destroyed, evaluations;
    int refuse;      /* which setter answers with an error; 0 for none */
    int answer;      /* what optimize returns, when not 0 */
    int settings[8]; /* calls of each setter */
    double ftol_abs;
    int maxeval;
    function f;
    void *data;
} fake;

enum { OBJECTIVE = 1, FTOL_REL, FTOL_ABS, XTOL_REL, XTOL_ABS, MAX_EVAL, MAX_TIME };

static int set(int which)
{
    fake.settings[which]++;
    return fake.refuse == which ? INVALID_ARGS : SUCCESS;
}

static void *fake_create(int algorithm, unsigned n)
{
    if (algorithm == UNKNOWN) return NULL;
    fake.algorithm = algorithm;
    fake.n = n;
    fake.created++;
    fake.stopped = fake.evaluations = 0;
    return malloc(1); /* leaks unless it is destroyed */
}

static void fake_destroy(void *opt)
{
    fake.destroyed++;
    free(opt);
}

static int fake_objective(void *opt, function f, void *data)
{
    (void)opt;
    fake.f = f;
    fake.data = data;
    return set(OBJECTIVE);
}

static int fake_ftol_rel(void *opt, double tol)
{
    (void)opt;
    CHECK(tol >= 0);
    return set(FTOL_REL);
}

static int fake_ftol_abs(void *opt, double tol)
{
    (void)opt;
    fake.ftol_abs = tol;
    return set(FTOL_ABS);
}

static int fake_xtol_rel(void *opt, double tol)
{
    (void)opt;
    CHECK(tol >= 0);
    return set(XTOL_REL);
}

static int fake_xtol_abs(void *opt, double tol)
{
    (void)opt;
    CHECK(tol >= 0);
    return set(XTOL_ABS);
}

static int fake_maxeval(void *opt, int maxeval)
{
    (void)opt;
    fake.maxeval = maxeval;
    return set(MAX_EVAL);
}

static int fake_step(void *opt, const double *dx)
{
    (void)opt;
    CHECK(dx[0] > 0);
    return 1;
}

static int fake_maxtime(void *opt, double maxtime)
{
    (void)opt;
    CHECK(maxtime >= 0);
    return set(MAX_TIME);
}

static int fake_force_stop(void *opt)
{
    (void)opt;
    fake.stopped = 1;
    return SUCCESS;
}

static double call(const double *x, double *gradient)
{
    fake.evaluations++;
    return fake.f(fake.n, x, gradient, fake.data);
}

static int fake_optimize(void *opt, double *x, double *minf)
{
    (void)opt;
    double gradient[16], trial[16], step = 0.1;
    double *wanted = fake.algorithm == WITH_GRADIENT ? gradient : NULL;
    *minf = call(x, wanted);
    for (int round = 0; round < 5000 && !fake.stopped; round++) {
        double before = *minf;
        for (unsigned i = 0; i < fake.n && !fake.stopped; i++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                memcpy(trial, x, sizeof(double) * fake.n);
                if (wanted)
                    for (unsigned j = 0; j < fake.n; j++) trial[j] -= step * gradient[j];
                else trial[i] += sign * step;
                double value = call(trial, NULL);
                if (fake.stopped || value >= *minf) continue;
                memcpy(x, trial, sizeof(double) * fake.n);
                *minf = wanted ? call(x, gradient) : value;
                break;
            }
            if (wanted) break;
        }
        if (fake.maxeval && fake.evaluations >= fake.maxeval) return MAXEVAL;
        step *= *minf < before ? 1.5 : 0.3;
        if (step < 1e-9) return FTOL;
    }
    if (fake.stopped) return FORCED_STOP;
    return fake.answer ? fake.answer : XTOL;
}

static const smm_nlopt table = {sizeof(smm_nlopt), fake_create,   fake_destroy,  fake_objective,
                                fake_ftol_rel,     fake_ftol_abs, fake_xtol_rel, fake_xtol_abs,
                                fake_maxeval,      fake_maxtime,  fake_step,     fake_force_stop,
                                fake_optimize};

static problem model(void)
{
    const int32_t levels[] = {10, 6}, cols[] = {2, 1};
    return problem_make(51, RANDOM, 120, 2, 2, levels, cols);
}

/* The same minimum as by Newton steps. */
static void test_minimum(int algorithm)
{
    problem m = model();
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 1, 0);
    smm_options options = {.ftol_abs = 1e-9};
    smm_report newton = {0}, report = {0};
    double theta[4], end[4], value, condvar[46];
    memcpy(theta, m.theta, sizeof theta);
    memcpy(end, m.theta, sizeof end);
    CHECK(smm_newton(ws, &options, theta, &newton) == SMM_OK);
    memset(&fake, 0, sizeof fake);
    CHECK(smm_nlopt_minimize(ws, &table, algorithm, &options, end, &report) == SMM_OK);
    CHECK(fake.created == 1 && fake.destroyed == 1);
    CHECK(fake.n == 4 && fake.ftol_abs == 1e-9);
    for (int s = OBJECTIVE; s <= MAX_TIME; s++) CHECK(fake.settings[s] == 1);
    CHECK(report.stop == SMM_STOP_FTOL || report.stop == SMM_STOP_XTOL);
    CHECK_NEAR(report.value, newton.value, 1e-8);
    for (int i = 0; i < 4; i++) CHECK_NEAR(fabs(end[i]), fabs(theta[i]), 1e-3);
    CHECK(report.evaluations >= fake.evaluations);
    CHECK(report.gradients >= (algorithm == WITH_GRADIENT ? 2 : 1));
    CHECK(report.decrement < 1e-6);
    CHECK(smm_condvar(ws, condvar) == SMM_OK); /* solved at the end */
    CHECK(smm_value(ws, end, &value) == SMM_OK && value == report.value);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static int stop_at_third(void *ctx)
{
    int *calls = ctx;
    return ++*calls >= 3;
}

static void test_limits(void)
{
    problem m = model();
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_report report = {0};
    double theta[4];
    memset(&fake, 0, sizeof fake);

    smm_options options = {.max_eval = 4};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_nlopt_minimize(ws, &table, WITHOUT_GRADIENT, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_MAXEVAL && isfinite(report.value));

    options = (smm_options){.max_eval = INT64_C(1) << 40}; /* NLopt takes an int */
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_nlopt_minimize(ws, &table, WITHOUT_GRADIENT, &options, theta, &report) == SMM_OK);
    CHECK(fake.maxeval == INT32_MAX);

    int calls = 0;
    options = (smm_options){.poll = stop_at_third, .poll_ctx = &calls};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_nlopt_minimize(ws, &table, WITH_GRADIENT, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_FORCED);
    CHECK(fake.stopped && isfinite(report.value));

    options = (smm_options){.max_time = 1e-12};
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_nlopt_minimize(ws, &table, WITH_GRADIENT, &options, theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_MAXTIME);
    CHECK(fake.created == fake.destroyed);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void test_refusals(void)
{
    problem m = model();
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_options options = {.ftol_abs = 1e-8};
    smm_report report = {0};
    double theta[4];
    memcpy(theta, m.theta, sizeof theta);
    memset(&fake, 0, sizeof fake);
    CHECK(smm_nlopt_minimize(ws, &table, UNKNOWN, &options, theta, &report) == SMM_ENLOPT);
    CHECK(fake.created == 0 && fake.destroyed == 0);
    for (int s = OBJECTIVE; s <= MAX_TIME; s++) {
        fake.refuse = s;
        CHECK(smm_nlopt_minimize(ws, &table, 0, &options, theta, &report) == SMM_ENLOPT);
        CHECK(fake.created == s && fake.destroyed == s);
    }
    for (int i = 0; i < 4; i++) CHECK(theta[i] == m.theta[i]);

    smm_nlopt other = table;
    other.size--;
    CHECK(smm_nlopt_minimize(ws, &other, 0, &options, theta, &report) == SMM_EINVAL);
    CHECK(smm_nlopt_minimize(NULL, &table, 0, &options, theta, &report) == SMM_EINVAL);
    CHECK(smm_nlopt_minimize(ws, NULL, 0, &options, theta, &report) == SMM_EINVAL);
    CHECK(smm_nlopt_minimize(ws, &table, 0, NULL, theta, &report) == SMM_EINVAL);
    CHECK(smm_nlopt_minimize(ws, &table, 0, &options, NULL, &report) == SMM_EINVAL);
    CHECK(smm_nlopt_minimize(ws, &table, 0, &options, theta, NULL) == SMM_EINVAL);

    /* nothing can be evaluated */
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < 4; i++) theta[i] = 1e300;
    CHECK(smm_nlopt_minimize(ws, &table, 0, &options, theta, &report) == SMM_ENONFINITE);
    CHECK(report.stop == SMM_STOP_FAILED);
    CHECK(report.evaluations == 1 && fake.stopped); /* NaN is not for NLopt to see */
    CHECK(fake.created == 1 && fake.destroyed == 1);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* An evaluation that fails is counted, and answered with the first value, or with something
 * worse where a line search would take that. */
static int optimize_with_a_failure(void *opt, double *x, double *minf)
{
    (void)opt;
    double gradient[16], far[16], first = call(x, gradient);
    for (unsigned i = 0; i < fake.n; i++) far[i] = 1e300;
    CHECK(call(far, gradient) > first);
    for (unsigned i = 0; i < fake.n; i++) CHECK(gradient[i] == 0);
    CHECK(call(far, NULL) == first);
    *minf = first;
    return FTOL;
}

static void test_failed_evaluation(void)
{
    problem m = model();
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_options options = {.ftol_abs = 1e-8};
    smm_report report = {0};
    smm_nlopt failing = table;
    double theta[4];
    memcpy(theta, m.theta, sizeof theta);
    failing.optimize = optimize_with_a_failure;
    memset(&fake, 0, sizeof fake);
    CHECK(smm_nlopt_minimize(ws, &failing, WITH_GRADIENT, &options, theta, &report) == SMM_OK);
    CHECK(report.failures == 2);
    for (int i = 0; i < 4; i++) CHECK_NEAR(theta[i], m.theta[i], 1e-15);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_minimum(WITH_GRADIENT);
    test_minimum(WITHOUT_GRADIENT);
    test_limits();
    test_refusals();
    test_failed_evaluation();
    return check_result();
}
