/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Approximate minimum degree on the quotient graph (Amestoy, Davis and Duff 1996). When even the
 * cheapest node is connected to a fair share of what is left, sparse bookkeeping costs more than
 * dense arithmetic: what is left when the nodes of a part are connected to a fair share of it and
 * of its neighbours in later parts becomes a dense block of the head, whose columns have the same
 * rows below it, or, in the last part, the dense tail.
 */
#include "design/quotient.h"

/* Rows that are looked at to count the neighbours of a node: this many, and this many for each of
 * its edges. What is beyond is bounded from above by the sizes of its elements. */
#define SCAN 1024
#define SCAN_SHARE 64

/* Lists longer than this are not updated at every step, or a node that takes part in most of them
 * would make the analysis quadratic. Its degree stays the first one, so that it is eliminated
 * late (the dense rows of Amestoy, Davis and Duff). */
#define LONG_LIST 4096

/* Fewer columns are no block: they are treated one by one. */
#ifndef SMM_LEAST_BLOCK
#define SMM_LEAST_BLOCK 16
#endif

static int grow_push(smm_rows *g, int32_t value)
{
    if (g->size == g->capacity) {
        int64_t capacity = g->capacity ? 2 * g->capacity : 64;
        int32_t *data = smm_alloc(g->mem, (size_t)capacity, sizeof(int32_t));
        if (!data) return SMM_ENOMEM;
        if (g->size) memcpy(data, g->data, sizeof(int32_t) * (size_t)g->size);
        smm_release(g->mem, g->data);
        g->data = data;
        g->capacity = capacity;
    }
    g->data[g->size++] = value;
    return SMM_OK;
}

static int is_waiting(const smm_quotient *g, int32_t i)
{
    return g->part && g->part[i] != g->now;
}

static void bucket_remove(smm_quotient *g, int32_t i)
{
    if (g->prev[i] >= 0) g->next[g->prev[i]] = g->next[i];
    else g->bucket[g->degree[i]] = g->next[i];
    if (g->next[i] >= 0) g->prev[g->next[i]] = g->prev[i];
}

static void bucket_insert(smm_quotient *g, int32_t i, int32_t degree)
{
    g->degree[i] = degree;
    g->prev[i] = -1;
    g->next[i] = g->bucket[degree];
    if (g->next[i] >= 0) g->prev[g->next[i]] = i;
    g->bucket[degree] = i;
    if (degree < g->least) g->least = degree;
}

/* Weight of the distinct neighbours of node i, or `cap` as soon as it is reached. An upper bound
 * where i is in large elements, as the degrees of later steps are. */
static int32_t initial_degree(smm_quotient *g, int32_t i, const int32_t *weight,
                              const int64_t *rowptr, const int32_t *row, int32_t cap)
{
    int64_t degree = 0;
    g->mark[i] = i;
    for (int64_t a = g->adj_at[i]; a < g->adj_at[i] + g->nadj[i]; a++) {
        int32_t v = g->adj[a];
        if (g->mark[v] != i) {
            g->mark[v] = i;
            degree += weight[v];
        }
    }
    int64_t scan = SCAN + SCAN_SHARE * ((int64_t)g->nelem[i] + g->nadj[i]);
    for (int64_t a = g->elem_at[i]; a < g->elem_at[i] + g->nelem[i] && degree < cap; a++) {
        int32_t e = g->elem[a];
        scan -= rowptr[e + 1] - rowptr[e];
        if (scan < 0) {
            degree += g->elem_weight[e] - weight[i];
            continue;
        }
        for (int64_t r = rowptr[e]; r < rowptr[e + 1]; r++) {
            int32_t v = row[r];
            if (g->mark[v] != i) {
                g->mark[v] = i;
                degree += weight[v];
            }
        }
    }
    return degree < cap ? (int32_t)degree : cap;
}

static int has_long_list(const smm_quotient *g, int32_t i)
{
    return g->elem_at[i + 1] - g->elem_at[i] > LONG_LIST;
}

/* Add an element to a long list. It has room for twice the elements that can live, so elements
 * that were absorbed are removed rarely. */
