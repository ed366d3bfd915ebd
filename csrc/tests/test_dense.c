/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The dense kernels and the reference BLAS they are tested with, by residuals of the
 * equations they solve; sizes on both sides of SMM_SMALL.
 */
#include "check.h"
#include "problem.h"
#include "linear/linear.h"

#define MAX 40
#define MOST_ROWS 259
#define TOL 1e-11

static uint64_t state = 7;

static void fill(double *a, int count)
{
    for (int i = 0; i < count; i++) a[i] = normal(&state);
}

/* A = B B' + I, n x n in leading dimension ld, the rest of it marked. */
static void positive_definite(int n, int ld, double *A)
{
    double B[MAX * MAX];
    fill(B, n * n);
    for (int i = 0; i < ld * n; i++) A[i] = -77;
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++) {
            double sum = i == j;
            for (int l = 0; l < n; l++) sum += B[i + l * n] * B[j + l * n];
            A[i + j * ld] = sum;
        }
}

static void test_factor_and_inverse(int n)
{
    smm_blas blas = ref_blas();
    int ld = n + 3;
    double A[(MAX + 3) * MAX], L[(MAX + 3) * MAX], inv[MAX * MAX], lower[MAX * MAX];
    positive_definite(n, ld, A);
    memcpy(L, A, sizeof A);
    CHECK(smm_potrf(&blas, n, L, ld) == SMM_OK);
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) {
            double sum = 0;
            for (int l = 0; l <= j; l++) sum += L[i + l * ld] * L[j + l * ld];
            CHECK_NEAR(sum, A[i + j * ld], TOL);
        }
    for (int j = 0; j < n; j++) { /* only the lower triangle is written */
        for (int i = 0; i < j; i++) CHECK(L[i + j * ld] == A[i + j * ld]);
        for (int i = n; i < ld; i++) CHECK(L[i + j * ld] == -77);
    }

    smm_invert_lower(n, L, ld, lower);
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++) {
            double sum = 0;
            for (int l = 0; l <= i; l++) sum += L[i + l * ld] * lower[l + j * n];
            CHECK_NEAR(sum, i == j, TOL);
            if (i < j) CHECK(lower[i + j * n] == 0);
        }

    CHECK(smm_potri(&blas, n, L, ld) == SMM_OK);
    double whole[MAX * MAX];
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i++) whole[i + j * n] = A[i + j * ld];
    dense_inverse(n, whole, inv);
    for (int j = 0; j < n; j++)
        for (int i = j; i < n; i++) CHECK_NEAR(L[i + j * ld], inv[i + j * n], TOL);
}

static void test_not_positive_definite(int n)
{
    smm_blas blas = ref_blas();
    double A[MAX * MAX];
    const double bad[] = {0, -1, NAN};
    for (int b = 0; b < 3; b++) {
        positive_definite(n, n, A);
        A[n * n - 1] = bad[b];
        CHECK(smm_potrf(&blas, n, A, n) == SMM_ENOTPD);
    }
}

static void test_solve_rows(int n, int m)
{
    smm_blas blas = ref_blas();
    double L[MAX * MAX], b[MAX * 5], x[MAX * 5];
    positive_definite(n, n, L);
    CHECK(smm_potrf(&blas, n, L, n) == SMM_OK);
    fill(b, n * m);
    for (int transpose = 0; transpose < 2; transpose++) {
        memcpy(x, b, sizeof b);
        smm_solve_rows(&blas, n, L, n, m, x, transpose);
        for (int r = 0; r < n; r++)
            for (int v = 0; v < m; v++) {
                double sum = 0;
                for (int c = 0; c < n; c++) {
                    int i = transpose ? c : r, j = transpose ? r : c;
                    if (i >= j) sum += L[i + j * n] * x[c * m + v];
                }
                CHECK_NEAR(sum, b[r * m + v], TOL);
            }
    }
    smm_solve_rows(&blas, 0, L, 1, m, x, 0);
    smm_solve_rows(&blas, n, L, n, 0, x, 0);
}

static void test_gram(int rows, int m)
{
    smm_blas blas = ref_blas();
    double b[MOST_ROWS * MAX], c[MAX * MAX], before[MAX * MAX];
    fill(b, rows * m);
    for (int beta = 0; beta < 2; beta++) {
        fill(before, m * m);
        memcpy(c, before, sizeof c);
        if (beta == 0) c[0] = NAN; /* with beta = 0 it is not read */
        smm_gram(&blas, rows, m, b, -2.0, beta, c);
        for (int j = 0; j < m; j++)
            for (int i = 0; i < m; i++) {
                double sum = 0;
                for (int r = 0; r < rows; r++) sum += b[r * m + i] * b[r * m + j];
                if (i >= j) CHECK_NEAR(c[i + j * m], -2 * sum + beta * before[i + j * m], TOL);
                else CHECK(c[i + j * m] == before[i + j * m]);
            }
    }
}

/* Some weights are negative. */
static void test_weighted_gram(int rows, int p)
{
    double X[MOST_ROWS * MAX], y[MOST_ROWS], w[MOST_ROWS], c[MAX * MAX], before[MAX * MAX];
    int m = p + 1;
    fill(X, rows * p);
    fill(y, rows);
    fill(w, rows);
    fill(before, m * m);
    memcpy(c, before, sizeof c);
    smm_weighted_gram(rows, p, X, y, w, c);
    for (int j = 0; j < m; j++)
        for (int i = 0; i < m; i++) {
            double sum = 0;
            for (int r = 0; r < rows; r++)
                sum += w[r] * (i < p ? X[r * p + i] : y[r]) * (j < p ? X[r * p + j] : y[r]);
            if (i >= j) CHECK_NEAR(c[i + j * m], sum + before[i + j * m], TOL);
            else CHECK(c[i + j * m] == before[i + j * m]);
        }
}

static void test_reference_eigenvectors(int n)
{
    smm_blas blas = ref_blas();
    double A[MAX * MAX], V[MAX * MAX], w[MAX], work[3 * MAX];
    int lwork = 3 * n, info = -1;
    positive_definite(n, n, A);
    memcpy(V, A, sizeof A);
    blas.dsyev("V", "L", &n, V, &n, w, work, &lwork, &info);
    CHECK(info == 0);
    for (int j = 0; j < n; j++) {
        if (j) CHECK(w[j] >= w[j - 1]);
        for (int i = 0; i < n; i++) {
            double av = 0, vv = 0;
            for (int l = 0; l < n; l++) {
                av += A[i + l * n] * V[l + j * n];
                vv += V[l + i * n] * V[l + j * n];
            }
            CHECK_NEAR(av, w[j] * V[i + j * n], 1e-9);
            CHECK_NEAR(vv, i == j, 1e-10);
        }
    }
}

int main(void)
{
    const int sizes[] = {1, 2, 3, 7, SMM_SMALL - 1, SMM_SMALL, SMM_SMALL + 1, MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        test_factor_and_inverse(sizes[i]);
        test_not_positive_definite(sizes[i]);
        test_solve_rows(sizes[i], 1);
        test_solve_rows(sizes[i], 5);
        test_gram(9, sizes[i]);
        test_gram(0, sizes[i]);
        test_gram(MOST_ROWS, sizes[i]);
        test_reference_eigenvectors(sizes[i]);
    }
    for (int p = 0; p < 10; p++)
        for (int rows = 0; rows < 20; rows += 3) test_weighted_gram(rows, p);
    CHECK(smm_potrf(NULL, 0, NULL, 1) == SMM_OK);
    return check_result();
}
