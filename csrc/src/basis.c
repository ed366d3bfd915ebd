/* SPDX-License-Identifier: BSD-3-Clause
 *
 * X = Q R with Q'Q = I and R an upper triangle, by Cholesky QR, twice (Yamamoto et al. 2015):
 *
 *     Q'Q = L L',   Q <- Q L'^-1,   R <- L'R,   from Q = X D^-1, R = D, the lengths of the columns.
 *
 * The first round leaves rounding errors of the size of the squared condition number, which the
 * second takes away.
 */
#include "smm_internal.h"

/* Squares between these are far from the ends of the range of doubles. */
#define LEAST_SQUARES 0x1p-500
#define MOST_SQUARES 0x1p500
/* Cholesky QR is accurate while the condition number stays far from 1e8. */
#define WELL_CONDITIONED 1e-5
/* Rows of one call of BLAS, which counts them in int. */
#define MOST_ROWS 1073741824

/* Q (row-major n x p) <- Q L'^-1: each row is solved for by L. */
static void divide_rows(const smm_blas *blas, int64_t n, int32_t p, const double *L, double *Q)
{
    if (p <= SMM_SMALL) {
        for (int64_t i = 0; i < n; i++, Q += p)
            for (int32_t c = 0; c < p; c++) {
                double sum = Q[c];
                for (int32_t e = 0; e < c; e++) sum -= L[c + e * p] * Q[e];
                Q[c] = sum / L[c + c * p];
            }
        return;
    }
    int size = p;
    double one = 1;
    for (int64_t i = 0; i < n; i += MOST_ROWS) {
        int rows = (int)(n - i < MOST_ROWS ? n - i : MOST_ROWS);
        blas->dtrsm("L", "L", "N", "N", &size, &rows, &one, (double *)L, &size, Q + i * p, &size);
    }
}

int smm_basis(const smm_blas *blas, int64_t n, int32_t p, const double *X, double *Q, double *R,
              double *work)
{
    if (!blas || n < 1 || p < 1 || !X || !Q || !R || !work) return SMM_EINVAL;
    size_t ld = (size_t)p;
    double *lengths = work, *L = work + p;
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
        smm_gram(blas, n, p, Q, 1, 0, L);
        if (smm_potrf(blas, p, L, p)) return SMM_ENOTPD;
        for (int32_t c = 0; c < p; c++)
            if (!(L[c + c * ld] > WELL_CONDITIONED)) return SMM_ENOTPD;
        divide_rows(blas, n, p, L, Q);
        for (int32_t c = 0; c < p; c++)
            for (int32_t r = 0; r <= c; r++) {
                double sum = 0;
                for (int32_t e = r; e <= c; e++) sum += L[e + r * ld] * R[e + c * ld];
                R[r + c * ld] = sum;
            }
    }
    return SMM_OK;
}
