/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The objective in twice the precision of doubles.
 *
 * Where the residual variance is a share s^2 of that of the response, theta is of order 1 / s:
 * r2 = y'Wy - |B_y|^2 - |R_y|^2 and X'V^-1 X lose 2 log10(1/s) digits, and so do the pivots of
 * Omega = Lambda'A Lambda + I that belong to combinations of columns of Z which are zero, as
 * those of nested and crossed factors are: their 1 is added to terms of order theta^2. So
 * cross-products, L, B and R are computed with twice the digits, by the formulas of pls.c and
 * chol.c, and only then rounded. What follows from the rounded factors (u, beta, Omega^-1) has
 * errors of order theta, not theta^2, like all that is computed from orthogonal factors.
 *
 * This costs some thirty times as much, so smm_value comes here only where doubles do not do.
 */
#include "factor/factor.h"
#include "factor/twice.h"

struct smm_precise {
    int formed;               /* whether A, ZXy and XXy are those of the workspace */
    smm_twice *A, *ZXy, *XXy; /* as in smm_workspace */
    smm_twice *L, *B, *R;
    smm_twice *tmp;  /* (maxcols) */
    double *scratch; /* (q * ntheta) */
};

static smm_twice *take(smm_twice **at, int64_t count)
{
    smm_twice *here = *at;
    *at += count;
    return here;
}

static int create(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int64_t m = smm_width(d), values = d->block_at[d->nblocks];
    int64_t total = values + d->nval + 2 * d->q * m + 2 * m * m + d->maxcols;
    total += (d->q * d->ntheta + 1) / 2; /* two doubles each */
    smm_precise *p = smm_alloc(&d->mem, 1, sizeof *p);
    if (!p) return SMM_ENOMEM;
    smm_twice *at = smm_alloc(&d->mem, (size_t)total, sizeof *at);
    if (!at) {
        smm_release(&d->mem, p);
        return SMM_ENOMEM;
    }
    p->formed = 0;
    p->A = take(&at, values); /* the first: it owns the memory */
    p->ZXy = take(&at, d->q * m);
    p->XXy = take(&at, m * m);
    p->L = take(&at, d->nval);
    p->B = take(&at, d->q * m);
    p->R = take(&at, m * m);
    p->tmp = take(&at, d->maxcols);
    p->scratch = (double *)at;
    ws->precise = p;
    return SMM_OK;
}

/* Zeros (q x ntheta), where the last value has twice the digits. */
double *smm_precise_scratch(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    double *scratch = ws->precise->scratch;
    memset(scratch, 0, sizeof(double) * (size_t)d->q * (size_t)d->ntheta);
    return scratch;
}

void smm_precise_destroy(smm_workspace *ws)
{
    if (!ws->precise) return;
    smm_release(&ws->design->mem, ws->precise->A);
    smm_release(&ws->design->mem, ws->precise);
    ws->precise = NULL;
}

void smm_precise_forget(smm_workspace *ws)
{
    if (ws->precise) ws->precise->formed = 0;
}

static inline void add(smm_twice *to, smm_twice value) { *to = twice_add(*to, value); }

/* Row i's part of Z'WZ. */
static void add_zz(const smm_workspace *ws, int64_t i, double w)
{
    const smm_design *d = ws->design;
    smm_twice *A = ws->precise->A;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const double *z = d->z[t] + i * k;
        smm_twice *block = A + d->block_at[d->node_of[t][d->refs[t][i]]];
        for (int32_t c = 0; c < k; c++) {
            smm_twice f = twice_product(w, z[c]);
            for (int32_t r = 0; r < k; r++) add(&block[r + c * k], twice_scale(f, z[r]));
        }
    }
    int32_t pair = 0;
    for (int32_t s = 0; s < d->nterms; s++)
        for (int32_t t = s + 1; t < d->nterms; t++, pair++) {
            int64_t b = d->pair[i * d->npairs + pair];
            int s_is_col = d->node_term[d->block_col[b]] == s;
            int32_t col = s_is_col ? s : t, row = s_is_col ? t : s;
            int32_t kc = d->cols[col], kr = d->cols[row];
            const double *zc = d->z[col] + i * kc, *zr = d->z[row] + i * kr;
            smm_twice *block = A + d->block_at[b];
            for (int32_t c = 0; c < kc; c++) {
                smm_twice f = twice_product(w, zc[c]);
                for (int32_t r = 0; r < kr; r++) add(&block[r + c * kr], twice_scale(f, zr[r]));
            }
        }
}

/* Row i's part of Z'W[X y] and of the lower triangle of [X y]'W[X y]. */
static void add_xy(const smm_workspace *ws, int64_t i, double w)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    const double *x = d->X + i * p;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const double *z = d->z[t] + i * k;
        smm_twice *row = ws->precise->ZXy + d->node_at[d->node_of[t][d->refs[t][i]]] * m;
        for (int32_t c = 0; c < k; c++, row += m) {
            smm_twice f = twice_product(w, z[c]);
            for (int32_t v = 0; v < m; v++) add(&row[v], twice_scale(f, v < p ? x[v] : ws->y[i]));
        }
    }
    for (int32_t v = 0; v < m; v++) {
        smm_twice f = twice_product(w, v < p ? x[v] : ws->y[i]);
        for (int32_t r = v; r < m; r++)
            add(&ws->precise->XXy[r + (size_t)v * m], twice_scale(f, r < p ? x[r] : ws->y[i]));
    }
}

