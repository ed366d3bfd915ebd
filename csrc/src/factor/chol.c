/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Omega = L L' in place: head columns one by one, each subtracting its outer product
 * from what comes later (right-looking; from the head left-looking where columns have one number
 * each), then the dense tail by LAPACK. And the two
 * triangular solves.
 */
#include "factor/factor.h"

/* P (rows x k) <- P D^-T for lower-triangular D (k x k), both with leading dimension ld. */
static inline void panel_solve(int32_t rows, int32_t k, const double *D, double *P, int32_t ld)
{
    for (int32_t c = 0; c < k; c++) {
        double *SMM_RESTRICT pc = P + (int64_t)c * ld;
        for (int32_t e = 0; e < c; e++) {
            double f = D[c + (int64_t)e * ld];
            const double *SMM_RESTRICT pe = P + (int64_t)e * ld;
            for (int32_t r = 0; r < rows; r++) pc[r] -= f * pe[r];
        }
        double inv = 1.0 / D[c + (int64_t)c * ld];
        for (int32_t r = 0; r < rows; r++) pc[r] *= inv;
    }
}

/* C (ki x kj, leading dimension ldc) -= Pi Pj' with Pi, Pj of k columns in one panel. */
static inline void block_update(int32_t ki, int32_t kj, int32_t k, const double *Pi,
                                const double *Pj, int32_t ld, double *SMM_RESTRICT C, int32_t ldc)
{
    for (int32_t e = 0; e < k; e++)
        for (int32_t c = 0; c < kj; c++) {
            double f = Pj[c + (int64_t)e * ld];
            for (int32_t r = 0; r < ki; r++)
                C[r + (int64_t)c * ldc] -= Pi[r + (int64_t)e * ld] * f;
        }
}

/* Updates of later head columns by head column j. */
static void update_head(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    const double *panel = ws->L + d->valptr[j];
    int64_t end = d->rowptr[j + 1];
    for (int64_t bi = d->rowptr[j]; bi < end && d->row[bi] < d->nhead; bi++) {
        int32_t b = d->row[bi], kb = d->node_cols[b], ldb = d->height[b];
        double *target = ws->L + d->valptr[b];
        const double *Pb = panel + d->rowoff[bi];
        block_update(kb, kb, k, Pb, Pb, ld, target, ldb);
        int64_t at = d->rowptr[b]; /* rows of j after b are among the rows of b */
        for (int64_t ai = bi + 1; ai < end; ai++) {
            int32_t a = d->row[ai];
            at += smm_seek(d->row + at, 0, (int32_t)(d->rowptr[b + 1] - at), a);
            block_update(d->node_cols[a], kb, k, panel + d->rowoff[ai], Pb, ld,
                         target + d->rowoff[at], ldb);
        }
    }
}

/* Tail -= P P' for the tail rows P of head column j, scattered row by row. Two columns of P at a
 * time: reaching for the tail costs more than the products. */
SMM_HOT
static void scatter_tail(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j], rows = d->ntailrows[j], e = 0;
    const double *SMM_RESTRICT P = ws->L + d->valptr[j] + (ld - rows);
    const int32_t *SMM_RESTRICT idx = d->tidx + d->tptr[j];
    double *tail = ws->L + d->tail_at;
    for (; e + 1 < k; e += 2, P += 2 * (int64_t)ld)
        for (int32_t c = 0; c < rows; c++) {
            const double *SMM_RESTRICT Q = P + ld;
            double f = P[c], g = Q[c];
            double *SMM_RESTRICT column = tail + (int64_t)idx[c] * d->qt;
            for (int32_t r = c; r < rows; r++)
                column[idx[r]] = column[idx[r]] - f * P[r] - g * Q[r];
        }
    for (int32_t c = 0; e < k && c < rows; c++) {
        double f = P[c];
        double *SMM_RESTRICT column = tail + (int64_t)idx[c] * d->qt;
        for (int32_t r = c; r < rows; r++) column[idx[r]] -= f * P[r];
    }
}

