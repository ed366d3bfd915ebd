/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows of the commonest models in loops that the compiler can vectorize: no branches, no calls, and
 * sums over lanes, since the compiler may not change the order of a sum. In the words of family.c:
 *
 *     binomial, logit link, one trial a row     loglik = y eta - log(1 + e^eta)
 *         or m trials of one outcome            m times that, no small difference of large numbers
 *     Poisson, log link                         r = eta - log y,  loglik = -m y (e^r - 1 - r)
 *     gamma, log link                           r = log y - eta,  loglik = -k (e^r - 1 - r)
 */
#include "families/families.h"

/* Rows of which numbers by row are kept before they are summed. */
#define BLOCK 512

/* x = k log 2 + r by Cody and Waite's reduction. Returns (e^r - 1) / r by its Taylor polynomial on
 * |r| <= log(2)/2; the last bits of `shifted` are k. */
static inline double reduce(double x, double *shifted, double *r)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: rounds to an integer */
    double t = x * 1.4426950408889634074 + magic, k = t - magic;
    double rest = (x - k * 0.69314718036912381649) - k * 1.9082149292705877e-10;
    double p = 1.6059043836821614599e-10;
    p = p * rest + 2.0876756987868098979e-9;
    p = p * rest + 2.5052108385441718775e-8;
    p = p * rest + 2.7557319223985890653e-7;
    p = p * rest + 2.7557319223985890653e-6;
    p = p * rest + 2.4801587301587301587e-5;
    p = p * rest + 1.9841269841269841270e-4;
    p = p * rest + 1.3888888888888888889e-3;
    p = p * rest + 8.3333333333333333333e-3;
    p = p * rest + 4.1666666666666666667e-2;
    p = p * rest + 1.6666666666666666667e-1;
    p = p * rest + 0.5;
    *shifted = t;
    *r = rest;
    return p * rest + 1.0;
}

/* p 2^k, with k as `reduce` gives it. */
static inline double scaled(double p, double shifted)
{
    uint64_t bits, value;
    memcpy(&bits, &shifted, sizeof bits);
    memcpy(&value, &p, sizeof value);
    value += bits << 52;
    memcpy(&p, &value, sizeof p);
    return p;
}

/* exp(x) - 1 = 2^k (e^r - 1) + (2^k - 1): |x| <= 708, error about an ulp. */
static inline double loop_expm1(double x)
{
    double shifted, r, q = reduce(x, &shifted, &r);
    double p = q * r, scale = scaled(1, shifted);
    return scale * p + (scale - 1);
}

/* exp likewise. */
static inline double loop_exp(double x)
{
    double shifted, r, q = reduce(x, &shifted, &r);
    return scaled(q * r + 1.0, shifted);
}

/* log(1 + e) for 0 <= e <= 1: above sqrt(2) - 1 that of half of it, and log 2. With
 * s = f / (2 + f), log(1 + f) = 2 artanh(s) = f - (f^2/2 - s (f^2/2 + R)) with
 * R = 2 s^2/3 + 2 s^4/5 + ... */
static inline double loop_log1p(double e)
{
    double far = e > 0.41421356237309503 ? 1.0 : 0.0;
    double f = far > 0 ? 0.5 * (e - 1) : e, s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double R = 2.0 / 21;
    R = R * z + 2.0 / 19;
    R = R * z + 2.0 / 17;
    R = R * z + 2.0 / 15;
    R = R * z + 2.0 / 13;
    R = R * z + 2.0 / 11;
    R = R * z + 2.0 / 9;
    R = R * z + 2.0 / 7;
    R = R * z + 2.0 / 5;
    R = R * z + 2.0 / 3;
    R = R * z;
    return far * 0.69314718055994530942 + (f - (half - s * (half + R)));
}

/* The argument of an exponential that neither overflows nor ends at nothing. */
static inline double bounded(double r)
{
    double x = r > 650 ? 650 : r;
    return x < -700 ? -700 : x;
}

static inline double sum_of(int64_t n, const double *SMM_RESTRICT x)
{
    double lane[SMM_LANES] = {0}, total = 0;
    int64_t i = 0;
    for (; i + SMM_LANES <= n; i += SMM_LANES)
        for (int k = 0; k < SMM_LANES; k++) lane[k] += x[i + k];
    for (; i < n; i++) total += x[i];
    for (int k = 0; k < SMM_LANES; k++) total += lane[k];
    return total;
}

/* Sum of the logarithms of numbers in [1, 2], as logarithms of products. */
static inline double log_product(int64_t n, const double *SMM_RESTRICT x)
{
    double lane[SMM_LANES], total = 1;
    for (int k = 0; k < SMM_LANES; k++) lane[k] = 1;
    int64_t i = 0;
    for (; i + SMM_LANES <= n; i += SMM_LANES)
        for (int k = 0; k < SMM_LANES; k++) lane[k] *= x[i + k];
    for (; i < n; i++) total *= x[i];
    double sum = log(total);
    for (int k = 0; k < SMM_LANES; k++) sum += log(lane[k]);
    return sum;
}

