/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Covariances that are functions of few parameters phi. Whoever knows Sigma_t(phi) = T_t T_t'
 * gives T and gets Gamma T; with dV_i = Z dSigma_i Z' and P y = V^-1 (y - X beta) the average
 * information between phi_i and phi_j is the product of w_i = dSigma_i e, e = Z'P y, with
 *
 *     Z'P Z w_j = D - A Lambda Omega^-1 Lambda'D,   D = A w_j - Z'WX M (X'V^-1 Z w_j).
 */
#include "linear/linear.h"

int smm_value_factors(smm_workspace *ws, const double *factors, double *value)
{
    if (!ws || !factors || !value) return SMM_EINVAL;
    *value = NAN;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    ws->state = SMM_HAS_A;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const double *from = factors + ws->T_at[t];
        double *T = ws->T + ws->T_at[t];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) {
                if (r >= c && !isfinite(from[r + c * k])) return SMM_ENONFINITE;
                T[r + c * k] = r >= c ? from[r + c * k] : 0;
            }
    }
    return smm_evaluate(ws, value);
}

int smm_gradient_factors(smm_workspace *ws, double *out)
{
    if (!ws || !out) return SMM_EINVAL;
    if (ws->state < SMM_HAS_VALUE) return SMM_ESTATE;
    int32_t size = ws->T_at[ws->design->nterms];
    int status = smm_differentiate(ws);
    if (status) return status;
    for (int32_t i = 0; i < size; i++)
        if (!isfinite(ws->GT[i])) return SMM_ENONFINITE;
    memcpy(out, ws->GT, sizeof(double) * (size_t)size);
    ws->state = SMM_HAS_GRADIENT;
    return SMM_OK;
}

/* Rows of m elements between output order (term by term) and elimination order. */
static void reorder(const smm_design *d, int32_t m, const double *in, double *out, int inward)
{
    for (int32_t t = 0; t < d->nterms; t++) {
        size_t size = (size_t)d->cols[t] * (size_t)m;
        for (int32_t l = 0; l < d->levels[t]; l++) {
            size_t inner = (size_t)d->node_at[d->node_of[t][l]] * (size_t)m;
            size_t outer = (size_t)d->term_at[t] * (size_t)m + (size_t)l * size;
            if (inward) memcpy(out + inner, in + outer, sizeof(double) * size);
            else memcpy(out + outer, in + inner, sizeof(double) * size);
        }
    }
}

int smm_scores(smm_workspace *ws, double *out)
{
    if (!ws || !out) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    reorder(ws->design, 1, ws->e, out, 0);
    return SMM_OK;
}

/* AW <- A W - Z'WX M (X'V^-1 Z W); W is overwritten. */
static void without_fixed(smm_workspace *ws, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, width = p + 1;
    double *XW = ws->mtheta, *tmp = XW + (size_t)p * m, *g = tmp;
    smm_multiply_a(ws, ws->W, ws->AW, m, NULL);
    if (!p) return;
    smm_cross(d->q, m, ws->W, p, width, ws->ZXy, XW); /* (m x p) column-major */
    smm_apply_lambda_t(ws, ws->AW, ws->W, m);
    smm_forward(ws, ws->W, m);
    smm_cross(d->q, m, ws->W, p, width, ws->B, tmp);
    for (int32_t i = 0; i < p * m; i++) XW[i] -= tmp[i];
    for (int32_t v = 0; v < p; v++)
        for (int32_t i = 0; i < m; i++) {
            double sum = 0;
            for (int32_t w = 0; w < p; w++)
                sum += ws->Minv[v + (size_t)w * p] * XW[i + (size_t)w * m];
            g[i + (size_t)v * m] = sum;
        }
    for (int64_t r = 0; r < d->q; r++)
        for (int32_t v = 0; v < p; v++) {
            double f = ws->ZXy[r * width + v];
            if (f == 0) continue;
            for (int32_t i = 0; i < m; i++) ws->AW[r * m + i] -= f * g[i + (size_t)v * m];
        }
}

SMM_HOT
int smm_project(smm_workspace *ws, int32_t m, const double *directions, double *out)
{
    if (!ws || !directions || !out) return SMM_EINVAL;
    const smm_design *d = ws->design;
    if (m < 1 || m > d->ntheta) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    int64_t size = d->q * m;
    for (int64_t i = 0; i < size; i++)
        if (!isfinite(directions[i])) return SMM_ENONFINITE;
    reorder(d, m, directions, ws->W, 1);
    without_fixed(ws, m);
    reorder(d, m, ws->AW, out, 0);
    smm_apply_lambda_t(ws, ws->AW, ws->W, m);
    smm_forward(ws, ws->W, m);
    smm_backward(ws, ws->W, m);
    smm_apply_lambda(ws, ws->W, ws->W, m);
    smm_multiply_a(ws, ws->W, ws->AW, m, NULL);
    reorder(d, m, ws->AW, ws->W, 0);
    for (int64_t i = 0; i < size; i++) out[i] -= ws->W[i];
    return SMM_OK;
}