static void form_products(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_precise *p = ws->precise;
    size_t m = (size_t)smm_width(d);
    memset(p->A, 0, sizeof(smm_twice) * (size_t)d->block_at[d->nblocks]);
    memset(p->ZXy, 0, sizeof(smm_twice) * (size_t)d->q * m);
    memset(p->XXy, 0, sizeof(smm_twice) * m * m);
    for (int64_t i = 0; i < d->n; i++) {
        double w = ws->weights ? ws->weights[i] : 1.0;
        add_zz(ws, i, w);
        add_xy(ws, i, w);
    }
    p->formed = 1;
}

/* L = Lambda'A Lambda + Q */
static void fill_omega(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_precise *p = ws->precise;
    memset(p->L, 0, sizeof(smm_twice) * (size_t)d->nval);
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        int32_t ki = d->node_cols[i], kj = d->node_cols[j], ld = smm_ld(d, j);
        const double *Ti = ws->T + ws->T_at[d->node_term[i]];
        const double *Tj = ws->T + ws->T_at[d->node_term[j]];
        const smm_twice *A = p->A + d->block_at[b];
        smm_twice *out = p->L + d->block_in_l[b];
        for (int32_t c = 0; c < kj; c++) {
            for (int32_t r = 0; r < ki; r++) {
                p->tmp[r] = (smm_twice){0, 0};
                for (int32_t e = c; e < kj; e++)
                    add(&p->tmp[r], twice_scale(A[r + e * ki], Tj[e + c * kj]));
            }
            for (int32_t r = 0; r < ki; r++) {
                smm_twice sum = {0, 0};
                for (int32_t e = r; e < ki; e++)
                    add(&sum, twice_scale(p->tmp[e], Ti[e + r * ki]));
                out[r + (int64_t)c * ld] = sum;
            }
            if (i == j)
                add(&out[c + (int64_t)c * ld],
                    (smm_twice){d->has_prior ? d->node_prior[j] : 1.0, 0});
            if (b >= d->first_prior)
                add(&out[c + (int64_t)c * ld],
                    (smm_twice){d->block_prior[b - d->first_prior], 0});
        }
    }
}

SMM_HOT
void smm_twice_subtract(int64_t n, smm_twice f, const smm_twice *x, smm_twice *y)
{
    for (int64_t i = 0; i < n; i++) y[i] = twice_less(y[i], f, x[i]);
}

int smm_twice_factor(int32_t rows, int32_t k, int64_t ld, smm_twice *a)
{
    for (int32_t c = 0; c < k; c++) {
        smm_twice *column = a + c * ld;
        for (int32_t e = 0; e < c; e++) {
            const smm_twice *before = a + e * ld;
            if (before[c].hi != 0)
                smm_twice_subtract(rows - c, before[c], before + c, column + c);
        }
        if (!(column[c].hi > 0) || isinf(column[c].hi)) return SMM_ENOTPD;
        smm_twice root = twice_root(column[c]);
        column[c] = root;
        for (int32_t r = c + 1; r < rows; r++) column[r] = twice_divide(column[r], root);
    }
    return SMM_OK;
}

/* What head column j takes from later ones: its rows' outer products. */
static void update_later(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    smm_twice *L = ws->precise->L, *tail = L + d->tail_at;
    int32_t k = d->node_cols[j], ld = d->height[j], rows = d->ntailrows[j];
    const int32_t *idx = d->tidx + d->tptr[j];
    int64_t end = d->rowptr[j + 1];
    for (int32_t e = 0; e < k; e++) {
        const smm_twice *column = L + d->valptr[j] + (int64_t)e * ld, *P = column + (ld - rows);
        for (int64_t bi = d->rowptr[j]; bi < end && d->row[bi] < d->nhead; bi++) {
            int32_t b = d->row[bi], ldb = d->height[b];
            smm_twice *target = L + d->valptr[b];
            const smm_twice *f = column + d->rowoff[bi];
            int64_t at = d->rowptr[b]; /* rows of j after b are among the rows of b */
            for (int32_t c = 0; c < d->node_cols[b]; c++)
                smm_twice_subtract(d->node_cols[b], f[c], f, target + (int64_t)c * ldb);
            for (int64_t ai = bi + 1; ai < end; ai++) {
                while (d->row[at] != d->row[ai]) at++;
                for (int32_t c = 0; c < d->node_cols[b]; c++)
                    smm_twice_subtract(d->node_cols[d->row[ai]], f[c], column + d->rowoff[ai],
                                       target + d->rowoff[at] + (int64_t)c * ldb);
            }
        }
        for (int32_t c = 0; c < rows; c++)
            for (int32_t r = c; r < rows; r++) {
                smm_twice *to = tail + idx[r] + (int64_t)idx[c] * d->qt;
                *to = twice_less(*to, P[c], P[r]);
            }
    }
}

