/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Selected inverse (Takahashi, Fagan and Chin 1973): the elements of Omega^-1 on the
 * pattern of L, from the last column backwards. For head column j with rows R, diagonal
 * block D and panel P,
 *
 *     W = P D^-1,   (Omega^-1)_Rj = -(Omega^-1)_RR W,
 *     (Omega^-1)_jj = (D D')^-1 - W'(Omega^-1)_Rj.
 *
 * Head diagonal blocks of the result are stored in full, the tail as a lower triangle.
 */
#include "factor/factor.h"

/* y (ki rows) -= Z (ki x kj) w (kj rows), k columns each; Z' when transposed. */
static inline void block_multiply(int32_t ki, int32_t kj, const double *Z, int32_t ldz,
                                  int transpose, int32_t k, const double *w, double *y,
                                  int32_t ld)
{
    for (int32_t e = 0; e < k; e++)
        for (int32_t c = 0; c < kj; c++)
            for (int32_t r = 0; r < ki; r++)
                y[r + (int64_t)e * ld] -=
                    (transpose ? Z[c + (int64_t)r * ldz] : Z[r + (int64_t)c * ldz]) *
                    w[c + (int64_t)e * ld];
}

/* The part of -(Omega^-1)_RR W that touches rows of R in the head. */
static void multiply_head(smm_workspace *ws, int32_t j, const double *W, double *Y)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    int64_t end = d->rowptr[j + 1];
    for (int64_t bi = d->rowptr[j]; bi < end && d->row[bi] < d->nhead; bi++) {
        int32_t b = d->row[bi], kb = d->node_cols[b], ldb = d->height[b];
        const double *Z = ws->inverse + d->valptr[b];
        const double *Wb = W + d->rowoff[bi];
        double *Yb = Y + d->rowoff[bi];
        block_multiply(kb, kb, Z, ldb, 0, k, Wb, Yb, ld);
        int64_t at = d->rowptr[b];
        for (int64_t ai = bi + 1; ai < end; ai++) {
            int32_t a = d->row[ai], ka = d->node_cols[a];
            at += smm_seek(d->row + at, 0, (int32_t)(d->rowptr[b + 1] - at), a);
            const double *Zab = Z + d->rowoff[at];
            block_multiply(ka, kb, Zab, ldb, 0, k, Wb, Y + d->rowoff[ai], ld);
            block_multiply(kb, ka, Zab, ldb, 1, k, W + d->rowoff[ai], Yb, ld);
        }
    }
}

/* The part within the tail: rows x rows gathered from the lower triangle, for two columns of W at a
 * time, as gathering costs more than the products. */
SMM_HOT
static void multiply_tail(const double *SMM_RESTRICT tail, int32_t qt, int32_t rows,
                          const int32_t *SMM_RESTRICT idx, int32_t k,
                          const double *SMM_RESTRICT W, double *SMM_RESTRICT Y, int32_t ld)
{
    int32_t e = 0;
    for (; e + 1 < k; e += 2, W += 2 * (int64_t)ld, Y += 2 * (int64_t)ld) {
        const double *SMM_RESTRICT V = W + ld;
        double *SMM_RESTRICT X = Y + ld;
        for (int32_t c = 0; c < rows; c++) {
            const double *column = tail + (int64_t)idx[c] * qt;
            double w = W[c], v = V[c], sum = column[idx[c]] * w, other = column[idx[c]] * v;
            for (int32_t r = c + 1; r < rows; r++) {
                double z = column[idx[r]];
                Y[r] -= z * w;
                X[r] -= z * v;
                sum += z * W[r];
                other += z * V[r];
            }
            Y[c] -= sum;
            X[c] -= other;
        }
    }
    for (int32_t c = 0; e < k && c < rows; c++) {
        const double *column = tail + (int64_t)idx[c] * qt;
        double w = W[c], sum = column[idx[c]] * w;
        for (int32_t r = c + 1; r < rows; r++) {
            double z = column[idx[r]];
            Y[r] -= z * w;
            sum += z * W[r];
        }
        Y[c] -= sum;
    }
}

