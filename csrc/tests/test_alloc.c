/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory: the k-th allocation fails, for every k. Each time the status is SMM_ENOMEM, the
 * handle is NULL and all that was allocated is released.
 */
#include "purse.h"

static void check_model(const problem *m)
{
    smm_design *d;
    purse plenty = {INT64_MAX, 0, 0};
    CHECK(purse_design(m, &plenty, &d) == SMM_OK);
    int64_t needed = plenty.allocated;
    CHECK(needed > 10);
    smm_design_destroy(d);
    CHECK(plenty.live == 0);

    for (int64_t k = 0; k < needed; k++) {
        purse p = {k, 0, 0};
        d = (smm_design *)&p;
        CHECK(purse_design(m, &p, &d) == SMM_ENOMEM);
        CHECK(d == NULL);
        CHECK(p.live == 0);
    }

    /* the workspace uses its design's allocator, and nothing after it allocates */
    purse p = {INT64_MAX, 0, 0};
    CHECK(purse_design(m, &p, &d) == SMM_OK);
    int64_t before = p.allocated, live = p.live;
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    needed = p.allocated - before;
    smm_workspace_destroy(ws);
    for (int64_t k = 0; k < needed; k++) {
        p.countdown = k;
        ws = (smm_workspace *)&p;
        CHECK(smm_workspace_create(d, &ws) == SMM_ENOMEM);
        CHECK(ws == NULL);
        CHECK(p.live == live);
    }
    p.countdown = needed;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    double value, *theta = malloc((size_t)m->ntheta * sizeof *theta);
    if (!theta) abort();
    for (int32_t i = 0; i < m->ntheta; i++) theta[i] = m->theta[i];
    smm_options options = {.ftol_abs = 1e-8, .max_eval = 5};
    smm_report report = {0};
    p.countdown = 0; /* the next one would fail */
    CHECK(smm_crossprod(ws, m->y, NULL) == SMM_OK);
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    CHECK(smm_newton(ws, &options, theta, &report) == SMM_OK);
    free(theta);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    CHECK(p.live == 0);
}

int main(void)
{
    static const struct {
        enum layout layout;
        int64_t n;
        int32_t p, nterms, levels[MAX_TERMS], cols[MAX_TERMS];
    } shapes[] = {
        {RANDOM, 30, 2, 1, {6}, {1}},
        {RANDOM, 40, 0, 1, {5}, {3}},
        {COMPLETE, 60, 2, 2, {6, 5}, {2, 1}},
        {NESTED, 48, 2, 3, {12, 4, 2}, {2, 1, 1}},
        {RANDOM, 400, 1, 2, {250, 180}, {1, 1}}, /* lists that have to grow */
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        problem m = problem_make(300 + s, shapes[s].layout, shapes[s].n, shapes[s].p,
                                 shapes[s].nterms, shapes[s].levels, shapes[s].cols);
        check_model(&m);
        problem_free(&m);
    }

    /* refused arguments leak nothing either */
    const int32_t levels[] = {5}, cols[] = {1};
    problem m = problem_make(1, RANDOM, 20, 1, 1, levels, cols);
    m.term[0].levels = 1;
    purse p = {INT64_MAX, 0, 0};
    smm_design *d;
    CHECK(purse_design(&m, &p, &d) == SMM_EINVAL);
    CHECK(d == NULL && p.live == 0);
    problem_free(&m);
    return check_result();
}
