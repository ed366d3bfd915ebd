/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All rows of a model at once: log-likelihood and derivatives (family.c), with loops of their own
 * for the commonest models (row_loops.c). Log-likelihoods leave out those of the saturated model,
 * which depend on the dispersion only: what is left is small where the model fits, and so are its
 * rounding errors.
 */
#include <float.h>

#include "generalized/generalized.h"

/* log y where a kernel needs it. */
void smm_rows_take_logarithms(smm_glmm *g)
{
    if (g->family.link != SMM_LOG || g->kernel == SMM_GENERAL_ROWS) return;
    for (int64_t i = 0; i < g->ws->design->n; i++) g->log_y[i] = g->y[i] > 0 ? log(g->y[i]) : 0;
}

/* Whether all trials of a row had the same outcome, and the rows are there to tell. */
static int have_one_outcome(const smm_glmm *g)
{
    if (g->stream) return !g->weighted;
    for (int64_t i = 0; g->weights && i < g->ws->design->n; i++)
        if (g->y[i] != 0 && g->y[i] != 1) return 0;
    return 1;
}

void smm_rows_prepare(smm_glmm *g)
{
    const smm_family *f = &g->family;
    int log_link = f->link == SMM_LOG;
    g->kernel = SMM_GENERAL_ROWS;
    if (f->distribution == SMM_BINOMIAL && f->link == SMM_LOGIT && have_one_outcome(g))
        g->kernel = SMM_LOGIT_ROWS;
    else if (f->distribution == SMM_POISSON && log_link) g->kernel = SMM_POISSON_ROWS;
    else if (f->distribution == SMM_GAMMA && log_link) g->kernel = SMM_GAMMA_ROWS;
    int one_weight = g->kernel == SMM_LOGIT_ROWS || g->kernel == SMM_POISSON_ROWS;
    g->wo = one_weight ? g->we : g->storage_wo;
    g->w = f->observed ? g->wo : g->we;
    if (g->kernel == SMM_POISSON_ROWS) g->dw = g->we; /* the weight is its own derivative */
    g->saturated_at = NAN;
    smm_rows_take_logarithms(g);
}

/* The log-likelihood of the saturated model at g->zeta. */
void smm_rows_dispersion(smm_glmm *g)
{
    if (g->zeta == g->saturated_at) return;
    double total = 0, total_zeta = 0, phi = exp(g->zeta);
    for (int64_t i = 0; i < g->ws->design->n; i++) {
        double m = g->weights ? g->weights[i] : 1;
        total += smm_saturated(g->family.distribution, phi, g->y[i], m, &g->saturated_zeta[i]);
        total_zeta += g->saturated_zeta[i];
    }
    g->saturated = total;
    g->saturated_sum_zeta = total_zeta;
    g->saturated_at = g->zeta;
}

/* Gamma with log link: what depends on the dispersion besides. */
static void gamma_rows(smm_glmm *g)
{
    int64_t n = g->ws->design->n;
    double *loglik = g->trial;
    g->loglik =
        smm_gamma_rows(n, g->log_y, g->weights, exp(g->zeta), g->eta, loglik, g->l, g->we, g->wo);
    g->loglik_zeta = g->saturated_sum_zeta - g->loglik;
    for (int64_t i = 0; i < n; i++) {
        double slope = g->saturated_zeta[i] - loglik[i];
        g->score_zeta_sq += slope * slope;
        g->l_zeta[i] = -g->l[i];
        g->w_zeta[i] = -g->w[i];
        g->dw[i] = g->family.observed ? -g->wo[i] : 0;
    }
}

/* What the square of the score of a row is divided by: m rows, where the weight m counts them. */
static double copies(const smm_glmm *g, int64_t i)
{
    double m = g->weights ? g->weights[i] : 1;
    return m > 0 && g->family.distribution >= SMM_NEGATIVE_BINOMIAL
               ? smm_density_copies(&g->family, m)
               : 1;
}

/* All rows at g->eta: l, weights and their derivatives. The log-likelihood is not finite
 * when eta is out of range. */
void smm_rows(smm_glmm *g)
{
    int64_t n = g->ws->design->n;
    g->loglik_zeta = g->score_zeta_sq = 0;
    if (g->sides.columns) {
        smm_sides_rows(g);
        return;
    }
    switch (g->kernel) {
    case SMM_LOGIT_ROWS:
        g->loglik = smm_logit_rows(n, g->y, g->weights, g->eta, g->l, g->we, g->dw) -
                    g->saturated;
        return;
    case SMM_POISSON_ROWS:
        g->loglik = smm_poisson_rows(n, g->y, g->log_y, g->weights, g->eta, g->l, g->we);
        return;
    case SMM_GAMMA_ROWS:
        gamma_rows(g);
        return;
    default:
        break;
    }
    double total = 0, phi = exp(g->zeta);
    for (int64_t i = 0; i < n; i++) {
        smm_row row;
        smm_family_row(&g->family, phi, g->y[i], g->weights ? g->weights[i] : 1, g->eta[i], &row);
        double slope = row.loglik_zeta + g->saturated_zeta[i];
        total += row.loglik;
        g->loglik_zeta += row.loglik_zeta;
        g->score_zeta_sq += slope * slope / copies(g, i);
        g->l[i] = row.l;
        g->we[i] = row.we;
        g->wo[i] = row.wo;
        g->dw[i] = row.dw;
        g->l_zeta[i] = row.l_zeta;
        g->w_zeta[i] = row.w_zeta;
    }
    g->loglik = total;
    g->loglik_zeta += g->saturated_sum_zeta;
}

/* Effect of rounding of eta and of the sums on the log-likelihood. */
double smm_rows_rounding(const smm_glmm *g)
{
    if (g->stream && !g->ws->design->n) return g->stream->rounding;
    double sum = 0;
    for (int64_t i = 0; i < smm_parts(g->ws->design); i++)
        sum += fabs(g->l[i]) * (1 + fabs(g->eta[i]));
    return 4 * DBL_EPSILON * (sum + fabs(g->loglik));
}

/* Log-likelihood of each row and its derivatives at another eta; loglik_zeta may be NULL. With
 * parameters of rows the latter is (n x 4). */
void smm_rows_at(const smm_glmm *g, const double *eta, double *loglik, double *l,
                 double *loglik_zeta)
{
    int64_t n = g->ws->design->n;
    double phi = exp(g->zeta);
    if (g->sides.columns) {
        smm_sides_rows_at(g, eta, loglik, l, loglik_zeta);
        return;
    }
    if (g->kernel == SMM_LOGIT_ROWS) {
        smm_logit_at(n, g->y, g->weights, eta, loglik, l);
        return;
    }
    if (g->kernel == SMM_POISSON_ROWS) {
        smm_poisson_at(n, g->y, g->log_y, g->weights, eta, loglik, l);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        smm_row row;
        double m = g->weights ? g->weights[i] : 1;
        smm_family_row(&g->family, phi, g->y[i], m, eta[i], &row);
        /* a node outside the range of the link has no likelihood */
        if (!isfinite(row.loglik)) row = (smm_row){.loglik = -INFINITY};
        loglik[i] = row.loglik;
        l[i] = row.l;
        if (loglik_zeta) loglik_zeta[i] = row.loglik_zeta;
    }
}

void smm_safe_weights(smm_glmm *g)
{
    if (g->ws->design->predictors > 1) {
        smm_zeros_safe_weights(g);
        return;
    }
    for (int64_t i = 0; i < g->ws->design->n; i++)
        g->work[i] = g->wo[i] >= SMM_SAFE_SHARE * g->we[i] ? g->wo[i] : g->we[i];
}
