/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Adaptive Gauss-Hermite quadrature for the terms of one grouping factor: levels are independent,
 * and u_j are the random effects of level j in all terms. With L_j the factor of Omega_jj, nodes
 * x_k and weights p_k of the standard normal and u_k = u + L_j'^-1 x_k (a product rule),
 *
 *     d_j = 2 log|L_j| - 2 log sum_k exp(h_j(u_k) + |x_k|^2 / 2 + log p_k).
 *
 * Gradient. With pi_k the shares of the terms in the sum, g_k = dh_j/du at u_k,
 * E = sum_k pi_k x_k (L_j^-1 g_k)' and F its lower triangle with halved diagonal,
 *
 *     K_j = L_j'^-1 (I + F + F') L_j^-1,      G0_j = sum_k pi_k g_k,
 *
 * take the places of Omega_jj^-1 and 0 in the Laplace gradient (glmm_gradient.c). Any positive
 * definite Omega spreads the nodes; that of inflated zeros is not the one at the mode (zeros.c).
 *
 * Nodes outside the range of means have no likelihood. Where the rows in question have some up to
 * the edge of that range, as a count of zero has, d jumps by the share of the term when a node
 * comes in.
 */
#include "generalized/generalized.h"

/* Terms of less than this share of a sum make no jump that matters. */
#define NO_JUMP 1e-6

/* Whether all terms have the levels of the first, row by row. */
static int one_factor(const smm_design *d)
{
    for (int32_t t = 1; t < d->nterms; t++) {
        if (d->levels[t] != d->levels[0]) return 0;
        for (int64_t i = 0; i < d->n; i++)
            if (d->refs[t][i] != d->refs[0][i]) return 0;
    }
    return d->nterms > 0 && !d->has_prior;
}

void smm_quadrature_destroy(smm_glmm *g)
{
    const smm_allocator *mem = &g->ws->design->mem;
    smm_release(mem, g->quadrature.arena);
    smm_release(mem, g->quadrature.level_nodes);
}

/* The nodes of each level, in elimination order. */
static void order_nodes(const smm_design *d, int32_t *out)
{
    for (int32_t j = 0; j < d->levels[0]; j++, out += d->nterms)
        for (int32_t t = 0; t < d->nterms; t++) {
            int32_t node = d->node_of[t][j], at = t;
            for (; at > 0 && out[at - 1] > node; at--) out[at] = out[at - 1];
            out[at] = node;
        }
}

int smm_quadrature_create(smm_glmm *g, int32_t points, const double *nodes,
                          const double *log_weights)
{
    const smm_design *d = g->ws->design;
    smm_quadrature new = {.total = 1};
    if (points > 1) {
        if (!one_factor(d)) return SMM_EINVAL;
        for (int32_t t = 0; t < d->nterms; t++) new.cols += d->cols[t];
        for (int32_t c = 0; c < new.cols; c++) {
            new.total *= points;
            if (new.total > 100000) return SMM_EINVAL;
        }
        int64_t levels = d->levels[0], k2 = (int64_t)new.cols * new.cols;
        int64_t size = 2 * points + levels * (new.total + 2 * k2 + 2) + 3 * new.cols + 3 * k2;
        new.arena = smm_alloc(&d->mem, (size_t)size, sizeof(double));
        new.level_nodes = smm_alloc(&d->mem, (size_t)(levels * d->nterms), sizeof(int32_t));
        if (!new.arena || !new.level_nodes) {
            smm_release(&d->mem, new.arena);
            smm_release(&d->mem, new.level_nodes);
            return SMM_ENOMEM;
        }
        new.nodes = new.arena;
        new.log_weights = new.nodes + points;
        new.log_terms = new.log_weights + points;
        new.E = new.log_terms + levels * new.total;
        new.L = new.E + levels * k2;
        new.edge = new.L + levels * k2;
        new.scratch = new.edge + 2 * levels;
        memcpy(new.nodes, nodes, sizeof(double) * (size_t)points);
        memcpy(new.log_weights, log_weights, sizeof(double) * (size_t)points);
        order_nodes(d, new.level_nodes);
    }
    smm_quadrature_destroy(g);
    g->quadrature = new;
    g->points = points;
    return SMM_OK;
}

