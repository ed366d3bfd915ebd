/* SPDX-License-Identifier: BSD-3-Clause */
#include "entries.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSES 3

/* An NLopt that evaluates the objective at its start and is satisfied. Its memory is its own. */
typedef struct {
    unsigned n;
    double (*f)(unsigned n, const double *x, double *grad, void *data);
    void *data;
} once;

static void *once_create(int algorithm, unsigned n)
{
    once *o = malloc(sizeof *o);
    if (!o) abort();
    (void)algorithm;
    o->n = n;
    return o;
}

static int once_objective(void *opt, double (*f)(unsigned, const double *, double *, void *),
                          void *data)
{
    once *o = opt;
    o->f = f;
    o->data = data;
    return 1;
}

static int once_set(void *opt, double tol)
{
    (void)opt;
    (void)tol;
    return 1;
}

static int once_maxeval(void *opt, int maxeval)
{
    (void)opt;
    (void)maxeval;
    return 1;
}

static int once_step(void *opt, const double *dx)
{
    (void)opt;
    (void)dx;
    return 1;
}

static int once_stop(void *opt)
{
    (void)opt;
    return 1;
}

static int once_optimize(void *opt, double *x, double *minf)
{
    once *o = opt;
    *minf = o->f(o->n, x, NULL, o->data);
    return 1;
}

static smm_nlopt once_table(void)
{
    return (smm_nlopt){sizeof(smm_nlopt), once_create, free,         once_objective, once_set,
                       once_set,          once_set,    once_set,     once_maxeval,   once_set,
                       once_step,         once_stop,   once_optimize};
}

entries entries_make(uint64_t seed, int32_t p)
{
    const int32_t levels[] = {8, 5}, cols[] = {2, 1};
    const smm_family family = {SMM_POISSON, SMM_LOG, 0, 0};
    problem m = problem_make(seed, RANDOM, 60, p, 2, levels, cols);
    entries e = {mixed_make(m, family, 0, 0.3, 0.5), 8 * 4 + 5};
    return e;
}

void entries_free(entries *e) { mixed_free(&e->x); }

int entries_linear(const entries *e, const smm_design *design, smm_workspace **ws)
{
    (void)e;
    return smm_workspace_create(design, ws);
}

int entries_generalized(const entries *e, const smm_design *design, smm_glmm **g)
{
    int status = smm_glmm_create(design, &e->x.family, e->x.m.y, NULL, e->x.offset, g);
    if (status) return status;
    status = smm_glmm_approximation(*g, 0, 1, NULL, NULL);
    if (status) {
        smm_glmm_destroy(*g);
        *g = NULL;
    }
    return status;
}

/* Room for the outputs of one call, and the sum of all so far. */
typedef struct {
    double out[8192], sum;
} sheet;

static void add(sheet *s, int status, int64_t count)
{
    if (status != SMM_OK) s->sum = NAN;
    for (int64_t i = 0; i < count; i++) s->sum += s->out[i];
    memset(s->out, 0, sizeof s->out);
}

static void add_minimization(sheet *s, int status, const smm_report *report)
{
    s->out[0] = report->value;
    add(s, status, 1);
}

