/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Conway-Maxwell-Poisson with mean mu and nu = 1 / phi (Huang 2017): with L(y) = log y!,
 *
 *     log f(y) = a y - nu L(y) - log Z,   Z(a, nu) = sum_j exp(a j - nu L(j)),
 *
 * a(mu, nu) such that the mean is mu. With k_rs the joint cumulants of y (r times) and L (s times),
 * derivatives of a follow from k_10(a, nu) = mu by differentiating it, and with r = y - mu
 *
 *     d/d eta log f = r a',   d/d nu log f = r a_nu + k_01 - L(y),   d2/d eta d nu log f = r a'_nu.
 */
#include "smm_density.h"

#define NEGLIGIBLE 4e-18
#define KEPT 128
#define LARGE_NU 100
#define MOST_TERMS 100000
#define MOST_STEPS 50

typedef struct {
    double log_sum, mean, k20, k30, k40, k01, k11, k21, k31;
} cumulants;

/* Sums of w, w d, ..., w d^4, and with L - L_top, at d = j - center. */
typedef struct {
    double plain[5], with_log[4];
} sums;

/* Terms of Z have the ratios e^a j^-nu, whose powers are the same for every a: those of KEPT numbers
 * about the mean are computed once, as (j / scale)^-nu, which does not overflow for `nu` up to
 * LARGE_NU. */
typedef struct {
    double nu, log_scale, first; /* j of the first that is kept */
    double log_j[KEPT], power[KEPT];
} ratios;

static void start_ratios(ratios *r, double mu, double nu)
{
    r->nu = nu;
    r->log_scale = log(fmax(mu, 1));
    r->first = fmax(1, floor(mu) - KEPT / 2);
    for (int i = 0; i < KEPT; i++) r->power[i] = -1; /* not known yet */
}

/* The ratio of terms j and j - 1 for `rate` = exp(a - nu log scale), and log j. */
static double ratio_at(ratios *r, double j, double a, double rate, double *log_j)
{
    double i = j - r->first;
    if (!(i >= 0 && i < KEPT) || r->nu > LARGE_NU) {
        *log_j = log(j);
        return exp(a - r->nu * *log_j);
    }
    int at = (int)i;
    if (r->power[at] < 0) {
        r->log_j[at] = log(j);
        r->power[at] = exp(r->nu * (r->log_scale - r->log_j[at]));
    }
    *log_j = r->log_j[at];
    return rate * r->power[at];
}

static int add_term(sums *s, double j, double center, double w, double log_factorial)
{
    double d = j - center, power = w;
    for (int k = 0; k < 5; k++, power *= d) {
        s->plain[k] += power;
        if (k < 4) s->with_log[k] += power * log_factorial;
    }
    return w > NEGLIGIBLE;
}

/* Moments about `center`; 0 when the sum is too long. */
static int sum_series(ratios *r, double a, double center, cumulants *out)
{
    double nu = r->nu, top = floor(exp(a / nu)), term = 1, log_factorial = 0, log_j;
    double rate = exp(a - nu * r->log_scale);
    if (!(top < 1e9)) return 0;
    sums s = {{0}, {0}};
    int n = 0;
    add_term(&s, top, center, 1, 0);
    for (double j = top + 1; n < MOST_TERMS; j++, n++) {
        term *= ratio_at(r, j, a, rate, &log_j);
        log_factorial += log_j;
        if (!add_term(&s, j, center, term, log_factorial)) break;
    }
    term = 1, log_factorial = 0;
    for (double j = top; j >= 1 && n < MOST_TERMS; j--, n++) { /* to j - 1 */
        term /= ratio_at(r, j, a, rate, &log_j);
        log_factorial -= log_j;
        if (!add_term(&s, j - 1, center, term, log_factorial)) break;
    }
    if (n >= MOST_TERMS) return 0;
    double first = smm_log_gamma(top + 1), m[5], b[4];
    for (int k = 0; k < 5; k++) m[k] = s.plain[k] / s.plain[0];
    for (int k = 0; k < 4; k++)
        b[k] = s.with_log[k] / s.plain[0] - s.with_log[0] / s.plain[0] * m[k];
    out->log_sum = a * top - nu * first + log(s.plain[0]);
    out->mean = center + m[1];
    out->k20 = m[2] - m[1] * m[1];
    /* these are about the mean, where the caller puts the center */
    out->k30 = m[3];
    out->k40 = m[4] - 3 * m[2] * m[2];
    out->k01 = first + s.with_log[0] / s.plain[0];
    out->k11 = b[1];
    out->k21 = b[2];
    out->k31 = b[3] - 3 * m[2] * b[1];
    return 1;
}

/* a for the mean mu, by Newton's method for the logarithm of the mean. */
static int solve_rate(double mu, double nu, double *a, cumulants *k)
{
    /* the mode is about mu - (1 - nu) / (2 nu) where that is positive, and at most mu + 1 */
    double start = mu + (nu - 1) / (2 * nu), most = nu * log1p(mu);
    ratios r;
    start_ratios(&r, mu, nu);
    *a = start > 0.1 * mu ? fmin(nu * log(start), most) : fmin(log(mu) - log1p(mu), most);
    for (int step = 0; step < MOST_STEPS; step++) {
        if (!sum_series(&r, *a, mu, k)) return 0;
        double error = log(k->mean / mu), change = error * k->mean / k->k20;
        if (fabs(error) < 1e-14 || (step > 8 && fabs(error) < 1e-12)) return 1;
        if (!isfinite(change)) return 0;
        *a = fmin(*a - fmax(-2, fmin(2, change)), most);
    }
    return 0;
}

smm_jet smm_com_poisson(double y, const smm_mean_jets *x)
{
    double mu = x->mu.c[0], nu = exp(-x->log_phi.c[0]), a, bad = NAN;
    cumulants k;
    if (!(mu > 0 && nu > 0) || !isfinite(mu) || !solve_rate(mu, nu, &a, &k))
        return jet_constant(bad);
    double r = y - mu, L = smm_log_gamma(y + 1), m1 = x->mu.c[1], m2 = x->mu.c[2];
    double a1 = m1 / k.k20, a2 = (m2 - k.k30 * a1 * a1) / k.k20;
    double a3 = (x->mu.c[3] - k.k40 * a1 * a1 * a1 - 3 * k.k30 * a1 * a2) / k.k20;
    smm_jet out = {.c = {a * y - nu * L - k.log_sum, r * a1, r * a2 - m1 * a1,
                         r * a3 - 2 * m1 * a2 - m2 * a1}};
    for (int j = 0; j < SMM_OUTER; j++) {
        double n = -nu * x->log_phi.d[0][j]; /* d nu / d parameter */
        double a_n = k.k11 * n / k.k20;
        double a_n1 = (k.k21 * a1 * n - k.k30 * a1 * a_n) / k.k20;
        double a_n2 = (k.k31 * a1 * a1 * n + k.k21 * a2 * n - k.k40 * a1 * a1 * a_n -
                       k.k30 * (a2 * a_n + 2 * a1 * a_n1)) /
                      k.k20;
        out.d[0][j] = r * a_n + n * (k.k01 - L);
        out.d[1][j] = r * a_n1;
        out.d[2][j] = r * a_n2 - m1 * a_n1;
    }
    return out;
}
