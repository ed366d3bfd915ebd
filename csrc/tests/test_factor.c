/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Omega = L L', its two triangular solves and its selected inverse against a dense
 * inverse, on shapes that reach every kind of column: sparse head, grouped panels with
 * contiguous and scattered rows, small and large tail, blocks above SMM_SMALL.
 */
#include "check.h"
#include "problem.h"
#include "linear/linear.h"

#define TOL 1e-9

/* Scalar of the output order at each scalar of the elimination order. */
static int64_t *output_order(const smm_design *d)
{
    int64_t *out = malloc((size_t)d->q * sizeof *out);
    if (!out) abort();
    for (int32_t j = 0; j < d->nodes; j++)
        for (int32_t c = 0; c < d->node_cols[j]; c++)
            out[d->node_at[j] + c] = d->term_at[d->node_term[j]] +
                                     (int64_t)d->node_level[j] * d->node_cols[j] + c;
    return out;
}

static void check_inverse(const smm_workspace *ws, const int64_t *at, const double *inverse)
{
    const smm_design *d = ws->design;
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        for (int32_t c = 0; c < d->node_cols[j]; c++)
            for (int32_t r = i == j ? c : 0; r < d->node_cols[i]; r++) {
                double got = ws->inverse[d->block_in_l[b] + r + (int64_t)c * smm_ld(d, j)];
                int64_t row = at[d->node_at[i] + r], col = at[d->node_at[j] + c];
                CHECK_NEAR(got, inverse[row + col * d->q], TOL);
            }
    }
}

static void check_solves(smm_workspace *ws, const int64_t *at, const double *inverse)
{
    const smm_design *d = ws->design;
    enum { WIDTH = 3 };
    uint64_t state = 5;
    double *b = malloc((size_t)d->q * WIDTH * sizeof *b);
    double *x = malloc((size_t)d->q * WIDTH * sizeof *x);
    if (!b || !x) abort();
    for (int64_t i = 0; i < d->q * WIDTH; i++) x[i] = b[i] = normal(&state);
    smm_forward(ws, x, WIDTH);
    smm_backward(ws, x, WIDTH);
    for (int64_t i = 0; i < d->q; i++)
        for (int v = 0; v < WIDTH; v++) {
            double sum = 0;
            for (int64_t j = 0; j < d->q; j++)
                sum += inverse[at[i] + at[j] * d->q] * b[j * WIDTH + v];
            CHECK_NEAR(x[i * WIDTH + v], sum, TOL);
        }
    free(b);
    free(x);
}

static void check_model(const problem *m, const double *weights)
{
    smm_design *d = problem_design(m);
    smm_workspace *ws = problem_workspace(d, m, weights, 0, 0);
    double *omega = dense_omega(m, m->theta, weights);
    double *inverse = malloc((size_t)(m->q * m->q) * sizeof *inverse);
    if (!inverse) abort();
    double logdet = dense_inverse(m->q, omega, inverse);
    int64_t *at = output_order(d);

    smm_set_theta(ws, m->theta);
    smm_fill_omega(ws);
    CHECK(smm_factor(ws) == SMM_OK);
    CHECK_NEAR(ws->logdet_omega, logdet, TOL);
    check_solves(ws, at, inverse);
    CHECK(smm_selected_inverse(ws) == SMM_OK);
    check_inverse(ws, at, inverse);

    free(at);
    free(inverse);
    free(omega);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
}

/* Each level of the first term meets the same scattered levels of the second: even ones
 * for the first half, odd ones for the rest. */
static problem scattered(void)
{
    const int32_t levels[] = {40, 40}, cols[] = {3, 1};
    problem m = problem_make(3, COMPLETE, 40 * 40, 1, 2, levels, cols);
    int32_t *second = (int32_t *)m.term[1].refs;
    for (int64_t i = 0; i < m.n; i++)
        second[i] = second[i] / 2 * 2 + (m.term[0].refs[i] >= levels[0] / 2);
    return m;
}

