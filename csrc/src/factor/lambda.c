/* SPDX-License-Identifier: BSD-3-Clause
 *
 * theta -> T -> Lambda. Omega = Lambda'A Lambda + Q block by block, products of Lambda, Lambda'
 * and A with row-major matrices in elimination order, and of Z with the effects of a term.
 */
#include "factor/factor.h"

void smm_set_theta(smm_workspace *ws, const double *theta)
{
    const smm_design *d = ws->design;
    memset(ws->T, 0, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    for (int32_t i = 0; i < d->ntheta; i++) {
        int32_t t = d->theta_term[i];
        ws->T[ws->T_at[t] + d->theta_row[i] + d->theta_col[i] * d->cols[t]] = theta[i];
        ws->theta[i] = theta[i];
    }
}

/* out (ki x kj, leading dimension ld) = Ti' A Tj with lower-triangular factors. */
static inline void transform(int32_t ki, int32_t kj, const double *SMM_RESTRICT Ti,
                             const double *SMM_RESTRICT A, const double *SMM_RESTRICT Tj,
                             double *SMM_RESTRICT tmp, double *SMM_RESTRICT out, int32_t ld)
{
    for (int32_t c = 0; c < kj; c++) {
        for (int32_t r = 0; r < ki; r++) tmp[r] = 0;
        for (int32_t e = c; e < kj; e++) {
            double f = Tj[e + c * kj];
            for (int32_t r = 0; r < ki; r++) tmp[r] += A[r + e * ki] * f;
        }
        for (int32_t r = 0; r < ki; r++) {
            double sum = 0;
            for (int32_t e = r; e < ki; e++) sum += Ti[e + r * ki] * tmp[e];
            out[r + (int64_t)c * ld] = sum;
        }
    }
}

SMM_HOT
void smm_fill_omega(smm_workspace *ws)
{
    const smm_design *d = ws->design;
    double *L = ws->L, *tmp = ws->small_tmp;
    memset(L, 0, sizeof(double) * (size_t)d->nval);
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        if (i == j && ws->twin[j] >= 0) continue; /* smm_factor copies the factor */
        int32_t ki = d->node_cols[i], kj = d->node_cols[j], ld = smm_ld(d, j);
        const double *A = ws->A + d->block_at[b];
        const double *Ti = ws->T + ws->T_at[d->node_term[i]];
        const double *Tj = ws->T + ws->T_at[d->node_term[j]];
        double *out = L + d->block_in_l[b];
        /* constants let the compiler unroll the common sizes */
        if (ki == 1 && kj == 1) *out = Ti[0] * A[0] * Tj[0];
        else if (ki == 2 && kj == 2) transform(2, 2, Ti, A, Tj, tmp, out, ld);
        else if (ki == 3 && kj == 3) transform(3, 3, Ti, A, Tj, tmp, out, ld);
        else if (ki == 8 && kj == 8) transform(8, 8, Ti, A, Tj, tmp, out, ld);
        else transform(ki, kj, Ti, A, Tj, tmp, out, ld);
        if (i == j)
            for (int32_t c = 0; c < kj; c++)
                out[c + (int64_t)c * ld] += d->has_prior ? d->node_prior[j] : 1.0;
    }
    for (int64_t b = d->first_prior; b < d->nblocks; b++) {
        int32_t ld = smm_ld(d, d->block_col[b]), k = d->node_cols[d->block_col[b]];
        double *out = L + d->block_in_l[b];
        for (int32_t c = 0; c < k; c++)
            out[c + (int64_t)c * ld] += d->block_prior[b - d->first_prior];
    }
}

SMM_HOT
void smm_apply_lambda_t(const smm_workspace *ws, const double *in, double *out, int32_t m)
{
    const smm_design *d = ws->design;
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t k = d->node_cols[j];
        const double *T = ws->T + ws->T_at[d->node_term[j]];
        const double *a = in + d->node_at[j] * m;
        double *o = out + d->node_at[j] * m;
        /* row c needs rows >= c only, so in and out may be the same array */
        for (int32_t c = 0; c < k; c++) {
            double f = T[c + c * k];
            for (int32_t v = 0; v < m; v++) o[c * m + v] = f * a[c * m + v];
            for (int32_t r = c + 1; r < k; r++) {
                f = T[r + c * k];
                if (f != 0)
                    for (int32_t v = 0; v < m; v++) o[c * m + v] += f * a[r * m + v];
            }
        }
    }
}

