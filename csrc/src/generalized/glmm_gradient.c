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
 * The last one is by row where each has parameters of its own (sides.c). Where these have random effects
 * (zeros.c) a row's l, c and s have a part for each predictor, w and a one for each pair.
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

int smm_glmm_gradient(smm_glmm *g, double *gradient)
{
    if (!g || !gradient) return SMM_EINVAL;
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int64_t n = d->n;
    int32_t p = d->p, np = smm_glmm_parameters(g);
    for (int32_t i = 0; i < np; i++) gradient[i] = NAN;
    if (g->solved < SMM_SOLVED_VALUE) return SMM_ESTATE;
    double zeta_part, *c = g->work;
    smm_mode_scores(g, g->zl, NULL);
    /* an earlier call may have left the factor of other weights */
    int status = g->formed == g->w ? SMM_OK : smm_form_omega(g, g->w);
    if (status == SMM_OK) status = node_averages(g, &zeta_part);
    if (status) return status;
    smm_accumulate_trace(ws);
    memcpy(g->tk, ws->GT, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    const smm_sides *sides = &g->sides;
    const smm_stream *stream = g->stream;
    int several = sides->columns > 0;
    int dispersion = !several && smm_has_dispersion(g->family.distribution);
    double zeta_gradient = -2 * zeta_part;
    if (stream) {
        if (smm_stream_pass(g, 1)) return smm_fail(SMM_ENONFINITE, np, gradient);
        zeta_gradient += stream->w_zeta;
    } else smm_row_variances(ws, c);
    if (dispersion)
        for (int64_t i = 0; i < n; i++) zeta_gradient += c[i] * g->w_zeta[i];
    for (int64_t i = 0; several && i < 4 * n; i++)
        sides->slope[i] = -2 * sides->slope[i] + c[i / 4] * sides->w[i];
    if (d->predictors > 1) smm_zeros_weight_slopes(g, c);
    else
        for (int64_t i = 0; i < n; i++) c[i] *= g->dw[i];
    if (stream) memcpy(g->zc, stream->zc, sizeof(double) * (size_t)d->q);
    else smm_z_transpose(g, c, g->zc);
    smm_apply_lambda_t(ws, g->zc, g->u_old, 1);
    for (int64_t i = 0; i < d->q; i++) g->v[i] += g->u_old[i];
    if (g->fast) {
        for (int64_t i = 0; i < n; i++) g->row[i] = c[i] - 2 * g->lbar[i];
        smm_x_transpose(g, g->row, g->xr);
        for (int32_t v = 0; stream && v < p; v++) g->xr[v] = stream->xc[v] - 2 * stream->xl[v];
    }

    if (g->formed != g->wo) status = smm_form_omega(g, g->wo);
    if (status == SMM_OK && g->fast) status = smm_form_joint(g, g->wo, 1);
    if (status) return status;
    smm_solve_modes(g, g->v, g->fast ? g->xr : NULL);
    double *adjoint = g->row;
    memset(adjoint, 0, sizeof(double) * (size_t)smm_parts(d));
    for (int64_t i = 0; g->fast && i < n; i++)
        for (int32_t v = 0; v < p; v++) adjoint[i] += d->X[i * p + v] * g->xr[v];
    smm_random_predictor(g, g->v, g->u_old, adjoint);
    if (dispersion)
        for (int64_t i = 0; i < n; i++) zeta_gradient += adjoint[i] * g->l_zeta[i];
    for (int64_t i = 0; several && i < 4 * n; i++)
        sides->slope[i] += adjoint[i / 4] * sides->l[i];
    if (d->predictors > 1) smm_zeros_adjoint(g, adjoint, c);
    else
        for (int64_t i = 0; i < n; i++) c[i] -= g->wo[i] * adjoint[i];
    if (stream) zeta_gradient += smm_stream_adjoint(g, g->v, g->fast ? g->xr : NULL);
    else smm_z_transpose(g, c, g->zc);

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
    /* half of M is Gamma T: the derivative by Sigma that curvature needs */
    for (int32_t i = 0; i < ws->T_at[d->nterms]; i++) g->tk[i] = 0.5 * M[i];
    double *next = gradient + d->ntheta;
    if (!g->fast) {
        for (int64_t i = 0; i < n; i++) g->row[i] = c[i] - 2 * g->lbar[i];
        smm_x_transpose(g, g->row, next);
        for (int32_t v = 0; stream && v < p; v++) next[v] = stream->xc[v] - 2 * stream->xl[v];
        next += p;
    }
    if (dispersion) *next = zeta_gradient;
    if (several) smm_sides_gradient(g, next);
    for (int32_t i = 0; i < np; i++)
        if (!isfinite(gradient[i])) return smm_fail(SMM_ENONFINITE, np, gradient);
    memcpy(g->u_good, g->u, sizeof(double) * (size_t)d->q);
    memcpy(g->beta_good, g->beta, sizeof(double) * (size_t)p);
    g->solved = SMM_SOLVED_GRADIENT;
    return SMM_OK;
}
