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
#include "smm_internal.h"

/* Smaller tails stay in the cache anyway. The tests make all of them large. */
#ifndef SMM_LARGE_TAIL
#define SMM_LARGE_TAIL 1500
#endif

int smm_list_tail_columns(smm_design *d)
{
    const smm_allocator *mem = &d->mem;
    if (d->qt < SMM_LARGE_TAIL) return SMM_OK;
    size_t size = (size_t)d->tptr[d->nhead];
    d->tail_ptr = smm_alloc(mem, (size_t)d->qt + 2, sizeof(int64_t));
    d->tail_head = smm_alloc(mem, size, sizeof(int32_t));
    d->tail_pos = smm_alloc(mem, size, sizeof(int32_t));
    if (!d->tail_ptr || !d->tail_head || !d->tail_pos) return SMM_ENOMEM;
    /* counts two places on, then their sums one place on, which the second pass moves to theirs */
    memset(d->tail_ptr, 0, sizeof(int64_t) * ((size_t)d->qt + 2));
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t gi = 0; gi < d->ngroups; gi++) {
            const smm_group *g = d->groups + gi;
            if (g->cols) continue;
            for (int32_t j = g->first; j < g->last; j++)
                for (int32_t r = 0; r < d->ntailrows[j]; r++) {
                    int64_t *at = d->tail_ptr + d->tidx[d->tptr[j] + r] + 2 - pass;
                    if (pass) {
                        d->tail_head[*at] = j;
                        d->tail_pos[*at] = r;
                    }
                    ++*at;
                }
        }
        if (!pass)
            for (int32_t c = 0; c < d->qt; c++) d->tail_ptr[c + 2] += d->tail_ptr[c + 1];
    }
    return SMM_OK;
}

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
