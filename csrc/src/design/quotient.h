/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The quotient graph (Amestoy, Davis and Duff 1996): an eliminated node is an *element*, the clique
 * of those of its neighbours that are left.
 */
#ifndef SMM_QUOTIENT_H
#define SMM_QUOTIENT_H

#include "design/design.h"

/* Sparse updates run about five times slower per column than a dense factorization
 * once a column reaches this share of the remaining matrix. */
#define SMM_DENSE_SHARE 5

/* Rows of columns, one column after the other. */
typedef struct {
    const smm_allocator *mem;
    int64_t size, capacity;
    int32_t *data;
} smm_rows;

/* The quotient graph of the nodes after the leading ones. */
typedef struct {
    int32_t nodes;
    int64_t *elem_at, *adj_at; /* (nodes + 1) list starts, with room to add an element */
    int32_t *elem, *adj;       /* elements and plain neighbours of each node */
    int32_t *nelem, *nadj;     /* list lengths */
    int32_t *elem_weight;      /* per element: weight of its nodes; while it lives none
                                       is eliminated, for that would absorb it */
    int32_t *weight_left;      /* per element: weight outside the current front */
    int32_t *stamp;            /* per element: front in which weight_left is valid */
    int32_t *mark;             /* per node: front it was last seen in */
    int32_t *degree, *next, *prev, *bucket;
    int32_t least;       /* no degree is below */
    uint8_t *dead;       /* per node: eliminated */
    const int32_t *part; /* per node: its part, NULL where there is one */
    int32_t now;         /* the part whose nodes are in buckets */
} smm_quotient;

/* `element` is the number of each node that is an element from the beginning, or -1; `total` is the
 * weight of all others. smm_quotient_free releases what was allocated, also after a
 * failure. */
int smm_quotient_create(const smm_allocator *mem, smm_quotient *g, int32_t nodes,
                        const int32_t *element, const int32_t *weight, int64_t total,
                        int64_t nedges, const int32_t *edge_a, const int32_t *edge_b);
void smm_quotient_free(const smm_allocator *mem, smm_quotient *g);

/* Eliminate nodes[0..n), which are part g->now, while their columns stay sparse, then the rest as a
 * dense block; the rest of the last part is left. Columns are appended to `out` and their rows, in
 * original numbers, to `rows`. */
int smm_eliminate_part(smm_quotient *g, const int32_t *nodes, int32_t n, int last,
                       const int32_t *weight, smm_order *out, smm_rows *rows);

#endif
