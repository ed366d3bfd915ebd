/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elimination order. The nodes of the first term are mutually unconnected, so they go
 * first and cause no fill among themselves, but for hubs: nodes with very many neighbours
 * that eliminating them would connect the better part of the graph. The rest follow by
 * approximate minimum degree on the quotient graph (Amestoy, Davis and Duff 1996), where
 * an eliminated node becomes an *element*: the clique of its remaining neighbours. When
 * even the cheapest node is connected to a fair share of what is left, sparse bookkeeping
 * costs more than dense arithmetic, and everything that is left becomes the dense tail.
 *
 * Where the graph was dissected (dissect.c), its parts are ordered so one after the other. What is
 * left of a part when its nodes are connected to a fair share of it and of its neighbours in later
 * parts becomes a dense block of the head, whose columns have the same rows below it.
 */
#include "design/design.h"

/* Sparse updates run about five times slower per column than a dense factorization
 * once a column reaches this share of the remaining matrix. */
#define DENSE_SHARE 5

/* A leading node is a hub when it has this many times as many neighbours as there are hubs. As
 * many columns are added to the tail; what it would have connected is that much larger. Hubs are
 * set apart only if their cliques have more edges than the graph has nodes and edges. */
#define HUB_RATIO 16
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
} quotient;

static int is_waiting(const quotient *g, int32_t i) { return g->part && g->part[i] != g->now; }

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
    if (degree < g->least) g->least = degree;
}

/* Weight of the distinct neighbours of node i, or `cap` as soon as it is reached. An upper bound
 * where i is in large elements, as the degrees of later steps are. */
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

static int has_long_list(const quotient *g, int32_t i)
{
    return g->elem_at[i + 1] - g->elem_at[i] > LONG_LIST;
}

/* Add an element to a long list. It has room for twice the elements that can live, so elements
 * that were absorbed are removed rarely. */
static void append_to_long_list(quotient *g, int32_t i, int32_t id)
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
static int gather_front(quotient *g, int32_t p, int32_t tag, const int32_t *weight,
                        const int64_t *rowptr, growing *rows, int64_t *front)
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
static void join_front(quotient *g, int32_t id, int32_t tag, const int32_t *weight,
                       const growing *rows, int64_t start, int64_t front, int64_t left)
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
static int eliminate(quotient *g, int32_t p, int32_t id, const int32_t *weight,
                     const int64_t *rowptr, growing *rows, int64_t left)
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
static int eliminate_block(quotient *g, const int32_t *nodes, int32_t n, const int32_t *weight,
                           smm_order *out, growing *rows)
{
    int32_t first = out->nhead, last = first;
    for (int32_t i = 0; i < n; i++) {
        if (g->dead[nodes[i]]) continue;
        bucket_remove(g, nodes[i]);
        g->dead[nodes[i]] = 1;
        out->order[last++] = nodes[i];
    }
    int32_t id = last - 1, tag = g->nodes + id;
    growing below = {rows->mem, 0, 0, NULL};
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
static int64_t weight_beside(quotient *g, const int32_t *nodes, int32_t n, const int32_t *weight,
                             const int64_t *rowptr, const int32_t *row)
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
    void *all[] = {g->elem_at, g->adj_at,      g->elem,        g->adj,    g->nelem,
                   g->nadj,    g->elem_weight, g->weight_left, g->stamp,  g->mark,
                   g->degree,  g->next,        g->prev,        g->bucket, g->dead};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(mem, all[i]);
}

