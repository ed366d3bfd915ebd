/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers with derivatives: a function of the linear predictor eta of the mean and of a few other
 * parameters of a row (its dispersion, a shape, zero inflation, thresholds), with
 *
 *     c[k]     d^k / d eta^k,                        k = 0, ..., 3
 *     d[k][j]  d^k / d eta^k of the derivative in parameter j,   k = 0, 1, 2,
 *
 * which is what the Laplace approximation and its exact gradient need of a log-likelihood. Sums,
 * products and functions of such numbers follow the rules of Leibniz and Faa di Bruno.
 */
#ifndef SMM_JET_H
#define SMM_JET_H

#include <math.h>

/* Parameters of a row besides eta. */
#define SMM_OUTER 4

typedef struct {
    double c[4];
    double d[3][SMM_OUTER];
} smm_jet;

static inline smm_jet jet_constant(double value) { return (smm_jet){.c = {value}}; }

/* Parameter j of the row, at its value. */
static inline smm_jet jet_parameter(double value, int j)
{
    smm_jet out = {.c = {value}};
    out.d[0][j] = 1;
    return out;
}

/* A function of eta alone. */
static inline smm_jet jet_of_eta(double value, double first, double second, double third)
{
    return (smm_jet){.c = {value, first, second, third}};
}

/* a x + b y */
static inline smm_jet jet_combine(double a, smm_jet x, double b, smm_jet y)
{
    for (int k = 0; k < 4; k++) x.c[k] = a * x.c[k] + b * y.c[k];
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < SMM_OUTER; j++) x.d[k][j] = a * x.d[k][j] + b * y.d[k][j];
    return x;
}

static inline smm_jet jet_add(smm_jet x, smm_jet y) { return jet_combine(1, x, 1, y); }
static inline smm_jet jet_subtract(smm_jet x, smm_jet y) { return jet_combine(1, x, -1, y); }

static inline smm_jet jet_scale(double a, smm_jet x)
{
    for (int k = 0; k < 4; k++) x.c[k] *= a;
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < SMM_OUTER; j++) x.d[k][j] *= a;
    return x;
}

static inline smm_jet jet_shift(smm_jet x, double by)
{
    x.c[0] += by;
    return x;
}

static inline smm_jet jet_multiply(smm_jet x, smm_jet y)
{
    const double *a = x.c, *b = y.c;
    smm_jet out = {.c = {a[0] * b[0], a[1] * b[0] + a[0] * b[1],
                         a[2] * b[0] + 2 * a[1] * b[1] + a[0] * b[2],
                         a[3] * b[0] + 3 * (a[2] * b[1] + a[1] * b[2]) + a[0] * b[3]}};
    for (int j = 0; j < SMM_OUTER; j++) {
        double x0 = x.d[0][j], x1 = x.d[1][j], x2 = x.d[2][j];
        double y0 = y.d[0][j], y1 = y.d[1][j], y2 = y.d[2][j];
        out.d[0][j] = x0 * b[0] + a[0] * y0;
        out.d[1][j] = x1 * b[0] + x0 * b[1] + a[1] * y0 + a[0] * y1;
        out.d[2][j] = x2 * b[0] + 2 * x1 * b[1] + x0 * b[2] + a[2] * y0 + 2 * a[1] * y1 +
                      a[0] * y2;
    }
    return out;
}

/* f(x) for the value and three derivatives of f at x.c[0]. */
static inline smm_jet jet_compose(smm_jet x, double f, double f1, double f2, double f3)
{
    double g1 = x.c[1], g2 = x.c[2];
    smm_jet out = {.c = {f, f1 * g1, f2 * g1 * g1 + f1 * g2,
                         f3 * g1 * g1 * g1 + 3 * f2 * g1 * g2 + f1 * x.c[3]}};
    for (int j = 0; j < SMM_OUTER; j++) {
        double x0 = x.d[0][j], x1 = x.d[1][j];
        out.d[0][j] = f1 * x0;
        out.d[1][j] = f2 * g1 * x0 + f1 * x1;
        out.d[2][j] = f3 * g1 * g1 * x0 + f2 * (2 * g1 * x1 + g2 * x0) + f1 * x.d[2][j];
    }
    return out;
}

static inline smm_jet jet_exp(smm_jet x)
{
    double f = exp(x.c[0]);
    return jet_compose(x, f, f, f, f);
}

static inline smm_jet jet_log(smm_jet x)
{
    double size = x.c[0]; /* divided by, so that no power of it overflows */
    for (int k = 0; k < 4; k++) x.c[k] /= size;
    for (int k = 0; k < 3; k++)
        for (int j = 0; j < SMM_OUTER; j++) x.d[k][j] /= size;
    return jet_compose(x, log(size), 1, -1, 2);
}

static inline smm_jet jet_log1p(smm_jet x)
{
    double i = 1 / (1 + x.c[0]);
    return jet_compose(x, log1p(x.c[0]), i, -i * i, 2 * i * i * i);
}

static inline smm_jet jet_inverse(smm_jet x)
{
    double i = 1 / x.c[0];
    return jet_compose(x, i, -i * i, 2 * i * i * i, -6 * i * i * i * i);
}

/* log(1 + e^x) */
static inline smm_jet jet_softplus(smm_jet x)
{
    double v = x.c[0], e = exp(-fabs(v)), tail = 1 / (1 + e);
    double s = v >= 0 ? tail : e * tail, r = v >= 0 ? e * tail : tail, f2 = s * r;
    return jet_compose(x, (v > 0 ? v : 0) + log1p(e), s, f2, f2 * (r - s));
}

/* log(1 - e^x) for x < 0; near 0 it is log(-x) + x / 2 + x^2 / 24 - x^4 / 2880. */
static inline smm_jet jet_log1mexp(smm_jet x)
{
    double v = x.c[0];
    if (v > -1e-3 && v < 0) {
        double s = v * v;
        smm_jet rest = jet_compose(x, v / 2 + s / 24 - s * s / 2880, 0.5 + v / 12 - s * v / 720,
                                   1.0 / 12 - s / 240, -v / 120);
        return jet_add(jet_log(jet_scale(-1, x)), rest);
    }
    double q = 1 / expm1(-v); /* e^x / (1 - e^x) */
    double f = v > -0.69314718055994531 ? log(-expm1(v)) : log1p(-exp(v));
    return jet_compose(x, f, -q, -q * (1 + q), -q * (1 + q) * (1 + 2 * q));
}

/* The logarithm of the gamma function. */
smm_jet smm_jet_log_gamma(smm_jet x);
/* log(x (x + 1) ... (x + y - 1)) = log Gamma(x + y) - log Gamma(x) */
smm_jet smm_jet_log_rising(smm_jet x, double y);

#endif
