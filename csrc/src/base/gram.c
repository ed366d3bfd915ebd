/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Sums of products of columns over rows: B'B, and [X y]'W[X y] without making W^(1/2)[X y]. Of few
 * columns the rows are taken eight at a time, each in a lane of the vector units, where BLAS would
 * take longer to copy than to multiply.
 */
#include "base/base.h"

/* Columns that BLAS copies for longer than it multiplies, however few the rows; up to
 * SMM_FEW_COLUMNS where there are many. */
#define VERY_FEW_COLUMNS 4
#define MANY_ROWS 256
/* Rows of one call of BLAS. */
#define MOST_ROWS 1073741824

/* Lower triangle of c (m x m) += alpha b'b for row-major b (rows x m), m few. */
SMM_HOT
static void small_gram(int64_t rows, int32_t m, const double *SMM_RESTRICT b, double alpha,
                       double *SMM_RESTRICT c)
{
    for (int64_t i = 0; i < rows; i++) {
        const double *bi = b + i * m;
        for (int32_t s = 0; s < m; s++) {
            double f = alpha * bi[s];
            for (int32_t r = s; r < m; r++) c[r + (size_t)s * m] += f * bi[r];
        }
    }
}

/* small_gram for many rows. */
SMM_HOT
static void gram_in_lanes(int64_t rows, int32_t m, const double *SMM_RESTRICT b, double alpha,
                          double *SMM_RESTRICT c)
{
    double sums[SMM_FEW_COLUMNS * (SMM_FEW_COLUMNS + 1) / 2][SMM_LANES] = {{0}};
    double columns[SMM_FEW_COLUMNS][SMM_LANES];
    int64_t whole = rows - rows % SMM_LANES;
    for (int64_t i = 0; i < whole; i += SMM_LANES) {
        for (int32_t s = 0; s < m; s++)
            for (int64_t l = 0; l < SMM_LANES; l++) columns[s][l] = b[(i + l) * m + s];
        int32_t pair = 0;
        for (int32_t s = 0; s < m; s++)
            for (int32_t r = s; r < m; r++, pair++)
                for (int64_t l = 0; l < SMM_LANES; l++)
                    sums[pair][l] += columns[s][l] * columns[r][l];
    }
    smm_add_lanes(m, alpha, sums, c);
    small_gram(rows - whole, m, b + whole * m, alpha, c);
}

/* Lower triangle of c (m x m) <- alpha b'b + beta c for row-major b (rows x m). */
void smm_gram(const smm_blas *blas, int64_t rows, int32_t m, const double *b, double alpha,
              double beta, double *c)
{
    if (m == 0) return;
    int lanes = m <= SMM_FEW_COLUMNS && rows >= MANY_ROWS;
    if (lanes || m <= VERY_FEW_COLUMNS) {
        for (int32_t s = 0; s < m; s++)
            for (int32_t r = s; r < m; r++)
                c[r + (size_t)s * m] = beta == 0 ? 0 : beta * c[r + (size_t)s * m];
        if (lanes) gram_in_lanes(rows, m, b, alpha, c);
        else small_gram(rows, m, b, alpha, c);
        return;
    }
    int size = m;
    do { /* BLAS counts rows in int */
        int part = (int)(rows < MOST_ROWS ? rows : MOST_ROWS);
        blas->dsyrk("L", "N", &size, &part, &alpha, (double *)b, &size, &beta, c, &size);
        b += (int64_t)part * m;
        rows -= part;
        beta = 1;
    } while (rows > 0);
}

/* Of whole groups of SMM_LANES rows; see smm_weighted_gram. A constant p lets the compiler keep the
 * sums in registers. */
SMM_INLINE
static inline void weighted_in_lanes(int64_t rows, int32_t p, const double *SMM_RESTRICT X,
                                     const double *SMM_RESTRICT y, const double *SMM_RESTRICT w,
                                     double *SMM_RESTRICT c)
{
    double sums[SMM_FEW_COLUMNS * (SMM_FEW_COLUMNS + 1) / 2][SMM_LANES] = {{0}};
    double columns[SMM_FEW_COLUMNS][SMM_LANES], scaled[SMM_LANES];
    for (int64_t i = 0; i < rows; i += SMM_LANES) {
        for (int32_t s = 0; s < p; s++)
            for (int64_t l = 0; l < SMM_LANES; l++) columns[s][l] = X[(i + l) * p + s];
        for (int64_t l = 0; l < SMM_LANES; l++) columns[p][l] = y[i + l];
        int32_t pair = 0;
        for (int32_t s = 0; s <= p; s++) {
            for (int64_t l = 0; l < SMM_LANES; l++) scaled[l] = w[i + l] * columns[s][l];
            for (int32_t r = s; r <= p; r++, pair++)
                for (int64_t l = 0; l < SMM_LANES; l++)
                    sums[pair][l] += scaled[l] * columns[r][l];
        }
    }
    smm_add_lanes(p + 1, 1, sums, c);
}

#define OF_COLUMNS(p)                                                                            \
    case p:                                                                                      \
        weighted_in_lanes(whole, p, X, y, w, c);                                                 \
        break

/* Lower triangle of c (p + 1 square) += [X y]'W[X y] for row-major X (rows x p). */
SMM_HOT
void smm_weighted_gram(int64_t rows, int32_t p, const double *X, const double *y, const double *w,
                       double *c)
{
    int64_t whole = rows - rows % SMM_LANES;
    switch (p) {
        OF_COLUMNS(0);
        SMM_CASES_1_TO_6(OF_COLUMNS);
        OF_COLUMNS(7);
    default:
        whole = 0;
    }
    for (int64_t i = whole; i < rows; i++)
        for (int32_t s = 0; s <= p; s++) {
            double f = w[i] * (s < p ? X[i * p + s] : y[i]);
            for (int32_t r = s; r <= p; r++)
                c[r + (size_t)s * (p + 1)] += f * (r < p ? X[i * p + r] : y[i]);
        }
}