static void append_to_long_list(smm_quotient *g, int32_t i, int32_t id)
{
    int32_t *list = g->elem + g->elem_at[i], kept = 0;
    if (g->nelem[i] == g->elem_at[i + 1] - g->elem_at[i]) {
        for (int32_t a = 0; a < g->nelem[i]; a++)
            if (g->stamp[list[a]] != -2) list[kept++] = list[a];
        g->nelem[i] = kept;
    }
    list[g->nelem[i]++] = id;
}

/* Append the neighbours of node p that are alive and not marked to rows, and absorb its elements.
 * Adds their weight to `front`. */
static int gather_front(smm_quotient *g, int32_t p, int32_t tag, const int32_t *weight,
                        const int64_t *rowptr, smm_rows *rows, int64_t *front)
{
    for (int32_t a = 0; a < g->nadj[p]; a++) {
        int32_t v = g->adj[g->adj_at[p] + a];
        if (g->dead[v] || g->mark[v] == tag) continue;
        g->mark[v] = tag;
        *front += weight[v];
        if (grow_push(rows, v)) return SMM_ENOMEM;
    }
    for (int32_t a = 0; a < g->nelem[p]; a++) {
        int32_t e = g->elem[g->elem_at[p] + a];
        if (g->stamp[e] == -2) continue;
        int64_t end = rowptr[e + 1];
        for (int64_t r = rowptr[e]; r < end; r++) {
            int32_t v = rows->data[r];
            if (g->dead[v] || g->mark[v] == tag) continue;
            g->mark[v] = tag;
            *front += weight[v];
            if (grow_push(rows, v)) return SMM_ENOMEM;
        }
        g->stamp[e] = -2; /* absorbed */
    }
    return SMM_OK;
}

/* The nodes from rows[start] on, of weight `front`, are those of the new element `id`: mend their
 * lists, and their degrees where they are in buckets. */
static void join_front(smm_quotient *g, int32_t id, int32_t tag, const int32_t *weight,
                       const smm_rows *rows, int64_t start, int64_t front, int64_t left)
{
    g->elem_weight[id] = (int32_t)front;
    /* weight of every other element outside this front */
    for (int64_t r = start; r < rows->size; r++) {
        int32_t i = rows->data[r];
        if (has_long_list(g, i)) continue;
        for (int32_t a = 0; a < g->nelem[i]; a++) {
            int32_t e = g->elem[g->elem_at[i] + a];
            if (g->stamp[e] == -2) continue;
            if (g->stamp[e] != id) {
                g->weight_left[e] = g->elem_weight[e];
                g->stamp[e] = id;
            }
            g->weight_left[e] -= weight[i];
        }
    }
    for (int64_t r = start; r < rows->size; r++) {
        int32_t i = rows->data[r];
        if (has_long_list(g, i)) {
            append_to_long_list(g, i, id);
            continue;
        }
        int64_t degree = front - weight[i];
        int32_t kept = 0, *list = g->elem + g->elem_at[i];
        for (int32_t a = 0; a < g->nelem[i]; a++) {
            int32_t e = list[a];
            if (g->stamp[e] == -2) continue;
            if (g->weight_left[e] == 0) continue; /* inside this front: absorb */
            degree += g->weight_left[e];
            list[kept++] = e;
        }
        int32_t *adj = g->adj + g->adj_at[i], plain = 0;
        for (int32_t a = 0; a < g->nadj[i]; a++) {
            int32_t v = adj[a];
            if (g->dead[v] || g->mark[v] == tag) continue;
            degree += weight[v];
            adj[plain++] = v;
        }
        g->nadj[i] = plain;
        list[kept++] = id; /* there is room: i lost an element or a plain neighbour */
        g->nelem[i] = kept;
        if (is_waiting(g, i)) continue;
        if (degree > left - weight[i]) degree = left - weight[i];
        bucket_remove(g, i);
        bucket_insert(g, i, (int32_t)degree);
    }
}

/* Eliminate node p as the element numbered `id`; its neighbours are appended to rows. */
static int eliminate(smm_quotient *g, int32_t p, int32_t id, const int32_t *weight,
                     const int64_t *rowptr, smm_rows *rows, int64_t left)
{
    int64_t start = rows->size, front = 0;
    int32_t tag = g->nodes + id; /* marks of initial degrees are below g->nodes */
    g->dead[p] = 1;
    g->mark[p] = tag;
    if (gather_front(g, p, tag, weight, rowptr, rows, &front)) return SMM_ENOMEM;
    join_front(g, id, tag, weight, rows, start, front, left);
    return SMM_OK;
}

