/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Distributions and links against densities as textbooks print them, in long double, and
 * derivatives against differences; then the far tails, tiny and huge dispersions, means no
 * distribution has, and arguments.
 */
#include <float.h>
#include <string.h>

#include "check.h"
#include "smm.h"

typedef long double real;

#define PI_L 3.141592653589793238462643383279502884L
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Where long double is no longer than double, the densities themselves are not that good. */
static double within(double tolerance)
{
    return LDBL_MANT_DIG > DBL_MANT_DIG ? tolerance : fmax(tolerance, 1e-5);
}

/* One row. */
typedef struct {
    smm_family family;
    double y, m, eta, zeta;
} row;

typedef struct {
    double loglik, l, w, wo, dw, loglik_zeta, l_zeta, w_zeta;
} values;

static values evaluate(row r)
{
    values v;
    memset(&v, 0xff, sizeof v); /* NaN */
    CHECK(smm_family_rows(&r.family, 1, &r.y, &r.m, &r.eta, r.zeta, &v.loglik, &v.l, &v.w, &v.wo,
                          &v.dw, &v.loglik_zeta, &v.l_zeta, &v.w_zeta) == SMM_OK);
    return v;
}

/* mu, and 1 - mu by a formula of its own where the link keeps mu below 1. */
static real mean_of(const smm_family *f, real eta, real *rest)
{
    real mu;
    switch (f->link) {
    case SMM_LOGIT:
        return *rest = 1 / (1 + expl(eta)), 1 / (1 + expl(-eta));
    case SMM_PROBIT:
        return *rest = erfcl(eta / sqrtl(2)) / 2, erfcl(-eta / sqrtl(2)) / 2;
    case SMM_CLOGLOG:
        return *rest = expl(-expl(eta)), -expm1l(-expl(eta));
    case SMM_LOGLOG:
        return *rest = -expm1l(-expl(-eta)), expl(-expl(-eta));
    case SMM_CAUCHIT:
        return *rest = atan2l(1, eta) / PI_L, atan2l(1, -eta) / PI_L;
    case SMM_LOG:
        mu = expl(eta);
        break;
    case SMM_POWER:
        mu = powl(eta, 1 / (real)f->power);
        break;
    default:
        mu = eta;
    }
    *rest = 1 - mu;
    return mu;
}

static real choose(real n, real k)
{
    return lgammal(n + 1) - lgammal(k + 1) - lgammal(n - k + 1);
}

static real times_log(real a, real b) { return a == 0 ? 0 : a * logl(b); }

/* log f(y | eta, zeta). */
static real density(row r, real eta, real zeta)
{
    real rest, mu = mean_of(&r.family, eta, &rest), y = r.y, m = r.m, phi = expl(zeta), k;
    switch (r.family.distribution) {
    case SMM_BINOMIAL:
        return choose(m, m * y) + times_log(m * y, mu) + times_log(m - m * y, rest);
    case SMM_POISSON:
        return m * (times_log(y, mu) - mu - lgammal(y + 1));
    case SMM_GAMMA: /* shape k, scale mu / k */
        k = m / phi;
        return (k - 1) * logl(y) - y * k / mu - k * logl(mu / k) - lgammal(k);
    case SMM_INVERSE_GAUSSIAN: /* shape m / phi */
        k = m / phi;
        return (logl(k / (2 * PI_L * y * y * y)) - k * powl(y - mu, 2) / (mu * mu * y)) / 2;
    case SMM_NEGATIVE_BINOMIAL: /* size k, probability k / (k + mu) */
        k = 1 / phi;
        return m * (lgammal(y + k) - lgammal(k) - lgammal(y + 1) + k * logl(k / (k + mu)) +
                    times_log(y, mu / (k + mu)));
    default:
        return -(logl(2 * PI_L * phi / m) + m * powl(y - mu, 2) / phi) / 2;
    }
}

/* Differences of fourth order. */
static const double STEPS[] = {-2, -1, 1, 2}, FACTORS[] = {1, -8, 8, -1};

static double density_slope(row r, int in_zeta)
{
    const real h = 1e-4L;
    real sum = 0;
    for (int s = 0; s < 4; s++)
        sum += (real)FACTORS[s] * density(r, r.eta + (in_zeta ? 0 : STEPS[s] * h),
                                          r.zeta + (in_zeta ? STEPS[s] * h : 0));
    return (double)(sum / (12 * h));
}

static values slopes(row r, int in_zeta)
{
    const double h = 4e-4;
    values out = {0};
    for (int s = 0; s < 4; s++) {
        row at = r;
        *(in_zeta ? &at.zeta : &at.eta) += STEPS[s] * h;
        values v = evaluate(at);
        out.l += FACTORS[s] * v.l / (12 * h);
        out.w += FACTORS[s] * v.w / (12 * h);
    }
    return out;
}

