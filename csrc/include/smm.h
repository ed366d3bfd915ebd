/* SPDX-License-Identifier: BSD-3-Clause
 *
 * smm: the numerical core of statsmodels_mixed. This header is the whole manual.
 *
 * Model. y = X beta + Z b + e with b = sigma Lambda(theta) u, u ~ N(0, I) and
 * e ~ N(0, sigma^2 W^-1). Z is the concatenation of `nterms` terms; term t has
 * `levels` levels of `cols` columns each and one lower-triangular factor T_t
 * (cols x cols) repeated for every level. theta holds the free elements of
 * T_0, T_1, ..., column by column.
 *
 * Use. smm_design_create analyses the structure once; a design is never written
 * again, so threads may share it. smm_workspace_create allocates everything an
 * evaluation needs; one thread at a time may use a workspace. Then
 * smm_crossprod, smm_value, smm_gradient, smm_curvature, ... in the order each
 * function documents, and the two destroy functions, which accept NULL.
 *
 * Conventions. Matrices are double. "row-major (n x p)" says storage in full.
 * Arrays a design borrows (refs, z, X) must outlive it; all others are copied or
 * only read during the call. Every function returns an smm_status: SMM_OK is 0,
 * errors are negative. After an error the objective, gradient and curvature are NaN
 * and other outputs are untouched. Workspaces and generalized models are destroyed
 * before their design. Nothing here prints, aborts or keeps global state.
 */
#ifndef SMM_H
#define SMM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* cdef-begin: what is between these marks is also read by cffi */

typedef enum {
    SMM_OK = 0,
    SMM_ENOMEM = -1,     /* an allocation failed */
    SMM_EINVAL = -2,     /* an argument is out of range */
    SMM_EOVERFLOW = -3,  /* a size does not fit its integer type */
    SMM_ENOTPD = -4,     /* a matrix that must be positive definite is not */
    SMM_ENONFINITE = -5, /* NaN or infinity where a number is needed */
    SMM_ESTATE = -6,     /* called before the call it depends on */
    SMM_ENLOPT = -7      /* NLopt refused: unknown algorithm or bad arguments */
} smm_status;

/* Why a minimization ended. Codes up to SMM_STOP_ROUNDOFF can be good ends. */
typedef enum {
    SMM_STOP_NONE = 0,
    SMM_STOP_GTOL = 1,     /* the quadratic model promises nothing more */
    SMM_STOP_FTOL = 2,     /* the objective stopped changing */
    SMM_STOP_XTOL = 3,     /* theta stopped changing */
    SMM_STOP_ROUNDOFF = 4, /* no further decrease above rounding error */
    SMM_STOP_MAXEVAL = 5,
    SMM_STOP_MAXTIME = 6,
    SMM_STOP_FAILED = 7, /* the objective cannot be evaluated where it must be */
    SMM_STOP_FORCED = 8, /* interrupted by the caller */
    SMM_STOP_STALLED = 9 /* many steps brought no progress */
} smm_stop;

/* BLAS and LAPACK routines with Fortran calling convention, 32-bit integers.
 * `size` is sizeof(smm_blas), `int_bytes` the width of the routines' integers
 * (4 required). Pointers are kept; none may be NULL. */
typedef struct {
    size_t size;
    int int_bytes;
    void (*dpotrf)(char *, int *, double *, int *, int *);
    void (*dpotri)(char *, int *, double *, int *, int *);
    void (*dsyev)(char *, char *, int *, double *, int *, double *, double *, int *, int *);
    void (*dgemm)(char *, char *, int *, int *, int *, double *, double *, int *, double *, int *,
                  double *, double *, int *);
    void (*dsymm)(char *, char *, int *, int *, double *, double *, int *, double *, int *,
                  double *, double *, int *);
    void (*dsyrk)(char *, char *, int *, int *, double *, double *, int *, double *, double *,
                  int *);
    void (*dtrsm)(char *, char *, char *, char *, int *, int *, double *, double *, int *,
                  double *, int *);
} smm_blas;

/* Where memory comes from. NULL for malloc and free. */
typedef struct {
    void *(*alloc)(void *ctx, size_t bytes);
    void (*release)(void *ctx, void *block);
    void *ctx;
} smm_allocator;

/* The lower triangle of a symmetric positive definite matrix, column by column. */
typedef struct {
    const int64_t *at;    /* (columns + 1) where the elements of each column begin */
    const int32_t *row;   /* ascending within a column, the diagonal element first */
    const double *value;  /* finite */
    const double *logdet; /* the logarithm of the determinant, NULL where it is not known */
} smm_lower;

/* One random-effects term. */
typedef struct {
    int32_t levels;         /* number of levels, >= 1 */
    int32_t cols;           /* columns per level, >= 1 */
    const int32_t *refs;    /* (n) level of each row, in [0, levels); borrowed */
    const double *z;        /* row-major (n x cols); borrowed */
    const uint8_t *pattern; /* row-major (cols x cols), nonzero where T is free; lower
                               triangle only, the whole diagonal; copied */
    const smm_lower *prior; /* Q (levels x levels): u ~ N(0, Q^-1 (x) I); copied. NULL: I */
    int32_t predictor;      /* 0: Z is of eta; 1: of the zeros, see smm_glmm_set_sides */
} smm_term;

