/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The exact gradient of a generalized model's objective.
 *
 * Write l = d loglik / d eta, wo = -dl / d eta, a_i = z_i'Lambda K Lambda'z_i with
 * K = Omega^-1, c = a dw/d eta, and adjoint v = Omega_o^-1 (Lambda'Z'c - 2 G0), where Omega_o
 * has the weights wo and G0 = Lambda'Z'l - Q u. With s = Z Lambda v and D_k = d Lambda / d theta_k,
 *
 *     d/d beta    = X'(-2 l + c - wo s)
 *     d/d theta_k = -2 (Z'l)'D_k u + 2 tr(K Lambda'Z'WZ D_k) + (Z'(c - wo s))'D_k u + v'D_k'Z'l
 *     d/d zeta    = -2 d loglik/d zeta + a'dw/d zeta + s'dl/d zeta,
 *
 * G0 is zero but for rounding, which matters where rows have much information: X'l - X'wo Z Lambda
 * Omega_o^-1 G0 are then small differences of large sums, those of X less its projection on Z.
 * The last one is by row where each has parameters of its own (sides.c). Where these have random
 * effects (zeros.c) a row's l, c and s have a part for each predictor, w and a one for each pair.
 *
 * Quadrature has the same gradient with another K, with another G0 and with l and Z'l u'
 * replaced by averages over the nodes (agq.c). When beta is profiled out, v also has a
 * part for beta: (v, x) = K_joint^-1 (Lambda'Z'c - 2 G0, X'(c - 2 l)), s = Z Lambda v + X x.
 */
#include "generalized/generalized.h"

/* K, averages and their consequences at the modes; for Laplace simply those of Omega. */
static int node_averages(smm_glmm *g, double *zeta_part)
{
    const smm_design *d = g->ws->design;
    int status = smm_selected_inverse(g->ws);
    if (status) return status;
    memcpy(g->lbar, g->l, sizeof(double) * (size_t)d->n);
    memset(g->direct, 0, sizeof(double) * (size_t)g->ws->T_at[d->nterms]);
    if (g->sides.columns)
        memcpy(g->sides.slope, g->sides.loglik, 4 * sizeof(double) * (size_t)d->n);
    *zeta_part = g->loglik_zeta;
    if (g->points > 1) {
        memset(g->v, 0, sizeof(double) * (size_t)d->q);
        smm_quadrature_gradient(g, zeta_part);
        return SMM_OK;
    }
    smm_apply_lambda_t(g->ws, g->zl, g->v, 1);
    const double *Qu = smm_apply_prior(d, g->u, g->Qu);
    for (int64_t i = 0; i < d->q; i++) g->v[i] = -2 * (g->v[i] - Qu[i]); /* -2 G0 */
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], k = d->cols[t];
        double *F = g->direct + g->ws->T_at[t];
        const double *zl = g->zl + d->node_at[j], *u = g->u + d->node_at[j];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) F[r + c * k] += zl[r] * u[c];
    }
    return SMM_OK;
}

/* What the steps hand on: whether there is a dispersion, or parameters of each row, and the part of
 * its logarithm so far. */
typedef struct {
    int dispersion, several;
    double zeta;
} parts;

/* c of all rows into g->work, Lambda'Z'c - 2 G0 into g->v, X'(c - 2 l) into g->xr where beta is
 * profiled out; what the parameters of rows have of the weights. */
static int through_weights(smm_glmm *g, parts *of)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    const smm_stream *stream = g->stream;
    double *c = g->work;
    if (stream) {
        if (smm_stream_pass(g, 1)) return SMM_ENONFINITE;
        of->zeta += stream->w_zeta;
    } else smm_row_variances(ws, c);
    if (of->dispersion)
        for (int64_t i = 0; i < d->n; i++) of->zeta += c[i] * g->w_zeta[i];
    for (int64_t i = 0; of->several && i < 4 * d->n; i++)
        g->sides.slope[i] = -2 * g->sides.slope[i] + c[i / 4] * g->sides.w[i];
    if (d->predictors > 1) smm_zeros_weight_slopes(g, c);
    else
        for (int64_t i = 0; i < d->n; i++) c[i] *= g->dw[i];
    if (stream) memcpy(g->zc, stream->zc, sizeof(double) * (size_t)d->q);
    else smm_z_transpose(g, c, g->zc);
    smm_apply_lambda_t(ws, g->zc, g->u_old, 1);
    for (int64_t i = 0; i < d->q; i++) g->v[i] += g->u_old[i];
    if (!g->fast) return SMM_OK;
    for (int64_t i = 0; i < d->n; i++) g->row[i] = c[i] - 2 * g->lbar[i];
    smm_x_transpose(g, g->row, g->xr);
    for (int32_t v = 0; stream && v < d->p; v++) g->xr[v] = stream->xc[v] - 2 * stream->xl[v];
    return SMM_OK;
}

