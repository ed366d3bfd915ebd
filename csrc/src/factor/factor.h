/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The workspace of an evaluation, and what is done there with Omega = Lambda'A Lambda + Q.
 */
#ifndef SMM_FACTOR_H
#define SMM_FACTOR_H

#include "design/design.h"

typedef struct smm_precise smm_precise;
typedef struct smm_by_rows smm_by_rows;

/* log|Omega| at x = log theta^2, and its slope there, NaN where it is not known, or else the third
 * moment too; see determinant.c. */
typedef struct {
    double x, value, slope, moment;
} smm_determinant;

struct smm_workspace {
    const smm_design *design;
    void *arena;
    /* what was last done: each step needs the one before */
    enum { SMM_EMPTY, SMM_HAS_A, SMM_HAS_VALUE, SMM_HAS_GRADIENT } state;
    int reml;
    double sigma;              /* 0: profiled */
    int64_t rows;              /* those of positive weight, which count */
    const double *y, *weights; /* (n) what the cross-products are of, lent; NULL: ones */
    smm_precise *precise;      /* NULL until it is needed; see precise.c */
    smm_by_rows *by_rows;      /* NULL until it is needed; see gradient_by_rows.c */
    int always_precise;        /* whether values come from there even if doubles do */
    int exact;                 /* whether the last value came from there */

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
    double *signs;     /* row-major (2 q x SMM_SIGNS), where they are taken */
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
    int32_t *waiting, *waits_next, *waits_at; /* (nhead) see left_looking.c */
    double *spread;                           /* (nodes) likewise */
    double *prior_sd;    /* (nterms): typical standard deviation under the prior */
    double logdet_prior; /* log|Q (x) I|, which logdet_omega is less of */
    double r2, logdet_omega, logdet_xvx, value;
};

static inline double smm_dof(const smm_workspace *ws)
{
    return (double)(ws->reml ? ws->rows - ws->design->p : ws->rows);
}

/* N / r2, or 1 / sigma^2 when sigma is fixed: the weight of r2 in all derivatives. */
static inline double smm_precision(const smm_workspace *ws)
{
    return ws->sigma > 0 ? 1.0 / (ws->sigma * ws->sigma) : smm_dof(ws) / ws->r2;
}

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
/* Element (r, c) of the selected inverse within the block of two nodes of one pair. */
double smm_inverse_at(const smm_workspace *ws, int64_t block, int32_t r, int32_t c);

/* typical_variances.c: log|Q (x) I| of all terms and typical standard deviations, |Q|^(-1/2l) for
 * l levels: those that are known, or by the factorization of Omega where T is zero. */
int smm_find_prior(smm_workspace *ws);
/* Of each term the largest variance of a level over a typical one, after smm_find_prior. */
int smm_prior_spread(smm_workspace *ws, double *out);

/* left_looking.c: head columns of terms with one column each, blocks and groups with a common call
 * apart, meet the head columns among their rows. */
static inline int smm_has_lists(const smm_design *d)
{
    return d->maxcols == 1 && d->rowptr[d->nhead] > d->tptr[d->nhead];
}
void smm_empty_lists(smm_workspace *ws);
void smm_await_first(smm_workspace *ws, int32_t j); /* column j is that of the factor */
/* Column b of L is less what the columns that wait for it take. */
void smm_update_column(smm_workspace *ws, int32_t b);
/* Each column waits for its last row in the head; its product is zero. */
void smm_await_last(smm_workspace *ws);
/* Column b of the inverse is done: its share of -(Omega^-1)_RR P_j is added to the panels of the
 * columns j that wait for it. */
void smm_multiply_column(smm_workspace *ws, int32_t b);

/* block.c */
int smm_factor_block(smm_workspace *ws, const smm_group *g);
int smm_invert_block(smm_workspace *ws, const smm_group *g);

/* tail.c: what the columns of groups without a common call do with a large tail. In the inverse,
 * -(Omega^-1)_tail,tail P_j is left in the tail rows of each panel. */
void smm_scatter_tails(smm_workspace *ws);
void smm_multiply_tails(smm_workspace *ws);

#endif