/* a'b in lanes. */
static inline double dot(int32_t n, const double *SMM_RESTRICT a, const double *SMM_RESTRICT b)
{
    double lanes[SMM_LANES] = {0}, sum = 0;
    int32_t i = 0;
    for (; i + SMM_LANES <= n; i += SMM_LANES)
        for (int32_t l = 0; l < SMM_LANES; l++) lanes[l] += a[i + l] * b[i + l];
    for (; i < n; i++) sum += a[i] * b[i];
    for (int32_t l = 0; l < SMM_LANES; l++) sum += lanes[l];
    return sum;
}

/* Z_jj = (D D')^-1 - W'Y, full and symmetric. */
static inline void diagonal_block(int32_t k, const double *Dinv, int32_t rows, const double *W,
                                  int32_t ldw, const double *Y, double *Z, int32_t ldz)
{
    for (int32_t c = 0; c < k; c++)
        for (int32_t r = c; r < k; r++) {
            double sum = 0;
            for (int32_t e = r; e < k; e++) sum += Dinv[e + r * k] * Dinv[e + c * k];
            sum -= dot(rows, W + (int64_t)r * ldw, Y + (int64_t)c * ldz);
            Z[r + (int64_t)c * ldz] = Z[c + (int64_t)r * ldz] = sum;
        }
}

/* W = P D^-1 for one panel. */
static inline void scale_panel(int32_t k, const double *Dinv, int32_t rows, const double *P,
                               int32_t ldp, double *W, int32_t ldw)
{
    for (int32_t c = 0; c < k; c++) {
        double *SMM_RESTRICT w = W + (int64_t)c * ldw;
        for (int32_t r = 0; r < rows; r++) w[r] = 0;
        for (int32_t e = c; e < k; e++) {
            double f = Dinv[e + c * k];
            const double *SMM_RESTRICT pe = P + (int64_t)e * ldp;
            for (int32_t r = 0; r < rows; r++) w[r] += f * pe[r];
        }
    }
}

SMM_HOT
static void invert_column(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j], rows = ld - k, tails = d->ntailrows[j];
    const double *panel = ws->L + d->valptr[j];
    double *Z = ws->inverse + d->valptr[j];
    double *Dinv = ws->small_tmp, *W = Dinv + (int64_t)k * k;
    smm_invert_lower(k, panel, ld, Dinv);
    if (rows) {
        /* W has the panel's shape, so that row offsets serve for it too */
        if (d->tail_ptr) {
            /* the products with P are there, those with W are wanted */
            for (int32_t c = 0; c < k; c++)
                memset(Z + k + (int64_t)c * ld, 0, sizeof(double) * (size_t)(rows - tails));
            scale_panel(k, Dinv, rows, Z + k, ld, W + k, ld);
            for (int32_t c = 0; c < k; c++)
                memcpy(Z + k + (int64_t)c * ld, W + k + (int64_t)c * ld,
                       sizeof(double) * (size_t)rows);
        } else
            for (int32_t c = 0; c < k; c++)
                memset(Z + k + (int64_t)c * ld, 0, sizeof(double) * (size_t)rows);
        scale_panel(k, Dinv, rows, panel + k, ld, W + k, ld);
        multiply_head(ws, j, W, Z);
        if (!d->tail_ptr)
            multiply_tail(ws->inverse + d->tail_at, d->qt, tails, d->tidx + d->tptr[j], k,
                          W + (ld - tails), Z + (ld - tails), ld);
        /* couplings of head and tail rows were done with the head */
    }
    diagonal_block(k, Dinv, rows, W + k, ld, Z + k, Z, ld);
}

/* The same for a column of one number, of which left_looking.c knows the products with rows in the
 * head. All products are those with P, and scaled at the end. */
SMM_HOT
static void invert_scalar(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    int32_t rows = d->height[j] - 1, tails = d->ntailrows[j];
    const double *P = ws->L + d->valptr[j] + 1;
    double *Z = ws->inverse + d->valptr[j], *Y = Z + 1, inverse = 1 / P[-1];
    if (!d->tail_ptr) {
        int32_t heads = rows - tails;
        if (heads == 0) memset(Y, 0, sizeof(double) * (size_t)rows);
        multiply_tail(ws->inverse + d->tail_at, d->qt, tails, d->tidx + d->tptr[j], 1, P + heads,
                      Y + heads, rows);
    }
    for (int32_t r = 0; r < rows; r++) Y[r] *= inverse;
    Z[0] = inverse * (inverse - dot(rows, P, Y));
}

