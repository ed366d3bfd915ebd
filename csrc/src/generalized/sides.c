/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Models whose rows have parameters of their own besides eta: those of density.c, each linear in
 * one vector of coefficients, psi_ij = constant_j + x_ij'kappa. A formula for the dispersion or
 * for zero inflation, the thresholds of ordered categories and a power that is the same for all
 * rows are of this kind. With the derivatives of a row's log-likelihood in psi_ij kept by row,
 * the gradient in kappa is
 *
 *     sum_ij x_ij (-2 d loglik_i/d psi_ij + a_i dw_i/d psi_ij + s_i dl_i/d psi_ij),
 *
 * in the notation of glmm_gradient.c, and the curvature twice the sum of products of the rows'
 * scores.
 */
#include "generalized/generalized.h"

int32_t smm_tail_parameters(const smm_glmm *g)
{
    return g->sides.columns ? g->sides.columns : smm_has_dispersion(g->family.distribution);
}

void smm_sides_destroy(smm_glmm *g) { smm_release(&g->ws->design->mem, g->sides.arena); }

int smm_glmm_set_sides(smm_glmm *g, int32_t columns, const double *const *X,
                       const double *constant, int zeros)
{
    if (!g || columns < 1 || !X || !constant || zeros < SMM_NO_ZEROS || zeros > SMM_HURDLE ||
        g->sides.columns || g->fast || g->stream || !g->family.observed ||
        (zeros == SMM_NO_ZEROS && g->ws->design->predictors > 1))
        return SMM_EINVAL;
    smm_sides *s = &g->sides;
    const smm_design *d = g->ws->design;
    int64_t n = d->n, np = (int64_t)d->ntheta + d->p + columns;
    int64_t two = d->predictors > 1 ? 4 * n : 0;
    struct {
        double **field;
        int64_t size;
    } all[] = {
        {&s->kappa, columns},
        {&s->score, columns},
        {&s->outer, 4 * n},
        {&s->loglik, 4 * n},
        {&s->l, 4 * n},
        {&s->w, 4 * n},
        {&s->slope, 4 * n},
        {&s->node, 4 * n},
        {&s->l_zeros, two},
        {&s->w_cross, two},
        {&s->w_zeros, two},
        {&s->spread, zeros == SMM_INFLATED ? two / 4 * 3 : 0},
        {&g->dw, n}, /* the kernel of Poisson counts has none of its own */
        /* the minimizer has more parameters than it was given room for */
        {&g->scale, np},
        {&g->run_vectors, SMM_RUN_VECTORS(np)},
        {&g->run_pairs, 2 * SMM_MEMORY * np},
        {&g->run_matrices, SMM_RUN_MATRICES(np)},
    };
    int64_t total = 0, at = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) total += all[i].size;
    s->arena = smm_alloc(&d->mem, (size_t)total, sizeof(double));
    if (!s->arena) return SMM_ENOMEM;
    memset(s->arena, 0, sizeof(double) * (size_t)total);
    for (size_t i = 0; i < sizeof all / sizeof *all; at += all[i++].size)
        *all[i].field = s->arena + at;
    if (!two || zeros != SMM_INFLATED) s->spread = NULL;
    for (int j = 0; j < SMM_OUTER; j++) s->X[j] = X[j], s->constant[j] = constant[j];
    s->zeros = zeros;
    s->columns = columns;
    g->kernel = SMM_GENERAL_ROWS;
    g->zeta = g->saturated = g->saturated_sum_zeta = 0;
    g->wo = g->w = g->storage_wo;
    for (int64_t i = 0; i < n; i++)
        g->saturated +=
            smm_density_constant(g->family.distribution, g->y[i], g->weights ? g->weights[i] : 1);
    g->solved = SMM_UNSOLVED;
    return SMM_OK;
}

void smm_sides_take(smm_glmm *g, const double *kappa)
{
    smm_sides *s = &g->sides;
    const smm_design *d = g->ws->design;
    memcpy(s->kappa, kappa, sizeof(double) * (size_t)s->columns);
    for (int64_t i = 0; i < d->n; i++)
        for (int j = 0; j < SMM_OUTER; j++) {
            double sum = s->constant[j];
            const double *x = s->X[j] ? s->X[j] + i * s->columns : NULL;
            if (x && isinf(x[0])) sum = INFINITY;
            else
                for (int32_t k = 0; x && k < s->columns; k++) sum += x[k] * kappa[k];
            s->outer[4 * i + j] = sum;
            if (j == 3 && d->predictors > 1) g->xb[d->n + i] = sum;
        }
}

