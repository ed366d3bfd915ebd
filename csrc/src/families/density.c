/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Log-densities with derivatives (jet.h) in eta and in the other parameters of a row:
 *
 *     0   log phi, the dispersion        1, 2   what else the distribution has
 *     3   logit pi, of zero inflation or of a hurdle
 *
 * Parts that depend on y alone are left to saturated.c. With mean mu:
 *
 *     negative binomial 1   k = mu / phi, variance mu (1 + phi)
 *     negative binomial 2   k = 1 / phi, variance mu + phi mu^2
 *     generalized Poisson   variance phi mu
 *     beta, beta-binomial   shapes mu phi and (1 - mu) phi
 *     Student t             scale phi, degrees of freedom exp(parameter 1)
 *     lognormal             mean mu and standard deviation phi of y itself
 *     truncated             log f(y) - log(1 - f(0)) for y > 0
 *
 * Zero inflation mixes y = 0 with probability pi into f; with a hurdle pi is the probability of
 * y = 0, and f is without it. Distributions with more to compute are in compois.c and tweedie.c,
 * ordered categories in ordered.c.
 */
#include "families/density.h"

/* From here on densities of counts have y log y - y of log y!, in which nearly all of them cancels:
 * what does not is computed by itself. The rest of log y! is in smm_density_constant; trials.c has
 * the same for many trials. */
#define MANY 48

static smm_jet poisson(double y, const smm_mean_jets *x)
{
    smm_jet out = jet_scale(-1, x->mu);
    if (y > 0) out = jet_add(out, jet_scale(y, x->log_mu));
    if (y > MANY) {
        double r = x->log_mu.c[0] - log(y);
        out.c[0] = -y * (expm1(r) - r);
    }
    return out;
}

static smm_jet binomial(double y, double m, const smm_mean_jets *x)
{
    double miss = m * (1 - y);
    smm_jet out = jet_constant(0);
    if (y > 0) out = jet_add(out, jet_scale(m * y, x->log_mu));
    if (miss > 0) out = jet_add(out, jet_scale(miss, x->log_rest));
    if (m > MANY) out.c[0] = smm_many_trials(m * y, miss, x);
    return out;
}

static smm_jet gaussian(double y, const smm_mean_jets *x)
{
    smm_jet r = jet_shift(jet_scale(-1, x->mu), y);
    smm_jet square = jet_multiply(jet_multiply(r, r), jet_exp(jet_scale(-1, x->log_phi)));
    return jet_shift(jet_combine(-0.5, square, -0.5, x->log_phi), -LOG_ROOT_2PI);
}

static smm_jet gamma_density(double y, const smm_mean_jets *x)
{
    smm_jet k = jet_exp(jet_scale(-1, x->log_phi));
    smm_jet log_ratio = jet_shift(jet_scale(-1, x->log_mu), log(y));
    smm_jet part = jet_subtract(jet_subtract(log_ratio, jet_exp(log_ratio)), x->log_phi);
    smm_jet out = jet_subtract(jet_multiply(k, part), smm_jet_log_gamma(k));
    double r = log_ratio.c[0], shape = k.c[0]; /* by Stirling's formula large terms cancel */
    out.c[0] = -shape * (expm1(r) - r) + 0.5 * log(shape) - LOG_ROOT_2PI -
               smm_stirling_rest(shape);
    return jet_shift(out, -log(y));
}

static smm_jet inverse_gaussian(double y, const smm_mean_jets *x)
{
    smm_jet r = jet_shift(jet_scale(-y, jet_inverse(x->mu)), 1);
    smm_jet square = jet_multiply(jet_multiply(r, r), jet_exp(jet_scale(-1, x->log_phi)));
    return jet_shift(jet_combine(-0.5 / y, square, -0.5, x->log_phi),
                     -LOG_ROOT_2PI - 1.5 * log(y));
}

/* Many counts y of both negative binomials, with n = k + y and Stirling's R (stirling.c):
 *
 *     k log(n / (k + mu)) + y log(n mu / (y (k + mu))) - log(n / k) / 2 + R(n) - R(k),
 *
 * whose logarithms are of 1 + d and 1 - d k / y, d = (y - mu) / (k + mu). */
static double many_of_negative_binomial(double y, double k, double mu, double log_failure,
                                        double log_success)
{
    double d = (y - mu) / (k + mu), log_end = log(k + y) - log(k);
    double rest = smm_stirling_rest(k + y) - smm_stirling_rest(k);
    double logs = fabs(d) < 0.5 && k * d < 0.5 * y
                      ? k * log1p(d) + y * log1p(-d * (k / y))
                      : k * (log_end + log_failure) + y * (log1p(k / y) + log_success);
    return logs - 0.5 * log_end + rest;
}

