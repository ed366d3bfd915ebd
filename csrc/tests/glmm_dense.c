/* SPDX-License-Identifier: BSD-3-Clause */
#include "glmm_dense.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

static double *doubles(int64_t count)
{
    double *block = calloc(count > 0 ? (size_t)count : 1, sizeof *block);
    if (!block) abort();
    return block;
}

mixed mixed_make(problem m, smm_family family, int weighted, double level, double spread)
{
    mixed x = {m, family, weighted, 0, doubles(m.n), doubles(m.p), -0.7};
    uint64_t state = 1234567;
    for (int32_t v = 0; v < m.p; v++) x.beta[v] = v ? 0.1 * normal(&state) : level;
    for (int32_t i = 0; i < m.ntheta; i++) m.theta[i] *= spread;
    for (int64_t i = 0; i < m.n; i++) {
        double g = normal(&state), trials = weighted ? 1 + floor(4 * uniform(&state)) : 1;
        x.offset[i] = 0.1 * spread * normal(&state) + (m.p ? 0 : level);
        switch (family.distribution) {
        case SMM_BINOMIAL:
            m.weights[i] = trials;
            m.y[i] = floor((trials + 1) * uniform(&state)) / trials;
            break;
        case SMM_POISSON:
        case SMM_NEGATIVE_BINOMIAL:
            m.y[i] = floor(fabs(1.5 + 2 * g));
            break;
        case SMM_GAUSSIAN:
            m.y[i] = level + g;
            break;
        default:
            m.y[i] = exp(0.5 * g);
        }
    }
    return x;
}

void mixed_free(mixed *x)
{
    problem_free(&x->m);
    free(x->offset);
    free(x->beta);
}

smm_glmm *mixed_glmm(const mixed *x, const smm_design *design, int32_t points)
{
    smm_glmm *g;
    double *nodes = doubles(points), *log_weights = doubles(points);
    gauss_hermite(points, nodes, log_weights);
    const double *weights = x->weighted ? x->m.weights : NULL;
    if (smm_glmm_create(design, &x->family, x->m.y, weights, x->offset, &g) ||
        smm_glmm_approximation(g, x->fast, points, nodes, log_weights) ||
        smm_glmm_set_beta(g, x->beta))
        abort();
    free(nodes);
    free(log_weights);
    return g;
}

int32_t mixed_parameters(const mixed *x, double *parameters)
{
    int32_t at = x->m.ntheta;
    memcpy(parameters, x->m.theta, sizeof(double) * (size_t)at);
    for (int32_t v = 0; v < x->m.p && !x->fast; v++) parameters[at++] = x->beta[v];
    if (smm_has_dispersion(x->family.distribution)) parameters[at++] = x->zeta;
    return at;
}

/* Golub and Welsch (1969). */
void gauss_hermite(int32_t points, double *nodes, double *log_weights)
{
    int n = points, lwork = 34 * n, info = 0;
    double *J = doubles((int64_t)n * n), *work = doubles(lwork);
    for (int i = 1; i < n; i++) J[i + (i - 1) * n] = sqrt(i);
    ref_blas().dsyev("V", "L", &n, J, &n, nodes, work, &lwork, &info);
    if (info) abort();
    for (int i = 0; i < n; i++) log_weights[i] = 2 * log(fabs(J[i * n]));
    free(J);
    free(work);
}

static void rows(const mixed *x, const double *eta, int observed, double *loglik, double *l,
                 double *w)
{
    smm_family f = x->family;
    f.observed = observed;
    if (smm_family_rows(&f, x->m.n, x->m.y, x->weighted ? x->m.weights : NULL, eta, x->zeta,
                        loglik, l, w, NULL, NULL, NULL, NULL, NULL))
        abort();
}

