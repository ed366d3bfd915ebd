/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Fits to many responses: each is the fit that smm_newton makes of it, failures are told
 * from answers, and a run can be ended between and within fits.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "problem.h"

enum { COUNT = 5, ROWS = 96, MAX_P = 2, MAX_THETA = 4, FACTS = 6 };

typedef struct {
    double responses[COUNT * ROWS];
    double theta[COUNT * MAX_THETA], beta[COUNT * MAX_P], inverse[COUNT * MAX_P * MAX_P];
    double facts[COUNT * FACTS];
    int64_t done;
} outcome;

static smm_options tight(void)
{
    smm_options options = {.ftol_abs = 1e-10, .xtol_abs = 1e-10};
    return options;
}

static problem model(int32_t p)
{
    const int32_t levels[] = {16, 4}, cols[] = {2, 1};
    return problem_make(61, NESTED, ROWS, p, 2, levels, cols);
}

static void draw(outcome *o, const problem *m)
{
    uint64_t state = 7;
    for (int r = 0; r < COUNT; r++)
        for (int i = 0; i < ROWS; i++)
            o->responses[r * ROWS + i] = m->y[i] + (1 + r) * normal(&state);
    o->done = -1;
}

static int refit(smm_workspace *ws, outcome *o, const problem *m, const double *weights,
                 const smm_options *options, const int32_t *flag)
{
    return smm_refit(ws, COUNT, o->responses, weights, options, m->theta, flag, o->theta, o->beta,
                     o->inverse, o->facts, &o->done);
}

static void check_row(const outcome *o, const problem *m, const double *weights, int reml, int r)
{
    smm_design *d = problem_design(m);
    smm_workspace *ws = problem_workspace(d, m, weights, reml, 0);
    smm_options options = tight();
    smm_report report = {0};
    double theta[MAX_THETA], beta[MAX_P], inverse[MAX_P * MAX_P], scalars[4];
    memcpy(theta, m->theta, sizeof theta);
    CHECK(smm_crossprod_y(ws, o->responses + r * ROWS, weights) == SMM_OK);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    CHECK(smm_solution(ws, beta, NULL, NULL, inverse, scalars) == SMM_OK);
    const double *facts = o->facts + r * FACTS;
    for (int i = 0; i < m->ntheta; i++) CHECK_NEAR(o->theta[r * m->ntheta + i], theta[i], 1e-12);
    for (int i = 0; i < m->p; i++) CHECK_NEAR(o->beta[r * m->p + i], beta[i], 1e-12);
    for (int i = 0; i < m->p * m->p; i++)
        CHECK_NEAR(o->inverse[r * m->p * m->p + i], inverse[i], 1e-12);
    CHECK_NEAR(facts[0], report.value, 1e-12);
    CHECK_NEAR(facts[1], scalars[0], 1e-12);
    CHECK(facts[2] == scalars[3]);
    CHECK_NEAR(facts[3], report.decrement, 1e-12);
    CHECK_NEAR(facts[4], report.min_eigenvalue, 1e-9);
    CHECK(facts[5] == report.stop);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
}

static void test_each_is_a_fit(int32_t p, int weighted, int reml)
{
    problem m = model(p);
    outcome o;
    draw(&o, &m);
    const double *weights = weighted ? m.weights : NULL;
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, weights, reml, 0);
    smm_options options = tight();
    int32_t flag = 0;
    CHECK(refit(ws, &o, &m, weights, &options, &flag) == SMM_OK);
    CHECK(o.done == COUNT);
    for (int r = 0; r < COUNT; r++) check_row(&o, &m, weights, reml, r);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

