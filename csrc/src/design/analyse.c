/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Structure of a model: which levels occur together, in which order the nodes are
 * eliminated, where every block of A and of L lives.
 */
#include "design/design.h"

/* The pairs of levels that occur together, each once, and for every row and pair of
 * terms which one it is. Edges name nodes in their original numbering (term by term). */
typedef struct {
    int64_t size, capacity;
    int32_t *a, *b;
} edge_list;

static int edge_push(const smm_allocator *mem, edge_list *e, int32_t a, int32_t b)
{
    if (e->size == e->capacity) {
        int64_t capacity = e->capacity ? 2 * e->capacity : 256;
        int32_t *na = smm_alloc(mem, (size_t)capacity, sizeof(int32_t));
        int32_t *nb = smm_alloc(mem, (size_t)capacity, sizeof(int32_t));
        if (!na || !nb) {
            smm_release(mem, na);
            smm_release(mem, nb);
            return SMM_ENOMEM;
        }
        if (e->size) {
            memcpy(na, e->a, sizeof(int32_t) * (size_t)e->size);
            memcpy(nb, e->b, sizeof(int32_t) * (size_t)e->size);
        }
        smm_release(mem, e->a);
        smm_release(mem, e->b);
        e->a = na;
        e->b = nb;
        e->capacity = capacity;
    }
    e->a[e->size] = a;
    e->b[e->size++] = b;
    return SMM_OK;
}

static int find_pairs(smm_design *d, const int32_t *first_node, edge_list *edges)
{
    const smm_allocator *mem = &d->mem;
    int status = SMM_ENOMEM;
    int32_t maxlevels = 1;
    int64_t n = d->n;
    d->npairs = d->nterms * (d->nterms - 1) / 2;
    if (d->npairs == 0) return SMM_OK;
    for (int32_t t = 0; t < d->nterms; t++)
        if (d->levels[t] > maxlevels) maxlevels = d->levels[t];
    int64_t *at = smm_alloc(mem, (size_t)maxlevels + 1, sizeof(int64_t));
    int64_t *rows = smm_alloc(mem, (size_t)n, sizeof(int64_t));
    int32_t *seen = smm_alloc(mem, (size_t)maxlevels, sizeof(int32_t));
    int32_t *which = smm_alloc(mem, (size_t)maxlevels, sizeof(int32_t));
    int32_t *beside = smm_alloc(mem, (size_t)n, sizeof(int32_t));
    d->pair = smm_alloc(mem, (size_t)n * (size_t)d->npairs, sizeof(int32_t));
    if (!at || !rows || !seen || !which || !beside || !d->pair) goto done;
    int32_t pair = 0;
    for (int32_t s = 0; s + 1 < d->nterms; s++) {
        /* rows by level of s, in one counting sort, with their levels of the next term: what is
         * scattered in memory is read once */
        const int32_t *rs = d->refs[s], *next = d->refs[s + 1];
        memset(at, 0, sizeof(int64_t) * ((size_t)d->levels[s] + 1));
        for (int64_t i = 0; i < n; i++) at[rs[i] + 1]++;
        for (int32_t a = 0; a < d->levels[s]; a++) at[a + 1] += at[a];
        for (int64_t i = 0; i < n; i++) {
            int64_t k = at[rs[i]]++;
            rows[k] = i;
            beside[k] = next[i];
        }
        for (int32_t t = s + 1; t < d->nterms; t++, pair++) {
            for (int64_t k = 0; t > s + 1 && k < n; k++) beside[k] = d->refs[t][rows[k]];
            for (int32_t b = 0; b < d->levels[t]; b++) seen[b] = -1;
            int32_t a = 0; /* at[a] is where its rows end */
            for (int64_t k = 0; k < n; k++) {
                int64_t i = rows[k];
                int32_t b = beside[k];
                while (k >= at[a]) a++;
                if (seen[b] != a) {
                    seen[b] = a;
                    if (edges->size + d->nodes >= INT32_MAX) {
                        status = SMM_EOVERFLOW;
                        goto done;
                    }
                    which[b] = (int32_t)edges->size;
                    if (edge_push(mem, edges, first_node[s] + a, first_node[t] + b)) goto done;
                }
                d->pair[i * d->npairs + pair] = d->nodes + which[b];
            }
        }
    }
    status = SMM_OK;
done:
    smm_release(mem, at);
    smm_release(mem, rows);
    smm_release(mem, seen);
    smm_release(mem, which);
    smm_release(mem, beside);
    return status;
}

