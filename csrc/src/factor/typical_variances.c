/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Determinants and typical variances of levels that are related (prior.c).
 */
#include "factor/factor.h"

/* Factor Omega where T is zero. */
static int factor_alone(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    memset(ws->A, 0, sizeof(double) * (size_t)d->block_at[d->nblocks]);
    memset(ws->T, 0, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    smm_fill_omega(ws);
    return smm_factor(ws);
}

static int knows_determinants(const smm_design *d)
{
    for (int32_t t = 0; t < d->nterms; t++)
        if (isnan(d->prior_logdet[t])) return 0;
    return 1;
}

int smm_find_prior(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    ws->logdet_prior = 0;
    for (int32_t t = 0; t < d->nterms; t++) ws->prior_sd[t] = 1;
    if (!d->has_prior) return SMM_OK;
    if (knows_determinants(d)) {
        for (int32_t t = 0; t < d->nterms; t++) {
            ws->logdet_prior += d->cols[t] * d->prior_logdet[t];
            ws->prior_sd[t] = exp(-0.5 * d->prior_logdet[t] / d->levels[t]);
        }
        return SMM_OK;
    }
    int status = factor_alone(ws);
    if (status) return status;
    ws->logdet_prior = ws->logdet_omega;
    for (int32_t t = 0; t < d->nterms; t++) {
        double sum = 0;
        for (int32_t l = 0; l < d->levels[t]; l++)
            sum += log(ws->L[d->block_in_l[d->node_of[t][l]]]);
        ws->prior_sd[t] = exp(-sum / d->levels[t]);
    }
    return SMM_OK;
}

int smm_prior_spread(smm_workspace *ws, double *out)
{
    const smm_design *d = ws->design;
    for (int32_t t = 0; t < d->nterms; t++) out[t] = 1;
    int status = d->has_prior && knows_determinants(d) ? factor_alone(ws) : SMM_OK;
    if (d->has_prior && status == SMM_OK) status = smm_selected_inverse(ws);
    for (int32_t t = 0; t < d->nterms && d->has_prior && status == SMM_OK; t++) {
        double largest = 0;
        for (int32_t l = 0; l < d->levels[t]; l++)
            largest = fmax(largest, smm_inverse_at(ws, d->node_of[t][l], 0, 0));
        out[t] = largest / (ws->prior_sd[t] * ws->prior_sd[t]);
    }
    return status;
}