static void check_row(row r)
{
    values v = evaluate(r);
    int before = check_failures;
    CHECK_NEAR(v.loglik, (double)density(r, r.eta, r.zeta), within(1e-13));
    CHECK_NEAR(v.l, density_slope(r, 0), within(1e-10));
    values by_eta = slopes(r, 0);
    CHECK_NEAR(v.wo, -by_eta.l, 1e-7);
    CHECK_NEAR(v.dw, by_eta.w, 1e-7);
    if (smm_has_dispersion(r.family.distribution)) {
        values by_zeta = slopes(r, 1);
        CHECK_NEAR(v.loglik_zeta, density_slope(r, 1), within(1e-10));
        CHECK_NEAR(v.l_zeta, by_zeta.l, 1e-7);
        CHECK_NEAR(v.w_zeta, by_zeta.w, 1e-7);
    } else CHECK(v.loglik_zeta == 0 && v.l_zeta == 0 && v.w_zeta == 0);
    /* the observed information is linear in y, so the expected one is its value at y = mu */
    row mean = r;
    real rest;
    mean.y = (double)mean_of(&r.family, r.eta, &rest);
    CHECK_NEAR(r.family.observed ? v.wo : v.w, r.family.observed ? v.w : evaluate(mean).wo, 1e-9);
    if (check_failures > before)
        fprintf(stderr, "distribution %d link %d power %g observed %d y %g m %g eta %g zeta %g\n",
                r.family.distribution, r.family.link, r.family.power, r.family.observed, r.y, r.m,
                r.eta, r.zeta);
}

static int keeps_below_one(int link) { return link >= SMM_LOGIT && link <= SMM_CAUCHIT; }

static void test_all_pairs(void)
{
    static const double powers[] = {-2, -1, 0.5, 1.0 / 3};
    static const double counts[] = {0, 1, 4}, positive[] = {0.3, 1, 2.6}, any[] = {-1.2, 0.4, 3};
    for (int distribution = SMM_GAUSSIAN; distribution <= SMM_NEGATIVE_BINOMIAL; distribution++)
        for (int link = SMM_IDENTITY; link <= SMM_POWER; link++)
            for (size_t k = 0; k < (link == SMM_POWER ? COUNT(powers) : 1); k++)
                for (int observed = 0; observed < 2; observed++)
                    for (int i = 0; i < 3; i++) {
                        int binomial = distribution == SMM_BINOMIAL;
                        const double *y = distribution == SMM_GAUSSIAN ? any
                                          : distribution == SMM_GAMMA ||
                                                  distribution == SMM_INVERSE_GAUSSIAN
                                              ? positive
                                              : counts;
                        row r = {{distribution, link, powers[k], observed}, y[i], 1.7, 0, -0.4};
                        if (binomial) r.m = 4, r.y = y[i] / 4;
                        for (double at = 0.1; at < 0.75; at += 0.2) {
                            if (keeps_below_one(link)) r.eta = 4 * (at - 0.5);
                            else if (!binomial) r.eta = link == SMM_LOG ? 3 * at - 1 : 3 * at;
                            else if (link == SMM_LOG) r.eta = log(at);
                            else r.eta = link == SMM_POWER ? pow(at, powers[k]) : at;
                            check_row(r);
                        }
                    }
}

/* Where mu rounds to 0 or 1, as far as log(1 - mu) is a number. */
static void test_tails(void)
{
    static const double reach[] = {[SMM_LOGIT] = 680,
                                   [SMM_PROBIT] = 37,
                                   [SMM_CLOGLOG] = 6.5,
                                   [SMM_LOGLOG] = 6.5,
                                   [SMM_CAUCHIT] = 1e12};
    for (int link = SMM_LOGIT; link <= SMM_CAUCHIT; link++)
        for (int side = -1; side <= 1; side += 2)
            for (double y = 0; y <= 1; y++)
                for (double share = 1; share > 0.05; share *= 0.8) {
                    row r = {{SMM_BINOMIAL, link, 0, 0}, y, 1, side * share * reach[link], 0};
                    values v = evaluate(r);
                    real log_f = density(r, r.eta, 0), h = 1e-5L * fabs(r.eta), rest;
                    CHECK(isfinite(v.wo) && isfinite(v.dw) && v.w > 0);
                    CHECK_NEAR(v.loglik, (double)log_f, within(1e-13));
                    real slope = (density(r, r.eta + h, 0) - density(r, r.eta - h, 0)) / (2 * h);
                    CHECK_NEAR(v.l, (double)slope, within(1e-6));
                    /* w = mu'^2 / (mu (1 - mu)), from l = mu' / mu or -mu' / (1 - mu) */
                    real mu = mean_of(&r.family, r.eta, &rest);
                    real ratio = y == 1 ? mu / rest : rest / mu;
                    CHECK_NEAR(v.w / fabs(v.l) / fabs(v.l), (double)ratio, 1e-8);
                }
}