/* Sizes of the analysed problem, for curiosity and tests. */
typedef struct {
    int64_t n, q, nblocks, head_values;
    int64_t workspace_bytes;   /* of a workspace; INT64_MAX when that has no size */
    int64_t factor_operations; /* additions and products of L L' = Omega; at most 1e18 */
    int32_t p, nterms, ntheta, nodes, head_nodes, tail_size;
} smm_sizes;

typedef struct smm_design smm_design;
typedef struct smm_workspace smm_workspace;

/* Returns one sentence for a status, never NULL; static storage. */
const char *smm_status_text(int status);

/* An orthonormal basis of columns that are far from dependent: X = Q R, Q'WQ = I.
 *   X, Q    row-major (n x p), n >= 1, p >= 1.
 *   weights (n) positive; NULL: I.
 *   R       upper triangle, column-major (p x p), zeros below.
 *   work    (p (2 p + SMM_BASIS_ROWS)).
 * Returns SMM_OK, SMM_EINVAL; SMM_ENOTPD where columns are too near to dependent, or so large or
 * small that their squares are: Q and R are then undefined. */
enum { SMM_BASIS_ROWS = 256 };
int smm_basis(const smm_blas *blas, int64_t n, int32_t p, const double *X, const double *weights,
              double *Q, double *R, double *work);

/* The response less its projection on an orthonormal basis: y = Q gamma + scale residual.
 *   Q        row-major (n x p), n >= 1, p >= 0, Q'WQ = I.
 *   y        (n) response.
 *   weights  (n) positive; NULL: I.
 *   rows     >= 1, of the data, where others are zero.
 *   gamma    (p) out.
 *   residual (n) out, of which the sum of (weighted) squares is `rows`; as it is where nothing is left.
 *   squares  (3) out: sums of squares of y, without and with weights; scale.
 *   work     (2 p).
 * Returns SMM_OK, SMM_EINVAL. Numbers beyond the range of squares are infinite in `squares`. */
int smm_residual(int64_t n, int32_t p, const double *Q, const double *y, const double *weights,
                 int64_t rows, double *gamma, double *residual, double *squares, double *work);

/* The numbers of a model's rows: `parts` arrays, the k-th row-major (n x cols[k]), and levels of
 * `groups` factors, each (n). Borrowed. */
typedef struct {
    int32_t parts, groups;
    const double *const *part;
    const int32_t *cols;
    const int32_t *const *refs;
} smm_rows_of;

/* Which rows are alike, their numbers equal bit by bit.
 *   most   distinct rows that are worth it.
 *   slots  a power of two, more than `most`; table (slots), zeros, is work.
 *   which  (n) receives the distinct row that each row is like, by order of first occurrence.
 *   first  (most) receives the first row of each.
 *   count  receives how many there are; 0, with the arrays undefined, where there are more than
 *          `most`, or where hardly any of the first rows, a 64th but at least 256, are alike.
 * Returns SMM_OK or SMM_EINVAL. */
int smm_alike(const smm_rows_of *x, int64_t n, int64_t most, int64_t slots, int32_t *table,
              int32_t *which, int64_t *first, int64_t *count);

/* Analyse the structure of a model.
 *   blas   copied.                     mem  copied; may be NULL.
 *   n      rows, >= 1.                 nterms >= 1; terms[nterms].
 *   p      fixed-effects columns, >= 0; X row-major (n x p), borrowed, NULL when p = 0.
 *   out    receives the handle, NULL on failure.
 * The term with the largest levels*cols should come first: it is eliminated in
 * closed form. Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM, SMM_EOVERFLOW. */
int smm_design_create(const smm_blas *blas, const smm_allocator *mem, int64_t n, int32_t nterms,
                      const smm_term *terms, int32_t p, const double *X, smm_design **out);
void smm_design_destroy(smm_design *design);
/* The sizes of a design. Returns SMM_OK, SMM_EINVAL. */
int smm_design_sizes(const smm_design *design, smm_sizes *out);

/* Allocate all that evaluations need. Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM, SMM_EOVERFLOW. */
int smm_workspace_create(const smm_design *design, smm_workspace **out);
void smm_workspace_destroy(smm_workspace *ws);

/* Form the cross-products [Z X y]'W[Z X y].
 *   y (n), weights (n) or NULL for ones; borrowed until the cross-products are of others or the
 *   workspace is destroyed. Rows of weight 0 do not count: the model is that of the others.
 * Returns SMM_OK, SMM_EINVAL (a negative weight), SMM_ENONFINITE. */
int smm_crossprod(smm_workspace *ws, const double *y, const double *weights);

/* Say how many rows those of the design stand for, after smm_cells or otherwise: rows that are
 * zero in Z, X and y may be left out of a design, and still count. After smm_crossprod, which
 * counts the rows that it is given.
 * Returns SMM_OK, SMM_EINVAL (not more than p), SMM_ESTATE. */
int smm_set_rows(smm_workspace *ws, int64_t rows);

