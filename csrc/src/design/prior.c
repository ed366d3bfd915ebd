/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Levels that are related. The effects of a term's levels have precision Q (x) I in place of I:
 * u ~ N(0, Q^-1 (x) I), b = Lambda u, so that b has covariance Q^-1 (x) T T' sigma^2. Then
 *
 *     Omega = Lambda'A Lambda + Q (x) I,      log|Omega| - log|Q (x) I|      and      u'Q u
 *
 * stand where Omega = Lambda'A Lambda + I, log|Omega| and |u|^2 do without. Q is sparse: of a
 * pedigree, a phylogeny, a random walk, a Markov field; its pattern joins that of A.
 */
#include "design/design.h"

int smm_check_prior(const smm_lower *prior, int32_t levels)
{
    if (!prior->at || !prior->row || !prior->value || prior->at[0] != 0) return SMM_EINVAL;
    for (int32_t l = 0; l < levels; l++) {
        int64_t first = prior->at[l], end = prior->at[l + 1];
        if (end <= first || prior->row[first] != l) return SMM_EINVAL;
        for (int64_t a = first; a < end; a++) {
            if (!isfinite(prior->value[a]) || prior->row[a] >= levels) return SMM_EINVAL;
            if (a > first && prior->row[a] <= prior->row[a - 1]) return SMM_EINVAL;
        }
    }
    return SMM_OK;
}

/* (Q (x) I) u of all terms: `out`, or u itself where levels are independent. */
const double *smm_apply_prior(const smm_design *d, const double *u, double *out)
{
    if (!d->has_prior) return u;
    for (int32_t t = 0; t < d->nterms; t++) smm_multiply_prior(d, t, u, out, 1, 0, 1);
    return out;
}

/* out = Q in for the rows of term t and columns [lo, hi), both row-major (q x m) and different
 * arrays. */
void smm_multiply_prior(const smm_design *d, int32_t t, const double *in, double *out, int32_t m,
                        int32_t lo, int32_t hi)
{
    int32_t k = d->cols[t];
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int32_t j = d->node_of[t][l];
        double q = d->has_prior ? d->node_prior[j] : 1.0;
        for (int64_t at = d->node_at[j] * m, end = at + k * m; at < end; at += m)
            for (int32_t v = lo; v < hi; v++) out[at + v] = q * in[at + v];
    }
    for (int64_t b = d->first_prior; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        if (d->node_term[i] != t) continue;
        double q = d->block_prior[b - d->first_prior];
        int64_t at_i = d->node_at[i] * m, at_j = d->node_at[j] * m;
        for (int32_t r = 0; r < k; r++, at_i += m, at_j += m)
            for (int32_t v = lo; v < hi; v++) {
                out[at_i + v] += q * in[at_j + v];
                out[at_j + v] += q * in[at_i + v];
            }
    }
}
