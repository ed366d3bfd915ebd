/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The memory of an evaluation: one arena, laid out by one function that is run twice,
 * first to measure and then to place.
 */
#include "linear/linear.h"

#define MOST_OPERATIONS 1000000000000000000

#define ALIGNMENT 64

typedef struct {
    char *base; /* NULL while measuring */
    size_t used;
    int overflow;
} arena;

static void *take(arena *a, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || (uint64_t)count > (SIZE_MAX / 2 - a->used) / size) {
        a->overflow = 1;
        return NULL;
    }
    size_t needed = (size_t)count * size;
    bytes = (needed + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + SMM_RED_ZONE;
    char *at = a->base ? a->base + a->used : NULL;
    if (at) smm_forbid(at + needed, bytes - needed);
    a->used += bytes;
    return at;
}

static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static void lay_out(smm_workspace *ws, const smm_design *d, arena *a)
{
    const size_t f = sizeof(double);
    int64_t m = smm_width(d), p = d->p, q = d->q, nt = d->ntheta, kk = 0, columns = 0;
    int64_t k2 = (int64_t)d->maxcols * d->maxcols;
    for (int32_t t = 0; t < d->nterms; t++) {
        kk += (int64_t)d->cols[t] * d->cols[t];
        columns += d->cols[t];
    }
    ws->A = take(a, d->block_at[d->nblocks], f);
    ws->twin = take(a, d->nodes, sizeof(int32_t));
    ws->alike = take(a, d->nodes, sizeof(int32_t));
    ws->ZXy = take(a, q * m, f);
    ws->XXy = take(a, m * m, f);
    ws->zrms = take(a, columns, f);
    ws->prior_sd = take(a, d->nterms, f);
    ws->T = take(a, kk, f);
    ws->T_at = take(a, d->nterms + 1, sizeof(int32_t));
    ws->theta = take(a, nt, f);
    ws->L = take(a, d->nval, f);
    ws->inverse = take(a, d->nval, f);
    ws->determinants = take(a, SMM_DETERMINANTS, sizeof(smm_determinant));
    ws->signs = take(a, smm_follows_determinant(d) ? 2 * q * SMM_SIGNS : 0, f);
    ws->B = take(a, q * m, f);
    ws->R = take(a, m * m, f);
    ws->Minv = take(a, p * p, f);
    ws->beta = take(a, p, f);
    ws->u = take(a, q, f);
    ws->b = take(a, q, f);
    ws->e = take(a, q, f);
    /* C and H are only needed together, W and AW only after them, sums of levels only before */
    int64_t each = q * larger(p, nt), sums = smm_level_sums(d);
    ws->C = take(a, larger(each, sums), f);
    ws->H = take(a, each, f);
    ws->W = ws->C;
    ws->AW = ws->H;
    ws->GT = take(a, kk, f);
    ws->vtheta = take(a, nt, f);
    ws->mtheta = take(a, 2 * nt * nt + 2 * m * nt, f);
    ws->scale = take(a, nt, f);
    ws->run_vectors = take(a, SMM_RUN_VECTORS(nt), f);
    ws->run_pairs = take(a, 2 * SMM_MEMORY * nt, f);
    ws->run_matrices = take(a, SMM_RUN_MATRICES(nt), f);
    ws->group_tmp = take(a, d->group_scratch, f);
    int64_t lists = smm_has_lists(d) ? d->nhead : 0;
    ws->waiting = take(a, lists, sizeof(int32_t));
    ws->waits_next = take(a, lists, sizeof(int32_t));
    ws->waits_at = take(a, lists, sizeof(int32_t));
    ws->spread = take(a, lists ? d->nodes : 0, f);
    /* the largest of: a chunk of rows (crossprod), a panel and a block (selinv), six
     * blocks (gradient), two rows of the design (leverage) */
    int64_t scratch = larger(256 * m, larger(k2 + d->max_panel, 6 * k2));
    ws->small_tmp = take(a, larger(scratch, 2 * columns + 2 * m + k2), f);
}

static int64_t workspace_bytes(const smm_design *d)
{
    smm_workspace ws = {.design = d};
    arena a = {NULL, 0, 0};
    lay_out(&ws, d, &a);
    return a.overflow || a.used > INT64_MAX ? INT64_MAX : (int64_t)a.used;
}

/* A column with r elements below its pivot takes r (r + 1) operations for what is right of it. */
static int64_t factor_operations(const smm_design *d)
{
    double sum = 0, tail = d->qt;
    for (int32_t gi = 0; gi < d->ngroups; gi++) {
        const smm_group *g = d->groups + gi;
        for (int32_t j = g->first; j < g->last; j++) {
            int32_t above = g->block ? j - g->first : 0; /* a rectangle holds a trapezoid */
            for (int32_t c = 0; c < d->node_cols[j]; c++) {
                double r = d->height[j] - above - c - 1;
                sum += r * (r + 1);
            }
        }
    }
    sum += tail * (tail * tail - 1) / 3;
    return sum < MOST_OPERATIONS ? (int64_t)sum : MOST_OPERATIONS;
}

int smm_design_sizes(const smm_design *d, smm_sizes *out)
{
    if (!d || !out) return SMM_EINVAL;
    out->n = d->n;
    out->q = d->q;
    out->nblocks = d->nblocks;
    out->head_values = d->tail_at;
    out->workspace_bytes = workspace_bytes(d);
    out->factor_operations = factor_operations(d);
    out->p = d->p;
    out->nterms = d->nterms;
    out->ntheta = d->ntheta;
    out->nodes = d->nodes;
    out->head_nodes = d->nhead;
    out->tail_size = d->qt;
    return SMM_OK;
}

int smm_workspace_create(const smm_design *d, smm_workspace **out)
{
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (!d) return SMM_EINVAL;
    smm_workspace *ws = smm_alloc(&d->mem, 1, sizeof *ws);
    if (!ws) return SMM_ENOMEM;
    memset(ws, 0, sizeof *ws);
    ws->design = d;
    arena a = {NULL, 0, 0};
    lay_out(ws, d, &a);
    if (a.overflow) {
        smm_release(&d->mem, ws);
        return SMM_EOVERFLOW;
    }
    ws->arena = smm_alloc(&d->mem, a.used + ALIGNMENT, 1);
    if (!ws->arena) {
        smm_release(&d->mem, ws);
        return SMM_ENOMEM;
    }
    uintptr_t start = ((uintptr_t)ws->arena + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    a.base = (char *)start;
    a.used = 0;
    lay_out(ws, d, &a);
    ws->T_at[0] = 0;
    for (int32_t t = 0; t < d->nterms; t++)
        ws->T_at[t + 1] = ws->T_at[t] + d->cols[t] * d->cols[t];
    for (int32_t j = 0; j < d->nodes; j++) {
        ws->twin[j] = -1; /* until there is an A to compare */
        ws->alike[j] = 1;
    }
    ws->rows = d->n;
    ws->state = SMM_EMPTY;
    int status = smm_find_prior(ws);
    if (status) {
        smm_workspace_destroy(ws);
        return status;
    }
    *out = ws;
    return SMM_OK;
}

void smm_workspace_destroy(smm_workspace *ws)
{
    if (!ws) return;
    smm_allocator mem = ws->design->mem;
    smm_precise_destroy(ws);
    smm_by_rows_destroy(ws);
    smm_release(&mem, ws->arena);
    smm_release(&mem, ws);
}
