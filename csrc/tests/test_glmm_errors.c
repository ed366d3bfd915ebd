/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Generalized models that cannot be made or evaluated: arguments, the order of calls, memory,
 * modes that do not exist or cannot be reached, and the calls after them.
 */
#include <string.h>

#include "glmm_dense.h"
#include "purse.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const smm_family LOGIT = {SMM_BINOMIAL, SMM_LOGIT, 0, 0},
                        LOG = {SMM_POISSON, SMM_LOG, 0, 0};

static mixed one_term(smm_family family, int32_t p)
{
    const int32_t levels[] = {4}, cols[] = {1};
    return mixed_make(problem_make(3, RANDOM, 24, p, 1, levels, cols), family, 0, 0.4, 1);
}

static mixed two_terms(smm_family family)
{
    const int32_t levels[] = {5, 3}, cols[] = {2, 1};
    return mixed_make(problem_make(4, RANDOM, 40, 2, 2, levels, cols), family, 0, 0.4, 0.5);
}

static int create(const mixed *x, const smm_design *d, smm_family family, smm_glmm **g)
{
    return smm_glmm_create(d, &family, x->m.y, x->weighted ? x->m.weights : NULL, x->offset, g);
}

static void test_create(void)
{
    mixed x = one_term(LOGIT, 2);
    smm_design *d = problem_design(&x.m);
    smm_glmm *g = (smm_glmm *)&x;
    smm_glmm_destroy(NULL);
    CHECK(smm_glmm_create(d, &x.family, x.m.y, NULL, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_create(NULL, &x.family, x.m.y, NULL, NULL, &g) == SMM_EINVAL);
    CHECK(g == NULL);
    CHECK(smm_glmm_create(d, NULL, x.m.y, NULL, NULL, &g) == SMM_EINVAL);
    CHECK(smm_glmm_create(d, &x.family, NULL, NULL, NULL, &g) == SMM_EINVAL);
    const smm_family refused[] = {
        {-1, SMM_LOG, 0, 0},
        {SMM_NEGATIVE_BINOMIAL + 1, SMM_LOG, 0, 0},
        {SMM_POISSON, -1, 0, 0},
        {SMM_POISSON, SMM_POWER + 1, 0, 0},
        {SMM_GAMMA, SMM_POWER, 0, 0},
        {SMM_GAMMA, SMM_POWER, NAN, 0},
        {SMM_POISSON, SMM_LOG, 0, 2},
        {SMM_POISSON, SMM_LOG, 0, -1},
        {SMM_GAMMA, SMM_POWER, -INFINITY, 0},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        g = (smm_glmm *)&x;
        CHECK(create(&x, d, refused[i], &g) == SMM_EINVAL);
        CHECK(g == NULL);
    }
    double *hurt[] = {x.m.y, x.offset, x.m.weights};
    for (int which = 0; which < 3; which++) {
        const double bad[] = {NAN, INFINITY, -INFINITY, -1};
        x.weighted = which == 2;
        for (int i = 0; i < (which == 2 ? 4 : 3); i++) {
            double old = hurt[which][5];
            hurt[which][5] = bad[i];
            int status = create(&x, d, LOGIT, &g);
            CHECK(status == (i < 3 ? SMM_ENONFINITE : SMM_EINVAL));
            CHECK(g == NULL);
            hurt[which][5] = old;
        }
    }
    smm_design_destroy(d);
    mixed_free(&x);
}

static void test_approximation(void)
{
    mixed x = one_term(LOGIT, 2);
    smm_design *d = problem_design(&x.m);
    smm_glmm *g;
    double nodes[5], weights[5], value, same, at[4];
    gauss_hermite(5, nodes, weights);
    CHECK(create(&x, d, LOGIT, &g) == SMM_OK);
    CHECK(smm_glmm_parameters(g) == 3);
    CHECK(smm_glmm_approximation(NULL, 0, 1, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 0, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, -1, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 2, 1, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 5, NULL, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 5, nodes, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 100001, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, INT32_MAX, nodes, weights) == SMM_EINVAL);
    /* refusals leave the approximation as it was: Laplace's, as in the beginning */
    mixed_parameters(&x, at);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_approximation(g, 0, 1, NULL, NULL) == SMM_OK);
    CHECK(smm_glmm_value(g, at, &same) == SMM_OK);
    CHECK_NEAR(value, same, 1e-10);
    CHECK(smm_glmm_approximation(g, 1, 5, nodes, weights) == SMM_OK);
    CHECK(smm_glmm_parameters(g) == 1);
    weights[3] = NAN;
    CHECK(smm_glmm_approximation(g, 0, 5, nodes, weights) == SMM_OK);
    CHECK(smm_glmm_value(g, at, &value) == SMM_ENONFINITE);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);

    x = two_terms(LOGIT);
    d = problem_design(&x.m);
    CHECK(create(&x, d, LOGIT, &g) == SMM_OK);
    CHECK(smm_glmm_approximation(g, 0, 5, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 1, nodes, weights) == SMM_OK);
    CHECK(smm_glmm_parameters(g) == 3 + 1 + 2);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

