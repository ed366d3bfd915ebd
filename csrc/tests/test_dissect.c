/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nested dissection of grids, with and without nodes that all others are next to: the last
 * separator does separate, and is about as small as a row of the grid; the pattern of an order by
 * parts is that of elimination one node after the other, but for what a dense block stores more.
 * A model whose levels are a grid, its factor by blocks, has the value of dense matrices and the
 * gradient of that value.
 */
#include "check.h"
#include "problem.h"
#include "linear/linear.h"

#include <string.h>

/* A grid of wide x high nodes, numbered at random, and `hubs` nodes next to all of it. */
typedef struct {
    int32_t nodes, wide;
    int64_t nedges;
    int32_t *a, *b, *weight;
} graph;

static graph grid(int32_t wide, int32_t high, int32_t hubs, uint64_t seed)
{
    int32_t cells = wide * high, nodes = cells + hubs;
    size_t most = (size_t)cells * (size_t)(2 + hubs);
    graph g = {nodes,
               wide,
               0,
               malloc(most * sizeof(int32_t)),
               malloc(most * sizeof(int32_t)),
               malloc((size_t)nodes * sizeof(int32_t))};
    int32_t *name = malloc((size_t)nodes * sizeof *name);
    if (!g.a || !g.b || !g.weight || !name) abort();
    for (int32_t i = 0; i < nodes; i++) {
        name[i] = i;
        g.weight[i] = 1;
    }
    for (int32_t i = nodes - 1; i > 0; i--) {
        int32_t k = (int32_t)(uniform(&seed) * (i + 1)), other = name[k];
        name[k] = name[i];
        name[i] = other;
    }
    for (int32_t i = 0; i < cells; i++) {
        int32_t next[2] = {(i + 1) % wide ? i + 1 : -1, i + wide < cells ? i + wide : -1};
        for (int e = 0; e < 2 + hubs; e++) {
            int32_t k = e < 2 ? next[e] : cells + e - 2;
            if (k < 0) continue;
            g.a[g.nedges] = name[i] < name[k] ? name[i] : name[k];
            g.b[g.nedges++] = name[i] < name[k] ? name[k] : name[i];
        }
    }
    free(name);
    return g;
}

static void grid_free(graph *g)
{
    free(g->a);
    free(g->b);
    free(g->weight);
}

/* Neighbours of each node, for smm_dissect. */
static void neighbours(const graph *g, int64_t *at, int32_t *adj)
{
    int64_t next = 0;
    for (int32_t i = 0; i < g->nodes; i++) {
        at[i] = next;
        for (int64_t e = 0; e < g->nedges; e++) {
            if (g->a[e] == i) adj[next++] = g->b[e];
            if (g->b[e] == i) adj[next++] = g->a[e];
        }
    }
    at[g->nodes] = next;
}

/* The largest set of nodes that are connected without those of the last part. */
static int32_t largest_rest(const graph *g, const int64_t *at, const int32_t *adj,
                            const int32_t *part, int32_t parts)
{
    int32_t *queue = malloc((size_t)g->nodes * sizeof *queue), largest = 0;
    char *seen = calloc((size_t)g->nodes, 1);
    if (!queue || !seen) abort();
    for (int32_t i = 0; i < g->nodes; i++) {
        int32_t begin = 0, end = 0;
        if (seen[i] || part[i] == parts - 1) continue;
        seen[i] = 1;
        for (queue[end++] = i; begin < end; begin++)
            for (int64_t e = at[queue[begin]]; e < at[queue[begin] + 1]; e++) {
                if (seen[adj[e]] || part[adj[e]] == parts - 1) continue;
                seen[adj[e]] = 1;
                queue[end++] = adj[e];
            }
        if (end > largest) largest = end;
    }
    free(queue);
    free(seen);
    return largest;
}

static void check_pattern(const graph *g, const smm_order *order)
{
    size_t n = (size_t)g->nodes;
    int32_t *position = malloc(n * sizeof *position);
    char *filled = calloc(n * n, 1);
    if (!position || !filled) abort();
    for (size_t i = 0; i < n; i++) position[i] = -1;
    for (size_t i = 0; i < n; i++) {
        CHECK(position[order->order[i]] == -1);
        position[order->order[i]] = (int32_t)i;
    }
    for (int64_t e = 0; e < g->nedges; e++) {
        size_t i = (size_t)position[g->a[e]], j = (size_t)position[g->b[e]];
        filled[i > j ? i + j * n : j + i * n] = 1;
    }
    int32_t b = 0;
    for (size_t j = 0; j < (size_t)order->nhead; j++) {
        while (b < order->nblocks && (int32_t)j >= order->block[2 * b + 1]) b++;
        int in_block = b < order->nblocks && (int32_t)j >= order->block[2 * b];
        int64_t r = order->rowptr[j], end = order->rowptr[j + 1], stored = end - r, needed = 0;
        for (size_t i = j + 1; i < n; i++) {
            if (!filled[i + j * n]) continue;
            needed++;
            while (r < end && order->row[r] < (int32_t)i) r++;
            if (!CHECK(r < end && order->row[r] == (int32_t)i)) break;
            for (size_t k = i + 1; k < n; k++)
                if (filled[k + j * n]) filled[k + i * n] = 1;
        }
        CHECK(stored >= needed);
        /* a column of a block has the rest of the block and the rows of the last one */
        if (in_block) {
            int32_t last = order->block[2 * b + 1] - 1;
            int64_t rows = order->rowptr[last + 1] - order->rowptr[last];
            CHECK(stored == last - (int64_t)j + rows);
            CHECK(memcmp(order->row + end - rows, order->row + order->rowptr[last],
                         sizeof(int32_t) * (size_t)rows) == 0);
        }
    }
    free(position);
    free(filled);
}

