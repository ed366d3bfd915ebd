/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Z'W[X y Z] of one term, level by level, for terms of many rows a level. The numbers of a row,
 *
 *     (x y z 0 ... 0),
 *
 * fill a vector, and each effect of its level has a vector of sums, to which w z_c times that is
 * added. Vectors of a level are beside each other and counted by levels, not by nodes: a row asks
 * memory for nothing else.
 */
#include "linear/linear.h"

/* Rows whose vectors are made together. */
#define CHUNK 128
/* Rows of a level from which on it pays to carry sums over to where they belong. */
#define MANY_ROWS 4
/* The sums of this many rows later are asked for. */
#define AHEAD 24

/* Doubles of a vector; 0 where the numbers of a row do not fit, or rows of a level are few. */
static int32_t width_of(const smm_design *d, int32_t t)
{
    int32_t numbers = d->p + 1 + d->cols[t];
    if (numbers > 8 || d->n < MANY_ROWS * (int64_t)d->levels[t]) return 0;
    return numbers > 4 ? 8 : 4;
}

int64_t smm_level_sums(const smm_design *d)
{
    int64_t most = 0;
    for (int32_t t = 0; t < d->nterms; t++) {
        int64_t size = (int64_t)d->levels[t] * d->cols[t] * width_of(d, t);
        if (size > most) most = size;
    }
    return most;
}

/* The vectors of rows, whose last elements are zero already. A constant p lets the compiler unroll
 * the copies. */
SMM_INLINE
static inline void join(int64_t rows, int32_t p, int32_t k, int32_t width,
                        const double *SMM_RESTRICT X, const double *SMM_RESTRICT y,
                        const double *SMM_RESTRICT z, double *SMM_RESTRICT vectors)
{
    for (int64_t i = 0; i < rows; i++) {
        double *vector = vectors + i * width;
        for (int32_t v = 0; v < p; v++) vector[v] = X[i * p + v];
        vector[p] = y[i];
        for (int32_t c = 0; c < k; c++) vector[p + 1 + c] = z[i * k + c];
    }
}

/* Sums of rows [from, to), whose vectors these are, of `width` doubles. */
SMM_INLINE
static inline void add_vectors(const smm_design *d, int32_t t, int64_t from, int64_t to,
                               int32_t width, const double *weights,
                               const double *SMM_RESTRICT vectors, double *SMM_RESTRICT sums)
{
    int64_t k = d->cols[t];
    const int32_t *refs = d->refs[t];
    const double *z = d->z[t];
    for (int64_t i = from; i < to; i++, vectors += width) {
        double *at = sums + refs[i] * k * width, w = weights ? weights[i] : 1.0;
        const double *later = sums + refs[i + AHEAD < d->n ? i + AHEAD : i] * k * width;
        for (int64_t c = 0; c < k; c++) {
            double f = w * z[i * k + c];
            SMM_PREFETCH(later + c * width);
            double own[8]; /* all are read before any is written: they may be vectors */
            for (int32_t v = 0; v < width; v++) own[v] = at[c * width + v] + f * vectors[v];
            for (int32_t v = 0; v < width; v++) at[c * width + v] = own[v];
        }
    }
}

/* The same of one effect a level, whose vectors need not be made. */
SMM_INLINE
static inline void add_numbers(const smm_design *d, int32_t t, int32_t p, int32_t width,
                               const double *SMM_RESTRICT y, const double *SMM_RESTRICT w,
                               double *SMM_RESTRICT sums)
{
    const int32_t *SMM_RESTRICT refs = d->refs[t];
    const double *SMM_RESTRICT z = d->z[t], *SMM_RESTRICT X = d->X;
    for (int64_t i = 0; i < d->n; i++) {
        double *at = sums + (int64_t)refs[i] * width, f = w ? w[i] * z[i] : z[i];
        SMM_PREFETCH(sums + (int64_t)refs[i + AHEAD < d->n ? i + AHEAD : i] * width);
        for (int32_t v = 0; v < p; v++) at[v] += f * X[i * p + v];
        at[p] += f * y[i];
        at[p + 1] += f * z[i];
    }
}

