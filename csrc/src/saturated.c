/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log-likelihood of a row of the saturated model, mu = y. With all constants it is of the
 * order of log y by Stirling's formula
 *
 *     lgamma(x) = (x - 1/2) log x - x + log(2 pi) / 2 + R(x),
 *
 * whose large terms cancel here on paper; what remains of the log-likelihood is half a unit
 * deviance (family.c).
 */
#include "smm_glmm.h"

#define LOG_2PI 1.8378770664093454836

/* log x - digamma(x) for x > 0. What small dispersions need are differences of this and
 * of smm_stirling_rest: those of digamma and lgamma themselves would cancel. */
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

/* R(x) for x > 0. */
double smm_stirling_rest(double x)
{
    if (x < 10) return smm_log_gamma(x) - (x - 0.5) * log(x) + x - 0.5 * LOG_2PI;
    double f = 1 / (x * x);
    double series = 1.0 / 1680 - f * (1.0 / 1188 - f * (691.0 / 360360));
    return (1.0 / 12 - f * (1.0 / 360 - f * (1.0 / 1260 - f * series))) / x;
}

/* One trial has no binomial coefficient, also where its outcome is a share. */
static double binomial(double y, double m)
{
    double hits = m * y, misses = m - hits;
    if (!(hits > 0 && misses > 0)) return 0;
    if (m == 1) return y * log(y) + (1 - y) * log1p(-y);
    return 0.5 * (log(m / hits) - log(misses) - LOG_2PI) + smm_stirling_rest(m) -
           smm_stirling_rest(hits) - smm_stirling_rest(misses);
}

double smm_saturated(int distribution, double phi, double y, double m, double *d_zeta)
{
    double k = m / phi;
    *d_zeta = 0;
    if (m == 0) return 0;
    if (distribution > SMM_NEGATIVE_BINOMIAL) return smm_density_constant(distribution, y, m);
    switch (distribution) {
    case SMM_BINOMIAL:
        return binomial(y, m);
    case SMM_POISSON:
        return y > 0 ? -m * (0.5 * (LOG_2PI + log(y)) + smm_stirling_rest(y)) : 0;
    case SMM_GAMMA:
        *d_zeta = -k * digamma_gap(k);
        return 0.5 * (log(k) - LOG_2PI) - smm_stirling_rest(k) - log(y);
    case SMM_INVERSE_GAUSSIAN:
        *d_zeta = -0.5;
        return 0.5 * (log(k) - LOG_2PI - 3 * log(y));
    case SMM_NEGATIVE_BINOMIAL:
        if (!(y > 0)) return 0;
        k = 1 / phi;
        *d_zeta = -m * k * (digamma_gap(k) - digamma_gap(y + k));
        return m * (smm_stirling_rest(y + k) - smm_stirling_rest(k) - smm_stirling_rest(y) -
                    0.5 * (log1p(phi * y) + log(y) + LOG_2PI));
    default:
        *d_zeta = -0.5;
        return 0.5 * (log(k) - LOG_2PI);
    }
}
