/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elimination order: a permutation that starts with the leading nodes, and a pattern
 * that holds every element of the Cholesky factor. Compared with the factor of a dense
 * matrix of the same graph, computed with no thought for zeros.
 */
#include "check.h"
#include "problem.h"
#include "smm_internal.h"

static void *standard_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    return malloc(bytes);
}

static void standard_release(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

static const smm_allocator standard = {standard_alloc, standard_release, NULL};

typedef struct {
    int32_t nodes, lead;
    int64_t nedges;
    int32_t *a, *b, *weight;
} graph;

/* Edges lead from a lower to a higher number, each once, none within the leading nodes.
 * `share` of the possible ones are present. */
static graph random_graph(uint64_t seed, int32_t nodes, int32_t lead, double share)
{
    uint64_t state = seed + 1;
    size_t most = (size_t)nodes * (size_t)nodes;
    graph g = {nodes, lead, 0, malloc(most * sizeof(int32_t)), malloc(most * sizeof(int32_t)),
               malloc((size_t)nodes * sizeof(int32_t))};
    if (!g.a || !g.b || !g.weight) abort();
    for (int32_t i = 0; i < nodes; i++) g.weight[i] = 1 + (int32_t)(3 * uniform(&state));
    for (int32_t i = 0; i < nodes; i++)
        for (int32_t j = (i < lead ? lead : i + 1); j < nodes; j++)
            if (uniform(&state) < share) {
                g.a[g.nedges] = i;
                g.b[g.nedges++] = j;
            }
    return g;
}

/* Factor of the permuted adjacency matrix with a heavy diagonal: no element that can be
 * nonzero is zero, as all off-diagonal elements have one sign. */
static double *dense_factor(const graph *g, const int32_t *position)
{
    smm_blas blas = ref_blas();
    int n = g->nodes, info;
    double *A = calloc((size_t)n * (size_t)n, sizeof(double));
    if (!A) abort();
    for (int i = 0; i < n; i++) A[i + (size_t)i * (size_t)n] = 2.0 * n;
    for (int64_t e = 0; e < g->nedges; e++) {
        int i = position[g->a[e]], j = position[g->b[e]];
        A[(i > j ? i : j) + (size_t)(i > j ? j : i) * (size_t)n] = -1;
    }
    blas.dpotrf("L", &n, A, &n, &info);
    CHECK(info == 0);
    return A;
}

static void check_order(const graph *g, int *filled)
{
    smm_order order;
    int32_t n = g->nodes;
    int status = smm_order_nodes(&standard, n, g->lead, g->weight, g->nedges, g->a, g->b, &order);
    if (!CHECK(status == SMM_OK)) return;
    CHECK(order.nhead >= g->lead && order.nhead <= n);

    int32_t *position = malloc((size_t)n * sizeof *position);
    if (!position) abort();
    for (int32_t i = 0; i < n; i++) position[i] = -1;
    for (int32_t i = 0; i < n; i++) {
        int32_t node = order.order[i];
        if (!CHECK(node >= 0 && node < n) || !CHECK(position[node] == -1)) return;
        position[node] = i;
        CHECK((i < g->lead) == (node < g->lead));
    }

    double *L = dense_factor(g, position);
    CHECK(order.rowptr[0] == 0);
    int64_t numeric = 0;
    for (int32_t j = 0; j < order.nhead; j++) {
        int64_t r = order.rowptr[j], end = order.rowptr[j + 1];
        CHECK(r <= end);
        for (int64_t s = r; s < end; s++) {
            CHECK(order.row[s] > j && order.row[s] < n);
            if (s > r) CHECK(order.row[s] > order.row[s - 1]);
        }
        for (int32_t i = j + 1; i < n; i++) {
            int present = r < end && order.row[r] == i;
            int needed = L[i + (size_t)j * (size_t)n] != 0;
            if (needed) CHECK(present);
            r += present;
            numeric += needed;
        }
    }
    /* exact, not only sufficient: minimum degree stores nothing it does not need */
    CHECK(order.rowptr[order.nhead] == numeric);
    *filled += order.nhead > g->lead && numeric > g->nedges;
    free(L);
    free(position);
    smm_order_free(&standard, &order);
}

int main(void)
{
    const struct {
        int32_t nodes, lead;
        double share;
    } shapes[] = {{1, 1, 0},     {5, 5, 0},      {2, 1, 1},      {20, 10, 0},   {20, 10, 1},
                  {60, 30, 0.1}, {60, 5, 0.03},  {80, 40, 0.03}, {80, 40, 0.3}, {100, 60, 0.015},
                  {90, 1, 0.02}, {120, 70, 0.02}};
    int filled = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint64_t seed = 1; seed <= 20; seed++) {
            graph g = random_graph(seed, shapes[s].nodes, shapes[s].lead, shapes[s].share);
            check_order(&g, &filled);
            free(g.a);
            free(g.b);
            free(g.weight);
        }
    CHECK(filled > 20); /* the interesting case did occur */

    /* freeing an empty order is allowed */
    smm_order empty = {0, NULL, NULL, NULL};
    smm_order_free(&standard, &empty);
    return check_result();
}
