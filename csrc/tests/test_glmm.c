/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Generalized models: the objective against dense matrices and integrals, its gradient
 * against differences, what is read off a solved model, repeated calls, edges.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "glmm_dense.h"

#define MAX_PARAMETERS 24
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct {
    smm_family family;
    int weighted;
    double level, spread;
} KINDS[] = {
    {{SMM_BINOMIAL, SMM_LOGIT, 0, 0}, 0, 0.3, 1},
    {{SMM_BINOMIAL, SMM_LOGIT, 0, 0}, 1, 0.3, 1},
    {{SMM_BINOMIAL, SMM_PROBIT, 0, 0}, 1, -0.2, 0.6},
    {{SMM_BINOMIAL, SMM_CLOGLOG, 0, 0}, 0, -0.5, 0.6},
    {{SMM_BINOMIAL, SMM_LOGLOG, 0, 0}, 1, 0.5, 0.6},
    {{SMM_BINOMIAL, SMM_CAUCHIT, 0, 0}, 0, 0.3, 0.5},
    {{SMM_POISSON, SMM_LOG, 0, 0}, 0, 0.4, 0.6},
    {{SMM_POISSON, SMM_LOG, 0, 0}, 1, 0.4, 0.6},
    {{SMM_POISSON, SMM_POWER, 0.5, 0}, 0, 2, 0.2},
    {{SMM_GAUSSIAN, SMM_IDENTITY, 0, 0}, 1, 0.4, 1},
    {{SMM_GAUSSIAN, SMM_LOG, 0, 0}, 0, 0.4, 0.5},
    {{SMM_GAMMA, SMM_LOG, 0, 0}, 1, 0.2, 0.6},
    {{SMM_GAMMA, SMM_POWER, -1, 0}, 0, 1.5, 0.15},
    {{SMM_INVERSE_GAUSSIAN, SMM_LOG, 0, 0}, 0, 0.2, 0.6},
    {{SMM_INVERSE_GAUSSIAN, SMM_POWER, -2, 0}, 1, 1.5, 0.1},
    {{SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 0}, 1, 0.4, 0.6},
};

typedef struct {
    enum layout layout;
    int64_t n;
    int32_t p, nterms, levels[MAX_TERMS], cols[MAX_TERMS];
} shape;

static const shape ONE = {RANDOM, 24, 2, 1, {4}, {1}},
                   NOTHING_FIXED = {NESTED, 18, 0, 1, {3}, {1}},
                   SLOPES = {RANDOM, 30, 2, 1, {4}, {2}}, THREE = {RANDOM, 24, 1, 1, {2}, {3}},
                   CROSSED = {RANDOM, 30, 2, 2, {5, 3}, {2, 1}},
                   ALL_PAIRS = {COMPLETE, 24, 1, 3, {4, 3, 2}, {1, 1, 1}};

static mixed make(size_t kind, const shape *s, int observed, int fast)
{
    problem m = problem_make(7, s->layout, s->n, s->p, s->nterms, s->levels, s->cols);
    smm_family family = KINDS[kind].family;
    family.observed = observed;
    mixed x = mixed_make(m, family, KINDS[kind].weighted, KINDS[kind].level, KINDS[kind].spread);
    x.fast = fast;
    return x;
}

/* Every element of the gradient by a difference of fourth order. */
static void check_gradient(const mixed *x, smm_glmm *g)
{
    double at[MAX_PARAMETERS], gradient[MAX_PARAMETERS], value, largest = 0;
    int32_t np = mixed_parameters(x, at);
    CHECK(np == smm_glmm_parameters(g));
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
    for (int32_t i = 0; i < np; i++) largest = fmax(largest, fabs(gradient[i]));
    for (int32_t i = 0; i < np; i++) {
        const double h = 2e-3, steps[] = {-2 * h, -h, h, 2 * h}, factors[] = {1, -8, 8, -1};
        double slope = 0, f, old = at[i];
        for (int s = 0; s < 4; s++) {
            at[i] = old + steps[s];
            CHECK(smm_glmm_value(g, at, &f) == SMM_OK);
            slope += factors[s] * f / (12 * h);
        }
        at[i] = old;
        CHECK_NEAR(slope, gradient[i], 1e-7 * (1 + largest));
    }
}

