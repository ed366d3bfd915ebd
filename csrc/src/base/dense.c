/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dense kernels: loops for small sizes, LAPACK and BLAS for large ones. All matrices
 * are column-major with only the lower triangle referenced, unless said otherwise.
 */
#include "base/base.h"

/* A = L L' in place. */
SMM_HOT
static int small_potrf(int32_t n, double *SMM_RESTRICT a, int32_t lda)
{
    for (int32_t j = 0; j < n; j++) {
        double *aj = a + (size_t)j * lda;
        for (int32_t d = 0; d < j; d++) {
            const double *ad = a + (size_t)d * lda;
            double f = ad[j];
            for (int32_t i = j; i < n; i++) aj[i] -= f * ad[i];
        }
        /* written so that NaN fails */
        if (!(aj[j] > 0) || isinf(aj[j])) return SMM_ENOTPD;
        double diag = sqrt(aj[j]), inv = 1.0 / diag;
        aj[j] = diag;
        for (int32_t i = j + 1; i < n; i++) aj[i] *= inv;
    }
    return SMM_OK;
}

int smm_potrf(const smm_blas *blas, int32_t n, double *a, int32_t lda)
{
    if (n <= SMM_SMALL) return small_potrf(n, a, lda);
    int size = n, ld = lda, info = 0;
    blas->dpotrf("L", &size, a, &ld, &info);
    return info == 0 ? SMM_OK : SMM_ENOTPD;
}

/* inv (k x k, leading dimension k, upper part zero) = inverse of lower triangular l. */
void smm_invert_lower(int32_t k, const double *l, int32_t ldl, double *inv)
{
    memset(inv, 0, sizeof(double) * (size_t)k * k);
    for (int32_t c = 0; c < k; c++) {
        inv[c + (size_t)c * k] = 1.0 / l[c + (size_t)c * ldl];
        for (int32_t r = c + 1; r < k; r++) {
            double sum = 0;
            for (int32_t d = c; d < r; d++)
                sum += l[r + (size_t)d * ldl] * inv[d + (size_t)c * k];
            inv[r + (size_t)c * k] = -sum / l[r + (size_t)r * ldl];
        }
    }
}

/* Lower triangle of (L L')^-1 in place, from L. */
SMM_HOT
static void small_potri(int32_t n, double *a, int32_t lda)
{
    double inv[SMM_SMALL * SMM_SMALL];
    smm_invert_lower(n, a, lda, inv);
    for (int32_t c = 0; c < n; c++)
        for (int32_t r = c; r < n; r++) {
            double sum = 0;
            for (int32_t d = r; d < n; d++) sum += inv[d + r * n] * inv[d + c * n];
            a[r + (size_t)c * lda] = sum;
        }
}

int smm_potri(const smm_blas *blas, int32_t n, double *a, int32_t lda)
{
    if (n <= SMM_SMALL) {
        small_potri(n, a, lda);
        return SMM_OK;
    }
    int size = n, ld = lda, info = 0;
    blas->dpotri("L", &size, a, &ld, &info);
    return info == 0 ? SMM_OK : SMM_ENOTPD;
}

/* b (row-major n x m) <- L^-1 b, or L'^-1 b when transpose. */
SMM_HOT
static void small_solve(int32_t n, const double *l, int32_t ldl, int64_t m, double *b,
                        int transpose)
{
    if (!transpose) {
        for (int32_t c = 0; c < n; c++) {
            double *SMM_RESTRICT bc = b + c * m;
            double inv = 1.0 / l[c + (size_t)c * ldl];
            for (int64_t v = 0; v < m; v++) bc[v] *= inv;
            for (int32_t r = c + 1; r < n; r++) {
                double f = l[r + (size_t)c * ldl];
                double *SMM_RESTRICT br = b + r * m;
                for (int64_t v = 0; v < m; v++) br[v] -= f * bc[v];
            }
        }
    } else {
        for (int32_t c = n - 1; c >= 0; c--) {
            double *SMM_RESTRICT bc = b + c * m;
            for (int32_t r = c + 1; r < n; r++) {
                double f = l[r + (size_t)c * ldl];
                const double *SMM_RESTRICT br = b + r * m;
                for (int64_t v = 0; v < m; v++) bc[v] -= f * br[v];
            }
            double inv = 1.0 / l[c + (size_t)c * ldl];
            for (int64_t v = 0; v < m; v++) bc[v] *= inv;
        }
    }
}

void smm_solve_rows(const smm_blas *blas, int32_t n, const double *l, int32_t ldl, int64_t m,
                    double *b, int transpose)
{
    if (n == 0 || m == 0) return;
    if (n <= SMM_SMALL || m > INT32_MAX) {
        small_solve(n, l, ldl, m, b, transpose);
        return;
    }
    /* row-major b is column-major b': solve b' L' = b' or b' L = b' from the right */
    int rows = (int)m, size = n, ld = ldl;
    double one = 1;
    blas->dtrsm("R", "L", transpose ? "N" : "T", "N", &rows, &size, &one, (double *)l, &ld, b,
                &rows);
}