/* As phi tends to 0 the negative binomial becomes the Poisson distribution, the next term
 * being phi ((y - mu)^2 - y) / 2; as it grows, log f stays what the density says. */
static void test_dispersions(void)
{
    for (double y = 0; y < 300; y = 3 * y + 1)
        for (double zeta = -600; zeta <= 30; zeta += zeta < -20 ? 145.25 : 2.5) {
            row r = {{SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, 0}, y, 1, 1.5, zeta};
            row poisson = {{SMM_POISSON, SMM_LOG, 0, 0}, y, 1, 1.5, 0};
            values v = evaluate(r), limit = evaluate(poisson);
            double phi = exp(zeta), mu = exp(1.5), term = 0.5 * phi * (pow(y - mu, 2) - y);
            if (zeta < -18) {
                CHECK_NEAR(v.loglik, limit.loglik + term, 1e-13);
                CHECK_NEAR(v.l, limit.l, 1e-4);
                CHECK(fabs(v.loglik_zeta - term) <= 1e-12 * (1 + y));
            } else if (zeta > -10) {
                CHECK_NEAR(v.loglik, (double)density(r, r.eta, zeta), within(1e-12));
                CHECK_NEAR(v.loglik_zeta, density_slope(r, 1), within(1e-10));
            }
        }
    /* Stirling: with y = mu, log f = (log(k / 2 pi) - 1 / 6 k) / 2 - log y for k = 1 / phi */
    for (double zeta = -600; zeta < -10; zeta += 9.75) {
        row r = {{SMM_GAMMA, SMM_IDENTITY, 0, 0}, 2.5, 1, 2.5, zeta};
        values v = evaluate(r);
        double phi = exp(zeta);
        CHECK_NEAR(v.loglik, -0.5 * (zeta + log(2 * (double)PI_L)) - phi / 12 - log(2.5), 1e-13);
        CHECK_NEAR(v.loglik_zeta, -0.5 - phi / 12, 1e-13);
    }
    for (double eta = 1e-3; eta < 1e20; eta *= 30) {
        row r = {{SMM_GAMMA, SMM_IDENTITY, 0, 0}, 0.7, 1.3, eta, 0.4};
        CHECK_NEAR(evaluate(r).loglik, (double)density(r, eta, 0.4), within(1e-12));
    }
}

/* Means that the distribution does not have are no likelihood, for any y. */
static void test_range(void)
{
    static const struct {
        int distribution, link;
        double power, y, eta;
    } outside[] = {
        {SMM_BINOMIAL, SMM_LOG, 0, 1, 0.5},
        {SMM_BINOMIAL, SMM_LOG, 0, 0, 0.5},
        {SMM_BINOMIAL, SMM_IDENTITY, 0, 0, -0.5},
        {SMM_BINOMIAL, SMM_IDENTITY, 0, 1, 1.5},
        {SMM_BINOMIAL, SMM_IDENTITY, 0, 1, -0.5},
        {SMM_BINOMIAL, SMM_POWER, 0.5, 1, 2},
        {SMM_POISSON, SMM_IDENTITY, 0, 0, -1},
        {SMM_POISSON, SMM_IDENTITY, 0, 2, -1},
        {SMM_POISSON, SMM_POWER, -1, 0, -1},
        {SMM_GAMMA, SMM_IDENTITY, 0, 1, -1},
        {SMM_GAMMA, SMM_IDENTITY, 0, 1, 0},
        {SMM_GAMMA, SMM_POWER, -1, 1, -1},
        {SMM_GAMMA, SMM_POWER, -1, 1, 0},
        {SMM_INVERSE_GAUSSIAN, SMM_IDENTITY, 0, 1, -1},
        {SMM_INVERSE_GAUSSIAN, SMM_POWER, -1, 1, -1},
        {SMM_INVERSE_GAUSSIAN, SMM_POWER, -2, 1, -1},
        {SMM_INVERSE_GAUSSIAN, SMM_POWER, -2, 1, 0},
        {SMM_GAMMA, SMM_LOG, 0, -1, 0},
        {SMM_NEGATIVE_BINOMIAL, SMM_IDENTITY, 0, 0, -1},
        {SMM_NEGATIVE_BINOMIAL, SMM_IDENTITY, 0, 3, -1},
        {SMM_NEGATIVE_BINOMIAL, SMM_LOG, 0, -1e18, 0},
    };
    for (size_t i = 0; i < COUNT(outside); i++) {
        row r = {{outside[i].distribution, outside[i].link, outside[i].power, 0},
                 outside[i].y,
                 1,
                 outside[i].eta,
                 0};
        double loglik = evaluate(r).loglik;
        if (!CHECK(isnan(loglik) || loglik == -INFINITY)) fprintf(stderr, "case %d\n", (int)i);
    }
    for (int distribution = SMM_GAUSSIAN; distribution <= SMM_NEGATIVE_BINOMIAL; distribution++)
        for (int link = SMM_IDENTITY; link <= SMM_POWER; link++)
            for (double eta = -1e3; eta <= 1e3; eta += 2e3 / 64)
                for (double zeta = -1e3; zeta <= 1e3; zeta += 500) {
                    row r = {{distribution, link, -1, 0}, 1, 1, eta, zeta};
                    CHECK(!(evaluate(r).loglik == INFINITY)); /* never better than anything */
                }
}

