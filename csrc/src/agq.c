/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Adaptive Gauss-Hermite quadrature for one term, whose levels are independent. With
 * L_j the factor of Omega_jj, nodes x_k and weights p_k of the standard normal and
 * u_k = u + L_j'^-1 x_k (a product rule when there are several columns),
 *
 *     d_j = 2 log|L_j| - 2 log sum_k exp(h_j(u_k) + |x_k|^2 / 2 + log p_k).
 *
 * Gradient. With pi_k the shares of the terms in the sum, g_k = dh_j/du at u_k,
 * E = sum_k pi_k x_k (L_j^-1 g_k)' and F its lower triangle with halved diagonal,
 *
 *     K_j = L_j'^-1 (I + F + F') L_j^-1,      G0_j = sum_k pi_k g_k,
 *
 * take the places of Omega_jj^-1 and 0 in the Laplace gradient (glmm_gradient.c).
 */
#include "smm_glmm.h"

/* x (k) of node number `node`, and the sum of its log weights plus |x|^2 / 2. */
static double node_at(const smm_glmm *g, int32_t node, int32_t k, double *x)
{
    double log_weight = 0;
    for (int32_t c = 0; c < k; c++, node /= g->points) {
        int32_t i = node % g->points;
        x[c] = g->nodes[i];
        log_weight += g->log_weights[i] + 0.5 * x[c] * x[c];
    }
    return log_weight;
}

/* Modes of all levels moved to one node: u_old <- u + L'^-1 x, row <- eta there. */
static double move_to_node(smm_glmm *g, int32_t node)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int32_t k = d->cols[0];
    double *x = ws->small_tmp, log_weight = node_at(g, node, k, x);
    for (int32_t j = 0; j < d->nodes; j++) {
        const double *L = ws->L + d->valptr[j];
        const double *u = g->u + d->node_at[j];
        double *moved = g->u_old + d->node_at[j];
        for (int32_t c = k - 1; c >= 0; c--) {
            double sum = x[c];
            for (int32_t r = c + 1; r < k; r++) sum -= L[r + c * k] * (moved[r] - u[r]);
            moved[c] = u[c] + sum / L[c + c * k];
        }
    }
    memcpy(g->row, g->xb, sizeof(double) * (size_t)smm_parts(d));
    smm_random_predictor(g, g->u_old, ws->b, g->row);
    return log_weight;
}

int smm_quadrature_value(smm_glmm *g, double *value)
{
    const smm_design *d = g->ws->design;
    int32_t levels = d->levels[0], total = g->nodes_total, k = d->cols[0];
    double *loglik = g->lbar, sum = g->logdet;
    for (int32_t node = 0; node < total; node++) {
        double log_weight = move_to_node(g, node);
        smm_rows_at(g, g->row, loglik, g->work, NULL);
        for (int32_t j = 0; j < levels; j++) {
            double usq = 0;
            for (int32_t c = 0; c < k; c++) usq += g->u_old[j * k + c] * g->u_old[j * k + c];
            g->node_log[(size_t)j * total + node] = log_weight - 0.5 * usq;
        }
        for (int64_t i = 0; i < d->n; i++)
            g->node_log[(size_t)d->node_of[0][d->refs[0][i]] * total + node] += loglik[i];
    }
    for (int32_t j = 0; j < levels; j++) {
        double *terms = g->node_log + (size_t)j * total, largest = terms[0], part = 0;
        for (int32_t node = 1; node < total; node++) largest = fmax(largest, terms[node]);
        if (!isfinite(largest)) return SMM_ENONFINITE;
        for (int32_t node = 0; node < total; node++) part += exp(terms[node] - largest);
        sum -= 2 * (largest + log(part));
        /* from here on, the shares of the terms */
        for (int32_t node = 0; node < total; node++)
            terms[node] = exp(terms[node] - largest) / part;
    }
    *value = sum - 2 * (g->kernel == SMM_LOGIT_ROWS ? 0 : g->saturated); /* see smm_rows_at */
    return SMM_OK;
}