static void check_model(const mixed *x, int32_t points)
{
    smm_design *d = problem_design(&x->m);
    smm_glmm *g = mixed_glmm(x, d, points);
    double at[MAX_PARAMETERS], value;
    mixed_parameters(x, at);
    int before = check_failures;
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    if (points == 1) CHECK_NEAR(value, dense_laplace(x), 1e-9);
    else if (x->m.nterms == 1 && x->m.term[0].cols < 3)
        CHECK_NEAR(value, dense_quadrature(x, points), 1e-9);
    check_gradient(x, g);
    if (check_failures > before)
        fprintf(stderr, "distribution %d link %d observed %d fast %d points %d q %d p %d\n",
                x->family.distribution, x->family.link, x->family.observed, x->fast, points,
                (int)x->m.q, x->m.p);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
}

static void test_values_and_gradients(void)
{
    static const struct {
        const shape *shape;
        int32_t points;
    } cases[] = {{&ONE, 1},           {&ONE, 5},    {&NOTHING_FIXED, 1},
                 {&NOTHING_FIXED, 5}, {&SLOPES, 5}, {&CROSSED, 1}};
    for (size_t kind = 0; kind < COUNT(KINDS); kind++)
        for (int observed = 0; observed < 2; observed++)
            for (int fast = 0; fast < 2; fast++)
                for (size_t c = 0; c < COUNT(cases); c++) {
                    mixed x = make(kind, cases[c].shape, observed, fast);
                    check_model(&x, cases[c].points);
                    mixed_free(&x);
                }
    static const size_t few[] = {0, 11, 15};
    for (size_t k = 0; k < COUNT(few); k++) {
        mixed x = make(few[k], &THREE, 1, 0);
        check_model(&x, 5);
        problem_uncorrelate(&x.m);
        check_model(&x, 4);
        mixed_free(&x);
        x = make(few[k], &ALL_PAIRS, 0, 0);
        check_model(&x, 1);
        mixed_free(&x);
    }
}

/* Two terms of one factor. */
static void test_terms_of_one_factor(void)
{
    static const shape APART = {RANDOM, 24, 1, 2, {4, 4}, {2, 1}};
    static const size_t few[] = {0, 11, 15};
    for (size_t k = 0; k < COUNT(few); k++) {
        mixed x = make(few[k], &APART, 1, 0);
        memcpy((void *)x.m.term[1].refs, x.m.term[0].refs, sizeof(int32_t) * (size_t)x.m.n);
        check_model(&x, 3);
        mixed_free(&x);
    }
}

/* With enough points quadrature is the integral. */
static void test_integral(void)
{
    for (size_t kind = 0; kind < COUNT(KINDS); kind++)
        for (int two = 0; two < 2; two++) {
            if (two && kind % 5) continue;
            mixed x = make(kind, two ? &SLOPES : &ONE, 0, 0);
            smm_design *d = problem_design(&x.m);
            smm_glmm *g = mixed_glmm(&x, d, 31);
            double at[MAX_PARAMETERS], value, exact = dense_integral(&x);
            mixed_parameters(&x, at);
            CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
            CHECK_NEAR(value, exact, KINDS[kind].family.link == SMM_CAUCHIT ? 1e-4 : 1e-7);
            smm_glmm_destroy(g);
            smm_design_destroy(d);
            mixed_free(&x);
        }
}

/* The normal distribution with identity link is the linear model: its V is phi W^-1 +
 * Z Lambda Lambda'Z', so its theta is that of the linear model times sigma. */
