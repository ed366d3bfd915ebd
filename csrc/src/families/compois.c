/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Conway-Maxwell-Poisson with mean mu and nu = 1 / phi (Huang 2017): with L(y) = log y!,
 *
 *     log f(y) = a y - nu L(y) - log Z,   Z(a, nu) = sum_j exp(a j - nu L(j)),
 *
 * a(mu, nu) such that the mean is mu. With the integer r above mu and c = a - nu log r the same is
 * c y - nu M(y) - log Z, M(y) = L(y) - y log r, whose terms stay small where nu is large and y is one
 * of the two integers about mu: there M is the same. With k_rs the joint cumulants of y (r times) and
 * M (s times), derivatives of c follow from k_10(c, nu) = mu by differentiating it; with r = y - mu
 *
 *     d/d eta log f = r c',   d/d nu log f = r c_nu + k_01 - M(y),   d2/d eta d nu log f = r c'_nu.
 *
 * c is found by Halley's method for log k_10 between bounds, whose errors fall by their cubes:
 * for small nu sums are long, and it takes two or three. E y^nu = e^a and
 * e^a E (y + 1)^-nu = P(y > 0) <= 1; by Jensen's inequality
 *
 *     nu log mu <= a for nu >= 1,   a <= nu log mu for nu <= 1,   a <= nu log(1 + mu),
 *
 * and a grows with nu from log(mu / (1 + mu)) at 0 to log mu at 1.
 */
#include "families/density.h"

#define NEGLIGIBLE 4e-18
#define KEPT 1024
#define LARGE_NU 100
#define MOST_TERMS 100000
#define MOST_COUNTS 9007199254740992.0 /* 2^53 */
#define MOST_STEPS 100
#define LEAST 1e-90 /* variance whose cubes are numbers */
#define NEAR 64     /* terms between the mode and y that are added up one by one */
/* Bells with this standard deviation, and this many of them away from 0, where exp(-AWAY^2) is left, are
 * summed in steps of STRIDE of one. */
#define WIDE 20
#define AWAY 6.6
#define STRIDE 0.5
/* Others as wide are integrated from where the logarithm of a term changes by no more than this
 * from count to count, and where Stirling's formula holds. */
#define GENTLE 0.1
#define SINGLE 16
#define VERY_NEGLIGIBLE 1e-24

/* Moments about mu, which is the mean: k20, k30, k40 of y, k01 to k31 with M less M(top). */
typedef struct {
    double top, log_sum, mean, k20, k30, k40, k01, k11, k21, k31;
} cumulants;

/* Sums of w, w d, ..., w d^4 (of the first four while c is sought), and with M - M(top), d = j - mu. */
typedef struct {
    double plain[5], with_log[4];
} sums;

/* Terms of Z have the ratios e^c (j / r)^-nu, whose powers are the same for every c: they are computed
 * once for those of KEPT numbers about the mean that lie between two that were asked for. They do not
 * overflow for `nu` up to LARGE_NU. */
typedef struct {
    double mu, nu, r, first; /* j of the first that may be kept */
    int low, high;           /* those from low to high - 1 are known */
    double log_j[KEPT], power[KEPT], inverse[KEPT];
} ratios;

static void start_ratios(ratios *q, double mu, double nu)
{
    q->mu = mu, q->nu = nu, q->r = floor(mu) + 1;
    q->first = fmax(1, floor(mu) - KEPT / 3); /* the right tail is the longer one */
    q->low = q->high = 0;
}

static double log_ratio(double j, double r) { return log1p((j - r) / r); }

/* The place of j among the powers that are kept, -1 for one that is not. */
static int kept_at(ratios *q, double j)
{
    double i = j - q->first;
    if (!(i >= 0 && i < KEPT) || q->nu > LARGE_NU) return -1;
    int at = (int)i;
    if (at >= q->low && at < q->high) return at;
    q->log_j[at] = log_ratio(j, q->r);
    q->power[at] = exp(-q->nu * q->log_j[at]);
    q->inverse[at] = 1 / q->power[at];
    if (at == q->high) q->high++;
    else if (at == q->low - 1) q->low--;
    else q->low = at, q->high = at + 1;
    return at;
}

static int add_term(sums *s, int all, double d, double w, double log_factorial)
{
    double power = w;
    if (!all) {
        double first = w * d, second = first * d;
        s->plain[0] += w, s->plain[1] += first, s->plain[2] += second, s->plain[3] += second * d;
        return w > NEGLIGIBLE;
    }
    for (int k = 0; k < 5; k++, power *= d) {
        s->plain[k] += power;
        if (k < 4) s->with_log[k] += power * log_factorial;
    }
    return w > NEGLIGIBLE;
}

