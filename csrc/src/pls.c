/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Penalized least squares: the profiled objective. With V = I + Z Lambda Lambda' Z' (weights absorbed in the
 * cross-products), Omega = Lambda'A Lambda + I = L L' and B = L^-1 Lambda'Z'W[X y],
 *
 *     [X y]'V^-1[X y] = [X y]'W[X y] - B'B = R R',      r2 = R_last^2,
 *     objective = log|Omega| + [REML] 2 sum log R_jj + N (1 + log(2 pi r2 / N)).
 *
 * Where the differences lose too many digits, precise.c computes them again.
 */
#include "smm_internal.h"

#define LOG_2PI 1.8378770664093454836
/* Doubles do when more than this share of y'Wy is left, and of every column of X. */
#define SMALL_R2 1e-6
#define SMALL_PIVOT 1e-7

int smm_set_criterion(smm_workspace *ws, int reml, double sigma)
{
    if (!ws || (reml != 0 && reml != 1) || !(sigma >= 0) || isinf(sigma)) return SMM_EINVAL;
    if (reml && ws->rows <= ws->design->p) return SMM_EINVAL;
    ws->reml = reml;
    ws->sigma = sigma;
    if (ws->state > SMM_HAS_A) ws->state = SMM_HAS_A;
    return SMM_OK;
}

/* R R' = [X y]'W[X y] - B'B, its p columns of X. */
int smm_factor_x(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    memcpy(ws->R, ws->XXy, sizeof(double) * (size_t)m * m);
    smm_gram(&d->blas, d->q, m, ws->B, -1.0, 1.0, ws->R);
    return smm_potrf(&d->blas, p, ws->R, m);
}

/* The last row of R, and r2 from it. */
static int factor_xy(smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    double *R = ws->R;
    int status = smm_factor_x(ws);
    if (status) return status;
    double r2 = R[p + (size_t)p * m], logdet = 0;
    for (int32_t c = 0; c < p; c++) {
        double sum = R[p + (size_t)c * m];
        for (int32_t e = 0; e < c; e++) sum -= R[p + (size_t)e * m] * R[c + (size_t)e * m];
        sum /= R[c + (size_t)c * m];
        R[p + (size_t)c * m] = sum;
        r2 -= sum * sum;
        logdet += log(R[c + (size_t)c * m]);
    }
    ws->logdet_xvx = 2 * logdet;
    ws->r2 = r2;
    return r2 > 0 && isfinite(r2) && isfinite(logdet) ? SMM_OK : SMM_ENONFINITE;
}

/* L, B, R with log|Omega|, log|X'V^-1 X| and r2. */
static int factor_all(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_fill_omega(ws);
    int status = smm_factor(ws);
    if (status) return status;
    smm_apply_lambda_t(ws, ws->ZXy, ws->B, smm_width(d));
    smm_forward(ws, ws->B, smm_width(d));
    return factor_xy(ws);
}

static int digits_lost(const smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    int lost = ws->r2 < SMALL_R2 * ws->XXy[p + (size_t)p * m];
    for (int32_t c = 0; c < p; c++) {
        size_t at = c + (size_t)c * m;
        lost = lost || ws->R[at] * ws->R[at] < SMALL_PIVOT * ws->XXy[at];
    }
    return lost;
}

/* The objective at T. */
int smm_evaluate(smm_workspace *ws, double *value)
{
    int status = factor_all(ws);
    ws->exact = status != SMM_OK || digits_lost(ws);
    if (ws->exact) status = smm_precise_factor(ws);
    if (status) return status;
    double n = smm_dof(ws), f = ws->logdet_omega + (ws->reml ? ws->logdet_xvx : 0);
    if (ws->sigma > 0) f += n * (LOG_2PI + 2 * log(ws->sigma)) + ws->r2 / (ws->sigma * ws->sigma);
    else f += n * (1 + LOG_2PI + log(ws->r2 / n));
    if (!isfinite(f)) return SMM_ENONFINITE;
    *value = ws->value = f;
    ws->state = SMM_HAS_VALUE;
    return SMM_OK;
}

int smm_value(smm_workspace *ws, const double *theta, double *value)
{
    if (!ws || !theta || !value) return SMM_EINVAL;
    *value = NAN;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    ws->state = SMM_HAS_A;
    for (int32_t i = 0; i < d->ntheta; i++)
        if (!isfinite(theta[i])) return SMM_ENONFINITE;
    smm_set_theta(ws, theta);
    return smm_evaluate(ws, value);
}
