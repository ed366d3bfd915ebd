/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Struct bodies and the few helpers that every file shares.
 *
 * Nodes. A node is one level of one term; it owns cols(term) consecutive scalars.
 * Nodes are numbered in elimination order. Nodes below `nhead` form the head, whose
 * columns of L are stored compressed; the rest form the tail, one dense matrix.
 *
 * Head column panels. Column node j has a column-major panel of leading dimension
 * height[j]: its k x k diagonal block on top, below it one block for every node in
 * row[rowptr[j] .. rowptr[j+1]), at panel row rowoff[...]. Tail rows come last. The panels of a
 * dense block are the columns of a lower trapezoid, which is stored as a rectangle (block.c).
 *
 * L and the selected inverse share this layout: head panels first, the column-major
 * tail matrix (qt x qt, lower triangle) at offset tail_at.
 */
#ifndef SMM_INTERNAL_H
#define SMM_INTERNAL_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "smm.h"

/* Small blocks are done by loops, larger ones by BLAS: a call costs about 0.2 us. */
#define SMM_SMALL 24

/* Levels of at least this many columns are compared, to compute once what is alike. */
#define SMM_TWINS 8

/* Multiplications of a factorization from which on it pays to save some: to look for another order
 * takes as long as some 1e8 of them. The tests do so for all. */
#ifndef SMM_MUCH_WORK
#define SMM_MUCH_WORK 3e8
#endif

/* Doubles of workspace per row that dsyev may use. */
#define SMM_EIGEN_WORK 34

#define LOG_2PI 1.8378770664093454836
#define LOG_ROOT_2PI (0.5 * LOG_2PI)

#if defined(__GNUC__)
#define SMM_RESTRICT __restrict__
#define SMM_PREFETCH(at) __builtin_prefetch(at)
#else
#define SMM_RESTRICT
#define SMM_PREFETCH(at) ((void)(at))
#endif

/* Hot loops are compiled for several instruction sets and picked at load time. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(SMM_NO_CLONES)
#define SMM_HOT __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SMM_HOT
#endif

/* Under the address sanitizer the parts of an arena are kept apart by bytes that nobody may
 * touch; otherwise a write beyond one part would go unnoticed into the next. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SMM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SMM_ADDRESS_SANITIZER
#endif
#ifdef SMM_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define SMM_RED_ZONE 64
#define smm_forbid(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#else
#define SMM_RED_ZONE 0
#define smm_forbid(at, bytes) ((void)0)
#endif

/* A run of head nodes with one common set of rows, all in the tail: one BLAS call
 * updates the tail for all of them. */
typedef struct {
    int32_t first, last; /* nodes [first, last) */
    int32_t cols;        /* scalars in all */
    int32_t contiguous;  /* whether the tail rows are a contiguous range */
    int32_t block;       /* whether they are a dense block instead, whose rows are anywhere */
} smm_group;

struct smm_design {
    smm_blas blas;
    smm_allocator mem;
    int64_t n, q;
    int32_t p, nterms, ntheta;

    int32_t *levels, *cols; /* (nterms) */
    const int32_t **refs;   /* (nterms) borrowed */
    const double **z;       /* (nterms) borrowed */
    const double *X;        /* borrowed */
    int32_t **node_of;      /* (nterms)(levels): node of each level */
    int64_t *term_at;       /* (nterms + 1): first scalar of each term in output order */
    int32_t *theta_term, *theta_row, *theta_col; /* (ntheta) */
    int32_t *theta_at;                           /* (nterms + 1): first theta of each term */
    int32_t maxcols;
    int32_t *predictor; /* (nterms) that of each term, 0 or 1; see smm_weights_of */
    int32_t predictors; /* 1, or 2 where a term has the second */

    int32_t nodes, nhead, qh, qt;
    int32_t *node_cols, *node_term, *node_level; /* (nodes) */
    int64_t *node_at;                            /* (nodes + 1): first scalar */

    int64_t *rowptr;    /* (nhead + 1) */
    int32_t *row;       /* row nodes of each head column, ascending */
    int32_t *rowoff;    /* panel row where each row block starts */
    int64_t *valptr;    /* (nhead + 1): start of each panel */
    int32_t *height;    /* (nhead): leading dimension of each panel */
    int32_t *ntailrows; /* (nhead): scalar rows in the tail, at the bottom of the panel */
    int64_t *tptr;      /* (nhead + 1) */
    int32_t *tidx;      /* scalar tail row of each of them */
    /* Of a large tail (tail.c; otherwise NULL): the head columns that meet each tail column, and
     * its position among their tail rows. */
    int64_t *tail_ptr;             /* (qt + 2), the last unused */
    int32_t *tail_head, *tail_pos; /* (tail_ptr[qt]) */
    int64_t tail_at, nval;
    int64_t max_panel; /* doubles in the largest panel */
    int32_t ngroups;
    smm_group *groups;     /* every head node is in exactly one group */
    int64_t group_scratch; /* doubles needed by the largest group's temporary */

