/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elimination order. The nodes of the first term are mutually unconnected, so they go
 * first and cause no fill among themselves. The rest follow by approximate minimum
 * degree on the quotient graph (Amestoy, Davis and Duff 1996), where an eliminated
 * node stands as an *element*: the clique of its remaining neighbours. When even the
 * cheapest node is connected to a fair share of what is left, sparse bookkeeping costs
 * more than dense arithmetic, and everything that is left becomes the dense tail.
 */
#include "smm_internal.h"

/* Sparse updates run about five times slower per column than a dense factorization
 * once a column reaches this share of the remaining matrix. */
#define DENSE_SHARE 5

typedef struct {
    const smm_allocator *mem;
    int64_t size, capacity;
    int32_t *data;
} growing;

static int grow_push(growing *g, int32_t value)
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

/* The quotient graph of the nodes after the leading term. */
typedef struct {
    int32_t nodes;
    int64_t *elem_at, *adj_at;      /* (nodes + 1) list starts, with room to add an element */
    int32_t *elem, *adj;            /* elements and plain neighbours of each node */
    int32_t *nelem, *nadj;          /* list lengths */
    int32_t *elem_weight;           /* per element: weight of its nodes; while it lives none
                                       is eliminated, for that would absorb it */
    int32_t *weight_left;           /* per element: weight outside the current front */
    int32_t *stamp;                 /* per element: front in which weight_left is valid */
    int32_t *mark;                  /* per node: front it was last seen in */
    int32_t *degree, *next, *prev, *bucket;
    uint8_t *dead;                  /* per node: eliminated; per element: absorbed */
} quotient;

static void bucket_remove(quotient *g, int32_t i)
{
    if (g->prev[i] >= 0) g->next[g->prev[i]] = g->next[i];
    else g->bucket[g->degree[i]] = g->next[i];
    if (g->next[i] >= 0) g->prev[g->next[i]] = g->prev[i];
}

static void bucket_insert(quotient *g, int32_t i, int32_t degree)
{
    g->degree[i] = degree;
    g->prev[i] = -1;
    g->next[i] = g->bucket[degree];
    if (g->next[i] >= 0) g->prev[g->next[i]] = i;
    g->bucket[degree] = i;
}

