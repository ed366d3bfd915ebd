/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The response less its projection on an orthonormal basis, Q'WQ = I, by Gram-Schmidt, twice:
 *
 *     g = Q'W y,   r = y - Q g,   h = Q'W r,   r - Q h = y - Q (g + h).
 *
 * The first round leaves rounding errors of the size of y, the second those of what is left of it.
 * Each is a pass over the rows; a residual is not kept between passes but computed again.
 */
#include "linear/linear.h"

/* Where sums of a pass go: over rows, of the columns of Q and of squares. */
typedef struct {
    double *of_columns, squares, weighted;
} row_sums;

/* A group of rows: e = y less as many projections on Q, of which `columns` are the columns. */
SMM_INLINE
static inline void subtract(int32_t p, int projections, const double *SMM_RESTRICT Q,
                            const double *SMM_RESTRICT y, const double *g, const double *h,
                            double (*columns)[SMM_LANES], double *e)
{
    for (int32_t c = 0; c < p; c++)
        for (int64_t l = 0; l < SMM_LANES; l++) columns[c][l] = Q[l * p + c];
    for (int64_t l = 0; l < SMM_LANES; l++) e[l] = y[l];
    for (int32_t c = 0; projections > 0 && c < p; c++)
        for (int64_t l = 0; l < SMM_LANES; l++) e[l] -= g[c] * columns[c][l];
    for (int32_t c = 0; projections > 1 && c < p; c++)
        for (int64_t l = 0; l < SMM_LANES; l++) e[l] -= h[c] * columns[c][l];
}

/* Q'W e and the squares of e of whole groups of rows, where e is y less the projection g, if any.
 * Constants p, `projections` and `weighted` let the compiler keep sums in registers. */
SMM_INLINE
static inline void add_in_lanes(int64_t rows, int32_t p, int projections, int weighted,
                                const double *SMM_RESTRICT Q, const double *SMM_RESTRICT y,
                                const double *SMM_RESTRICT weights, const double *g,
                                row_sums *sums)
{
    double own[SMM_FEW_COLUMNS][SMM_LANES] = {{0}}, squares[SMM_LANES] = {0};
    double of_weighted[SMM_LANES] = {0}, coefficients[SMM_FEW_COLUMNS] = {0};
    for (int32_t c = 0; projections && c < p; c++) coefficients[c] = g[c];
    for (int64_t i = 0; i < rows; i += SMM_LANES) {
        double e[SMM_LANES], f[SMM_LANES], columns[SMM_FEW_COLUMNS][SMM_LANES];
        subtract(p, projections, Q + i * p, y + i, coefficients, NULL, columns, e);
        for (int64_t l = 0; l < SMM_LANES; l++) f[l] = weighted ? weights[i + l] * e[l] : e[l];
        for (int64_t l = 0; l < SMM_LANES; l++) squares[l] += e[l] * e[l];
        for (int64_t l = 0; weighted && l < SMM_LANES; l++) of_weighted[l] += f[l] * e[l];
        for (int32_t c = 0; c < p; c++)
            for (int64_t l = 0; l < SMM_LANES; l++) own[c][l] += f[l] * columns[c][l];
    }
    for (int64_t l = 0; l < SMM_LANES; l++) {
        sums->squares += squares[l];
        sums->weighted += weighted ? of_weighted[l] : squares[l];
        for (int32_t c = 0; c < p; c++) sums->of_columns[c] += own[c][l];
    }
}

/* y less both projections, over scale, of whole groups of rows. */
SMM_INLINE
static inline void write_in_lanes(int64_t rows, int32_t p, const double *SMM_RESTRICT Q,
                                  const double *SMM_RESTRICT y, const double *first,
                                  const double *second, double scale, double *SMM_RESTRICT to)
{
    double g[SMM_FEW_COLUMNS] = {0}, h[SMM_FEW_COLUMNS] = {0};
    for (int32_t c = 0; c < p; c++) g[c] = first[c], h[c] = second[c];
    for (int64_t i = 0; i < rows; i += SMM_LANES) {
        double e[SMM_LANES], columns[SMM_FEW_COLUMNS][SMM_LANES];
        subtract(p, 2, Q + i * p, y + i, g, h, columns, e);
        for (int64_t l = 0; l < SMM_LANES; l++) to[i + l] = e[l] / scale;
    }
}

/* Sum of products of a row of Q with coefficients. */
SMM_INLINE
static inline double product(int32_t p, const double *SMM_RESTRICT q,
                             const double *SMM_RESTRICT coefficients)
{
    double lanes[SMM_LANES] = {0}, sum = 0;
    int32_t whole = p - p % SMM_LANES;
    for (int32_t c = 0; c < whole; c += SMM_LANES)
        for (int32_t l = 0; l < SMM_LANES; l++) lanes[l] += q[c + l] * coefficients[c + l];
    for (int32_t c = whole; c < p; c++) sum += q[c] * coefficients[c];
    for (int32_t l = 0; l < SMM_LANES; l++) sum += lanes[l];
    return sum;
}

/* What `add_in_lanes` and `write_in_lanes` do, row by row, of any number of columns: second is NULL
 * in the former, and first where there is no projection yet. */