SMM_HOT
void smm_apply_lambda(const smm_workspace *ws, const double *in, double *out, int32_t m)
{
    const smm_design *d = ws->design;
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t k = d->node_cols[j];
        const double *T = ws->T + ws->T_at[d->node_term[j]];
        const double *a = in + d->node_at[j] * m;
        double *o = out + d->node_at[j] * m;
        /* row r needs rows <= r only: from the bottom up, in and out may be the same */
        for (int32_t r = k - 1; r >= 0; r--) {
            double f = T[r + r * k];
            for (int32_t v = 0; v < m; v++) o[r * m + v] = f * a[r * m + v];
            for (int32_t c = 0; c < r; c++) {
                f = T[r + c * k];
                if (f != 0)
                    for (int32_t v = 0; v < m; v++) o[r * m + v] += f * a[c * m + v];
            }
        }
    }
}

/* Whether row r of T_t is at least as large as the noise. Column r of T'e = Q u gives e_r then
 * without loss of digits however large it is, as H_r of T'H = Q C and (S_jj T)_r of
 * T'S_jj T = I - (Q Omega^-1)_jj; differences of terms of order T lose them. Not where the column
 * has larger elements in rows that are smaller than the noise: errors of these would be magnified.
 * Priors mix the levels of all rows, so all rows of a term are large then, or none. */
int smm_is_large(const smm_workspace *ws, int32_t t, int32_t r)
{
    const smm_design *d = ws->design;
    const double *T = ws->T + ws->T_at[t], *rms = ws->zrms;
    int32_t k = d->cols[t];
    for (int32_t s = 0; s < t; s++) rms += d->cols[s];
    double size = fabs(T[r + r * k]) * rms[r];
    if (!(size >= 1)) return 0;
    for (int32_t s = d->has_prior ? 0 : r + 1; s < k; s++)
        if (!(fabs(T[s + s * k]) * rms[s] >= 1))
            if (d->has_prior || fabs(T[s + r * k]) * rms[s] > size) return 0;
    return 1;
}

void smm_divide_lambda_t(const smm_workspace *ws, int32_t t, int large, const double *in,
                         double *out, int32_t m)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t];
    const double *T = ws->T + ws->T_at[t];
    for (int32_t r = k - 1; r >= 0; r--) {
        if (large && !smm_is_large(ws, t, r)) continue;
        for (int32_t l = 0; l < d->levels[t]; l++) {
            int64_t at = d->node_at[d->node_of[t][l]] * m;
            for (int32_t v = 0; v < m; v++) {
                double sum = in[at + (int64_t)r * m + v];
                for (int32_t e = r + 1; e < k; e++)
                    sum -= T[e + r * k] * out[at + (int64_t)e * m + v];
                out[at + (int64_t)r * m + v] = sum / T[r + r * k];
            }
        }
    }
}

/* Rows and columns handled at a time, so that sums stay in registers; columns that are left over
 * take half a strip. */
#define BAND 4
#define STRIP 8
#define HALF_STRIP 4

/* out[r][v] += sum_c a(r, c) in[c][v] for `rows` rows and `width` columns, where
 * a(r, c) = a[r * sr + c * sc]. */
SMM_INLINE
static inline void strip_of(int32_t width, int32_t rows, int32_t cols,
                            const double *SMM_RESTRICT a, int32_t sr, int32_t sc,
                            const double *SMM_RESTRICT in, double *SMM_RESTRICT out, int32_t m)
{
    double sum[BAND][STRIP];
    for (int32_t r = 0; r < rows; r++)
        for (int32_t s = 0; s < width; s++) sum[r][s] = out[(int64_t)r * m + s];
    for (int32_t c = 0; c < cols; c++) {
        const double *SMM_RESTRICT x = in + (int64_t)c * m;
        for (int32_t r = 0; r < rows; r++)
            for (int32_t s = 0; s < width; s++) sum[r][s] += a[r * sr + c * sc] * x[s];
    }
    for (int32_t r = 0; r < rows; r++)
        for (int32_t s = 0; s < width; s++) out[(int64_t)r * m + s] = sum[r][s];
}