/* Failures k, odds mu / k; the first factor of k (k + 1) ... (k + y - 1) by its logarithm. */
static smm_jet negative_binomial(double y, smm_jet log_k, const smm_mean_jets *x)
{
    smm_jet k = jet_exp(log_k), log_odds = jet_subtract(x->log_mu, log_k);
    smm_jet log_failure = jet_scale(-1, jet_softplus(log_odds)); /* k / (k + mu) */
    smm_jet out = jet_multiply(k, log_failure);
    if (!(y > 0)) return out;
    smm_jet log_success = jet_scale(-1, jet_softplus(jet_scale(-1, log_odds)));
    out = jet_add(out, jet_scale(y, log_success));
    out = jet_add(out, jet_add(log_k, smm_jet_log_rising(jet_shift(k, 1), y - 1)));
    if (y > MANY)
        out.c[0] =
            many_of_negative_binomial(y, k.c[0], x->mu.c[0], log_failure.c[0], log_success.c[0]);
    return out;
}

/* theta = mu / root(phi), lambda = 1 - 1 / root(phi); Consul and Jain (1973). */
static smm_jet generalized_poisson(double y, const smm_mean_jets *x)
{
    smm_jet root = jet_exp(jet_scale(-0.5, x->log_phi));
    smm_jet log_theta = jet_add(x->log_mu, jet_scale(-0.5, x->log_phi));
    smm_jet theta = jet_exp(log_theta);
    if (!(y > 0)) return jet_scale(-1, theta);
    smm_jet sum = jet_add(theta, jet_scale(y, jet_shift(jet_scale(-1, root), 1)));
    if (!(sum.c[0] > 0)) return jet_constant(-INFINITY);
    smm_jet out = jet_subtract(jet_add(log_theta, jet_scale(y - 1, jet_log(sum))), sum);
    if (y > MANY) {
        double over = (theta.c[0] - y * root.c[0]) / y; /* sum / y - 1 */
        double logs = fabs(over) < 0.5 ? log1p(over) : log(sum.c[0] / y);
        out.c[0] = log_theta.c[0] - log(sum.c[0]) + y * (logs - over);
    }
    return out;
}

static smm_jet beta_density(double y, const smm_mean_jets *x)
{
    smm_jet phi = jet_exp(x->log_phi);
    smm_jet a = jet_multiply(x->mu, phi), b = jet_multiply(x->rest, phi);
    smm_jet out = jet_subtract(smm_jet_log_gamma(phi), smm_jet_log_gamma(a));
    out = jet_subtract(out, smm_jet_log_gamma(b));
    out = jet_add(out, jet_combine(log(y), a, log1p(-y), b));
    if (fmin(a.c[0], b.c[0]) > MANY) { /* by Stirling's formula large terms cancel */
        double mu = x->mu.c[0], rest = x->rest.c[0], off = y - mu;
        double size = phi.c[0], hits = a.c[0], misses = b.c[0];
        int near = fabs(off) < 0.25 * fmin(mu, rest);
        double log_hit = near ? log1p(off / mu) : log(y) - x->log_mu.c[0];
        double log_miss = near ? log1p(-off / rest) : log1p(-y) - x->log_rest.c[0];
        out.c[0] = hits * log_hit + misses * log_miss + 0.5 * log(hits * (misses / size)) -
                   LOG_ROOT_2PI + smm_stirling_rest(size) - smm_stirling_rest(hits) -
                   smm_stirling_rest(misses);
    }
    return out;
}

static smm_jet beta_binomial(double y, double m, const smm_mean_jets *x)
{
    double hits = m * y, misses = m - hits;
    smm_jet phi = jet_exp(x->log_phi), a = jet_multiply(x->mu, phi),
            b = jet_multiply(x->rest, phi);
    smm_jet out = jet_add(smm_jet_log_rising(a, hits), smm_jet_log_rising(b, misses));
    out = jet_subtract(out, smm_jet_log_rising(phi, m));
    if (m > MANY && a.c[0] > 0 && b.c[0] > 0)
        out.c[0] = smm_many_beta_trials(hits, misses, a.c[0], b.c[0], x);
    return out;
}

