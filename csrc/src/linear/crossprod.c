/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A = [Z X y]'W[Z X y], one pass over the rows. Everything an evaluation needs comes
 * from here; nothing after it costs anything in n.
 */
#include "linear/linear.h"

#define CHUNK 256

/* Levels come in any order: memory is asked for what this many rows later will be added to. */
#define AHEAD 16

static inline int64_t ahead(int64_t i, int64_t n) { return i + AHEAD < n ? i + AHEAD : i; }

/* Levels without couplings to other nodes and with the same A have the same block of Omega. Each
 * is compared with the first of its term and with the last one that was new. */
void smm_find_twins(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t], first = -1, last = -1;
        size_t size = sizeof(double) * (size_t)k * (size_t)k;
        for (int32_t j = 0; j < d->nodes; j++) {
            if (d->node_term[j] != t) continue;
            ws->twin[j] = -1;
            ws->alike[j] = 1;
            if (k < SMM_TWINS || j >= d->nhead || d->height[j] != k) continue;
            if (d->has_prior && d->node_prior[j] != 1) continue;
            const double *A = ws->A + d->block_at[j];
            int32_t same = -1;
            if (first >= 0 && !memcmp(A, ws->A + d->block_at[first], size)) same = first;
            else if (last >= 0 && !memcmp(A, ws->A + d->block_at[last], size)) same = last;
            ws->twin[j] = same;
            if (same >= 0) ws->alike[same]++;
            else last = j;
            if (first < 0) first = j;
        }
    }
}

/* Z'WZ: the diagonal blocks and the blocks that couple two terms. */
void smm_form_zz(smm_workspace *ws, const double *weights)
{
    const smm_design *d = ws->design;
    smm_forget_determinants(ws);
    memset(ws->A, 0, sizeof(double) * (size_t)d->block_at[d->nblocks]);
    smm_add_zz(ws, weights, ws->A);
    smm_find_twins(ws);
}

/* The diagonal blocks of one term added to A. */
SMM_HOT
static void add_diagonal(const smm_design *d, int32_t t, const double *weights, double *A)
{
    int32_t k = d->cols[t];
    const int32_t *refs = d->refs[t], *node_of = d->node_of[t];
    const double *z = d->z[t], *wt = smm_weights_of(d, weights, t, t);
    if (k == 1) {
        for (int64_t i = 0; i < d->n; i++) {
            double w = wt ? wt[i] : 1.0;
            SMM_PREFETCH(A + d->block_at[node_of[refs[ahead(i, d->n)]]]);
            A[d->block_at[node_of[refs[i]]]] += w * z[i] * z[i];
        }
        return;
    }
    for (int64_t i = 0; i < d->n; i++) {
        double w = wt ? wt[i] : 1.0;
        const double *zi = z + i * k;
        double *block = A + d->block_at[node_of[refs[i]]];
        SMM_PREFETCH(A + d->block_at[node_of[refs[ahead(i, d->n)]]]);
        for (int32_t c = 0; c < k; c++) {
            double f = w * zi[c];
            for (int32_t r = 0; r < k; r++) block[r + c * k] += f * zi[r];
        }
    }
}

/* The blocks that couple two terms added to A. */
SMM_HOT
static void add_couplings(const smm_design *d, const double *weights, double *A)
{
    int32_t pair = 0;
    for (int32_t s = 0; s < d->nterms; s++)
        for (int32_t t = s + 1; t < d->nterms; t++, pair++) {
            int32_t ks = d->cols[s], kt = d->cols[t];
            const double *wst = smm_weights_of(d, weights, s, t);
            if (ks == 1 && kt == 1) {
                const double *zs = d->z[s], *zt = d->z[t];
                for (int64_t i = 0; i < d->n; i++) {
                    double w = wst ? wst[i] : 1.0;
                    SMM_PREFETCH(A + d->block_at[d->pair[ahead(i, d->n) * d->npairs + pair]]);
                    A[d->block_at[d->pair[i * d->npairs + pair]]] += w * zs[i] * zt[i];
                }
                continue;
            }
            for (int64_t i = 0; i < d->n; i++) {
                int64_t b = d->pair[i * d->npairs + pair];
                SMM_PREFETCH(A + d->block_at[d->pair[ahead(i, d->n) * d->npairs + pair]]);
                double w = wst ? wst[i] : 1.0;
                const double *zs = d->z[s] + i * ks, *zt = d->z[t] + i * kt;
                double *block = A + d->block_at[b];
                if (d->node_term[d->block_col[b]] == s)
                    for (int32_t c = 0; c < ks; c++)
                        for (int32_t r = 0; r < kt; r++) block[r + c * kt] += w * zs[c] * zt[r];
                else
                    for (int32_t c = 0; c < kt; c++)
                        for (int32_t r = 0; r < ks; r++) block[r + c * ks] += w * zt[c] * zs[r];
            }
        }
}

