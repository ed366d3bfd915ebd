/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Elimination order: a permutation that starts with the leading nodes, and a pattern
 * that holds every element of the Cholesky factor. Compared with the factor of a dense
 * matrix of the same graph, computed with no thought for zeros.
 */
#include "check.h"
#include "problem.h"
#include "linear/linear.h"

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
    graph g = {nodes,
               lead,
               0,
               malloc(most * sizeof(int32_t)),
               malloc(most * sizeof(int32_t)),
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

/* A permutation in which nodes of the first term that are no hubs come first. */
static int check_permutation(const graph *g, const smm_order *order, int32_t hubs,
                             int32_t *position)
{
    int32_t n = g->nodes;
    for (int32_t i = 0; i < n; i++) position[i] = -1;
    for (int32_t i = 0; i < n; i++) {
        int32_t node = order->order[i];
        if (!CHECK(node >= 0 && node < n) || !CHECK(position[node] == -1)) return 0;
        position[node] = i;
        CHECK((i < g->lead - hubs) == (node >= hubs && node < g->lead));
    }
    return 1;
}

static void check_order(const graph *g, int *filled)
{
    smm_order order;
    int32_t n = g->nodes;
    int status =
        smm_order_nodes(&standard, n, g->lead, g->weight, g->nedges, g->a, g->b, NULL, 1, &order);
    if (!CHECK(status == SMM_OK)) return;
    CHECK(order.nhead >= g->lead && order.nhead <= n);
    int32_t *position = malloc((size_t)n * sizeof *position);
    if (!position) abort();
    if (!check_permutation(g, &order, 0, position)) return;

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

/* Hubs: the first `hubs` of the leading nodes are neighbours of all that follow the leading
 * nodes, and the last node, if asked for, of all leading ones; the other leading nodes have two
 * neighbours each. Numbered by level, so edges come as a design makes them. */
static graph hub_graph(int32_t lead, int32_t rest, int32_t hubs, int second)
{
    int32_t nodes = lead + rest;
    size_t most = (size_t)hubs * (size_t)rest + 3 * (size_t)lead;
    graph g = {nodes,
               lead,
               0,
               malloc(most * sizeof(int32_t)),
               malloc(most * sizeof(int32_t)),
               malloc((size_t)nodes * sizeof(int32_t))};
    if (!g.a || !g.b || !g.weight) abort();
    for (int32_t i = 0; i < nodes; i++) g.weight[i] = 1;
    for (int32_t i = 0; i < lead; i++)
        for (int32_t j = 0; j < rest; j++)
            if (i < hubs || j == i % rest || j == (i + 1) % rest || (second && j == rest - 1)) {
                g.a[g.nedges] = i;
                g.b[g.nedges++] = lead + j;
            }
    return g;
}

/* Fill of the head columns by elimination one after the other, on a table of all pairs. */
static void check_hubs(const graph *g, int32_t hubs, int32_t largest_tail)
{
    smm_order order;
    size_t n = (size_t)g->nodes;
    int status = smm_order_nodes(&standard, g->nodes, g->lead, g->weight, g->nedges, g->a, g->b,
                                 NULL, 1, &order);
    if (!CHECK(status == SMM_OK)) return;
    CHECK(g->nodes - order.nhead <= largest_tail);
    int32_t *position = malloc(n * sizeof *position), *rows = malloc(n * sizeof *rows);
    char *filled = calloc(n * n, 1);
    if (!position || !rows || !filled) abort();
    if (check_permutation(g, &order, hubs, position))
        for (int64_t e = 0; e < g->nedges; e++) {
            size_t i = (size_t)position[g->a[e]], j = (size_t)position[g->b[e]];
            filled[i > j ? i + j * n : j + i * n] = 1;
        }
    for (size_t j = 0; j < (size_t)order.nhead; j++) {
        int64_t r = order.rowptr[j], count = 0;
        for (size_t i = j + 1; i < n; i++)
            if (filled[i + j * n]) rows[count++] = (int32_t)i;
        if (!CHECK(order.rowptr[j + 1] - r == count)) break;
        CHECK(memcmp(rows, order.row + r, sizeof *rows * (size_t)count) == 0);
        for (int64_t a = 0; a < count; a++)
            for (int64_t b = a + 1; b < count; b++)
                filled[(size_t)rows[b] + (size_t)rows[a] * n] = 1;
    }
    free(filled);
    free(rows);
    free(position);
    smm_order_free(&standard, &order);
}

int main(void)
{
    const struct {
        int32_t nodes, lead;
        double share;
    } shapes[] = {{1, 1, 0},     {5, 5, 0},        {2, 1, 1},     {20, 10, 0},
                  {20, 10, 1},   {60, 30, 0.1},    {60, 5, 0.03}, {80, 40, 0.03},
                  {80, 40, 0.3}, {100, 60, 0.015}, {90, 1, 0.02}, {120, 70, 0.02}};
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

    /* the tail is as large as the number of hubs asks for, not as the hubs' neighbours; in the
     * last ones lists are so long that they are not updated at every step */
    const struct {
        int32_t lead, rest, hubs;
        int second;
    } stars[] = {{120, 100, 1, 0},
                 {120, 100, 1, 1},
                 {450, 400, 5, 1},
                 {4300, 4200, 1, 0},
                 {4300, 4200, 3, 1}};
    for (size_t s = 0; s < sizeof stars / sizeof *stars; s++) {
        graph g = hub_graph(stars[s].lead, stars[s].rest, stars[s].hubs, stars[s].second);
        check_hubs(&g, stars[s].hubs, 10 * (stars[s].hubs + stars[s].second + 1));
        free(g.a);
        free(g.b);
        free(g.weight);
    }

    /* freeing an empty order is allowed */
    smm_order empty = {0};
    smm_order_free(&standard, &empty);
    return check_result();
}