    /* Blocks of A = Z'WZ on and below the diagonal: block b < nodes is the diagonal
     * block of node b, the others couple a row node and a column node. Values are
     * column-major, k_row x k_col. */
    int64_t nblocks;
    int32_t *block_row, *block_col;
    int64_t *block_at;   /* (nblocks + 1): offset of the values of A */
    int64_t *block_in_l; /* offset in L of the block's first element */
    /* Priors u ~ N(0, Q^-1 (x) I) other than Q = I, see prior.c. The elements of Q off the
     * diagonal have blocks of their own, the last ones, where A is zero. */
    int has_prior;
    const smm_lower **prior; /* (nterms) the caller's while the design is made */
    double *prior_logdet;    /* (nterms) log|Q|, NaN where it is not known */
    double *node_prior;      /* (nodes) diagonal element of Q */
    int64_t first_prior;     /* the first of these blocks */
    double work;             /* see smm_order_cost; 0 where levels are independent */
    double *block_prior;     /* (nblocks - first_prior) */

    int32_t npairs;
    int32_t *pair; /* row-major (n x npairs): coupling block of terms s < t at a row */
};

typedef struct smm_precise smm_precise;

/* log|Omega| and its slope, NaN where it is not known, at x = log theta^2; see determinant.c. */
typedef struct {
    double x, value, slope;
} smm_determinant;

struct smm_workspace {
    const smm_design *design;
    void *arena;
    /* what was last done: each step needs the one before */
    enum { SMM_EMPTY, SMM_HAS_A, SMM_HAS_VALUE, SMM_HAS_GRADIENT } state;
    int reml;
    double sigma;         /* 0: profiled */
    int64_t rows;         /* those of positive weight, which count */
    double *y, *weights;  /* (n) copies of what the cross-products are of; */
    int weighted;         /* 0: weights are ones and not kept */
    smm_precise *precise; /* NULL until it is needed; see precise.c */
    int always_precise;   /* whether values come from there even if doubles do */
    int exact;            /* whether the last value came from there */

    double *A;           /* blocks of Z'WZ */
    int32_t *twin;       /* (nodes) an earlier node with the same A and no couplings, or -1 */
    int32_t *alike;      /* (nodes) how many nodes a node without a twin is computed for */
    double *ZXy;         /* row-major (q x m), m = p + 1, elimination order: Z'W[X y] */
    double *XXy;         /* column-major (m x m): [X y]'W[X y] */
    double *zrms;        /* (total cols) root mean square of each column of Z times prior_sd */
    double *T;           /* the factors, column-major, term after term */
    int32_t *T_at;       /* (nterms + 1) */
    double *theta;       /* (ntheta) */
    double *L, *inverse; /* head panels and tail; see above */
    int inverted;        /* whether the inverse is of L */
    smm_determinant *determinants; /* (SMM_DETERMINANTS) ndeterminants of them */
    int32_t ndeterminants;
    double *B;         /* row-major (q x m): L^-1 Lambda'Z'W[X y] */
    double *R;         /* column-major (m x m): lower Cholesky factor of [X y]'V^-1[X y] */
    double *Minv;      /* column-major (p x p): (X'V^-1 X)^-1 */
    double *beta;      /* (p) */
    double *u, *b, *e; /* (q) elimination order: u, Lambda u, e_Z = Z'W residual */
    double *C, *H;     /* row-major (q x p): Omega^-1 Lambda'Z'WX and Z'V^-1 X */
    double *GT;        /* per term k x k column-major: Gamma_t T_t */
    double *W, *AW;    /* row-major (q x ntheta): see curvature */
    double *vtheta;    /* (ntheta) scratch of smm_curvature */
    double *mtheta;    /* (2 ntheta^2 + 2 m ntheta) likewise */
    double *scale;     /* (ntheta) see smm_theta_scale */
    double *run_vectors, *run_pairs, *run_matrices; /* scratch of the minimizers */
    double *group_tmp, *small_tmp;
    double *prior_sd;    /* (nterms): typical standard deviation under the prior */
    double logdet_prior; /* log|Q (x) I|, which logdet_omega is less of */
    double r2, logdet_omega, logdet_xvx, value;
};

