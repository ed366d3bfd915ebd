/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Head columns against a large tail, by tail columns. A head column meets few of the tail's rows,
 * far from each other: what it does to the tail, and takes from the tail's inverse, touches
 * memory here and there. By head columns that is all over a matrix that no cache holds; by tail
 * columns every access is to one column, which the nearest cache does hold.
 *
 * With P_j the tail rows of head column j and S the tail,
 *
 *     factor:  S -= sum_j P_j P_j'         inverse:  Y_j = -(S^-1) P_j on the rows of P_j.
 */
#include "factor/factor.h"

SMM_HOT
void smm_scatter_tails(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    for (int32_t c = 0; c < d->qt; c++) {
        double *SMM_RESTRICT column = ws->L + d->tail_at + (int64_t)c * d->qt;
        for (int64_t a = d->tail_ptr[c]; a < d->tail_ptr[c + 1]; a++) {
            int32_t j = d->tail_head[a], ld = d->height[j], rows = d->ntailrows[j];
            const double *SMM_RESTRICT P = ws->L + d->valptr[j] + (ld - rows);
            const int32_t *SMM_RESTRICT idx = d->tidx + d->tptr[j];
            for (int32_t e = 0; e < d->node_cols[j]; e++, P += ld) {
                double f = P[d->tail_pos[a]];
                for (int32_t r = d->tail_pos[a]; r < rows; r++) column[idx[r]] -= f * P[r];
            }
        }
    }
}

SMM_HOT
void smm_multiply_tails(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    for (int32_t j = 0; j < d->nhead; j++) {
        int32_t ld = d->height[j], rows = d->ntailrows[j];
        double *Y = ws->inverse + d->valptr[j] + (ld - rows);
        for (int32_t e = 0; e < d->node_cols[j]; e++, Y += ld)
            memset(Y, 0, sizeof(double) * (size_t)rows);
    }
    for (int32_t c = 0; c < d->qt; c++) {
        const double *SMM_RESTRICT column = ws->inverse + d->tail_at + (int64_t)c * d->qt;
        for (int64_t a = d->tail_ptr[c]; a < d->tail_ptr[c + 1]; a++) {
            int32_t j = d->tail_head[a], pos = d->tail_pos[a];
            int32_t ld = d->height[j], rows = d->ntailrows[j];
            const double *SMM_RESTRICT P = ws->L + d->valptr[j] + (ld - rows);
            double *SMM_RESTRICT Y = ws->inverse + d->valptr[j] + (ld - rows);
            const int32_t *SMM_RESTRICT idx = d->tidx + d->tptr[j];
            for (int32_t e = 0; e < d->node_cols[j]; e++, P += ld, Y += ld) {
                double p = P[pos], sum = column[c] * p;
                for (int32_t r = pos + 1; r < rows; r++) {
                    double z = column[idx[r]];
                    Y[r] -= z * p;
                    sum += z * P[r];
                }
                Y[pos] -= sum;
            }
        }
    }
}
