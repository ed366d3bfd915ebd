/* SPDX-License-Identifier: BSD-3-Clause */
#include "problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PI 3.14159265358979323846

static void *take(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) abort();
    return block;
}

static double *doubles(int64_t count) { return take((size_t)count, sizeof(double)); }

/* xorshift64*, as in Vigna (2016). */
double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

double normal(uint64_t *state)
{
    double radius = sqrt(-2 * log(1 - uniform(state)));
    return radius * cos(2 * PI * uniform(state));
}

static int32_t level_of(enum layout layout, int64_t i, int64_t n, int32_t t,
                        const int32_t *levels, uint64_t *state)
{
    int64_t block = 1;
    switch (layout) {
    case NESTED:
        return (int32_t)(i * levels[t] / n);
    case COMPLETE:
        for (int32_t s = 0; s < t; s++) block *= levels[s];
        return (int32_t)(i / block % levels[t]);
    default:
        return (int32_t)(uniform(state) * levels[t]);
    }
}

problem problem_make(uint64_t seed, enum layout layout, int64_t n, int32_t p, int32_t nterms,
                     const int32_t *levels, const int32_t *cols)
{
    problem m = {.n = n, .p = p, .nterms = nterms};
    uint64_t state = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    for (int32_t t = 0; t < nterms; t++) {
        int32_t k = cols[t];
        int32_t *refs = take((size_t)n, sizeof *refs);
        double *z = doubles(n * k);
        uint8_t *pattern = take((size_t)k * (size_t)k, 1);
        for (int64_t i = 0; i < n; i++) {
            refs[i] = level_of(layout, i, n, t, levels, &state);
            for (int32_t c = 0; c < k; c++) z[i * k + c] = c ? normal(&state) : 1;
        }
        for (int32_t r = 0; r < k; r++)
            for (int32_t c = 0; c <= r; c++) pattern[r * k + c] = 1;
        m.term[t] = (smm_term){levels[t], k, refs, z, pattern, NULL, 0};
        m.q += (int64_t)levels[t] * k;
        m.ntheta += k * (k + 1) / 2;
    }
    m.X = doubles(n * p);
    m.y = doubles(n);
    m.weights = doubles(n);
    m.theta = doubles(m.ntheta);
    for (int64_t i = 0; i < n; i++) {
        for (int32_t v = 0; v < p; v++) m.X[i * p + v] = v ? normal(&state) : 1;
        m.y[i] = 1 + normal(&state);
        for (int32_t t = 0; t < nterms; t++) m.y[i] += 0.5 * (m.term[t].refs[i] % 5);
        m.weights[i] = 0.5 + uniform(&state);
    }
    int32_t at = 0;
    for (int32_t t = 0; t < nterms; t++)
        for (int32_t c = 0; c < cols[t]; c++)
            for (int32_t r = c; r < cols[t]; r++)
                m.theta[at++] = r == c ? 0.4 + uniform(&state) : 0.3 * normal(&state);
    return m;
}

void problem_uncorrelate(problem *m)
{
    int32_t to = 0, from = 0;
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        uint8_t *pattern = (uint8_t *)m->term[t].pattern;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = c; r < k; r++, from++) {
                pattern[r * k + c] = r == c;
                if (r == c) m->theta[to++] = m->theta[from];
            }
    }
    m->ntheta = to;
}

void problem_free(problem *m)
{
    for (int32_t t = 0; t < m->nterms; t++) {
        free((void *)m->term[t].refs);
        free((void *)m->term[t].z);
        free((void *)m->term[t].pattern);
    }
    free(m->X);
    free(m->y);
    free(m->weights);
    free(m->theta);
}

/* Memory full of what is no number and no index: nobody may count on zeros. */
static void *used_memory(void *ctx, size_t bytes)
{
    (void)ctx;
    void *block = malloc(bytes);
    if (block) memset(block, 0xff, bytes);
    return block;
}

static void release(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

smm_design *problem_design(const problem *m)
{
    smm_blas blas = ref_blas();
    smm_allocator mem = {used_memory, release, NULL};
    smm_design *design;
    if (smm_design_create(&blas, &mem, m->n, m->nterms, m->term, m->p, m->p ? m->X : NULL,
                          &design))
        abort();
    return design;
}

smm_workspace *problem_workspace(const smm_design *design, const problem *m,
                                 const double *weights, int reml, double sigma)
{
    smm_workspace *ws;
    if (smm_workspace_create(design, &ws) || smm_crossprod(ws, m->y, weights) ||
        smm_set_criterion(ws, reml, sigma))
        abort();
    return ws;
}

double *dense_lambda(const problem *m, const double *theta)
{
    double *lambda = doubles(m->q * m->q);
    int64_t start = 0;
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = c; r < k; r++) {
                if (!m->term[t].pattern[r * k + c]) continue;
                for (int32_t l = 0; l < m->term[t].levels; l++) {
                    int64_t row = start + (int64_t)l * k + r, col = start + (int64_t)l * k + c;
                    lambda[row + col * m->q] = *theta;
                }
                theta++;
            }
        start += (int64_t)k * m->term[t].levels;
    }
    return lambda;
}