/* malloc and free */
smm_allocator smm_standard_allocator(void);

static inline void *smm_alloc(const smm_allocator *mem, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    size_t bytes = count * size;
    return mem->alloc(mem->ctx, bytes ? bytes : 1);
}

static inline void smm_release(const smm_allocator *mem, void *block)
{
    if (block) mem->release(mem->ctx, block);
}

/* All n elements become NaN: an evaluation that failed leaves no stale numbers. */
static inline int smm_fail(int status, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = NAN;
    return status;
}

/* The logarithm of a product of many positive factors, few of them taken by themselves: the
 * product is exp(log) times rest, and rest stays far from overflow and underflow. */
typedef struct {
    double log, rest;
} smm_log_product;

static inline void smm_multiply(smm_log_product *product, double factor)
{
    product->rest *= factor;
    if (product->rest > 1e100 || product->rest < 1e-100) {
        product->log += log(product->rest);
        product->rest = 1;
    }
}

static inline int32_t smm_width(const smm_design *d) { return d->p + 1; }

static inline double smm_dof(const smm_workspace *ws)
{
    return (double)(ws->reml ? ws->rows - ws->design->p : ws->rows);
}

/* N / r2, or 1 / sigma^2 when sigma is fixed: the weight of r2 in all derivatives. */
static inline double smm_precision(const smm_workspace *ws)
{
    return ws->sigma > 0 ? 1.0 / (ws->sigma * ws->sigma) : smm_dof(ws) / ws->r2;
}

/* Numbers by row come in parts of n. What rows say of their predictors has one part for each of
 * these; weights have one for each pair of predictors: W_00, W_01 and W_11. These are the weights
 * of terms s and t; NULL are ones. */
static inline const double *smm_weights_of(const smm_design *d, const double *weights, int32_t s,
                                           int32_t t)
{
    return weights ? weights + d->n * (d->predictor[s] + d->predictor[t]) : NULL;
}

/* Doubles of what rows say of their predictors, and of weights. */
static inline int64_t smm_parts(const smm_design *d) { return d->n * d->predictors; }
static inline int64_t smm_weight_parts(const smm_design *d)
{
    return d->n * (2 * d->predictors - 1);
}

/* Where row a stands in ascending rows[at..n), which have it: by steps that double, then by
 * bisection. */
static inline int32_t smm_seek(const int32_t *rows, int32_t at, int32_t n, int32_t a)
{
    int32_t step = 1, last;
    if (rows[at] == a) return at;
    for (; at + step < n && rows[at + step] < a; step *= 2) at += step;
    last = at + step < n ? at + step : n - 1;
    while (at < last) {
        int32_t middle = at + (last - at) / 2;
        if (rows[middle] < a) at = middle + 1;
        else last = middle;
    }
    return at;
}

/* Leading dimension of the column that holds a block. */
static inline int32_t smm_ld(const smm_design *d, int32_t col)
{
    return col < d->nhead ? d->height[col] : d->qt;
}

/* joint.c: where block (i, j) of L and of its inverse is, for nodes i >= j; -1 outside of the
 * pattern of L. */
int64_t smm_stored_block(const smm_design *d, int32_t i, int32_t j);

/* workspace.c: the memory that a workspace takes. */
int64_t smm_workspace_bytes(const smm_design *d);

/* analyse.c */
int smm_analyse(smm_design *d);

/* prior.c */
int smm_check_prior(const smm_lower *prior, int32_t levels);
void smm_multiply_prior(const smm_design *d, int32_t t, const double *in, double *out, int32_t m,
                        int32_t lo, int32_t hi);
const double *smm_apply_prior(const smm_design *d, const double *u, double *out);
/* log|Q (x) I| of all terms and typical standard deviations, |Q|^(-1/2l) for l levels: those that
 * are known, or by the factorization of Omega where T is zero. */
int smm_find_prior(smm_workspace *ws);
/* Of each term the largest variance of a level over a typical one, after smm_find_prior. */
int smm_prior_spread(smm_workspace *ws, double *out);

/* dense.c */
int smm_potrf(const smm_blas *blas, int32_t n, double *a, int32_t lda);
int smm_potri(const smm_blas *blas, int32_t n, double *a, int32_t lda);
void smm_solve_rows(const smm_blas *blas, int32_t n, const double *l, int32_t ldl, int64_t m,
                    double *b, int transpose);
