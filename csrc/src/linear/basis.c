/* SPDX-License-Identifier: BSD-3-Clause
 *
 * X = Q R with Q'WQ = I and R an upper triangle, by Cholesky QR, twice (Yamamoto et al. 2015):
 *
 *     Q'WQ = L L',   Q <- Q L'^-1,   R <- L' R,   from Q = X D^-1, R = D, the lengths of the columns.
 *
 * The first round leaves rounding errors of the size of the squared condition number, which the
 * second takes away. Few rows are one matrix. Many are passed over in groups, which stay in
 * registers or the cache; the pass of the first round finds its errors in Q'WQ, and there is a
 * second if there are any.
 */
#include "linear/linear.h"

/* Squares between these are far from the ends of the range of doubles. */
#define LEAST_SQUARES 0x1p-500
#define MOST_SQUARES 0x1p500
/* Cholesky QR is accurate while the condition number stays far from 1e8. */
#define WELL_CONDITIONED 1e-5
/* What Q'WQ may differ from I by: rounding errors of its own sums. */
#define ORTHONORMAL 0x1p-47
#define MANY_ROWS 4096
#define PAIRS (SMM_FEW_COLUMNS * (SMM_FEW_COLUMNS + 1) / 2)

static int is_ordinary(double squares)
{
    return squares > LEAST_SQUARES && squares < MOST_SQUARES;
}

/* Of a triangular factor, by its diagonal. */
static int is_well_conditioned(int32_t p, const double *factor)
{
    for (int32_t c = 0; c < p; c++)
        if (!(factor[c + (size_t)c * p] > WELL_CONDITIONED)) return 0;
    return 1;
}

/* R <- U R, upper triangles. */
static void multiply_triangles(int32_t p, const double *U, double *R)
{
    size_t ld = (size_t)p;
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r <= c; r++) {
            double sum = 0;
            for (int32_t e = r; e <= c; e++) sum += U[r + e * ld] * R[e + c * ld];
            R[r + c * ld] = sum;
        }
}

/* Of whole groups of lanes: `to` = `from` R^-1 and G += to'W to; neither kept nor divided where
 * `to` is NULL. A constant p lets the compiler keep rows and sums in registers. */
SMM_INLINE
static inline void in_lanes(int64_t rows, int32_t p, const double *from, const double *weights,
                            const double *R, double *to, double *SMM_RESTRICT G)
{
    double sums[PAIRS][SMM_LANES] = {{0}}, columns[SMM_FEW_COLUMNS][SMM_LANES];
    double own[SMM_FEW_COLUMNS * SMM_FEW_COLUMNS] = {0}, scaled[SMM_LANES], w[SMM_LANES];
    for (int32_t c = 0; to && c < p; c++) {
        for (int32_t e = 0; e < c; e++) own[e + c * p] = R[e + c * p];
        own[c + c * p] = 1 / R[c + c * p];
    }
    for (int64_t l = 0; l < SMM_LANES; l++) w[l] = 1;
    for (int64_t i = 0; i < rows; i += SMM_LANES) {
        for (int32_t c = 0; c < p; c++)
            for (int64_t l = 0; l < SMM_LANES; l++) columns[c][l] = from[(i + l) * p + c];
        if (to) {
            for (int32_t c = 0; c < p; c++) {
                for (int32_t e = 0; e < c; e++)
                    for (int64_t l = 0; l < SMM_LANES; l++)
                        columns[c][l] -= own[e + c * p] * columns[e][l];
                for (int64_t l = 0; l < SMM_LANES; l++) columns[c][l] *= own[c + c * p];
            }
            for (int64_t l = 0; l < SMM_LANES; l++)
                for (int32_t c = 0; c < p; c++) to[(i + l) * p + c] = columns[c][l];
        }
        if (weights)
            for (int64_t l = 0; l < SMM_LANES; l++) w[l] = weights[i + l];
        int32_t pair = 0;
        for (int32_t s = 0; s < p; s++) {
            for (int64_t l = 0; l < SMM_LANES; l++) scaled[l] = w[l] * columns[s][l];
            for (int32_t r = s; r < p; r++, pair++)
                for (int64_t l = 0; l < SMM_LANES; l++)
                    sums[pair][l] += scaled[l] * columns[r][l];
        }
    }
    smm_add_lanes(p, 1, sums, G);
}