/* h(u, beta) with its rows evaluated. */
static double height(const mixed *x, modes *a, double *loglik, double *l, double *w)
{
    const problem *m = &x->m;
    a->loglik = a->usq = 0;
    for (int64_t c = 0; c < a->q; c++) a->usq += a->u[c] * a->u[c];
    for (int64_t i = 0; i < m->n; i++) {
        a->eta[i] = x->offset[i];
        for (int32_t v = 0; v < m->p; v++) a->eta[i] += m->X[i * m->p + v] * a->beta[v];
        for (int64_t c = 0; c < a->q; c++) a->eta[i] += a->zl[i + c * m->n] * a->u[c];
    }
    rows(x, a->eta, 0, loglik, l, w);
    for (int64_t i = 0; i < m->n; i++) a->loglik += loglik[i];
    return a->loglik - 0.5 * a->usq;
}

/* Fisher scoring over (u, and beta when it is profiled out), steps halved until h rises. */
modes dense_modes(const mixed *x)
{
    const problem *m = &x->m;
    int64_t n = m->n, q = m->q, size = q + (x->fast ? m->p : 0);
    double *Z = dense_z(m), *lambda = dense_lambda(m, m->theta);
    modes a = {
        n, q, doubles(q), doubles(m->p), doubles(n), doubles(n * q), doubles(n), doubles(q * q),
        0, 0, 0};
    memcpy(a.beta, x->beta, sizeof(double) * (size_t)m->p);
    for (int64_t c = 0; c < q; c++)
        for (int64_t e = c; e < q; e++)
            for (int64_t i = 0; i < n; i++) a.zl[i + c * n] += Z[i + e * n] * lambda[e + c * q];
    double *M = doubles(n * size), *K = doubles(size * size), *inverse = doubles(size * size);
    double *g = doubles(size), *step = doubles(size), *loglik = doubles(n), *l = doubles(n);
    memcpy(M, a.zl, sizeof(double) * (size_t)(n * q));
    for (int64_t v = 0; v < size - q; v++)
        for (int64_t i = 0; i < n; i++) M[i + (q + v) * n] = m->X[i * m->p + v];
    double h = height(x, &a, loglik, l, a.weights), largest = 1;
    for (int iteration = 0; iteration < 3000 && largest > 1e-13; iteration++) {
        largest = 0;
        for (int64_t c = 0; c < size; c++) {
            g[c] = c < q ? -a.u[c] : 0;
            for (int64_t i = 0; i < n; i++) g[c] += M[i + c * n] * l[i];
            for (int64_t e = 0; e < size; e++) {
                K[e + c * size] = e == c && c < q;
                for (int64_t i = 0; i < n; i++)
                    K[e + c * size] += M[i + e * n] * a.weights[i] * M[i + c * n];
            }
            largest = fmax(largest, fabs(g[c]));
        }
        dense_inverse(size, K, inverse);
        double factor = 2, now;
        for (int64_t c = 0; c < size; c++) {
            step[c] = 0;
            for (int64_t e = 0; e < size; e++) step[c] += inverse[c + e * size] * g[e];
        }
        double done = 0; /* of the step */
        do {
            factor *= 0.5;
            for (int64_t c = 0; c < size; c++)
                *(c < q ? a.u + c : a.beta + c - q) += (factor - done) * step[c];
            done = factor;
            now = height(x, &a, loglik, l, a.weights);
        } while (!(now >= h - 1e-13 * (1 + fabs(h))) && factor > 1e-8);
        h = now;
    }
    if (x->family.observed) rows(x, a.eta, 1, loglik, l, a.weights);
    double *omega = doubles(q * q);
    for (int64_t c = 0; c < q; c++)
        for (int64_t e = 0; e < q; e++) {
            omega[e + c * q] = e == c;
            for (int64_t i = 0; i < n; i++)
                omega[e + c * q] += a.zl[i + e * n] * a.weights[i] * a.zl[i + c * n];
        }
    a.logdet = dense_inverse(q, omega, a.omega_inverse);
    double *all[] = {Z, lambda, M, K, inverse, g, step, loglik, l, omega};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return a;
}