/* Replace the response only: Z'Wy, X'Wy, y'Wy. The same weights as before; both borrowed likewise.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENONFINITE, SMM_ESTATE. */
int smm_crossprod_y(smm_workspace *ws, const double *y, const double *weights);

/* Choose the criterion. reml: 0 for ML, 1 for REML. sigma: > 0 fixes the residual
 * standard deviation, 0 profiles it out. Returns SMM_OK, SMM_EINVAL. */
int smm_set_criterion(smm_workspace *ws, int reml, double sigma);

/* Choose when objectives are computed with twice the digits of a double, which costs some thirty
 * times as much. always: 0 where doubles lose too many of them, as after creation; 1 everywhere,
 * and gradients of few rows and levels without a prior too.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_set_precision(smm_workspace *ws, int always);

/* The objective at theta (ntheta):
 *   log|Omega| + [REML] log|X'V^-1 X| + N (1 + log(2 pi r2 / N))          sigma profiled
 *   log|Omega| + [REML] log|X'V^-1 X| + N log(2 pi sigma^2) + r2/sigma^2  sigma fixed
 * Where differences lose too many digits, as where the residual variance is a small share of that
 * of y, it is computed with twice the digits of a double; the first time needs further memory,
 * which stays with the workspace.
 * Returns SMM_OK, SMM_ENOTPD, SMM_ENONFINITE, SMM_ESTATE, SMM_ENOMEM; *value is NaN on
 * failure. */
int smm_value(smm_workspace *ws, const double *theta, double *value);

/* The share r2 / y'Wy of the response that is left at theta (ntheta), from doubles alone: its
 * rounding errors are about those of doubles times the largest diagonal element of Omega. The
 * workspace is not evaluated there.
 * Returns as smm_value; *share is NaN on failure, as where nothing is left but rounding errors. */
int smm_share_left(smm_workspace *ws, const double *theta, double *share);

/* The exact gradient (ntheta) at the theta of the last smm_value. With twice the digits the first
 * one needs further memory, which stays with the workspace.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENOTPD, SMM_ENONFINITE, SMM_ESTATE, SMM_ENOMEM. */
int smm_gradient(smm_workspace *ws, double *gradient);

/* The same where T is not a function of theta, for covariances of few parameters: T term by term,
 * column-major (cols x cols), of which the lower triangle is read whether the pattern says that
 * it is free or not. Length sum over terms of cols*cols. What follows smm_gradient may follow
 * smm_gradient_factors too, except smm_curvature.
 * Returns what smm_value returns. */
int smm_value_factors(smm_workspace *ws, const double *factors, double *value);

/* Gamma T of every term at the T of the last smm_value_factors, in the same layout, where Gamma
 * is the derivative of the objective with respect to Sigma = T T'.
 * Returns what smm_gradient returns. */
int smm_gradient_factors(smm_workspace *ws, double *out);

/* e = Z'V^-1 (y - X beta), (q) in the order of smm_solution, after a gradient.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_scores(smm_workspace *ws, double *out);

/* Z'P Z w with P = V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1 for m directions w, after a gradient;
 * both row-major (q x m) in the order of smm_solution; m is at most the number of theta.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENONFINITE, SMM_ESTATE. */
int smm_project(smm_workspace *ws, int32_t m, const double *directions, double *out);

/* An approximation of the Hessian, symmetric (ntheta x ntheta), at the theta of the
 * last smm_gradient: the average information (Gilmour, Thompson and Cullis 1995) plus
 * the exact second-order term of Sigma = T T'. SMM_ENOTPD when a diagonal element of some
 * T is exactly zero: the term is not defined there. Otherwise returns SMM_OK, SMM_EINVAL,
 * SMM_ENONFINITE, SMM_ESTATE. */
int smm_curvature(smm_workspace *ws, double *hessian);

/* Gradient (ntheta + 1) and approximate Hessian, symmetric (ntheta + 1 x ntheta + 1), of the
 * deviance in theta and log sigma, at the theta of the last smm_value and the fixed sigma of the
 * criterion, which is not REML. The Hessian is that of smm_curvature in theta alone, else exact.
 * Returns what smm_gradient and smm_curvature return; both are NaN on failure. */
int smm_derivatives_log_sigma(smm_workspace *ws, double *gradient, double *hessian);

/* Units (m) in which the curvatures of single variables, on the diagonal of H (m x m), are one. A
 * curvature of less than 1e-20 of the largest counts as that; units are one where all are zero.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_curvature_sizes(int32_t m, const double *H, double *sizes);

/* A curvature that is known but for some part, which changes of the gradient tell. At x (m) the
 * gradient is g (m), and what is known of the curvature H, symmetric (m x m).
 *   memory   (1 + 2 m + 2 m m), zero before the first call; the last m m are what H leaves out.
 *   learned  (m x m), H and what it leaves out.
 *   work     (3 m).
 * Returns SMM_OK, SMM_EINVAL. */
int smm_learn_curvature(int32_t m, const double *x, const double *g, const double *H,
                        double *memory, double *learned, double *work);

