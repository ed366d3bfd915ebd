/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a fit reports, in the units of the caller.
 *
 * The core worked on a response scale r, where y = X beta + scale r for some beta, and on a basis
 * Q of the columns of X = Q R. Its coefficients are then R^-1 (gamma + scale beta) with
 * y = Q gamma + scale r, and their covariance is R^-1 (Q'V^-1 Q)^-1 R'^-1.
 */
#include "smm_internal.h"

/* B (p x m, column-major) <- R^-1 B for an upper triangle R (p x p). */
static void solve_upper(const smm_blas *blas, int32_t p, const double *R, int32_t m, double *B)
{
    if (p > SMM_SMALL) {
        int size = p, columns = m;
        double one = 1;
        blas->dtrsm("L", "U", "N", "N", &size, &columns, &one, (double *)R, &size, B, &size);
        return;
    }
    for (int32_t v = 0; v < m; v++, B += p)
        for (int32_t r = p - 1; r >= 0; r--) {
            double sum = B[r];
            for (int32_t e = r + 1; e < p; e++) sum -= R[r + e * p] * B[e];
            B[r] = sum / R[r + r * p];
        }
}

/* M (p x p) <- R^-1 M R'^-1, symmetric. */
static void both_sides(const smm_blas *blas, int32_t p, const double *R, double *M)
{
    size_t ld = (size_t)p;
    for (int side = 0; side < 2; side++) {
        solve_upper(blas, p, R, p, M);
        for (int32_t c = 0; c < p; c++)
            for (int32_t r = c + 1; r < p; r++) {
                double swap = M[r + c * ld];
                M[r + c * ld] = M[c + r * ld];
                M[c + r * ld] = swap;
            }
    }
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = c + 1; r < p; r++)
            M[r + c * ld] = M[c + r * ld] = (M[r + c * ld] + M[c + r * ld]) / 2;
}

int smm_estimates(smm_workspace *ws, double scale, const double *gamma, const double *R,
                  double *out)
{
    if (!ws || !out || (ws->design->p > 0 && !gamma)) return SMM_EINVAL;
    const smm_design *d = ws->design;
    int32_t p = d->p;
    int64_t q = d->q;
    size_t square = (size_t)p * (size_t)p;
    double *beta = out + 4, *covariance = beta + p, *errors = covariance + square;
    double *inverse = errors + p, *u = inverse + square, *b = u + q, *effects = b + q;
    int status = smm_solution(ws, beta, u, b, inverse, out);
    if (status) return status;
    out[0] *= scale * scale;
    for (int32_t v = 0; v < p; v++) beta[v] = gamma[v] + scale * beta[v];
    memcpy(covariance, inverse, sizeof(double) * square);
    if (R) {
        solve_upper(&d->blas, p, R, 1, beta);
        both_sides(&d->blas, p, R, covariance);
    }
    for (int32_t v = 0; v < p; v++) errors[v] = sqrt(covariance[v + v * (size_t)p]);
    for (int64_t j = 0; j < 2 * q; j++) u[j] *= scale;
    memset(effects, 0, sizeof(double) * (size_t)d->n);
    for (int32_t t = 0; t < d->nterms; t++)
        smm_add_effects(d, t, b + d->term_at[t], NULL, effects);
    return SMM_OK;
}
