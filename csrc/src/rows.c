/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All rows of a model at once: log-likelihood and derivatives (family.c), with loops of their own for
 * the two commonest models. Log-likelihoods leave out those of the saturated model, which
 * depend on the dispersion only: what is left is small where the model fits, and so are its
 * rounding errors.
 */
#include <float.h>

#include "smm_glmm.h"

/* Rows summed before they are added to the total. */
#define BLOCK 512

/* For loops the compiler can vectorize: x = k log 2 + r by Cody and Waite's reduction. Returns
 * (e^r - 1) / r by its Taylor polynomial on |r| <= log(2)/2; the last bits of `shifted` are k. */
static inline double loop_reduce(double x, double *shifted, double *r)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: rounds to an integer */
    double t = x * 1.4426950408889634074 + magic, k = t - magic;
    double rest = (x - k * 0.69314718036912381649) - k * 1.9082149292705877e-10;
    double p = 1.6059043836821614599e-10;
    p = p * rest + 2.0876756987868098979e-9;
    p = p * rest + 2.5052108385441718775e-8;
    p = p * rest + 2.7557319223985890653e-7;
    p = p * rest + 2.7557319223985890653e-6;
    p = p * rest + 2.4801587301587301587e-5;
    p = p * rest + 1.9841269841269841270e-4;
    p = p * rest + 1.3888888888888888889e-3;
    p = p * rest + 8.3333333333333333333e-3;
    p = p * rest + 4.1666666666666666667e-2;
    p = p * rest + 1.6666666666666666667e-1;
    p = p * rest + 0.5;
    *shifted = t;
    *r = rest;
    return p * rest + 1.0;
}

/* p 2^k, with k as `loop_reduce` gives it. */
static inline double loop_scale(double p, double shifted)
{
    uint64_t bits, value;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&value, &p, sizeof value);
    value += bits << 52;
    memcpy(&p, &value, sizeof p);
    return p;
}

/* exp(x) - 1 = 2^k (e^r - 1) + (2^k - 1): |x| <= 708, error about an ulp. */
static inline double loop_expm1(double x)
{
    double shifted, r, q = loop_reduce(x, &shifted, &r);
    double p = q * r, scale = loop_scale(1, shifted);
    return scale * p + (scale - 1);
}

/* exp likewise. */
static inline double loop_exp(double x)
{
    double shifted, r, q = loop_reduce(x, &shifted, &r);
    return loop_scale(q * r + 1.0, shifted);
}

/* Binomial with logit link and one trial a row, the commonest case: no branches in the
 * loop. log(1 + e^-|eta|) is summed as the logarithm of a product of factors <= 2. */
SMM_HOT
static double rows_logit(int64_t n, const double *SMM_RESTRICT y, const double *SMM_RESTRICT eta,
                         double *SMM_RESTRICT l, double *SMM_RESTRICT w, double *SMM_RESTRICT dw)
{
    double total = 0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t end = start + BLOCK < n ? start + BLOCK : n;
        double sum = 0, product[8] = {1, 1, 1, 1, 1, 1, 1, 1};
        double log1p_of[BLOCK];
        for (int64_t i = start; i < end; i++) {
            double a = fabs(eta[i]);
            a = a < 700 ? a : 700;
            double e = loop_exp(-a), s = 1 / (1 + e), t = e * s;
            int positive = eta[i] >= 0;
            double mu = positive ? s : t, other = positive ? t : s, f = s * t;
            l[i] = y[i] * other - (1 - y[i]) * mu;
            w[i] = f;
            dw[i] = f * (other - mu);
            log1p_of[i - start] = 1 + e;
            sum += eta[i] * (y[i] - positive);
        }
        for (int64_t i = 0; i < end - start; i++) product[i & 7] *= log1p_of[i];
        for (int k = 0; k < 8; k++) sum -= log(product[k]);
        total += sum;
    }
    return total;
}

/* Poisson with log link: l = m (y - mu), w = m mu, in terms of r = eta - log y: where counts are large,
 * y - mu = -y (e^r - 1) and half the deviance y (e^r - 1 - r) are more precise than mu. */