/* L L' = Omega, and log|Omega|. */
static int factor(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_twice *L = ws->precise->L;
    double half = 0;
    for (int32_t j = 0; j < d->nhead; j++) {
        int32_t k = d->node_cols[j], ld = d->height[j];
        smm_twice *panel = L + d->valptr[j];
        int status = smm_twice_factor(ld, k, ld, panel);
        if (status) return status;
        update_later(ws, j);
        for (int32_t c = 0; c < k; c++) half += twice_log(panel[c + (int64_t)c * ld]);
    }
    smm_twice *tail = L + d->tail_at;
    int status = smm_twice_factor(d->qt, d->qt, d->qt, tail);
    for (int32_t c = 0; !status && c < d->qt; c++)
        half += twice_log(tail[c + (int64_t)c * d->qt]);
    ws->logdet_omega = 2 * half - ws->logdet_prior;
    return status;
}

/* Row c of a panel's diagonal block solved for; later rows of b take their part. */
static void eliminate(int32_t m, smm_twice f, const smm_twice *from, smm_twice *to)
{
    if (f.hi != 0) smm_twice_subtract(m, f, from, to);
}

/* B = L^-1 Lambda'Z'W[X y] */
static void solve(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_precise *p = ws->precise;
    int32_t m = smm_width(d);
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t k = d->node_cols[j];
        const double *T = ws->T + ws->T_at[d->node_term[j]];
        for (int32_t c = 0; c < k; c++)
            for (int32_t v = 0; v < m; v++) {
                smm_twice sum = {0, 0};
                for (int32_t r = c; r < k; r++)
                    add(&sum, twice_scale(p->ZXy[(d->node_at[j] + r) * m + v], T[r + c * k]));
                p->B[(d->node_at[j] + c) * m + v] = sum;
            }
    }
    for (int32_t j = 0; j < d->nhead; j++) {
        int32_t k = d->node_cols[j], ld = d->height[j];
        smm_twice *bj = p->B + d->node_at[j] * m;
        for (int32_t c = 0; c < k; c++) {
            const smm_twice *column = p->L + d->valptr[j] + (int64_t)c * ld;
            smm_twice *bc = bj + c * m;
            for (int32_t v = 0; v < m; v++) bc[v] = twice_divide(bc[v], column[c]);
            for (int32_t r = c + 1; r < k; r++) eliminate(m, column[r], bc, bj + r * m);
            for (int64_t ri = d->rowptr[j]; ri < d->rowptr[j + 1]; ri++)
                for (int32_t r = 0; r < d->node_cols[d->row[ri]]; r++)
                    eliminate(m, column[d->rowoff[ri] + r], bc,
                              p->B + (d->node_at[d->row[ri]] + r) * m);
        }
    }
    smm_twice *tail = p->L + d->tail_at, *bt = p->B + (int64_t)d->qh * m;
    for (int32_t c = 0; c < d->qt; c++) {
        const smm_twice *column = tail + (int64_t)c * d->qt;
        smm_twice *bc = bt + (int64_t)c * m;
        for (int32_t v = 0; v < m; v++) bc[v] = twice_divide(bc[v], column[c]);
        for (int32_t r = c + 1; r < d->qt; r++) eliminate(m, column[r], bc, bt + (int64_t)r * m);
    }
}

/* R R' = [X y]'W[X y] - B'B; the last pivot is r2. */
static int factor_xy(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_precise *p = ws->precise;
    int32_t m = smm_width(d);
    smm_twice *R = p->R, *last = R + (size_t)m * m - 1;
    memcpy(R, p->XXy, sizeof(smm_twice) * (size_t)m * m);
    for (int64_t i = 0; i < d->q; i++) {
        const smm_twice *b = p->B + i * m;
        for (int32_t c = 0; c < m; c++) eliminate(m - c, b[c], b + c, R + c + (size_t)c * m);
    }
    int status = smm_twice_factor(m, d->p, m, R);
    if (status) return status;
    double logdet = 0;
    for (int32_t c = 0; c < d->p; c++) {
        smm_twice y = R[d->p + (size_t)c * m];
        *last = twice_less(*last, y, y);
        logdet += twice_log(R[c + (size_t)c * m]);
    }
    ws->logdet_xvx = 2 * logdet;
    ws->r2 = last->hi;
    return ws->r2 > 0 && isfinite(ws->r2) ? SMM_OK : SMM_ENONFINITE;
}

static void round_all(int64_t n, const smm_twice *from, double *to)
{
    for (int64_t i = 0; i < n; i++) to[i] = from[i].hi;
}

int smm_precise_factor(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int64_t m = smm_width(d);
    int status = ws->precise ? SMM_OK : create(ws);
    if (status) return status;
    smm_precise *p = ws->precise;
    if (!p->formed) form_products(ws);
    fill_omega(ws);
    status = factor(ws);
    if (status) return status;
    solve(ws);
    status = factor_xy(ws);
    if (status) return status;
    round_all(d->nval, p->L, ws->L);
    round_all(d->q * m, p->B, ws->B);
    round_all(m * m, p->R, ws->R);
    return SMM_OK;
}
