/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The textbook definitions, in Fortran calling convention: column-major, every argument
 * a pointer. Slow on purpose: nothing here shares an idea with the code under test.
 */
#include "ref_blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void require(int condition)
{
    if (!condition) abort();
}

static int is(const char *option, char letter)
{
    char c = *option;
    return c == letter || c == letter + ('a' - 'A');
}

/* Element (i, j) of op(a). */
static double element(const double *a, int lda, int transpose, int i, int j)
{
    return transpose ? a[j + (size_t)i * (size_t)lda] : a[i + (size_t)j * (size_t)lda];
}

/* Element (i, j) of a symmetric matrix of which one triangle is stored. */
static double symmetric(const double *a, int lda, int lower, int i, int j)
{
    return (i >= j) == lower || i == j ? element(a, lda, 0, i, j) : element(a, lda, 1, i, j);
}

/* c <- alpha value + beta c, where c is not read when beta is 0. */
static void store(double *c, double alpha, double value, double beta)
{
    *c = alpha * value + (beta == 0 ? 0 : beta * *c);
}

static void dgemm(char *ta, char *tb, int *m, int *n, int *k, double *alpha, double *a, int *lda,
                  double *b, int *ldb, double *beta, double *c, int *ldc)
{
    int at = !is(ta, 'N'), bt = !is(tb, 'N');
    require(*m >= 0 && *n >= 0 && *k >= 0 && *ldc >= (*m > 1 ? *m : 1));
    require(*lda >= (at ? *k : *m) && *ldb >= (bt ? *n : *k));
    for (int j = 0; j < *n; j++)
        for (int i = 0; i < *m; i++) {
            double sum = 0;
            for (int l = 0; l < *k; l++)
                sum += element(a, *lda, at, i, l) * element(b, *ldb, bt, l, j);
            store(&c[i + (size_t)j * (size_t)*ldc], *alpha, sum, *beta);
        }
}

static void dsymm(char *side, char *uplo, int *m, int *n, double *alpha, double *a, int *lda,
                  double *b, int *ldb, double *beta, double *c, int *ldc)
{
    int left = is(side, 'L'), lower = is(uplo, 'L'), k = left ? *m : *n;
    require(*m >= 0 && *n >= 0 && *lda >= k && *ldb >= *m && *ldc >= *m);
    for (int j = 0; j < *n; j++)
        for (int i = 0; i < *m; i++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += left ? symmetric(a, *lda, lower, i, l) * element(b, *ldb, 0, l, j)
                            : element(b, *ldb, 0, i, l) * symmetric(a, *lda, lower, l, j);
            store(&c[i + (size_t)j * (size_t)*ldc], *alpha, sum, *beta);
        }
}

static void dsyrk(char *uplo, char *trans, int *n, int *k, double *alpha, double *a, int *lda,
                  double *beta, double *c, int *ldc)
{
    int lower = is(uplo, 'L'), at = !is(trans, 'N');
    require(*n >= 0 && *k >= 0 && *lda >= (at ? *k : *n) && *ldc >= *n);
    for (int j = 0; j < *n; j++)
        for (int i = lower ? j : 0; i < (lower ? *n : j + 1); i++) {
            double sum = 0;
            for (int l = 0; l < *k; l++)
                sum += element(a, *lda, at, i, l) * element(a, *lda, at, j, l);
            store(&c[i + (size_t)j * (size_t)*ldc], *alpha, sum, *beta);
        }
}

/* One system op(a) x = x with elements of x `stride` apart. */
static void solve(int n, const double *a, int lda, int lower, int transpose, int unit, double *x,
                  size_t stride)
{
    int forward = lower != transpose;
    for (int step = 0; step < n; step++) {
        int i = forward ? step : n - 1 - step;
        double sum = x[(size_t)i * stride];
        for (int j = forward ? 0 : i + 1; j < (forward ? i : n); j++)
            sum -= element(a, lda, transpose, i, j) * x[(size_t)j * stride];
        x[(size_t)i * stride] = unit ? sum : sum / element(a, lda, 0, i, i);
    }
}

static void dtrsm(char *side, char *uplo, char *trans, char *diag, int *m, int *n, double *alpha,
                  double *a, int *lda, double *b, int *ldb)
{
    int left = is(side, 'L'), lower = is(uplo, 'L'), at = !is(trans, 'N'), unit = is(diag, 'U');
    require(*m >= 0 && *n >= 0 && *lda >= (left ? *m : *n) && *ldb >= *m);
    size_t ld = (size_t)*ldb;
    for (int j = 0; j < *n; j++)
        for (int i = 0; i < *m; i++) b[i + (size_t)j * ld] *= *alpha;
    if (left)
        for (int j = 0; j < *n; j++) solve(*m, a, *lda, lower, at, unit, b + (size_t)j * ld, 1);
    else /* x op(a) = b is op(a)' x' = b', row by row */
        for (int i = 0; i < *m; i++) solve(*n, a, *lda, lower, !at, unit, b + i, ld);
}

