/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An orthonormal basis, by the equations that it solves: Q'WQ = I and Q R = X with a triangle R, for
 * numbers of columns on both sides of where BLAS takes over.
 */
#include "check.h"
#include "ref_blas.h"
#include "problem.h"
#include "linear/linear.h"

#define N 301 /* rows in groups and others, in more chunks than one */
#define MOST (SMM_SMALL + 3)

static double X[N * MOST], Q[N * MOST], R[MOST * MOST], weights[N];
static double work[MOST * (2 * MOST + SMM_BASIS_ROWS)];

/* Columns of different sizes; the last one but for `own` that before it. */
static void fill(int32_t p, double own)
{
    uint64_t state = 5;
    for (int64_t i = 0; i < N; i++) {
        weights[i] = pow(10, 2 * normal(&state));
        for (int32_t c = 0; c < p; c++) X[i * p + c] = (c + 1) * (c ? normal(&state) : 1);
        if (p > 1) X[i * p + p - 1] = X[i * p + p - 2] + own * X[i * p + p - 1];
    }
}

static void test_basis(int32_t p, double own, const double *w)
{
    smm_blas blas = ref_blas();
    fill(p, own);
    CHECK(smm_basis(&blas, N, p, X, w, Q, R, work) == SMM_OK);
    for (int32_t a = 0; a < p; a++)
        for (int32_t b = 0; b < p; b++) {
            double sum = 0;
            for (int64_t i = 0; i < N; i++) sum += (w ? w[i] : 1) * Q[i * p + a] * Q[i * p + b];
            CHECK_NEAR(sum, a == b, 1e-14);
            CHECK(a <= b || R[a + b * p] == 0);
        }
    for (int64_t i = 0; i < N; i++)
        for (int32_t c = 0; c < p; c++) {
            double sum = 0;
            for (int32_t e = 0; e <= c; e++) sum += Q[i * p + e] * R[e + c * p];
            CHECK_NEAR(sum, X[i * p + c], 1e-13);
        }
}

static void test_refused(void)
{
    smm_blas blas = ref_blas();
    fill(3, 1e-8);
    CHECK(smm_basis(&blas, N, 3, X, NULL, Q, R, work) == SMM_ENOTPD);
    fill(3, 0.1);
    X[0] = 1e160;
    CHECK(smm_basis(&blas, N, 3, X, NULL, Q, R, work) == SMM_ENOTPD);
    X[0] = NAN;
    CHECK(smm_basis(&blas, N, 3, X, NULL, Q, R, work) == SMM_ENOTPD);
    CHECK(smm_basis(NULL, N, 3, X, NULL, Q, R, work) == SMM_EINVAL);
    CHECK(smm_basis(&blas, 0, 3, X, NULL, Q, R, work) == SMM_EINVAL);
    CHECK(smm_basis(&blas, N, 0, X, NULL, Q, R, work) == SMM_EINVAL);
}

int main(void)
{
    const int32_t columns[] = {1, 2, 7, SMM_FEW_COLUMNS, SMM_FEW_COLUMNS + 1, MOST};
    for (int k = 0; k < 6; k++) {
        test_basis(columns[k], 0.1, NULL);
        test_basis(columns[k], 1e-4, NULL); /* once is not enough */
        test_basis(columns[k], 0.1, weights);
        test_basis(columns[k], 1e-4, weights);
    }
    test_refused();
    return check_result();
}