/* v and x from these right sides; c - wo s into g->work, its Z' into g->zc; what the parameters of
 * rows have of s. */
static int through_modes(smm_glmm *g, parts *of)
{
    const smm_design *d = g->ws->design;
    double *c = g->work, *adjoint = g->row;
    int status = g->formed == g->wo ? SMM_OK : smm_form_omega(g, g->wo);
    if (status == SMM_OK && g->fast) status = smm_form_joint(g, g->wo, 1);
    if (status) return status;
    smm_solve_modes(g, g->v, g->fast ? g->xr : NULL);
    memset(adjoint, 0, sizeof(double) * (size_t)smm_parts(d));
    for (int64_t i = 0; g->fast && i < d->n; i++)
        for (int32_t v = 0; v < d->p; v++) adjoint[i] += d->X[i * d->p + v] * g->xr[v];
    smm_random_predictor(g, g->v, g->u_old, adjoint);
    if (of->dispersion)
        for (int64_t i = 0; i < d->n; i++) of->zeta += adjoint[i] * g->l_zeta[i];
    for (int64_t i = 0; of->several && i < 4 * d->n; i++)
        g->sides.slope[i] += adjoint[i / 4] * g->sides.l[i];
    if (d->predictors > 1) smm_zeros_adjoint(g, adjoint, c);
    else
        for (int64_t i = 0; i < d->n; i++) c[i] -= g->wo[i] * adjoint[i];
    if (g->stream) of->zeta += smm_stream_adjoint(g, g->v, g->fast ? g->xr : NULL);
    else smm_z_transpose(g, c, g->zc);
    return SMM_OK;
}

/* The part of theta; half of its matrices, Gamma T, the derivatives by Sigma that curvature
 * needs. */
static void by_theta(smm_glmm *g, double *gradient)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    double *M = ws->GT;
    for (int32_t i = 0; i < ws->T_at[d->nterms]; i++) M[i] = 2 * g->tk[i] - 2 * g->direct[i];
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], k = d->cols[t];
        int64_t at = d->node_at[j];
        double *F = M + ws->T_at[t];
        for (int32_t cc = 0; cc < k; cc++)
            for (int32_t r = 0; r < k; r++)
                F[r + cc * k] += g->zc[at + r] * g->u[at + cc] + g->zl[at + r] * g->v[at + cc];
    }
    for (int32_t i = 0; i < d->ntheta; i++) {
        int32_t t = d->theta_term[i];
        gradient[i] = M[ws->T_at[t] + d->theta_row[i] + d->theta_col[i] * d->cols[t]];
    }
    for (int32_t i = 0; i < ws->T_at[d->nterms]; i++) g->tk[i] = 0.5 * M[i];
}

static void by_beta(smm_glmm *g, double *gradient)
{
    const smm_design *d = g->ws->design;
    const smm_stream *stream = g->stream;
    for (int64_t i = 0; i < d->n; i++) g->row[i] = g->work[i] - 2 * g->lbar[i];
    smm_x_transpose(g, g->row, gradient);
    for (int32_t v = 0; stream && v < d->p; v++) gradient[v] = stream->xc[v] - 2 * stream->xl[v];
}

int smm_glmm_gradient(smm_glmm *g, double *gradient)
{
    if (!g || !gradient) return SMM_EINVAL;
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int32_t np = smm_glmm_parameters(g);
    for (int32_t i = 0; i < np; i++) gradient[i] = NAN;
    if (g->solved < SMM_SOLVED_VALUE) return SMM_ESTATE;
    parts of = {.several = g->sides.columns > 0};
    of.dispersion = !of.several && smm_has_dispersion(g->family.distribution);
    double direct;
    smm_mode_scores(g, g->zl, NULL);
    /* an earlier call may have left the factor of other weights */
    int status = g->formed == g->w ? SMM_OK : smm_form_omega(g, g->w);
    if (status == SMM_OK) status = node_averages(g, &direct);
    if (status) return status;
    of.zeta = -2 * direct;
    smm_accumulate_trace(ws);
    memcpy(g->tk, ws->GT, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    status = through_weights(g, &of);
    if (status == SMM_OK) status = through_modes(g, &of);
    if (status) return status;

    double *next = gradient + d->ntheta;
    by_theta(g, gradient);
    if (!g->fast) {
        by_beta(g, next);
        next += d->p;
    }
    if (of.dispersion) *next = of.zeta;
    if (of.several) smm_sides_gradient(g, next);
    for (int32_t i = 0; i < np; i++)
        if (!isfinite(gradient[i])) return smm_fail(SMM_ENONFINITE, np, gradient);
    memcpy(g->u_good, g->u, sizeof(double) * (size_t)d->q);
    memcpy(g->beta_good, g->beta, sizeof(double) * (size_t)d->p);
    g->solved = SMM_SOLVED_GRADIENT;
    return SMM_OK;
}