SMM_HOT
static double rows_poisson(int64_t n, const double *SMM_RESTRICT y,
                           const double *SMM_RESTRICT log_y, const double *SMM_RESTRICT weights,
                           const double *SMM_RESTRICT eta, double *SMM_RESTRICT l,
                           double *SMM_RESTRICT w)
{
    double total = 0;
    for (int64_t start = 0; start < n; start += BLOCK) { /* sums of sums round less */
        int64_t end = start + BLOCK < n ? start + BLOCK : n;
        double part = 0;
        for (int64_t i = start; i < end; i++) {
            double m = weights ? weights[i] : 1, r = eta[i] - log_y[i];
            double x = r > 650 ? 650 : r < -700 ? -700 : r, e = loop_expm1(x);
            int some = y[i] > 0;
            double base = some ? y[i] : 1, least = some ? 0 : 1;
            l[i] = -m * base * (e + least);
            w[i] = m * base * (e + 1);
            part += m * (y[i] * r - base * (e + least));
        }
        total += part;
    }
    return total;
}

void smm_rows_prepare(smm_glmm *g)
{
    const smm_family *f = &g->family;
    int logit = f->distribution == SMM_BINOMIAL && f->link == SMM_LOGIT && !g->weights;
    int poisson = f->distribution == SMM_POISSON && f->link == SMM_LOG;
    g->kernel = logit ? 1 : poisson ? 2 : 0;
    g->wo = g->kernel ? g->we : g->storage_wo;
    g->w = f->observed ? g->wo : g->we;
    if (poisson) g->dw = g->we; /* the weight is its own derivative */
    for (int64_t i = 0; poisson && i < g->ws->design->n; i++)
        g->log_y[i] = g->y[i] > 0 ? log(g->y[i]) : 0;
    g->saturated_at = NAN;
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
    if (g->kernel == 1) {
        g->loglik = rows_logit(n, g->y, g->eta, g->l, g->we, g->dw) - g->saturated;
        return;
    }
    if (g->kernel == 2) {
        g->loglik = rows_poisson(n, g->y, g->log_y, g->weights, g->eta, g->l, g->we);
        return;
    }
    double total = 0, phi = exp(g->zeta);
    for (int64_t i = 0; i < n; i++) {
        smm_row row;
        smm_family_row(&g->family, phi, g->y[i], g->weights ? g->weights[i] : 1, g->eta[i], &row);
        double slope = row.loglik_zeta + g->saturated_zeta[i];
        total += row.loglik;
        g->loglik_zeta += row.loglik_zeta;
        g->score_zeta_sq += slope * slope;
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
    double sum = 0;
    for (int64_t i = 0; i < g->ws->design->n; i++) sum += fabs(g->l[i]) * (1 + fabs(g->eta[i]));
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
    for (int64_t i = 0; i < n; i++) {
        double m = g->weights ? g->weights[i] : 1, y = g->y[i];
        if (g->kernel == 1) {
            double a = fabs(eta[i]), e = exp(-a), s = 1 / (1 + e);
            double mu = eta[i] >= 0 ? s : e * s;
            loglik[i] = y * eta[i] - (eta[i] > 0 ? eta[i] : 0) - log1p(e);
            l[i] = y - mu;
        } else if (g->kernel == 2) {
            /* bounded so that a node without likelihood keeps finite derivatives */
            double r = eta[i] - g->log_y[i], e = expm1(fmin(r, 600));
            double excess = y > 0 ? y * e : e + 1;
            loglik[i] = m * (y * r - excess);
            l[i] = -m * excess;
        } else {
            smm_row row;
            smm_family_row(&g->family, phi, y, m, eta[i], &row);
            /* a node outside the range of the link has no likelihood */
            if (!isfinite(row.loglik)) row = (smm_row){.loglik = -INFINITY};
            loglik[i] = row.loglik;
            l[i] = row.l;
            if (loglik_zeta) loglik_zeta[i] = row.loglik_zeta;
        }
    }
}