/* Two terms whose levels meet along a line, so that the head has levels of both: of four levels of
 * the first, one meets one level of the second, the next two the same three, the last some of these
 * and others. The last levels of both have no rows. */
static problem along_a_line(void)
{
    enum { LEVELS = 64, WITHOUT = 4, ROWS = 4 };
    static const int32_t met[4][ROWS] = {
        {0, 0, 0, 0}, {0, 1, 2, 2}, {-1, 0, 1, 1}, {-1, 0, 2, 3}};
    const int32_t levels[] = {LEVELS, LEVELS}, cols[] = {1, 1};
    problem m = problem_make(4, COMPLETE, (LEVELS - 2 * WITHOUT) * ROWS, 1, 2, levels, cols);
    int32_t *first = (int32_t *)m.term[0].refs, *second = (int32_t *)m.term[1].refs;
    for (int32_t i = 0; i < m.n; i++) {
        first[i] = i / ROWS;
        second[i] = i / ROWS + met[i / ROWS % 4][i % ROWS];
    }
    smm_design *d = problem_design(&m);
    CHECK(smm_has_lists(d));
    CHECK(d->nhead > LEVELS);
    smm_design_destroy(d);
    return m;
}

int main(void)
{
    static const struct {
        enum layout layout;
        int64_t n;
        int32_t nterms, levels[MAX_TERMS], cols[MAX_TERMS];
    } shapes[] = {
        {RANDOM, 30, 1, {7}, {1}},
        {RANDOM, 30, 1, {7}, {2}},
        {RANDOM, 40, 1, {6}, {3}},
        {RANDOM, 60, 1, {4}, {30}},
        {RANDOM, 60, 2, {20, 9}, {1, 1}},
        {RANDOM, 60, 2, {15, 6}, {2, 3}},
        {RANDOM, 60, 2, {6, 15}, {2, 1}},
        {RANDOM, 80, 2, {3, 4}, {26, 2}},
        {RANDOM, 80, 2, {9, 2}, {2, 26}},
        {COMPLETE, 80, 2, {5, 4}, {8, 8}},
        {COMPLETE, 600, 2, {20, 30}, {2, 1}},
        {RANDOM, 160, 2, {90, 70}, {1, 1}},
        {RANDOM, 110, 2, {60, 50}, {2, 1}},
        {RANDOM, 120, 3, {60, 40, 30}, {1, 2, 1}},
        {RANDOM, 60, 4, {12, 8, 5, 3}, {1, 2, 1, 1}},
        {RANDOM, 150, 3, {60, 40, 30}, {1, 1, 1}},
        {RANDOM, 60, 4, {12, 8, 5, 3}, {1, 1, 1, 1}},
        {NESTED, 96, 3, {24, 6, 2}, {1, 1, 1}},
        {NESTED, 96, 2, {24, 6}, {1, 2}},
        {NESTED, 96, 3, {24, 6, 2}, {2, 1, 1}},
    };
    int sparse = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        problem m = problem_make(s + 1, shapes[s].layout, shapes[s].n, 1, shapes[s].nterms,
                                 shapes[s].levels, shapes[s].cols);
        check_model(&m, NULL);
        check_model(&m, m.weights);
        smm_design *d = problem_design(&m);
        smm_sizes sizes;
        CHECK(smm_design_sizes(d, &sizes) == SMM_OK);
        sparse += sizes.head_nodes > shapes[s].levels[0] && sizes.tail_size > 10;
        smm_design_destroy(d);
        m.theta[0] = 0; /* a singular Lambda leaves Omega regular */
        check_model(&m, NULL);
        problem_free(&m);
    }
    CHECK(sparse >= 3);
    problem m = scattered();
    check_model(&m, m.weights);
    problem_free(&m);
    m = along_a_line();
    check_model(&m, NULL);
    check_model(&m, m.weights);
    problem_free(&m);
    return check_result();
}