static void test_arguments_and_order(void)
{
    mixed x = one_term((smm_family){SMM_GAMMA, SMM_LOG, 0, 0}, 2);
    smm_design *d = problem_design(&x.m);
    smm_glmm *g = mixed_glmm(&x, d, 1);
    double at[4], value = 7, gradient[4] = {7, 7, 7, 7}, H[16] = {7, 7}, out[24];
    smm_options options = {0};
    smm_report report = {0};
    smm_nlopt nlopt = {0};
    CHECK(mixed_parameters(&x, at) == 4 && smm_glmm_parameters(g) == 4);
    CHECK(smm_glmm_value(NULL, at, &value) == SMM_EINVAL);
    CHECK(smm_glmm_value(g, NULL, &value) == SMM_EINVAL);
    CHECK(smm_glmm_value(g, at, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_gradient(NULL, gradient) == SMM_EINVAL);
    CHECK(smm_glmm_gradient(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_curvature(NULL, H) == SMM_EINVAL);
    CHECK(smm_glmm_curvature(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_set_beta(NULL, at) == SMM_EINVAL);
    CHECK(smm_glmm_set_beta(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_without_effects(NULL, at, 1, at) == SMM_EINVAL);
    CHECK(smm_glmm_without_effects(g, NULL, 1, at) == SMM_EINVAL);
    CHECK(smm_glmm_without_effects(g, at, -1, at) == SMM_EINVAL);
    CHECK(smm_glmm_without_effects(g, at, 1, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_set_target(NULL, at) == SMM_EINVAL);
    CHECK(smm_glmm_set_target(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_set_modes(NULL, at, at) == SMM_EINVAL);
    CHECK(smm_glmm_set_modes(g, NULL, at) == SMM_EINVAL);
    CHECK(smm_glmm_set_modes(g, at, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_forget_modes(NULL) == SMM_EINVAL);
    CHECK(smm_glmm_forget_modes(g) == SMM_OK);
    CHECK(smm_glmm_set_unit(NULL, (double[]){1}) == SMM_EINVAL);
    CHECK(smm_glmm_set_unit(g, (double[]){0}) == SMM_EINVAL);
    CHECK(smm_glmm_set_unit(g, (double[]){NAN}) == SMM_EINVAL);
    CHECK(smm_glmm_set_unit(g, (double[]){INFINITY}) == SMM_EINVAL);
    CHECK(smm_glmm_scale(NULL, out) == SMM_EINVAL);
    CHECK(smm_glmm_scale(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_leverage(NULL, out) == SMM_EINVAL);
    CHECK(smm_glmm_solution(NULL, out, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_newton(NULL, &options, at, &report) == SMM_EINVAL);
    CHECK(smm_glmm_newton(g, NULL, at, &report) == SMM_EINVAL);
    CHECK(smm_glmm_newton(g, &options, NULL, &report) == SMM_EINVAL);
    CHECK(smm_glmm_newton(g, &options, at, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_end(NULL, &options, at, &report) == SMM_EINVAL);
    CHECK(smm_glmm_end(g, NULL, at, &report) == SMM_EINVAL);
    CHECK(smm_glmm_end(g, &options, NULL, &report) == SMM_EINVAL);
    CHECK(smm_glmm_end(g, &options, at, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_nlopt(g, NULL, 0, &options, at, &report) == SMM_EINVAL);
    CHECK(smm_glmm_nlopt(g, &nlopt, 0, &options, at, &report) == SMM_EINVAL); /* its size */

    CHECK(smm_glmm_gradient(g, gradient) == SMM_ESTATE);
    for (int i = 0; i < 4; i++) CHECK(isnan(gradient[i]));
    CHECK(smm_glmm_curvature(g, H) == SMM_ESTATE);
    CHECK(isnan(H[0]) && isnan(H[15]));
    CHECK(smm_glmm_leverage(g, out) == SMM_ESTATE);
    CHECK(smm_glmm_solution(g, out, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_ESTATE);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_curvature(g, H) == SMM_ESTATE);
    CHECK(smm_glmm_solution(g, out, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_ESTATE);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    CHECK(smm_glmm_curvature(g, H) == SMM_OK);
    CHECK(smm_glmm_solution(g, NULL, NULL, NULL, out, NULL, NULL, NULL) == SMM_OK);
    CHECK(smm_glmm_leverage(g, NULL) == SMM_EINVAL);
    CHECK(smm_glmm_leverage(g, out) == SMM_OK);
    /* what changes the problem takes the solution away */
    CHECK(smm_glmm_set_beta(g, x.beta) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_ESTATE);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_approximation(g, 0, 1, NULL, NULL) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_ESTATE);
    for (int i = 0; i < 4; i++) {
        const double bad[] = {NAN, INFINITY, -INFINITY};
        double old = at[i];
        for (int k = 0; k < 3; k++) {
            at[i] = bad[k];
            CHECK(smm_glmm_value(g, at, &value) == SMM_ENONFINITE);
            CHECK(isnan(value));
            CHECK(smm_glmm_gradient(g, gradient) == SMM_ESTATE);
            CHECK(smm_glmm_newton(g, &options, at, &report) == SMM_ENONFINITE);
        }
        at[i] = old;
    }
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK && isfinite(value));
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

/* After an evaluation that fails, the next one is as if it had never been. */
static void check_recovery(mixed *x, const double *good, const double *bad, int expected)
{
    smm_design *d = problem_design(&x->m);
    for (int32_t points = 1; points <= (x->m.nterms == 1 ? 5 : 1); points += 4) {
        smm_glmm *fresh = mixed_glmm(x, d, points), *used = mixed_glmm(x, d, points);
        double value, again;
        int status = smm_glmm_value(used, bad, &value);
        CHECK(expected ? status == expected : status == SMM_ENOTPD || status == SMM_ENONFINITE);
        CHECK(isnan(value));
        CHECK(smm_glmm_value(fresh, good, &value) == SMM_OK);
        CHECK(smm_glmm_value(used, good, &again) == SMM_OK);
        CHECK(value == again);
        CHECK(smm_glmm_value(used, bad, &again) != SMM_OK);
        CHECK(smm_glmm_value(used, good, &again) == SMM_OK);
        CHECK_NEAR(again, value, 1e-10);
        smm_options options = {.ftol_abs = 1e-8};
        smm_report report = {0};
        double at[8];
        memcpy(at, bad, sizeof(double) * (size_t)smm_glmm_parameters(used));
        CHECK(smm_glmm_newton(used, &options, at, &report) == SMM_ENONFINITE);
        CHECK(report.stop == SMM_STOP_FAILED && report.failures == 1);
        smm_glmm_destroy(fresh);
        smm_glmm_destroy(used);
    }
    smm_design_destroy(d);
}

static void test_modes_out_of_reach(void)
{
    /* counts with identity link, all zero in a level: its likelihood rises until the mean
     * is 0, where it ends */
    mixed x = one_term((smm_family){SMM_POISSON, SMM_IDENTITY, 0, 0}, 1);
    for (int64_t i = 0; i < x.m.n; i++) {
        x.offset[i] = 0;
        if (x.m.term[0].refs[i] == 1) x.m.y[i] = 0;
    }
    check_recovery(&x, (double[]){0.02, 2}, (double[]){30, 2}, SMM_ENOTPD);
    /* means that are negative from the start */
    check_recovery(&x, (double[]){0.02, 2}, (double[]){0.02, -2}, SMM_ENONFINITE);
    mixed_free(&x);

    /* beyond what doubles hold */
    x = one_term(LOG, 1);
    check_recovery(&x, (double[]){0.5, 0.4}, (double[]){0.5, 1e10}, 0);
    check_recovery(&x, (double[]){0.5, 0.4}, (double[]){1e300, 0.4}, 0);
    mixed_free(&x);
    x = two_terms(LOG);
    check_recovery(&x, (double[]){0.5, 0.1, 0.4, 0.3, 0.2, 0.1},
                   (double[]){1e200, 1e200, 1e200, 1e200, 0, 0}, 0);
    mixed_free(&x);

    /* the dispersion */
    x = one_term((smm_family){SMM_GAMMA, SMM_LOG, 0, 0}, 1);
    check_recovery(&x, (double[]){0.5, 0.2, -1}, (double[]){0.5, 0.2, 1000}, SMM_ENONFINITE);
    check_recovery(&x, (double[]){0.5, 0.2, -1}, (double[]){0.5, 0.2, -1000}, SMM_ENONFINITE);
    mixed_free(&x);

    /* a column of zeros has no coefficient to profile out */
    x = one_term(LOGIT, 2);
    x.fast = 1;
    for (int64_t i = 0; i < x.m.n; i++) x.m.X[2 * i + 1] = 0;
    smm_design *d = problem_design(&x.m);
    smm_glmm *g = mixed_glmm(&x, d, 1);
    double theta = 0.5, value;
    CHECK(smm_glmm_value(g, &theta, &value) == SMM_ENOTPD);
    CHECK(isnan(value));
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

static int build(const mixed *x, const smm_design *d, int32_t points, smm_glmm **g)
{
    double nodes[3], weights[3];
    gauss_hermite(points, nodes, weights);
    int status = create(x, d, x->family, g);
    if (status) return status;
    status = smm_glmm_approximation(*g, x->fast, points, nodes, weights);
    if (status) {
        /* as before: Laplace's, beta not profiled out, and usable */
        double at[16], value;
        mixed before = *x;
        before.fast = 0;
        mixed_parameters(&before, at);
        CHECK(smm_glmm_value(*g, at, &value) == SMM_OK);
        smm_glmm_destroy(*g);
        *g = NULL;
    }
    return status;
}

static void check_memory(const mixed *x, int32_t points)
{
    purse p = {INT64_MAX, 0, 0};
    smm_design *d;
    smm_glmm *g;
    CHECK(purse_design(&x->m, &p, &d) == SMM_OK);
    int64_t before = p.allocated, live = p.live;
    CHECK(build(x, d, points, &g) == SMM_OK);
    int64_t needed = p.allocated - before;
    /* handle, workspace and its arena, arena; quadrature and nodes of levels */
    CHECK(needed == (points > 1 ? 6 : 4));
    smm_glmm_destroy(g);
    CHECK(p.live == live);
    for (int64_t k = 0; k < needed; k++) {
        p.countdown = k;
        g = (smm_glmm *)&p;
        CHECK(build(x, d, points, &g) == SMM_ENOMEM);
        CHECK(g == NULL);
        CHECK(p.live == live);
    }
    p.countdown = needed;
    CHECK(build(x, d, points, &g) == SMM_OK);
    /* evaluations and minimizers allocate nothing: the next allocation would fail */
    double at[16], value, out[256];
    smm_options options = {.ftol_abs = 1e-8, .max_eval = 5};
    smm_report report = {0};
    mixed_parameters(x, at);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_gradient(g, out) == SMM_OK);
    CHECK(smm_glmm_curvature(g, out) == SMM_OK);
    CHECK(smm_glmm_solution(g, NULL, NULL, NULL, NULL, NULL, out, NULL) == SMM_OK);
    CHECK(smm_glmm_newton(g, &options, at, &report) == SMM_OK);
    /* a change of the approximation that fails changes nothing */
    double again, nodes[3], log_weights[3];
    gauss_hermite(3, nodes, log_weights);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    if (x->m.nterms == 1)
        CHECK(smm_glmm_approximation(g, !x->fast, 3, nodes, log_weights) == SMM_ENOMEM);
    CHECK(smm_glmm_value(g, at, &again) == SMM_OK);
    CHECK_NEAR(again, value, 1e-10);
    /* and one that succeeds releases what it replaces */
    p.countdown = INT64_MAX;
    live = p.live;
    CHECK(smm_glmm_approximation(g, x->fast, points, nodes, log_weights) == SMM_OK);
    CHECK(p.live == live);
    CHECK(smm_glmm_approximation(g, x->fast, 1, NULL, NULL) == SMM_OK);
    CHECK(p.live == live - (points > 1 ? 2 : 0));
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    CHECK(p.live == 0);
}

static void test_memory(void)
{
    mixed x = one_term(LOGIT, 2);
    check_memory(&x, 3);
    x.fast = 1;
    check_memory(&x, 1);
    mixed_free(&x);
    x = two_terms((smm_family){SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 1});
    check_memory(&x, 1);
    mixed_free(&x);
    /* refused arguments leak nothing either */
    x = one_term(LOGIT, 0);
    purse p = {INT64_MAX, 0, 0};
    smm_design *d;
    smm_glmm *g;
    CHECK(purse_design(&x.m, &p, &d) == SMM_OK);
    int64_t live = p.live;
    x.m.y[2] = NAN;
    CHECK(create(&x, d, LOGIT, &g) == SMM_ENONFINITE);
    CHECK(p.live == live);
    smm_design_destroy(d);
    mixed_free(&x);
}

int main(void)
{
    test_create();
    test_approximation();
    test_arguments_and_order();
    test_modes_out_of_reach();
    test_memory();
    return check_result();
}
