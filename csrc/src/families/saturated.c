/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The log-likelihood of a row of the saturated model, mu = y. With all constants it is of the
 * order of log y: the large terms of Stirling's formula (stirling.c) cancel here on paper. What
 * remains of the log-likelihood is half a unit deviance (family.c).
 */
#include "families/families.h"

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
        *d_zeta = -k * smm_digamma_gap(k);
        return 0.5 * (log(k) - LOG_2PI) - smm_stirling_rest(k) - log(y);
    case SMM_INVERSE_GAUSSIAN:
        *d_zeta = -0.5;
        return 0.5 * (log(k) - LOG_2PI - 3 * log(y));
    case SMM_NEGATIVE_BINOMIAL:
        if (!(y > 0)) return 0;
        k = 1 / phi;
        *d_zeta = -m * k * (smm_digamma_gap(k) - smm_digamma_gap(y + k));
        return m * (smm_stirling_rest(y + k) - smm_stirling_rest(k) - smm_stirling_rest(y) -
                    0.5 * (log1p(phi * y) + log(y) + LOG_2PI));
    default:
        *d_zeta = -0.5;
        return 0.5 * (log(k) - LOG_2PI);
    }
}