/* Eliminate all of nodes[0..n) that are alive at once, as a dense block. */
static int eliminate_block(smm_quotient *g, const int32_t *nodes, int32_t n,
                           const int32_t *weight, smm_order *out, smm_rows *rows)
{
    int32_t first = out->nhead, last = first;
    for (int32_t i = 0; i < n; i++) {
        if (g->dead[nodes[i]]) continue;
        bucket_remove(g, nodes[i]);
        g->dead[nodes[i]] = 1;
        out->order[last++] = nodes[i];
    }
    int32_t id = last - 1, tag = g->nodes + id;
    smm_rows below = {rows->mem, 0, 0, NULL};
    int64_t front = 0;
    /* the elements are in rows, to which nothing is added before all is read */
    int64_t kept = rows->size;
    int status = SMM_OK;
    for (int32_t j = first; j < last && !status; j++)
        status = gather_front(g, out->order[j], tag, weight, out->rowptr, rows, &front);
    for (int64_t r = kept; r < rows->size && !status; r++)
        status = grow_push(&below, rows->data[r]);
    rows->size = kept;
    for (int32_t j = first; j < last && !status; j++) {
        for (int32_t i = j + 1; i < last && !status; i++) status = grow_push(rows, out->order[i]);
        for (int64_t r = 0; r < below.size && !status; r++)
            status = grow_push(rows, below.data[r]);
        out->rowptr[j + 1] = rows->size;
    }
    if (!status) join_front(g, id, tag, weight, rows, rows->size - below.size, front, front);
    smm_release(rows->mem, below.data);
    if (last - first >= SMM_LEAST_BLOCK) {
        out->block[2 * out->nblocks] = first;
        out->block[2 * out->nblocks++ + 1] = last;
    }
    out->nhead = last;
    return status;
}

/* Weight of the nodes of later parts next to those in nodes[0..n), which are one part. */
static int64_t weight_beside(smm_quotient *g, const int32_t *nodes, int32_t n,
                             const int32_t *weight, const int64_t *rowptr, const int32_t *row)
{
    int32_t tag = -2 - g->now; /* marks of no other use */
    int64_t sum = 0;
    for (int32_t i = 0; i < n; i++) g->mark[nodes[i]] = tag;
    for (int32_t i = 0; i < n; i++) {
        int32_t p = nodes[i];
        for (int32_t a = 0; a < g->nadj[p]; a++) {
            int32_t v = g->adj[g->adj_at[p] + a];
            if (g->dead[v] || g->mark[v] == tag) continue;
            g->mark[v] = tag;
            sum += weight[v];
        }
        for (int32_t a = 0; a < g->nelem[p]; a++) {
            int32_t e = g->elem[g->elem_at[p] + a];
            if (g->stamp[e] == -2 || g->stamp[e] == tag - 1) continue;
            g->stamp[e] = tag - 1; /* read */
            for (int64_t r = rowptr[e]; r < rowptr[e + 1]; r++) {
                int32_t v = row[r];
                if (g->dead[v] || g->mark[v] == tag) continue;
                g->mark[v] = tag;
                sum += weight[v];
            }
        }
    }
    return sum;
}

void smm_quotient_free(const smm_allocator *mem, smm_quotient *g)
{
    void *all[] = {g->elem_at, g->adj_at,      g->elem,        g->adj,    g->nelem,
                   g->nadj,    g->elem_weight, g->weight_left, g->stamp,  g->mark,
                   g->degree,  g->next,        g->prev,        g->bucket, g->dead};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(mem, all[i]);
}

