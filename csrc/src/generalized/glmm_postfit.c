/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is read off a generalized model at the conditional modes: that of the working linear
 * model with the expected weights and sigma = 1.
 */
#include "generalized/generalized.h"

int smm_glmm_leverage(smm_glmm *g, double *out)
{
    if (!g || !out || g->stream) return SMM_EINVAL;
    int status = smm_solve_expected(g);
    return status ? status : smm_leverage(g->ws, g->we, out);
}

/* With parameters of rows Omega has the observed weights, which are far from the expected ones. */
static int solve_observed(smm_glmm *g)
{
    int status = smm_form_omega(g, g->wo);
    if (status == SMM_OK) status = smm_selected_inverse(g->ws);
    if (status == SMM_OK) g->ws->state = SMM_HAS_GRADIENT;
    return status;
}

int smm_glmm_solution(smm_glmm *g, double *beta, double *u, double *b, double *eta,
                      double *xvx_inverse, double *condvar, double *scalars)
{
    if (!g || (eta && g->stream)) return SMM_EINVAL;
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int status = smm_solve_expected(g);
    if (status) return status;
    memcpy(ws->u, g->u, sizeof(double) * (size_t)d->q);
    memcpy(ws->beta, g->beta, sizeof(double) * (size_t)d->p);
    smm_apply_lambda(ws, g->u, ws->b, 1);
    status = smm_solution(ws, beta, u, b, xvx_inverse, NULL);
    if (status == SMM_OK && condvar && g->sides.columns) status = solve_observed(g);
    if (status == SMM_OK && condvar) status = smm_condvar(ws, condvar);
    if (eta) memcpy(eta, g->eta, sizeof(double) * (size_t)smm_parts(d));
    if (scalars) {
        scalars[0] = g->loglik + g->saturated;
        scalars[1] = g->usq;
        scalars[2] = g->logdet;
        scalars[3] = exp(g->zeta);
        scalars[4] = (double)g->pirls_steps;
        scalars[5] = g->saturated;
        scalars[6] = g->several;
    }
    return status;
}

int smm_glmm_level_covariances(smm_glmm *g, int64_t m, const int32_t *levels, double *out)
{
    if (!g) return SMM_EINVAL;
    int status = smm_solve_expected(g);
    return status ? status : smm_level_covariances(g->ws, m, levels, out);
}

int smm_glmm_mode_slopes(smm_glmm *g, double *out)
{
    if (!g) return SMM_EINVAL;
    int status = smm_solve_expected(g);
    return status ? status : smm_mode_slopes(g->ws, out);
}
