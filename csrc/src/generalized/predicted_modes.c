/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the modes will be at other parameters. The modes are the zero of Lambda'Z'l(eta) - Q u, so a
 * change of the parameters by which eta changes by e = X dbeta + Z dLambda u moves them, to first
 * order in it, by
 *
 *     du = Omega^-1 (Lambda'Z'(l - W e + l_zeta dzeta) - Q u),
 *
 * with Lambda as it will be and the factor of Omega that the derivatives have left. Where beta is
 * profiled out it moves with them, by the joint matrix and the slopes in it. PIRLS that starts there
 * takes one step less at a fraction of its price; near the end of a search that is half of them.
 */
#include "generalized/generalized.h"

/* Changes of modes, in standard deviations under the model, that the first order does not predict. */
#define FAR 1

/* Whether the derivatives where g was last evaluated, and what they left, can be used. */
static int has_tangent(const smm_glmm *g)
{
    if (g->solved < SMM_SOLVED_GRADIENT || g->stream || g->target) return 0;
    if (g->ws->design->predictors > 1 || (g->formed != g->wo && g->formed != g->we)) return 0;
    return !g->fast || g->joined == g->formed;
}

/* Takes the parameters, and leaves the modes predicted for them in u (q) and, if it is profiled out,
 * beta (p). Returns whether there are any. */
int smm_predict_modes(smm_glmm *g, const double *parameters, double *u, double *beta)
{
    const smm_design *d = g->ws->design;
    int possible = has_tangent(g);
    double zeta = g->zeta;
    smm_take_parameters(g, parameters);
    if (!possible) return 0;
    memcpy(g->row, g->xb, sizeof(double) * (size_t)d->n);
    smm_random_predictor(g, g->u, g->v, g->row);
    int dispersion = !g->sides.columns && smm_has_dispersion(g->family.distribution);
    double change = dispersion ? g->zeta - zeta : 0;
    for (int64_t i = 0; i < d->n; i++) {
        g->row[i] = g->l[i] - g->wo[i] * (g->row[i] - g->eta[i]);
        if (change != 0) g->row[i] += change * g->l_zeta[i];
    }
    smm_z_transpose(g, g->row, g->zl);
    smm_apply_lambda_t(g->ws, g->zl, u, 1);
    const double *Qu = smm_apply_prior(d, g->u, g->Qu);
    for (int64_t i = 0; i < d->q; i++) u[i] -= Qu[i];
    if (g->fast) smm_x_transpose(g, g->row, beta);
    smm_solve_modes(g, u, g->fast ? beta : NULL);
    int near = 1;
    for (int64_t i = 0; i < d->q; i++) {
        near &= fabs(u[i]) <= FAR; /* not if it is NaN */
        u[i] += g->u[i];
    }
    for (int32_t v = 0; g->fast && v < d->p; v++) beta[v] += g->beta[v];
    return near;
}
