/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Distributions: log-likelihood of a row and its derivatives. With mean mu(eta), variance
 * function V(mu), dispersion phi, prior weight m and gamma = mu' / V,
 *
 *     l  = (m / phi)(y - mu) gamma                     dl/d eta of the log-likelihood
 *     we = (m / phi) mu' gamma                         expected information
 *     wo = (m / phi)(mu' gamma - (y - mu) gamma')      observed information, -dl/d eta
 *
 * and their derivatives follow from those of gamma. For the binomial m is the number of
 * trials and phi = 1; the negative binomial has phi inside V instead.
 */
#include "smm_glmm.h"

/* Rows summed before they are added to the total. */
#define BLOCK 512

#define LOG_2PI 1.8378770664093454836

/* exp for loops the compiler can vectorize: |x| <= 708, error below 1 ulp or so. Cody and
 * Waite reduction, then the Taylor polynomial on |r| <= log(2)/2. */
static inline double loop_exp(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: rounds to an integer */
    double t = x * 1.4426950408889634074 + magic, k = t - magic;
    double r = (x - k * 0.69314718036912381649) - k * 1.9082149292705877e-10;
    double p = 1.6059043836821614599e-10;
    p = p * r + 2.0876756987868098979e-9;
    p = p * r + 2.5052108385441718775e-8;
    p = p * r + 2.7557319223985890653e-7;
    p = p * r + 2.7557319223985890653e-6;
    p = p * r + 2.4801587301587301587e-5;
    p = p * r + 1.9841269841269841270e-4;
    p = p * r + 1.3888888888888888889e-3;
    p = p * r + 8.3333333333333333333e-3;
    p = p * r + 4.1666666666666666667e-2;
    p = p * r + 1.6666666666666666667e-1;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    uint64_t bits, value;
    memcpy(&bits, &t, sizeof bits);
    memcpy(&value, &p, sizeof value);
    value += bits << 52;
    memcpy(&p, &value, sizeof p);
    return p;
}

/* log x - digamma(x) for x > 0. What small dispersions need are differences of this and
 * of stirling_rest: those of digamma and lgamma themselves would cancel. */
static double digamma_gap(double x)
{
    double sum = 0, start = x;
    if (!(x > 0)) return NAN;
    while (x < 10) sum += 1 / x, x += 1;
    double f = 1 / (x * x);
    double series = 1.0 / 240 - f * (1.0 / 132 - f * (691.0 / 32760));
    double gap = 0.5 / x + f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * series)));
    return x == start ? gap : gap + sum - log(x / start);
}

/* lgamma(x) - (x - 1/2) log x + x - log(2 pi) / 2 for x > 0. */
static double stirling_rest(double x)
{
    if (x < 10) return smm_log_gamma(x) - (x - 0.5) * log(x) + x - 0.5 * LOG_2PI;
    double f = 1 / (x * x);
    double series = 1.0 / 1680 - f * (1.0 / 1188 - f * (691.0 / 360360));
    return (1.0 / 12 - f * (1.0 / 360 - f * (1.0 / 1260 - f * series))) / x;
}

int smm_has_dispersion(int distribution)
{
    return distribution != SMM_BINOMIAL && distribution != SMM_POISSON;
}

/* V and its first two derivatives. */
static inline void variance(int distribution, double phi, const smm_mean *x, double *V)
{
    double mu = x->mu;
    switch (distribution) {
    case SMM_BINOMIAL:
        V[0] = fmax(mu * x->rest, 1e-300);
        V[1] = x->rest - mu;
        V[2] = -2;
        break;
    case SMM_POISSON:
        V[0] = mu, V[1] = 1, V[2] = 0;
        break;
    case SMM_GAMMA:
        V[0] = mu * mu, V[1] = 2 * mu, V[2] = 2;
        break;
    case SMM_INVERSE_GAUSSIAN:
        V[0] = mu * mu * mu, V[1] = 3 * mu * mu, V[2] = 6 * mu;
        break;
    case SMM_NEGATIVE_BINOMIAL:
        V[0] = fmax(mu + phi * mu * mu, 1e-300), V[1] = 1 + 2 * phi * mu, V[2] = 2 * phi;
        break;
    default:
        V[0] = 1, V[1] = V[2] = 0;
    }
}

/* x log(x / y) with 0 log 0 = 0. */
static double xlog(double x, double y) { return x > 0 ? x * log(y) : 0; }

/* Log-likelihood of one row with all constants, and its derivative in zeta = log phi. NaN
 * or -infinity where mu is no mean of the distribution; 0 for a row without weight. */
