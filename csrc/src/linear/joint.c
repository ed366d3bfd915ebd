/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Inverse of Henderson's mixed-model equations for new rows. With C = Omega^-1 Lambda'Z'WX,
 * M = (X'V^-1 X)^-1 and a = Lambda'z, the mean x'beta + z'b of a row has over sigma^2 the variance
 *
 *     z'(Lambda Omega^-1 Lambda') z + (x - (Lambda C)'z)' M (x - (Lambda C)'z).
 *
 * A row has one level of each term, and the levels of a new one need not occur together in the
 * data. Blocks of Omega^-1 on the pattern of L are in the selected inverse. Others follow from
 * them by the recursion of selinv.c,
 *
 *     (Omega^-1)_ij = -(Omega^-1)_iR P D^-1   for i > j outside of the rows R of head column j,
 *
 * which is short because most of R is in the tail, where all is stored; where it is not, they are
 * read from columns of Omega^-1, solved for once as long as the rows keep a level.
 */
#include "linear/linear.h"

/* Steps of the recursion: each multiplies the work by the rows of a column. */
#define MAX_STEPS 2

int64_t smm_stored_block(const smm_design *d, int32_t i, int32_t j)
{
    if (j >= d->nhead)
        return d->tail_at + (d->node_at[i] - d->qh) + (d->node_at[j] - d->qh) * (int64_t)d->qt;
    if (i == j) return d->valptr[j];
    int64_t low = d->rowptr[j], high = d->rowptr[j + 1];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (d->row[middle] < i) low = middle + 1;
        else high = middle;
    }
    int found = low < d->rowptr[j + 1] && d->row[low] == i;
    return found ? d->valptr[j] + d->rowoff[low] : -1;
}

/* out (column-major, ki x kj): block (i, j) of the inverse for nodes i >= j, by at most `steps` of
 * the recursion; each uses one more block behind `out`. Returns 0 if these are not enough. */
static int recursive_block(const smm_workspace *ws, int32_t i, int32_t j, int steps, double *out)
{
    const smm_design *d = ws->design;
    int32_t ki = d->node_cols[i], kj = d->node_cols[j];
    int64_t stored = smm_stored_block(d, i, j), ld = smm_ld(d, j);
    if (stored >= 0) {
        const double *Z = ws->inverse + stored;
        for (int32_t c = 0; c < kj; c++)
            for (int32_t r = 0; r < ki; r++) /* of a diagonal block the lower triangle is there */
                out[r + c * ki] = i == j && r < c ? Z[c + r * ld] : Z[r + c * ld];
        return 1;
    }
    if (steps == 0) return 0;
    const double *D = ws->L + d->valptr[j];
    double *part = out + (int64_t)d->maxcols * d->maxcols;
    for (int32_t e = 0; e < ki * kj; e++) out[e] = 0;
    for (int64_t at = d->rowptr[j]; at < d->rowptr[j + 1]; at++) {
        int32_t r = d->row[at], kr = d->node_cols[r];
        const double *P = D + d->rowoff[at];
        if (!recursive_block(ws, i > r ? i : r, i > r ? r : i, steps - 1, part)) return 0;
        for (int32_t e = 0; e < kr; e++)
            for (int32_t a = 0; a < ki; a++) {
                double value = i > r ? part[a + e * ki] : part[e + a * kr];
                for (int32_t c = 0; c < kj; c++) out[a + c * ki] -= value * P[e + c * ld];
            }
    }
    for (int32_t c = kj - 1; c >= 0; c--) /* out <- out D^-1 */
        for (int32_t a = 0; a < ki; a++) {
            for (int32_t e = c + 1; e < kj; e++)
                out[a + c * ki] -= out[a + e * ki] * D[e + c * ld];
            out[a + c * ki] /= D[c + c * ld];
        }
    return 1;
}

/* Columns of Omega^-1 that belong to a node of term t, row-major (q x cols). Every term has a
 * place in H, since theta has at least one element for each column; kept[t] is the node there. */
static const double *inverse_columns(smm_workspace *ws, int32_t t, int32_t node, double *kept)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t];
    int64_t before = 0;
    for (int32_t s = 0; s < t; s++) before += d->cols[s];
    double *E = ws->H + d->q * before;
    if (kept[t] != node) {
        memset(E, 0, sizeof(double) * (size_t)d->q * (size_t)k);
        for (int32_t c = 0; c < k; c++) E[(d->node_at[node] + c) * k + c] = 1;
        smm_forward(ws, E, k);
        smm_backward(ws, E, k);
        kept[t] = node;
    }
    return E;
}

/* out (ks x kt, column-major): the block of Omega^-1 of a node of term s and one of term t.
 * `tmp` has room for 1 + MAX_STEPS blocks. */
static void inverse_block(smm_workspace *ws, int32_t s, int32_t t, int32_t node_s, int32_t node_t,
                          double *kept, double *tmp, double *out)
{
    const smm_design *d = ws->design;
    int32_t ks = d->cols[s], kt = d->cols[t];
    int later = node_s >= node_t;
    const double *E = NULL;
    if (!recursive_block(ws, later ? node_s : node_t, later ? node_t : node_s, MAX_STEPS, tmp))
        E = inverse_columns(ws, t, node_t, kept) + d->node_at[node_s] * kt;
    for (int32_t c = 0; c < kt; c++)
        for (int32_t r = 0; r < ks; r++)
            out[r + c * ks] = E ? E[r * kt + c] : later ? tmp[r + c * ks] : tmp[c + r * kt];
}

