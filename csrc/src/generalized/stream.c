/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A generalized model whose rows pass by in batches. All that an evaluation needs of the rows at
 * given u and beta are sums over them, which take no memory in n:
 *
 *     loglik,  Z'l,  X'l,  Z'WZ,  Z'WX,  X'WX                    at each step of PIRLS,
 *     Z'c,  X'c,  a'dw/d zeta,  Z'dl/d zeta,  X'dl/d zeta        for the gradient (c = a dw/d eta),
 *
 * and what the gradient has of s = Z Lambda v + X x (glmm_gradient.c) follows from them:
 *
 *     Z'W s = Z'WZ Lambda v + Z'WX x,    X'W s = (Z'WX)'Lambda v + X'WX x.
 *
 * So the rows pass by once for a step, and once for a gradient. The design is that of some rows in
 * which each pair of levels occurs that occurs at all; a copy of it has the rows of the batch.
 */
#include "generalized/generalized.h"

enum { EXPECTED, OBSERVED, SAFE };

/* Which weights differ. */
static int kinds(const smm_glmm *g) { return g->wo == g->we ? 1 : SMM_KINDS; }

/* Weights of one kind have their Z'WZ where it is factored. */
static int64_t lay_out(smm_glmm *g, double *base)
{
    smm_stream *s = g->stream;
    const smm_design *d = &s->window;
    int32_t p = d->p, m = p + 1;
    int64_t at = 0, q = d->q, values = kinds(g) == 1 ? 0 : d->block_at[d->nblocks];
    for (int k = 0; k < kinds(g); k++) {
        if (base) {
            s->A[k] = values ? base + at : g->ws->A;
            s->ZX[k] = base + at + values;
            s->XX[k] = base + at + values + q * m;
        }
        at += values + q * m + (int64_t)m * m;
    }
    double **of_levels[] = {&s->zl, &s->zc, &s->z_zeta},
           **of_columns[] = {&s->xl, &s->xc, &s->x_zeta};
    for (int k = 0; k < 3; k++) {
        if (base) {
            *of_levels[k] = base + at;
            *of_columns[k] = base + at + q;
        }
        at += q + p;
    }
    return at;
}

void smm_stream_destroy(smm_stream *s)
{
    if (!s) return;
    smm_allocator mem = s->window.mem;
    void *all[] = {(void *)s->window.refs,
                   (void *)s->window.z,
                   s->window.pair,
                   s->arena,
                   s->first,
                   s->row,
                   s->block};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(&mem, all[i]);
    smm_release(&mem, s);
}

/* The blocks that couple nodes, by their column and in it by their row: two counting sorts. */
static int sort_blocks(smm_stream *s)
{
    const smm_design *d = &s->window;
    int64_t count = d->nblocks - d->nodes;
    int32_t *by_row = smm_alloc(&d->mem, (size_t)count, sizeof(int32_t));
    if (!by_row) return SMM_ENOMEM;
    for (int pass = 0; pass < 2; pass++) {
        const int32_t *key = pass ? d->block_col : d->block_row;
        memset(s->first, 0, sizeof(int64_t) * ((size_t)d->nodes + 2));
        for (int64_t b = d->nodes; b < d->nblocks; b++) s->first[key[b] + 2]++;
        for (int32_t j = 0; j < d->nodes; j++) s->first[j + 2] += s->first[j + 1];
        for (int64_t i = 0; i < count; i++) {
            int32_t b = pass ? by_row[i] : (int32_t)(d->nodes + i);
            int64_t at = s->first[key[b] + 1]++;
            if (!pass) by_row[at] = b;
            else {
                s->row[at] = d->block_row[b];
                s->block[at] = b;
            }
        }
    }
    smm_release(&d->mem, by_row);
    return SMM_OK;
}

int smm_stream_create(const smm_design *d, int64_t capacity, smm_next_rows next, void *ctx,
                      smm_stream **out)
{
    smm_stream *s = smm_alloc(&d->mem, 1, sizeof *s);
    if (!s) return SMM_ENOMEM;
    memset(s, 0, sizeof *s);
    s->window = *d;
    s->capacity = capacity;
    s->next = next;
    s->ctx = ctx;
    size_t terms = (size_t)d->nterms, couplings = (size_t)(d->nblocks - d->nodes);
    s->window.refs = smm_alloc(&d->mem, terms, sizeof *s->window.refs);
    s->window.z = smm_alloc(&d->mem, terms, sizeof *s->window.z);
    s->window.pair = smm_alloc(&d->mem, (size_t)capacity * (size_t)d->npairs, sizeof(int32_t));
    s->first = smm_alloc(&d->mem, (size_t)d->nodes + 2, sizeof(int64_t));
    s->row = smm_alloc(&d->mem, couplings, sizeof(int32_t));
    s->block = smm_alloc(&d->mem, couplings, sizeof(int32_t));
    int status = SMM_ENOMEM;
    if (s->window.refs && s->window.z && s->window.pair && s->first && s->row && s->block)
        status = sort_blocks(s);
    if (status) {
        smm_stream_destroy(s);
        return status;
    }
    s->window.n = capacity;
    *out = s;
    return SMM_OK;
}

int smm_stream_reserve(smm_glmm *g)
{
    smm_stream *s = g->stream;
    s->arena = smm_alloc(&s->window.mem, (size_t)lay_out(g, NULL), sizeof(double));
    if (!s->arena) return SMM_ENOMEM;
    lay_out(g, s->arena);
    return SMM_OK;
}

/* The block that couples two nodes, or -1. */
static int64_t find_block(const smm_stream *s, int32_t a, int32_t b)
{
    int32_t column = a < b ? a : b, row = a < b ? b : a;
    int64_t low = s->first[column], high = s->first[column + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->row[middle] < row) low = middle + 1;
        else high = middle;
    }
    return low < s->first[column + 1] && s->row[low] == row ? s->block[low] : -1;
}