/* The factors of all levels out of that of Omega (gather), or K_j into its inverse. */
static void exchange_blocks(smm_glmm *g, int32_t j, int gather, double *dense)
{
    const smm_design *d = g->ws->design;
    const int32_t *nodes = g->quadrature.level_nodes + (int64_t)j * d->nterms;
    int32_t K = g->quadrature.cols, col = 0;
    for (int32_t a = 0; a < d->nterms; col += d->node_cols[nodes[a++]])
        for (int32_t b = a, row = col; b < d->nterms; row += d->node_cols[nodes[b++]]) {
            int64_t at = smm_stored_block(d, nodes[b], nodes[a]), ld = smm_ld(d, nodes[a]);
            double *block = (gather ? g->ws->L : g->ws->inverse) + at;
            for (int32_t c = 0; c < d->node_cols[nodes[a]]; c++)
                for (int32_t r = 0; r < d->node_cols[nodes[b]]; r++) {
                    double *element = dense + row + r + (int64_t)(col + c) * K;
                    if (gather) *element = block[r + c * ld];
                    else block[r + c * ld] = *element;
                }
        }
}

/* x (cols) of node number `node`, and the sum of its log weights plus |x|^2 / 2. */
static double node_at(const smm_glmm *g, int32_t node, double *x)
{
    const smm_quadrature *Q = &g->quadrature;
    double log_weight = 0;
    for (int32_t c = 0; c < Q->cols; c++, node /= g->points) {
        int32_t i = node % g->points;
        x[c] = Q->nodes[i];
        log_weight += Q->log_weights[i] + 0.5 * x[c] * x[c];
    }
    return log_weight;
}

/* Modes of all levels moved to one node: u_old <- u + L'^-1 x, row <- eta there; x stays in the
 * scratch. */
static double move_to_node(smm_glmm *g, int32_t node)
{
    const smm_design *d = g->ws->design;
    const smm_quadrature *Q = &g->quadrature;
    int32_t K = Q->cols;
    double *x = Q->scratch, *shift = x + K, log_weight = node_at(g, node, x);
    for (int32_t j = 0; j < d->levels[0]; j++) {
        const double *L = Q->L + (int64_t)j * K * K;
        for (int32_t c = K - 1; c >= 0; c--) {
            shift[c] = x[c];
            for (int32_t r = c + 1; r < K; r++) shift[c] -= L[r + c * K] * shift[r];
            shift[c] /= L[c + c * K];
        }
        const int32_t *nodes = Q->level_nodes + (int64_t)j * d->nterms;
        for (int32_t a = 0, at = 0; a < d->nterms; a++)
            for (int64_t i = d->node_at[nodes[a]]; i < d->node_at[nodes[a] + 1]; i++, at++)
                g->u_old[i] = g->u[i] + shift[at];
    }
    memcpy(g->row, g->xb, sizeof(double) * (size_t)smm_parts(d));
    smm_random_predictor(g, g->u_old, g->ws->b, g->row);
    return log_weight;
}

/* |u_old|^2 of one level. */
static double square_of_level(const smm_glmm *g, int32_t j)
{
    const smm_design *d = g->ws->design;
    double sum = 0;
    for (int32_t t = 0; t < d->nterms; t++) {
        const double *u = g->u_old + d->node_at[d->node_of[t][j]];
        for (int32_t c = 0; c < d->cols[t]; c++) sum += u[c] * u[c];
    }
    return sum;
}

/* Whether a row has a likelihood up to the edge of the range of means. */
static int likely_at_edge(const smm_family *f, double y)
{
    if (f->distribution == SMM_INVERSE_GAUSSIAN) return f->link == SMM_POWER && f->power < 0;
    return y == 0 || (f->distribution == SMM_BINOMIAL && y == 1);
}

