/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a projection leaves of a response, by the equations that it solves: y = Q gamma + s r,
 * Q'W r = 0 and r'W r = the rows that count; for numbers of columns on both sides of where rows
 * are no longer taken in lanes, and for responses of which little is left.
 */
#include "check.h"
#include "ref_blas.h"
#include "problem.h"
#include "linear/linear.h"

#define N 301 /* rows in groups and others, in more chunks than one */
#define MOST (SMM_FEW_COLUMNS + 11)

static double X[N * MOST], Q[N * MOST], R[MOST * MOST], weights[N], y[N], residual[N];
static double work[MOST * (2 * MOST + SMM_BASIS_ROWS)], gamma_[MOST], squares[3];

/* A response of which a share `left` is not of the columns. */
static void fill(int32_t p, double left, const double *w)
{
    smm_blas blas = ref_blas();
    uint64_t state = 11;
    for (int64_t i = 0; i < N; i++) {
        weights[i] = pow(10, normal(&state));
        for (int32_t c = 0; c < p; c++) X[i * p + c] = c ? normal(&state) : 1;
        y[i] = left * normal(&state);
        for (int32_t c = 0; c < p; c++) y[i] += (c + 1) * X[i * p + c];
    }
    if (p) CHECK(smm_basis(&blas, N, p, X, w, Q, R, work) == SMM_OK);
}

static void test_residual(int32_t p, double left, int weighted)
{
    const double *w = weighted ? weights : NULL;
    int64_t rows = N - 5;
    fill(p, left, w);
    CHECK(smm_residual(N, p, Q, y, w, rows, gamma_, residual, squares, work) == SMM_OK);
    double own = 0, of_y = 0, weighted_y = 0;
    for (int64_t i = 0; i < N; i++) {
        double fitted = squares[2] * residual[i], wi = w ? w[i] : 1;
        for (int32_t c = 0; c < p; c++) fitted += Q[i * p + c] * gamma_[c];
        CHECK_NEAR(fitted, y[i], 1e-12);
        own += wi * residual[i] * residual[i];
        of_y += y[i] * y[i];
        weighted_y += wi * y[i] * y[i];
    }
    CHECK_NEAR(own, (double)rows, 1e-9 * (double)rows);
    CHECK_NEAR(squares[0], of_y, 1e-12 * of_y);
    CHECK_NEAR(squares[1], weighted_y, 1e-12 * weighted_y);
    for (int32_t c = 0; c < p; c++) {
        double sum = 0;
        for (int64_t i = 0; i < N; i++) sum += (w ? w[i] : 1) * Q[i * p + c] * residual[i];
        CHECK_NEAR(sum, 0, 1e-12 * sqrt((double)rows));
    }
}

/* Sums of columns are those of the same loop without a projection. */
static void test_sums(int32_t p, int weighted)
{
    const double *w = weighted ? weights : NULL;
    double sums[MOST + 1];
    fill(p, 1, NULL);
    smm_form_xy(N, p, X, y, w, work, sums);
    for (int32_t c = 0; c <= p; c++) {
        double sum = 0, size = 0;
        for (int64_t i = 0; i < N; i++) {
            double term = (w ? w[i] : 1) * (c < p ? X[i * p + c] : y[i]) * y[i];
            sum += term;
            size += fabs(term);
        }
        CHECK_NEAR(sums[c], sum, 1e-14 * size);
    }
}

static void test_ends(void)
{
    fill(2, 1, NULL);
    for (int64_t i = 0; i < N; i++) y[i] = 0;
    CHECK(smm_residual(N, 2, Q, y, NULL, N, gamma_, residual, squares, work) == SMM_OK);
    CHECK(squares[2] == 0 && residual[7] == 0 && gamma_[1] == 0);
    y[0] = 1e200;
    CHECK(smm_residual(N, 2, Q, y, NULL, N, gamma_, residual, squares, work) == SMM_OK);
    CHECK(isinf(squares[0]));
    CHECK(smm_residual(0, 2, Q, y, NULL, N, gamma_, residual, squares, work) == SMM_EINVAL);
    CHECK(smm_residual(N, -1, Q, y, NULL, N, gamma_, residual, squares, work) == SMM_EINVAL);
    CHECK(smm_residual(N, 2, Q, y, NULL, 0, gamma_, residual, squares, work) == SMM_EINVAL);
    CHECK(smm_residual(N, 2, NULL, y, NULL, N, gamma_, residual, squares, work) == SMM_EINVAL);
}

int main(void)
{
    const int32_t columns[] = {0, 1, 2, 7, SMM_FEW_COLUMNS, SMM_FEW_COLUMNS + 1, MOST};
    for (int k = 0; k < 7; k++)
        for (int weighted = 0; weighted < 2; weighted++) {
            test_residual(columns[k], 1, weighted);
            test_residual(columns[k], 1e-4, weighted); /* once is not enough */
            test_sums(columns[k], weighted);
        }
    test_ends();
    return check_result();
}
