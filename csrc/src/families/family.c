/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Distributions: the log-likelihood of a row less that of the saturated model (saturated.c), which
 * is minus half its unit deviance, and its derivatives in eta and in zeta = log phi:
 *
 *     l = d loglik/d eta,   wo = -dl/d eta,   we the expectation of wo,   dw/d eta of either.
 *
 * With prior weight m, dispersion phi, k = m / phi, and the derivatives a, b of links.c:
 *
 *     binomial   m trials   l = m (y a - (1 - y) b)                  we = m a b
 *     Poisson               l = m (y - mu) a                         we = m mu' a
 *     others                l = s a, with s, s', s'' the log-likelihood's derivatives in log mu
 *                           wo = -(s' a^2 + s a'),   wo' = -(s'' a^3 + 3 s' a a' + s a'')
 *     Gaussian              l = k (y - mu) mu'                       we = k mu'^2
 *
 * The deviances of large counts are small differences of large numbers; they are written so
 * that their errors are of the order of |y - mu| only.
 */
#include "families/density.h"

int smm_has_dispersion(int distribution)
{
    int plain = distribution & ~SMM_TRUNCATED;
    return plain != SMM_BINOMIAL && plain != SMM_POISSON && plain != SMM_ORDERED;
}

/* log(y / mu) for y > 0, t = (y - mu) / mu. */
static double log_ratio(double y, double log_mu, double t)
{
    return fabs(t) < 0.5 ? log1p(t) : log(y) - log_mu;
}

/* y log(y / mu) - (y - mu) >= 0, r = y - mu. */
static double shortfall(double y, double mu, double log_mu, double r)
{
    if (!(y > 0)) return mu;
    double t = -r / y; /* (mu - y) / y */
    return fabs(t) < 0.5 ? y * (t - log1p(t)) : y * (log(y) - log_mu) - r;
}

static double binomial_row(double y, double m, const smm_mean *x, int observed, smm_row *out)
{
    if (!(x->mu >= 0 && x->rest >= 0)) return NAN;
    double miss = 1 - y, hits_a2 = 0, misses_b2 = 0, hits_a1 = 0, misses_b1 = 0, value;
    double r = y * x->rest - miss * x->mu;
    if (y > 0) hits_a1 = y * x->a1, hits_a2 = y * x->a2;
    if (miss > 0) misses_b1 = miss * x->b1, misses_b2 = miss * x->b2;
    if (!(y > 0)) {
        out->l = -m * x->b;
        value = m * x->log_rest;
    } else if (!(miss > 0)) {
        out->l = m * x->a;
        value = m * x->log_mu;
    } else {
        out->l = m * r * (x->a + x->b);
        value = -m *
                (shortfall(y, x->mu, x->log_mu, r) + shortfall(miss, x->rest, x->log_rest, -r));
    }
    out->we = m * x->a * x->b;
    out->wo = m * (misses_b1 - hits_a1);
    out->dw = m * (observed ? misses_b2 - hits_a2 : x->a1 * x->b + x->a * x->b1);
    return value;
}

static double poisson_row(double y, double m, const smm_mean *x, int observed, smm_row *out)
{
    double mu = x->mu, r = y - mu, ya1 = 0, ya2 = 0;
    if (!(mu >= 0 && y >= 0)) return NAN;
    if (y > 0) ya1 = y * x->a1, ya2 = y * x->a2;
    out->l = m * (y > 0 ? r * x->a : -x->d1);
    out->we = m * x->info;
    out->wo = m * (x->d2 - ya1);
    out->dw = m * (observed ? x->d3 - ya2 : x->info1);
    return -m * shortfall(y, mu, x->log_mu, r);
}

/* Derivatives of a log-likelihood in log mu: s and the next two, the expectation of -s' and
 * its derivative. */
typedef struct {
    double s, s1, s2, e, e1;
} log_mean;

static void chain(const log_mean *f, const smm_mean *x, int observed, smm_row *out)
{
    double a = x->a, a1 = x->a1;
    out->l = f->s * a;
    out->we = f->e * a * a;
    out->wo = -(f->s1 * a * a + f->s * a1);
    out->dw = observed ? -(f->s2 * a * a * a + 3 * f->s1 * a * a1 + f->s * x->a2)
                       : f->e1 * a * a * a + 2 * f->e * a * a1;
}

