/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Estimates in the units of the caller, by the equations that they solve; numbers of columns on
 * both sides of where BLAS takes over.
 */
#include "check.h"
#include "problem.h"
#include "linear/linear.h"

#define TOL 1e-12

static double *doubles(int64_t n)
{
    double *out = calloc((size_t)n + 1, sizeof(double));
    if (!out) abort();
    return out;
}

/* R beta = gamma + scale beta_Q, R C R' = (X'V^-1 X)^-1, effects = Z b; without R the same of
 * R = I. */
static void test_estimates(int32_t p, int given)
{
    const int32_t levels[] = {8, 5}, cols[] = {2, 1};
    problem m = problem_make(41, RANDOM, 90, p, 2, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    uint64_t state = 3;
    int64_t q = m.q, n = m.n, square = (int64_t)p * p;
    double scale = 2.5, value, gradient[16], scalars[4];
    double *gamma = doubles(p), *R = doubles(square),
           *out = doubles(4 + 2 * p + 4 * square + 2 * q + n);
    double *beta = doubles(p), *u = doubles(q), *b = doubles(q), *inverse = doubles(square);
    double *Z = dense_z(&m);
    for (int32_t c = 0; c < p; c++) {
        gamma[c] = normal(&state);
        for (int32_t r = 0; r < c; r++) R[r + c * p] = given ? 0.3 * normal(&state) : 0;
        R[c + c * p] = given ? 1 + uniform(&state) : 1;
    }
    CHECK(smm_estimates(ws, scale, gamma, R, out) == SMM_ESTATE);
    CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_solution(ws, beta, u, b, inverse, scalars) == SMM_OK);
    CHECK(smm_estimates(ws, scale, gamma, given ? R : NULL, out) == SMM_OK);
    CHECK_NEAR(out[0], scale * scale * scalars[0], TOL * fabs(out[0]));
    for (int i = 1; i < 4; i++) CHECK(out[i] == scalars[i]);
    double *own = out + 4, *C = own + p, *errors = C + square, *M = errors + p, *U = M + square;
    double *back = U + square, *own_u = back + square, *own_b = own_u + q, *effects = own_b + q;
    for (int32_t r = 0; r < p; r++) {
        double sum = 0;
        for (int32_t c = r; c < p; c++) sum += R[r + c * p] * own[c];
        CHECK_NEAR(sum, gamma[r] + scale * beta[r], 1e-10);
        CHECK_NEAR(errors[r] * errors[r], C[r + r * p], TOL);
        for (int32_t c = 0; c < p; c++) {
            double product = 0;
            for (int32_t e = r; e < p; e++)
                for (int32_t f = c; f < p; f++)
                    product += R[r + e * p] * C[e + f * p] * R[c + f * p];
            CHECK_NEAR(product, inverse[r + c * p], 1e-10);
            product = 0;
            for (int32_t e = r > c ? r : c; e < p; e++) product += U[r + e * p] * U[c + e * p];
            CHECK_NEAR(product, inverse[r + c * p], TOL);
            CHECK(C[r + c * p] == C[c + r * p] && (r <= c || U[r + c * p] == 0));
            CHECK(M[r + c * p] == inverse[r + c * p]);
            product = 0;
            for (int32_t e = r; e < p; e++) product += R[r + e * p] * back[e + c * p];
            CHECK_NEAR(product, r == c, TOL);
        }
    }
    for (int64_t j = 0; j < q; j++) CHECK(own_u[j] == scale * u[j] && own_b[j] == scale * b[j]);
    for (int64_t i = 0; i < n; i++) {
        double sum = 0;
        for (int64_t j = 0; j < q; j++) sum += Z[i + j * n] * own_b[j];
        CHECK_NEAR(effects[i], sum, TOL);
    }
    CHECK(smm_estimates(NULL, scale, gamma, R, out) == SMM_EINVAL);
    CHECK(smm_estimates(ws, scale, gamma, R, NULL) == SMM_EINVAL);
    CHECK(p == 0 || smm_estimates(ws, scale, NULL, R, out) == SMM_EINVAL);
    free(gamma);
    free(R);
    free(out);
    free(beta);
    free(u);
    free(b);
    free(inverse);
    free(Z);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
}

int main(void)
{
    test_estimates(0, 1);
    test_estimates(2, 0);
    test_estimates(3, 1);
    test_estimates(SMM_SMALL + 3, 1);
    return check_result();
}