/* (1 + e) log(1 + e) - e */
static double curved(double e)
{
    double out = 0, power = e * e;
    if (fabs(e) > 0.1) return (1 + e) * log1p(e) - e;
    for (int k = 2; k < 18; k++, power *= -e) out += power / (k * (k - 1));
    return out;
}

/* M(y) - M(top) less the part (y - top) log(top / r), by Stirling's formula. */
static double smooth_log_factorials(double y, double top)
{
    double e = (y - top) / top;
    return top * curved(e) + 0.5 * log1p(e) + smm_stirling_rest(y) - smm_stirling_rest(top);
}

/* The sum over all counts is the integral but for exp(-2 pi^2 variance), and so is h times the sum
 * over every h-th but for exp(-2 pi^2 variance / h^2), 5e-35 (Poisson's summation formula), if the
 * terms fall to nothing before 0. */
static int can_be_thinned(const ratios *q, double top, double *h)
{
    double sd = sqrt(top / q->nu);
    *h = floor(STRIDE * sd);
    return sd > WIDE && top > AWAY * sd;
}

static void sum_thinned(const ratios *q, double c, int all, double top, double h, sums *s)
{
    double along = log_ratio(top, q->r), slope = c - q->nu * along;
    add_term(s, all, top - q->mu, 1, 0);
    for (int sign = -1; sign <= 1; sign += 2)
        for (double j = top + sign * h; j > 0; j += sign * h) {
            double M = smooth_log_factorials(j, top), d = j - top;
            double w = exp(d * slope - q->nu * M);
            if (!add_term(s, all, j - q->mu, w, M + d * along)) break;
        }
    for (int k = 0; k < 5; k++) s->plain[k] *= h;
    for (int k = 0; k < 4; k++) s->with_log[k] *= h;
}

/* Where the bell is cut off at 0, counts below `first` are added up one by one: from there on the
 * ratios of terms change slowly. The rest is an integral and its change at the edge, which is, with
 * the central differences of terms at first - 1/2 (the formula of Euler and Maclaurin, as
 * 1 / (2 arsinh(x / 2)) - 1 / x in powers of the difference x),
 *
 *     sum_j>=a f(j) = int_(a-1/2)^oo f + (1/24) diff - (17/5760) diff^3
 *                     + (367/967680) diff^5 - ... */
static int can_be_integrated(const ratios *q, double c, double top, double *first)
{
    *first = fmax(SINGLE, ceil(top * exp(-GENTLE / q->nu)));
    double slope = c - q->nu * log_ratio(*first, q->r);
    return fmax(top, 1) > WIDE * WIDE * q->nu && fabs(slope) < 1.1 * GENTLE;
}

/* Where terms are known, and what their logarithms are there. */
typedef struct {
    double c, nu, at, along, log_term, M;
} anchor;

static double add_from(const anchor *a, const ratios *q, int all, double j, double factor,
                       sums *s)
{
    double d = j - a->at, rest = smooth_log_factorials(j, a->at);
    double w = exp(a->log_term + d * (a->c - a->nu * a->along) - a->nu * rest);
    add_term(s, all, j - q->mu, factor * w, a->M + rest + d * a->along);
    return w;
}

static void sum_integrated(const ratios *q, double c, int all, double top, double first, sums *s)
{
    /* Gauss and Legendre's rule of 16 points; terms from first on, which those before it mirror. */
    static const double node[] = {0.09501250983763744, 0.2816035507792589, 0.45801677765722737,
                                  0.6178762444026438,  0.755404408355003,  0.8656312023878318,
                                  0.9445750230732326,  0.9894009349916499};
    static const double part[] = {0.18945061045506836, 0.18260341504492367, 0.1691565193950025,
                                  0.14959598881657696, 0.12462897125553389, 0.0951585116824927,
                                  0.06225352393864783, 0.027152459411754124};
    static const double edge[] = {0.05774411571968131, -0.006994865629102283,
                                  0.0011795251897384058, -0.0001550833399486557,
                                  1.0567251693418142e-05};
    anchor a = {.c = c, .nu = q->nu, .at = fmax(top, first)};
    for (double j = top + 1; j <= a.at; j++) a.M += log_ratio(j, q->r);
    a.along = log_ratio(a.at, q->r);
    a.log_term = (a.at - top) * c - q->nu * a.M;

    for (int i = 0; i < 5; i++) {
        add_from(&a, q, all, first + i, edge[i], s);
        add_from(&a, q, all, first - 1 - i, -edge[i], s);
    }
    double d = first - 1 - a.at, rest = smooth_log_factorials(first - 1, a.at);
    double M = a.M + rest + d * a.along, term = exp(c * (first - 1 - top) - q->nu * M);
    for (double j = first - 1; j >= 0; j--) {
        add_term(s, all, j - q->mu, term, M);
        if (j == 0) break;
        double log_j = log_ratio(j, q->r);
        term *= exp(q->nu * log_j - c);
        M -= log_j;
    }
    double from = first - 0.5, last = 1;
    while (!(from > top && last < VERY_NEGLIGIBLE)) {
        double slope = fabs(c - q->nu * log_ratio(from, q->r));
        double half = fmin(fmin(from, sqrt(from / q->nu)), 4 / slope);
        for (int i = 0; i < 8; i++) {
            add_from(&a, q, all, from + half * (1 - node[i]), half * part[i], s);
            last = add_from(&a, q, all, from + half * (1 + node[i]), half * part[i], s);
        }
        from += 2 * half;
    }
}