/* `element` is the number of each node that is an element from the beginning, or -1. */
int smm_quotient_create(const smm_allocator *mem, smm_quotient *g, int32_t nodes,
                        const int32_t *element, const int32_t *weight, int64_t total,
                        int64_t nedges, const int32_t *edge_a, const int32_t *edge_b)
{
    size_t n = (size_t)nodes + 1;
    memset(g, 0, sizeof *g);
    g->nodes = nodes;
    g->least = 0;
    g->elem_at = smm_alloc(mem, n, sizeof(int64_t));
    g->adj_at = smm_alloc(mem, n, sizeof(int64_t));
    int32_t **lists[] = {&g->nelem, &g->nadj,   &g->elem_weight, &g->weight_left, &g->stamp,
                         &g->mark,  &g->degree, &g->next,        &g->prev};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        *lists[i] = smm_alloc(mem, n, sizeof(int32_t));
    g->bucket = smm_alloc(mem, (size_t)total + 1, sizeof(int32_t));
    g->dead = smm_alloc(mem, n, 1);
    if (!g->elem_at || !g->adj_at || !g->bucket || !g->dead) return SMM_ENOMEM;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (!*lists[i]) return SMM_ENOMEM;
    memset(g->elem_weight, 0, n * sizeof(int32_t));
    memset(g->nelem, 0, n * sizeof(int32_t));
    memset(g->nadj, 0, n * sizeof(int32_t));
    memset(g->dead, 0, n);
    for (size_t i = 0; i < n; i++) g->stamp[i] = g->mark[i] = -1;
    for (int64_t i = 0; i <= total; i++) g->bucket[i] = -1;
    for (int64_t e = 0; e < nedges; e++) {
        int32_t id = element[edge_a[e]];
        if (id >= 0) {
            g->nelem[edge_b[e]]++;
            g->elem_weight[id] += weight[edge_b[e]];
        } else {
            g->nadj[edge_a[e]]++;
            g->nadj[edge_b[e]]++;
        }
    }
    g->elem_at[0] = g->adj_at[0] = 0;
    for (int32_t i = 0; i < nodes; i++) {
        int64_t length = (int64_t)g->nelem[i] + g->nadj[i];
        g->elem_at[i + 1] = g->elem_at[i] + (length > LONG_LIST ? 2 * length : length);
        g->adj_at[i + 1] = g->adj_at[i] + g->nadj[i];
        g->nelem[i] = g->nadj[i] = 0;
    }
    g->elem = smm_alloc(mem, (size_t)g->elem_at[nodes], sizeof(int32_t));
    g->adj = smm_alloc(mem, (size_t)g->adj_at[nodes], sizeof(int32_t));
    if (!g->elem || !g->adj) return SMM_ENOMEM;
    for (int64_t e = 0; e < nedges; e++) {
        int32_t a = edge_a[e], b = edge_b[e];
        if (element[a] >= 0) g->elem[g->elem_at[b] + g->nelem[b]++] = element[a];
        else {
            g->adj[g->adj_at[a] + g->nadj[a]++] = b;
            g->adj[g->adj_at[b] + g->nadj[b]++] = a;
        }
    }
    return SMM_OK;
}

int smm_eliminate_part(smm_quotient *g, const int32_t *nodes, int32_t n, int last,
                       const int32_t *weight, smm_order *out, smm_rows *rows)
{
    int64_t here = 0, left = 0;
    for (int32_t i = 0; i < n; i++) here += weight[nodes[i]];
    left = here;
    if (!last) left += weight_beside(g, nodes, n, weight, out->rowptr, rows->data);
    int32_t cap = (int32_t)(left / SMM_DENSE_SHARE) + 1;
    for (int32_t i = n - 1; i >= 0; i--)
        bucket_insert(g, nodes[i],
                      initial_degree(g, nodes[i], weight, out->rowptr, rows->data, cap));
    /* An element is known by the number of the step that made it: a leading node is
     * its own, later ones count on from there, which is also their place in the head. */
    while (here > 0) {
        while (g->bucket[g->least] < 0) g->least++;
        if ((int64_t)g->least * SMM_DENSE_SHARE > left) break;
        int32_t p = g->bucket[g->least], id = out->nhead;
        bucket_remove(g, p);
        left -= weight[p];
        here -= weight[p];
        int status = eliminate(g, p, id, weight, out->rowptr, rows, left);
        if (status) return status;
        out->order[out->nhead++] = p;
        out->rowptr[out->nhead] = rows->size;
    }
    return last || here == 0 ? SMM_OK : eliminate_block(g, nodes, n, weight, out, rows);
}
