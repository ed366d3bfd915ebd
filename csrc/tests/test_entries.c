/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The k-th allocation fails, for every k, in each function that makes a handle; every other
 * entry point is called when the next allocation would fail, and makes none.
 */
#include <math.h>

#include "entries.h"
#include "purse.h"

static void check_linear(const entries *e, purse *p, const smm_design *d)
{
    smm_workspace *ws;
    int64_t before = p->allocated, live = p->live;
    CHECK(entries_linear(e, d, &ws) == SMM_OK);
    int64_t needed = p->allocated - before;
    CHECK(needed > 0);
    smm_workspace_destroy(ws);
    for (int64_t k = 0; k < needed; k++) {
        p->countdown = k;
        ws = (smm_workspace *)p;
        CHECK(entries_linear(e, d, &ws) == SMM_ENOMEM);
        CHECK(ws == NULL && p->live == live);
    }
    p->countdown = needed;
    CHECK(entries_linear(e, d, &ws) == SMM_OK);
    before = p->allocated;
    CHECK(isfinite(entries_call_linear(e, ws)));
    CHECK(p->allocated == before);
    smm_workspace_destroy(ws);
    CHECK(p->live == live);
    p->countdown = INT64_MAX;
}

static void check_generalized(const entries *e, purse *p, const smm_design *d)
{
    smm_glmm *g;
    int64_t before = p->allocated, live = p->live;
    CHECK(entries_generalized(e, d, &g) == SMM_OK);
    int64_t needed = p->allocated - before;
    CHECK(needed > 0);
    smm_glmm_destroy(g);
    for (int64_t k = 0; k < needed; k++) {
        p->countdown = k;
        g = (smm_glmm *)p;
        CHECK(entries_generalized(e, d, &g) == SMM_ENOMEM);
        CHECK(g == NULL && p->live == live);
    }
    p->countdown = needed;
    CHECK(entries_generalized(e, d, &g) == SMM_OK);
    before = p->allocated;
    CHECK(isfinite(entries_call_generalized(e, g)));
    CHECK(p->allocated == before);
    smm_glmm_destroy(g);
    CHECK(p->live == live);
    p->countdown = INT64_MAX;
}

/* A dispersion with one coefficient is the dispersion, and room for it may run out. */
static void check_sides(const entries *e, purse *p, const smm_design *d)
{
    smm_glmm *g, *plain;
    const smm_family family = {SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 1};
    double *ones = malloc(sizeof(double) * (size_t)e->x.m.n), at[32], values[2], gradient[2][32];
    if (!ones) abort();
    for (int64_t i = 0; i < e->x.m.n; i++) ones[i] = 1;
    int64_t before = p->allocated, live = p->live;
    CHECK(entries_sides(e, d, ones, &g) == SMM_OK);
    int64_t needed = p->allocated - before, count = smm_glmm_parameters(g);
    CHECK(smm_glmm_create(d, &family, e->x.m.y, NULL, e->x.offset, &plain) == SMM_OK);
    CHECK(smm_glmm_approximation(plain, 0, 1, NULL, NULL) == SMM_OK);
    CHECK(smm_glmm_parameters(plain) == count);
    for (int64_t i = 0; i < count; i++) at[i] = 0.1 + 0.05 * (double)i;
    CHECK(smm_glmm_value(g, at, values) == SMM_OK);
    CHECK(smm_glmm_value(plain, at, values + 1) == SMM_OK);
    CHECK_NEAR(values[0], values[1], 1e-10);
    CHECK(smm_glmm_gradient(g, gradient[0]) == SMM_OK);
    CHECK(smm_glmm_gradient(plain, gradient[1]) == SMM_OK);
    for (int64_t i = 0; i < count; i++) CHECK_NEAR(gradient[0][i], gradient[1][i], 1e-7);
    smm_glmm_destroy(g);
    smm_glmm_destroy(plain);
    for (int64_t k = 0; k < needed; k++) {
        p->countdown = k;
        g = (smm_glmm *)p;
        CHECK(entries_sides(e, d, ones, &g) == SMM_ENOMEM);
        CHECK(g == NULL && p->live == live);
    }
    p->countdown = INT64_MAX;
    free(ones);
}

int main(void)
{
    for (int32_t columns = 0; columns <= 2; columns++) {
        entries e = entries_make(7 + (uint64_t)columns, columns);
        purse p = {INT64_MAX, 0, 0};
        smm_design *d;
        smm_sizes sizes;
        CHECK(purse_design(&e.x.m, &p, &d) == SMM_OK);
        CHECK(smm_design_sizes(d, &sizes) == SMM_OK && sizes.q == e.x.m.q);
        check_linear(&e, &p, d);
        check_generalized(&e, &p, d);
        check_sides(&e, &p, d);
        smm_design_destroy(d);
        CHECK(p.live == 0);
        entries_free(&e);
    }
    CHECK(smm_status_text(SMM_ENOMEM) != NULL);
    CHECK(smm_has_dispersion(SMM_GAMMA) == 1);
    return check_result();
}