static double row_loglik(int distribution, double phi, double y, double m, const smm_mean *x,
                         double *d_zeta)
{
    double mu = x->mu, r, k, t;
    *d_zeta = 0;
    if (m == 0) return 0;
    switch (distribution) {
    case SMM_BINOMIAL: {
        if (!(mu >= 0 && x->rest >= 0)) return NAN;
        double hits = m * y, constant = 0;
        if (m != 1)
            constant = smm_log_gamma(m + 1) - smm_log_gamma(hits + 1) - smm_log_gamma(m - hits + 1);
        return constant + xlog(hits, mu) + xlog(m - hits, x->rest);
    }
    case SMM_POISSON:
        if (!(mu >= 0)) return NAN;
        return m * (xlog(y, mu) - mu - smm_log_gamma(y + 1));
    case SMM_GAMMA: {
        k = m / phi;
        t = (y - mu) / mu;
        double excess = (fabs(t) < 0.5 ? log1p(t) : log(y / mu)) - t;
        *d_zeta = -k * (excess + digamma_gap(k));
        return k * excess + 0.5 * (log(k) - LOG_2PI) - stirling_rest(k) - log(y);
    }
    case SMM_INVERSE_GAUSSIAN:
        if (!(mu > 0)) return NAN;
        r = m * (y - mu) * (y - mu) / (phi * y * mu * mu);
        *d_zeta = 0.5 * (r - 1);
        return -0.5 * (r + LOG_2PI + log(phi / m) + 3 * log(y));
    case SMM_NEGATIVE_BINOMIAL: {
        if (!(mu >= 0)) return NAN;
        k = 1 / phi;
        r = log1p(phi * mu);
        t = log1p(phi * y);
        *d_zeta = -k * m *
                  (t - r + digamma_gap(k) - digamma_gap(y + k) + phi * (mu - y) / (1 + phi * mu));
        return m * ((y + k - 0.5) * t - y + stirling_rest(y + k) - stirling_rest(k) -
                    smm_log_gamma(y + 1) + xlog(y, mu) - (y + k) * r);
    }
    default:
        r = m * (y - mu) * (y - mu) / phi;
        *d_zeta = 0.5 * (r - 1);
        return -0.5 * (r + LOG_2PI + log(phi / m));
    }
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

/* Poisson with log link: l = m (y - mu), w = m mu. The factorials are a constant. */
SMM_HOT
static double rows_poisson(int64_t n, const double *SMM_RESTRICT y,
                           const double *SMM_RESTRICT weights, const double *SMM_RESTRICT eta,
                           double *SMM_RESTRICT l, double *SMM_RESTRICT w)
{
    double total = 0;
    for (int64_t start = 0; start < n; start += BLOCK) { /* sums of sums round less */
        int64_t end = start + BLOCK < n ? start + BLOCK : n;
        double part = 0;
        for (int64_t i = start; i < end; i++) {
            double m = weights ? weights[i] : 1, x = eta[i];
            x = x > 700 ? 700 : x < -700 ? -700 : x;
            double mu = loop_exp(x);
            l[i] = m * (y[i] - mu);
            w[i] = m * mu;
            part += m * (y[i] * eta[i] - mu);
        }
        total += part;
    }
    return total;
}

typedef struct {
    double l, we, wo, dw, loglik_zeta, l_zeta, w_zeta;
} row_values;

/* One row in general; see the head of the file. Returns its log-likelihood. */
static double general_row(const smm_family *f, double phi, double y, double m, double eta,
                          row_values *out)
{
    smm_mean x;
    double V[3];
    int d = f->distribution, inside = d == SMM_NEGATIVE_BINOMIAL;
    smm_inverse_link(f->link, f->power, eta, &x);
    variance(d, phi, &x, V);
    double scale = smm_has_dispersion(d) && !inside ? m / phi : m;
    double r = d == SMM_BINOMIAL ? y * x.rest - (1 - y) * x.mu : y - x.mu;
    double iv = 1 / V[0], v1 = V[1] * iv, v2 = V[2] * iv;
    double g = x.d1 * iv;
    double g1 = x.d2 * iv - g * x.d1 * v1;
    double g2 = x.d3 * iv - 3 * g * x.d2 * v1 - g * x.d1 * x.d1 * v2 +
                2 * g * x.d1 * x.d1 * v1 * v1;
    out->l = scale * r * g;
    out->we = scale * x.d1 * g;
    out->wo = scale * (x.d1 * g - r * g1);
    out->dw = f->observed ? scale * (x.d2 * g + 2 * x.d1 * g1 - r * g2)
                          : scale * (x.d2 * g + x.d1 * g1);
    out->l_zeta = out->w_zeta = 0;
    if (inside) {
        double vz = phi * x.mu * x.mu * iv; /* d log V / d zeta */
        double v1z = 2 * phi * x.mu * iv;   /* (dV'/d zeta) / V */
        double gz = -g * vz;
        double g1z = -x.d2 * iv * vz - g * x.d1 * v1z + 2 * g * x.d1 * v1 * vz;
        out->l_zeta = scale * r * gz;
        out->w_zeta = scale * (f->observed ? x.d1 * gz - r * g1z : x.d1 * gz);
    } else if (smm_has_dispersion(d)) {
        out->l_zeta = -out->l;
        out->w_zeta = f->observed ? -out->wo : -out->we;
    }
    return row_loglik(d, phi, y, m, &x, &out->loglik_zeta);
}

int smm_family_valid(const smm_family *f)
{
    return f->distribution >= SMM_GAUSSIAN && f->distribution <= SMM_NEGATIVE_BINOMIAL &&
           f->link >= SMM_IDENTITY && f->link <= SMM_POWER &&
           (f->link != SMM_POWER || (f->power != 0 && isfinite(f->power))) &&
           (f->observed == 0 || f->observed == 1);
}

int smm_family_rows(const smm_family *f, int64_t n, const double *y, const double *weights,
                    const double *eta, double zeta, double *loglik, double *l, double *w,
                    double *wo, double *dw, double *loglik_zeta, double *l_zeta, double *w_zeta)
{
    if (!f || !y || !eta || n < 0 || !smm_family_valid(f)) return SMM_EINVAL;
    double phi = exp(zeta);
    for (int64_t i = 0; i < n; i++) {
        row_values row;
        double ll = general_row(f, phi, y[i], weights ? weights[i] : 1, eta[i], &row);
        if (loglik) loglik[i] = ll;
        if (loglik_zeta) loglik_zeta[i] = row.loglik_zeta;
        if (l) l[i] = row.l;
        if (w) w[i] = f->observed ? row.wo : row.we;
        if (wo) wo[i] = row.wo;
        if (dw) dw[i] = row.dw;
        if (l_zeta) l_zeta[i] = row.l_zeta;
        if (w_zeta) w_zeta[i] = row.w_zeta;
    }
    return SMM_OK;
}

/* Constant of the Poisson log-likelihood. */
static double poisson_constant(const smm_glmm *g)
{
    double total = 0;
    for (int64_t i = 0; i < g->ws->design->n; i++)
        total -= (g->weights ? g->weights[i] : 1) * smm_log_gamma(g->y[i] + 1);
    return total;
}

void smm_rows_prepare(smm_glmm *g)
{
    const smm_family *f = &g->family;
    int logit = f->distribution == SMM_BINOMIAL && f->link == SMM_LOGIT && !g->weights;
    int poisson = f->distribution == SMM_POISSON && f->link == SMM_LOG;
    g->kernel = logit ? 1 : poisson ? 2 : 0;
    g->constant = poisson ? poisson_constant(g) : 0;
    g->wo = g->kernel ? g->we : g->storage_wo;
    g->w = f->observed ? g->wo : g->we;
    if (poisson) g->dw = g->we; /* the weight is its own derivative */
}

/* All rows at g->eta: l, weights and their derivatives. The log-likelihood is not finite
 * when eta is out of range. */
void smm_rows(smm_glmm *g)
{
    int64_t n = g->ws->design->n;
    g->loglik_zeta = g->score_zeta_sq = 0;
    if (g->kernel == 1) {
        g->loglik = rows_logit(n, g->y, g->eta, g->l, g->we, g->dw);
        return;
    }
    if (g->kernel == 2) {
        g->loglik = g->constant + rows_poisson(n, g->y, g->weights, g->eta, g->l, g->we);
        return;
    }
    double total = 0, phi = exp(g->zeta);
    for (int64_t i = 0; i < n; i++) {
        row_values row;
        total += general_row(&g->family, phi, g->y[i], g->weights ? g->weights[i] : 1, g->eta[i],
                             &row);
        g->loglik_zeta += row.loglik_zeta;
        g->score_zeta_sq += row.loglik_zeta * row.loglik_zeta;
        g->l[i] = row.l;
        g->we[i] = row.we;
        g->wo[i] = row.wo;
        g->dw[i] = row.dw;
        g->l_zeta[i] = row.l_zeta;
        g->w_zeta[i] = row.w_zeta;
    }
    g->loglik = total;
}

/* Log-likelihood of each row and its derivatives at another eta; loglik_zeta may be NULL. */
void smm_rows_at(const smm_glmm *g, const double *eta, double *loglik, double *l,
                 double *loglik_zeta)
{
    int64_t n = g->ws->design->n;
    double phi = exp(g->zeta);
    for (int64_t i = 0; i < n; i++) {
        double m = g->weights ? g->weights[i] : 1;
        if (g->kernel == 1) {
            double a = fabs(eta[i]), e = exp(-a), s = 1 / (1 + e);
            double mu = eta[i] >= 0 ? s : e * s;
            loglik[i] = g->y[i] * eta[i] - (eta[i] > 0 ? eta[i] : 0) - log1p(e);
            l[i] = g->y[i] - mu;
        } else if (g->kernel == 2) {
            /* bounded so that a node without likelihood keeps finite derivatives */
            double mu = exp(fmin(eta[i], 600));
            loglik[i] = m * (g->y[i] * eta[i] - mu);
            l[i] = m * (g->y[i] - mu);
        } else {
            row_values row;
            loglik[i] = general_row(&g->family, phi, g->y[i], m, eta[i], &row);
            /* a node outside the range of the link has no likelihood */
            if (!isfinite(loglik[i])) row = (row_values){0}, loglik[i] = -INFINITY;
            l[i] = row.l;
            if (loglik_zeta) loglik_zeta[i] = row.loglik_zeta;
        }
    }
}