static smm_jet student_t(double y, const smm_mean_jets *x, const double *outer)
{
    smm_jet log_df = jet_parameter(outer[1], 1), half = jet_scale(0.5, jet_exp(log_df));
    smm_jet r =
        jet_multiply(jet_shift(jet_scale(-1, x->mu), y), jet_exp(jet_scale(-1, x->log_phi)));
    smm_jet square = jet_multiply(jet_multiply(r, r), jet_exp(jet_scale(-1, log_df)));
    smm_jet spread = jet_log1p(square);
    if (!(square.c[0] < 1)) { /* it may overflow */
        smm_jet logarithm = jet_log(jet_scale(r.c[0] < 0 ? -1 : 1, r));
        spread = jet_softplus(jet_combine(2, logarithm, -1, log_df));
    }
    smm_jet out = jet_combine(1, smm_jet_log_rising(half, 0.5), -0.5, log_df);
    out = jet_subtract(out, x->log_phi);
    out = jet_subtract(out, jet_multiply(jet_shift(half, 0.5), spread));
    return jet_shift(out, -0.57236494292470008707); /* log(pi) / 2 */
}

static smm_jet lognormal(double y, const smm_mean_jets *x)
{
    smm_jet variance = jet_softplus(jet_combine(2, x->log_phi, -2, x->log_mu));
    smm_jet r = jet_combine(-1, x->log_mu, 0.5, variance);
    r = jet_shift(r, log(y));
    smm_jet square = jet_multiply(jet_multiply(r, r), jet_inverse(variance));
    return jet_shift(jet_combine(-0.5, square, -0.5, jet_log(variance)), -LOG_ROOT_2PI - log(y));
}

/* Without truncation, and without what depends on y alone. */
static smm_jet plain(int distribution, double y, double m, const smm_mean_jets *x,
                     const double *outer)
{
    switch (distribution) {
    case SMM_POISSON:
        return poisson(y, x);
    case SMM_NEGATIVE_BINOMIAL:
        return negative_binomial(y, jet_scale(-1, x->log_phi), x);
    case SMM_NEGATIVE_BINOMIAL_1:
        return negative_binomial(y, jet_subtract(x->log_mu, x->log_phi), x);
    case SMM_GENERALIZED_POISSON:
        return generalized_poisson(y, x);
    case SMM_COM_POISSON:
        return smm_com_poisson(y, x);
    case SMM_BINOMIAL:
        return binomial(y, m, x);
    case SMM_BETA_BINOMIAL:
        return beta_binomial(y, m, x);
    case SMM_GAMMA:
        return gamma_density(y, x);
    case SMM_INVERSE_GAUSSIAN:
        return inverse_gaussian(y, x);
    case SMM_BETA:
        return beta_density(y, x);
    case SMM_STUDENT_T:
        return student_t(y, x, outer);
    case SMM_LOGNORMAL:
        return lognormal(y, x);
    case SMM_TWEEDIE:
        return smm_tweedie(y, x, outer, y > 0 ? gamma_density(y, x) : jet_constant(0));
    case SMM_ORDERED_BETA:
        return smm_ordered_part(y, x, outer,
                                y > 0 && y < 1 ? beta_density(y, x) : jet_constant(0));
    default:
        return gaussian(y, x);
    }
}

static smm_mean_jets moments_of(const smm_family *f, double eta, const double *outer)
{
    smm_mean x;
    smm_inverse_link(f->link, f->power, eta, &x);
    return (smm_mean_jets){
        .eta = jet_of_eta(eta, 1, 0, 0),
        .mu = jet_of_eta(x.mu, x.d1, x.d2, x.d3),
        .rest = jet_of_eta(x.rest, -x.d1, -x.d2, -x.d3),
        .log_mu = jet_of_eta(x.log_mu, x.a, x.a1, x.a2),
        .log_rest = jet_of_eta(x.log_rest, -x.b, -x.b1, -x.b2),
        .log_phi = jet_parameter(outer[0], 0),
    };
}

static int is_binomial(int distribution)
{
    return distribution == SMM_BINOMIAL || distribution == SMM_BETA_BINOMIAL;
}

/* Whether the family has such a mean. Formulas of single counts may be finite for others, and then
 * more than 1: exp(-mu) of none. */
static int is_mean(int distribution, const smm_mean_jets *x)
{
    double mu = x->mu.c[0];
    switch (distribution) {
    case SMM_GAUSSIAN:
    case SMM_STUDENT_T:
        return isfinite(mu);
    case SMM_BINOMIAL:
    case SMM_BETA_BINOMIAL:
    case SMM_BETA:
    case SMM_ORDERED_BETA:
        return mu >= 0 && x->rest.c[0] >= 0;
    default:
        return mu >= 0;
    }
}

smm_jet smm_density_of_zero(const smm_family *f, double m, double eta, const double *outer)
{
    smm_mean_jets x = moments_of(f, eta, outer);
    if (!is_mean(f->distribution & ~SMM_TRUNCATED, &x)) return jet_constant(NAN);
    return plain(f->distribution & ~SMM_TRUNCATED, 0, m, &x, outer);
}

