/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Links: the mean mu = g^-1(eta), its complement 1 - mu, and derivatives in eta of mu, log mu and
 * log(1 - mu). With
 *
 *     a = mu'/mu,   b = mu'/(1 - mu),   c = mu''/mu',
 *
 * a is the derivative of log mu and b that of -log(1 - mu), and those that follow are
 *
 *     a' = a (c - a),   a'' = a'(c - a) + a (c' - a'),
 *     b' = b (c + b),   b'' = b'(c + b) + b (c' + b').
 *
 * These are finite where mu' and mu, or mu' and 1 - mu, underflow together, and c - a and c + b
 * are computed without the cancellation there. Links of one tail are computed for one side and
 * turned round for the other: mu(eta) = 1 - m(-eta).
 */
#include "families/families.h"

#define INVERSE_PI 0.31830988618379067154
#define INVERSE_ROOT_2PI 0.39894228040143267794

/* Beyond this the tail of the normal distribution is a continued fraction, of this many terms. */
#define FAR 4
#define TERMS 40

/* What is left of a link once its own functions are known. */
typedef struct {
    double ca, cb, c, c1; /* c - a, c + b, c, c' */
} link_ratios;

static void turn_round(smm_mean *x, link_ratios *r)
{
    smm_mean m = *x;
    link_ratios s = *r;
    x->mu = m.rest, x->rest = m.mu;
    x->log_mu = m.log_rest, x->log_rest = m.log_mu;
    x->a = m.b, x->b = m.a;
    r->ca = -s.cb, r->cb = -s.ca, r->c = -s.c;
}

/* For eta <= 0. */
static void logistic(double eta, smm_mean *x, link_ratios *r)
{
    double e = exp(eta), tail = log1p(e);
    x->rest = 1 / (1 + e);
    x->mu = e * x->rest;
    x->log_mu = eta - tail;
    x->log_rest = -tail;
    x->a = x->rest;
    x->b = x->mu;
    *r = (link_ratios){-x->mu, x->rest, x->rest - x->mu, -2 * x->mu * x->rest};
}

/* For eta <= 0. Mills' ratio of the far tail is 1 / (t + k) with t = -eta and the continued
 * fraction k = 1/(t + 2/(t + 3/(t + ...))). */
static void normal(double eta, smm_mean *x, link_ratios *r)
{
    double t = -eta, density = exp(-0.5 * t * t) * INVERSE_ROOT_2PI, k = 0;
    if (t < FAR) {
        x->mu = 0.5 * erfc(t * 0.70710678118654752440);
        x->log_mu = log(x->mu);
        x->a = density / x->mu;
        k = x->a - t;
    } else {
        for (int i = TERMS; i > 0; i--) k = i / (t + k);
        x->a = t + k;
        x->log_mu = -0.5 * t * t - LOG_ROOT_2PI - log(x->a);
        x->mu = exp(x->log_mu);
    }
    x->rest = 1 - x->mu;
    x->log_rest = log1p(-x->mu);
    x->b = density / x->rest;
    *r = (link_ratios){-k, t + x->b, t, -1};
}

/* For eta <= 0. */
static void cauchy(double eta, smm_mean *x, link_ratios *r)
{
    double t = 1 + eta * eta, density = INVERSE_PI / t;
    x->mu = eta < -1 ? INVERSE_PI * atan(-1 / eta) : 0.5 + INVERSE_PI * atan(eta);
    x->rest = 1 - x->mu;
    x->log_mu = log(x->mu);
    x->log_rest = log1p(-x->mu);
    x->a = density / x->mu;
    x->b = density / x->rest;
    double c = -2 * eta / t;
    *r = (link_ratios){c - x->a, c + x->b, c, 2 * (eta * eta - 1) / (t * t)};
}

/* 1 - mu = exp(-e) with e = exp(eta). Then c - a = (mu - e) / mu, by Bernoulli's series where
 * e is small. */
