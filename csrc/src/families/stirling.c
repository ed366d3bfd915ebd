/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is left of log Gamma and of its derivative after their large terms. By Stirling's formula
 *
 *     log Gamma(x) = (x - 1/2) log x - x + log(2 pi) / 2 + R(x),
 *
 * where R has an asymptotic series (Abramowitz and Stegun 6.1.41, 6.3.18). Large counts, trials and
 * shapes need differences of R and of log x - digamma(x): those of log Gamma and digamma cancel.
 */
#include "families/families.h"

/* From here on the series are exact. */
#define ASYMPTOTIC 10

double smm_stirling_rest(double x)
{
    if (x < ASYMPTOTIC) return smm_log_gamma(x) - (x - 0.5) * log(x) + x - 0.5 * LOG_2PI;
    double f = 1 / (x * x);
    double series = 1.0 / 1680 - f * (1.0 / 1188 - f * (691.0 / 360360));
    return (1.0 / 12 - f * (1.0 / 360 - f * (1.0 / 1260 - f * series))) / x;
}

double smm_digamma_gap(double x)
{
    double sum = 0, start = x;
    if (!(x > 0)) return NAN;
    while (x < ASYMPTOTIC) sum += 1 / x, x += 1;
    double f = 1 / (x * x);
    double series = 1.0 / 240 - f * (1.0 / 132 - f * (691.0 / 32760));
    double gap = 0.5 / x + f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * series)));
    return x == start ? gap : gap + sum - log(x / start);
}