/* A response that cannot be fitted is NaN; those after it are fitted all the same. */
static void test_failures(void)
{
    problem m = model(2);
    outcome o;
    draw(&o, &m);
    o.responses[1 * ROWS + 3] = NAN;
    o.responses[2 * ROWS] = INFINITY;
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    smm_options options = tight();
    CHECK(refit(ws, &o, &m, NULL, &options, NULL) == SMM_OK);
    CHECK(o.done == COUNT);
    for (int r = 0; r < COUNT; r++) {
        if (r != 1 && r != 2) {
            check_row(&o, &m, NULL, 0, r);
            continue;
        }
        for (int i = 0; i < m.ntheta; i++) CHECK(isnan(o.theta[r * m.ntheta + i]));
        for (int i = 0; i < 2; i++) CHECK(isnan(o.beta[2 * r + i]));
        for (int i = 0; i < 4; i++) CHECK(isnan(o.inverse[4 * r + i]));
        for (int i = 0; i < FACTS; i++) CHECK(isnan(o.facts[FACTS * r + i]));
    }
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

typedef struct {
    int32_t flag;
    int calls, set_at, stop_at;
} poll_state;

static int poll(void *ctx)
{
    poll_state *p = ctx;
    p->calls++;
    if (p->calls == p->set_at) p->flag = 1;
    return p->calls == p->stop_at;
}

/* Whether the flag or the caller's poll ends a run, the fit it comes in is not counted. */
static void test_interruption(void)
{
    problem m = model(2);
    outcome o;
    draw(&o, &m);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    poll_state state = {0, 0, 0, 0};
    smm_options options = tight();
    options.poll = poll;
    options.poll_ctx = &state;
    smm_report report = {0};
    double theta[MAX_THETA];
    memcpy(theta, m.theta, sizeof theta);
    CHECK(smm_crossprod_y(ws, o.responses, NULL) == SMM_OK);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    int first = state.calls; /* of the first fit */

    state = (poll_state){1, 0, 0, 0};
    CHECK(refit(ws, &o, &m, NULL, &options, &state.flag) == SMM_OK);
    CHECK(o.done == 0 && state.calls == 0);

    state = (poll_state){0, 0, first + 1, 0};
    CHECK(refit(ws, &o, &m, NULL, &options, &state.flag) == SMM_OK);
    CHECK(o.done == 1);
    check_row(&o, &m, NULL, 0, 0);

    state = (poll_state){0, 0, 0, first + 2};
    CHECK(refit(ws, &o, &m, NULL, &options, NULL) == SMM_OK);
    CHECK(o.done == 1);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

static void test_arguments(void)
{
    problem m = model(2);
    outcome o;
    draw(&o, &m);
    smm_design *d = problem_design(&m);
    smm_options options = tight();
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(refit(ws, &o, &m, NULL, &options, NULL) == SMM_ESTATE);
    CHECK(o.done == 0);
    CHECK(smm_crossprod(ws, m.y, NULL) == SMM_OK);
    CHECK(refit(NULL, &o, &m, NULL, &options, NULL) == SMM_EINVAL);
    CHECK(refit(ws, &o, &m, NULL, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_refit(ws, -1, o.responses, NULL, &options, m.theta, NULL, o.theta, o.beta,
                    o.inverse, o.facts, &o.done) == SMM_EINVAL);
    CHECK(smm_refit(ws, 1, o.responses, NULL, &options, m.theta, NULL, o.theta, NULL, o.inverse,
                    o.facts, &o.done) == SMM_EINVAL);
    CHECK(smm_refit(ws, 1, o.responses, NULL, &options, m.theta, NULL, o.theta, o.beta, o.inverse,
                    o.facts, NULL) == SMM_EINVAL);
    CHECK(smm_refit(ws, 0, o.responses, NULL, &options, m.theta, NULL, o.theta, o.beta, o.inverse,
                    o.facts, &o.done) == SMM_OK);
    CHECK(o.done == 0);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_each_is_a_fit(2, 0, 0);
    test_each_is_a_fit(2, 1, 1);
    test_each_is_a_fit(0, 1, 0);
    test_failures();
    test_interruption();
    test_arguments();
    return check_result();
}
