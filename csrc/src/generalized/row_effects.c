/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log|Omega| of a generalized model with an effect of every row, for overdispersed counts.
 *
 * Beside weights w of 1e9 what is left of the other effects after the elimination of those of the
 * rows is a difference of terms of that size: with f_i = w_i z_i^2 lambda^2, lambda the standard
 * deviation of the effects of rows, row i has the weight w_i - w_i f_i / (1 + f_i) for the others.
 * Nothing cancels in
 *
 *     log|Omega| = sum log(1 + f_i) + log|Omega~|,      w~_i = w_i / (1 + f_i),
 *
 * with Omega~ that of w~ and lambda = 0. It takes another factorization, so only what has lost its
 * digits is computed so.
 */
#include "generalized/generalized.h"

/* f from which rounding errors of differences are seen. */
#define LARGE 1e6

/* The term whose levels have one row each; -1 if there is none. */
static int32_t term_of_rows(const smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    double *seen = g->zc;
    for (int32_t t = 0; d->nterms > 1 && t < d->nterms; t++) {
        int64_t i = 0;
        if (d->cols[t] != 1 || d->levels[t] < d->n) continue;
        memset(seen, 0, sizeof(double) * (size_t)d->levels[t]);
        while (i < d->n && !seen[d->refs[t][i]]) seen[d->refs[t][i++]] = 1;
        if (i == d->n) return t;
    }
    return -1;
}

/* g->logdet after smm_form_omega, which is left as it was. */
int smm_logdet_of_rows(smm_glmm *g)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    if (g->stream || g->sides.columns || d->has_prior || d->predictors > 1) return SMM_OK;
    int32_t t = term_of_rows(g);
    if (t < 0) return SMM_OK;
    double *lambda = ws->T + ws->T_at[t], kept = *lambda, largest = 0, sum = 0;
    for (int64_t i = 0; i < d->n; i++) {
        double z = d->z[t][i] * kept, f = g->w[i] * z * z;
        if (!(f >= 0)) return SMM_OK;
        largest = fmax(largest, f);
        sum += log1p(f);
        g->row[i] = g->w[i] / (1 + f);
    }
    if (largest < LARGE) return SMM_OK;
    *lambda = 0;
    int status = smm_form_omega(g, g->row);
    *lambda = kept;
    if (status == SMM_OK) g->logdet = sum + ws->logdet_omega;
    return smm_form_omega(g, g->w);
}