static void check_grid(int32_t wide, int32_t high, int32_t hubs)
{
    smm_allocator mem = smm_standard_allocator();
    graph g = grid(wide, high, hubs, 3);
    int64_t *at = malloc(((size_t)g.nodes + 1) * sizeof *at);
    int32_t *adj = malloc(2 * (size_t)g.nedges * sizeof *adj), parts = 0;
    int32_t *part = malloc((size_t)g.nodes * sizeof *part);
    if (!at || !adj || !part) abort();
    neighbours(&g, at, adj);
    if (CHECK(smm_dissect(&mem, g.nodes, at, adj, part, &parts) == SMM_OK)) {
        int32_t last = 0;
        for (int32_t i = 0; i < g.nodes; i++) {
            CHECK(part[i] >= 0 && part[i] < parts);
            last += part[i] == parts - 1;
        }
        CHECK(parts >= 3);
        CHECK(last <= hubs + wide + wide / 4);
        CHECK(largest_rest(&g, at, adj, part, parts) <= 0.6 * (g.nodes - hubs));
        smm_order order;
        CHECK(smm_order_nodes(&mem, g.nodes, 0, g.weight, g.nedges, g.a, g.b, part, parts,
                              &order) == SMM_OK);
        check_pattern(&g, &order);
        smm_order_free(&mem, &order);
    }
    free(at);
    free(adj);
    free(part);
    grid_free(&g);
}

/* What is alone, or too small to be cut, is one part. */
static void test_one_part(void)
{
    smm_allocator mem = smm_standard_allocator();
    int64_t at[5] = {0, 0, 0, 0, 0};
    int32_t adj[1] = {0}, part[4] = {9, 9, 9, 9}, parts = 0;
    CHECK(smm_dissect(&mem, 4, at, adj, part, &parts) == SMM_OK);
    CHECK(parts == 1);
    for (int i = 0; i < 4; i++) CHECK(part[i] == 0);
}

/* The precision of a grid, by columns. */
static smm_lower precision(const graph *g)
{
    int64_t *at = malloc(((size_t)g->nodes + 1) * sizeof *at), next = 0;
    size_t size = (size_t)g->nodes + (size_t)g->nedges;
    int32_t *row = malloc(size * sizeof *row);
    double *value = malloc(size * sizeof *value);
    if (!at || !row || !value) abort();
    for (int32_t j = 0; j < g->nodes; j++) {
        at[j] = next;
        for (int32_t i = j; i < g->nodes; i++) {
            int joined = i == j;
            for (int64_t e = 0; e < g->nedges && !joined; e++)
                joined = g->a[e] == j && g->b[e] == i;
            if (!joined) continue;
            row[next] = i;
            value[next++] = i == j ? 4.5 + 0.1 * (j % 7) : -0.9;
        }
    }
    at[g->nodes] = next;
    return (smm_lower){at, row, value, NULL};
}

/* -2 log L by the n x n matrix I + theta^2 Z Q^-1 Z', for one term of one column. */
static double dense_objective(const problem *m, const smm_lower *Q, double theta, int reml)
{
    int64_t n = m->n, l = m->term[0].levels;
    double *q = calloc((size_t)(l * l), sizeof *q),
           *inverse = malloc((size_t)(l * l) * sizeof *q);
    if (!q || !inverse) abort();
    for (int64_t j = 0; j < l; j++)
        for (int64_t a = Q->at[j]; a < Q->at[j + 1]; a++)
            q[Q->row[a] + j * l] = q[j + Q->row[a] * l] = Q->value[a];
    dense_inverse(l, q, inverse);
    double *V = malloc((size_t)(n * n) * sizeof *V), *W = malloc((size_t)(n * n) * sizeof *W);
    if (!V || !W) abort();
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            int64_t at = m->term[0].refs[i] + m->term[0].refs[j] * l;
            double z = m->term[0].z[i] * m->term[0].z[j];
            V[i + j * n] = (i == j) + theta * theta * z * inverse[at];
        }
    double logdet = dense_inverse(n, V, W), xx = 0, xy = 0, yy = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double w = W[i + j * n];
            xx += m->X[i] * w * m->X[j];
            xy += m->X[i] * w * m->y[j];
            yy += m->y[i] * w * m->y[j];
        }
    free(q);
    free(inverse);
    free(V);
    free(W);
    double r2 = yy - xy * xy / xx, dof = (double)(reml ? n - 1 : n);
    return logdet + (reml ? log(xx) : 0) + dof * (1 + LOG_2PI + log(r2 / dof));
}