/* The same for a whole group of columns with common rows, by one dsyrk. */
static void group_tail(smm_workspace *ws, const smm_group *g)
{
    const smm_design *d = ws->design;
    int32_t j = g->first;
    int ld = d->height[j], rows = d->ntailrows[j], cols = g->cols, qt = d->qt;
    double *P = ws->L + d->valptr[j] + (ld - rows), *tail = ws->L + d->tail_at;
    const int32_t *idx = d->tidx + d->tptr[j];
    double minus = -1, one = 1, zero = 0;
    if (g->contiguous) {
        double *C = tail + idx[0] + (int64_t)idx[0] * qt;
        d->blas.dsyrk("L", "N", &rows, &cols, &minus, P, &ld, &one, C, &qt);
        return;
    }
    double *C = ws->group_tmp;
    d->blas.dsyrk("L", "N", &rows, &cols, &one, P, &ld, &zero, C, &rows);
    for (int32_t c = 0; c < rows; c++)
        for (int32_t r = c; r < rows; r++)
            tail[idx[r] + (int64_t)idx[c] * qt] -= C[r + (int64_t)c * rows];
}

/* Diagonal block and panel of head column j. */
SMM_HOT
static int factor_column(smm_workspace *ws, int32_t j)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    double *panel = ws->L + d->valptr[j];
    if (ws->twin[j] >= 0) {
        memcpy(panel, ws->L + d->valptr[ws->twin[j]], sizeof(double) * (size_t)k * (size_t)k);
        return SMM_OK;
    }
    if (k == 1) {
        double diag = panel[0];
        if (!(diag > 0) || isinf(diag)) return SMM_ENOTPD;
        diag = sqrt(diag);
        panel[0] = diag;
        double inv = 1.0 / diag;
        for (int32_t r = 1; r < ld; r++) panel[r] *= inv;
        return SMM_OK;
    }
    if (k == 2) {
        double a = panel[0], b = panel[1], c = panel[ld + 1];
        if (!(a > 0) || isinf(a)) return SMM_ENOTPD;
        a = sqrt(a);
        b /= a;
        c -= b * b;
        if (!(c > 0) || isinf(c)) return SMM_ENOTPD;
        panel[0] = a;
        panel[1] = b;
        panel[ld + 1] = sqrt(c);
    } else {
        int status = smm_potrf(&d->blas, k, panel, ld);
        if (status) return status;
    }
    panel_solve(ld - k, k, panel, panel + k, ld);
    return SMM_OK;
}

/* L L' = Omega; afterwards logdet_omega = 2 sum log diag L - log|Q|. */
int smm_factor(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int lists = smm_has_lists(d);
    ws->inverted = 0;
    if (lists) smm_empty_lists(ws);
    for (int32_t gi = 0; gi < d->ngroups; gi++) {
        const smm_group *g = d->groups + gi;
        if (g->block) {
            for (int32_t j = g->first; lists && j < g->last; j++) smm_update_column(ws, j);
            int status = smm_factor_block(ws, g);
            if (status) return status;
            continue;
        }
        for (int32_t j = g->first; j < g->last; j++) {
            if (lists) smm_update_column(ws, j);
            int status = factor_column(ws, j);
            if (status) return status;
            if (d->height[j] == d->node_cols[j]) continue;
            if (lists) smm_await_first(ws, j);
            else if (d->maxcols > 1) update_head(ws, j);
            if (!g->cols && !d->tail_ptr) scatter_tail(ws, j);
        }
        if (g->cols) group_tail(ws, g);
    }
    if (d->tail_ptr) smm_scatter_tails(ws);
    int status = smm_potrf(&d->blas, d->qt, ws->L + d->tail_at, d->qt);
    if (status) return status;

    smm_log_product product = {0, 1};
    for (int32_t j = 0; j < d->nhead; j++) {
        const double *panel = ws->L + d->valptr[j];
        for (int64_t c = 0; c < d->node_cols[j]; c++)
            smm_multiply(&product, panel[c + c * d->height[j]]);
    }
    for (int64_t c = 0; c < d->qt; c++) smm_multiply(&product, ws->L[d->tail_at + c + c * d->qt]);
    ws->logdet_omega = 2 * (product.log + log(product.rest)) - ws->logdet_prior;
    return isfinite(ws->logdet_omega) ? SMM_OK : SMM_ENONFINITE;
}