#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        in_lanes(rows, p, from, weights, R, to, G);                                              \
        break

SMM_HOT
static void of_few_columns(int64_t rows, int32_t p, const double *from, const double *weights,
                           const double *R, double *to, double *G)
{
    switch (p) {
        SMM_CASES_1_TO_6(OF_COLUMNS);
        OF_COLUMNS(7);
        OF_COLUMNS(8);
    }
}

/* The rows that are left, of which the lanes beyond are zero. */
static void of_last_rows(int64_t rows, int32_t p, const double *from, const double *weights,
                         const double *R, double *to, double *G)
{
    double in[SMM_LANES * SMM_FEW_COLUMNS] = {0}, out[SMM_LANES * SMM_FEW_COLUMNS];
    double w[SMM_LANES] = {0};
    size_t row = sizeof *from * (size_t)p, bytes = row * (size_t)rows;
    memcpy(in, from, bytes);
    if (weights) memcpy(w, weights, sizeof *w * (size_t)rows);
    of_few_columns(SMM_LANES, p, in, weights ? w : NULL, R, to ? out : NULL, G);
    if (to) memcpy(to, out, bytes);
}

/* The same of many columns, of no more than SMM_BASIS_ROWS rows, which stay in the cache. */
static void of_many_columns(const smm_blas *blas, int64_t rows, int32_t p, const double *from,
                            const double *weights, const double *R, double *to, double *G,
                            double *weighted)
{
    int size = p, count = (int)rows;
    double one = 1;
    if (to) { /* BLAS takes rows for columns */
        if (to != from) memcpy(to, from, sizeof *to * (size_t)p * (size_t)rows);
        blas->dtrsm("L", "U", "T", "N", &size, &count, &one, (double *)R, &size, to, &size);
        from = to;
    }
    if (weights) {
        for (int64_t i = 0; i < rows; i++) {
            double root = sqrt(weights[i]);
            for (int32_t c = 0; c < p; c++) weighted[i * p + c] = root * from[i * p + c];
        }
        from = weighted;
    }
    smm_gram(blas, rows, p, from, 1, 1, G);
}

/* G += sums and sums = 0; what rounding takes off is kept in `lost` (Kahan): the rows of a column of
 * ones are alike, and so would be the rounding errors of each addition. */
static void add_exactly(int32_t count, double *sums, double *lost, double *G)
{
    for (int32_t k = 0; k < count; k++) {
        double own = sums[k] - lost[k], total = G[k] + own;
        lost[k] = (total - G[k]) - own;
        G[k] = total;
        sums[k] = 0;
    }
}

/* `to` = `from` R^-1, or `from` where `to` is NULL, and the lower triangle G = to'W to. */
static void pass(const smm_blas *blas, int64_t n, int32_t p, const double *from,
                 const double *weights, const double *R, double *to, double *G, double *weighted)
{
    double sums[SMM_FEW_COLUMNS * SMM_FEW_COLUMNS] = {0};
    double lost[SMM_FEW_COLUMNS * SMM_FEW_COLUMNS] = {0};
    memset(G, 0, sizeof *G * (size_t)p * (size_t)p);
    for (int64_t i = 0; i < n; i += SMM_BASIS_ROWS) {
        int64_t rows = n - i < SMM_BASIS_ROWS ? n - i : SMM_BASIS_ROWS;
        int64_t whole = rows - rows % SMM_LANES;
        const double *x = from + i * p, *w = weights ? weights + i : NULL;
        double *q = to ? to + i * p : NULL;
        if (p > SMM_FEW_COLUMNS) {
            of_many_columns(blas, rows, p, x, w, R, q, G, weighted);
            continue;
        }
        if (whole) of_few_columns(whole, p, x, w, R, q, sums);
        if (rows > whole)
            of_last_rows(rows - whole, p, x + whole * p, w ? w + whole : NULL, R,
                         q ? q + whole * p : NULL, sums);
        add_exactly(p * p, sums, lost, G);
    }
}

/* L, in place of G = L L'. */
static int factor(const smm_blas *blas, int32_t p, double *G)
{
    return smm_potrf(blas, p, G, p) || !is_well_conditioned(p, G) ? SMM_ENOTPD : SMM_OK;
}