/* Make the rows of a batch those of the window. */
static int show(smm_glmm *g, const smm_batch *batch)
{
    smm_stream *s = g->stream;
    smm_design *d = &s->window;
    if (batch->n > s->capacity || !batch->y || (d->p && !batch->X)) return SMM_EINVAL;
    if ((g->weighted != 0) != (batch->weights != NULL)) return SMM_EINVAL;
    for (int32_t t = 0; t < d->nterms; t++) {
        d->refs[t] = batch->refs[t];
        d->z[t] = batch->z[t];
        for (int64_t i = 0; i < batch->n; i++)
            if (d->refs[t][i] < 0 || d->refs[t][i] >= d->levels[t]) return SMM_EINVAL;
    }
    int32_t pair = 0;
    for (int32_t a = 0; a < d->nterms; a++)
        for (int32_t b = a + 1; b < d->nterms; b++, pair++)
            for (int64_t i = 0; i < batch->n; i++) {
                int64_t block =
                    find_block(s, d->node_of[a][d->refs[a][i]], d->node_of[b][d->refs[b][i]]);
                if (block < 0) return SMM_EINVAL;
                d->pair[i * d->npairs + pair] = (int32_t)block;
            }
    if (d->p) d->X = batch->X;
    d->n = batch->n;
    g->y = batch->y;
    g->weights = batch->weights;
    g->offset = batch->offset;
    smm_rows_take_logarithms(g);
    return SMM_OK;
}

static const double *weights_of_kind(smm_glmm *g, int kind)
{
    if (kind == EXPECTED) return g->we;
    if (kind == OBSERVED) return g->wo;
    smm_safe_weights(g);
    return g->work;
}

/* Sums for a step of PIRLS. */
static void add_for_step(smm_glmm *g)
{
    smm_stream *s = g->stream;
    smm_add_z_transpose(g, g->l, s->zl);
    if (g->fast) smm_add_x_transpose(g, g->l, s->xl);
    for (int k = 0; k < kinds(g); k++) {
        const double *w = weights_of_kind(g, k);
        smm_add_zz(g->ws, w, s->A[k]);
        if (!g->fast) continue;
        smm_add_zx(g->ws, g->y, w, s->ZX[k]);
        smm_add_xx(g->ws, g->y, w, s->XX[k]);
    }
}

/* Sums for the gradient and the curvature, with the inverse that smm_row_variances needs. */
static void add_for_gradient(smm_glmm *g)
{
    smm_stream *s = g->stream;
    double *c = g->lbar;
    int dispersion = smm_has_dispersion(g->family.distribution);
    smm_add_x_transpose(g, g->l, s->xl);
    for (int k = 0; k < kinds(g) && k < SAFE; k++) {
        smm_add_zx(g->ws, g->y, k == EXPECTED ? g->we : g->wo, s->ZX[k]);
        smm_add_xx(g->ws, g->y, k == EXPECTED ? g->we : g->wo, s->XX[k]);
    }
    smm_row_variances(g->ws, c);
    for (int64_t i = 0; dispersion && i < s->window.n; i++) s->w_zeta += c[i] * g->w_zeta[i];
    for (int64_t i = 0; i < s->window.n; i++) c[i] *= g->dw[i];
    smm_add_z_transpose(g, c, s->zc);
    smm_add_x_transpose(g, c, s->xc);
    if (!dispersion) return;
    smm_add_z_transpose(g, g->l_zeta, s->z_zeta);
    smm_add_x_transpose(g, g->l_zeta, s->x_zeta);
}

/* What is summed anew; the others are of the same u and beta. */
static void forget_sums(smm_glmm *g, int gradient)
{
    smm_stream *s = g->stream;
    const smm_design *d = &s->window;
    int32_t m = d->p + 1;
    s->rounding = s->w_zeta = 0;
    for (int k = 0; k < kinds(g); k++) {
        if (!gradient) memset(s->A[k], 0, sizeof(double) * (size_t)d->block_at[d->nblocks]);
        memset(s->ZX[k], 0, sizeof(double) * (size_t)(d->q * m));
        memset(s->XX[k], 0, sizeof(double) * (size_t)m * (size_t)m);
    }
    double *of_levels[] = {s->zc, s->z_zeta, s->zl}, *of_columns[] = {s->xc, s->x_zeta, s->xl};
    for (int k = 0; k < 3; k++) {
        if (k < 2 || !gradient) memset(of_levels[k], 0, sizeof(double) * (size_t)d->q);
        memset(of_columns[k], 0, sizeof(double) * (size_t)d->p);
    }
}