/* After the selected inverse: averages over the nodes into lbar, direct, v (-2 G0) and
 * K_j into the diagonal blocks of the inverse. */
void smm_quadrature_gradient(smm_glmm *g, double *zeta_part)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int32_t levels = d->levels[0], total = g->nodes_total, k = d->cols[0];
    const double *T = ws->T;
    double *E = g->node_E, *l = g->work, *loglik = g->trial, *zl = g->zc, *x = ws->small_tmp;
    int sides = g->sides.columns > 0;
    int dispersion = !sides && smm_has_dispersion(g->family.distribution);
    double *loglik_zeta = sides ? g->sides.node : dispersion ? g->trial_zeta : NULL;
    if (sides) memset(g->sides.slope, 0, 4 * sizeof(double) * (size_t)d->n);
    memset(E, 0, sizeof(double) * (size_t)levels * (size_t)k * (size_t)k);
    memset(g->lbar, 0, sizeof(double) * (size_t)d->n);
    *zeta_part = g->saturated_sum_zeta;
    for (int32_t node = 0; node < total; node++) {
        move_to_node(g, node); /* leaves its x in small_tmp */
        smm_rows_at(g, g->row, loglik, l, loglik_zeta);
        smm_z_transpose(g, l, zl);
        for (int64_t i = 0; i < d->n; i++) {
            double share = g->node_log[(size_t)d->node_of[0][d->refs[0][i]] * total + node];
            g->lbar[i] += share * l[i];
            if (dispersion) *zeta_part += share * loglik_zeta[i];
            for (int o = 0; sides && o < 4; o++)
                g->sides.slope[4 * i + o] += share * loglik_zeta[4 * i + o];
        }
        double *slope = x + k;
        for (int32_t j = 0; j < levels; j++) {
            double share = g->node_log[(size_t)j * total + node];
            const double *L = ws->L + d->valptr[j], *u = g->u_old + (size_t)j * k;
            const double *z = zl + (size_t)j * k;
            for (int32_t c = 0; c < k; c++) {
                double sum = -u[c];
                for (int32_t r = c; r < k; r++) sum += T[r + c * k] * z[r];
                g->v[j * k + c] -= 2 * share * sum;
                slope[c] = sum;
                for (int32_t r = 0; r < k; r++) g->direct[r + c * k] += share * z[r] * u[c];
            }
            for (int32_t c = 0; c < k; c++) { /* L^-1 g_k */
                for (int32_t e = 0; e < c; e++) slope[c] -= L[c + e * k] * slope[e];
                slope[c] /= L[c + c * k];
            }
            double *Ej = E + (size_t)j * k * k;
            for (int32_t c = 0; c < k; c++)
                for (int32_t r = 0; r < k; r++) Ej[r + c * k] += share * x[r] * slope[c];
        }
    }
    double *inv = x, *middle = inv + (size_t)k * k, *half = middle + (size_t)k * k;
    for (int32_t j = 0; j < levels; j++) {
        const double *Ej = E + (size_t)j * k * k;
        double *K = ws->inverse + d->valptr[j];
        smm_invert_lower(k, ws->L + d->valptr[j], k, inv);
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = c; r < k; r++)
                middle[r + c * k] = middle[c + r * k] = r == c ? 1 + Ej[r + c * k]
                                                               : Ej[r + c * k];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) { /* half = middle L^-1 */
                double sum = 0;
                for (int32_t e = c; e < k; e++) sum += middle[r + e * k] * inv[e + c * k];
                half[r + c * k] = sum;
            }
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) {
                double sum = 0;
                for (int32_t e = r; e < k; e++) sum += inv[e + r * k] * half[e + c * k];
                K[r + (size_t)c * k] = sum;
            }
    }
}
