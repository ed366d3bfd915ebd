/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Products of X and of Z with vectors over levels and over rows: X beta + offset, Z Lambda u, X'r
 * and Z'r. Where zero inflation has random effects the rows have two predictors, and each term of
 * Z stands in one of them.
 */
#include "generalized/generalized.h"

void smm_fixed_predictor(smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    int32_t p = d->p;
    for (int64_t i = 0; i < d->n; i++) {
        double sum = g->offset ? g->offset[i] : 0;
        const double *x = d->X + i * p;
        for (int32_t v = 0; v < p; v++) sum += x[v] * g->beta[v];
        g->xb[i] = sum;
    }
}

void smm_random_predictor(const smm_glmm *g, const double *u, double *b, double *all)
{
    const smm_design *d = g->ws->design;
    smm_apply_lambda(g->ws, u, b, 1);
    for (int32_t t = 0; t < d->nterms; t++)
        smm_add_effects(d, t, b, d->node_of[t], all + d->n * d->predictor[t]);
}

void smm_z_transpose(const smm_glmm *g, const double *all, double *out)
{
    memset(out, 0, sizeof(double) * (size_t)g->ws->design->q);
    smm_add_z_transpose(g, all, out);
}

SMM_HOT
void smm_add_z_transpose(const smm_glmm *g, const double *all, double *SMM_RESTRICT out)
{
    const smm_design *d = g->ws->design;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const int32_t *refs = d->refs[t], *node_of = d->node_of[t];
        const double *z = d->z[t], *rows = all + d->n * d->predictor[t];
        if (k == 1) {
            /* rows of one level that follow one another are summed without waiting for memory */
            for (int64_t i = 0; i < d->n;) {
                int32_t level = refs[i];
                double *at = out + d->node_at[node_of[level]], sum = *at;
                for (; i < d->n && refs[i] == level; i++) sum += z[i] * rows[i];
                *at = sum;
            }
            continue;
        }
        for (int64_t i = 0; i < d->n; i++) {
            double *o = out + d->node_at[node_of[refs[i]]];
            for (int32_t c = 0; c < k; c++) o[c] += z[i * k + c] * rows[i];
        }
    }
}

void smm_x_transpose(const smm_glmm *g, const double *rows, double *out)
{
    for (int32_t v = 0; v < g->ws->design->p; v++) out[v] = 0;
    smm_add_x_transpose(g, rows, out);
}

SMM_HOT
void smm_add_x_transpose(const smm_glmm *g, const double *rows, double *SMM_RESTRICT out)
{
    const smm_design *d = g->ws->design;
    int32_t p = d->p;
    for (int64_t i = 0; i < d->n; i++)
        for (int32_t v = 0; v < p; v++) out[v] += d->X[i * p + v] * rows[i];
}