/* Row i at its predictors in eta; its parameters are left in outer (4). */
static smm_jet row_at(const smm_glmm *g, int64_t i, const double *eta, double *outer)
{
    double m = g->weights ? g->weights[i] : 1;
    memcpy(outer, g->sides.outer + 4 * i, sizeof(double) * SMM_OUTER);
    if (g->ws->design->predictors > 1) outer[3] = eta[g->ws->design->n + i];
    return smm_density(&g->family, g->sides.zeros, g->y[i], m, eta[i], outer);
}

void smm_sides_rows(smm_glmm *g)
{
    smm_sides *s = &g->sides;
    double total = 0, outer[SMM_OUTER];
    for (int64_t i = 0; i < g->ws->design->n; i++) {
        smm_jet x = row_at(g, i, g->eta, outer);
        double m = g->weights ? g->weights[i] : 1;
        int silent = s->zeros == SMM_HURDLE && g->y[i] == 0; /* says nothing of eta */
        double typical = silent ? 0 : smm_density_information(&g->family, m, g->eta[i], outer);
        total += x.c[0];
        g->l[i] = x.c[1];
        g->wo[i] = -x.c[2];
        g->we[i] = -x.c[2] >= SMM_SAFE_SHARE * typical ? -x.c[2] : typical;
        g->dw[i] = -x.c[3];
        for (int j = 0; j < SMM_OUTER; j++) {
            s->loglik[4 * i + j] = x.d[0][j];
            s->l[4 * i + j] = x.d[1][j];
            s->w[4 * i + j] = -x.d[2][j];
        }
        if (g->ws->design->predictors > 1) smm_zeros_row(g, i, outer, &x);
    }
    g->loglik = total;
}

void smm_sides_rows_at(const smm_glmm *g, const double *eta, double *loglik, double *l,
                       double *slopes)
{
    const smm_design *d = g->ws->design;
    double outer[SMM_OUTER];
    for (int64_t i = 0; i < d->n; i++) {
        smm_jet x = row_at(g, i, eta, outer);
        if (!isfinite(x.c[0])) x = jet_constant(-INFINITY);
        loglik[i] = x.c[0];
        l[i] = x.c[1];
        if (d->predictors > 1) l[d->n + i] = x.d[0][3];
        for (int j = 0; slopes && j < SMM_OUTER; j++) slopes[4 * i + j] = x.d[0][j];
    }
}

/* Adds to out (columns) the sum over the parameters of row i of by[j] x_ij. */
static void add_row(const smm_sides *s, int64_t i, const double *by, double *out)
{
    for (int j = 0; j < SMM_OUTER; j++) {
        const double *x = s->X[j] ? s->X[j] + i * s->columns : NULL;
        if (!x || isinf(x[0]) || by[j] == 0) continue;
        for (int32_t k = 0; k < s->columns; k++) out[k] += by[j] * x[k];
    }
}

/* From slope, which has the whole derivative in every parameter of every row. */
void smm_sides_gradient(const smm_glmm *g, double *gradient)
{
    const smm_sides *s = &g->sides;
    memset(gradient, 0, sizeof(double) * (size_t)s->columns);
    for (int64_t i = 0; i < g->ws->design->n; i++) add_row(s, i, s->slope + 4 * i, gradient);
}

void smm_sides_curvature(const smm_glmm *g, double *hessian, int32_t ld)
{
    const smm_sides *s = &g->sides;
    double *score = s->score;
    int32_t K = s->columns;
    for (int32_t c = 0; c < K; c++)
        for (int32_t r = 0; r < K; r++) hessian[r + (size_t)c * ld] = r == c ? 1e-8 : 0;
    for (int64_t i = 0; i < g->ws->design->n; i++) {
        memset(score, 0, sizeof(double) * (size_t)K);
        double m = g->weights ? g->weights[i] : 1;
        if (m == 0) continue;
        add_row(s, i, s->loglik + 4 * i, score);
        double copies = smm_density_copies(&g->family, m);
        for (int32_t c = 0; c < K; c++)
            for (int32_t r = 0; score[c] != 0 && r < K; r++)
                hessian[r + (size_t)c * ld] += 2 * score[r] * score[c] / copies;
    }
}

int smm_row_derivatives(const smm_family *f, int zeros, int64_t n, const double *y,
                        const double *weights, const double *eta, const double *outer,
                        double *out)
{
    if (!f || !y || !eta || !outer || !out || n < 0 || !smm_family_valid(f) ||
        zeros < SMM_NO_ZEROS || zeros > SMM_HURDLE)
        return SMM_EINVAL;
    for (int64_t i = 0; i < n; i++) {
        double m = weights ? weights[i] : 1;
        smm_jet x = smm_density(f, zeros, y[i], m, eta[i], outer + 4 * i);
        x.c[0] += smm_density_constant(f->distribution, y[i], m);
        memcpy(out + 16 * i, x.c, sizeof x.c);
        memcpy(out + 16 * i + 4, x.d, sizeof x.d);
    }
    return SMM_OK;
}