/* out (row-major, ldo) = Ts B Tt' for B (ks x kt, column-major) and lower-triangular factors. */
static void scale_block(int32_t ks, int32_t kt, const double *Ts, const double *B,
                        const double *Tt, double *tmp, double *out, int64_t ldo)
{
    for (int32_t c = 0; c < kt; c++)
        for (int32_t r = 0; r < ks; r++) {
            double sum = 0;
            for (int32_t e = 0; e <= r; e++) sum += Ts[r + e * ks] * B[e + c * ks];
            tmp[r + c * ks] = sum;
        }
    for (int32_t r = 0; r < ks; r++)
        for (int32_t c = 0; c < kt; c++) {
            double sum = 0;
            for (int32_t e = 0; e <= c; e++) sum += tmp[r + e * ks] * Tt[c + e * kt];
            out[r * ldo + c] = sum;
        }
}

int smm_level_covariances(smm_workspace *ws, int64_t m, const int32_t *levels, double *out)
{
    if (!ws || m < 0 || (m > 0 && (!levels || !out))) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    const smm_design *d = ws->design;
    int32_t nterms = d->nterms;
    for (int64_t i = 0; i < m; i++)
        for (int32_t t = 0; t < nterms; t++) {
            int32_t level = levels[i * nterms + t];
            if (level < -1 || level >= d->levels[t]) return SMM_EINVAL;
        }
    if (m == 0) return SMM_OK;
    int status = smm_need_inverse(ws);
    if (status) return status;
    int64_t K = 0, k2 = (int64_t)d->maxcols * d->maxcols;
    for (int32_t t = 0; t < nterms; t++) K += d->cols[t];
    double *kept = ws->vtheta, *B = ws->small_tmp, *tmp = B + k2;
    for (int32_t t = 0; t < nterms; t++) kept[t] = -1; /* nodes are whole numbers */
    memset(out, 0, sizeof(double) * (size_t)(m * K * K));
    for (int64_t i = 0; i < m; i++, levels += nterms, out += K * K) {
        int64_t at_s = 0;
        for (int32_t s = 0; s < nterms; at_s += d->cols[s++]) {
            int64_t at_t = at_s;
            if (levels[s] < 0) continue;
            for (int32_t t = s; t < nterms; at_t += d->cols[t++]) {
                if (levels[t] < 0) continue;
                inverse_block(ws, s, t, d->node_of[s][levels[s]], d->node_of[t][levels[t]], kept,
                              tmp, B);
                scale_block(d->cols[s], d->cols[t], ws->T + ws->T_at[s], B, ws->T + ws->T_at[t],
                            tmp, out + at_s * K + at_t, K);
                if (s == t) continue;
                for (int32_t r = 0; r < d->cols[s]; r++)
                    for (int32_t c = 0; c < d->cols[t]; c++)
                        out[(at_t + c) * K + at_s + r] = out[(at_s + r) * K + at_t + c];
            }
        }
    }
    return SMM_OK;
}

int smm_row_errors(smm_workspace *ws, int64_t m, const int32_t *levels, const double *z,
                   const double *x, double *out)
{
    if (!ws || m < 0 || (m > 0 && (!levels || !z || !out))) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    const smm_design *d = ws->design;
    int32_t p = d->p, width = smm_width(d);
    if (m > 0 && p && !x) return SMM_EINVAL;
    for (int64_t i = 0; i < m; i++)
        for (int32_t t = 0; t < d->nterms; t++) {
            int32_t level = levels[i * d->nterms + t];
            if (level < -1 || level >= d->levels[t]) return SMM_EINVAL;
        }
    double *v = ws->H, *rest = ws->small_tmp; /* theta has an element for each column: H has q */
    for (int64_t i = 0; i < m; i++, levels += d->nterms, x += p) {
        memset(v, 0, sizeof(double) * (size_t)d->q);
        for (int32_t t = 0; t < d->nterms; z += d->cols[t++]) {
            if (levels[t] < 0) continue;
            int32_t k = d->cols[t];
            const double *T = ws->T + ws->T_at[t];
            double *at = v + d->node_at[d->node_of[t][levels[t]]];
            for (int32_t c = 0; c < k; c++)
                for (int32_t r = c; r < k; r++) at[c] += T[r + c * k] * z[r];
        }
        smm_forward(ws, v, 1);
        double sum = 0;
        for (int32_t c = 0; c < p; c++) rest[c] = x[c];
        for (int64_t j = 0; j < d->q; j++) {
            sum += v[j] * v[j];
            for (int32_t c = 0; c < p; c++) rest[c] -= v[j] * ws->B[j * width + c];
        }
        for (int32_t c = 0; c < p; c++)
            for (int32_t r = 0; r < p; r++)
                sum += rest[c] * ws->Minv[r + (size_t)c * p] * rest[r];
        out[i] = sum;
    }
    return SMM_OK;
}

int smm_mode_slopes(smm_workspace *ws, double *out)
{
    if (!ws || (!out && ws->design->p)) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    const smm_design *d = ws->design;
    int32_t p = d->p, m = smm_width(d);
    for (int64_t i = 0; i < d->q; i++)
        memcpy(ws->C + i * p, ws->B + i * m, sizeof(double) * (size_t)p);
    smm_backward(ws, ws->C, p);
    smm_apply_lambda(ws, ws->C, ws->C, p);
    for (int32_t t = 0; t < d->nterms; t++) {
        size_t size = sizeof(double) * (size_t)d->cols[t] * (size_t)p;
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t to = d->term_at[t] + (int64_t)l * d->cols[t];
            memcpy(out + to * p, ws->C + d->node_at[d->node_of[t][l]] * p, size);
        }
    }
    return SMM_OK;
}
