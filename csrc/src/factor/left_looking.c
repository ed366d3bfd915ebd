/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Head columns of one number each, and the columns of the head among their rows, by the latter. A
 * column j waits in the list of one of its rows b at a time (George and Liu 1981): when b is next
 * in the factorization, and in the inverse when b is done, j meets b and moves on to the next row,
 * downwards in the one and upwards in the other.
 *
 * What is below b in the rows R of j is in the rows of b too. So b is spread over a vector by rows,
 * once for all columns of its list: the rows of each are then found without a search. With p the
 * element of P_j at row b and S the rows of R after b,
 *
 *     factor:  L_bb -= p^2,  L_Sb -= P_S p      inverse:  Y_S -= Z_Sb p,  Y_b -= Z_bb p + Z_Sb'P_S.
 */
#include "factor/factor.h"

/* Column j waits for its row number `at`. */
static inline void enlist(smm_workspace *ws, int32_t j, int32_t at)
{
    const smm_design *d = ws->design;
    int32_t b = d->row[d->rowptr[j] + at];
    ws->waits_at[j] = at;
    ws->waits_next[j] = ws->waiting[b];
    ws->waiting[b] = j;
}

/* How many rows of column j are in the head. */
static inline int32_t head_rows(const smm_design *d, int32_t j)
{
    return d->height[j] - 1 - d->ntailrows[j];
}

void smm_empty_lists(smm_workspace *ws)
{
    memset(ws->waiting, -1, sizeof(int32_t) * (size_t)ws->design->nhead);
}

void smm_await_first(smm_workspace *ws, int32_t j)
{
    if (head_rows(ws->design, j) > 0) enlist(ws, j, 0);
}

SMM_HOT
void smm_update_column(smm_workspace *ws, int32_t b)
{
    const smm_design *d = ws->design;
    int32_t j = ws->waiting[b], nb = d->height[b] - 1;
    if (j < 0) return;
    const int32_t *SMM_RESTRICT rows = d->row + d->rowptr[b];
    double *SMM_RESTRICT target = ws->L + d->valptr[b], *SMM_RESTRICT spread = ws->spread;
    for (int32_t i = 0; i < nb; i++) spread[rows[i]] = target[i + 1];
    for (int32_t next; j >= 0; j = next) {
        const double *SMM_RESTRICT P = ws->L + d->valptr[j] + 1;
        const int32_t *SMM_RESTRICT row = d->row + d->rowptr[j];
        int32_t at = ws->waits_at[j], n = d->height[j] - 1;
        double p = P[at];
        target[0] -= p * p;
        for (int32_t r = at + 1; r < n; r++) spread[row[r]] -= P[r] * p;
        next = ws->waits_next[j];
        if (at + 1 < head_rows(d, j)) enlist(ws, j, at + 1);
    }
    for (int32_t i = 0; i < nb; i++) target[i + 1] = spread[rows[i]];
}

void smm_await_last(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    smm_empty_lists(ws);
    for (int32_t gi = 0; gi < d->ngroups; gi++) {
        const smm_group *g = d->groups + gi;
        for (int32_t j = g->first; j < g->last && !g->cols; j++) {
            int32_t heads = head_rows(d, j);
            if (heads == 0) continue;
            size_t rows = (size_t)(d->tail_ptr ? heads : d->height[j] - 1);
            memset(ws->inverse + d->valptr[j] + 1, 0, sizeof(double) * rows);
            enlist(ws, j, heads - 1);
        }
    }
}

SMM_HOT
void smm_multiply_column(smm_workspace *ws, int32_t b)
{
    const smm_design *d = ws->design;
    int32_t j = ws->waiting[b], nb = d->height[b] - 1;
    if (j < 0) return;
    const int32_t *SMM_RESTRICT rows = d->row + d->rowptr[b];
    const double *SMM_RESTRICT Z = ws->inverse + d->valptr[b];
    double *SMM_RESTRICT spread = ws->spread;
    for (int32_t i = 0; i < nb; i++) spread[rows[i]] = Z[i + 1];
    for (int32_t next; j >= 0; j = next) {
        const double *SMM_RESTRICT P = ws->L + d->valptr[j] + 1;
        double *SMM_RESTRICT Y = ws->inverse + d->valptr[j] + 1;
        const int32_t *SMM_RESTRICT row = d->row + d->rowptr[j];
        int32_t at = ws->waits_at[j], n = d->height[j] - 1;
        double p = P[at], sum = Z[0] * p;
        for (int32_t r = at + 1; r < n; r++) {
            double z = spread[row[r]];
            Y[r] -= z * p;
            sum += z * P[r];
        }
        Y[at] -= sum;
        next = ws->waits_next[j];
        if (at > 0) enlist(ws, j, at - 1);
    }
}