/* Levels of a term that its prior joins; their blocks follow those of all pairs. */
static int join_levels(smm_design *d, const int32_t *first_node, edge_list *edges)
{
    d->first_prior = d->nodes + edges->size;
    for (int32_t t = 0; t < d->nterms; t++) {
        const smm_lower *prior = d->prior[t];
        for (int32_t l = 0; prior && l < d->levels[t]; l++)
            for (int64_t a = prior->at[l] + 1; a < prior->at[l + 1]; a++) {
                if (edges->size + d->nodes >= INT32_MAX) return SMM_EOVERFLOW;
                int status =
                    edge_push(&d->mem, edges, first_node[t] + l, first_node[t] + prior->row[a]);
                if (status) return status;
            }
    }
    return SMM_OK;
}

/* The elements of the priors, copied. */
static int place_priors(smm_design *d)
{
    if (!d->has_prior) return SMM_OK;
    d->node_prior = smm_alloc(&d->mem, (size_t)d->nodes, sizeof(double));
    d->block_prior = smm_alloc(&d->mem, (size_t)(d->nblocks - d->first_prior), sizeof(double));
    if (!d->node_prior || !d->block_prior) return SMM_ENOMEM;
    double *block = d->block_prior;
    for (int32_t t = 0; t < d->nterms; t++) {
        const smm_lower *prior = d->prior[t];
        for (int32_t l = 0; l < d->levels[t]; l++) {
            d->node_prior[d->node_of[t][l]] = prior ? prior->value[prior->at[l]] : 1.0;
            for (int64_t a = prior ? prior->at[l] + 1 : 0; prior && a < prior->at[l + 1]; a++)
                *block++ = prior->value[a];
        }
    }
    return SMM_OK;
}

/* Nodes in elimination order. */
static int place_nodes(smm_design *d, const smm_order *order)
{
    const smm_allocator *mem = &d->mem;
    size_t nodes = (size_t)d->nodes;
    d->nhead = order->nhead;
    d->node_cols = smm_alloc(mem, nodes, sizeof(int32_t));
    d->node_term = smm_alloc(mem, nodes, sizeof(int32_t));
    d->node_level = smm_alloc(mem, nodes, sizeof(int32_t));
    d->node_at = smm_alloc(mem, nodes + 1, sizeof(int64_t));
    if (!d->node_cols || !d->node_term || !d->node_level || !d->node_at) return SMM_ENOMEM;
    for (int32_t t = 0; t < d->nterms; t++) {
        d->node_of[t] = smm_alloc(mem, (size_t)d->levels[t], sizeof(int32_t));
        if (!d->node_of[t]) return SMM_ENOMEM;
    }
    /* term and level of each original node, left in node_term and node_level for a moment */
    int32_t node = 0;
    int32_t *term = d->node_cols;
    for (int32_t t = 0; t < d->nterms; t++)
        for (int32_t l = 0; l < d->levels[t]; l++, node++) {
            term[node] = t;
            d->node_level[node] = l;
        }
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t o = order->order[j], t = term[o];
        d->node_term[j] = t;
        d->node_of[t][d->node_level[o]] = j;
    }
    d->node_at[0] = 0;
    for (int32_t j = 0; j < d->nodes; j++) {
        d->node_cols[j] = d->cols[d->node_term[j]];
        d->node_at[j + 1] = d->node_at[j] + d->node_cols[j];
    }
    for (int32_t t = 0; t < d->nterms; t++)
        for (int32_t l = 0; l < d->levels[t]; l++) d->node_level[d->node_of[t][l]] = l;
    d->qh = (int32_t)d->node_at[d->nhead];
    d->qt = (int32_t)(d->q - d->qh);
    return SMM_OK;
}

