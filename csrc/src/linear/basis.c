/* SPDX-License-Identifier: BSD-3-Clause
 *
 * X = Q R with Q'Q = I and R an upper triangle, by Cholesky QR, twice (Yamamoto et al. 2015):
 *
 *     Q'Q = U'U,   Q <- Q U^-1,   R <- U R,   from Q = X D^-1, R = D, the lengths of the columns.
 *
 * The first round leaves rounding errors of the size of the squared condition number, which the
 * second takes away.
 */
#include "linear/linear.h"

#include <limits.h>

/* Squares between these are far from the ends of the range of doubles. */
#define LEAST_SQUARES 0x1p-500
#define MOST_SQUARES 0x1p500
/* Cholesky QR is accurate while the condition number stays far from 1e8. */
#define WELL_CONDITIONED 1e-5

int smm_basis(const smm_blas *blas, int64_t n, int32_t p, const double *X, double *Q, double *R,
              double *work)
{
    if (!blas || n < 1 || p < 1 || !X || !Q || !R || !work) return SMM_EINVAL;
    if (n > INT_MAX) return SMM_EOVERFLOW;
    size_t ld = (size_t)p;
    int rows = (int)n, size = p, info = 0;
    double *lengths = work, *U = work + p, one = 1, zero = 0;
    memset(lengths, 0, sizeof(double) * ld);
    for (int64_t i = 0; i < n; i++)
        for (int32_t c = 0; c < p; c++) lengths[c] += X[i * p + c] * X[i * p + c];
    memset(R, 0, sizeof(double) * ld * ld);
    for (int32_t c = 0; c < p; c++) {
        if (!(lengths[c] > LEAST_SQUARES && lengths[c] < MOST_SQUARES)) return SMM_ENOTPD;
        R[c + c * ld] = lengths[c] = sqrt(lengths[c]);
    }
    for (int64_t i = 0; i < n; i++)
        for (int32_t c = 0; c < p; c++) Q[i * p + c] = X[i * p + c] / lengths[c];
    for (int round = 0; round < 2; round++) {
        /* BLAS takes Q for its transpose (p x n). */
        blas->dsyrk("U", "N", &size, &rows, &one, Q, &size, &zero, U, &size);
        blas->dpotrf("U", &size, U, &size, &info);
        if (info) return SMM_ENOTPD;
        for (int32_t c = 0; c < p; c++)
            if (!(U[c + c * ld] > WELL_CONDITIONED)) return SMM_ENOTPD;
        blas->dtrsm("L", "U", "T", "N", &size, &rows, &one, U, &size, Q, &size);
        for (int32_t c = 0; c < p; c++)
            for (int32_t r = 0; r <= c; r++) {
                double sum = 0;
                for (int32_t e = r; e <= c; e++) sum += U[r + e * ld] * R[e + c * ld];
                R[r + c * ld] = sum;
            }
    }
    return SMM_OK;
}
