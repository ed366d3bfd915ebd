/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Related levels. A multiple of the identity is another unit of T; the gradient is that of the
 * value, of linear models and of generalized ones; what is no lower triangle, or not positive
 * definite, is refused. The other tests of values, against dense matrices, are in Python.
 */
#include "glmm_dense.h"
#include "purse.h"

#include <math.h>
#include <string.h>

#define LEVELS 8

static const int32_t levels[] = {LEVELS, 5}, cols[] = {2, 1};

/* Tridiagonal: 2 on the diagonal, `beside` next to it; zero leaves a diagonal. */
typedef struct {
    int64_t at[LEVELS + 1];
    int32_t row[2 * LEVELS];
    double value[2 * LEVELS];
    smm_lower lower;
} band;

static void make(band *b, int32_t size, double beside)
{
    int64_t at = 0;
    for (int32_t l = 0; l < size; l++) {
        b->at[l] = at;
        b->row[at] = l;
        b->value[at++] = 2;
        if (l + 1 < size && beside != 0) {
            b->row[at] = l + 1;
            b->value[at++] = beside;
        }
    }
    b->at[size] = at;
    b->lower = (smm_lower){b->at, b->row, b->value, NULL};
}

static problem model(void) { return problem_make(3, RANDOM, 60, 2, 2, levels, cols); }

static void test_units(void)
{
    problem m = model();
    band b;
    make(&b, LEVELS, 0);
    smm_design *plain = problem_design(&m);
    m.term[0].prior = &b.lower;
    smm_design *scaled = problem_design(&m);
    for (int reml = 0; reml < 2; reml++) {
        smm_workspace *one = problem_workspace(plain, &m, m.weights, reml, 0);
        smm_workspace *two = problem_workspace(scaled, &m, m.weights, reml, 0);
        double theta[4], here, there;
        for (int i = 0; i < 4; i++) theta[i] = m.theta[i] * (i < 3 ? sqrt(2) : 1);
        CHECK(smm_value(one, m.theta, &here) == SMM_OK);
        CHECK(smm_value(two, theta, &there) == SMM_OK);
        CHECK(fabs(here - there) < 1e-10 * fabs(here));
        smm_workspace_destroy(one);
        smm_workspace_destroy(two);
    }
    smm_design_destroy(plain);
    smm_design_destroy(scaled);
    problem_free(&m);
}

/* Central differences of the value, of either term's prior. */
static void test_gradient(int32_t t)
{
    problem m = model();
    band b;
    make(&b, levels[t], -0.6);
    m.term[t].prior = &b.lower;
    smm_design *design = problem_design(&m);
    for (int reml = 0; reml < 2; reml++) {
        smm_workspace *ws = problem_workspace(design, &m, m.weights, reml, 0);
        double gradient[4], hessian[16], value, up, down, h = 1e-5;
        CHECK(smm_value(ws, m.theta, &value) == SMM_OK);
        CHECK(smm_gradient(ws, gradient) == SMM_OK);
        CHECK(smm_curvature(ws, hessian) == SMM_OK);
        for (int i = 0; i < 4; i++) {
            double theta[4];
            memcpy(theta, m.theta, sizeof theta);
            theta[i] += h;
            CHECK(smm_value(ws, theta, &up) == SMM_OK);
            theta[i] -= 2 * h;
            CHECK(smm_value(ws, theta, &down) == SMM_OK);
            CHECK(fabs(gradient[i] - (up - down) / (2 * h)) < 1e-6 * (1 + fabs(gradient[i])));
        }
        smm_workspace_destroy(ws);
    }
    smm_design_destroy(design);
    problem_free(&m);
}

/* log|Q| of a band by the recursion of its leading determinants,
 * |Q_l| = 2 |Q_{l-1}| - b^2 |Q_{l-2}|. */
static double log_determinant(int32_t size, double beside)
{
    double last = 2, before = 1;
    for (int32_t l = 1; l < size; l++) {
        double next = 2 * last - beside * beside * before;
        before = last;
        last = next;
    }
    return log(last);
}

/* A determinant that is given is not computed: the value is that of the factorization, and follows
 * another determinant. */
static void test_known_determinant(void)
{
    problem m = model();
    band b;
    make(&b, LEVELS, -0.6);
    m.term[0].prior = &b.lower;
    smm_design *found = problem_design(&m);
    double logdet = log_determinant(LEVELS, -0.6), other = logdet + 1, here, there;
    b.lower.logdet = &logdet;
    smm_design *known = problem_design(&m);
    b.lower.logdet = &other;
    smm_design *wrong = problem_design(&m);
    smm_workspace *one = problem_workspace(found, &m, m.weights, 0, 0);
    smm_workspace *two = problem_workspace(known, &m, m.weights, 0, 0);
    smm_workspace *three = problem_workspace(wrong, &m, m.weights, 0, 0);
    double scale[4], same[4];
    CHECK(smm_theta_scale(one, scale) == SMM_OK);
    CHECK(smm_theta_scale(two, same) == SMM_OK);
    for (int i = 0; i < 4; i++) CHECK_NEAR(scale[i], same[i], 1e-13 * scale[i]);
    CHECK(smm_value(one, m.theta, &here) == SMM_OK);
    CHECK(smm_value(two, m.theta, &there) == SMM_OK);
    CHECK_NEAR(here, there, 1e-12 * fabs(here));
    CHECK(smm_value(three, m.theta, &there) == SMM_OK);
    CHECK_NEAR(here - cols[0], there, 1e-12 * fabs(here));
    smm_workspace_destroy(one);
    smm_workspace_destroy(two);
    smm_workspace_destroy(three);
    smm_design_destroy(found);
    smm_design_destroy(known);
    smm_design_destroy(wrong);
    problem_free(&m);
}

