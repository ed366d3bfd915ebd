/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tweedie: a Poisson number of gamma variates, variance phi mu^p with 1 < p < 2; parameter 1 of a
 * row is logit(p - 1). With a = (2 - p) / (p - 1) the density is (Dunn and Smyth 2005)
 *
 *     log f(y) = (y mu^(1-p) / (1 - p) - mu^(2-p) / (2 - p)) / phi + log sum_j W_j - log y,
 *     log W_j  = j (a log(y / (p - 1)) - (1 + a) log phi - log(2 - p)) - log j! - log Gamma(j a),
 *
 * the last two terms for y > 0 only; they do not depend on mu. The sum goes outward from its
 * largest term, near j = y^(2-p) / (phi (2 - p)), until terms are no more than its rounding
 * error. They have the shape of a normal density of standard deviation s = root(j (p - 1)); where
 * that is large every h-th term is enough, as the trapezoid rule is off by exp(-2 (pi s / h)^2)
 * only (Trefethen and Weideman 2014). The sum has as many digits less as it has terms more: where
 * 2 - p is tiny the log-density is interpolated between there and p = 2, a gamma distribution.
 */
#include "families/density.h"

#define NEGLIGIBLE 37
#define MOST_TERMS 1000000
#define NEAR_GAMMA 11.0       /* logit of p - 1 */
#define TERMS_PER_DEVIATION 4 /* s / h */
#define ASYMPTOTIC 12         /* from here on the series are exact */

/* log Gamma(x) and its derivative for x > 0, moved up to where Stirling's series holds. */
static double log_gamma_with_slope(double x, double *slope)
{
    double product = 1, sum = 0;
    for (; x < ASYMPTOTIC; x++) product *= x, sum += 1 / x;
    double i = 1 / x, f = i * i, log_x = log(x);
    *slope = log_x - 0.5 * i - sum -
             f * (1.0 / 12 - f * (1.0 / 120 - f * (1.0 / 252 - f * (1.0 / 240 - f / 132))));
    return (x - 0.5) * log_x - x + LOG_ROOT_2PI - (product == 1 ? 0 : log(product)) +
           i * (1.0 / 12 - f * (1.0 / 360 - f * (1.0 / 1260 - f * (1.0 / 1680 - f / 1188))));
}

typedef struct {
    double a, z, a_p, z_p;            /* a and what multiplies j, with derivatives in p */
    double largest, sum, mean, slope; /* sums of W_j / W_largest, times j, times d log W_j / dp */
} series;

/* Adds term j, whose factorial has the logarithm `factorial`; returns whether it counts. */
static int add_term(series *s, double j, double factorial)
{
    double digamma, log_gamma = log_gamma_with_slope(j * s->a, &digamma);
    double log_term = j * s->z - factorial - log_gamma - s->largest, w = exp(log_term);
    s->sum += w;
    s->mean += w * j;
    s->slope += w * j * (s->z_p - s->a_p * digamma);
    return log_term > -NEGLIGIBLE;
}

/* The logarithm of term j, and that of its factorial. */
static double log_term(const series *s, double j, double *factorial)
{
    double digamma;
    *factorial = smm_log_gamma(j + 1);
    return j * s->z - *factorial - log_gamma_with_slope(j * s->a, &digamma);
}

/* The largest term from one beside it. Terms are log-concave; where s < 1 those beside each other
 * may differ by more than the exponent of a double has room for. */
static double climb(series *s, double top, double *factorial)
{
    double beside;
    s->largest = log_term(s, top, factorial);
    for (int way = 1; way >= -1; way -= 2)
        for (double j = top + way; j >= 1; j += way) {
            double value = log_term(s, j, &beside);
            if (!(value > s->largest)) break;
            s->largest = value;
            *factorial = beside;
            top = j;
        }
    return top;
}

/* q = p - 1 and r = 2 - p, either of which may be tiny. */
static smm_jet log_series(double y, double log_phi, double q, double r)
{
    double scaled = log(y / q);
    series s = {.a = r / q, .a_p = -1 / (q * q)};
    s.z = s.a * scaled - (1 + s.a) * log_phi - log(r);
    s.z_p = s.a_p * (scaled - log_phi) - s.a / q + 1 / r;
    double top = fmax(1, floor(exp(r * log(y) - log_phi) / r));
    if (!(top < 1e12)) return jet_constant(NAN);
    double first, factorial;
    if (top * q < 1) top = climb(&s, top, &first);
    else s.largest = log_term(&s, top, &first);
    factorial = first;
    double step = floor(sqrt(top * q) / TERMS_PER_DEVIATION);
    int every = step < 2, n = 0;
    if (every) step = 1;
    add_term(&s, top, first);
    for (double j = top + step; n < MOST_TERMS; j += step, n++) {
        factorial = every ? factorial + log(j) : smm_log_gamma(j + 1);
        if (!add_term(&s, j, factorial)) break;
    }
    factorial = first;
    for (double j = top - step; j >= 1 && n < MOST_TERMS; j -= step, n++) {
        factorial = every ? factorial - log(j + 1) : smm_log_gamma(j + 1);
        if (!add_term(&s, j, factorial)) break;
    }
    if (n >= MOST_TERMS) return jet_constant(NAN);
    smm_jet out = jet_constant(s.largest + log(step * s.sum) - log(y));
    out.d[0][0] = -(1 + s.a) * s.mean / s.sum;
    out.d[0][1] = q * r * s.slope / s.sum; /* dp / d logit(p - 1) */
    return out;
}

/* The log-density at a logit, which log_series takes to be parameter 1. */
static smm_jet at_logit(double y, const smm_mean_jets *x, double log_phi, smm_jet logit)
{
    smm_jet q = jet_exp(jet_scale(-1, jet_softplus(jet_scale(-1, logit)))); /* p - 1 */
    smm_jet r = jet_exp(jet_scale(-1, jet_softplus(logit)));                /* 2 - p */
    smm_jet mean = jet_multiply(jet_exp(jet_multiply(r, x->log_mu)), jet_inverse(r));
    if (y > 0) {
        smm_jet power = jet_exp(jet_scale(-1, jet_multiply(q, x->log_mu)));
        mean = jet_add(mean, jet_scale(y, jet_multiply(power, jet_inverse(q))));
    }
    smm_jet out = jet_scale(-1, jet_multiply(mean, jet_exp(jet_scale(-1, x->log_phi))));
    return y > 0 ? jet_add(out, log_series(y, log_phi, q.c[0], r.c[0])) : out;
}

/* `limit`: the log-density for p = 2, that of a gamma distribution, of which 2 - p is a line's way
 * from where it is tiny; the sum has lost too many digits there. */
smm_jet smm_tweedie(double y, const smm_mean_jets *x, const double *outer, smm_jet limit)
{
    smm_jet logit = jet_parameter(outer[1], 1);
    if (!(y > 0 && outer[1] > NEAR_GAMMA)) return at_logit(y, x, outer[0], logit);
    smm_jet near = at_logit(y, x, outer[0], jet_constant(NEAR_GAMMA));
    near.d[0][1] = 0;
    smm_jet share = jet_exp(jet_shift(jet_scale(-1, logit), NEAR_GAMMA));
    return jet_add(limit, jet_multiply(share, jet_subtract(near, limit)));
}
