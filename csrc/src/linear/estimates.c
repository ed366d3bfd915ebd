/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a fit reports, in the units of the caller.
 *
 * The core worked on a response scale r, where y = X beta + scale r for some beta, and on a basis
 * Q of the columns of X = Q R. Its coefficients are then R^-1 (gamma + scale beta) with
 * y = Q gamma + scale r, and their covariance is R^-1 (Q'V^-1 Q)^-1 R'^-1 = H H', where
 * Q'V^-1 Q = K K' and H = R^-1 K'^-1. Random effects make some combinations of coefficients
 * theta^2 times as uncertain as others: elements of (Q'V^-1 Q)^-1 of that size would leave
 * rounding errors of theta^2 in the variances of these others, in H they are of size theta.
 */
#include "linear/linear.h"

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

/* I (p x p) <- the identity. */
static void set_identity(int32_t p, double *I)
{
    size_t ld = (size_t)p;
    memset(I, 0, sizeof(double) * ld * ld);
    for (int32_t c = 0; c < p; c++) I[c + c * ld] = 1;
}

/* root <- K'^-1, upper, of the workspace's K; scratch (p x p) is overwritten. */
static void inverse_root(const smm_workspace *ws, double *scratch, double *root)
{
    int32_t p = ws->design->p, m = p + 1;
    size_t ld = (size_t)p;
    memset(scratch, 0, sizeof(double) * ld * ld);
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r <= c; r++) scratch[r + c * ld] = ws->R[c + (size_t)r * m];
    set_identity(p, root);
    solve_upper(&ws->design->blas, p, scratch, p, root);
}

/* H (p x p), upper, <- H H'. */
static void square(int32_t p, double *H)
{
    size_t ld = (size_t)p;
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r <= c; r++) {
            double sum = 0;
            for (int32_t e = c; e < p; e++) sum += H[r + e * ld] * H[c + e * ld];
            H[r + c * ld] = sum;
        }
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r < c; r++) H[c + r * ld] = H[r + c * ld];
}

int smm_estimates(smm_workspace *ws, double scale, const double *gamma, const double *R,
                  double *out)
{
    if (!ws || !out || (ws->design->p > 0 && !gamma)) return SMM_EINVAL;
    const smm_design *d = ws->design;
    int32_t p = d->p;
    int64_t q = d->q;
    size_t pp = (size_t)p * (size_t)p;
    double *beta = out + 4, *covariance = beta + p, *errors = covariance + pp;
    double *inverse = errors + p, *root = inverse + pp, *back = root + pp, *u = back + pp;
    double *b = u + q;
    double *effects = b + q;
    int status = smm_solution(ws, beta, u, b, inverse, out);
    if (status) return status;
    out[0] *= scale * scale;
    for (int32_t v = 0; v < p; v++) beta[v] = gamma[v] + scale * beta[v];
    inverse_root(ws, covariance, root);
    memcpy(covariance, root, sizeof(double) * pp);
    set_identity(p, back);
    if (R) {
        solve_upper(&d->blas, p, R, 1, beta);
        solve_upper(&d->blas, p, R, p, covariance);
        solve_upper(&d->blas, p, R, p, back);
    }
    square(p, covariance);
    for (int32_t v = 0; v < p; v++) errors[v] = sqrt(covariance[v + v * (size_t)p]);
    for (int64_t j = 0; j < 2 * q; j++) u[j] *= scale;
    memset(effects, 0, sizeof(double) * (size_t)d->n);
    for (int32_t t = 0; t < d->nterms; t++)
        smm_add_effects(d, t, b + d->term_at[t], NULL, effects);
    return SMM_OK;
}