/* Right-hand sides for which one call for a group of head columns pays. */
#define FEW_SIDES 6
/* Right-hand sides whose sums registers hold. */
#define SIDES_AT_ONCE 4

/* Whether a group's rows of b, with m columns, meet those of the tail in one call. */
static int has_call(const smm_group *g, int32_t m)
{
    return g->cols && g->contiguous && m >= FEW_SIDES;
}

/* b_tail -= P b_group, or transposed b_group -= P'b_tail, for a group with panels P. */
static void multiply_group(const smm_workspace *ws, const smm_group *g, double *b, int32_t m,
                           int transposed)
{
    const smm_design *d = ws->design;
    int32_t j = g->first;
    int ld = d->height[j], rows = d->ntailrows[j], cols = g->cols, width = m;
    double *P = ws->L + d->valptr[j] + (ld - rows), minus = -1, one = 1;
    double *head = b + d->node_at[j] * m;
    double *tail = b + ((int64_t)d->qh + d->tidx[d->tptr[j]]) * m;
    if (transposed)
        d->blas.dgemm("N", "N", &width, &cols, &rows, &minus, tail, &width, P, &ld, &one, head,
                      &width);
    else
        d->blas.dgemm("N", "T", &width, &rows, &cols, &minus, head, &width, P, &ld, &one, tail,
                      &width);
}

/* Rows of b that belong to head column j <- D^-1 of them, for its diagonal block D. */
static inline void forward_block(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    const double *panel = ws->L + d->valptr[j];
    double *bj = b + d->node_at[j] * m;
    for (int32_t c = 0; c < k; c++) {
        double *SMM_RESTRICT bc = bj + c * m;
        double inv = 1.0 / panel[c + (int64_t)c * ld];
        for (int32_t v = 0; v < m; v++) bc[v] *= inv;
        for (int32_t r = c + 1; r < k; r++) {
            double f = panel[r + (int64_t)c * ld];
            double *SMM_RESTRICT br = bj + r * m;
            for (int32_t v = 0; v < m; v++) br[v] -= f * bc[v];
        }
    }
}

/* Rows of b below head column j -= its panel times its own, where all terms have one column: what
 * takes the time is to find the rows. */
static inline void forward_scalars(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    const double *SMM_RESTRICT P = ws->L + d->valptr[j] + 1;
    const double *SMM_RESTRICT bj = b + (int64_t)j * m;
    const int32_t *SMM_RESTRICT row = d->row + d->rowptr[j];
    int32_t n = d->height[j] - 1;
    for (int32_t r = 0; r < n; r++) {
        double *SMM_RESTRICT br = b + (int64_t)row[r] * m;
        for (int32_t v = 0; v < m; v++) br[v] -= P[r] * bj[v];
    }
}

/* The same where terms have several. */
static inline void forward_rows(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    const double *bj = b + d->node_at[j] * m;
    for (int64_t ri = d->rowptr[j]; ri < d->rowptr[j + 1]; ri++) {
        int32_t i = d->row[ri], ki = d->node_cols[i];
        const double *P = ws->L + d->valptr[j] + d->rowoff[ri];
        double *bi = b + d->node_at[i] * m;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < ki; r++) {
                double f = P[r + (int64_t)c * ld];
                double *SMM_RESTRICT br = bi + r * m;
                const double *SMM_RESTRICT bc = bj + c * m;
                for (int32_t v = 0; v < m; v++) br[v] -= f * bc[v];
            }
    }
}

static inline void forward_head(const smm_workspace *ws, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    for (int32_t gi = 0; gi < d->ngroups; gi++) {
        const smm_group *g = d->groups + gi;
        int call = has_call(g, m);
        for (int32_t j = g->first; j < g->last; j++) {
            forward_block(ws, j, b, m);
            if (call) continue;
            if (d->maxcols == 1) forward_scalars(ws, j, b, m);
            else forward_rows(ws, j, b, m);
        }
        if (call) multiply_group(ws, g, b, m, 0);
    }
}

