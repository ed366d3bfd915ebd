/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Generalized models for the tests: responses, and the approximations by dense matrices
 * and plain sums.
 */
#ifndef SMM_GLMM_DENSE_H
#define SMM_GLMM_DENSE_H

#include "problem.h"

/* A problem with a family and the point where it is looked at: theta is in m. */
typedef struct {
    problem m;
    smm_family family;
    int weighted; /* whether m.weights are used; numbers of trials for the binomial */
    int fast;
    double *offset; /* (n) */
    double *beta;   /* (p) */
    double zeta;
} mixed;

/* A response the distribution can have. The intercept is `level` and theta is multiplied by
 * `spread`, so that links with a limited range stay in it. Aborts when memory runs out. */
mixed mixed_make(problem m, smm_family family, int weighted, double level, double spread);
void mixed_free(mixed *x);

/* The C library's handle with points quadrature points. Aborts on failure. */
smm_glmm *mixed_glmm(const mixed *x, const smm_design *design, int32_t points);

/* The parameters of the objective at x. Returns how many. */
int32_t mixed_parameters(const mixed *x, double *parameters);

/* Nodes (points) and log weights of Gauss-Hermite quadrature for N(0, 1). */
void gauss_hermite(int32_t points, double *nodes, double *log_weights);

/* What the dense computation finds at the conditional modes. */
typedef struct {
    int64_t n, q;
    double *u, *beta, *eta; /* (q), (p), (n) */
    double *zl, *weights;   /* Z Lambda (n x q), weights of Omega (n) */
    double *omega_inverse;  /* (q x q) */
    double loglik, usq, logdet;
} modes;

modes dense_modes(const mixed *x);
void modes_free(modes *a);

/* The Laplace approximation. */
double dense_laplace(const mixed *x);

/* The same integral by the product rule with these nodes, and by the trapezoidal rule far
 * beyond where anything is left. One term, of one or two columns. */
double dense_quadrature(const mixed *x, int32_t points);
double dense_integral(const mixed *x);

#endif