/* Binomial with logit link and one trial or one outcome a row. Returns the log-likelihood. */
SMM_HOT
double smm_logit_rows(int64_t n, const double *SMM_RESTRICT y, const double *SMM_RESTRICT weights,
                      const double *SMM_RESTRICT eta, double *SMM_RESTRICT l,
                      double *SMM_RESTRICT w, double *SMM_RESTRICT dw)
{
    double total = 0, factor[BLOCK], part[BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t count = start + BLOCK < n ? BLOCK : n - start;
        const double *yb = y + start, *at = eta + start;
        double *lb = l + start, *wb = w + start, *dwb = dw + start;
        for (int64_t i = 0; i < count; i++) {
            double a = fabs(at[i]), hit = at[i] >= 0 ? 1.0 : 0.0;
            double e = loop_exp(a < 700 ? -a : -700.0), s = 1 / (1 + e), t = e * s;
            double mu = at[i] >= 0 ? s : t, rest = at[i] >= 0 ? t : s, f = s * t;
            lb[i] = yb[i] * rest - (1 - yb[i]) * mu;
            wb[i] = f;
            dwb[i] = f * (rest - mu);
            factor[i] = 1 + e;
            part[i] = at[i] * (yb[i] - hit);
        }
        if (weights) {
            for (int64_t i = 0; i < count; i++) {
                double m = weights[start + i];
                lb[i] *= m;
                wb[i] *= m;
                dwb[i] *= m;
                part[i] = m * (part[i] - loop_log1p(factor[i] - 1));
            }
            total += sum_of(count, part);
        } else total += sum_of(count, part) - log_product(count, factor);
    }
    return total;
}

/* Poisson with log link: where counts are large, y - mu = -y (e^r - 1) and half the deviance,
 * y (e^r - 1 - r), are more precise than mu. */
SMM_HOT
double smm_poisson_rows(int64_t n, const double *SMM_RESTRICT y, const double *SMM_RESTRICT log_y,
                        const double *SMM_RESTRICT weights, const double *SMM_RESTRICT eta,
                        double *SMM_RESTRICT l, double *SMM_RESTRICT w)
{
    double total = 0, part[BLOCK];
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t count = start + BLOCK < n ? BLOCK : n - start;
        const double *yb = y + start, *log_yb = log_y + start, *at = eta + start;
        double *lb = l + start, *wb = w + start;
        for (int64_t i = 0; i < count; i++) {
            double r = at[i] - log_yb[i], e = loop_expm1(bounded(r));
            double base = yb[i] > 0 ? yb[i] : 1.0, excess = base * (yb[i] > 0 ? e : e + 1);
            lb[i] = -excess;
            wb[i] = base * (e + 1);
            part[i] = yb[i] * r - excess;
        }
        if (weights)
            for (int64_t i = 0; i < count; i++) {
                double m = weights[start + i];
                lb[i] *= m;
                wb[i] *= m;
                part[i] *= m;
            }
        total += sum_of(count, part);
    }
    return total;
}

/* Gamma with log link, k = m / phi: l = k (e^r - 1), we = k, wo = k e^r, and -wo is the
 * derivative of wo. `loglik` (n) receives the rows. */
SMM_HOT
double smm_gamma_rows(int64_t n, const double *SMM_RESTRICT log_y,
                      const double *SMM_RESTRICT weights, double phi,
                      const double *SMM_RESTRICT eta, double *SMM_RESTRICT loglik,
                      double *SMM_RESTRICT l, double *SMM_RESTRICT we, double *SMM_RESTRICT wo)
{
    double total = 0;
    for (int64_t start = 0; start < n; start += BLOCK) {
        int64_t count = start + BLOCK < n ? BLOCK : n - start;
        const double *log_yb = log_y + start, *at = eta + start;
        double *lb = l + start, *web = we + start, *wob = wo + start, *part = loglik + start;
        for (int64_t i = 0; i < count; i++) web[i] = (weights ? weights[start + i] : 1) / phi;
        for (int64_t i = 0; i < count; i++) {
            double r = log_yb[i] - at[i], e = loop_expm1(bounded(r));
            lb[i] = web[i] * e;
            wob[i] = web[i] * (e + 1);
            part[i] = -web[i] * (e - r);
        }
        total += sum_of(count, part);
    }
    return total;
}

/* The same by row, for quadrature: log-likelihoods and their derivatives. */
SMM_HOT
void smm_logit_at(int64_t n, const double *SMM_RESTRICT y, const double *SMM_RESTRICT weights,
                  const double *SMM_RESTRICT eta, double *SMM_RESTRICT loglik,
                  double *SMM_RESTRICT l)
{
    for (int64_t i = 0; i < n; i++) {
        double a = fabs(eta[i]), hit = eta[i] >= 0 ? 1.0 : 0.0;
        double e = loop_exp(a < 700 ? -a : -700.0), s = 1 / (1 + e);
        double mu = eta[i] >= 0 ? s : e * s;
        loglik[i] = eta[i] * (y[i] - hit) - loop_log1p(e);
        l[i] = y[i] - mu;
    }
    for (int64_t i = 0; weights && i < n; i++) {
        loglik[i] *= weights[i];
        l[i] *= weights[i];
    }
}

SMM_HOT
void smm_poisson_at(int64_t n, const double *SMM_RESTRICT y, const double *SMM_RESTRICT log_y,
                    const double *SMM_RESTRICT weights, const double *SMM_RESTRICT eta,
                    double *SMM_RESTRICT loglik, double *SMM_RESTRICT l)
{
    for (int64_t i = 0; i < n; i++) {
        double m = weights ? weights[i] : 1, r = eta[i] - log_y[i], e = loop_expm1(bounded(r));
        double base = y[i] > 0 ? y[i] : 1.0, excess = base * (y[i] > 0 ? e : e + 1);
        loglik[i] = m * (y[i] * r - excess);
        l[i] = -m * excess;
    }
}
