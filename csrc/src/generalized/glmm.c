/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The generalized model and its objective. At the modes u of PIRLS, with
 * Omega = Lambda'Z'WZ Lambda + I, the Laplace approximation is
 *
 *     d = -2 loglik(u) + |u|^2 + log|Omega|,
 *
 * and with related levels (prior.c) Q, u'Q u and log|Omega| - log|Q (x) I| stand in it.
 */
#include "generalized/generalized.h"

static int64_t lay_out(smm_glmm *g, double *base)
{
    const smm_design *d = g->ws->design;
    int64_t n = d->n, q = d->q, p = d->p, kk = g->ws->T_at[d->nterms], at = 0;
    int64_t np = d->ntheta + p + 1, nt = d->ntheta;
    int64_t parts = smm_parts(d), weights = smm_weight_parts(d);
    struct {
        double **field;
        int64_t size;
    } all[] = {
        {&g->beta, p},
        {&g->xb, parts},
        {&g->eta, parts},
        {&g->l, parts},
        {&g->we, weights},
        {&g->storage_wo, weights},
        {&g->dw, n},
        {&g->l_zeta, n},
        {&g->w_zeta, n},
        {&g->work, weights},
        {&g->lbar, n},
        {&g->u, q},
        {&g->Qu, d->has_prior ? q : 0},
        {&g->prior_spread, d->nterms},
        {&g->u_old, q},
        {&g->u_kept, q},
        {&g->u_known, q},
        {&g->beta_known, p},
        {&g->u_good, q},
        {&g->zl, q},
        {&g->zc, q},
        {&g->v, q},
        {&g->xr, p},
        {&g->beta_old, p},
        {&g->beta_kept, p},
        {&g->beta_good, p},
        {&g->beta_start, p},
        {&g->direct, kk},
        {&g->tk, kk},
        {&g->scale, np},
        {&g->HW, nt * p},
        {&g->theta_block, nt * nt},
        {&g->row, parts},
        {&g->trial, n},
        {&g->trial_zeta, n},
        {&g->saturated_zeta, n},
        {&g->log_y, n},
        {&g->target_rows, n},
        {&g->run_vectors, SMM_RUN_VECTORS(np)},
        {&g->run_pairs, 2 * SMM_MEMORY * np},
        {&g->run_matrices, SMM_RUN_MATRICES(np)},
    };
    const int64_t zone = SMM_RED_ZONE / sizeof(double);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t size = all[i].size, room = (size + 7) / 8 * 8 + zone;
        if (base) {
            *all[i].field = base + at;
            smm_forbid(base + at + size, sizeof(double) * (size_t)(room - size));
        }
        at += room;
    }
    return at;
}

void smm_glmm_destroy(smm_glmm *g)
{
    if (!g) return;
    smm_allocator mem = g->ws->design->mem;
    smm_sides_destroy(g);
    smm_quadrature_destroy(g);
    smm_workspace_destroy(g->ws);
    smm_stream_destroy(g->stream);
    smm_release(&mem, g->arena);
    smm_release(&mem, g);
}

/* A model without its rows; a stream is taken if all goes well. */
static int prepare(const smm_design *d, smm_stream *stream, const smm_family *family,
                   int weighted, smm_glmm **out)
{
    smm_glmm *g = smm_alloc(&d->mem, 1, sizeof *g);
    if (!g) return SMM_ENOMEM;
    memset(g, 0, sizeof *g);
    int status = smm_workspace_create(d, &g->ws);
    if (status) {
        smm_release(&d->mem, g);
        return status;
    }
    int64_t size = lay_out(g, NULL);
    if ((uint64_t)size > SIZE_MAX / sizeof(double)) status = SMM_EOVERFLOW;
    if (status == SMM_OK) {
        g->arena = smm_alloc(&d->mem, (size_t)size, sizeof(double));
        if (!g->arena) status = SMM_ENOMEM;
    }
    if (status == SMM_OK) {
        memset(g->arena, 0, sizeof(double) * (size_t)size);
        lay_out(g, g->arena);
        status = smm_prior_spread(g->ws, g->prior_spread);
    }
    if (status) {
        smm_glmm_destroy(g);
        return status;
    }
    g->stream = stream;
    g->least_zeta = -INFINITY;
    g->family = *family;
    g->weighted = weighted;
    g->points = 1;
    g->unit[0] = g->unit[1] = g->row_unit = 1;
    *out = g;
    return SMM_OK;
}