/* Gradient (n) and Hessian (n x n) in x (n) of sigma |t|, where element r of t (k) is the sum over
 * e of M[e, r] x[at[e]]; M is column-major (m x k). A sigma of 0 means the exponential of the
 * last of x, which `at` does not have. NaN where t is zero. work (2 k + k k).
 * Returns SMM_OK, SMM_EINVAL. */
int smm_row_length(int32_t n, const double *x, int32_t k, int32_t m, const int32_t *at,
                   const double *M, double sigma, double *gradient, double *hessian,
                   double *work);

/* The same of the angle, from 0 to pi, between the first k and the other k elements of t (2 k),
 * for M (m x 2 k); the angle alone if gradient or hessian is NULL. work (4 k + 4 k k).
 * Returns SMM_OK, SMM_EINVAL. */
int smm_row_angle(int32_t n, const double *x, int32_t k, int32_t m, const int32_t *at,
                  const double *M, double *angle, double *gradient, double *hessian,
                  double *work);

/* The step s (m) at which the quadratic model g's + s'H s / 2 is least along a constraint, where
 * a's = 0, and the tangent (m), with a'tangent = 1, along which it moves when a's may be more.
 *   bent   Hessian of the constraint (m x m), or NULL for a linear one; H loses a'g / a'a times it.
 *          The directions along a linear one mix variables in the units of smm_curvature_sizes,
 *          others with the first variable only.
 *   bound  an element that is to stay where it is, or -1.
 *   share  the least that a pivot may be of its diagonal element.
 *   k      m - 1, or m - 2 with a bound that a's = 0 leaves free.
 *   step   (2 m + 1): step, tangent, and twice what the model promises at the step, which is -g's
 *          without its rounding errors.
 *   model  (3 m m + 2 m), column-major, in four parts that begin at multiples of m m: H (m x m)
 *          without the bend of the constraint; Z (m x k), the directions with a's = 0; Z'H Z
 *          (k x k); -Z'g and -Z'H a / a'a (k x 2).
 *   work   (2 m + 2 m m).
 * Returns SMM_OK, SMM_EINVAL; SMM_ENOTPD where a pivot is less: `step` is then undefined. */
int smm_constrained_step(int32_t m, const double *g, const double *H, const double *a,
                         const double *bent, int32_t bound, double share, int32_t *k,
                         double *step, double *model, double *work);

/* Typical size of the elements of theta: 1 / root mean square of the column of Z that
 * each multiplies (ntheta). The identity T is scale[i] on the diagonal in these units.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_theta_scale(const smm_workspace *ws, double *scale);

/* A start for large models, by moments of the effects that a few sweeps over the terms give the
 * levels: theta (ntheta). y is taken as the residual of a fit on X. The identity, in the units
 * of smm_theta_scale, where the levels have too few rows. The workspace must be evaluated again
 * afterwards. Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_moments(smm_workspace *ws, double *theta);

/* The solution at the theta of the last smm_gradient. Any output may be NULL.
 *   beta (p); u, b: (q) term by term, level by level, the term's cols fastest, spherical
 *   and on the scale of y; xvx_inverse row-major (p x p): (X'V^-1 X)^-1;
 *   scalars (4): r2, log|Omega|, log|X'V^-1 X|, N.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_solution(smm_workspace *ws, double *beta, double *u, double *b, double *xvx_inverse,
                 double *scalars);

/* The same in other units: y was scale times that of the core plus Q gamma, with X = Q R.
 *   gamma (p).   R upper triangle, column-major (p x p); NULL for the identity.
 *   out (4 + 2 p + 4 p p + 2 q + n): the scalars of smm_solution, r2 times scale^2; R^-1 (gamma +
 *        scale beta); its covariance over sigma^2, R^-1 xvx_inverse R'^-1; square roots of the
 *        diagonal of that; xvx_inverse; upper triangle U with U U' = xvx_inverse, column-major;
 *        R^-1, column-major; scale u; scale b; Z b by row.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_estimates(smm_workspace *ws, double scale, const double *gamma, const double *R,
                  double *out);

/* Conditional variances over sigma^2 at the theta of the last smm_gradient: the
 * diagonal blocks of Lambda Omega^-1 Lambda', per level row-major (cols x cols), term
 * by term. Length sum over terms of levels*cols*cols.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_condvar(smm_workspace *ws, double *out);

/* Leverages (n): the diagonal of d(fitted)/dy at the theta of the last smm_gradient.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_leverage(smm_workspace *ws, const double *weights, double *out);

/* Joint covariances over sigma^2 of the random effects of one level of each term, at the theta
 * of the last smm_gradient: the blocks of Lambda Omega^-1 Lambda'.
 *   levels  row-major (m x nterms): a level of each term, or -1 for none. They need not occur
 *           together in the data; rows sorted by term 1, then 2, ... and term 0 last are cheapest.
 *   out     for every row, row-major (K x K) with K the columns of all terms; zero where a term
 *           has no level.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_level_covariances(smm_workspace *ws, int64_t m, const int32_t *levels, double *out);

/* Variances over sigma^2 of x'(beta^ - beta) + z'(b^ - b), m of them, at the theta of the last
 * smm_gradient. They are sums of squares of L^-1 Lambda'z: where sigma is a small share s of what
 * random effects that differ little explain, the forms above leave a share of s^-2 of their
 * rounding errors, and these one of s^-1; each takes one forward substitution.
 *   levels  row-major (m x nterms): a level of each term, or -1 for none.
 *   z       row-major (m x K), with K the columns of all terms.
 *   x       row-major (m x p).
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_row_errors(smm_workspace *ws, int64_t m, const int32_t *levels, const double *z,
                   const double *x, double *out);

/* Lambda Omega^-1 Lambda'Z'WX, row-major (q x p) in the order of smm_solution: what is subtracted
 * from b for a unit of beta. The covariance over sigma^2 of b and beta is its product with
 * -(X'V^-1 X)^-1. At the theta of the last smm_gradient.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE. */