int smm_stream_pass(smm_glmm *g, int gradient)
{
    smm_stream *s = g->stream;
    smm_batch batch;
    int status = SMM_OK, dispersion = smm_has_dispersion(g->family.distribution);
    int saturated = dispersion || !s->saturated_known;
    double loglik = 0, loglik_zeta = 0, score_zeta_sq = 0, total = 0, total_zeta = 0,
           rounding = 0;
    forget_sums(g, gradient);
    s->passes++;
    for (int restart = 1;; restart = 0) {
        batch = (smm_batch){0};
        if (s->next(s->ctx, restart, &batch)) status = SMM_ESTATE;
        if (status || batch.n <= 0) break;
        status = show(g, &batch);
        if (status) break;
        g->saturated = g->saturated_sum_zeta = 0;
        g->saturated_at = NAN;
        if (saturated) smm_rows_dispersion(g);
        smm_fixed_predictor(g);
        memcpy(g->eta, g->xb, sizeof(double) * (size_t)batch.n);
        smm_random_predictor(g, g->u, g->ws->b, g->eta);
        smm_rows(g);
        loglik += g->loglik;
        loglik_zeta += g->loglik_zeta;
        score_zeta_sq += g->score_zeta_sq;
        total += g->saturated;
        total_zeta += g->saturated_sum_zeta;
        if (!isfinite(loglik)) break;
        rounding += smm_rows_rounding(g);
        if (gradient) add_for_gradient(g);
        else add_for_step(g);
    }
    s->window.n = 0;
    if (status == SMM_OK && isfinite(loglik) && saturated) {
        s->saturated = total;
        s->saturated_zeta = total_zeta;
        s->saturated_known = 1;
    }
    /* rows of logit models leave out nothing by themselves */
    if (!saturated && g->kernel == SMM_LOGIT_ROWS) loglik -= s->saturated;
    s->rounding = rounding;
    g->saturated = s->saturated;
    g->saturated_sum_zeta = s->saturated_zeta;
    g->saturated_at = g->zeta;
    g->loglik = status ? NAN : loglik;
    g->loglik_zeta = loglik_zeta;
    g->score_zeta_sq = score_zeta_sq;
    return status;
}

/* out = a + share (b - a) */
static void between(int64_t size, const double *a, const double *b, double share, double *out)
{
    for (int64_t i = 0; i < size; i++) out[i] = a[i] + share * (b[i] - a[i]);
}

/* The sums of these weights; `work` are those between the observed and the safe ones. */
static void take_sums(const smm_glmm *g, const double *weights, int64_t size, double *const *sums,
                      double *out)
{
    const smm_stream *s = g->stream;
    int observed = kinds(g) == 1 ? EXPECTED : OBSERVED;
    if (weights == g->work) between(size, sums[observed], sums[SAFE], s->share, out);
    else if (out != sums[EXPECTED])
        memcpy(out, sums[weights == g->we ? EXPECTED : observed], sizeof(double) * (size_t)size);
}

void smm_stream_zz(smm_glmm *g, const double *weights)
{
    const smm_design *d = &g->stream->window;
    take_sums(g, weights, d->block_at[d->nblocks], g->stream->A, g->ws->A);
    smm_find_twins(g->ws);
}

void smm_stream_joint(smm_glmm *g, const double *weights)
{
    const smm_design *d = &g->stream->window;
    int64_t m = smm_width(d);
    take_sums(g, weights, d->q * m, g->stream->ZX, g->ws->ZXy);
    take_sums(g, weights, m * m, g->stream->XX, g->ws->XXy);
}

/* After v and x have been solved for, with A of the observed weights: zc becomes Z'(c - wo s), and
 * xc X'(c - wo s). Returns s'dl/d zeta. */
double smm_stream_adjoint(smm_glmm *g, const double *v, const double *x)
{
    smm_stream *s = g->stream;
    const smm_design *d = &s->window;
    int32_t p = d->p, m = p + 1;
    const double *ZX = s->ZX[kinds(g) == 1 ? EXPECTED : OBSERVED];
    double *b = g->u_old, *Ab = s->zc, zeta = 0;
    smm_apply_lambda(g->ws, v, b, 1);
    smm_multiply_a(g->ws, b, Ab, 1, NULL);
    for (int64_t i = 0; i < d->q; i++) {
        zeta += b[i] * s->z_zeta[i];
        double sum = Ab[i];
        for (int32_t c = 0; c < p; c++) {
            if (x) sum += ZX[i * m + c] * x[c];
            s->xc[c] -= ZX[i * m + c] * b[i];
        }
        g->zc[i] -= sum;
    }
    for (int32_t c = 0; x && c < p; c++) zeta += x[c] * s->x_zeta[c];
    return zeta;
}

int64_t smm_glmm_passes(const smm_glmm *g) { return g && g->stream ? g->stream->passes : 0; }