void smm_gram(const smm_blas *blas, int64_t rows, int32_t m, const double *b, double alpha,
              double beta, double *c);
void smm_invert_lower(int32_t k, const double *l, int32_t ldl, double *inv);

/* order.c: eliminate the nodes of the first term but hubs, then the rest by minimum degree while
 * their columns stay sparse, part by part where `part` (nodes) is not NULL. */
typedef struct {
    int32_t nhead;   /* nodes in the head */
    int32_t *order;  /* (nodes) original node at each position */
    int64_t *rowptr; /* (nhead + 1) */
    int32_t *row;    /* positions, ascending, of the rows of each head column */
    int32_t nblocks;
    int32_t *block; /* (2 nblocks) each dense block's first head column, and where it ends */
} smm_order;
int smm_order_nodes(const smm_allocator *mem, int32_t nodes, int32_t lead, const int32_t *weight,
                    int64_t nedges, const int32_t *edge_a, const int32_t *edge_b,
                    const int32_t *part, int32_t parts, smm_order *out);
/* Multiplications of the factorization of nodes of weight 1, those outside of dense blocks and the
 * tail counted as often as they take longer. */
double smm_order_cost(const smm_order *order, int32_t nodes);
void smm_order_free(const smm_allocator *mem, smm_order *order);

/* dissect.c: the part of each node of a graph, whose neighbours are adj[at[i] .. at[i + 1]).
 * Separators are parts too and have larger numbers than the parts that they separate. Parts of
 * fewer nodes than the least are not cut; the tests cut small graphs too. */
#ifndef SMM_LEAST_PART
#define SMM_LEAST_PART 1000
#endif
int smm_dissect(const smm_allocator *mem, int32_t nodes, const int64_t *at, const int32_t *adj,
                int32_t *part, int32_t *parts);

/* lambda.c */
void smm_set_theta(smm_workspace *ws, const double *theta);
void smm_fill_omega(smm_workspace *ws);
void smm_apply_lambda_t(const smm_workspace *ws, const double *in, double *out, int32_t m);
void smm_apply_lambda(const smm_workspace *ws, const double *in, double *out, int32_t m);
int smm_is_large(const smm_workspace *ws, int32_t t, int32_t r);
/* The rows of term t of `out`, those where T is large or all: Lambda'^-1 in; row-major with m
 * columns; in and out may be the same. The diagonal of T_t has no zero in these rows. */
void smm_divide_lambda_t(const smm_workspace *ws, int32_t t, int large, const double *in,
                         double *out, int32_t m);
/* out = A in for row-major (q x m). With `range` (nterms + 1), rows of term t are known to
 * be zero outside columns [range[t], range[t + 1]). */
void smm_multiply_a(const smm_workspace *ws, const double *in, double *out, int32_t m,
                    const int32_t *range);

/* out (n) += Z_t b_t: b has the levels of term t one after the other, or with their nodes all
 * terms in elimination order. */
void smm_add_effects(const smm_design *d, int32_t t, const double *b, const int32_t *node_of,
                     double *out);

/* precise.c: L, B, R, their determinants and r2 in twice the precision, then rounded. */
int smm_precise_factor(smm_workspace *ws);
double *smm_precise_scratch(smm_workspace *ws);
void smm_precise_forget(smm_workspace *ws); /* the cross-products are others */
void smm_precise_destroy(smm_workspace *ws);

/* chol.c, selinv.c */
int smm_factor(smm_workspace *ws);
void smm_forward(smm_workspace *ws, double *b, int32_t m);
void smm_backward(smm_workspace *ws, double *b, int32_t m);
int smm_selected_inverse(smm_workspace *ws);
int smm_need_inverse(smm_workspace *ws); /* the same, unless it is there */

/* determinant.c: derivatives of a model with one parameter whose selected inverse is much work.
 * The gradient of a minimizer that judges its steps by values as well: that of log|Omega| is
 * interpolated between values, where that is certain enough. The selected inverse may be missing
 * afterwards. */
#define SMM_DETERMINANTS 8
int smm_follows_determinant(const smm_design *d);
int smm_differentiate_by_determinants(smm_workspace *ws);
void smm_forget_determinants(smm_workspace *ws); /* Z'WZ is another */
int smm_quick_gradient(smm_workspace *ws, double *gradient);