static void complementary_log(double eta, smm_mean *x, link_ratios *r)
{
    double e = exp(fmin(eta, 690)), e2 = e * e, ca;
    x->mu = -expm1(-e);
    x->rest = exp(-e);
    x->log_mu = eta < -36 ? eta - 0.5 * e : log(x->mu);
    x->log_rest = eta <= 690 ? -e : -INFINITY;
    x->a = e < 1e-8 ? 1 - 0.5 * e : e > 700 ? 0 : e / expm1(e);
    x->b = e;
    if (e < 0.1) ca = -e * (0.5 + e * (1.0 / 12 - e2 * (1.0 / 720 - e2 * (1.0 / 30240))));
    else ca = 1 - e / x->mu;
    *r = (link_ratios){ca, 1, 1 - e, -e};
}

/* coefficient eta^k, which is 0 for a coefficient of 0. */
static double monomial(double coefficient, double eta, double k)
{
    return coefficient == 0 ? 0 : coefficient * pow(eta, k);
}

/* mu = eta^k. */
static void power_mean(double k, double eta, smm_mean *x, link_ratios *r)
{
    double i = 1 / eta;
    x->mu = k == 1 ? eta : pow(eta, k);
    x->rest = 1 - x->mu;
    x->log_mu = x->mu >= 0 ? k * log(fabs(eta)) : NAN;
    x->log_rest = log1p(-x->mu);
    x->a = k * i;
    double c = (k - 1) * i;
    x->b = x->mu * x->a / x->rest;
    *r = (link_ratios){-i, c + x->b, c, -c * i};
}

static void exponential(double eta, smm_mean *x, link_ratios *r)
{
    x->mu = exp(eta);
    x->rest = -expm1(eta);
    x->log_mu = eta;
    x->log_rest = log(x->rest);
    x->a = 1;
    x->b = x->mu / x->rest;
    *r = (link_ratios){0, 1 / x->rest, 1, 0};
}

void smm_inverse_link(int link, double power, double eta, smm_mean *x)
{
    link_ratios r;
    int turned = link == SMM_LOGLOG ||
                 (eta > 0 && (link == SMM_LOGIT || link == SMM_PROBIT || link == SMM_CAUCHIT));
    double side = turned ? -eta : eta, k = link == SMM_POWER ? 1 / power : 1;
    switch (link) {
    case SMM_LOG:
        exponential(eta, x, &r);
        break;
    case SMM_LOGIT:
        logistic(side, x, &r);
        break;
    case SMM_PROBIT:
        normal(side, x, &r);
        break;
    case SMM_CAUCHIT:
        cauchy(side, x, &r);
        break;
    case SMM_CLOGLOG:
    case SMM_LOGLOG:
        complementary_log(side, x, &r);
        break;
    default:
        power_mean(k, eta, x, &r);
    }
    if (turned) turn_round(x, &r);
    x->a1 = x->a * r.ca;
    x->b1 = x->b * r.cb;
    x->a2 = x->a1 * r.ca + x->a * (r.c1 - x->a1);
    x->b2 = x->b1 * r.cb + x->b * (r.c1 + x->b1);
    /* of the two forms of mu' the one whose factors do not underflow */
    x->d1 = x->mu <= 0.5 || link == SMM_LOG || link == SMM_POWER || link == SMM_IDENTITY
                ? x->mu * x->a
                : x->rest * x->b;
    x->d2 = x->d1 * r.c;
    x->d3 = x->d1 * (r.c * r.c + r.c1);
    x->info = x->d1 * x->a;
    x->info1 = x->d2 * x->a + x->d1 * x->a1;
    if (eta == 0 && (link == SMM_POWER || link == SMM_IDENTITY)) {
        x->d1 = monomial(k, eta, k - 1);
        x->d2 = monomial(k * (k - 1), eta, k - 2);
        x->d3 = monomial(k * (k - 1) * (k - 2), eta, k - 3);
        x->info = monomial(k * k, eta, k - 2);
        x->info1 = monomial(k * k * (k - 2), eta, k - 3);
    }
}