/* The same for any number of rows, by bands. */
SMM_INLINE
static inline void bands_of(int32_t width, int32_t rows, int32_t cols,
                            const double *SMM_RESTRICT a, int32_t sr, int32_t sc,
                            const double *SMM_RESTRICT in, double *SMM_RESTRICT out, int32_t m)
{
    int32_t r = 0;
    for (; r + BAND <= rows; r += BAND)
        strip_of(width, BAND, cols, a + r * sr, sr, sc, in, out + (int64_t)r * m, m);
    for (; r < rows; r++)
        strip_of(width, 1, cols, a + r * sr, sr, sc, in, out + (int64_t)r * m, m);
}

/* The same for all rows and the columns in [lo, hi). */
SMM_INLINE
static inline void strip_multiply(int32_t rows, int32_t cols, const double *SMM_RESTRICT a,
                                  int32_t sr, int32_t sc, const double *SMM_RESTRICT in,
                                  double *SMM_RESTRICT out, int32_t m, int32_t lo, int32_t hi)
{
    int32_t v = lo;
    for (; v + STRIP <= hi; v += STRIP)
        bands_of(STRIP, rows, cols, a, sr, sc, in + v, out + v, m);
    for (; v + HALF_STRIP <= hi; v += HALF_STRIP)
        bands_of(HALF_STRIP, rows, cols, a, sr, sc, in + v, out + v, m);
    for (; v < hi; v++)
        for (int32_t r = 0; r < rows; r++) {
            double sum = 0;
            for (int32_t c = 0; c < cols; c++) sum += a[r * sr + c * sc] * in[(int64_t)c * m + v];
            out[(int64_t)r * m + v] += sum;
        }
}

SMM_HOT
void smm_multiply_a(const smm_workspace *ws, const double *in, double *out, int32_t m,
                    const int32_t *range)
{
    const smm_design *d = ws->design;
    memset(out, 0, sizeof(double) * (size_t)d->q * (size_t)m);
    for (int64_t b = 0; b < d->nblocks; b++) {
        int32_t i = d->block_row[b], j = d->block_col[b];
        int32_t ti = d->node_term[i], tj = d->node_term[j], ki = d->cols[ti], kj = d->cols[tj];
        const double *A = ws->A + d->block_at[b];
        int64_t at_i = d->node_at[i] * m, at_j = d->node_at[j] * m;
        int32_t lo = range ? range[tj] : 0, hi = range ? range[tj + 1] : m;
        if (ki == 1 && kj == 1) {
            for (int32_t v = lo; v < hi; v++) out[at_i + v] += A[0] * in[at_j + v];
            if (i == j) continue;
            if (range) {
                lo = range[ti];
                hi = range[ti + 1];
            }
            for (int32_t v = lo; v < hi; v++) out[at_j + v] += A[0] * in[at_i + v];
            continue;
        }
        strip_multiply(ki, kj, A, 1, ki, in + at_j, out + at_i, m, lo, hi);
        if (i == j) continue;
        if (range) {
            lo = range[ti];
            hi = range[ti + 1];
        }
        strip_multiply(kj, ki, A, ki, 1, in + at_i, out + at_j, m, lo, hi);
    }
}

SMM_HOT
void smm_add_effects(const smm_design *d, int32_t t, const double *b, const int32_t *node_of,
                     double *SMM_RESTRICT out)
{
    int32_t k = d->cols[t];
    const int32_t *refs = d->refs[t];
    const double *z = d->z[t];
    if (k == 1 && node_of)
        for (int64_t i = 0; i < d->n; i++) out[i] += z[i] * b[d->node_at[node_of[refs[i]]]];
    else if (k == 1)
        for (int64_t i = 0; i < d->n; i++) out[i] += z[i] * b[refs[i]];
    else
        for (int64_t i = 0; i < d->n; i++) {
            int32_t l = refs[i];
            const double *bi = b + (node_of ? d->node_at[node_of[l]] : (int64_t)l * k);
            for (int32_t c = 0; c < k; c++) out[i] += z[i * k + c] * bi[c];
        }
}