/* A row without weight says nothing. */
static void test_no_weight(void)
{
    for (int distribution = SMM_GAUSSIAN; distribution <= SMM_NEGATIVE_BINOMIAL; distribution++) {
        row r = {{distribution, SMM_IDENTITY, 0, 1}, 1, 0, 0.5, 0.3};
        values v = evaluate(r);
        CHECK(v.loglik == 0 && v.l == 0 && v.w == 0 && v.wo == 0 && v.dw == 0);
        CHECK(v.loglik_zeta == 0 && v.l_zeta == 0 && v.w_zeta == 0);
    }
}

static int rows(smm_family f, int64_t n, const double *y, const double *eta, double *loglik)
{
    return smm_family_rows(&f, n, y, NULL, eta, 0, loglik, NULL, NULL, NULL, NULL, NULL, NULL,
                           NULL);
}

static void test_arguments(void)
{
    const double y[] = {0, 1, 1}, eta[] = {0.5, -1, 2};
    double loglik[] = {7, 7, 7};
    const smm_family good = {SMM_BINOMIAL, SMM_LOGIT, 0, 0};
    smm_family bad = good;
    CHECK(rows(good, 2, y, eta, loglik) == SMM_OK);
    CHECK_NEAR(loglik[0], log(1 - 1 / (1 + exp(-0.5))), 1e-14);
    CHECK_NEAR(loglik[1], log(1 / (1 + exp(1))), 1e-14);
    CHECK(loglik[2] == 7);
    CHECK(rows(good, 3, y, eta, NULL) == SMM_OK);
    CHECK(rows(good, 0, y, eta, loglik) == SMM_OK);
    CHECK(rows(good, -1, y, eta, loglik) == SMM_EINVAL);
    CHECK(rows(good, 3, NULL, eta, loglik) == SMM_EINVAL);
    CHECK(rows(good, 3, y, NULL, loglik) == SMM_EINVAL);
    CHECK(smm_family_rows(NULL, 3, y, NULL, eta, 0, loglik, NULL, NULL, NULL, NULL, NULL, NULL,
                          NULL) == SMM_EINVAL);
    for (int value = -1; value <= SMM_NEGATIVE_BINOMIAL + 1; value += SMM_NEGATIVE_BINOMIAL + 2) {
        bad = good, bad.distribution = value;
        CHECK(rows(bad, 3, y, eta, loglik) == SMM_EINVAL);
    }
    for (int value = -1; value <= SMM_POWER + 1; value += SMM_POWER + 2) {
        bad = good, bad.link = value;
        CHECK(rows(bad, 3, y, eta, loglik) == SMM_EINVAL);
    }
    static const double powers[] = {0, NAN, INFINITY};
    for (size_t i = 0; i < COUNT(powers); i++) {
        bad = (smm_family){SMM_GAMMA, SMM_POWER, powers[i], 0};
        CHECK(rows(bad, 3, y, eta, loglik) == SMM_EINVAL);
    }
    bad = good, bad.observed = 2;
    CHECK(rows(bad, 3, y, eta, loglik) == SMM_EINVAL);
    CHECK(!smm_has_dispersion(SMM_BINOMIAL) && !smm_has_dispersion(SMM_POISSON));
    CHECK(smm_has_dispersion(SMM_GAUSSIAN) && smm_has_dispersion(SMM_GAMMA));
    CHECK(smm_has_dispersion(SMM_INVERSE_GAUSSIAN) && smm_has_dispersion(SMM_NEGATIVE_BINOMIAL));
}

int main(void)
{
    test_all_pairs();
    test_tails();
    test_dispersions();
    test_range();
    test_no_weight();
    test_arguments();
    return check_result();
}