/* Panels of the head columns. */
static int place_panels(smm_design *d, const smm_order *order)
{
    const smm_allocator *mem = &d->mem;
    size_t head = (size_t)d->nhead;
    int64_t nnz = d->rowptr[d->nhead], value = 0, tails = 0;
    int32_t block = 0;
    d->rowoff = smm_alloc(mem, (size_t)nnz, sizeof(int32_t));
    d->valptr = smm_alloc(mem, head + 1, sizeof(int64_t));
    d->height = smm_alloc(mem, head, sizeof(int32_t));
    d->ntailrows = smm_alloc(mem, head, sizeof(int32_t));
    d->tptr = smm_alloc(mem, head + 1, sizeof(int64_t));
    if (!d->rowoff || !d->valptr || !d->height || !d->ntailrows || !d->tptr) return SMM_ENOMEM;
    for (int32_t j = 0; j < d->nhead; j++) {
        int32_t off = d->node_cols[j], tail = 0;
        for (int64_t r = d->rowptr[j]; r < d->rowptr[j + 1]; r++) {
            int32_t i = d->row[r], k = d->node_cols[i];
            d->rowoff[r] = off;
            off += k;
            if (i >= d->nhead) tail += k;
        }
        d->height[j] = off;
        d->ntailrows[j] = tail;
        d->valptr[j] = value;
        d->tptr[j] = tails;
        value += (int64_t)off * d->node_cols[j];
        while (block < order->nblocks && j >= order->block[2 * block + 1]) block++;
        /* a block's columns are above each other in a rectangle, its upper triangle unused */
        if (block < order->nblocks && j >= order->block[2 * block])
            value += j + 1 - order->block[2 * block];
        if ((int64_t)off * d->node_cols[j] > d->max_panel)
            d->max_panel = (int64_t)off * d->node_cols[j];
        tails += tail;
    }
    d->valptr[d->nhead] = d->tail_at = value;
    d->tptr[d->nhead] = tails;
    d->nval = value + (int64_t)d->qt * d->qt;
    d->tidx = smm_alloc(mem, (size_t)tails, sizeof(int32_t));
    if (!d->tidx) return SMM_ENOMEM;
    for (int32_t j = 0; j < d->nhead; j++) {
        int64_t at = d->tptr[j];
        for (int64_t r = d->rowptr[j]; r < d->rowptr[j + 1]; r++) {
            int32_t i = d->row[r];
            if (i < d->nhead) continue;
            for (int32_t c = 0; c < d->node_cols[i]; c++)
                d->tidx[at++] = (int32_t)(d->node_at[i] - d->qh) + c;
        }
    }
    return SMM_OK;
}