/* Outward from the largest term; 0 when the sum is too long. Only the first four sums unless `all`. */
static int sum_series(ratios *q, double c, int all, sums *s, double *top)
{
    double term = 1, log_factorial = 0, rate = exp(c), back = 1 / rate, h, first;
    int n = 0;
    *s = (sums){{0}, {0}};
    *top = floor(q->r * exp(c / q->nu));
    if (!(*top < MOST_COUNTS)) return 0;
    if (can_be_thinned(q, *top, &h)) {
        sum_thinned(q, c, all, *top, h, s);
        return 1;
    }
    if (can_be_integrated(q, c, *top, &first)) {
        sum_integrated(q, c, all, *top, first, s);
        return 1;
    }
    add_term(s, all, *top - q->mu, 1, 0);
    for (double j = *top + 1; n < MOST_TERMS; j++, n++) {
        int at = kept_at(q, j);
        double log_j = at < 0 ? log_ratio(j, q->r) : q->log_j[at];
        term *= at < 0 ? exp(c - q->nu * log_j) : rate * q->power[at];
        log_factorial += log_j;
        if (!add_term(s, all, j - q->mu, term, log_factorial)) break;
    }
    term = 1, log_factorial = 0;
    for (double j = *top; j >= 1 && n < MOST_TERMS; j--, n++) { /* to j - 1 */
        int at = kept_at(q, j);
        double log_j = at < 0 ? log_ratio(j, q->r) : q->log_j[at];
        term *= at < 0 ? exp(q->nu * log_j - c) : back * q->inverse[at];
        log_factorial -= log_j;
        if (!add_term(s, all, j - 1 - q->mu, term, log_factorial)) break;
    }
    return n < MOST_TERMS;
}

static int cumulants_at(ratios *q, double c, cumulants *out)
{
    sums s;
    double m[5], b[4];
    if (!sum_series(q, c, 1, &s, &out->top)) return 0;
    for (int k = 0; k < 5; k++) m[k] = s.plain[k] / s.plain[0];
    for (int k = 0; k < 4; k++)
        b[k] = s.with_log[k] / s.plain[0] - s.with_log[0] / s.plain[0] * m[k];
    out->log_sum = log(s.plain[0]);
    out->mean = q->mu + m[1];
    out->k20 = m[2] - m[1] * m[1];
    out->k30 = m[3];
    out->k40 = m[4] - 3 * m[2] * m[2];
    out->k01 = s.with_log[0] / s.plain[0];
    out->k11 = b[1];
    out->k21 = b[2];
    out->k31 = b[3] - 3 * m[2] * b[1];
    return 1;
}

/* Bounds of c, and a value to begin with. */
static double begin(const ratios *q, double *low, double *high)
{
    double mu = q->mu, nu = q->nu, r = q->r, shift = nu * log(r);
    double from_mu = nu * (mu < 1 ? log(mu) : log_ratio(mu, r)); /* r is 1 there */
    double start = mu + (nu - 1) / (2 * nu), odds = (mu - (r - 1)) / (r - mu), c;
    *high = nu * log_ratio(1 + mu, r);
    if (nu >= 1) *low = mu < 1 ? log(mu) : from_mu;
    else *low = log(mu) - log1p(mu) - shift, *high = fmin(*high, fmin(from_mu, log(mu) - shift));
    double apart = 0.5 * nu * log_ratio(r + 1, r); /* where r + 1 is as rare as r - 1 */
    if (apart > 2) {
        c = fmin(odds > 0 ? log(odds) : -INFINITY, apart);
        if (r > 1) c = fmax(c, 0.5 * nu * log_ratio(r - 1, r));
    } else c = start > 0.1 * mu ? nu * log_ratio(start, r) : log(mu) - log1p(mu) - shift;
    return fmin(fmax(c, *low), *high);
}