/* Where the dispersion phi of variances phi mu^k is lost beside the variance of the response. */
static double least_zeta(const smm_glmm *g)
{
    int distribution = g->family.distribution;
    int64_t n = g->ws->design->n;
    double power = distribution == SMM_GAUSSIAN           ? 0
                   : distribution == SMM_GAMMA            ? 2
                   : distribution == SMM_INVERSE_GAUSSIAN ? 3
                                                          : NAN;
    double mean = 0, size = 0, square = 0, shape = 0, kept = 0;
    if (isnan(power)) return -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        mean += g->y[i] / (double)n;
        size += fabs(g->y[i]) / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double m = g->weights ? g->weights[i] : 1, r = (g->y[i] - mean) / size;
        if (!(m > 0)) continue;
        kept++;
        square += r * r;
        shape += pow(fabs(g->y[i] / size), power) / m;
    }
    return kept > 0 && square > 0 && size > 0
               ? log(SMM_VANISHED * square / shape) + (2 - power) * log(size)
               : -INFINITY;
}

int smm_glmm_create(const smm_design *d, const smm_family *family, const double *y,
                    const double *weights, const double *offset, smm_glmm **out)
{
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (!d || !family || !y || !smm_family_valid(family)) return SMM_EINVAL;
    for (int64_t i = 0; i < d->n; i++) {
        if (!isfinite(y[i]) || (offset && !isfinite(offset[i]))) return SMM_ENONFINITE;
        if (weights && !isfinite(weights[i])) return SMM_ENONFINITE;
        if (weights && weights[i] < 0) return SMM_EINVAL;
    }
    smm_glmm *g;
    int status = prepare(d, NULL, family, weights != NULL, &g);
    if (status) return status;
    g->y = y;
    g->weights = weights;
    g->offset = offset;
    smm_rows_prepare(g);
    g->least_zeta = least_zeta(g);
    /* units of theta, from Z without weights */
    smm_form_zz(g->ws, NULL);
    smm_column_scale(g->ws);
    g->ws->state = SMM_HAS_A;
    *out = g;
    return SMM_OK;
}

int smm_glmm_create_streamed(const smm_design *d, const smm_family *family, int64_t rows,
                             int64_t capacity, int weighted, const double *column_sizes,
                             double row_unit, smm_next_rows next, void *ctx, smm_glmm **out)
{
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (!d || !family || !column_sizes || !next || capacity < 1 || rows < 1 ||
        !smm_family_valid(family) || d->predictors > 1)
        return SMM_EINVAL;
    smm_stream *s;
    smm_glmm *g;
    int status = smm_stream_create(d, capacity, next, ctx, &s);
    if (status) return status;
    status = prepare(&s->window, s, family, weighted, &g);
    if (status) {
        smm_stream_destroy(s);
        return status;
    }
    s->window.n = 0;
    smm_rows_prepare(g);
    status = smm_stream_reserve(g);
    if (status) {
        smm_glmm_destroy(g);
        return status;
    }
    int64_t columns = 0;
    for (int32_t t = 0; t < d->nterms; t++) columns += d->cols[t];
    memcpy(g->ws->zrms, column_sizes, sizeof(double) * (size_t)columns);
    g->ws->rows = rows;
    g->ws->state = SMM_HAS_A;
    g->row_unit = row_unit;
    *out = g;
    return SMM_OK;
}

int smm_glmm_approximation(smm_glmm *g, int fast, int32_t points, const double *nodes,
                           const double *log_weights)
{
    if (!g || points < 1 || (points > 1 && (!nodes || !log_weights || g->stream)) ||
        (fast != 0 && fast != 1) || (fast && g->sides.columns))
        return SMM_EINVAL;
    int status = smm_quadrature_create(g, points, nodes, log_weights);
    if (status) return status;
    if (g->sides.spread) g->w = points > 1 ? g->sides.spread : g->wo;
    g->fast = fast;
    g->solved = SMM_UNSOLVED;
    return SMM_OK;
}

