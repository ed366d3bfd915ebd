/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Models whose rows have parameters besides eta: arguments, memory, and the gradient in all of them
 * against differences, with zero inflation and with a hurdle, Laplace and quadrature.
 */
#include <string.h>

#include "glmm_dense.h"
#include "purse.h"

enum { N = 40, COLUMNS = 3 };

static const smm_family COUNTS = {SMM_NEGATIVE_BINOMIAL_1, SMM_LOG, 0, 1};

/* A column of ones for the dispersion, two columns for the logit of zeros. */
typedef struct {
    double dispersion[N * COLUMNS], zeros[N * COLUMNS];
    const double *X[4];
    double constant[4];
} sides;

static void make_sides(sides *s)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < N; i++) {
        s->dispersion[i * COLUMNS] = 1;
        s->zeros[i * COLUMNS + 1] = 1;
        s->zeros[i * COLUMNS + 2] = i % 3 - 1;
    }
    s->X[0] = s->dispersion;
    s->X[3] = s->zeros;
}

static mixed counts(void)
{
    const int32_t levels[] = {5}, cols[] = {1};
    const smm_family poisson = {SMM_POISSON, SMM_LOG, 0, 0};
    mixed x = mixed_make(problem_make(7, RANDOM, N, 2, 1, levels, cols), poisson, 0, 0.4, 1);
    for (int i = 0; i < N; i += 4) x.m.y[i] = 0;
    return x;
}

static smm_glmm *model(const mixed *x, const smm_design *d, const smm_family *family)
{
    smm_glmm *g;
    CHECK(smm_glmm_create(d, family, x->m.y, NULL, x->offset, &g) == SMM_OK);
    return g;
}

/* The gradient at `at`, of `count` parameters, is that of differences of values. */
static void check_differences(smm_glmm *g, int count, double *at, const double *gradient)
{
    for (int i = 0; i < count; i++) {
        const double step = 1e-5, kept = at[i];
        double above, below;
        at[i] = kept + step;
        CHECK(smm_glmm_value(g, at, &above) == SMM_OK);
        at[i] = kept - step;
        CHECK(smm_glmm_value(g, at, &below) == SMM_OK);
        at[i] = kept;
        CHECK(fabs((above - below) / (2 * step) - gradient[i]) < 1e-6 * (1 + fabs(gradient[i])));
    }
}

static void check_gradient(const mixed *x, const smm_design *d, int distribution, int zeros,
                           int32_t points)
{
    double nodes[5], log_weights[5], at[6] = {0.5, 0.3, -0.2, 0.2, -0.8, 0.3};
    double gradient[6], above;
    const smm_family family = {distribution, SMM_LOG, 0, 1};
    smm_glmm *g = model(x, d, &family);
    sides s;
    make_sides(&s);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, zeros) == SMM_OK);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, zeros) == SMM_EINVAL);
    gauss_hermite(points, nodes, log_weights);
    CHECK(smm_glmm_approximation(g, 1, points, nodes, log_weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, points, nodes, log_weights) == SMM_OK);
    CHECK(smm_glmm_parameters(g) == 6);
    CHECK(smm_glmm_value(g, at, &above) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    check_differences(g, 6, at, gradient);
    smm_glmm_destroy(g);
}

static void test_minimum(const mixed *x, const smm_design *d)
{
    smm_glmm *g = model(x, d, &COUNTS);
    sides s;
    double at[6] = {0.5, 0.3, -0.2, 0.2, -0.8, 0.3}, hessian[36];
    double before, value, gradient[6];
    make_sides(&s);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, SMM_INFLATED) == SMM_OK);
    smm_options options = {.max_eval = 50};
    smm_report report;
    memset(&report, 0, sizeof report);
    CHECK(smm_glmm_value(g, at, &before) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    CHECK(smm_glmm_curvature(g, hessian) == SMM_OK);
    smm_glmm_newton(g, &options, at, &report);
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(value < before);
    smm_glmm_destroy(g);
}

