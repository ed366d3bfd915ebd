/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Residual variances that are a tiny share of the variance: a balanced one-way layout, twice
 * nested, by its closed form, where doubles have no digits left; and memory for that which is
 * not to be had.
 */
#include "check.h"
#include "purse.h"

#define OUTER 4
#define INNER 12
#define ROWS 48
#define LOG_2PI 1.8378770664093454836

static int32_t outer[ROWS], inner[ROWS];
static double y[ROWS], x[ROWS], z[ROWS];
static const uint8_t pattern = 1;

/* y = level + share * noise: within each level of `inner` the noise adds up to zero exactly. */
static void make(double share)
{
    uint64_t state = 5;
    for (int i = 0; i < ROWS; i++) {
        inner[i] = i / 4;
        outer[i] = i / 12;
        z[i] = x[i] = 1;
        if (i % 4 == 0) {
            double level = ldexp(floor(ldexp(normal(&state), 10)), -10);
            for (int k = 0; k < 4; k++) y[i + k] = level + (k % 2 ? -1 : 1) * share * (1 + k / 2);
        }
    }
}

/* y'V^-1 y splits into rows within levels of `inner`, these within `outer`, and `outer`; so do
 * log|V| and 1'V^-1 1. */
static double wanted(double share, double theta_inner, double theta_outer, int reml)
{
    double within = INNER * 10 * share * share, middle = 0, between = 0, mean[OUTER], grand = 0;
    for (int g = 0; g < OUTER; g++) {
        mean[g] = (y[12 * g] + y[12 * g + 4] + y[12 * g + 8]) / 3 - share;
        grand += mean[g] / OUTER;
        for (int l = 0; l < 3; l++) {
            double off = y[12 * g + 4 * l] - share - mean[g];
            middle += 4 * off * off;
        }
    }
    for (int g = 0; g < OUTER; g++) between += 12 * (mean[g] - grand) * (mean[g] - grand);
    double a = 1 + 4 * theta_inner * theta_inner, b = a + 12 * theta_outer * theta_outer;
    double n = reml ? ROWS - 1 : ROWS, r2 = within + middle / a + between / b;
    double value = (INNER - OUTER) * log(a) + OUTER * log(b) + n * (1 + LOG_2PI + log(r2 / n));
    return reml ? value + log(ROWS / b) : value;
}

static smm_design *design(purse *p)
{
    smm_blas blas = ref_blas();
    smm_allocator mem = {purse_alloc, purse_release, p};
    smm_term terms[] = {{INNER, 1, inner, z, &pattern, NULL, 0},
                        {OUTER, 1, outer, z, &pattern, NULL, 0}};
    smm_design *d;
    CHECK(smm_design_create(&blas, &mem, ROWS, 2, terms, 1, x, &d) == SMM_OK);
    return d;
}

/* With twice the digits gradients have those of doubles. That in the outer T where the inner one is
 * zero has a closed form in numbers that are exact: with a = 1 + 12 theta^2, means of OUTER levels
 * and S = sum over levels of 12 (mean - grand mean)^2, r2 = total within + S / a. */
static void check_all_digits(smm_workspace *ws, const double *theta, int reml)
{
    double mean[OUTER] = {0}, grand = 0, within = 0, S = 0, gradient[2], value;
    for (int i = 0; i < ROWS; i++) mean[outer[i]] += y[i] / 12;
    for (int g = 0; g < OUTER; g++) grand += mean[g] / OUTER;
    for (int i = 0; i < ROWS; i++) within += pow(y[i] - mean[outer[i]], 2);
    for (int g = 0; g < OUTER; g++) S += 12 * pow(mean[g] - grand, 2);
    double at[] = {0, theta[1]}, a = 1 + 12 * at[1] * at[1], n = reml ? ROWS - 1 : ROWS;
    double slope = 24 * at[1] / a;
    double wanted_slope = slope * (OUTER - reml - n * S / (a * within + S));
    CHECK(smm_set_precision(ws, 1) == SMM_OK);
    CHECK(smm_value(ws, at, &value) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_set_precision(ws, 0) == SMM_OK);
    CHECK(gradient[0] == 0);
    CHECK_NEAR(gradient[1] * at[1], wanted_slope * at[1], 1e-12);
}