/* b (row-major q x m) <- L^-1 b. Constants let the compiler unroll the common widths. */
SMM_HOT
void smm_forward(smm_workspace *ws, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    if (m == 1) forward_head(ws, b, 1);
    else if (m == 2) forward_head(ws, b, 2);
    else if (m == 3) forward_head(ws, b, 3);
    else forward_head(ws, b, m);
    smm_solve_rows(&d->blas, d->qt, ws->L + d->tail_at, d->qt, m, b + (int64_t)d->qh * m, 0);
}

/* The transposes of forward_scalars, forward_rows and forward_block. */
static inline void backward_scalars(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    const double *SMM_RESTRICT P = ws->L + d->valptr[j] + 1;
    double *bj = b + (int64_t)j * m;
    const int32_t *SMM_RESTRICT row = d->row + d->rowptr[j];
    int32_t n = d->height[j] - 1;
    for (int32_t at = 0; at < m; at += SIDES_AT_ONCE) {
        int32_t sides = m - at < SIDES_AT_ONCE ? m - at : SIDES_AT_ONCE;
        double sums[SIDES_AT_ONCE];
        for (int32_t v = 0; v < sides; v++) sums[v] = bj[at + v];
        for (int32_t r = 0; r < n; r++) {
            const double *br = b + (int64_t)row[r] * m + at;
            for (int32_t v = 0; v < sides; v++) sums[v] -= P[r] * br[v];
        }
        for (int32_t v = 0; v < sides; v++) bj[at + v] = sums[v];
    }
}

static inline void backward_rows(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    double *bj = b + d->node_at[j] * m;
    for (int64_t ri = d->rowptr[j]; ri < d->rowptr[j + 1]; ri++) {
        int32_t i = d->row[ri], ki = d->node_cols[i];
        const double *P = ws->L + d->valptr[j] + d->rowoff[ri];
        const double *bi = b + d->node_at[i] * m;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < ki; r++) {
                double f = P[r + (int64_t)c * ld];
                const double *SMM_RESTRICT br = bi + r * m;
                double *SMM_RESTRICT bc = bj + c * m;
                for (int32_t v = 0; v < m; v++) bc[v] -= f * br[v];
            }
    }
}

static inline void backward_block(const smm_workspace *ws, int32_t j, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t k = d->node_cols[j], ld = d->height[j];
    const double *panel = ws->L + d->valptr[j];
    double *bj = b + d->node_at[j] * m;
    for (int32_t c = k - 1; c >= 0; c--) {
        double *SMM_RESTRICT bc = bj + c * m;
        for (int32_t r = c + 1; r < k; r++) {
            double f = panel[r + (int64_t)c * ld];
            const double *SMM_RESTRICT br = bj + r * m;
            for (int32_t v = 0; v < m; v++) bc[v] -= f * br[v];
        }
        double inv = 1.0 / panel[c + (int64_t)c * ld];
        for (int32_t v = 0; v < m; v++) bc[v] *= inv;
    }
}

static inline void backward_head(const smm_workspace *ws, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    for (int32_t gi = d->ngroups - 1; gi >= 0; gi--) {
        const smm_group *g = d->groups + gi;
        int call = has_call(g, m);
        if (call) multiply_group(ws, g, b, m, 1);
        for (int32_t j = g->last - 1; j >= g->first; j--) {
            if (!call && d->maxcols == 1) backward_scalars(ws, j, b, m);
            else if (!call) backward_rows(ws, j, b, m);
            backward_block(ws, j, b, m);
        }
    }
}

/* b (row-major q x m) <- L'^-1 b. */
SMM_HOT
void smm_backward(smm_workspace *ws, double *b, int32_t m)
{
    const smm_design *d = ws->design;
    smm_solve_rows(&d->blas, d->qt, ws->L + d->tail_at, d->qt, m, b + (int64_t)d->qh * m, 1);
    if (m == 1) backward_head(ws, b, 1);
    else if (m == 2) backward_head(ws, b, 2);
    else if (m == 3) backward_head(ws, b, 3);
    else backward_head(ws, b, m);
}