#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        add_numbers(d, t, p, p + 2 > 4 ? 8 : 4, y, weights, sums);                               \
        break

SMM_HOT
static void add_of_one_effect(const smm_design *d, int32_t t, const double *y,
                              const double *weights, double *sums)
{
    switch (d->p) {
        OF_COLUMNS(0);
        SMM_CASES_1_TO_6(OF_COLUMNS);
    }
}

#undef OF_COLUMNS
#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        join(rows, p, k, width, d->X + from * p, y + from, d->z[t] + from * k, vectors);         \
        break

SMM_HOT
static void add_of_several_effects(const smm_design *d, int32_t t, int32_t width, const double *y,
                                   const double *weights, double *sums)
{
    double vectors[CHUNK * 8] = {0};
    int32_t k = d->cols[t];
    for (int64_t from = 0; from < d->n; from += CHUNK) {
        int64_t rows = d->n - from < CHUNK ? d->n - from : CHUNK;
        switch (d->p) {
            OF_COLUMNS(0);
            SMM_CASES_1_TO_6(OF_COLUMNS);
        }
        if (width == 4) add_vectors(d, t, from, from + rows, 4, weights, vectors, sums);
        else add_vectors(d, t, from, from + rows, 8, weights, vectors, sums);
    }
}

int smm_add_by_levels(const smm_workspace *ws, int32_t t, const double *y, const double *weights,
                      double *A, double *ZXy)
{
    const smm_design *d = ws->design;
    int32_t width = width_of(d, t), k = d->cols[t], m = d->p + 1;
    double *sums = ws->C;
    if (!width) return 0;
    memset(sums, 0, sizeof *sums * (size_t)d->levels[t] * (size_t)(k * width));
    if (k == 1) add_of_one_effect(d, t, y, weights, sums);
    else add_of_several_effects(d, t, width, y, weights, sums);
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int32_t node = d->node_of[t][l];
        double *block = A + d->block_at[node], *row = ZXy + d->node_at[node] * m;
        for (int32_t c = 0; c < k; c++, sums += width) {
            for (int32_t r = 0; r < k; r++) block[r + c * k] += sums[m + r];
            for (int32_t v = 0; v < m; v++) row[c * m + v] += sums[v];
        }
    }
    return 1;
}

/* Sums of levels of f z, where f = W y. A constant k lets the compiler unroll the loop. */
SMM_INLINE
static inline void add_response(int64_t n, int64_t k, const int32_t *SMM_RESTRICT refs,
                                const double *SMM_RESTRICT z, const double *SMM_RESTRICT y,
                                const double *SMM_RESTRICT w, double *SMM_RESTRICT sums)
{
    for (int64_t i = 0; i < n; i++) {
        double *at = sums + refs[i] * k, f = w ? w[i] * y[i] : y[i];
        SMM_PREFETCH(sums + refs[i + AHEAD < n ? i + AHEAD : i] * k);
        for (int64_t c = 0; c < k; c++) at[c] += f * z[i * k + c];
    }
}

SMM_HOT
static void add_response_of(const smm_design *d, int32_t t, const double *y,
                            const double *weights, double *sums)
{
    switch (d->cols[t]) {
    case 1:
        add_response(d->n, 1, d->refs[t], d->z[t], y, weights, sums);
        break;
    case 2:
        add_response(d->n, 2, d->refs[t], d->z[t], y, weights, sums);
        break;
    default:
        add_response(d->n, d->cols[t], d->refs[t], d->z[t], y, weights, sums);
    }
}

void smm_form_zy(smm_workspace *ws, const double *y, const double *weights)
{
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    for (int32_t t = 0; t < d->nterms; t++) {
        int32_t k = d->cols[t];
        double *sums = ws->u; /* of all effects: q */
        memset(sums, 0, sizeof *sums * (size_t)d->levels[t] * (size_t)k);
        add_response_of(d, t, y, weights, sums);
        for (int32_t l = 0; l < d->levels[t]; l++) {
            double *row = ws->ZXy + d->node_at[d->node_of[t][l]] * m + p;
            for (int32_t c = 0; c < k; c++, sums++) row[c * m] = *sums;
        }
    }
}