/* Z'WZ added to A. */
void smm_add_zz(const smm_workspace *ws, const double *weights, double *A)
{
    for (int32_t t = 0; t < ws->design->nterms; t++) add_diagonal(ws->design, t, weights, A);
    add_couplings(ws->design, weights, A);
}

/* Z'W[X y] into ZXy. */
void smm_form_zx(smm_workspace *ws, const double *y, const double *weights)
{
    const smm_design *d = ws->design;
    memset(ws->ZXy, 0, sizeof(double) * (size_t)d->q * (size_t)smm_width(d));
    smm_add_zx(ws, y, weights, ws->ZXy);
}

/* Of a term with one effect a level, whose columns [0, p] are wanted; a constant p lets the
 * compiler unroll the common sizes. */
SMM_INLINE
static inline void add_level_sums(const smm_design *d, int32_t t, int32_t p, const double *y,
                                  const double *SMM_RESTRICT w, double *SMM_RESTRICT ZXy)
{
    const int32_t *refs = d->refs[t], *node_of = d->node_of[t];
    const double *SMM_RESTRICT z = d->z[t], *SMM_RESTRICT X = d->X;
    int32_t m = p + 1;
    for (int64_t i = 0; i < d->n; i++) {
        double *row = ZXy + d->node_at[node_of[refs[i]]] * m, f = w ? w[i] * z[i] : z[i];
        SMM_PREFETCH(ZXy + d->node_at[node_of[refs[ahead(i, d->n)]]] * m);
        for (int32_t v = 0; v < p; v++) row[v] += f * X[i * p + v];
        row[p] += f * y[i];
    }
}

#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        add_level_sums(d, t, p, y, w, ZXy);                                                      \
        break

SMM_HOT
static void add_sums(const smm_design *d, int32_t t, const double *y, const double *w,
                     double *ZXy)
{
    switch (d->p) {
        SMM_CASES_1_TO_6(OF_COLUMNS);
        OF_COLUMNS(7);
        OF_COLUMNS(8);
    default:
        add_level_sums(d, t, d->p, y, w, ZXy);
    }
}

/* Those of one term added to ZXy. */
SMM_HOT
static void add_zx_of(const smm_design *d, int32_t t, const double *y, const double *weights,
                      double *ZXy)
{
    int32_t p = d->p, m = p + 1;
    int32_t k = d->cols[t];
    const int32_t *refs = d->refs[t], *node_of = d->node_of[t];
    const double *wt = weights ? weights + d->n * d->predictor[t] : NULL; /* X is of eta */
    if (k == 1) {
        add_sums(d, t, y, wt, ZXy);
        return;
    }
    for (int64_t i = 0; i < d->n; i++) {
        double w = wt ? wt[i] : 1.0;
        const double *zi = d->z[t] + i * k, *x = d->X + i * p;
        double *row = ZXy + d->node_at[node_of[refs[i]]] * m;
        SMM_PREFETCH(ZXy + d->node_at[node_of[refs[ahead(i, d->n)]]] * m);
        for (int32_t c = 0; c < k; c++, row += m) {
            double f = w * zi[c];
            for (int32_t v = 0; v < p; v++) row[v] += f * x[v];
            row[p] += f * y[i];
        }
    }
}

/* The same added to ZXy. */
void smm_add_zx(const smm_workspace *ws, const double *y, const double *weights, double *ZXy)
{
    const smm_design *d = ws->design;
    for (int32_t t = 0; t < d->nterms; t++) add_zx_of(d, t, y, weights, ZXy);
}

/* [X y]'W[X y], lower triangle, chunk by chunk, of many columns through BLAS. Observed weights of a
 * generalized model may be negative: their rows are subtracted there. */
void smm_form_xx(smm_workspace *ws, const double *y, const double *weights)
{
    int32_t m = smm_width(ws->design);
    memset(ws->XXy, 0, sizeof(double) * (size_t)m * m);
    smm_add_xx(ws, y, weights, ws->XXy);
}

/* The same added to XXy. */
void smm_add_xx(const smm_workspace *ws, const double *y, const double *weights, double *XXy)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    double *chunk = ws->small_tmp;
    int few = m <= SMM_FEW_COLUMNS;
    for (int32_t i = 0; few && !weights && i < CHUNK && i < d->n; i++) chunk[i] = 1;
    for (int64_t start = 0; start < d->n; start += CHUNK) {
        int64_t rows = d->n - start < CHUNK ? d->n - start : CHUNK, negative = 0;
        if (few) {
            const double *w = weights ? weights + start : chunk;
            smm_weighted_gram(rows, p, d->X + start * p, y + start, w, XXy);
            continue;
        }
        for (int sign = 1; sign == 1 || (sign == -1 && negative); sign -= 2) {
            for (int64_t i = 0; i < rows; i++) {
                double w = weights ? sign * weights[start + i] : 1.0;
                negative += w < 0;
                w = w > 0 ? sqrt(w) : 0;
                const double *x = d->X + (start + i) * p;
                for (int32_t v = 0; v < p; v++) chunk[i * m + v] = w * x[v];
                chunk[i * m + p] = w * y[start + i];
            }
            smm_gram(&d->blas, rows, m, chunk, sign, 1.0, XXy);
        }
    }
}