int smm_mode_slopes(smm_workspace *ws, double *out);

/* A minimization: what to do ... */
typedef struct {
    double ftol_rel, ftol_abs, xtol_rel, xtol_abs; /* 0 switches a test off */
    int64_t max_eval;                              /* 0: no limit */
    double max_time;                               /* seconds; 0: no limit */
    int (*poll)(void *ctx); /* called after evaluations; nonzero interrupts; may be NULL */
    void *poll_ctx;
    double poll_every; /* least seconds between two calls of poll; 0: after each evaluation */
} smm_options;

/* ... and what happened. log_theta (log_capacity x ntheta) and log_value (log_capacity)
 * are the caller's and keep the first log_capacity evaluations. */
typedef struct {
    int stop; /* smm_stop */
    int64_t evaluations, gradients, failures;
    double value;          /* the least objective found, at theta */
    double decrement;      /* decrease the quadratic model still promises there */
    double min_eigenvalue; /* of the curvature in units of smm_theta_scale */
    int64_t log_capacity;
    double *log_theta, *log_value;
    double *gradient; /* (ntheta) at theta; may be NULL */
} smm_report;

/* Minimize the objective from theta (ntheta; in: start, out: end) by Newton steps on the
 * exact gradient and smm_curvature, with line search, never ending on a saddle point.
 * Afterwards the workspace holds the solution at theta with its gradient.
 * Returns SMM_OK, also when a limit or options->poll ended the run (see report->stop); SMM_EINVAL,
 * SMM_ENONFINITE, SMM_ENOTPD when the objective cannot be evaluated at the start; SMM_ESTATE. */
int smm_newton(smm_workspace *ws, const smm_options *options, double *theta, smm_report *report);

/* End another minimizer's run at theta (ntheta; in and out) as those here do: off zero or exactly
 * there, with promise and curvature in the report. Returns what smm_newton returns. */
int smm_end(smm_workspace *ws, const smm_options *options, double *theta, smm_report *report);

/* Fit the model to many responses by smm_newton, each from the same start.
 *   count      responses, >= 0; responses row-major (count x n), only read. The last is borrowed
 *              as that of smm_crossprod_y.
 *   weights    (n), the same as before, or NULL.
 *   start      (ntheta).
 *   flag       looked at once per evaluation, by an atomic load of 4 aligned bytes: another
 *              thread stores a nonzero value, in one piece, to end the run early, the fit it
 *              comes in uncounted. Nothing else is ordered by it. NULL: never.
 *   theta (count x ntheta), beta (count x p), xvx_inverse (count x p x p), row-major; the
 *   latter two may be NULL when p = 0.
 *   scalars    row-major (count x 6): objective, r2, N, decrement, least eigenvalue of the
 *              curvature, smm_stop. A row of outputs is NaN where the fit failed.
 *   done       number of rows finished, counted from the first; rows beyond are undefined.
 * Returns SMM_OK, also when the flag or options->poll ended the run; SMM_EINVAL, SMM_ESTATE. */
int smm_refit(smm_workspace *ws, int64_t count, const double *responses, const double *weights,
              const smm_options *options, const double *start, const int32_t *flag, double *theta,
              double *beta, double *xvx_inverse, double *scalars, int64_t *done);

/* Rows reduced to few that have the same cross-products, while they pass by: all that a linear
 * model needs of them. A cell is a combination of levels, one of each term; memory grows with the
 * cells that occur. One thread at a time may use a handle. */
typedef struct smm_cells smm_cells;

/* No cells yet.
 *   mem    copied; may be NULL.            terms  levels that make a cell, >= 1.
 *   cols   columns of random effects of all terms, >= 1, each column once.
 *   width  columns in all, >= cols.        out    receives the handle, NULL on failure.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM, SMM_EOVERFLOW. */
int smm_cells_create(const smm_allocator *mem, int32_t terms, int32_t cols, int32_t width,
                     smm_cells **out);
void smm_cells_destroy(smm_cells *cells);

/* Rotate rows into their cells.
 *   keys   row-major (n x terms): the levels of each row.
 *   rows   row-major (n x width), random effects first, multiplied by the roots of their weights.
 *          In: the data. Out: what is left of each, with zeros in the first cols columns; these
 *          rows, of all cells together, belong to the cross-products.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM; after an error the handle can only be destroyed. */
int smm_cells_add(smm_cells *cells, int64_t n, const int32_t *keys, double *rows);

/* The number of cells; 0 for NULL. */
int64_t smm_cells_count(const smm_cells *cells);