static void check_share(double share)
{
    purse p = {INT64_MAX, 0, 0};
    make(share);
    smm_design *d = design(&p);
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, y, NULL) == SMM_OK);
    for (int reml = 0; reml < 2; reml++) {
        double theta[] = {.8 / share, .5 / share}, gradient[2], hessian[4], value, f;
        CHECK(smm_set_criterion(ws, reml, 0) == SMM_OK);
        CHECK(smm_value(ws, theta, &value) == SMM_OK);
        CHECK_NEAR(value, wanted(share, theta[0], theta[1], reml), 1e-9);
        CHECK(smm_gradient(ws, gradient) == SMM_OK);
        CHECK(smm_curvature(ws, hessian) == SMM_OK);
        for (int i = 0; i < 2; i++) {
            const double h = 1e-3, steps[] = {1 - 2 * h, 1 - h, 1 + h, 1 + 2 * h};
            const double factors[] = {1, -8, 8, -1};
            double slope = 0, at[2] = {theta[0], theta[1]};
            for (int s = 0; s < 4; s++) {
                at[i] = theta[i] * steps[s];
                f = wanted(share, at[0], at[1], reml);
                slope += factors[s] * f / (12 * h);
            }
            CHECK_NEAR(gradient[i] * theta[i], slope, 1e-7);
            CHECK(hessian[i + 2 * i] * theta[i] * theta[i] > 1);
        }
        check_all_digits(ws, theta, reml);
    }
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    CHECK(p.live == 0);
}

/* With twice the digits everywhere there is nothing else where doubles do: one T is large, or both,
 * or one is nearly zero beside it. */
static void check_always(void)
{
    purse p = {INT64_MAX, 0, 0};
    const double share = ldexp(1, -4), at[][2] = {{8, 3}, {8, .2}, {.2, 8}, {8, 1e-7}, {1e-7, 8}};
    make(share);
    smm_design *d = design(&p);
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, y, NULL) == SMM_OK);
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        for (int reml = 0; reml < 2; reml++) {
            double value[2], gradient[2][2], hessian[2][4];
            CHECK(smm_set_criterion(ws, reml, 0) == SMM_OK);
            for (int always = 0; always < 2; always++) {
                CHECK(smm_set_precision(ws, always) == SMM_OK);
                CHECK(smm_value(ws, at[i], &value[always]) == SMM_OK);
                CHECK(smm_gradient(ws, gradient[always]) == SMM_OK);
                CHECK(smm_curvature(ws, hessian[always]) == SMM_OK);
            }
            CHECK_NEAR(value[1], value[0], 1e-10);
            for (int e = 0; e < 2; e++) CHECK_NEAR(gradient[1][e], gradient[0][e], 1e-8);
            for (int e = 0; e < 4; e++) CHECK_NEAR(hessian[1][e], hessian[0][e], 1e-7);
        }
    CHECK(smm_set_precision(NULL, 1) == SMM_EINVAL);
    CHECK(smm_set_precision(ws, 2) == SMM_EINVAL);
    CHECK(smm_set_precision(ws, 1) == SMM_OK);
    double none[2];
    CHECK(smm_gradient(ws, none) == SMM_ESTATE);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    CHECK(p.live == 0);
}

/* The k-th allocation of an evaluation fails: it says so, and goes on when there is memory. */
static void check_memory(void)
{
    purse p = {INT64_MAX, 0, 0};
    const double share = ldexp(1, -24), theta[] = {.8 / share, .5 / share};
    make(share);
    smm_design *d = design(&p);
    smm_workspace *ws;
    CHECK(smm_workspace_create(d, &ws) == SMM_OK);
    CHECK(smm_crossprod(ws, y, NULL) == SMM_OK);
    int64_t live = p.live;
    for (int64_t k = 0; k < 2; k++) {
        double value;
        p.countdown = k;
        CHECK(smm_value(ws, theta, &value) == SMM_ENOMEM);
        CHECK(isnan(value));
        CHECK(p.live == live);
    }
    double value;
    p.countdown = 2;
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    CHECK(smm_value(ws, theta, &value) == SMM_OK);
    CHECK(smm_set_precision(ws, 1) == SMM_OK);
    live = p.live;
    double gradient[2];
    for (int64_t k = 0; k < 2; k++) {
        CHECK(smm_value(ws, theta, &value) == SMM_OK);
        p.countdown = k;
        CHECK(smm_gradient(ws, gradient) == SMM_ENOMEM);
        CHECK(isnan(gradient[0]) && isnan(gradient[1]));
        CHECK(p.live == live);
    }
    p.countdown = 2;
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    CHECK(smm_gradient(ws, gradient) == SMM_OK);
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    CHECK(p.live == 0);
}

int main(void)
{
    for (int bits = 8; bits <= 40; bits += 8) check_share(ldexp(1, -bits));
    check_always();
    check_memory();
    return check_result();
}
