/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The gamma function of numbers with derivatives. Digamma and the two functions that follow it are
 * moved up by their recurrences to where their asymptotic series hold (Abramowitz and Stegun
 * 6.3.18, 6.4.11). For whole y the rising factorial is a product of y factors, and for large x a
 * difference of the series in which what cancels is taken apart: it has no cancellation, however
 * large x is.
 */
#include "families/families.h"

#include "families/jet.h"

/* From here on five terms of the series are exact. */
#define ASYMPTOTIC 12
/* Products of more factors take longer than gamma functions. */
#define MOST_FACTORS 48
/* Below it powers of 1 / x are large: Gamma(x) = Gamma(1 + x) / x has x apart. */
#define SMALL 1e-3

/* Digamma and its first two derivatives for x > 0. */
static void polygamma(double x, double out[3])
{
    double p0 = 0, p1 = 0, p2 = 0;
    while (x < ASYMPTOTIC) {
        double i = 1 / x;
        p0 -= i, p1 += i * i, p2 -= 2 * i * i * i;
        x += 1;
    }
    double i = 1 / x, f = i * i;
    p0 += log(x) - 0.5 * i -
          f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * (1.0 / 240 - f / 132))));
    p1 += i + 0.5 * f +
          f * i * (1.0 / 6 - f * (1.0 / 30 - f * (1.0 / 42 - f * (1.0 / 30 - f * 5 / 66))));
    p2 -= f + f * i + f * f * (0.5 - f * (1.0 / 6 - f * (1.0 / 6 - f * (0.3 - f * 5 / 6))));
    out[0] = p0, out[1] = p1, out[2] = p2;
}

smm_jet smm_jet_log_gamma(smm_jet x)
{
    double p[3];
    if (!(x.c[0] > 0)) return jet_constant(NAN);
    if (x.c[0] < SMALL) return jet_subtract(smm_jet_log_gamma(jet_shift(x, 1)), jet_log(x));
    polygamma(x.c[0], p);
    return jet_compose(x, smm_log_gamma(x.c[0]), p[0], p[1], p[2]);
}

/* The terms of the series of digamma and its two derivatives that come after the powers of 1 / x
 * of which differences are taken exactly. */
static void polygamma_rest(double x, double out[3])
{
    double i = 1 / x, f = i * i;
    out[0] = -f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * (1.0 / 240 - f / 132))));
    out[1] = f * i * (1.0 / 6 - f * (1.0 / 30 - f * (1.0 / 42 - f * (1.0 / 30 - f * 5 / 66))));
    out[2] = -f * i - f * f * (0.5 - f * (1.0 / 6 - f * (1.0 / 6 - f * (0.3 - f * 5 / 6))));
}

/* log Gamma(x + y) - log Gamma(x) and its derivatives in x, for x where the series hold. */
static smm_jet rising_by_series(smm_jet x, double y)
{
    double v = x.c[0], end = v + y, low[3], high[3];
    double gap = y / (v * end);               /* 1 / v - 1 / end */
    double squares = gap * (1 / v + 1 / end); /* 1 / v^2 - 1 / end^2 */
    double value = (v - 0.5) * log1p(y / v) + y * (log(end) - 1);
    polygamma_rest(v, low);
    polygamma_rest(end, high);
    return jet_compose(x, value + smm_stirling_rest(end) - smm_stirling_rest(v),
                       log1p(y / v) + 0.5 * gap + high[0] - low[0],
                       -gap - 0.5 * squares + high[1] - low[1], squares + high[2] - low[2]);
}

smm_jet smm_jet_log_rising(smm_jet x, double y)
{
    double v = x.c[0];
    if (!(v > 0)) return jet_constant(NAN);
    if (v < SMALL && y >= 1)
        return jet_add(jet_log(x), smm_jet_log_rising(jet_shift(x, 1), y - 1));
    if (y == floor(y) && y <= MOST_FACTORS) {
        smm_log_product product = {0, 1};
        double f1 = 0, f2 = 0, f3 = 0;
        for (int k = 0; k < (int)y; k++) {
            double i = 1 / (v + k);
            smm_multiply(&product, v + k);
            f1 += i, f2 -= i * i, f3 += 2 * i * i * i;
        }
        return jet_compose(x, product.log + log(product.rest), f1, f2, f3);
    }
    if (v >= ASYMPTOTIC) return rising_by_series(x, y);
    return jet_subtract(smm_jet_log_gamma(jet_shift(x, y)), smm_jet_log_gamma(x));
}