double smm_density_copies(const smm_family *f, double m)
{
    return is_binomial(f->distribution & ~SMM_TRUNCATED) ? 1 : m;
}

smm_jet smm_density(const smm_family *f, int zeros, double y, double m, double eta,
                    const double *outer)
{
    int distribution = f->distribution & ~SMM_TRUNCATED;
    int truncated = (f->distribution & SMM_TRUNCATED) != 0;
    double copies = smm_density_copies(f, m);
    if (m == 0) return jet_constant(0);
    if (distribution == SMM_ORDERED) return jet_scale(m, smm_ordered(f, y, eta, outer));
    smm_mean_jets x = moments_of(f, eta, outer);
    if (!is_mean(distribution, &x)) return jet_constant(NAN);
    if (!zeros && !truncated) return jet_scale(copies, plain(distribution, y, m, &x, outer));

    smm_jet logit = jet_parameter(outer[3], 3), none = jet_softplus(logit); /* -log(1 - pi) */
    smm_jet out;
    if (y == 0 && zeros == SMM_HURDLE) out = jet_subtract(logit, none);
    else if (y == 0 && truncated) out = jet_constant(-INFINITY);
    else if (y == 0) {
        smm_jet zero = plain(distribution, 0, m, &x, outer);
        out = jet_add(zero, jet_subtract(jet_softplus(jet_subtract(logit, zero)), none));
    } else {
        out = plain(distribution, y, m, &x, outer);
        if (truncated)
            out = jet_subtract(out, jet_log1mexp(plain(distribution, 0, m, &x, outer)));
        if (zeros) out = jet_subtract(out, none);
    }
    return jet_scale(copies, out);
}

/* The part of the log-density of y that depends on y alone. */
double smm_density_constant(int distribution, double y, double m)
{
    double none;
    switch (distribution & ~SMM_TRUNCATED) {
    case SMM_POISSON:
    case SMM_NEGATIVE_BINOMIAL:
    case SMM_NEGATIVE_BINOMIAL_1:
    case SMM_GENERALIZED_POISSON:
        if (y > MANY) return -m * (LOG_ROOT_2PI + 0.5 * log(y) + smm_stirling_rest(y));
        return y > 0 ? -m * smm_log_gamma(y + 1) : 0;
    case SMM_BINOMIAL:
    case SMM_BETA_BINOMIAL:
        if (m > MANY) return smm_saturated(SMM_BINOMIAL, 1, y, m, &none);
        return m == 1 ? 0
                      : smm_log_gamma(m + 1) - smm_log_gamma(m * y + 1) -
                            smm_log_gamma(m - m * y + 1);
    case SMM_BETA:
    case SMM_ORDERED_BETA:
        return y > 0 && y < 1 ? -m * (log(y) + log1p(-y)) : 0;
    default:
        return 0;
    }
}

/* A positive number of the size of the information in eta: (d mu / d eta)^2 over the variance. */
double smm_density_information(const smm_family *f, double m, double eta, const double *outer)
{
    smm_mean x;
    double phi = exp(outer[0]), variance;
    smm_inverse_link(f->link, f->power, eta, &x);
    switch (f->distribution & ~SMM_TRUNCATED) {
    case SMM_POISSON:
        variance = x.mu;
        break;
    case SMM_NEGATIVE_BINOMIAL:
        variance = x.mu * (1 + phi * x.mu);
        break;
    case SMM_NEGATIVE_BINOMIAL_1:
        variance = x.mu * (1 + phi);
        break;
    case SMM_GENERALIZED_POISSON:
    case SMM_COM_POISSON:
        variance = x.mu * phi;
        break;
    case SMM_TWEEDIE:
        variance = phi * pow(x.mu, 1 + 1 / (1 + exp(-outer[1])));
        break;
    case SMM_GAMMA:
        variance = phi * x.mu * x.mu;
        break;
    case SMM_INVERSE_GAUSSIAN:
        variance = phi * x.mu * x.mu * x.mu;
        break;
    case SMM_BINOMIAL:
        variance = x.mu * x.rest;
        break;
    case SMM_BETA:
    case SMM_ORDERED_BETA:
        variance = x.mu * x.rest / (1 + phi);
        break;
    case SMM_BETA_BINOMIAL:
        variance = x.mu * x.rest * (m + phi) / (1 + phi);
        break;
    case SMM_GAUSSIAN:
        variance = phi;
        break;
    case SMM_ORDERED:
        return m * x.a * x.b;
    default:
        variance = phi * phi;
    }
    return m * x.d1 * x.d1 / variance;
}