SMM_HOT
static void by_rows(int64_t rows, int32_t p, const double *SMM_RESTRICT Q,
                    const double *SMM_RESTRICT y, const double *weights, const double *first,
                    const double *second, double scale, double *SMM_RESTRICT to, row_sums *sums)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *q = Q + i * p;
        double e = y[i];
        if (first) e -= product(p, q, first);
        if (second) {
            to[i] = (e - product(p, q, second)) / scale;
            continue;
        }
        double f = weights ? weights[i] * e : e;
        sums->squares += e * e;
        sums->weighted += f * e;
        for (int32_t c = 0; c < p; c++) sums->of_columns[c] += f * q[c];
    }
}

#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        if (g && weights) add_in_lanes(rows, p, 1, 1, Q, y, weights, g, sums);                   \
        else if (g) add_in_lanes(rows, p, 1, 0, Q, y, NULL, g, sums);                            \
        else if (weights) add_in_lanes(rows, p, 0, 1, Q, y, weights, NULL, sums);                \
        else add_in_lanes(rows, p, 0, 0, Q, y, NULL, NULL, sums);                                \
        break

SMM_HOT
static void add_groups(int64_t rows, int32_t p, const double *Q, const double *y,
                       const double *weights, const double *g, row_sums *sums)
{
    switch (p) {
        OF_COLUMNS(0);
        SMM_CASES_1_TO_6(OF_COLUMNS);
        OF_COLUMNS(7);
        OF_COLUMNS(8);
    }
}

#undef OF_COLUMNS
#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        write_in_lanes(rows, p, Q, y, first, second, scale, to);                                 \
        break

SMM_HOT
static void write_groups(int64_t rows, int32_t p, const double *Q, const double *y,
                         const double *first, const double *second, double scale, double *to)
{
    switch (p) {
        OF_COLUMNS(0);
        SMM_CASES_1_TO_6(OF_COLUMNS);
        OF_COLUMNS(7);
        OF_COLUMNS(8);
    }
}

/* One pass, in chunks of rows, whose sums are added to those before: rounding errors grow with the
 * number of rows of a chunk and with the number of chunks, not with that of rows. */
static void pass(int64_t n, int32_t p, const double *Q, const double *y, const double *weights,
                 const double *first, const double *second, double scale, double *to,
                 double *chunk, row_sums *sums)
{
    for (int64_t at = 0; at < n; at += SMM_BASIS_ROWS) {
        int64_t rows = n - at < SMM_BASIS_ROWS ? n - at : SMM_BASIS_ROWS;
        int64_t whole = p > SMM_FEW_COLUMNS ? 0 : rows - rows % SMM_LANES;
        row_sums own = {chunk, 0, 0};
        for (int32_t c = 0; c < p; c++) chunk[c] = 0;
        if (second) write_groups(whole, p, Q, y, first, second, scale, to);
        else add_groups(whole, p, Q, y, weights, first, &own);
        by_rows(rows - whole, p, Q + whole * p, y + whole, weights ? weights + whole : NULL,
                first, second, scale, to ? to + whole : NULL, &own);
        for (int32_t c = 0; c < p; c++) sums->of_columns[c] += chunk[c];
        sums->squares += own.squares;
        sums->weighted += own.weighted;
        Q += rows * p;
        y += rows;
        if (weights) weights += rows;
        if (to) to += rows;
    }
}

void smm_form_xy(int64_t n, int32_t p, const double *X, const double *y, const double *weights,
                 double *scratch, double *sums)
{
    row_sums of = {sums, 0, 0};
    for (int32_t c = 0; c < p; c++) sums[c] = 0;
    pass(n, p, X, y, weights, NULL, NULL, 1, NULL, scratch, &of);
    sums[p] = of.weighted;
}

int smm_residual(int64_t n, int32_t p, const double *Q, const double *y, const double *weights,
                 int64_t rows, double *gamma, double *residual, double *squares, double *work)
{
    if (n < 1 || p < 0 || rows < 1 || !Q || !y || !gamma || !residual || !squares || !work)
        return SMM_EINVAL;
    double *first = gamma, *second = work, *chunk = work + p;
    for (int32_t c = 0; c < p; c++) first[c] = second[c] = 0;
    row_sums before = {first, 0, 0}, after = {second, 0, 0};
    pass(n, p, Q, y, weights, NULL, NULL, 1, NULL, chunk, &before);
    pass(n, p, Q, y, weights, first, NULL, 1, NULL, chunk, &after);
    double left = after.weighted; /* less what the second round takes off (Pythagoras) */
    for (int32_t c = 0; c < p; c++) left -= second[c] * second[c];
    double scale = sqrt(left / (double)rows);
    if (!(scale > 0)) scale = 0;
    pass(n, p, Q, y, weights, first, second, scale > 0 ? scale : 1, residual, chunk, &after);
    for (int32_t c = 0; c < p; c++) gamma[c] += second[c];
    squares[0] = before.squares;
    squares[1] = before.weighted;
    squares[2] = scale;
    return SMM_OK;
}