/* Of a node at which some levels have no likelihood: their terms if rows without, where that can
 * be, were at the edge, where they fit as well as they can. */
static void note_edge(const smm_glmm *g, const double *loglik, int32_t node, double log_weight)
{
    const smm_design *d = g->ws->design;
    const smm_quadrature *Q = &g->quadrature;
    double *edge = Q->edge, *terms = edge + d->levels[0];
    for (int32_t j = 0; j < d->levels[0]; j++)
        terms[j] = log_weight - 0.5 * square_of_level(g, j);
    for (int64_t i = 0; i < d->n; i++)
        if (isfinite(loglik[i]) || !likely_at_edge(&g->family, g->y[i]))
            terms[d->refs[0][i]] += loglik[i];
    for (int32_t j = 0; j < d->levels[0]; j++)
        if (!isfinite(Q->log_terms[(size_t)j * Q->total + node]))
            edge[j] = fmax(edge[j], terms[j]);
}

int smm_quadrature_value(smm_glmm *g, double *value)
{
    const smm_design *d = g->ws->design;
    const smm_quadrature *Q = &g->quadrature;
    int32_t levels = d->levels[0], total = Q->total, K = Q->cols;
    double *loglik = g->lbar, sum = g->logdet;
    for (int32_t j = 0; j < levels; j++) {
        exchange_blocks(g, j, 1, Q->L + (int64_t)j * K * K);
        Q->edge[j] = -INFINITY;
    }
    for (int32_t node = 0; node < total; node++) {
        double log_weight = move_to_node(g, node);
        smm_rows_at(g, g->row, loglik, g->work, NULL);
        for (int32_t j = 0; j < levels; j++)
            Q->log_terms[(size_t)j * total + node] = log_weight - 0.5 * square_of_level(g, j);
        for (int64_t i = 0; i < d->n; i++)
            Q->log_terms[(size_t)d->refs[0][i] * total + node] += loglik[i];
        int possible = 1;
        for (int32_t j = 0; j < levels; j++)
            possible &= isfinite(Q->log_terms[(size_t)j * total + node]) != 0;
        if (!possible) note_edge(g, loglik, node, log_weight);
    }
    for (int32_t j = 0; j < levels; j++) {
        double *terms = Q->log_terms + (size_t)j * total, largest = terms[0], part = 0;
        for (int32_t node = 1; node < total; node++) largest = fmax(largest, terms[node]);
        if (!isfinite(largest)) return SMM_ENONFINITE;
        for (int32_t node = 0; node < total; node++) part += exp(terms[node] - largest);
        sum -= 2 * (largest + log(part));
        g->met_edge |= Q->edge[j] > largest + log(NO_JUMP * part);
        /* from here on, the shares of the terms */
        for (int32_t node = 0; node < total; node++)
            terms[node] = exp(terms[node] - largest) / part;
    }
    *value = sum - 2 * (g->kernel == SMM_LOGIT_ROWS ? 0 : g->saturated); /* see smm_rows_at */
    return SMM_OK;
}

/* dh/du of level j at u_old into `slope`, Z'l in zc; its share goes to v and to the
 * sums of Z'l u'. */
static void slope_of_level(smm_glmm *g, int32_t j, double share, double *slope)
{
    const smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    const int32_t *nodes = g->quadrature.level_nodes + (int64_t)j * d->nterms;
    for (int32_t a = 0; a < d->nterms; slope += d->node_cols[nodes[a++]]) {
        int32_t t = d->node_term[nodes[a]], k = d->cols[t];
        int64_t at = d->node_at[nodes[a]];
        const double *T = ws->T + ws->T_at[t], *u = g->u_old + at, *z = g->zc + at;
        double *direct = g->direct + ws->T_at[t];
        for (int32_t c = 0; c < k; c++) {
            double sum = -u[c];
            for (int32_t r = c; r < k; r++) sum += T[r + c * k] * z[r];
            g->v[at + c] -= 2 * share * sum;
            slope[c] = sum;
            for (int32_t r = 0; r < k; r++) direct[r + c * k] += share * z[r] * u[c];
        }
    }
}