/* Read them out, in the order of their first rows.
 *   keys   row-major (count x terms).
 *   rows   row-major (count x cols x width): cols rows of each cell, an upper triangle in the
 *          first cols columns, where a cell has fewer rows with zeros.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_cells_read(const smm_cells *cells, int32_t *keys, double *rows);

/* Function pointers of the NLopt C API (nlopt.h). */
typedef struct {
    size_t size;
    void *(*create)(int algorithm, unsigned n);
    void (*destroy)(void *opt);
    int (*set_min_objective)(void *opt,
                             double (*f)(unsigned n, const double *x, double *grad, void *data),
                             void *data);
    int (*set_ftol_rel)(void *opt, double tol);
    int (*set_ftol_abs)(void *opt, double tol);
    int (*set_xtol_rel)(void *opt, double tol);
    int (*set_xtol_abs1)(void *opt, double tol);
    int (*set_maxeval)(void *opt, int maxeval);
    int (*set_maxtime)(void *opt, double maxtime);
    int (*set_initial_step)(void *opt, const double *dx);
    int (*force_stop)(void *opt);
    int (*optimize)(void *opt, double *x, double *minf);
} smm_nlopt;

/* The same by an NLopt algorithm, its number as in nlopt.h.
 * Returns the same, and SMM_ENLOPT. */
int smm_nlopt_minimize(smm_workspace *ws, const smm_nlopt *nlopt, int algorithm,
                       const smm_options *options, double *theta, smm_report *report);

/* Generalized models. y given u has mean mu = g^-1(eta), eta = X beta + Z Lambda u + offset,
 * u ~ N(0, I), and one of these distributions. Prior weights w: numbers of trials for the
 * binomial (y is then a proportion), multipliers of the log-likelihood for Poisson and
 * negative binomial, divisors of the dispersion for the others. */
typedef enum {
    SMM_GAUSSIAN = 0,          /* variance phi */
    SMM_BINOMIAL = 1,          /* mu (1 - mu) / w */
    SMM_POISSON = 2,           /* mu */
    SMM_GAMMA = 3,             /* phi mu^2 */
    SMM_INVERSE_GAUSSIAN = 4,  /* phi mu^3 */
    SMM_NEGATIVE_BINOMIAL = 5, /* mu + phi mu^2 */
    /* from here on, with the observed information only; densities are in density.c */
    SMM_NEGATIVE_BINOMIAL_1 = 6, /* mu (1 + phi) */
    SMM_GENERALIZED_POISSON = 7, /* phi mu */
    SMM_COM_POISSON = 8,         /* about phi mu */
    SMM_BETA = 9,                /* mu (1 - mu) / (1 + phi) */
    SMM_BETA_BINOMIAL = 10,      /* mu (1 - mu) (w + phi) / (w (1 + phi)), of a proportion */
    SMM_STUDENT_T = 11,          /* phi^2 f / (f - 2), f degrees of freedom; phi is the scale */
    SMM_LOGNORMAL = 12,          /* phi^2 */
    SMM_TWEEDIE = 13,            /* phi mu^p */
    SMM_ORDERED_BETA = 14,       /* of a beta in (0, 1), with probabilities of 0 and 1 */
    SMM_ORDERED = 15,            /* ordered categories 0, 1, ... */
    SMM_TRUNCATED = 64           /* added to a distribution of counts: without zeros */
} smm_distribution;

/* What zeros are besides, with the probability pi of parameter 3 of a row. */
typedef enum {
    SMM_NO_ZEROS = 0,
    SMM_INFLATED = 1, /* mixed into the distribution with probability pi */
    SMM_HURDLE = 2    /* all of them: pi is the probability of 0 */
} smm_zeros;

/* Parameters of a row besides eta, and columns of `smm_row_derivatives`. */
enum { SMM_ROW_PARAMETERS = 4, SMM_ROW_DERIVATIVES = 16 };

typedef enum {
    SMM_IDENTITY = 0,
    SMM_LOG = 1,
    SMM_LOGIT = 2,
    SMM_PROBIT = 3,
    SMM_CLOGLOG = 4, /* eta = log(-log(1 - mu)) */
    SMM_LOGLOG = 5,  /* eta = -log(-log(mu)) */
    SMM_CAUCHIT = 6,
    SMM_POWER = 7 /* eta = mu^power */
} smm_link;

typedef struct {
    int distribution, link;
    double power;
    int observed; /* Omega of the Laplace approximation: 0 expected, 1 observed information */
} smm_family;

typedef struct smm_glmm smm_glmm;

/* Returns 1 if the distribution has a dispersion parameter phi that is estimated, else 0. */
int smm_has_dispersion(int distribution);