int32_t smm_glmm_parameters(const smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    return d->ntheta + (g->fast ? 0 : d->p) + smm_tail_parameters(g);
}

int smm_glmm_set_unit(smm_glmm *g, const double *unit)
{
    if (!g || !unit) return SMM_EINVAL;
    int32_t predictors = g->ws->design->predictors;
    for (int32_t i = 0; i < predictors; i++)
        if (!(unit[i] > 0) || isinf(unit[i])) return SMM_EINVAL;
    memcpy(g->unit, unit, sizeof(double) * (size_t)predictors);
    return SMM_OK;
}

int smm_glmm_set_beta(smm_glmm *g, const double *beta)
{
    if (!g || (!beta && g->ws->design->p)) return SMM_EINVAL;
    for (int32_t v = 0; v < g->ws->design->p; v++)
        g->beta[v] = g->beta_start[v] = g->beta_kept[v] = g->beta_good[v] = beta[v];
    g->solved = SMM_UNSOLVED;
    return SMM_OK;
}

/* The change in eta that one row can detect, for a dispersion of 1: the inverse root of its mean
 * information at the target. */
static double unit_of_rows(smm_glmm *g, const double *target)
{
    double sum = 0, n = (double)g->ws->design->n;
    memcpy(g->eta, target, sizeof(double) * (size_t)g->ws->design->n);
    g->zeta = 0;
    smm_rows(g);
    for (int64_t i = 0; i < g->ws->design->n; i++) sum += g->we[i];
    return sum > 0 && isfinite(sum) ? sqrt(n / sum) : 1;
}

int smm_glmm_set_target(smm_glmm *g, const double *target)
{
    if (!g || !target || g->stream) return SMM_EINVAL;
    int64_t n = g->ws->design->n;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(target[i])) return SMM_ENONFINITE;
    g->solved = SMM_UNSOLVED;
    g->row_unit = unit_of_rows(g, target);
    memcpy(g->target_rows, target, sizeof(double) * (size_t)n);
    g->target_known = 1;
    if (!smm_modes_unique(g)) g->target = g->target_rows;
    return SMM_OK;
}

void smm_take_parameters(smm_glmm *g, const double *parameters)
{
    const smm_design *d = g->ws->design;
    smm_set_theta(g->ws, parameters);
    parameters += d->ntheta;
    if (!g->fast) {
        memcpy(g->beta, parameters, sizeof(double) * (size_t)d->p);
        parameters += d->p;
        smm_fixed_predictor(g);
    }
    if (g->sides.columns) {
        smm_sides_take(g, parameters);
        return;
    }
    g->zeta = smm_has_dispersion(g->family.distribution) ? *parameters : 0;
    smm_rows_dispersion(g);
}

int smm_glmm_value(smm_glmm *g, const double *parameters, double *value)
{
    if (!g || !parameters || !value) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    size_t q = sizeof(double) * (size_t)d->q, p = sizeof(double) * (size_t)d->p;
    *value = NAN;
    int finite = 1;
    for (int32_t i = 0; i < smm_glmm_parameters(g); i++) finite &= isfinite(parameters[i]) != 0;
    int possible = finite && (d->predictors == 1 || g->sides.zeros);
    int predicted = possible && smm_predict_modes(g, parameters, g->zc, g->beta_old);
    g->solved = SMM_UNSOLVED;
    if (!possible) return finite ? SMM_EINVAL : SMM_ENONFINITE;
    int status = smm_find_modes(g, predicted);
    if (status == SMM_OK && g->w == g->sides.spread) smm_zeros_spread(g);
    if (status == SMM_OK) status = smm_form_omega(g, g->w);
    if (status) return status;
    g->logdet = g->ws->logdet_omega;
    status = smm_logdet_of_rows(g);
    if (status) return status;
    double f = -2 * g->loglik + g->usq + g->logdet - 2 * g->saturated;
    if (g->points > 1) status = smm_quadrature_value(g, &f);
    if (status) return status;
    if (!isfinite(f)) return SMM_ENONFINITE;
    memcpy(g->u_kept, g->u, q);
    memcpy(g->beta_kept, g->beta, p);
    g->value = *value = f;
    g->solved = SMM_SOLVED_VALUE;
    return SMM_OK;
}
