/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is read off a solved workspace: coefficients and conditional modes, conditional
 * variances, leverages. Nothing here is denser than the factor.
 */
#include "linear/linear.h"

int smm_solution(smm_workspace *ws, double *beta, double *u, double *b, double *xvx_inverse,
                 double *scalars)
{
    if (!ws) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    const smm_design *d = ws->design;
    if (beta) memcpy(beta, ws->beta, sizeof(double) * (size_t)d->p);
    if (xvx_inverse) memcpy(xvx_inverse, ws->Minv, sizeof(double) * (size_t)d->p * (size_t)d->p);
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t from = d->node_at[d->node_of[t][l]], to = d->term_at[t] + (int64_t)l * k;
            if (u) memcpy(u + to, ws->u + from, sizeof(double) * (size_t)k);
            if (b) memcpy(b + to, ws->b + from, sizeof(double) * (size_t)k);
        }
    }
    if (scalars) {
        scalars[0] = ws->r2;
        scalars[1] = ws->logdet_omega;
        scalars[2] = ws->logdet_xvx;
        scalars[3] = smm_dof(ws);
    }
    return SMM_OK;
}

int smm_condvar(smm_workspace *ws, double *out)
{
    if (!ws || !out) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    int status = smm_need_inverse(ws);
    if (status) return status;
    const smm_design *d = ws->design;
    double *TZ = ws->small_tmp;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        const double *T = ws->T + ws->T_at[t];
        for (int32_t l = 0; l < d->levels[t]; l++, out += (size_t)k * k) {
            int64_t block = d->node_of[t][l];
            for (int32_t r = 0; r < k; r++)
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int32_t e = 0; e <= r; e++)
                        sum += T[r + e * k] * smm_inverse_at(ws, block, e, c);
                    TZ[r + c * k] = sum;
                }
            for (int32_t r = 0; r < k; r++)
                for (int32_t c = 0; c < k; c++) {
                    double sum = 0;
                    for (int32_t e = 0; e <= c; e++) sum += TZ[r + e * k] * T[c + e * k];
                    out[r * k + c] = sum;
                }
        }
    }
    return SMM_OK;
}

/* a'Omega^-1 a with a = Lambda'z for row i of Z, in h the parts that pairs of predictors add
 * (3; see smm_weights_of); a (all columns) is left in `a`. It touches one level per term, and
 * every pair of them is in the selected inverse. */
static void row_variance(const smm_workspace *ws, int64_t i, double *a, double *h)
{
    const smm_design *d = ws->design;
    double *at = a;
    h[0] = h[1] = h[2] = 0;
    for (int32_t t = 0; t < d->nterms; at += d->cols[t++]) {
        int32_t k = d->cols[t], node = d->node_of[t][d->refs[t][i]];
        const double *T = ws->T + ws->T_at[t], *z = d->z[t] + i * k;
        for (int32_t c = 0; c < k; c++) {
            at[c] = 0;
            for (int32_t r = c; r < k; r++) at[c] += T[r + c * k] * z[r];
        }
        double sum = 0;
        for (int32_t r = 0; r < k; r++)
            for (int32_t c = 0; c < k; c++) sum += at[r] * at[c] * smm_inverse_at(ws, node, r, c);
        h[2 * d->predictor[t]] += sum;
    }
    int32_t pair = 0;
    const double *as = a;
    for (int32_t s = 0; s < d->nterms; as += d->cols[s++]) {
        const double *st = as + d->cols[s];
        for (int32_t t = s + 1; t < d->nterms; st += d->cols[t++], pair++) {
            int64_t block = d->pair[i * d->npairs + pair];
            int s_is_col = d->node_term[d->block_col[block]] == s;
            double sum = 0;
            for (int32_t c = 0; c < d->cols[s]; c++)
                for (int32_t r = 0; r < d->cols[t]; r++)
                    sum += as[c] * st[r] *
                           (s_is_col ? smm_inverse_at(ws, block, r, c)
                                     : smm_inverse_at(ws, block, c, r));
            h[d->predictor[s] + d->predictor[t]] += 2 * sum;
        }
    }
}