void modes_free(modes *a)
{
    double *all[] = {a->u, a->beta, a->eta, a->zl, a->weights, a->omega_inverse};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

double dense_laplace(const mixed *x)
{
    modes a = dense_modes(x);
    double value = -2 * a.loglik + a.usq + a.logdet;
    modes_free(&a);
    return value;
}

/* Adds to h (levels) the height of every level's integrand, all of them moved by `move` (k)
 * from the modes, each by its own matrix (k x k, column-major) when `by` is not NULL. */
static void heights(const mixed *x, const modes *a, const double *by, const double *move,
                    double *h)
{
    const problem *m = &x->m;
    int32_t k = m->term[0].cols;
    double *delta = doubles(a->q), *eta = doubles(m->n), *loglik = doubles(m->n);
    for (int32_t j = 0; j < m->term[0].levels; j++) {
        h[j] = 0;
        for (int32_t r = 0; r < k; r++) {
            double *d = delta + j * k + r;
            for (int32_t c = 0; c < k; c++)
                *d += (by ? by[(j * k + c) * k + r] : r == c) * move[c];
            h[j] -= 0.5 * pow(a->u[j * k + r] + *d, 2);
        }
    }
    for (int64_t i = 0; i < m->n; i++) {
        eta[i] = a->eta[i];
        for (int32_t c = 0; c < k; c++) {
            int64_t at = (int64_t)m->term[0].refs[i] * k + c;
            eta[i] += a->zl[i + at * m->n] * delta[at];
        }
    }
    rows(x, eta, 0, loglik, NULL, NULL);
    for (int64_t i = 0; i < m->n; i++)
        h[m->term[0].refs[i]] += isnan(loglik[i]) ? -INFINITY : loglik[i];
    free(delta);
    free(eta);
    free(loglik);
}

double dense_quadrature(const mixed *x, int32_t points)
{
    int32_t k = x->m.term[0].cols, levels = x->m.term[0].levels;
    modes a = dense_modes(x);
    double *nodes = doubles(points), *log_weights = doubles(points), *by = doubles(a.q * k);
    double *h = doubles(levels), *sum = doubles(levels), *top = doubles(levels), move[2];
    gauss_hermite(points, nodes, log_weights);
    /* L'^-1 for Omega_jj = L L': the factor with C C' = Omega_jj^-1 and C upper triangular */
    for (int32_t j = 0; j < levels; j++) {
        const double *S = a.omega_inverse + j * k * (a.q + 1);
        double *C = by + j * k * k;
        if (k == 1) C[0] = sqrt(S[0]);
        else {
            C[3] = sqrt(S[a.q + 1]);
            C[2] = S[1] / C[3];
            C[0] = sqrt(S[0] - C[2] * C[2]);
        }
    }
    for (int32_t node = 0; node < (k == 1 ? points : points * points); node++) {
        double log_weight = 0;
        for (int32_t c = 0, rest = node; c < k; c++, rest /= points) {
            move[c] = nodes[rest % points];
            log_weight += log_weights[rest % points] + 0.5 * move[c] * move[c];
        }
        heights(x, &a, by, move, h);
        for (int32_t j = 0; j < levels; j++) {
            if (node == 0) top[j] = h[j];
            sum[j] += exp(h[j] - top[j] + log_weight);
        }
    }
    double value = a.logdet;
    for (int32_t j = 0; j < levels; j++) value -= 2 * (top[j] + log(sum[j]));
    double *all[] = {nodes, log_weights, by, h, sum, top};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    modes_free(&a);
    return value;
}

double dense_integral(const mixed *x)
{
    const double reach = 7, step = 0.1;
    int32_t k = x->m.term[0].cols, levels = x->m.term[0].levels;
    modes a = dense_modes(x);
    double *top = doubles(levels), *h = doubles(levels), *sum = doubles(levels), move[] = {0, 0};
    heights(x, &a, NULL, move, top);
    for (move[0] = -reach; move[0] <= reach; move[0] += step)
        for (move[1] = k == 1 ? 0 : -reach; move[1] <= reach;
             move[1] += k == 1 ? INFINITY : step) {
            heights(x, &a, NULL, move, h);
            for (int32_t j = 0; j < levels; j++) sum[j] += exp(h[j] - top[j]);
        }
    double value = 0;
    for (int32_t j = 0; j < levels; j++)
        value -= 2 * (top[j] + log(sum[j]) + k * log(step / sqrt(2 * PI)));
    free(top);
    free(h);
    free(sum);
    modes_free(&a);
    return value;
}