/* Per-row quantities of a family, each (n); outputs may be NULL. At linear predictor eta
 * and log dispersion zeta: log-likelihood, its derivatives l = d/d eta and d/d zeta, the
 * weights of Omega (w), the observed information (wo), dw/d eta, dl/d zeta, dw/d zeta.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_family_rows(const smm_family *family, int64_t n, const double *y, const double *weights,
                    const double *eta, double zeta, double *loglik, double *l, double *w,
                    double *wo, double *dw, double *loglik_zeta, double *l_zeta, double *w_zeta);

/* Log-likelihood of rows with all parameters, and its derivatives. The parameters of a row besides
 * eta are, in this order: log phi; up to two more of the distribution (log degrees of freedom of
 * Student's t, logit(p - 1) of Tweedie's, the first threshold and the log distance to the second of
 * ordered beta; the upper and the lower threshold of ordered categories are 0 and 1, the upper one
 * of the last category +inf); logit pi of zeros.
 *   outer  (n x 4) row-major
 *   out    (n x 16) row-major: d^k/d eta^k for k = 0, ..., 3, then for k = 0, 1, 2 the
 *          derivatives in the four parameters of d^k/d eta^k
 * Returns SMM_OK, SMM_EINVAL. */
int smm_row_derivatives(const smm_family *family, int zeros, int64_t n, const double *y,
                        const double *weights, const double *eta, const double *outer,
                        double *out);

/* Prepare a generalized model of a design.
 *   y (n), weights (n, >= 0; a row of weight 0 says nothing) or NULL, offset (n) or NULL:
 *   borrowed.
 * The caller keeps the design alive. Returns SMM_OK, SMM_EINVAL, SMM_ENONFINITE, SMM_ENOMEM,
 * SMM_EOVERFLOW. */
int smm_glmm_create(const smm_design *design, const smm_family *family, const double *y,
                    const double *weights, const double *offset, smm_glmm **out);
void smm_glmm_destroy(smm_glmm *glmm);

/* Rows of a model that pass by in batches.
 *   n         rows, 0: there are no more
 *   y (n), weights (n) or NULL, offset (n) or NULL, X (n x p) row-major
 *   refs, z   one pointer per term: (n), (n x k) row-major, as in smm_term
 * All are borrowed until the next call. */
typedef struct {
    int64_t n;
    const double *y, *weights, *offset, *X;
    const int32_t **refs;
    const double **z;
} smm_batch;

/* Give the next batch, and with `restart` the first one again; nonzero: it cannot be had. */
typedef int (*smm_next_rows)(void *ctx, int restart, smm_batch *batch);

/* Prepare a generalized model whose rows are not in memory. They pass by once for every step of
 * PIRLS, and once for a gradient; the same rows each time.
 *   design        of some of them, in which each pair of levels occurs that occurs in any
 *   rows          their number
 *   capacity      rows of a batch, at most
 *   weighted      whether batches have weights
 *   column_sizes  (columns of all terms) root mean square of each column of Z over all rows, times
 *                 the typical standard deviation of its prior
 *   row_unit      the change in eta that one row can detect, where the dispersion is 1
 * Of what follows it has no quadrature (one point), no target, no leverages, no second predictor;
 * smm_glmm_solution gives no eta. Other arguments as in smm_glmm_create. Where a batch cannot be
 * had, is too large or has levels that do not meet in the design, evaluations return
 * SMM_ENONFINITE. Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM, SMM_EOVERFLOW. */
int smm_glmm_create_streamed(const smm_design *design, const smm_family *family, int64_t rows,
                             int64_t capacity, int weighted, const double *column_sizes,
                             double row_unit, smm_next_rows next, void *ctx, smm_glmm **out);

/* How often the rows have passed by. */
int64_t smm_glmm_passes(const smm_glmm *glmm);

/* Let the parameters of the rows besides eta be linear: parameter j of row i is
 * constant[j] + X[j] (i, :) kappa, with one vector kappa (columns) for all that takes the place of
 * the log dispersion behind beta.
 *   X         (4): (n x columns) row-major or NULL; +inf in the first column of X[0] says that the
 *             parameter is +inf. Borrowed
 *   constant  (4)
 *   zeros     smm_zeros
 * Where terms have predictor 1, their random effects are added to parameter 3 of the rows, the
 * logit of the probability of zeros, which there have to be; arrays eta (n) are then followed by
 * it (n). The family has to have the observed information. To be called once, before the
 * approximation is chosen. Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM. */
int smm_glmm_set_sides(smm_glmm *glmm, int32_t columns, const double *const *X,
                       const double *constant, int zeros);

/* Choose the approximation.
 *   fast     1: beta is profiled out inside PIRLS and is no parameter of the objective.
 *   points   quadrature points per dimension; 1 is the Laplace approximation. More need terms
 *            with the same refs, without a prior, and points^(all cols) <= 100000.
 *   nodes, log_weights (points): Gauss-Hermite rule of the standard normal; copied.
 * Returns SMM_OK, SMM_EINVAL, SMM_ENOMEM. */
int smm_glmm_approximation(smm_glmm *glmm, int fast, int32_t points, const double *nodes,
                           const double *log_weights);

/* Parameters of the objective: theta, then beta unless fast, then log phi if any. */
int32_t smm_glmm_parameters(const smm_glmm *glmm);

/* The share of the variance of the response that rounding errors of conditional means may have:
 * searches end where the dispersion is below it. */
static const double SMM_VANISHED = 9e-12;