/* A run that takes slopes of the determinant from its values ends where the exact gradient is zero
 * and the dense objective least; what needs the inverse then finds it. */
static void check_minimum(const problem *m, const smm_lower *Q, smm_workspace *ws, int reml)
{
    smm_options options = {0};
    smm_report report = {0};
    options.ftol_abs = 1e-8;
    double theta = 2, value, gradient, condvar[200], again[200];
    CHECK(smm_newton(ws, &options, &theta, &report) == SMM_OK);
    CHECK(report.stop == SMM_STOP_GTOL);
    CHECK(ws->inverted == (SMM_MUCH_WORK > 0)); /* values do where it is asked for */
    CHECK_NEAR(report.value, dense_objective(m, Q, theta, reml), 1e-9 * fabs(report.value));
    CHECK(smm_condvar(ws, condvar) == SMM_OK);
    CHECK(smm_value(ws, &theta, &value) == SMM_OK);
    CHECK_NEAR(value, report.value, 1e-10 * fabs(value));
    CHECK(smm_gradient(ws, &gradient) == SMM_OK);
    CHECK(fabs(gradient) < 1e-4);
    CHECK(smm_condvar(ws, again) == SMM_OK);
    for (int l = 0; l < 200; l++) CHECK_NEAR(condvar[l], again[l], 1e-12 * again[l]);
    for (int side = -1; side <= 1; side += 2)
        CHECK(dense_objective(m, Q, theta * (1 + 1e-3 * side), reml) > value);
}

/* The first slope that is interpolated, by a value and the third moment of a few random signs. */
static void check_first_slope(const problem *m, const smm_design *d, int reml)
{
    smm_workspace *ws = problem_workspace(d, m, NULL, reml, 0);
    for (double theta = 0.6; theta < 4; theta *= 1.5) {
        double value, gradient, exact, beside = theta * 1.02;
        smm_forget_determinants(ws);
        CHECK(smm_value(ws, &theta, &value) == SMM_OK);
        CHECK(smm_quick_gradient(ws, &gradient) == SMM_OK);
        CHECK(smm_value(ws, &beside, &value) == SMM_OK);
        CHECK(smm_quick_gradient(ws, &gradient) == SMM_OK);
        CHECK(ws->inverted == (SMM_MUCH_WORK > 0));
        CHECK(smm_gradient(ws, &exact) == SMM_OK);
        CHECK(fabs(gradient - exact) < 4e-4); /* a value and no third moment: 2e-3 */
    }
    smm_workspace_destroy(ws);
}

static void test_model(void)
{
    const int32_t levels[] = {200}, cols[] = {1};
    problem m = problem_make(5, RANDOM, 260, 1, 1, levels, cols);
    graph g = grid(10, 20, 0, 8);
    smm_lower Q = precision(&g);
    m.term[0].prior = &Q;
    smm_design *d = problem_design(&m);
    smm_sizes sizes;
    CHECK(smm_design_sizes(d, &sizes) == SMM_OK);
    for (int reml = 0; reml < 2; reml++) {
        smm_workspace *ws = problem_workspace(d, &m, NULL, reml, 0);
        for (double theta = 0.5; theta < 5; theta *= 2) {
            double value, gradient, h = 1e-5 * theta, up = theta + h, down = theta - h;
            CHECK(smm_value(ws, &theta, &value) == SMM_OK);
            CHECK_NEAR(value, dense_objective(&m, &Q, theta, reml), 1e-9 * fabs(value));
            CHECK(smm_gradient(ws, &gradient) == SMM_OK);
            double above, below;
            CHECK(smm_value(ws, &up, &above) == SMM_OK);
            CHECK(smm_value(ws, &down, &below) == SMM_OK);
            CHECK_NEAR(gradient, (above - below) / (2 * h), 1e-5 * (1 + fabs(gradient)));
        }
        check_minimum(&m, &Q, ws, reml);
        check_first_slope(&m, d, reml);
        smm_workspace_destroy(ws);
    }
    int blocks = 0;
    for (int32_t i = 0; i < d->ngroups; i++) blocks += d->groups[i].block;
    CHECK((blocks > 0) ==
          (SMM_LEAST_PART < 100)); /* the interesting case where it is asked for */
    smm_design_destroy(d);
    free((void *)Q.at);
    free((void *)Q.row);
    free((void *)Q.value);
    grid_free(&g);
    problem_free(&m);
}

int main(void)
{
    check_grid(15, 70, 0);
    check_grid(15, 70, 2);
    check_grid(30, 40, 0);
    test_one_part();
    test_model();
    return check_result();
}