/* Counts, with profiled coefficients too; and a multiple of the identity is another unit of T. */
static void test_generalized(void)
{
    const smm_family family = {SMM_POISSON, SMM_LOG, 0, 0};
    band b, unit;
    make(&b, LEVELS, -0.6);
    make(&unit, LEVELS, 0);
    for (int fast = 0; fast < 2; fast++) {
        mixed x = mixed_make(model(), family, 0, 0.4, 0.6);
        x.fast = fast;
        smm_design *plain = problem_design(&x.m);
        x.m.term[0].prior = &unit.lower;
        smm_design *scaled = problem_design(&x.m);
        x.m.term[0].prior = &b.lower;
        double logdet = log_determinant(LEVELS, -0.6);
        if (fast) b.lower.logdet = &logdet;
        smm_design *related = problem_design(&x.m);
        smm_glmm *one = mixed_glmm(&x, plain, 1), *two = mixed_glmm(&x, scaled, 1),
                 *g = mixed_glmm(&x, related, 1);
        double at[8], gradient[8], hessian[64], here, there, up, down, h = 1e-5;
        int32_t np = mixed_parameters(&x, at);
        CHECK(smm_glmm_value(one, at, &here) == SMM_OK);
        for (int i = 0; i < 3; i++) at[i] *= sqrt(2);
        CHECK(smm_glmm_value(two, at, &there) == SMM_OK);
        CHECK_NEAR(here, there, 1e-10 * fabs(here));
        CHECK(smm_glmm_value(g, at, &here) == SMM_OK);
        CHECK(fabs(here - there) > 1e-3);
        CHECK(smm_glmm_gradient(g, gradient) == SMM_OK);
        CHECK(smm_glmm_curvature(g, hessian) == SMM_OK);
        for (int32_t i = 0; i < np; i++) {
            double old = at[i];
            at[i] = old + h;
            CHECK(smm_glmm_value(g, at, &up) == SMM_OK);
            at[i] = old - h;
            CHECK(smm_glmm_value(g, at, &down) == SMM_OK);
            at[i] = old;
            CHECK_NEAR(gradient[i], (up - down) / (2 * h), 1e-6 * (1 + fabs(gradient[i])));
        }
        smm_glmm_destroy(one);
        smm_glmm_destroy(two);
        smm_glmm_destroy(g);
        smm_design_destroy(plain);
        smm_design_destroy(scaled);
        smm_design_destroy(related);
        mixed_free(&x);
    }
}

static void test_quadrature_is_refused(void)
{
    int32_t one[] = {1};
    problem m = problem_make(3, RANDOM, 60, 2, 1, levels, one);
    band b;
    make(&b, LEVELS, -0.6);
    m.term[0].prior = &b.lower;
    smm_design *design = problem_design(&m);
    const smm_family family = {SMM_POISSON, SMM_LOG, 0, 0};
    smm_glmm *g = NULL;
    double nodes[] = {-1, 0, 1}, weights[] = {-1.5, -0.7, -1.5};
    CHECK(smm_glmm_create(design, &family, m.y, NULL, NULL, &g) == SMM_OK);
    CHECK(smm_glmm_approximation(g, 0, 3, nodes, weights) == SMM_EINVAL);
    CHECK(smm_glmm_approximation(g, 0, 1, NULL, NULL) == SMM_OK);
    smm_glmm_destroy(g);
    smm_design_destroy(design);
    problem_free(&m);
}

static void test_refused(void)
{
    problem m = model();
    band b;
    smm_blas blas = ref_blas();
    smm_design *design = NULL;
    m.term[0].prior = &b.lower;
    for (int which = 0; which < 5; which++) {
        make(&b, LEVELS, -0.6);
        if (which == 0) b.row[0] = 1;         /* no diagonal element */
        if (which == 1) b.row[1] = LEVELS;    /* no such level */
        if (which == 2) b.value[1] = NAN;     /* no number */
        if (which == 3) b.at[1] = b.at[0];    /* an empty column */
        if (which == 4) b.lower.value = NULL; /* no values */
        CHECK(smm_design_create(&blas, NULL, m.n, 2, m.term, m.p, m.X, &design) == SMM_EINVAL);
        CHECK(design == NULL);
    }
    make(&b, LEVELS, -3);
    design = problem_design(&m);
    smm_workspace *ws = (smm_workspace *)&m;
    CHECK(smm_workspace_create(design, &ws) == SMM_ENOTPD);
    CHECK(ws == NULL);
    smm_design_destroy(design);
    problem_free(&m);
}

/* Every allocation of a design may fail. */
static void test_memory(void)
{
    problem m = model();
    band b;
    make(&b, LEVELS, -0.6);
    m.term[0].prior = &b.lower;
    smm_design *design;
    purse plenty = {INT64_MAX, 0, 0};
    CHECK(purse_design(&m, &plenty, &design) == SMM_OK);
    smm_design_destroy(design);
    CHECK(plenty.live == 0);
    for (int64_t k = 0; k < plenty.allocated; k++) {
        purse p = {k, 0, 0};
        CHECK(purse_design(&m, &p, &design) == SMM_ENOMEM);
        CHECK(design == NULL && p.live == 0);
    }
    problem_free(&m);
}

int main(void)
{
    test_units();
    test_known_determinant();
    test_gradient(0);
    test_gradient(1);
    test_generalized();
    test_quadrature_is_refused();
    test_refused();
    test_memory();
    return check_result();
}