/* y / mu and (y - mu) / mu, also where mu is outside of what a double can hold. */
static double ratio_to_mean(double y, const smm_mean *x, double *t)
{
    double ratio = y / x->mu;
    *t = (y - x->mu) / x->mu;
    if (x->mu > 1e-280 && x->mu < 1e280) return ratio;
    *t = expm1(log(y) - x->log_mu);
    return exp(log(y) - x->log_mu);
}

static double gamma_row(double y, double k, const smm_mean *x, int observed, smm_row *out)
{
    double t, ratio = ratio_to_mean(y, x, &t);
    chain(&(log_mean){k * t, -k * ratio, k * ratio, k, 0}, x, observed, out);
    return -k * (t - log_ratio(y, x->log_mu, t));
}

static double inverse_gaussian_row(double y, double k, const smm_mean *x, int observed,
                                   smm_row *out)
{
    if (!(x->mu > 0 && x->log_mu < INFINITY)) return NAN;
    double t, r = ratio_to_mean(y, x, &t), f = k / y, e = k / x->mu;
    chain(&(log_mean){f * t * r, -f * r * (2 * r - 1), f * r * (4 * r - 1), e, -e}, x, observed,
          out);
    return -0.5 * f * t * t;
}

/* Half the unit deviance: y log(y / mu) - (y + k) log((y + k) / (mu + k)), k = 1 / phi. For counts
 * below k the two shortfalls of y and of 1 + phi y, else two logarithms of order k. */
static double negative_binomial_deviance(double y, double phi, const smm_mean *x)
{
    double mu = x->mu, k = 1 / phi, A = 1 + phi * y, B = 1 + phi * mu;
    if (k > fmax(y, mu)) {
        double t = phi * (mu - y) / A;
        double second = fabs(t) < 0.5 ? A * (t - log1p(t)) : A * log(A / B) - phi * (y - mu);
        return shortfall(y, mu, x->log_mu, y - mu) - second * k;
    }
    double t = (y - mu) / mu, w = t * k / (y + k), first = log_ratio(y, x->log_mu, t);
    double second = fabs(w) < 0.5 ? log1p(w) : first + log((mu + k) / (y + k));
    return (y + k) * second - k * first;
}

/* A count of zero, for which nothing is divided by mu. */
static double no_count_row(double phi, double m, const smm_mean *x, int observed, smm_row *out)
{
    double q = 1 / (1 + phi * x->mu), pi = phi * x->mu * q, f = phi * q, d1 = x->d1, mq = m * q;
    out->l = -mq * d1;
    out->we = mq * x->info;
    out->wo = mq * (x->d2 - f * d1 * d1);
    out->dw = mq * (observed ? x->d3 - 3 * f * d1 * x->d2 + 2 * f * f * d1 * d1 * d1
                             : x->info1 - f * d1 * x->info);
    out->loglik_zeta = m / phi * (log1p(phi * x->mu) - pi);
    out->l_zeta = -out->l * pi;
    out->w_zeta = observed ? -pi * mq * x->d2 - mq * f * d1 * d1 * (1 - 2 * pi) : -out->we * pi;
    return -m / phi * log1p(phi * x->mu);
}

static double negative_binomial_row(double y, double phi, double m, const smm_mean *x,
                                    int observed, smm_row *out)
{
    double mu = x->mu;
    if (!(mu >= 0 && y >= 0)) return NAN;
    if (!(y > 0)) return no_count_row(phi, m, x, observed, out);
    double q = 1 / (1 + phi * mu), pi = phi * mu * q; /* d log q / d log phi = -pi */
    double a = x->a, s = m * (y - mu) * q, e = m * mu * q, c = e * q, A = 1 + phi * y;
    chain(&(log_mean){s, -c * A, -c * A * (q - pi), e, c}, x, observed, out);
    double difference = phi * (y - mu) * q; /* (A - B) / B, with B = 1 + phi mu */
    double logarithm = fabs(difference) < 0.5 ? log1p(difference) : log(A * q);
    out->loglik_zeta = m / phi * (difference - logarithm);
    out->l_zeta = -out->l * pi;
    out->w_zeta = observed ? c * (phi * y - 2 * A * pi) * a * a + s * pi * x->a1 : -out->we * pi;
    return -m * negative_binomial_deviance(y, phi, x);
}