static void test_normal_is_linear(void)
{
    const shape *shapes[] = {&ONE, &SLOPES, &CROSSED, &ALL_PAIRS};
    for (size_t s = 0; s < COUNT(shapes); s++) {
        mixed x = make(9, shapes[s], 0, 1);
        double sigma = exp(0.5 * x.zeta), log_weights = 0, at[MAX_PARAMETERS], value, linear;
        mixed_parameters(&x, at);
        for (int32_t i = 0; i < x.m.ntheta; i++) x.m.theta[i] /= sigma;
        for (int64_t i = 0; i < x.m.n; i++) log_weights += log(x.m.weights[i]);
        smm_design *d = problem_design(&x.m);
        smm_glmm *g = mixed_glmm(&x, d, 1);
        for (int64_t i = 0; i < x.m.n; i++) x.m.y[i] -= x.offset[i];
        smm_workspace *ws = problem_workspace(d, &x.m, x.m.weights, 0, sigma);
        for (int64_t i = 0; i < x.m.n; i++) x.m.y[i] += x.offset[i];
        CHECK(smm_value(ws, x.m.theta, &linear) == SMM_OK);
        CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
        CHECK_NEAR(value, linear - log_weights, 1e-12);
        smm_workspace_destroy(ws);
        smm_glmm_destroy(g);
        smm_design_destroy(d);
        mixed_free(&x);
    }
}

static int32_t condvar_length(const problem *m)
{
    int32_t length = 0;
    for (int32_t t = 0; t < m->nterms; t++)
        length += m->term[t].levels * m->term[t].cols * m->term[t].cols;
    return length;
}

/* Modes, variances and X'V^-1 X with V = W^-1 + Z Lambda Lambda'Z'. */
static void check_solution(const mixed *x, smm_glmm *g, const double *at)
{
    const problem *m = &x->m;
    int64_t n = m->n, q = m->q, p = m->p;
    double beta[4], u[64], b[64], eta[64], inverse[16], condvar[256], scalars[7], value;
    double *V = calloc((size_t)(2 * n * n), sizeof *V), *Vinv = V + n * n, XVX[16] = {0};
    if (!V || q > 64 || n > 64 || condvar_length(m) > 256) abort();
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_gradient(g, XVX) == SMM_OK);
    memset(XVX, 0, sizeof XVX);
    CHECK(smm_glmm_solution(g, beta, u, b, eta, inverse, condvar, scalars) == SMM_OK);
    CHECK(smm_glmm_solution(g, NULL, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_OK);
    modes a = dense_modes(x);
    double *lambda = dense_lambda(m, m->theta);
    for (int32_t v = 0; v < p; v++) CHECK_NEAR(beta[v], a.beta[v], 1e-7);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(eta[i], a.eta[i], 1e-7);
    for (int64_t r = 0; r < q; r++) {
        double sum = 0;
        for (int64_t c = 0; c <= r; c++) sum += lambda[r + c * q] * a.u[c];
        CHECK_NEAR(u[r], a.u[r], 1e-7);
        CHECK_NEAR(b[r], sum, 1e-7);
    }
    const double *at_condvar = condvar;
    int64_t first = 0;
    for (int32_t t = 0; t < m->nterms; t++)
        for (int32_t j = 0, k = m->term[t].cols; j < m->term[t].levels; j++, first += k)
            for (int32_t r = 0; r < k; r++)
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int32_t e = 0; e < k; e++)
                        for (int32_t f = 0; f < k; f++)
                            sum += lambda[first + r + (first + e) * q] *
                                   a.omega_inverse[first + e + (first + f) * q] *
                                   lambda[first + c + (first + f) * q];
                    CHECK_NEAR(*at_condvar++, sum, 1e-7);
                }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            V[i + j * n] = i == j ? 1 / a.weights[i] : 0;
            for (int64_t c = 0; c < q; c++) V[i + j * n] += a.zl[i + c * n] * a.zl[j + c * n];
        }
    dense_inverse(n, V, Vinv);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t v = 0; v < p; v++)
                for (int64_t w = 0; w < p; w++)
                    XVX[v + w * p] += m->X[i * p + v] * Vinv[i + j * n] * m->X[j * p + w];
    for (int64_t v = 0; v < p; v++)
        for (int64_t w = 0; w < p; w++) {
            double sum = 0;
            for (int64_t e = 0; e < p; e++) sum += inverse[v + e * p] * XVX[e + w * p];
            CHECK_NEAR(sum, v == w, 1e-6);
        }
    double leverage[64];
    CHECK(smm_glmm_leverage(g, leverage) == SMM_OK);
    for (int64_t i = 0; i < n; i++) { /* 1 - P_ii / w_i, P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 */
        double projected = Vinv[i + i * n], x_row[4] = {0};
        for (int64_t v = 0; v < p; v++)
            for (int64_t j = 0; j < n; j++) x_row[v] += Vinv[i + j * n] * m->X[j * p + v];
        for (int64_t v = 0; v < p; v++)
            for (int64_t w = 0; w < p; w++) projected -= x_row[v] * inverse[v + w * p] * x_row[w];
        CHECK_NEAR(leverage[i], 1 - projected / a.weights[i], 1e-6);
    }
    CHECK_NEAR(scalars[0], a.loglik, 1e-9);
    CHECK_NEAR(scalars[1], a.usq, 1e-7);
    CHECK_NEAR(scalars[2], a.logdet, 1e-8);
    CHECK_NEAR(scalars[3], smm_has_dispersion(x->family.distribution) ? exp(x->zeta) : 1, 1e-14);
    CHECK(scalars[4] >= 1 && scalars[4] == floor(scalars[4]));
    free(V);
    free(lambda);
    modes_free(&a);
}

