/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elimination order. The nodes of the first term are mutually unconnected, so they go
 * first and cause no fill among themselves, but for hubs: nodes with very many neighbours
 * that eliminating them would connect the better part of the graph. The rest follow by
 * approximate minimum degree (quotient.c) while their columns are sparse, part by part where
 * the graph was dissected (dissect.c). What is left of the last part is the dense tail.
 */
#include "design/quotient.h"

/* A leading node is a hub when it has this many times as many neighbours as there are hubs. As
 * many columns are added to the tail; what it would have connected is that much larger. Hubs are
 * set apart only if their cliques have more edges than the graph has nodes and edges. */
#define HUB_RATIO 16

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
static int lead_rows(smm_order *out, smm_rows *rows, int32_t nodes, const int32_t *element,
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

int smm_order_nodes(const smm_allocator *mem, int32_t nodes, int32_t lead, const int32_t *weight,
                    int64_t nedges, const int32_t *edge_a, const int32_t *edge_b,
                    const int32_t *part, int32_t parts, smm_order *out)
{
    int status = SMM_ENOMEM;
    smm_quotient g;
    smm_rows rows = {mem, 0, 0, NULL};
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
        status =
            smm_quotient_create(mem, &g, nodes, element, weight, total, nedges, edge_a, edge_b);
        g.part = part;
        for (g.now = 0; g.now < parts && !status; g.now++) {
            int32_t p = g.now;
            status = smm_eliminate_part(&g, list + at[p], at[p + 1] - at[p], p + 1 == parts,
                                        weight, out, &rows);
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
    smm_quotient_free(mem, &g);
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
        cost += rows * rows * (dense ? 1 : SMM_DENSE_SHARE);
    }
    return cost;
}