double entries_call_linear(const entries *e, smm_workspace *ws)
{
    const problem *m = &e->x.m;
    const smm_nlopt nlopt = once_table();
    int64_t nt = m->ntheta, n = m->n, q = m->q, p = m->p;
    const int32_t which[] = {1, 2, 3, -1};
    const double rows[] = {1, 2, 3, 4, 5, 6, 7, 8};
    const int32_t flag = 0;
    double theta[16], *responses = malloc(sizeof(double) * (size_t)(n * RESPONSES));
    double *beta = malloc(sizeof(double) * (size_t)(RESPONSES * (p + 1)));
    double *inverse = malloc(sizeof(double) * (size_t)(RESPONSES * (p * p + 1)));
    int64_t done;
    sheet *s = calloc(1, sizeof *s);
    if (!responses || !beta || !inverse || !s) abort();
    smm_options options = {.ftol_abs = 1e-8, .max_eval = 20};
    smm_report report = {0};

    const smm_blas blas = ref_blas();
    double *R = s->out + n * p, *work = R + p * p;
    if (p)
        add(s, smm_basis(&blas, n, (int32_t)p, m->X, m->weights, s->out, R, work), (n + p) * p);
    double *left = s->out + p, *squares = left + n;
    add(s,
        smm_residual(n, (int32_t)p, m->X, m->y, m->weights, n, s->out, left, squares,
                     squares + 3),
        n + p + 3);
    add(s, smm_crossprod(ws, m->y, m->weights), 0);
    add(s, smm_crossprod_y(ws, m->y, m->weights), 0);
    add(s, smm_set_rows(ws, n), 0);
    add(s, smm_set_criterion(ws, 1, 0), 0);
    add(s, smm_theta_scale(ws, s->out), nt);
    add(s, smm_moments(ws, s->out), nt);
    add(s, smm_set_precision(ws, 0), 0);
    add(s, smm_share_left(ws, m->theta, s->out), 1);
    add(s, smm_value(ws, m->theta, s->out), 1);
    add(s, smm_gradient(ws, s->out), nt);
    add(s, smm_curvature(ws, s->out), nt * nt);
    add(s, smm_set_criterion(ws, 0, 1), 0);
    add(s, smm_value(ws, m->theta, s->out), 1);
    add(s, smm_derivatives_log_sigma(ws, s->out, s->out + nt + 1), (nt + 1) * (nt + 2));
    const double a[] = {1, 2}, H[] = {3, 1, 1, 2};
    const int32_t at[] = {0, 1};
    int32_t k;
    add(s, smm_constrained_step(2, a, H, a, NULL, -1, 0, &k, s->out, s->out + 5, s->out + 21), 5);
    add(s, smm_curvature_sizes(2, H, s->out), 2);
    memset(s->out + 4, 0, sizeof(double) * 13);
    add(s, smm_learn_curvature(2, a, a, H, s->out + 4, s->out, s->out + 17), 4);
    add(s, smm_row_length(2, a, 2, 2, at, H, 1, s->out, s->out + 2, s->out + 6), 6);
    add(s, smm_row_angle(2, a, 1, 2, at, H, s->out, s->out + 1, s->out + 3, s->out + 7), 1);
    add(s, smm_set_criterion(ws, 1, 0), 0);
    add(s, smm_value(ws, m->theta, s->out), 1);
    add(s, smm_gradient(ws, s->out), nt);
    add(s,
        smm_solution(ws, p ? beta : NULL, s->out, s->out + q, p ? inverse : NULL, s->out + 2 * q),
        2 * q + 4);
    add(s, smm_estimates(ws, 2.0, m->theta, NULL, s->out), 4 + 2 * p + 4 * p * p + 2 * q + n);
    add(s, smm_condvar(ws, s->out), e->condvar);
    add(s, smm_leverage(ws, m->weights, s->out), n);
    add(s, smm_level_covariances(ws, 2, which, s->out), 2 * 9);
    add(s, smm_row_errors(ws, 2, which, rows, rows, s->out), 2);
    if (p) add(s, smm_mode_slopes(ws, s->out), q * p);
    double factors[64]; /* T of ones */
    for (int64_t i = 0; i < 64; i++) factors[i] = 1;
    add(s, smm_value_factors(ws, factors, s->out), 1);
    add(s, smm_gradient_factors(ws, s->out), 1);
    add(s, smm_scores(ws, s->out), q);
    add(s, smm_project(ws, 1, m->y, s->out), q);
    memcpy(theta, m->theta, sizeof(double) * (size_t)nt);
    int status = smm_newton(ws, &options, theta, &report);
    add_minimization(s, status, &report);
    status = smm_nlopt_minimize(ws, &nlopt, 0, &options, theta, &report);
    add_minimization(s, status, &report);
    status = smm_end(ws, &options, theta, &report);
    add_minimization(s, status, &report);
    for (int64_t i = 0; i < n * RESPONSES; i++) responses[i] = m->y[(7 * i + i / n) % n];
    add(s,
        smm_refit(ws, RESPONSES, responses, m->weights, &options, m->theta, &flag, s->out,
                  p ? beta : NULL, p ? inverse : NULL, s->out + RESPONSES * nt, &done),
        RESPONSES * (nt + 3));
    add(s, done == RESPONSES ? SMM_OK : SMM_ESTATE, 0);
    double sum = s->sum;
    free(s);
    free(responses);
    free(beta);
    free(inverse);
    return sum;
}

