/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Penalized least squares: the profiled objective. With V = I + Z Lambda Lambda' Z' (weights
 * absorbed in the cross-products), Omega = Lambda'A Lambda + I = L L' and
 * B = L^-1 Lambda'Z'W[X y],
 *
 *     [X y]'V^-1[X y] = [X y]'W[X y] - B'B = R R',      r2 = R_last^2,
 *     objective = log|Omega| + [REML] 2 sum log R_jj + N (1 + log(2 pi r2 / N)).
 *
 * Where the differences lose too many digits, precise.c computes them again.
 */
#include "linear/linear.h"

/* Doubles do when more than this share of y'Wy is left, and of every column of X. */
#define SMALL_R2 1e-6
#define SMALL_PIVOT 1e-7
/* And when the share of y'Wy times the least share that a pivot is of the diagonal of Omega is more
 * than this. */
#define SMALL_PRODUCT 1e-8

int smm_set_criterion(smm_workspace *ws, int reml, double sigma)
{
    if (!ws || (reml != 0 && reml != 1) || !(sigma >= 0) || isinf(sigma)) return SMM_EINVAL;
    if (reml && ws->rows <= ws->design->p) return SMM_EINVAL;
    ws->reml = reml;
    ws->sigma = sigma;
    if (ws->state > SMM_HAS_A) ws->state = SMM_HAS_A;
    return SMM_OK;
}

int smm_set_precision(smm_workspace *ws, int always)
{
    if (!ws || (always != 0 && always != 1)) return SMM_EINVAL;
    ws->always_precise = always;
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

/* Whether some pivot of Omega may be less than a share of its diagonal element. Omega has none
 * below 1 without a prior, and no diagonal element above that of a level with all rows. */
static int may_cancel(const smm_workspace *ws, double share)
{
    const smm_design *d = ws->design;
    const double *rms = ws->zrms;
    if (d->has_prior) return 1;
    for (int32_t t = 0; t < d->nterms; rms += d->cols[t++]) {
        int32_t k = d->cols[t];
        const double *T = ws->T + ws->T_at[t];
        for (int32_t c = 0; c < k; c++) {
            double size = 0;
            for (int32_t r = c; r < k; r++) size += fabs(T[r + c * k]) * rms[r];
            if (!(share * (1 + size * size * (double)ws->rows) < 1)) return 1;
        }
    }
    return 0;
}

/* Whether some pivot of Omega is less than a share of its diagonal element: all else was taken
 * from it as the product of earlier columns. */
static int pivots_cancel(const smm_workspace *ws, double share)
{
    const smm_design *d = ws->design;
    if (!may_cancel(ws, share)) return 0;
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t k = d->node_cols[j], ld = smm_ld(d, j);
        if (ws->twin[j] >= 0) continue;
        const double *A = ws->A + d->block_at[j], *L = ws->L + d->block_in_l[j];
        const double *T = ws->T + ws->T_at[d->node_term[j]];
        for (int32_t c = 0; c < k; c++) {
            double whole = d->has_prior ? d->node_prior[j] : 1.0, pivot = L[c + (int64_t)c * ld];
            for (int32_t e = c; e < k; e++)
                for (int32_t r = c; r < k; r++)
                    whole += T[r + c * k] * A[r + e * k] * T[e + c * k];
            if (pivot * pivot < share * whole) return 1;
        }
    }
    return 0;
}

/* Rounding errors of Omega come into r2 multiplied by both ratios. */
static int digits_lost(const smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    double left = ws->r2 / ws->XXy[p + (size_t)p * m];
    int lost = left < SMALL_R2 || pivots_cancel(ws, SMALL_PRODUCT / left);
    for (int32_t c = 0; c < p; c++) {
        size_t at = c + (size_t)c * m;
        lost = lost || ws->R[at] * ws->R[at] < SMALL_PIVOT * ws->XXy[at];
    }
    return lost;
}

/* The objective at T. */
int smm_evaluate(smm_workspace *ws, double *value)
{
    int status = ws->always_precise ? SMM_OK : factor_all(ws);
    ws->exact = ws->always_precise || status != SMM_OK || digits_lost(ws);
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

/* T of theta, for an evaluation there. */
static int take_theta(smm_workspace *ws, const double *theta)
{
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    ws->state = SMM_HAS_A;
    for (int32_t i = 0; i < ws->design->ntheta; i++)
        if (!isfinite(theta[i])) return SMM_ENONFINITE;
    smm_set_theta(ws, theta);
    return SMM_OK;
}

int smm_value(smm_workspace *ws, const double *theta, double *value)
{
    if (!ws || !theta || !value) return SMM_EINVAL;
    *value = NAN;
    int status = take_theta(ws, theta);
    return status ? status : smm_evaluate(ws, value);
}

int smm_share_left(smm_workspace *ws, const double *theta, double *share)
{
    if (!ws || !theta || !share) return SMM_EINVAL;
    *share = NAN;
    int32_t p = ws->design->p, m = p + 1;
    int status = take_theta(ws, theta);
    if (!status) status = factor_all(ws);
    if (!status) *share = ws->r2 / ws->XXy[p + (size_t)p * m];
    return status;
}