/* block.c */
int64_t smm_block_scratch(int64_t cols, int64_t rows); /* doubles of group_tmp */
int smm_factor_block(smm_workspace *ws, const smm_group *g);
int smm_invert_block(smm_workspace *ws, const smm_group *g);

/* tail.c: what the columns of groups without a common call do with a large tail. In the inverse,
 * -(Omega^-1)_tail,tail P_j is left in the tail rows of each panel. */
int smm_list_tail_columns(smm_design *d);
void smm_scatter_tails(smm_workspace *ws);
void smm_multiply_tails(smm_workspace *ws);

/* How far a model is solved at its parameters. */
typedef enum { SMM_UNSOLVED = 0, SMM_SOLVED_VALUE = 1, SMM_SOLVED_GRADIENT = 2 } smm_solved;

/* minimize.c: a problem to minimize, and what every minimizer shares. Of its parameters
 * the first ntheta(design) are theta. */
typedef struct {
    const smm_design *design;
    int32_t n;
    void *ctx;
    int (*value)(void *ctx, const double *parameters, double *value);
    int (*gradient)(void *ctx, double *gradient); /* where value was last called */
    int (*curvature)(void *ctx, double *hessian); /* where gradient was last called */
    const double *scale; /* (n): x = parameters / scale has unit-size elements */
    double *vectors;     /* SMM_RUN_VECTORS(n) doubles */
    double *matrices;    /* SMM_RUN_MATRICES(n) doubles */
    int memory;          /* steps to correct the curvature with; 0: it is good by itself */
    int trusted;         /* steps before that: regular problems end before */
    double left;         /* share of a diagonal of the curvature that has digits when the other
                          * parameters have taken theirs */
    double *pairs;       /* (2 memory n): steps and changes of the gradient */
    const double *least; /* of the last parameter, below which the objective may fall for ever */
} smm_problem;

#define SMM_MEMORY 10
/* The average information is far from the Hessian when the mean is badly wrong: where it has not
 * done after this many steps, changes of the gradient correct it. */
#define SMM_TRUSTED_STEPS 15
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
int smm_run_model(smm_run *run, const double *g);
int smm_run_eigen(smm_run *run);
void smm_run_remember(smm_run *run, const double *step, const double *change);
void smm_run_keep_off_zero(const smm_run *run, double *x);
int smm_run_describe(smm_run *run);
int smm_run_finish(smm_run *run, double *parameters);
int smm_run_end(const smm_problem *problem, const smm_options *options, double *parameters,
                smm_report *report);
int smm_run_newton(const smm_problem *problem, const smm_options *options, double *parameters,
                   smm_report *report);
int smm_run_nlopt(const smm_problem *problem, const smm_nlopt *nlopt, int algorithm,
                  const smm_options *options, double *parameters, smm_report *report);

/* crossprod.c, pls.c, postfit.c: pieces the generalized model shares */
void smm_form_zz(smm_workspace *ws, const double *weights);
void smm_form_zx(smm_workspace *ws, const double *y, const double *weights, int32_t first);
void smm_form_xx(smm_workspace *ws, const double *y, const double *weights);
void smm_add_zz(const smm_workspace *ws, const double *weights, double *A);
void smm_add_zx(const smm_workspace *ws, const double *y, const double *weights, int32_t first,
                double *ZXy);
void smm_add_xx(const smm_workspace *ws, const double *y, const double *weights, double *XXy);
void smm_find_twins(smm_workspace *ws);
void smm_column_scale(smm_workspace *ws);
int smm_factor_x(smm_workspace *ws);
int smm_evaluate(smm_workspace *ws, double *value);
int smm_differentiate(smm_workspace *ws); /* GT_t = Gamma_t T_t of all terms, full */
/* The parts of that: b, u and e, then GT = (A Lambda Omega^-1)_jj summed over levels, from which
 * is subtracted what the residuals and, by REML, the fixed effects take. */
void smm_solve_linear_modes(smm_workspace *ws);
int smm_find_trace(smm_workspace *ws);
void smm_subtract_residuals(smm_workspace *ws);
void smm_invert_xvx(smm_workspace *ws);
void smm_accumulate_trace(smm_workspace *ws);
void smm_cross(int64_t rows, int32_t a, const double *P, int32_t b, int32_t ldq, const double *Q,
               double *SMM_RESTRICT out);
int smm_information(smm_workspace *ws, double precision, int profiled, int projected, double *H,
                    double *HW);
void smm_row_variances(const smm_workspace *ws, double *out);
double smm_inverse_at(const smm_workspace *ws, int64_t block, int32_t r, int32_t c);

#endif