double *dense_z(const problem *m)
{
    double *Z = doubles(m->n * m->q);
    int64_t start = 0;
    for (int32_t t = 0; t < m->nterms; t++) {
        int32_t k = m->term[t].cols;
        for (int64_t i = 0; i < m->n; i++)
            for (int32_t c = 0; c < k; c++)
                Z[i + (start + (int64_t)m->term[t].refs[i] * k + c) * m->n] =
                    m->term[t].z[i * k + c];
        start += (int64_t)k * m->term[t].levels;
    }
    return Z;
}

/* W^(1/2) Z Lambda, n x q. */
static double *dense_zl(const problem *m, const double *theta, const double *weights)
{
    double *Z = dense_z(m), *lambda = dense_lambda(m, theta), *out = doubles(m->n * m->q);
    for (int64_t c = 0; c < m->q; c++)
        for (int64_t e = c; e < m->q; e++)
            if (lambda[e + c * m->q] != 0)
                for (int64_t i = 0; i < m->n; i++)
                    out[i + c * m->n] += sqrt(weights ? weights[i] : 1) * Z[i + e * m->n] *
                                         lambda[e + c * m->q];
    free(Z);
    free(lambda);
    return out;
}

double *dense_omega(const problem *m, const double *theta, const double *weights)
{
    double *ZL = dense_zl(m, theta, weights), *omega = doubles(m->q * m->q);
    for (int64_t r = 0; r < m->q; r++)
        for (int64_t c = 0; c < m->q; c++) {
            double sum = r == c;
            for (int64_t i = 0; i < m->n; i++) sum += ZL[i + r * m->n] * ZL[i + c * m->n];
            omega[r + c * m->q] = sum;
        }
    free(ZL);
    return omega;
}

/* Gauss-Jordan without pivoting, which positive definite matrices do not need. */
double dense_inverse(int64_t n, const double *a, double *inverse)
{
    double logdet = 0;
    memcpy(inverse, a, sizeof(double) * (size_t)(n * n));
    for (int64_t j = 0; j < n; j++) {
        double pivot = inverse[j + j * n];
        logdet += log(pivot);
        inverse[j + j * n] = 1;
        for (int64_t c = 0; c < n; c++) inverse[j + c * n] /= pivot;
        for (int64_t r = 0; r < n; r++) {
            double f = inverse[r + j * n];
            if (r == j || f == 0) continue;
            inverse[r + j * n] = 0;
            for (int64_t c = 0; c < n; c++) inverse[r + c * n] -= f * inverse[j + c * n];
        }
    }
    return logdet;
}

double dense_value(const problem *m, const double *theta, const double *weights, int reml,
                   double sigma)
{
    int64_t n = m->n, p = m->p, width = p + 1;
    double *ZL = dense_zl(m, theta, weights), *V = doubles(n * n), *Vinv = doubles(n * n);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = i == j;
            for (int64_t c = 0; c < m->q; c++) sum += ZL[i + c * n] * ZL[j + c * n];
            V[i + j * n] = sum;
        }
    double logdet = dense_inverse(n, V, Vinv);
    /* [X y]'V^-1[X y], weights absorbed; then eliminate X */
    double *G = doubles(width * width);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double w = weights ? sqrt(weights[i] * weights[j]) : 1;
            for (int64_t a = 0; a < width; a++)
                for (int64_t b = 0; b < width; b++)
                    G[a + b * width] += (a < p ? m->X[i * p + a] : m->y[i]) * Vinv[i + j * n] *
                                        (b < p ? m->X[j * p + b] : m->y[j]) * w;
        }
    double logdet_x = 0;
    for (int64_t v = 0; v < p; v++) {
        logdet_x += log(G[v + v * width]);
        for (int64_t r = v + 1; r < width; r++)
            for (int64_t c = v + 1; c < width; c++)
                G[r + c * width] -= G[r + v * width] * G[v + c * width] / G[v + v * width];
    }
    double r2 = G[p + p * width], dof = (double)(reml ? n - p : n);
    double s2 = sigma > 0 ? sigma * sigma : r2 / dof;
    free(ZL);
    free(V);
    free(Vinv);
    free(G);
    return logdet + (reml ? logdet_x : 0) + dof * log(2 * PI * s2) + r2 / s2;
}
