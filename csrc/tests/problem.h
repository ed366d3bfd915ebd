/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random models for the tests, and the same mathematics with dense matrices.
 */
#ifndef SMM_PROBLEM_H
#define SMM_PROBLEM_H

#include "ref_blas.h"
#include "smm.h"

#define MAX_TERMS 4

enum layout {
    RANDOM,  /* independent levels: partial crossing */
    NESTED,  /* each term's levels are nested in the next one's */
    COMPLETE /* every combination of levels in turn */
};

typedef struct {
    int64_t n, q;
    int32_t p, nterms, ntheta;
    smm_term term[MAX_TERMS];
    double *X, *y, *weights, *theta; /* X row-major; theta inside the cone */
} problem;

/* Uniform in [0, 1) and standard normal, from a state that is never zero. */
double uniform(uint64_t *state);
double normal(uint64_t *state);

/* levels and cols (nterms). Every T is full. Aborts when memory runs out. */
problem problem_make(uint64_t seed, enum layout layout, int64_t n, int32_t p, int32_t nterms,
                     const int32_t *levels, const int32_t *cols);
/* The same with only the diagonal of every T free. */
void problem_uncorrelate(problem *m);
void problem_free(problem *m);

/* The C library's handles for a model. Abort on failure. */
smm_design *problem_design(const problem *m);
smm_workspace *problem_workspace(const smm_design *design, const problem *m,
                                 const double *weights, int reml, double sigma);

/* Dense counterparts, column-major, output order: Lambda (q x q), Z (n x q), and
 * Omega = Lambda'Z'WZ Lambda + I (q x q, full). The caller frees. */
double *dense_lambda(const problem *m, const double *theta);
double *dense_z(const problem *m);
double *dense_omega(const problem *m, const double *theta, const double *weights);

/* Inverse (n x n, full) of a positive definite a; the return value is log|a|. */
double dense_inverse(int64_t n, const double *a, double *inverse);

/* The objective by the n x n matrix V = I + W^(1/2) Z Lambda Lambda'Z' W^(1/2). */
double dense_value(const problem *m, const double *theta, const double *weights, int reml,
                   double sigma);

#endif
