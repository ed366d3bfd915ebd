/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Links: the mean mu = g^-1(eta), its complement 1 - mu without cancellation, and the
 * first three derivatives of mu in eta.
 */
#include "smm_glmm.h"

/* Where mu' underflows it stays at this, as does the variance, so that their ratio exists. */
#define TINY 1e-300

static double normal_density(double x) { return exp(-0.5 * x * x) * 0.39894228040143267794; }

/* P(X > x), x >= 0, of the standard normal and the standard Cauchy distribution. */
static double normal_tail(double x) { return 0.5 * erfc(x * 0.70710678118654752440); }

static double cauchy_tail(double x)
{
    return x > 1 ? 0.31830988618379067154 * atan(1 / x) : 0.5 - 0.31830988618379067154 * atan(x);
}

void smm_inverse_link(int link, double power, double eta, smm_mean *out)
{
    double e, s, t;
    switch (link) {
    case SMM_LOG:
        e = exp(eta);
        *out = (smm_mean){e, -expm1(eta), e, e, e};
        break;
    case SMM_LOGIT: {
        e = exp(-fabs(eta));
        s = 1 / (1 + e);
        t = e * s;
        double d1 = fmax(s * t, TINY), skew = eta >= 0 ? t - s : s - t;
        *out = (smm_mean){t, s, d1, d1 * skew, d1 * (skew * skew - 2 * d1)};
        break;
    }
    case SMM_PROBIT:
        t = normal_tail(fabs(eta));
        e = fmax(normal_density(eta), TINY);
        *out = (smm_mean){t, 1 - t, e, -eta * e, (eta * eta - 1) * e};
        break;
    case SMM_CLOGLOG: /* the bound keeps e^2 finite, where mu' is TINY */
        e = exp(fmin(eta, 300));
        s = fmax(exp(eta - e), TINY); /* mu' = e^eta exp(-e^eta) */
        *out = (smm_mean){-expm1(-e), exp(-e), s, s * (1 - e), s * ((1 - e) * (1 - e) - e)};
        break;
    case SMM_LOGLOG:
        e = exp(fmin(-eta, 300));
        s = fmax(exp(-eta - e), TINY);
        *out = (smm_mean){exp(-e), -expm1(-e), s, s * (e - 1), s * ((e - 1) * (e - 1) - e)};
        break;
    case SMM_CAUCHIT:
        t = 1 + eta * eta;
        s = 0.31830988618379067154 / t;
        e = cauchy_tail(fabs(eta));
        *out = (smm_mean){e, 1 - e, s, -2 * eta * s / t, s * (6 * eta * eta - 2) / (t * t)};
        break;
    case SMM_POWER: {
        double k = 1 / power;
        e = pow(eta, k);
        *out = (smm_mean){e, 1 - e, k * e / eta, k * (k - 1) * e / (eta * eta),
                          k * (k - 1) * (k - 2) * e / (eta * eta * eta)};
        break;
    }
    default:
        *out = (smm_mean){eta, 1 - eta, 1, 0, 0};
    }
    /* the symmetric links were computed for the smaller side */
    if (eta > 0 && (link == SMM_LOGIT || link == SMM_PROBIT || link == SMM_CAUCHIT)) {
        t = out->mu;
        out->mu = out->rest;
        out->rest = t;
    }
}