/* Typical size of a change in eta (> 0; 1 at first): the unit of beta, and of theta times
 * the root mean square of its column of Z, in which minimizers measure their steps. One number, or
 * two where terms have predictor 1, the second for these.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_glmm_set_unit(smm_glmm *glmm, const double *unit);

/* These sizes of the parameters of the objective, 1 for those behind beta, into scale.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_glmm_scale(const smm_glmm *glmm, double *scale);

/* beta (p) from which PIRLS starts when beta is profiled out.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_glmm_set_beta(smm_glmm *glmm, const double *beta);

/* Coefficients (p) of the model without random effects and with a dispersion of 1, from linear
 * predictors eta (n), by reweighted least squares of at most 25 steps: the last changes none by
 * more than 1e-6 times the largest of them, or times `least` more than that. The model must be
 * evaluated again afterwards. Returns SMM_OK; SMM_EINVAL, also for streams and where
 * smm_glmm_set_sides was called; SMM_ENOTPD where no rows say anything about some coefficient. */
int smm_glmm_without_effects(smm_glmm *glmm, const double *eta, double least, double *beta);

/* The responses on the scale of eta (n; finite, copied), from which conditional modes are looked
 * for too where they need not be unique, or where no other start has a likelihood. Without them,
 * and where log-likelihoods are concave, PIRLS starts from the modes of the evaluation before,
 * moved along the change of the parameters where derivatives were taken there. Returns SMM_OK,
 * SMM_EINVAL, SMM_ENONFINITE. */
int smm_glmm_set_target(smm_glmm *glmm, const double *target);

/* Conditional modes that are known, those of the estimates of a fit: u (q) term by term, beta (p).
 * Evaluations start from them too. Returns SMM_OK, SMM_EINVAL, SMM_ENONFINITE. */
int smm_glmm_set_modes(smm_glmm *glmm, const double *u, const double *beta);

/* Forgets all modes found so far and those known: the next evaluation is that of a new model.
 * Returns SMM_OK, SMM_EINVAL. */
int smm_glmm_forget_modes(smm_glmm *glmm);

/* Whether several conditional modes are looked for, and whether any evaluation since the model was
 * made, or forgot its modes, found them. */
int smm_glmm_several_possible(const smm_glmm *glmm);
int smm_glmm_met_several(const smm_glmm *glmm);

/* Whether in any evaluation since then nodes of quadrature that matter were outside the range of
 * means: the objective jumps where one comes in. */
int smm_glmm_met_edge(const smm_glmm *glmm);

/* -2 log-likelihood, all constants included; its gradient and an approximate Hessian at
 * the parameters of the last smm_glmm_value.
 * Each returns SMM_OK, SMM_EINVAL, SMM_ENONFINITE; the value SMM_ENOTPD when PIRLS does not
 * settle, the gradient and the Hessian SMM_ESTATE and SMM_ENOTPD. */
int smm_glmm_value(smm_glmm *glmm, const double *parameters, double *value);
int smm_glmm_gradient(smm_glmm *glmm, double *gradient);
int smm_glmm_curvature(smm_glmm *glmm, double *hessian);

/* Minimize from parameters (in: start, out: end) as smm_newton and smm_nlopt_minimize do, which
 * say what is returned. */
int smm_glmm_newton(smm_glmm *glmm, const smm_options *options, double *parameters,
                    smm_report *report);
int smm_glmm_end(smm_glmm *glmm, const smm_options *options, double *parameters,
                 smm_report *report);
int smm_glmm_nlopt(smm_glmm *glmm, const smm_nlopt *nlopt, int algorithm,
                   const smm_options *options, double *parameters, smm_report *report);

/* After smm_glmm_gradient; any output may be NULL. beta (p); u, b (q); eta (n);
 * xvx_inverse (p x p): (X'V^-1 X)^-1 with the expected weights at the modes; condvar as
 * smm_condvar, where smm_glmm_set_sides was called with the observed weights; scalars (7):
 * log-likelihood given u, |u|^2, log|Omega|, phi, PIRLS steps since creation, log-likelihood of
 * the saturated model, whether several modes were found.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE, SMM_ENOTPD, SMM_ENONFINITE. */
int smm_glmm_solution(smm_glmm *glmm, double *beta, double *u, double *b, double *eta,
                      double *xvx_inverse, double *condvar, double *scalars);

/* Leverages (n) after smm_glmm_gradient: the diagonal of d(fitted)/dy of the weighted least
 * squares problem that PIRLS ends with, with the expected weights.
 * Returns SMM_OK, SMM_EINVAL, SMM_ESTATE, SMM_ENOTPD, SMM_ENONFINITE. */
int smm_glmm_leverage(smm_glmm *glmm, double *out);

/* smm_level_covariances and smm_mode_slopes with the expected weights at the modes and sigma = 1,
 * after smm_glmm_gradient. Each returns SMM_OK, SMM_EINVAL, SMM_ESTATE, SMM_ENOTPD,
 * SMM_ENONFINITE. */
int smm_glmm_level_covariances(smm_glmm *glmm, int64_t m, const int32_t *levels, double *out);
int smm_glmm_mode_slopes(smm_glmm *glmm, double *out);

/* cdef-end */

#ifdef __cplusplus
}
#endif
#endif