/* A group of columns with common tail rows, by one dsymm. */
SMM_HOT
static void invert_group(smm_workspace *ws, const smm_group *g)
{
    const smm_design *d = ws->design;
    int32_t j0 = g->first, k = d->node_cols[j0];
    int ld = d->height[j0], rows = d->ntailrows[j0], cols = g->cols, qt = d->qt;
    const int32_t *idx = d->tidx + d->tptr[j0];
    double *W = ws->group_tmp, *S = W + (int64_t)rows * cols, *Dinv = ws->small_tmp;
    double minus = -1, zero = 0;
    double *Y = ws->inverse + d->valptr[j0] + k;
    for (int32_t j = g->first; j < g->last; j++) {
        const double *panel = ws->L + d->valptr[j];
        smm_invert_lower(k, panel, ld, Dinv);
        scale_panel(k, Dinv, rows, panel + k, ld, W + (int64_t)(j - j0) * k * rows, rows);
    }
    const double *tail = ws->inverse + d->tail_at;
    if (g->contiguous) {
        double *C = (double *)tail + idx[0] + (int64_t)idx[0] * qt;
        d->blas.dsymm("L", "L", &rows, &cols, &minus, C, &qt, W, &rows, &zero, Y, &ld);
    } else {
        for (int32_t c = 0; c < rows; c++)
            for (int32_t r = c; r < rows; r++)
                S[r + (int64_t)c * rows] = tail[idx[r] + (int64_t)idx[c] * qt];
        d->blas.dsymm("L", "L", &rows, &cols, &minus, S, &rows, W, &rows, &zero, Y, &ld);
    }
    for (int32_t j = g->first; j < g->last; j++) {
        const double *panel = ws->L + d->valptr[j];
        double *Z = ws->inverse + d->valptr[j];
        const double *w = W + (int64_t)(j - j0) * k * rows;
        smm_invert_lower(k, panel, ld, Dinv);
        diagonal_block(k, Dinv, rows, w, rows, Z + k, Z, ld);
    }
}

int smm_selected_inverse(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    double *tail = ws->inverse + d->tail_at;
    memcpy(tail, ws->L + d->tail_at, sizeof(double) * (size_t)d->qt * (size_t)d->qt);
    int status = smm_potri(&d->blas, d->qt, tail, d->qt);
    if (status) return status;
    if (d->tail_ptr) smm_multiply_tails(ws);
    int lists = smm_has_lists(d);
    if (lists) smm_await_last(ws);
    for (int32_t gi = d->ngroups - 1; gi >= 0; gi--) {
        const smm_group *g = d->groups + gi;
        if (g->block) {
            status = smm_invert_block(ws, g);
            if (status) return status;
            for (int32_t j = g->last - 1; lists && j >= g->first; j--) smm_multiply_column(ws, j);
        } else if (g->cols) invert_group(ws, g);
        else if (d->maxcols > 1)
            for (int32_t j = g->last - 1; j >= g->first; j--) {
                if (ws->twin[j] < 0) invert_column(ws, j);
            }
        else
            for (int32_t j = g->last - 1; j >= g->first; j--) {
                if (ws->twin[j] >= 0) continue;
                invert_scalar(ws, j);
                if (lists) smm_multiply_column(ws, j);
            }
    }
    for (int32_t j = 0; j < d->nhead; j++)
        if (ws->twin[j] >= 0)
            memcpy(ws->inverse + d->valptr[j], ws->inverse + d->valptr[ws->twin[j]],
                   sizeof(double) * (size_t)d->node_cols[j] * (size_t)d->node_cols[j]);
    ws->inverted = 1;
    return SMM_OK;
}

int smm_need_inverse(smm_workspace *ws)
{
    return ws->inverted ? SMM_OK : smm_selected_inverse(ws);
}

double smm_inverse_at(const smm_workspace *ws, int64_t block, int32_t r, int32_t c)
{
    const smm_design *d = ws->design;
    int32_t col = d->block_col[block];
    if (block < d->nodes && r < c) { /* lower triangle of a diagonal block */
        int32_t swap = r;
        r = c;
        c = swap;
    }
    return ws->inverse[d->block_in_l[block] + r + (int64_t)c * smm_ld(d, col)];
}