static void dpotrf(char *uplo, int *n, double *a, int *lda, int *info)
{
    int lower = is(uplo, 'L');
    size_t ld = (size_t)*lda;
    require(*n >= 0 && *lda >= *n);
    *info = 0;
    for (int j = 0; j < *n; j++)
        for (int i = j; i < *n; i++) {
            double *target = lower ? a + i + (size_t)j * ld : a + j + (size_t)i * ld;
            double sum = *target;
            for (int l = 0; l < j; l++)
                sum -= element(a, *lda, !lower, i, l) * element(a, *lda, !lower, j, l);
            if (i == j) {
                if (!(sum > 0)) {
                    *info = j + 1;
                    return;
                }
                *target = sqrt(sum);
            } else *target = sum / element(a, *lda, 0, j, j);
        }
}

/* Solves for one unit vector after the other, then copies back one triangle. */
static void dpotri(char *uplo, int *n, double *a, int *lda, int *info)
{
    int lower = is(uplo, 'L'), size = *n;
    size_t order = (size_t)size;
    require(*n >= 0 && *lda >= *n);
    *info = 0;
    double *full = calloc(order * order + 1, sizeof(double));
    require(full != NULL);
    for (int j = 0; j < size; j++) {
        double *x = full + (size_t)j * order;
        x[j] = 1;
        solve(size, a, *lda, lower, !lower, 0, x, 1);
        solve(size, a, *lda, lower, lower, 0, x, 1);
    }
    for (int j = 0; j < size; j++)
        for (int i = lower ? j : 0; i < (lower ? size : j + 1); i++)
            a[i + (size_t)j * (size_t)*lda] = full[(size_t)i + (size_t)j * order];
    free(full);
}

/* Rotate coordinates p and q of the symmetric S, and the columns of V, so that S_pq = 0. */
static void rotate(int n, double *S, double *V, int p, int q)
{
    size_t ld = (size_t)n;
    double pq = S[p + (size_t)q * ld];
    if (pq == 0) return;
    double tau = (S[q + (size_t)q * ld] - S[p + (size_t)p * ld]) / (2 * pq);
    double t = (tau < 0 ? -1 : 1) / (fabs(tau) + sqrt(1 + tau * tau));
    double c = 1 / sqrt(1 + t * t), s = t * c;
    for (int i = 0; i < n; i++) {
        double *Sp = S + i + (size_t)p * ld, *Sq = S + i + (size_t)q * ld, old = *Sp;
        *Sp = c * old - s * *Sq;
        *Sq = s * old + c * *Sq;
        double *Vp = V + i + (size_t)p * ld, *Vq = V + i + (size_t)q * ld;
        old = *Vp;
        *Vp = c * old - s * *Vq;
        *Vq = s * old + c * *Vq;
    }
    for (int i = 0; i < n; i++) {
        double *Sp = S + p + (size_t)i * ld, *Sq = S + q + (size_t)i * ld, old = *Sp;
        *Sp = c * old - s * *Sq;
        *Sq = s * old + c * *Sq;
    }
}

/* Cyclic Jacobi, eigenvalues ascending. */
static void dsyev(char *jobz, char *uplo, int *n, double *a, int *lda, double *w, double *work,
                  int *lwork, int *info)
{
    int size = *n, lower = is(uplo, 'L');
    size_t ld = (size_t)size;
    *info = 0;
    if (*lwork == -1) {
        work[0] = 3.0 * size;
        return;
    }
    require(size >= 0 && *lda >= size && *lwork >= 3 * size - 1);
    double *S = calloc(2 * ld * ld + 1, sizeof(double)), *V = S + ld * ld;
    require(S != NULL);
    for (int j = 0; j < size; j++) {
        for (int i = 0; i < size; i++) S[i + (size_t)j * ld] = symmetric(a, *lda, lower, i, j);
        V[j + (size_t)j * ld] = 1;
    }
    for (int sweep = 0; sweep < 30; sweep++)
        for (int p = 0; p < size; p++)
            for (int q = p + 1; q < size; q++) rotate(size, S, V, p, q);
    for (int j = 0; j < size; j++) { /* the least eigenvalue that is left */
        int least = -1;
        for (int i = 0; i < size; i++)
            if (!isnan(S[i + (size_t)i * ld]) &&
                (least < 0 || S[i + (size_t)i * ld] < S[least + (size_t)least * ld]))
                least = i;
        if (least < 0) {
            *info = 1; /* as LAPACK when it does not converge: there was a NaN */
            break;
        }
        w[j] = S[least + (size_t)least * ld];
        S[least + (size_t)least * ld] = NAN;
        if (is(jobz, 'V'))
            memcpy(a + (size_t)j * (size_t)*lda, V + (size_t)least * ld, ld * sizeof(double));
    }
    free(S);
}

smm_blas ref_blas(void)
{
    smm_blas blas = {
        sizeof(smm_blas), (int)sizeof(int), dpotrf, dpotri, dsyev, dgemm, dsymm, dsyrk, dtrsm};
    return blas;
}
