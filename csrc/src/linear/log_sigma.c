/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Derivatives of the deviance d(theta, tau) = log|Omega| + n (log(2 pi) + 2 tau) + r2 exp(-2 tau)
 * in theta and in tau = log sigma:
 *
 *     d/d tau = 2 n - 2 r2 / sigma^2,     d^2/d tau^2 = 4 r2 / sigma^2,
 *     d^2/d theta d tau = -2 (dr2/d theta) / sigma^2,     dr2/d theta = -2 sum_j e_j u_j',
 *
 * those in theta alone as of gradient.c and curvature.c.
 */
#include "linear/linear.h"

static double slope_of_r2(const smm_workspace *ws, int32_t i)
{
    const smm_design *d = ws->design;
    int32_t t = d->theta_term[i], r = d->theta_row[i], c = d->theta_col[i];
    double sum = 0;
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int64_t at = d->node_at[d->node_of[t][l]];
        sum += ws->e[at + r] * ws->u[at + c];
    }
    return -2 * sum;
}

int smm_derivatives_log_sigma(smm_workspace *ws, double *gradient, double *hessian)
{
    if (!ws || !gradient || !hessian) return SMM_EINVAL;
    int32_t nt = ws->design->ntheta, m = nt + 1;
    smm_fail(SMM_OK, m, gradient);
    smm_fail(SMM_OK, (int64_t)m * m, hessian);
    if (ws->reml || !(ws->sigma > 0)) return SMM_ESTATE;
    int status = smm_gradient(ws, gradient);
    if (!status) status = smm_curvature(ws, hessian);
    if (status) {
        smm_fail(status, m, gradient);
        return smm_fail(status, (int64_t)m * m, hessian);
    }
    double precision = smm_precision(ws);
    for (int32_t j = nt - 1; j >= 0; j--) /* from columns of nt to columns of m */
        memmove(hessian + (size_t)j * m, hessian + (size_t)j * nt, sizeof(double) * (size_t)nt);
    for (int32_t i = 0; i < nt; i++)
        hessian[nt + (size_t)i * m] = hessian[i + (size_t)nt * m] = -2 * precision *
                                                                    slope_of_r2(ws, i);
    gradient[nt] = 2 * smm_dof(ws) - 2 * precision * ws->r2;
    hessian[nt + (size_t)nt * m] = 4 * precision * ws->r2;
    return SMM_OK;
}