/* Runs of columns with the same rows, and dense blocks. A run of one is a group too. */
static int find_groups(smm_design *d, const smm_order *order)
{
    d->groups = smm_alloc(&d->mem, (size_t)d->nhead, sizeof(smm_group));
    if (!d->groups) return SMM_ENOMEM;
    d->ngroups = 0;
    d->group_scratch = 0;
    for (int32_t j = 0, block = 0; j < d->nhead;) {
        if (block < order->nblocks && j == order->block[2 * block]) {
            int32_t end = order->block[2 * block++ + 1];
            int64_t need = smm_block_scratch(end - j, d->height[end - 1] - 1);
            d->groups[d->ngroups++] = (smm_group){j, end, end - j, 0, 1};
            if (need > d->group_scratch) d->group_scratch = need;
            j = end;
            continue;
        }
        int32_t stop = block < order->nblocks ? order->block[2 * block] : d->nhead;
        int32_t rows = d->ntailrows[j], k = d->node_cols[j], last = j + 1;
        const int32_t *idx = d->tidx + d->tptr[j];
        int pure = d->height[j] == k + rows && rows > 0;
        while (pure && last < stop && d->node_cols[last] == k && d->ntailrows[last] == rows &&
               d->height[last] == d->height[j] &&
               memcmp(idx, d->tidx + d->tptr[last], sizeof(int32_t) * (size_t)rows) == 0)
            last++;
        smm_group *g = d->groups + d->ngroups++;
        g->block = 0;
        g->first = j;
        g->last = last;
        g->cols = (last - j) * k;
        g->contiguous = pure && idx[rows - 1] - idx[0] == rows - 1;
        /* one call pays when it does at least a few thousand multiply-adds at once */
        if (!pure || g->cols < 8 || (int64_t)rows * rows * g->cols < 20000) g->cols = 0;
        if (g->cols) {
            int64_t need = (int64_t)rows * (g->cols > rows ? g->cols : rows) * 2;
            if (need > d->group_scratch) d->group_scratch = need;
        }
        j = last;
    }
    return SMM_OK;
}

/* Where each block of A is stored, and where its first element falls in L. */
static int place_blocks(smm_design *d, const edge_list *edges, const smm_order *order)
{
    const smm_allocator *mem = &d->mem;
    d->nblocks = d->nodes + edges->size;
    size_t nb = (size_t)d->nblocks;
    d->block_row = smm_alloc(mem, nb, sizeof(int32_t));
    d->block_col = smm_alloc(mem, nb, sizeof(int32_t));
    d->block_at = smm_alloc(mem, nb + 1, sizeof(int64_t));
    d->block_in_l = smm_alloc(mem, nb, sizeof(int64_t));
    int32_t *position = smm_alloc(mem, (size_t)d->nodes, sizeof(int32_t));
    if (!d->block_row || !d->block_col || !d->block_at || !d->block_in_l || !position) {
        smm_release(mem, position);
        return SMM_ENOMEM;
    }
    for (int32_t j = 0; j < d->nodes; j++) position[order->order[j]] = j;
    int64_t at = 0;
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t row, col;
        if (b < d->nodes) row = col = (int32_t)b;
        else {
            int32_t i = position[edges->a[b - d->nodes]], j = position[edges->b[b - d->nodes]];
            row = i > j ? i : j;
            col = i > j ? j : i;
        }
        d->block_row[b] = row;
        d->block_col[b] = col;
        d->block_at[b] = at;
        at += (int64_t)d->node_cols[row] * d->node_cols[col];
        if (col >= d->nhead) {
            int64_t r = d->node_at[row] - d->qh, c = d->node_at[col] - d->qh;
            d->block_in_l[b] = d->tail_at + r + c * d->qt;
        } else if (row == col) {
            d->block_in_l[b] = d->valptr[col];
        } else {
            int64_t lo = d->rowptr[col], hi = d->rowptr[col + 1];
            while (hi - lo > 1) {
                int64_t mid = (lo + hi) / 2;
                if (d->row[mid] <= row) lo = mid;
                else hi = mid;
            }
            d->block_in_l[b] = d->valptr[col] + d->rowoff[lo];
        }
    }
    d->block_at[d->nblocks] = at;
    smm_release(mem, position);
    return SMM_OK;
}

/* The neighbours of each node. */
static int list_neighbours(const smm_allocator *mem, int32_t nodes, const edge_list *edges,
                           int64_t **at, int32_t **adj)
{
    *at = smm_alloc(mem, (size_t)nodes + 2, sizeof(int64_t));
    *adj = smm_alloc(mem, 2 * (size_t)edges->size, sizeof(int32_t));
    if (!*at || !*adj) return SMM_ENOMEM;
    memset(*at, 0, sizeof(int64_t) * ((size_t)nodes + 2));
    for (int64_t e = 0; e < edges->size; e++) {
        (*at)[edges->a[e] + 2]++;
        (*at)[edges->b[e] + 2]++;
    }
    for (int32_t i = 0; i < nodes; i++) (*at)[i + 2] += (*at)[i + 1];
    for (int64_t e = 0; e < edges->size; e++) {
        (*adj)[(*at)[edges->a[e] + 1]++] = edges->b[e];
        (*adj)[(*at)[edges->b[e] + 1]++] = edges->a[e];
    }
    return SMM_OK;
}