/* Root mean square of each column of W^(1/2) Z over the rows that count, from the diagonal
 * of A, for effects of the size that the prior gives them. */
void smm_column_scale(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    double *rms = ws->zrms;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        for (int32_t c = 0; c < k; c++) {
            double sum = 0;
            for (int32_t l = 0; l < d->levels[t]; l++)
                sum += ws->A[d->block_at[d->node_of[t][l]] + c + c * k];
            rms[c] = ws->prior_sd[t] * (sum > 0 ? sqrt(sum / (double)ws->rows) : 1.0);
        }
        rms += k;
    }
}

static int check(const smm_design *d, const double *y, const double *weights, int64_t *rows)
{
    double total = 0, sum = 0;
    int64_t bad = 0;
    *rows = weights ? 0 : d->n;
    double lanes[SMM_LANES] = {0};
    int64_t whole = d->n - d->n % SMM_LANES;
    for (int64_t i = 0; i < whole; i += SMM_LANES)
        for (int64_t l = 0; l < SMM_LANES; l++) lanes[l] += y[i + l];
    for (int64_t l = 0; l < SMM_LANES; l++) total += lanes[l];
    for (int64_t i = whole; i < d->n; i++) total += y[i];
    if (weights)
        for (int64_t i = 0; i < d->n; i++) {
            bad += weights[i] < 0;
            *rows += weights[i] > 0;
            sum += weights[i];
        }
    if (bad > 0) return SMM_EINVAL;
    return isfinite(total) && isfinite(sum) && *rows > 0 ? SMM_OK : SMM_ENONFINITE;
}

/* Note what precise.c may need. */
static void keep(smm_workspace *ws, const double *y, const double *weights)
{
    ws->y = y;
    ws->weights = weights;
    smm_precise_forget(ws);
}

int smm_crossprod(smm_workspace *ws, const double *y, const double *weights)
{
    if (!ws || !y || ws->design->predictors > 1) return SMM_EINVAL;
    const smm_design *d = ws->design;
    ws->state = SMM_EMPTY;
    int status = check(d, y, weights, &ws->rows);
    if (status) return status;
    smm_forget_determinants(ws);
    memset(ws->A, 0, sizeof(double) * (size_t)d->block_at[d->nblocks]);
    memset(ws->ZXy, 0, sizeof(double) * (size_t)d->q * (size_t)smm_width(d));
    for (int32_t t = 0; t < d->nterms; t++) {
        if (smm_add_by_levels(ws, t, y, weights, ws->A, ws->ZXy)) continue;
        add_diagonal(d, t, weights, ws->A);
        add_zx_of(d, t, y, weights, ws->ZXy);
    }
    add_couplings(d, weights, ws->A);
    smm_find_twins(ws);
    smm_form_xx(ws, y, weights);
    smm_column_scale(ws);
    keep(ws, y, weights);
    ws->state = SMM_HAS_A;
    return SMM_OK;
}

int smm_set_rows(smm_workspace *ws, int64_t rows)
{
    if (!ws || rows <= ws->design->p) return SMM_EINVAL;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    ws->rows = rows;
    smm_column_scale(ws);
    ws->state = SMM_HAS_A;
    return SMM_OK;
}

int smm_crossprod_y(smm_workspace *ws, const double *y, const double *weights)
{
    if (!ws || !y) return SMM_EINVAL;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    int64_t rows;
    int status = check(d, y, weights, &rows);
    if (status) return status;
    smm_form_zy(ws, y, weights);
    double *last = ws->small_tmp;
    smm_form_xy(d->n, p, d->X, y, weights, last + m, last);
    for (int32_t v = 0; v < m; v++) ws->XXy[p + (size_t)v * m] = last[v];
    keep(ws, y, weights);
    ws->state = SMM_HAS_A;
    return SMM_OK;
}

int smm_theta_scale(const smm_workspace *ws, double *scale)
{
    if (!ws || !scale) return SMM_EINVAL;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    for (int32_t i = 0; i < d->ntheta; i++) {
        int64_t at = d->theta_row[i];
        for (int32_t t = 0; t < d->theta_term[i]; t++) at += d->cols[t];
        scale[i] = 1.0 / ws->zrms[at];
    }
    return SMM_OK;
}