/* The same where every term has one column: no loops over the elements of blocks of one. */
SMM_HOT
static void scalar_variances(const smm_workspace *ws, double *SMM_RESTRICT all)
{
    const smm_design *d = ws->design;
    const double *inverse = ws->inverse;
    memset(all, 0, sizeof(double) * (size_t)smm_weight_parts(d));
    int32_t pair = 0;
    for (int32_t s = 0; s < d->nterms; s++) {
        const double *zs = d->z[s];
        double Ts = ws->T[ws->T_at[s]];
        const int32_t *refs = d->refs[s], *node_of = d->node_of[s];
        double *out = all + d->n * 2 * d->predictor[s];
        for (int64_t i = 0; i < d->n; i++) {
            double a = Ts * zs[i];
            out[i] += a * a * inverse[d->block_in_l[node_of[refs[i]]]];
        }
        for (int32_t t = s + 1; t < d->nterms; t++, pair++) {
            const double *zt = d->z[t];
            double both = 2 * Ts * ws->T[ws->T_at[t]];
            out = all + d->n * (d->predictor[s] + d->predictor[t]);
            for (int64_t i = 0; i < d->n; i++) {
                int64_t block = d->pair[i * d->npairs + pair];
                out[i] += both * zs[i] * zt[i] * inverse[d->block_in_l[block]];
            }
        }
    }
}

/* All rows' variances z'Lambda Omega^-1 Lambda'z, in parts by pairs of predictors. */
void smm_row_variances(const smm_workspace *ws, double *out)
{
    int64_t n = ws->design->n;
    double h[3];
    int scalar = 1;
    for (int32_t t = 0; t < ws->design->nterms; t++) scalar &= ws->design->cols[t] == 1;
    if (scalar) {
        scalar_variances(ws, out);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        row_variance(ws, i, ws->small_tmp, h);
        for (int32_t part = 0; part < 2 * ws->design->predictors - 1; part++)
            out[part * n + i] = h[part];
    }
}

/* With a = Lambda'z for a row z of Z and C = Omega^-1 Lambda'Z'WX,
 *     h = w (a'Omega^-1 a + (x - C'a)'M (x - C'a)), of the predictor eta. */
int smm_leverage(smm_workspace *ws, const double *weights, double *out)
{
    if (!ws || !out) return SMM_EINVAL;
    if (ws->state < SMM_HAS_GRADIENT) return SMM_ESTATE;
    int status = smm_need_inverse(ws);
    if (status) return status;
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    double *C = ws->C, *a = ws->small_tmp, *x;
    int64_t columns = 0;
    for (int32_t t = 0; t < d->nterms; t++) columns += d->cols[t];
    x = a + columns;
    for (int64_t i = 0; i < d->q; i++)
        memcpy(C + i * p, ws->B + i * m, sizeof(double) * (size_t)p);
    smm_backward(ws, C, p);
    for (int64_t i = 0; i < d->n; i++) {
        double parts[3], h;
        const double *at = a;
        row_variance(ws, i, a, parts);
        h = parts[0];
        for (int32_t v = 0; v < p; v++) x[v] = d->X[i * p + v];
        for (int32_t t = 0; t < d->nterms; at += d->cols[t++]) {
            const double *Ci = C + d->node_at[d->node_of[t][d->refs[t][i]]] * p;
            if (d->predictor[t]) continue;
            for (int32_t c = 0; c < d->cols[t]; c++, Ci += p)
                for (int32_t v = 0; v < p; v++) x[v] -= at[c] * Ci[v];
        }
        for (int32_t v = 0; v < p; v++) {
            double sum = 0;
            for (int32_t w = 0; w < p; w++) sum += ws->Minv[w + (size_t)v * p] * x[w];
            h += sum * x[v];
        }
        out[i] = (weights ? weights[i] : 1.0) * h;
    }
    return SMM_OK;
}