/* Calls after a gradient leave nothing behind that a second gradient would see. */
static void check_repeated(smm_glmm *g, const double *at, int32_t np, double other)
{
    double first[MAX_PARAMETERS], again[MAX_PARAMETERS], H[MAX_PARAMETERS * MAX_PARAMETERS];
    double value, moved[MAX_PARAMETERS], back, leverage[64];
    CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
    CHECK(smm_glmm_gradient(g, first) == SMM_OK);
    for (int turn = 0; turn < 4; turn++) {
        if (turn == 1) CHECK(smm_glmm_curvature(g, H) == SMM_OK);
        if (turn == 2)
            CHECK(smm_glmm_solution(g, NULL, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_OK);
        if (turn == 3) CHECK(smm_glmm_leverage(g, leverage) == SMM_OK);
        CHECK(smm_glmm_gradient(g, again) == SMM_OK);
        for (int32_t i = 0; i < np; i++) CHECK_NEAR(again[i], first[i], 1e-12);
    }
    for (int32_t r = 0; r < np; r++)
        for (int32_t c = 0; c < np; c++)
            CHECK(isfinite(H[r + c * np]) && H[r + c * np] == H[c + r * np]);
    /* nor does it matter where the modes were sought before */
    for (int32_t i = 0; i < np; i++) moved[i] = at[i] * other;
    CHECK(smm_glmm_value(g, moved, &back) == SMM_OK);
    CHECK(smm_glmm_value(g, at, &back) == SMM_OK);
    CHECK_NEAR(back, value, 1e-9);
    CHECK(smm_glmm_gradient(g, again) == SMM_OK);
    for (int32_t i = 0; i < np; i++) CHECK_NEAR(again[i], first[i], 1e-7);
}

static void test_solutions(void)
{
    const shape *shapes[] = {&ONE, &NOTHING_FIXED, &SLOPES, &CROSSED};
    for (size_t kind = 0; kind < COUNT(KINDS); kind++)
        for (size_t s = 0; s < COUNT(shapes); s++)
            for (int fast = 0; fast < 2; fast++)
                for (int observed = 0; observed < 2; observed++) {
                    mixed x = make(kind, shapes[s], observed, fast);
                    smm_design *d = problem_design(&x.m);
                    smm_glmm *g = mixed_glmm(&x, d, s % 2 ? 1 : 3 - 2 * (s == 3));
                    double at[MAX_PARAMETERS];
                    int32_t np = mixed_parameters(&x, at);
                    check_repeated(g, at, np, 1.1);
                    if (!observed) check_solution(&x, g, at);
                    smm_glmm_destroy(g);
                    smm_design_destroy(d);
                    mixed_free(&x);
                }
}

/* theta = 0: no random effects, the likelihood of independent rows. */
static void test_zero_theta(void)
{
    for (size_t kind = 0; kind < COUNT(KINDS); kind++)
        for (int32_t points = 1; points <= 5; points += 4) {
            mixed x = make(kind, &SLOPES, 0, 0);
            for (int32_t i = 0; i < x.m.ntheta; i++) x.m.theta[i] = 0;
            smm_design *d = problem_design(&x.m);
            smm_glmm *g = mixed_glmm(&x, d, points);
            double at[MAX_PARAMETERS], gradient[MAX_PARAMETERS], value;
            double H[MAX_PARAMETERS * MAX_PARAMETERS];
            mixed_parameters(&x, at);
            CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
            modes a = dense_modes(&x);
            CHECK_NEAR(value, -2 * a.loglik, 1e-12);
            CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
            for (int32_t i = 0; i < x.m.ntheta; i++) CHECK(fabs(gradient[i]) < 1e-10);
            CHECK(smm_glmm_curvature(g, H) == SMM_ENOTPD); /* documented */
            check_gradient(&x, g);
            modes_free(&a);
            smm_glmm_destroy(g);
            smm_design_destroy(d);
            mixed_free(&x);
        }
}

/* A minimization ends where the gradient vanishes, and leaves the model solved there. */
/* Scores of the coefficients vanish, with weights and an offset. */
static void test_without_effects(smm_family family, int weighted)
{
    const int32_t levels[] = {9, 4}, cols[] = {1, 1};
    mixed x =
        mixed_make(problem_make(17, RANDOM, 120, 3, 2, levels, cols), family, weighted, 0.3, 0.2);
    smm_design *d = problem_design(&x.m);
    smm_glmm *g = mixed_glmm(&x, d, 1);
    int64_t n = x.m.n;
    double beta[3], *eta = calloc((size_t)n, sizeof *eta), *l = calloc((size_t)n, sizeof *l);
    if (!eta || !l) abort();
    for (int64_t i = 0; i < n; i++) eta[i] = 0.3 + x.offset[i];
    CHECK(smm_glmm_without_effects(g, eta, 1, beta) == SMM_OK);
    for (int64_t i = 0; i < n; i++) {
        eta[i] = x.offset[i];
        for (int32_t v = 0; v < 3; v++) eta[i] += x.m.X[i * 3 + v] * beta[v];
    }
    CHECK(smm_family_rows(&x.family, n, x.m.y, weighted ? x.m.weights : NULL, eta, 0, NULL, l,
                          NULL, NULL, NULL, NULL, NULL, NULL) == SMM_OK);
    for (int32_t v = 0; v < 3; v++) {
        double score = 0, size = 0;
        for (int64_t i = 0; i < n; i++) {
            score += x.m.X[i * 3 + v] * l[i];
            size += fabs(x.m.X[i * 3 + v] * l[i]);
        }
        CHECK(fabs(score) < 1e-6 * size);
    }
    /* a row that cannot be is left out, and rows that say nothing are no model */
    for (int64_t i = 0; i < n; i++) eta[i] = NAN;
    CHECK(smm_glmm_without_effects(g, eta, 1, beta) == SMM_ENOTPD);
    free(eta);
    free(l);
    smm_glmm_destroy(g);
    smm_design_destroy(d);
    mixed_free(&x);
}

static void test_newton(void)
{
    for (size_t kind = 0; kind < COUNT(KINDS); kind++)
        for (int fast = 0; fast < 2; fast++) {
            mixed x = make(kind, &ONE, 0, fast);
            smm_design *d = problem_design(&x.m);
            smm_glmm *g = mixed_glmm(&x, d, 5);
            double at[MAX_PARAMETERS], gradient[MAX_PARAMETERS], beta[2], value;
            int32_t np = mixed_parameters(&x, at);
            smm_options options = {.ftol_abs = 1e-8};
            smm_report report = {.gradient = gradient};
            CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
            CHECK(smm_glmm_newton(g, &options, at, &report) == SMM_OK);
            CHECK(report.stop >= SMM_STOP_GTOL && report.stop <= SMM_STOP_ROUNDOFF);
            CHECK(report.value <= value);
            for (int32_t i = 0; i < np; i++) CHECK(fabs(gradient[i]) < 1e-3);
            CHECK(smm_glmm_solution(g, beta, NULL, NULL, NULL, NULL, NULL, NULL) == SMM_OK);
            if (!fast) CHECK(beta[0] == at[x.m.ntheta] && beta[1] == at[x.m.ntheta + 1]);
            CHECK(smm_glmm_value(g, at, &value) == SMM_OK);
            CHECK_NEAR(value, report.value, 1e-10);
            smm_glmm_destroy(g);
            smm_design_destroy(d);
            mixed_free(&x);
        }
}

/* Where u = 0 is outside of the range of the link, modes are found from the target, the same as
 * those followed from parameters at which u = 0 is inside. */
static void test_from_target(void)
{
    const int32_t levels[] = {4}, cols[] = {1};
    const smm_family family = {SMM_INVERSE_GAUSSIAN, SMM_POWER, -1, 1};
    mixed x = mixed_make(problem_make(8, RANDOM, 40, 1, 1, levels, cols), family, 0, 1.5, 0.1);
    double ones[40], target[40], at[MAX_PARAMETERS], gradient[MAX_PARAMETERS], value, wanted;
    const double *z = x.m.term[0].z;
    for (int64_t i = 0; i < x.m.n; i++) {
        x.m.y[i] = 0.4 + 0.01 * (double)(i % 7);
        x.m.X[i] = ones[i] = 1;
        x.offset[i] = 0;
        target[i] = 1 / x.m.y[i];
    }
    x.m.term[0].z = ones;
    smm_design *d = problem_design(&x.m);
    smm_glmm *followed = mixed_glmm(&x, d, 1), *alone = mixed_glmm(&x, d, 1);
    mixed_parameters(&x, at);
    at[0] = 20;
    for (int i = 0; i <= 40; i++) {
        at[1] = 1.5 - 0.1 * i;
        CHECK(smm_glmm_value(followed, at, &wanted) == SMM_OK);
    }
    CHECK(smm_glmm_value(alone, at, &value) == SMM_ENONFINITE);
    CHECK(smm_glmm_set_target(alone, target) == SMM_OK);
    CHECK(smm_glmm_value(alone, at, &value) == SMM_OK);
    CHECK_NEAR(value, wanted, 1e-10);
    CHECK(smm_glmm_gradient(alone, gradient) == SMM_OK);
    /* effects as large as that are next to impossible, and no step leads there */
    at[0] = 1e-9;
    CHECK(smm_glmm_forget_modes(alone) == SMM_OK);
    CHECK(smm_glmm_value(alone, at, &value) != SMM_OK && isnan(value));
    smm_glmm_destroy(followed);
    smm_glmm_destroy(alone);
    smm_design_destroy(d);
    x.m.term[0].z = z;
    mixed_free(&x);
}

int main(void)
{
    test_from_target();
    test_values_and_gradients();
    test_terms_of_one_factor();
    test_integral();
    test_normal_is_linear();
    test_solutions();
    test_zero_theta();
    test_without_effects((smm_family){SMM_BINOMIAL, SMM_LOGIT, 0, 0}, 0);
    test_without_effects((smm_family){SMM_BINOMIAL, SMM_PROBIT, 0, 0}, 1);
    test_without_effects((smm_family){SMM_POISSON, SMM_LOG, 0, 0}, 1);
    test_without_effects((smm_family){SMM_GAMMA, SMM_LOG, 0, 0}, 0);
    test_newton();
    return check_result();
}