/* K_j (K x K) of E_j. */
static void spread_of_level(const smm_glmm *g, int32_t j, double *inv, double *half, double *out)
{
    int32_t K = g->quadrature.cols;
    const double *E = g->quadrature.E + (int64_t)j * K * K;
    smm_invert_lower(K, g->quadrature.L + (int64_t)j * K * K, K, inv);
    for (int32_t c = 0; c < K; c++)
        for (int32_t r = 0; r < K; r++) { /* half = (I + F + F') L^-1 */
            double sum = 0;
            for (int32_t e = c; e < K; e++) {
                double middle = r >= e ? E[r + e * K] : E[e + r * K];
                sum += ((r == e) + middle) * inv[e + c * K];
            }
            half[r + c * K] = sum;
        }
    for (int32_t c = 0; c < K; c++)
        for (int32_t r = 0; r < K; r++) {
            double sum = 0;
            for (int32_t e = r; e < K; e++) sum += inv[e + r * K] * half[e + c * K];
            out[r + c * K] = sum;
        }
}

/* After the selected inverse: averages over the nodes into lbar, direct, v (-2 G0) and
 * K_j into the blocks of the inverse. */
void smm_quadrature_gradient(smm_glmm *g, double *zeta_part)
{
    const smm_design *d = g->ws->design;
    const smm_quadrature *Q = &g->quadrature;
    int32_t levels = d->levels[0], total = Q->total, K = Q->cols;
    double *l = g->work, *loglik = g->trial, *x = Q->scratch, *slope = x + 2 * K;
    int sides = g->sides.columns > 0;
    int dispersion = !sides && smm_has_dispersion(g->family.distribution);
    double *loglik_zeta = sides ? g->sides.node : dispersion ? g->trial_zeta : NULL;
    if (sides) memset(g->sides.slope, 0, 4 * sizeof(double) * (size_t)d->n);
    memset(Q->E, 0, sizeof(double) * (size_t)levels * (size_t)K * (size_t)K);
    memset(g->lbar, 0, sizeof(double) * (size_t)d->n);
    *zeta_part = g->saturated_sum_zeta;
    for (int32_t node = 0; node < total; node++) {
        move_to_node(g, node);
        smm_rows_at(g, g->row, loglik, l, loglik_zeta);
        smm_z_transpose(g, l, g->zc);
        for (int64_t i = 0; i < d->n; i++) {
            double share = Q->log_terms[(size_t)d->refs[0][i] * total + node];
            g->lbar[i] += share * l[i];
            if (dispersion) *zeta_part += share * loglik_zeta[i];
            for (int o = 0; sides && o < 4; o++)
                g->sides.slope[4 * i + o] += share * loglik_zeta[4 * i + o];
        }
        for (int32_t j = 0; j < levels; j++) {
            double share = Q->log_terms[(size_t)j * total + node];
            const double *L = Q->L + (int64_t)j * K * K;
            double *E = Q->E + (int64_t)j * K * K;
            slope_of_level(g, j, share, slope);
            for (int32_t c = 0; c < K; c++) { /* L^-1 g_k */
                for (int32_t e = 0; e < c; e++) slope[c] -= L[c + e * K] * slope[e];
                slope[c] /= L[c + c * K];
                for (int32_t r = 0; r < K; r++) E[r + c * K] += share * x[r] * slope[c];
            }
        }
    }
    double *inv = Q->scratch + 3 * K, *half = inv + (int64_t)K * K;
    for (int32_t j = 0; j < levels; j++) {
        double *out = half + (int64_t)K * K;
        spread_of_level(g, j, inv, half, out);
        exchange_blocks(g, j, 0, out);
    }
}
