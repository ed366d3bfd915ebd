/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Coefficients of a generalized linear model without random effects, by iteratively reweighted
 * least squares: with the slopes l and the expected information w of the rows at eta, each step is
 * a regression of eta - offset + l / w on X with weights w.
 */
#include "generalized/generalized.h"

/* Rough coefficients are enough for a start; separated data never settle. */
#define MOST_STEPS 25
#define TOLERANCE 1e-6
/* Added to the diagonal, as a share of it: separated data lose rank. */
#define RIDGE 1e-12

/* gamma <- (X'WX)^-1 X'W target from the lower triangle of [X target]'W[X target], which is
 * overwritten. */
static int solve(const smm_design *d, double *XXy, double *gamma)
{
    int32_t p = d->p, m = p + 1;
    for (int32_t v = 0; v < p; v++) {
        gamma[v] = XXy[p + (size_t)v * m];
        XXy[v + (size_t)v * m] *= 1 + RIDGE;
    }
    int status = smm_potrf(&d->blas, p, XXy, m);
    if (status) return status;
    for (int transpose = 0; transpose < 2; transpose++)
        smm_solve_rows(&d->blas, p, XXy, m, 1, gamma, transpose);
    return SMM_OK;
}

/* Weights and targets of the rows at g->eta; rows that say nothing have weight 0. */
static void take_rows(smm_glmm *g, double *weights, double *target)
{
    smm_rows(g);
    for (int64_t i = 0; i < g->ws->design->n; i++) {
        double w = g->we[i], t = g->eta[i] + g->l[i] / w - (g->offset ? g->offset[i] : 0);
        int usable = w > 0 && isfinite(w) && isfinite(t);
        weights[i] = usable ? w : 0;
        target[i] = usable ? t : 0;
    }
}

int smm_glmm_without_effects(smm_glmm *g, const double *eta, double least, double *beta)
{
    if (!g || !eta || !beta || !(least >= 0) || g->stream || g->sides.columns) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    size_t n = sizeof(double) * (size_t)d->n, p = sizeof(double) * (size_t)d->p;
    g->solved = SMM_UNSOLVED;
    g->zeta = 0;
    smm_rows_dispersion(g);
    memcpy(g->eta, eta, n);
    memset(g->beta, 0, p);
    for (int step = 0; step < MOST_STEPS; step++) {
        take_rows(g, g->work, g->trial);
        smm_form_xx(g->ws, g->trial, g->work);
        int status = solve(d, g->ws->XXy, beta);
        if (status) return status;
        double change = 0, size = 0;
        for (int32_t v = 0; v < d->p; v++) {
            change = fmax(change, fabs(beta[v] - g->beta[v]));
            size = fmax(size, fabs(beta[v]));
        }
        memcpy(g->beta, beta, p);
        smm_fixed_predictor(g);
        memcpy(g->eta, g->xb, n);
        if (change < TOLERANCE * (least + size)) break;
    }
    return SMM_OK;
}
