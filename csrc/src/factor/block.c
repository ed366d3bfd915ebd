/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Dense blocks of the head: columns of one number each that have the same rows R below the block
 * (quotient.c). They are stored as one rectangle, the lower triangle D on top of the panel P, so
 * that dense routines do what chol.c and selinv.c do column by column:
 *
 *     factor:   D D' = Omega_jj - ...,  P <- P D^-T,  Omega_RR -= P P'
 *     inverse:  W = P D^-1,  Z_Rj = -Z_RR W,  Z_jj = (D D')^-1 - W'Z_Rj.
 *
 * P P' is scattered and Z_RR gathered by strips of columns.
 */
#include "factor/factor.h"

/* Subtract u (n) from the elements at row[0..n) of column row[0] of L. */
static void scatter(const smm_design *d, double *L, const int32_t *row, int32_t n,
                    const double *SMM_RESTRICT u)
{
    int32_t col = row[0], at = 0;
    if (col >= d->nhead) {
        double *SMM_RESTRICT tail = L + d->tail_at + (int64_t)(col - d->nhead) * d->qt;
        for (int32_t r = 0; r < n; r++) tail[row[r] - d->nhead] -= u[r];
        return;
    }
    const int32_t *below = d->row + d->rowptr[col];
    double *SMM_RESTRICT panel = L + d->valptr[col];
    *panel++ -= u[0];
    for (int32_t r = 1; r < n; r++, at++) {
        at = smm_seek(below, at, d->height[col] - 1, row[r]);
        panel[at] -= u[r];
    }
}

/* z (n) = the elements at row[0..n) of column row[0] of the inverse. */
static void gather(const smm_design *d, const double *inverse, const int32_t *row, int32_t n,
                   double *SMM_RESTRICT z)
{
    int32_t col = row[0], at = 0;
    if (col >= d->nhead) {
        const double *tail = inverse + d->tail_at + (int64_t)(col - d->nhead) * d->qt;
        for (int32_t r = 0; r < n; r++) z[r] = tail[row[r] - d->nhead];
        return;
    }
    const int32_t *below = d->row + d->rowptr[col];
    const double *panel = inverse + d->valptr[col];
    z[0] = *panel++;
    for (int32_t r = 1; r < n; r++, at++) {
        at = smm_seek(below, at, d->height[col] - 1, row[r]);
        z[r] = panel[at];
    }
}

int smm_factor_block(smm_workspace *ws, const smm_group *g)
{
    const smm_design *d = ws->design;
    int32_t j = g->first;
    int cols = g->last - j, ld = d->height[j], rows = ld - cols;
    double *D = ws->L + d->valptr[j], *P = D + cols, *U = ws->group_tmp, one = 1, zero = 0;
    const int32_t *row = d->row + d->rowptr[g->last - 1];
    int status = smm_potrf(&d->blas, cols, D, ld);
    if (status || rows == 0) return status;
    d->blas.dtrsm("R", "L", "T", "N", &rows, &cols, &one, D, &ld, P, &ld);
    for (int32_t first = 0; first < rows; first += SMM_STRIP) {
        int strip = rows - first < SMM_STRIP ? rows - first : SMM_STRIP, below = rows - first;
        d->blas.dgemm("N", "T", &below, &strip, &cols, &one, P + first, &ld, P + first, &ld,
                      &zero, U, &below);
        for (int32_t c = 0; c < strip; c++)
            scatter(d, ws->L, row + first + c, below - c, U + c + (int64_t)c * below);
    }
    return SMM_OK;
}

int smm_invert_block(smm_workspace *ws, const smm_group *g)
{
    const smm_design *d = ws->design;
    int32_t j = g->first;
    int cols = g->last - j, ld = d->height[j], rows = ld - cols;
    const double *D = ws->L + d->valptr[j];
    double *Z = ws->inverse + d->valptr[j], *Y = Z + cols;
    double *W = ws->group_tmp, *S = W + (int64_t)rows * cols, one = 1, minus = -1;
    const int32_t *row = d->row + d->rowptr[g->last - 1];
    for (int32_t c = 0; c < cols; c++) {
        memcpy(Z + (int64_t)c * ld, D + (int64_t)c * ld, sizeof(double) * (size_t)cols);
        memcpy(W + (int64_t)c * rows, D + cols + (int64_t)c * ld, sizeof(double) * (size_t)rows);
        memset(Y + (int64_t)c * ld, 0, sizeof(double) * (size_t)rows);
    }
    if (rows > 0)
        d->blas.dtrsm("R", "L", "N", "N", &rows, &cols, &one, (double *)D, &ld, W, &rows);
    for (int32_t first = 0; first < rows; first += SMM_STRIP) {
        int strip = rows - first < SMM_STRIP ? rows - first : SMM_STRIP, below = rows - first;
        int rest = below - strip;
        for (int32_t c = 0; c < strip; c++) {
            double *s = S + (int64_t)c * below;
            gather(d, ws->inverse, row + first + c, below - c, s + c);
            for (int32_t r = c + 1; r < strip; r++) S[c + (int64_t)r * below] = s[r];
        }
        d->blas.dgemm("N", "N", &below, &cols, &strip, &minus, S, &below, W + first, &rows, &one,
                      Y + first, &ld);
        if (rest > 0)
            d->blas.dgemm("T", "N", &strip, &cols, &rest, &minus, S + strip, &below,
                          W + first + strip, &rows, &one, Y + first, &ld);
    }
    int status = smm_potri(&d->blas, cols, Z, ld);
    if (status || rows == 0) return status;
    for (int32_t first = 0; first < cols; first += SMM_STRIP) { /* of the lower triangle */
        int strip = cols - first < SMM_STRIP ? cols - first : SMM_STRIP, below = cols - first;
        d->blas.dgemm("T", "N", &below, &strip, &rows, &minus, W + (int64_t)first * rows, &rows,
                      Y + (int64_t)first * ld, &ld, &one, Z + first + (int64_t)first * ld, &ld);
    }
    return SMM_OK;
}