/* `element` is the number of each node that is an element from the beginning, or -1. */
static int quotient_create(const smm_allocator *mem, quotient *g, int32_t nodes,
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

/* Number the leading nodes that are no hubs, in their order; -1 for hubs and all other nodes.
 * The hubs are the most nodes, by decreasing number of neighbours, of which each has HUB_RATIO
 * times as many neighbours as there are hubs. */
static int number_leading(const smm_allocator *mem, int32_t nodes, int32_t lead, int64_t nedges,
                          const int32_t *edge_a, int32_t *element, int32_t *count)
{
    int32_t *degree = smm_alloc(mem, (size_t)lead, sizeof(int32_t));
    int32_t *having = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    if (!degree || !having) {
        smm_release(mem, degree);
        smm_release(mem, having);
        return SMM_ENOMEM;
    }
    memset(degree, 0, sizeof(int32_t) * (size_t)lead);
    memset(having, 0, sizeof(int32_t) * (size_t)nodes);
    for (int64_t e = 0; e < nedges; e++)
        if (edge_a[e] < lead) degree[edge_a[e]]++;
    for (int32_t i = 0; i < lead; i++) having[degree[i]]++;
    int32_t least = nodes;
    int64_t hubs = 0;
    double fill = 0;
    for (int32_t k = nodes - 1; k > 0 && HUB_RATIO * (hubs + having[k]) <= k; k--) {
        if (!having[k]) continue;
        hubs += having[k];
        fill += 0.5 * having[k] * k * k;
        least = k;
    }
    if (fill < (double)nedges + nodes) least = nodes;
    *count = 0;
    for (int32_t i = 0; i < nodes; i++)
        element[i] = i < lead && degree[i] < least ? (*count)++ : -1;
    smm_release(mem, degree);
    smm_release(mem, having);
    return SMM_OK;
}

void smm_order_free(const smm_allocator *mem, smm_order *order)
{
    smm_release(mem, order->order);
    smm_release(mem, order->rowptr);
    smm_release(mem, order->row);
    smm_release(mem, order->block);
    memset(order, 0, sizeof *order);
}

/* The leading nodes: their rows are their edges. */
static int lead_rows(smm_order *out, growing *rows, int32_t nodes, const int32_t *element,
                     int64_t nedges, const int32_t *edge_a, const int32_t *edge_b)
{
    int64_t *rowptr = out->rowptr;
    memset(rowptr, 0, sizeof(int64_t) * ((size_t)nodes + 1));
    for (int64_t e = 0; e < nedges; e++)
        if (element[edge_a[e]] >= 0) rowptr[element[edge_a[e]] + 1]++;
    for (int32_t i = 0; i < nodes; i++)
        if (element[i] >= 0) out->order[element[i]] = i;
    for (int32_t j = 0; j < out->nhead; j++) rowptr[j + 1] += rowptr[j];
    rows->capacity = rowptr[out->nhead] + 64;
    rows->data = smm_alloc(rows->mem, (size_t)rows->capacity, sizeof(int32_t));
    if (!rows->data) return SMM_ENOMEM;
    for (int64_t e = 0; e < nedges; e++)
        if (element[edge_a[e]] >= 0) rows->data[rowptr[element[edge_a[e]]]++] = edge_b[e];
    for (int32_t j = out->nhead; j > 0; j--) rowptr[j] = rowptr[j - 1];
    rowptr[0] = 0;
    rows->size = rowptr[out->nhead];
    return SMM_OK;
}

/* The nodes that are no elements, part by part; at[p] is where part p begins. */
static int list_parts(const smm_allocator *mem, int32_t nodes, const int32_t *element,
                      const int32_t *part, int32_t parts, int32_t **at, int32_t **list)
{
    *at = smm_alloc(mem, (size_t)parts + 2, sizeof(int32_t));
    *list = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    if (!*at || !*list) return SMM_ENOMEM;
    memset(*at, 0, sizeof(int32_t) * ((size_t)parts + 2));
    for (int32_t i = 0; i < nodes; i++)
        if (element[i] < 0) (*at)[(part ? part[i] : 0) + 2]++;
    for (int32_t p = 0; p < parts; p++) (*at)[p + 2] += (*at)[p + 1];
    for (int32_t i = 0; i < nodes; i++)
        if (element[i] < 0) (*list)[(*at)[(part ? part[i] : 0) + 1]++] = i;
    return SMM_OK;
}

/* Eliminate nodes[0..n), one part, while their columns stay sparse, then the rest as a block; the
 * rest of the last part is left. */
static int order_part(quotient *g, const int32_t *nodes, int32_t n, int last,
                      const int32_t *weight, smm_order *out, growing *rows)
{
    int64_t here = 0, left = 0;
    for (int32_t i = 0; i < n; i++) here += weight[nodes[i]];
    left = here;
    if (!last) left += weight_beside(g, nodes, n, weight, out->rowptr, rows->data);
    int32_t cap = (int32_t)(left / DENSE_SHARE) + 1;
    for (int32_t i = n - 1; i >= 0; i--)
        bucket_insert(g, nodes[i],
                      initial_degree(g, nodes[i], weight, out->rowptr, rows->data, cap));
    /* An element is known by the number of the step that made it: a leading node is
     * its own, later ones count on from there, which is also their place in the head. */
    while (here > 0) {
        while (g->bucket[g->least] < 0) g->least++;
        if ((int64_t)g->least * DENSE_SHARE > left) break;
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

int smm_order_nodes(const smm_allocator *mem, int32_t nodes, int32_t lead, const int32_t *weight,
                    int64_t nedges, const int32_t *edge_a, const int32_t *edge_b,
                    const int32_t *part, int32_t parts, smm_order *out)
{
    int status = SMM_ENOMEM;
    quotient g;
    growing rows = {mem, 0, 0, NULL};
    int32_t *position = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    int32_t *element = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    int32_t *at = NULL, *list = NULL;
    int64_t total = 0;
    memset(&g, 0, sizeof g);
    memset(out, 0, sizeof *out);
    out->order = smm_alloc(mem, (size_t)nodes, sizeof(int32_t));
    out->rowptr = smm_alloc(mem, (size_t)nodes + 1, sizeof(int64_t));
    out->block = smm_alloc(mem, 2 * (size_t)parts, sizeof(int32_t));
    if (!position || !element || !out->order || !out->rowptr || !out->block) goto done;
    status = number_leading(mem, nodes, lead, nedges, edge_a, element, &out->nhead);
    if (!status) status = lead_rows(out, &rows, nodes, element, nedges, edge_a, edge_b);
    if (!status) status = list_parts(mem, nodes, element, part, parts, &at, &list);
    if (status) goto done;

    for (int32_t i = 0; i < nodes; i++)
        if (element[i] < 0) total += weight[i];
    if (total > INT32_MAX) {
        status = SMM_EOVERFLOW;
        goto done;
    }
    if (total > 0) {
        status = quotient_create(mem, &g, nodes, element, weight, total, nedges, edge_a, edge_b);
        g.part = part;
        for (g.now = 0; g.now < parts && !status; g.now++) {
            int32_t p = g.now;
            status = order_part(&g, list + at[p], at[p + 1] - at[p], p + 1 == parts, weight, out,
                                &rows);
        }
        if (status) goto done;
    }
    int32_t next = out->nhead;
    for (int32_t i = 0; i < nodes; i++)
        if (element[i] < 0 && !g.dead[i]) out->order[next++] = i;
    for (int32_t i = 0; i < nodes; i++) position[out->order[i]] = i;
    out->row = rows.data;
    rows.data = NULL;
    status = sort_rows(mem, nodes, out, position);
done:
    quotient_free(mem, &g);
    smm_release(mem, rows.data);
    smm_release(mem, position);
    smm_release(mem, element);
    smm_release(mem, at);
    smm_release(mem, list);
    if (status) smm_order_free(mem, out);
    return status;
}

double smm_order_cost(const smm_order *order, int32_t nodes)
{
    double tail = nodes - order->nhead, cost = tail * tail * tail / 3;
    for (int32_t j = 0, b = 0; j < order->nhead; j++) {
        double rows = 1 + (double)(order->rowptr[j + 1] - order->rowptr[j]);
        while (b < order->nblocks && j >= order->block[2 * b + 1]) b++;
        int dense = b < order->nblocks && j >= order->block[2 * b];
        cost += rows * rows * (dense ? 1 : DENSE_SHARE);
    }
    return cost;
}