/* At a whole mean with so large a nu that other counts have hardly any probability; with LEAST as the
 * variance all derivatives are finite. */
static int no_variance(ratios *q, double c, cumulants *k)
{
    if (!cumulants_at(q, c, k)) return 0;
    k->k20 = LEAST;
    k->k30 = k->k40 = k->k01 = k->k11 = k->k21 = k->k31 = 0;
    return 1;
}

/* c for the mean mu, and the cumulants there. */
static int solve_rate(double mu, double nu, double *c, cumulants *k)
{
    ratios q;
    double low, high;
    start_ratios(&q, mu, nu);
    *c = begin(&q, &low, &high);
    for (int step = 0; step < MOST_STEPS; step++) {
        sums s;
        double top, change = INFINITY, error = INFINITY;
        if (sum_series(&q, *c, 0, &s, &top)) {
            double m1 = s.plain[1] / s.plain[0], variance = s.plain[2] / s.plain[0] - m1 * m1;
            error = log1p(m1 / mu); /* the logarithm of the mean less that of mu */
            if (!(variance > LEAST) && fabs(error) < 1e-15) return no_variance(&q, *c, k);
            double third = s.plain[3] / s.plain[0] - m1 * (3 * variance + m1 * m1);
            /* Of log k_10: the first derivative, and the second over it. */
            double slope = variance / (mu + m1), bend = third / variance - slope;
            double newton = error / slope, curved = 1 - 0.5 * newton * bend;
            change = newton / (curved > 0.5 ? curved : 1);
        } else if (!step) return 0; /* too many counts have some probability */
        if (error > 0) high = *c;
        else low = *c;
        double next = *c - change;
        int inside = next >= low && next <= high;
        /* The error after a step is of the order of its cube. */
        if ((fabs(error) < 1e-6 && fabs(change) < 1e-5) || fabs(error) < 1e-15 ||
            high - low < 1e-15 * fabs(*c)) {
            if (inside) *c = next;
            return cumulants_at(&q, *c, k) && k->k20 > 0;
        }
        *c = inside ? next : 0.5 * (low + high);
    }
    return 0;
}

/* M(y) - M(top) */
static double log_factorials(double y, double top, double r)
{
    double out = 0;
    if (fmin(y, top) > NEAR && fabs(y - top) > NEAR)
        return smooth_log_factorials(y, top) + (y - top) * log_ratio(top, r);
    if (y != floor(y) || fabs(y - top) > NEAR)
        return smm_log_gamma(y + 1) - smm_log_gamma(top + 1) - (y - top) * log(r);
    for (double j = top + 1; j <= y; j++) out += log_ratio(j, r);
    for (double j = top; j > y; j--) out -= log_ratio(j, r);
    return out;
}

smm_jet smm_com_poisson(double y, const smm_mean_jets *x)
{
    double mu = x->mu.c[0], nu = exp(-x->log_phi.c[0]), c;
    cumulants k;
    if (!(mu > 0 && nu > 0) || !isfinite(mu) || !isfinite(nu) || !solve_rate(mu, nu, &c, &k))
        return jet_constant(NAN);
    double r = y - mu, M = log_factorials(y, k.top, floor(mu) + 1);
    double m1 = x->mu.c[1], m2 = x->mu.c[2];
    double a1 = m1 / k.k20, a2 = (m2 - k.k30 * a1 * a1) / k.k20;
    double a3 = (x->mu.c[3] - k.k40 * a1 * a1 * a1 - 3 * k.k30 * a1 * a2) / k.k20;
    smm_jet out = {.c = {c * (y - k.top) - nu * M - k.log_sum, r * a1, r * a2 - m1 * a1,
                         r * a3 - 2 * m1 * a2 - m2 * a1}};
    for (int j = 0; j < SMM_OUTER; j++) {
        double n = -nu * x->log_phi.d[0][j]; /* d nu / d parameter */
        double a_n = k.k11 * n / k.k20;
        double a_n1 = (k.k21 * a1 * n - k.k30 * a1 * a_n) / k.k20;
        double a_n2 = (k.k31 * a1 * a1 * n + k.k21 * a2 * n - k.k40 * a1 * a1 * a_n -
                       k.k30 * (a2 * a_n + 2 * a1 * a_n1)) /
                      k.k20;
        out.d[0][j] = r * a_n + n * (k.k01 - M);
        out.d[1][j] = r * a_n1;
        out.d[2][j] = r * a_n2 - m1 * a_n1;
    }
    return out;
}
