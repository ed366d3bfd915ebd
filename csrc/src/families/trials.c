/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Log-likelihoods of many trials, m = h + s of them hits and misses, less that of the saturated
 * binomial (saturated.c). With p = h / m that of the binomial is -m K(p | mu), where
 *
 *     K(p | q) = p log(p / q) + (1 - p) log((1 - p) / (1 - q)).
 *
 * That of the beta-binomial with a = mu phi and b = (1 - mu) phi has three ratios of gamma functions
 * of the size of m log m, which cancel. By Stirling's formula, with its rest R (stirling.c) and the
 * mean of counts and prior q = (a + h) / (phi + m), it is
 *
 *     -m K(p | q) - phi K(mu | q) - log((1 + h / a) (1 + s / b) / (1 + m / phi)) / 2
 *         + R(a + h) - R(a) + R(b + s) - R(b) - R(phi + m) + R(phi).
 */
#include "families/density.h"

/* -(h + s) K(h / (h + s) | q), off = q - h / (h + s). */
static double divergence(double h, double s, double off, double log_q, double log_rest)
{
    double m = h + s, p = h / m, rest = s / m;
    if (fabs(off) < 0.25 * fmin(p, rest)) return h * log1p(off / p) + s * log1p(-off / rest);
    return (h > 0 ? h * (log_q - log(p)) : 0) + (s > 0 ? s * (log_rest - log(rest)) : 0);
}

/* mu - p, by what is smaller of each and what is left to 1. */
static double above_share(double h, double s, const smm_mean_jets *x)
{
    double m = h + s;
    return h < s ? x->mu.c[0] - h / m : s / m - x->rest.c[0];
}

double smm_many_trials(double h, double s, const smm_mean_jets *x)
{
    return divergence(h, s, above_share(h, s, x), x->log_mu.c[0], x->log_rest.c[0]);
}

double smm_many_beta_trials(double h, double s, double a, double b, const smm_mean_jets *x)
{
    double phi = exp(x->log_phi.c[0]), m = h + s, off = above_share(h, s, x) / (phi + m);
    double q = (a + h) / (phi + m), rest = (b + s) / (phi + m);
    double log_q = q < 0.5 ? log(q) : log1p(-rest), log_rest = q < 0.5 ? log1p(-q) : log(rest);
    double prior = fabs(m * off) < 0.25 * fmin(x->mu.c[0], x->rest.c[0])
                       ? divergence(a, b, -m * off, 0, 0)
                       : a * (log_q - x->log_mu.c[0]) + b * (log_rest - x->log_rest.c[0]);
    return divergence(h, s, phi * off, log_q, log_rest) + prior -
           0.5 * (log1p(h / a) + log1p(s / b) - log1p(m / phi)) + smm_stirling_rest(a + h) -
           smm_stirling_rest(a) + smm_stirling_rest(b + s) - smm_stirling_rest(b) -
           smm_stirling_rest(phi + m) + smm_stirling_rest(phi);
}