/* By minimum degree; where levels are related and that fills much, by parts if these fill less. */
static int find_order(const smm_design *d, const int32_t *weight, const edge_list *edges,
                      smm_order *order)
{
    const smm_allocator *mem = &d->mem;
    /* the levels of the first term have no neighbours among themselves, unless its prior joins
     * them */
    int32_t lead = d->prior[0] ? 0 : d->levels[0], parts = 1;
    int status = smm_order_nodes(mem, d->nodes, lead, weight, edges->size, edges->a, edges->b,
                                 NULL, 1, order);
    if (status || lead > 0 || d->maxcols > 1 || smm_order_cost(order, d->nodes) < SMM_MUCH_WORK)
        return status;
    smm_order other;
    int64_t *at = NULL;
    int32_t *adj = NULL, *part = smm_alloc(mem, (size_t)d->nodes, sizeof(int32_t));
    memset(&other, 0, sizeof other);
    status = part ? list_neighbours(mem, d->nodes, edges, &at, &adj) : SMM_ENOMEM;
    if (!status) status = smm_dissect(mem, d->nodes, at, adj, part, &parts);
    if (!status && parts > 1)
        status = smm_order_nodes(mem, d->nodes, 0, weight, edges->size, edges->a, edges->b, part,
                                 parts, &other);
    if (!status && parts > 1 &&
        smm_order_cost(&other, d->nodes) < smm_order_cost(order, d->nodes)) {
        smm_order costly = *order;
        *order = other;
        other = costly;
    }
    smm_order_free(mem, &other);
    smm_release(mem, at);
    smm_release(mem, adj);
    smm_release(mem, part);
    return status;
}

int smm_analyse(smm_design *d)
{
    const smm_allocator *mem = &d->mem;
    int64_t nodes = 0;
    edge_list edges = {0, 0, NULL, NULL};
    smm_order order;
    memset(&order, 0, sizeof order);
    for (int32_t t = 0; t < d->nterms; t++) nodes += d->levels[t];
    d->nodes = (int32_t)nodes; /* at most q, which fits */
    int32_t *first_node = smm_alloc(mem, (size_t)d->nterms, sizeof(int32_t));
    int32_t *weight = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    int status = SMM_ENOMEM;
    if (!first_node || !weight) goto done;
    int32_t node = 0;
    for (int32_t t = 0; t < d->nterms; t++) {
        first_node[t] = node;
        for (int32_t l = 0; l < d->levels[t]; l++) weight[node++] = d->cols[t];
    }
    status = find_pairs(d, first_node, &edges);
    if (status == SMM_OK) status = join_levels(d, first_node, &edges);
    if (status == SMM_OK) status = find_order(d, weight, &edges, &order);
    if (status != SMM_OK) goto done;
    if (d->has_prior) d->work = smm_order_cost(&order, d->nodes);
    d->rowptr = order.rowptr;
    d->row = order.row;
    order.rowptr = NULL;
    order.row = NULL;
    status = place_nodes(d, &order);
    if (status == SMM_OK) status = place_panels(d, &order);
    if (status == SMM_OK) status = find_groups(d, &order);
    if (status == SMM_OK) status = smm_list_tail_columns(d);
    if (status == SMM_OK) status = place_blocks(d, &edges, &order);
    if (status == SMM_OK) status = place_priors(d);
done:
    smm_order_free(mem, &order);
    smm_release(mem, edges.a);
    smm_release(mem, edges.b);
    smm_release(mem, first_node);
    smm_release(mem, weight);
    return status;
}
