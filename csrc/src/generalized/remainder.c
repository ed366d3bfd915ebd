/* SPDX-License-Identifier: BSD-3-Clause
 *
 * X'V^-1 X = X'WX - B'B where rows have so much information that little is left of the difference,
 * as in counts of 1e9. With C = Omega^-1 Lambda'Z'WX and what the random effects leave of X,
 * E = X - Z Lambda C,
 *
 *     X'V^-1 X = E'WE + C'QC,
 *
 * the minimum of penalized least squares: a sum in which nothing cancels, and to which errors of C
 * are of second order. It takes a pass over the rows, so only what has lost its digits is
 * computed so.
 */
#include "generalized/generalized.h"

/* Differences do when more than this share is left of every column. */
#define SMALL_PIVOT 1e-7
/* Less than this share of a diagonal element is no information, as on the coefficient of rows
 * that a response separates, whose weights vanish; a step along it is as good as none. */
#define FLAT 1e-10
#define HELD 1e100
/* A score that raises h by more than this over a step of one standard error, that of all rows. */
#define RISES 1e-6

int smm_digits_lost(const smm_workspace *ws)
{
    int32_t p = ws->design->p, m = p + 1;
    for (int32_t c = 0; c < p; c++) {
        size_t at = c + (size_t)c * m;
        if (!(ws->R[at] * ws->R[at] >= SMALL_PIVOT * ws->XXy[at])) return 1;
    }
    return 0;
}

/* C, and Lambda C in ws->H. */
static void project(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    for (int64_t i = 0; i < d->q; i++)
        for (int32_t v = 0; v < p; v++) ws->C[i * p + v] = ws->B[i * m + v];
    smm_backward(ws, ws->C, p);
    smm_apply_lambda(ws, ws->C, ws->H, p);
}

/* The lower triangle of C'QC into R. */
static void penalty(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    double *column = ws->u;
    for (int32_t c = 0; c < p; c++) {
        for (int64_t i = 0; i < d->q; i++) column[i] = ws->C[i * p + c];
        const double *Q = smm_apply_prior(d, column, ws->e);
        for (int32_t r = c; r < p; r++) {
            double sum = 0;
            for (int64_t i = 0; i < d->q; i++) sum += ws->C[i * p + r] * Q[i];
            ws->R[r + (size_t)c * m] = sum;
        }
    }
}

/* Row i of E. */
static void residual_row(const smm_workspace *ws, int64_t i, double *row)
{
    const smm_design *d = ws->design;
    int32_t p = d->p;
    memcpy(row, d->X + i * p, sizeof(double) * (size_t)p);
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const double *z = d->z[t] + i * k;
        const double *H = ws->H + d->node_at[d->node_of[t][d->refs[t][i]]] * p;
        for (int32_t c = 0; c < k; c++)
            for (int32_t v = 0; v < p; v++) row[v] -= z[c] * H[c * p + v];
    }
}

/* The lower triangle of X'V^-1 X into R, as the sum. */
static void form_remainder(smm_workspace *ws, const double *weights)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    project(ws);
    penalty(ws);
    double *row = ws->Minv; /* scratch: only inverting R makes it an inverse */
    for (int64_t i = 0; i < d->n; i++) {
        residual_row(ws, i, row);
        for (int32_t c = 0; c < p; c++)
            for (int32_t r = c; r < p; r++)
                ws->R[r + (size_t)c * m] += weights[i] * row[c] * row[r];
    }
}

/* R R' = A in place, with a pivot of HELD where rounding is all that is left of one. */
static int factor_holding(int32_t p, double *R, int32_t m)
{
    for (int32_t c = 0; c < p; c++) {
        double *column = R + (size_t)c * m, size = column[c];
        for (int32_t e = 0; e < c; e++)
            for (int32_t r = c; r < p; r++)
                column[r] -= R[r + (size_t)e * m] * R[c + (size_t)e * m];
        if (!(size > 0 && column[c] >= -FLAT * size) || isinf(column[c])) return SMM_ENOTPD;
        int flat = column[c] <= FLAT * size;
        double pivot = flat ? HELD : sqrt(column[c]);
        column[c] = pivot;
        for (int32_t r = c + 1; r < p; r++) column[r] = flat ? 0 : column[r] / pivot;
    }
    return SMM_OK;
}

/* R R' = X'V^-1 X after B and X'WX, by the sum. */
int smm_factor_remainder(smm_workspace *ws, const double *weights, int hold)
{
    int32_t p = ws->design->p, m = p + 1;
    form_remainder(ws, weights);
    return hold ? factor_holding(p, ws->R, m) : smm_potrf(&ws->design->blas, p, ws->R, m);
}

/* The length of one unit of eta along a coefficient that the last factor held although its score is
 * not zero; 0 for others. */
static double length_held(const smm_workspace *ws, int32_t v, double score)
{
    const smm_design *d = ws->design;
    size_t at = v + (size_t)v * (d->p + 1);
    if (ws->R[at] != HELD || !(fabs(score) > RISES * sqrt(ws->XXy[at]))) return 0;
    double size = 0;
    for (int64_t i = 0; i < d->n; i++) size = fmax(size, fabs(d->X[i * d->p + v]));
    return 1 / size;
}

double smm_climb_held(smm_glmm *g, const double *scores, double *delta, double *step)
{
    const smm_design *d = g->ws->design;
    double promise = 0;
    for (int32_t v = 0; v < d->p; v++)
        promise += length_held(g->ws, v, scores[v]) * fabs(scores[v]);
    if (promise == 0) return 0;
    memset(delta, 0, sizeof(double) * (size_t)d->q);
    for (int32_t v = 0; v < d->p; v++) { /* both halves of the solution divide by the pivot */
        double length = length_held(g->ws, v, scores[v]);
        step[v] = copysign(length * HELD * HELD, scores[v]);
    }
    smm_solve_modes(g, delta, step);
    return promise;
}