/* Weight of the distinct neighbours of node i, or `cap` as soon as it is reached. */
static int32_t initial_degree(quotient *g, int32_t i, const int32_t *weight,
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
    for (int64_t a = g->elem_at[i]; a < g->elem_at[i] + g->nelem[i] && degree < cap; a++) {
        int32_t e = g->elem[a];
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

/* Eliminate node p as the element numbered `id`; its neighbours are appended to rows. */
static int eliminate(quotient *g, int32_t p, int32_t id, const int32_t *weight,
                     const int64_t *rowptr, growing *rows, int64_t left)
{
    int64_t start = rows->size, front = 0;
    int32_t tag = g->nodes + id; /* marks of initial degrees are below g->nodes */
    g->dead[p] = 1;
    g->mark[p] = tag;
    for (int32_t a = 0; a < g->nadj[p]; a++) {
        int32_t v = g->adj[g->adj_at[p] + a];
        if (g->dead[v] || g->mark[v] == tag) continue;
        g->mark[v] = tag;
        front += weight[v];
        if (grow_push(rows, v)) return SMM_ENOMEM;
    }
    for (int32_t a = 0; a < g->nelem[p]; a++) {
        int32_t e = g->elem[g->elem_at[p] + a];
        int64_t end = rowptr[e + 1];
        for (int64_t r = rowptr[e]; r < end; r++) {
            int32_t v = rows->data[r];
            if (g->dead[v] || g->mark[v] == tag) continue;
            g->mark[v] = tag;
            front += weight[v];
            if (grow_push(rows, v)) return SMM_ENOMEM;
        }
        g->stamp[e] = -2; /* absorbed */
    }
    g->elem_weight[id] = (int32_t)front;
    /* weight of every other element outside this front */
    for (int64_t r = start; r < rows->size; r++) {
        int32_t i = rows->data[r];
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
        if (degree > left - weight[i]) degree = left - weight[i];
        bucket_remove(g, i);
        bucket_insert(g, i, (int32_t)degree);
    }
    return SMM_OK;
}

/* Lists of rows in original numbers -> positions, ascending, by transposing twice. */
static int sort_rows(const smm_allocator *mem, int32_t nodes, smm_order *out,
                     const int32_t *position)
{
    int64_t nnz = out->rowptr[out->nhead];
    int status = SMM_ENOMEM;
    int64_t *at = smm_alloc(mem, (size_t)nodes + 1, sizeof(int64_t));
    int64_t *fill = smm_alloc(mem, (size_t)out->nhead + 1, sizeof(int64_t));
    int32_t *col = smm_alloc(mem, (size_t)nnz, sizeof(int32_t));
    if (!at || !fill || !col) goto done;
    memset(at, 0, sizeof(int64_t) * ((size_t)nodes + 1));
    for (int64_t r = 0; r < nnz; r++) at[position[out->row[r]] + 1]++;
    for (int32_t i = 0; i < nodes; i++) at[i + 1] += at[i];
    for (int32_t j = 0; j < out->nhead; j++)
        for (int64_t r = out->rowptr[j]; r < out->rowptr[j + 1]; r++)
            col[at[position[out->row[r]]]++] = j;
    for (int32_t j = 0; j < out->nhead; j++) fill[j] = out->rowptr[j];
    int64_t c = 0;
    for (int32_t i = 0; i < nodes; i++) /* at[i] is now the end of list i */
        for (; c < at[i]; c++) out->row[fill[col[c]]++] = i;
    status = SMM_OK;
done:
    smm_release(mem, at);
    smm_release(mem, fill);
    smm_release(mem, col);
    return status;
}

static void quotient_free(const smm_allocator *mem, quotient *g)
{
    void *all[] = {g->elem_at,     g->adj_at,      g->elem,  g->adj,  g->nelem,
                   g->nadj,        g->elem_weight, g->weight_left,    g->stamp,
                   g->mark,        g->degree,      g->next,  g->prev, g->bucket,
                   g->dead};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(mem, all[i]);
}

static int quotient_create(const smm_allocator *mem, quotient *g, int32_t nodes, int32_t lead,
                           const int32_t *weight, int64_t total, int64_t nedges,
                           const int32_t *edge_a, const int32_t *edge_b)
{
    size_t n = (size_t)nodes + 1;
    memset(g, 0, sizeof *g);
    g->nodes = nodes;
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
        if (edge_a[e] < lead) {
            g->nelem[edge_b[e]]++;
            g->elem_weight[edge_a[e]] += weight[edge_b[e]];
        } else {
            g->nadj[edge_a[e]]++;
            g->nadj[edge_b[e]]++;
        }
    }
    g->elem_at[0] = g->adj_at[0] = 0;
    for (int32_t i = 0; i < nodes; i++) {
        g->elem_at[i + 1] = g->elem_at[i] + g->nelem[i] + g->nadj[i];
        g->adj_at[i + 1] = g->adj_at[i] + g->nadj[i];
        g->nelem[i] = g->nadj[i] = 0;
    }
    g->elem = smm_alloc(mem, (size_t)g->elem_at[nodes], sizeof(int32_t));
    g->adj = smm_alloc(mem, (size_t)g->adj_at[nodes], sizeof(int32_t));
    if (!g->elem || !g->adj) return SMM_ENOMEM;
    for (int64_t e = 0; e < nedges; e++) {
        int32_t a = edge_a[e], b = edge_b[e];
        if (a < lead) g->elem[g->elem_at[b] + g->nelem[b]++] = a;
        else {
            g->adj[g->adj_at[a] + g->nadj[a]++] = b;
            g->adj[g->adj_at[b] + g->nadj[b]++] = a;
        }
    }
    return SMM_OK;
}

void smm_order_free(const smm_allocator *mem, smm_order *order)
{
    smm_release(mem, order->order);
    smm_release(mem, order->rowptr);
    smm_release(mem, order->row);
    memset(order, 0, sizeof *order);
}

int smm_order_nodes(const smm_allocator *mem, int32_t nodes, int32_t lead, const int32_t *weight,
                    int64_t nedges, const int32_t *edge_a, const int32_t *edge_b, smm_order *out)
{
    int status = SMM_ENOMEM;
    quotient g;
    growing rows = {mem, 0, 0, NULL};
    int32_t *position = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    int64_t total = 0;
    memset(&g, 0, sizeof g);
    memset(out, 0, sizeof *out);
    out->order = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    out->rowptr = smm_alloc(mem, (size_t)nodes + 1, sizeof(int64_t));
    if (!position || !out->order || !out->rowptr) goto done;

    /* the leading term: its rows are its edges, which come sorted by leading node */
    memset(out->rowptr, 0, sizeof(int64_t) * ((size_t)nodes + 1));
    for (int64_t e = 0; e < nedges; e++)
        if (edge_a[e] < lead) out->rowptr[edge_a[e] + 1]++;
    for (int32_t i = 0; i < lead; i++) {
        out->order[i] = i;
        out->rowptr[i + 1] += out->rowptr[i];
    }
    rows.capacity = out->rowptr[lead] + 64;
    rows.data = smm_alloc(mem, (size_t)rows.capacity, sizeof(int32_t));
    if (!rows.data) goto done;
    for (int64_t e = 0; e < nedges; e++)
        if (edge_a[e] < lead) rows.data[out->rowptr[edge_a[e]]++] = edge_b[e];
    for (int32_t i = lead; i > 0; i--) out->rowptr[i] = out->rowptr[i - 1];
    out->rowptr[0] = 0;
    rows.size = out->rowptr[lead];
    out->nhead = lead;

    for (int32_t i = lead; i < nodes; i++) total += weight[i];
    if (lead < nodes) {
        if (total > INT32_MAX) {
            status = SMM_EOVERFLOW;
            goto done;
        }
        status = quotient_create(mem, &g, nodes, lead, weight, total, nedges, edge_a,
                                 edge_b);
        if (status) goto done;
        int32_t cap = (int32_t)(total / DENSE_SHARE) + 1;
        for (int32_t i = nodes - 1; i >= lead; i--)
            bucket_insert(&g, i, initial_degree(&g, i, weight, out->rowptr, rows.data, cap));
        int64_t left = total;
        int32_t least = 0;
        /* An element is known by the number of the step that made it: a leading node is
         * its own, later ones count on from there, which is also their place in the head. */
        while (left > 0) {
            while (g.bucket[least] < 0) least++;
            if ((int64_t)least * DENSE_SHARE > left) break;
            int32_t p = g.bucket[least], id = out->nhead;
            bucket_remove(&g, p);
            left -= weight[p];
            status = eliminate(&g, p, id, weight, out->rowptr, &rows, left);
            if (status) goto done;
            out->order[out->nhead++] = p;
            out->rowptr[out->nhead] = rows.size;
            least = 0;
        }
    }
    int32_t at = out->nhead;
    for (int32_t i = lead; i < nodes; i++)
        if (lead == nodes || !g.dead[i]) out->order[at++] = i;
    for (int32_t i = 0; i < nodes; i++) position[out->order[i]] = i;
    out->row = rows.data;
    rows.data = NULL;
    status = sort_rows(mem, nodes, out, position);
done:
    quotient_free(mem, &g);
    smm_release(mem, rows.data);
    smm_release(mem, position);
    if (status) smm_order_free(mem, out);
    return status;
}