double entries_call_generalized(const entries *e, smm_glmm *g)
{
    const problem *m = &e->x.m;
    const smm_nlopt nlopt = once_table();
    int64_t n = m->n, q = m->q, p = m->p, count = smm_glmm_parameters(g);
    const int32_t which[] = {1, 2, 3, -1};
    double at[32];
    sheet *s = calloc(1, sizeof *s);
    if (!s) abort();
    smm_options options = {.ftol_abs = 1e-8, .max_eval = 20};
    smm_report report = {0};
    add(s, mixed_parameters(&e->x, at) == count ? SMM_OK : SMM_ESTATE, 0);

    add(s, smm_glmm_set_unit(g, (double[]){1}), 0);
    add(s, smm_glmm_scale(g, s->out), count);
    add(s, smm_glmm_set_beta(g, e->x.beta), 0);
    add(s, smm_glmm_without_effects(g, e->x.offset, 1, s->out), p);
    add(s, smm_glmm_set_target(g, e->x.offset), 0);
    add(s, smm_glmm_set_modes(g, e->x.offset, e->x.beta), 0);
    add(s, smm_glmm_value(g, at, s->out), 1);
    add(s, smm_glmm_forget_modes(g), 0);
    s->out[0] = smm_glmm_met_several(g) + smm_glmm_met_edge(g);
    s->out[1] = smm_glmm_several_possible(g);
    add(s, SMM_OK, 2);
    add(s, smm_glmm_value(g, at, s->out), 1);
    add(s, smm_glmm_gradient(g, s->out), count);
    add(s,
        smm_glmm_solution(g, p ? s->out : NULL, s->out + p, s->out + p + q, s->out + p + 2 * q,
                          p ? s->out + p + 2 * q + n : NULL, s->out + p + 2 * q + n + p * p,
                          NULL),
        p + 2 * q + n + p * p + e->condvar);
    add(s, smm_glmm_leverage(g, s->out), n);
    add(s, smm_glmm_level_covariances(g, 2, which, s->out), 2 * 9);
    if (p) add(s, smm_glmm_mode_slopes(g, s->out), q * p);
    add(s, smm_glmm_curvature(g, s->out), count * count);
    int status = smm_glmm_newton(g, &options, at, &report);
    add_minimization(s, status, &report);
    status = smm_glmm_nlopt(g, &nlopt, 0, &options, at, &report);
    add_minimization(s, status, &report);
    status = smm_glmm_end(g, &options, at, &report);
    add_minimization(s, status, &report);
    add(s,
        smm_family_rows(&e->x.family, n, m->y, NULL, e->x.offset, 0, s->out, NULL, NULL, NULL,
                        NULL, NULL, NULL, NULL),
        n);
    const double *part[] = {m->y};
    const int32_t cols[] = {1};
    int32_t table[4] = {0}, alike[2];
    int64_t first[2], distinct;
    const smm_rows_of all = {1, 0, part, cols, NULL};
    add(s, smm_alike(&all, 2, 2, 4, table, alike, first, &distinct), 0);
    double *outer = calloc((size_t)n * SMM_ROW_PARAMETERS, sizeof(double));
    if (!outer || n * SMM_ROW_DERIVATIVES > (int64_t)(sizeof s->out / sizeof *s->out)) abort();
    add(s,
        smm_row_derivatives(&e->x.family, SMM_INFLATED, n, m->y, NULL, e->x.offset, outer,
                            s->out),
        n * SMM_ROW_DERIVATIVES);
    /* refused: the model has the expected information */
    const double *none[SMM_ROW_PARAMETERS] = {NULL, NULL, NULL, NULL};
    status = smm_glmm_set_sides(g, 1, none, outer, SMM_NO_ZEROS);
    add(s, status == SMM_EINVAL ? SMM_OK : SMM_ESTATE, 0);
    free(outer);
    double sum = s->sum;
    free(s);
    return sum;
}

int entries_sides(const entries *e, const smm_design *design, const double *ones, smm_glmm **g)
{
    const double *X[SMM_ROW_PARAMETERS] = {ones, NULL, NULL, NULL};
    const double constant[SMM_ROW_PARAMETERS] = {0};
    smm_family family = {SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 1};
    int status = smm_glmm_create(design, &family, e->x.m.y, NULL, e->x.offset, g);
    if (status) return status;
    status = smm_glmm_set_sides(*g, 1, X, constant, SMM_NO_ZEROS);
    if (!status) status = smm_glmm_approximation(*g, 0, 1, NULL, NULL);
    if (status) {
        smm_glmm_destroy(*g);
        *g = NULL;
    }
    return status;
}