static double gaussian_row(double y, double k, const smm_mean *x, int observed, smm_row *out)
{
    /* k first: products of derivatives alone may be beyond the range of numbers */
    double r = y - x->mu, kr = k * r, kd = k * x->d1;
    out->l = kr * x->d1;
    out->we = kd * x->d1;
    out->wo = kd * x->d1 - kr * x->d2;
    out->dw = observed ? 3 * kd * x->d2 - kr * x->d3 : 2 * kd * x->d2;
    return -0.5 * k * r * r;
}

/* By the density with all of its derivatives. As an expectation serves the observed information
 * where it is safely positive. */
static void density_row(const smm_family *f, double phi, double y, double m, double eta,
                        smm_row *out)
{
    double outer[SMM_OUTER] = {log(phi)};
    smm_jet x = smm_density(f, SMM_NO_ZEROS, y, m, eta, outer);
    double least = 0.1 * smm_density_information(f, m, eta, outer);
    *out = (smm_row){
        .loglik = x.c[0],
        .l = x.c[1],
        .wo = -x.c[2],
        .we = -x.c[2] >= least ? -x.c[2] : 10 * least,
        .dw = -x.c[3],
        .loglik_zeta = x.d[0][0],
        .l_zeta = x.d[1][0],
        .w_zeta = -x.d[2][0],
    };
}

void smm_family_row(const smm_family *f, double phi, double y, double m, double eta, smm_row *out)
{
    smm_mean x;
    *out = (smm_row){0};
    if (m == 0) return;
    if (f->distribution > SMM_NEGATIVE_BINOMIAL) {
        density_row(f, phi, y, m, eta, out);
        return;
    }
    smm_inverse_link(f->link, f->power, eta, &x);
    double k = m / phi;
    switch (f->distribution) {
    case SMM_BINOMIAL:
        out->loglik = binomial_row(y, m, &x, f->observed, out);
        return;
    case SMM_POISSON:
        out->loglik = poisson_row(y, m, &x, f->observed, out);
        return;
    case SMM_NEGATIVE_BINOMIAL:
        out->loglik = negative_binomial_row(y, phi, m, &x, f->observed, out);
        return;
    case SMM_GAMMA:
        out->loglik = gamma_row(y, k, &x, f->observed, out);
        break;
    case SMM_INVERSE_GAUSSIAN:
        out->loglik = inverse_gaussian_row(y, k, &x, f->observed, out);
        break;
    default:
        out->loglik = gaussian_row(y, k, &x, f->observed, out);
    }
    out->loglik_zeta = -out->loglik;
    out->l_zeta = -out->l;
    out->w_zeta = f->observed ? -out->wo : -out->we;
}

int smm_family_valid(const smm_family *f)
{
    int plain = f->distribution & ~SMM_TRUNCATED, truncated = plain != f->distribution;
    int count = plain == SMM_POISSON ||
                (plain >= SMM_NEGATIVE_BINOMIAL && plain <= SMM_COM_POISSON);
    return plain >= SMM_GAUSSIAN && plain <= SMM_ORDERED && (count || !truncated) &&
           (f->distribution <= SMM_NEGATIVE_BINOMIAL || f->observed) && f->link >= SMM_IDENTITY &&
           f->link <= SMM_POWER &&
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
        smm_row row;
        double m = weights ? weights[i] : 1, constant_zeta;
        double constant = smm_saturated(f->distribution, phi, y[i], m, &constant_zeta);
        smm_family_row(f, phi, y[i], m, eta[i], &row);
        if (loglik) loglik[i] = constant + row.loglik;
        if (loglik_zeta) loglik_zeta[i] = constant_zeta + row.loglik_zeta;
        if (l) l[i] = row.l;
        if (w) w[i] = f->observed ? row.wo : row.we;
        if (wo) wo[i] = row.wo;
        if (dw) dw[i] = row.dw;
        if (l_zeta) l_zeta[i] = row.l_zeta;
        if (w_zeta) w_zeta[i] = row.w_zeta;
    }
    return SMM_OK;
}
