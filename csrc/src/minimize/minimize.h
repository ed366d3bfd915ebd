/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A problem to minimize, and what every minimizer shares.
 */
#ifndef SMM_MINIMIZE_H
#define SMM_MINIMIZE_H

#include "design/design.h"

/* Diagonals of T stay at least this far from zero during a run, in units of x. */
#define SMM_NEAR_ZERO 1e-7
/* Doubles of workspace per row that dsyev may use. */
#define SMM_EIGEN_WORK 34

/* How far a model is solved at its parameters. */
typedef enum { SMM_UNSOLVED = 0, SMM_SOLVED_VALUE = 1, SMM_SOLVED_GRADIENT = 2 } smm_solved;

/* minimize.c: a problem to minimize, and what every minimizer shares. Of its parameters
 * the first ntheta(design) are theta. */
typedef struct {
    const smm_design *design;
    int32_t n;
    double rows; /* of many: variances that nearly vanish take their own steps; otherwise 0 */
    void *ctx;
    int (*value)(void *ctx, const double *parameters, double *value);
    int (*gradient)(void *ctx, double *gradient); /* where value was last called */
    int (*curvature)(void *ctx, double *hessian); /* where gradient was last called */
    const double *scale; /* (n): x = parameters / scale has unit-size elements */
    double *vectors;     /* SMM_RUN_VECTORS(n) doubles */
    double *matrices;    /* SMM_RUN_MATRICES(n) doubles */
    int memory;          /* steps to correct the curvature with; 0: it is good by itself */
    int trusted;         /* steps before that: regular problems end before */
    double near;   /* of one parameter: shorter steps, as a share of it, correct it as well */
    double late;   /* promises below which slow steps correct it, and rounding errors end a run */
    double left;   /* share of a diagonal of the curvature that has digits when the other
                          * parameters have taken theirs */
    double *pairs; /* (2 memory n): steps and changes of the gradient */
    const double *least; /* of the last parameter, below which the objective may fall for ever */
} smm_problem;

#define SMM_MEMORY 10
/* The average information is far from the Hessian when the mean is badly wrong: where it has not
 * done after this many steps, changes of the gradient correct it. */
#define SMM_TRUSTED_STEPS 15
/* The change of the gradient along a step that is this short knows the curvature better. That ends
 * runs one evaluation before, which is felt where evaluations take long. */
#define SMM_NEAR 0.02
/* From promises as small as this on, changes of the gradient correct the curvature where steps gain
 * digit by digit, and promises less than the rounding errors of the objective are none: such steps
 * would go on far below what can be seen. Not for few rows, whose runs are repeated from other
 * starts where they took many steps. */
#define SMM_LATE 1e-3
#define SMM_MANY_ROWS 1000
#define SMM_RUN_VECTORS(n) ((8 + SMM_EIGEN_WORK) * (int64_t)(n) + 1) /* see smm_run_start */
#define SMM_RUN_MATRICES(n) (2 * (int64_t)(n) * (n))

typedef struct {
    const smm_problem *problem;
    const smm_options *options;
    smm_report *report;
    double started, polled; /* seconds: the beginning, and the last poll */
    double *point;          /* (n) parameters of the last evaluation */
    double value;           /* and its value */
    smm_solved solved;
    double *x, *g, *step, *eigenvalues, *root, *work; /* (n), work longer */
    double *H, *V;                                    /* (n x n): Hessian, eigenvectors */
    int pairs; /* steps remembered so far, the oldest first */
    int stop;  /* set when a limit or the caller ends the run */
} smm_run;

int smm_run_start(smm_run *run, const smm_problem *problem, const smm_options *options,
                  smm_report *report, const double *parameters);
double smm_run_seconds(const smm_run *run);
int smm_run_value(smm_run *run, const double *x, double *value);
int smm_run_gradient(smm_run *run, double *g);
int smm_run_model(smm_run *run, double *g);
int smm_run_eigen(smm_run *run);
void smm_run_remember(smm_run *run, const double *step, const double *change);
void smm_run_hold_zeros(smm_run *run, double *g);
void smm_run_step_in_variances(smm_run *run, const double *g);
void smm_run_keep_off_zero(const smm_run *run, double *x);
int smm_run_describe(smm_run *run);
int smm_run_finish(smm_run *run, double *parameters);
int smm_run_end(const smm_problem *problem, const smm_options *options, double *parameters,
                smm_report *report);
int smm_run_newton(const smm_problem *problem, const smm_options *options, double *parameters,
                   smm_report *report);
int smm_run_nlopt(const smm_problem *problem, const smm_nlopt *nlopt, int algorithm,
                  const smm_options *options, double *parameters, smm_report *report);

#endif
