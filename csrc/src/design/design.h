/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The structure of a model, and what it is found with.
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
#ifndef SMM_DESIGN_H
#define SMM_DESIGN_H

#include "base/base.h"

/* Multiplications of a factorization from which on it pays to save some: to look for another order
 * takes as long as some 1e8 of them. The tests do so for all. */
#ifndef SMM_MUCH_WORK
#define SMM_MUCH_WORK 3e8
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
    /* Of a large tail (tail_columns.c; otherwise NULL): the head columns that meet each tail
     * column, and its position among their tail rows. */
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

/* Whether an element of theta is on the diagonal of its T. */
static inline int smm_on_diagonal(const smm_design *d, int32_t i)
{
    return d->theta_row[i] == d->theta_col[i];
}

static inline int32_t smm_width(const smm_design *d) { return d->p + 1; }

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

/* analyse.c */
int smm_analyse(smm_design *d);

/* prior.c */
int smm_check_prior(const smm_lower *prior, int32_t levels);
void smm_multiply_prior(const smm_design *d, int32_t t, const double *in, double *out, int32_t m,
                        int32_t lo, int32_t hi);
const double *smm_apply_prior(const smm_design *d, const double *u, double *out);

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

/* tail_columns.c */
int smm_list_tail_columns(smm_design *d);

/* Doubles of scratch that a dense block of the head needs, whose rows are taken by strips; see
 * block.c. */
#define SMM_STRIP 192
static inline int64_t smm_block_scratch(int64_t cols, int64_t rows)
{
    return rows * (cols + (rows < SMM_STRIP ? rows : SMM_STRIP));
}

#endif