static void test_arguments(const mixed *x)
{
    purse p = {INT64_MAX, 0, 0};
    smm_design *d;
    sides s;
    double out[16 * N];
    make_sides(&s);
    CHECK(purse_design(&x->m, &p, &d) == SMM_OK);
    smm_glmm *g = model(x, d, &COUNTS);
    CHECK(smm_glmm_set_sides(NULL, COLUMNS, s.X, s.constant, 0) == SMM_EINVAL);
    CHECK(smm_glmm_set_sides(g, 0, s.X, s.constant, 0) == SMM_EINVAL);
    CHECK(smm_glmm_set_sides(g, COLUMNS, NULL, s.constant, 0) == SMM_EINVAL);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, NULL, 0) == SMM_EINVAL);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, SMM_HURDLE + 1) == SMM_EINVAL);
    p.countdown = 0;
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, SMM_INFLATED) == SMM_ENOMEM);
    p.countdown = INT64_MAX;
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, SMM_INFLATED) == SMM_OK);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    CHECK(p.live == 0);
    CHECK(smm_row_derivatives(NULL, 0, N, x->m.y, NULL, x->offset, out, out) == SMM_EINVAL);
    CHECK(smm_row_derivatives(&COUNTS, 3, N, x->m.y, NULL, x->offset, out, out) == SMM_EINVAL);
}

/* Two terms of the zeros beside one of eta; a second predictor needs zeros to be modelled. */
static void test_random_zeros(int distribution, int zeros)
{
    const int32_t levels[] = {5, 5, 4}, cols[] = {1, 2, 1};
    const smm_family poisson = {SMM_POISSON, SMM_LOG, 0, 0};
    const smm_family family = {distribution, SMM_LOG, 0, 1};
    enum { PARAMETERS = 10 };
    double at[PARAMETERS] = {0.5, 0.8, 0.2, 0.4, 0.6, 0.3, -0.2, 0.2, -0.8, 0.3};
    double gradient[PARAMETERS], hessian[PARAMETERS * PARAMETERS], eta[2 * N], above;
    double before, unit[] = {0.5, 2}, bad[] = {1, 0};
    mixed x = mixed_make(problem_make(7, RANDOM, N, 2, 3, levels, cols), poisson, 0, 0.4, 1);
    for (int i = 0; i < N; i += 4) x.m.y[i] = 0;
    x.m.term[1].predictor = x.m.term[2].predictor = 1;
    smm_design *d = problem_design(&x.m);
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, x.m.y, NULL) == SMM_EINVAL); /* not for linear models */
    smm_workspace_destroy(ws);
    smm_glmm *g = model(&x, d, &family);
    CHECK(smm_glmm_value(g, at, &before) == SMM_EINVAL);
    CHECK(smm_glmm_set_unit(g, bad) == SMM_EINVAL);
    CHECK(smm_glmm_set_unit(g, unit) == SMM_OK);
    sides s;
    make_sides(&s);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, SMM_NO_ZEROS) == SMM_EINVAL);
    CHECK(smm_glmm_set_sides(g, COLUMNS, s.X, s.constant, zeros) == SMM_OK);
    CHECK(smm_glmm_parameters(g) == PARAMETERS);
    CHECK(smm_glmm_value(g, at, &before) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    check_differences(g, PARAMETERS, at, gradient);
    CHECK(smm_glmm_value(g, at, &before) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    CHECK(smm_glmm_curvature(g, hessian) == SMM_OK);
    CHECK(smm_glmm_solution(g, NULL, NULL, NULL, eta, NULL, NULL, NULL) == SMM_OK);
    CHECK(isfinite(eta[2 * N - 1]));
    CHECK(smm_glmm_leverage(g, eta) == SMM_OK);
    smm_options options = {.max_eval = 20};
    smm_report report;
    memset(&report, 0, sizeof report);
    smm_glmm_newton(g, &options, at, &report);
    CHECK(smm_glmm_value(g, at, &above) == SMM_OK);
    CHECK(above < before);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

int main(void)
{
    mixed x = counts();
    smm_design *d = problem_design(&x.m);
    test_arguments(&x);
    for (int32_t points = 1; points <= 5; points += 4) {
        check_gradient(&x, d, SMM_NEGATIVE_BINOMIAL_1, SMM_INFLATED, points);
        check_gradient(&x, d, SMM_NEGATIVE_BINOMIAL, SMM_INFLATED, points);
        check_gradient(&x, d, SMM_NEGATIVE_BINOMIAL + SMM_TRUNCATED, SMM_HURDLE, points);
        check_gradient(&x, d, SMM_GENERALIZED_POISSON, SMM_INFLATED, points);
        check_gradient(&x, d, SMM_COM_POISSON, SMM_INFLATED, points);
    }
    test_minimum(&x, d);
    test_random_zeros(SMM_NEGATIVE_BINOMIAL, SMM_INFLATED);
    test_random_zeros(SMM_GENERALIZED_POISSON, SMM_INFLATED);
    test_random_zeros(SMM_NEGATIVE_BINOMIAL + SMM_TRUNCATED, SMM_HURDLE);
    smm_design_destroy(d);
    mixed_free(&x);
    return check_result();
}