static int is_identity(int32_t p, const double *G)
{
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = c; r < p; r++)
            if (!(fabs(G[r + (size_t)c * p] - (r == c)) <= ORTHONORMAL)) return 0;
    return 1;
}

static int basis_of_many(const smm_blas *blas, int64_t n, int32_t p, const double *X,
                         const double *weights, double *Q, double *R, double *work)
{
    size_t ld = (size_t)p;
    double *G = work, *second = G + ld * ld, *weighted = second + ld * ld;
    pass(blas, n, p, X, weights, R, NULL, G, weighted);
    /* Lengths of columns are taken off first, so that pivots tell what is left of each. */
    double *lengths = second;
    for (int32_t c = 0; c < p; c++) {
        if (!is_ordinary(G[c + c * ld])) return SMM_ENOTPD;
        lengths[c] = sqrt(G[c + c * ld]);
    }
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = c; r < p; r++) G[r + c * ld] /= lengths[r] * lengths[c];
    if (factor(blas, p, G)) return SMM_ENOTPD;
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r < p; r++) R[r + c * ld] = r > c ? 0 : G[c + r * ld] * lengths[c];
    pass(blas, n, p, X, weights, R, Q, G, weighted);
    if (is_identity(p, G)) return SMM_OK;
    if (factor(blas, p, G)) return SMM_ENOTPD;
    for (int32_t c = 0; c < p; c++)
        for (int32_t r = 0; r < p; r++) second[r + c * ld] = r > c ? 0 : G[c + r * ld];
    pass(blas, n, p, Q, weights, second, Q, G, weighted);
    multiply_triangles(p, second, R);
    return SMM_OK;
}

/* Q = W^1/2 X, over the lengths of its columns, which R has on its diagonal. */
static int of_unit_length(int64_t n, int32_t p, const double *X, const double *weights, double *Q,
                          double *R, double *lengths)
{
    size_t ld = (size_t)p;
    memset(lengths, 0, sizeof(double) * ld);
    for (int64_t i = 0; i < n; i++) {
        double root = weights ? sqrt(weights[i]) : 1;
        for (int32_t c = 0; c < p; c++) {
            double q = Q[i * p + c] = root * X[i * p + c];
            lengths[c] += q * q;
        }
    }
    memset(R, 0, sizeof(double) * ld * ld);
    for (int32_t c = 0; c < p; c++) {
        if (!is_ordinary(lengths[c])) return SMM_ENOTPD;
        R[c + c * ld] = lengths[c] = sqrt(lengths[c]);
    }
    for (int64_t i = 0; i < n; i++)
        for (int32_t c = 0; c < p; c++) Q[i * p + c] /= lengths[c];
    return SMM_OK;
}

static int basis_of_few(const smm_blas *blas, int64_t n, int32_t p, const double *X,
                        const double *weights, double *Q, double *R, double *work)
{
    int rows = (int)n, size = p, info = 0;
    double *U = work + p, one = 1, zero = 0;
    int status = of_unit_length(n, p, X, weights, Q, R, work);
    if (status) return status;
    for (int round = 0; round < 2; round++) {
        /* BLAS takes Q for its transpose (p x n). */
        blas->dsyrk("U", "N", &size, &rows, &one, Q, &size, &zero, U, &size);
        blas->dpotrf("U", &size, U, &size, &info);
        if (info || !is_well_conditioned(p, U)) return SMM_ENOTPD;
        blas->dtrsm("L", "U", "T", "N", &size, &rows, &one, U, &size, Q, &size);
        multiply_triangles(p, U, R);
    }
    for (int64_t i = 0; weights && i < n; i++)
        for (int32_t c = 0; c < p; c++) Q[i * p + c] /= sqrt(weights[i]);
    return SMM_OK;
}

int smm_basis(const smm_blas *blas, int64_t n, int32_t p, const double *X, const double *weights,
              double *Q, double *R, double *work)
{
    if (!blas || n < 1 || p < 1 || !X || !Q || !R || !work) return SMM_EINVAL;
    return n > MANY_ROWS ? basis_of_many(blas, n, p, X, weights, Q, R, work)
                         : basis_of_few(blas, n, p, X, weights, Q, R, work);
}
