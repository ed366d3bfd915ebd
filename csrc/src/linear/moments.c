/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where a large model begins: variances from group means. With r the response, from which the
 * caller has taken the fit on X, and A_t the diagonal blocks of Z'WZ, effects
 * b_t = A_t^-1 Z_t'W(r - sum_{s != t} Z_s b_s) are found by a few sweeps over the terms, those of
 * fewest levels first, so that of nested factors the coarser takes what is between its levels. As
 * b_j of level j scatters about zero with covariance Sigma + sigma^2 A_jj^-1,
 *
 *     Sigma = sum_j w_j (b_j b_j' - sigma^2 A_jj^-1) / sum_j w_j
 *
 * is unbiased but for what the terms take from each other. The result is only a start: it is kept
 * between limits, and is the identity where the levels say too little.
 */
#include "linear/linear.h"

#define SWEEPS 2
/* The share of the rows that must be left for the residual: levels with a row or two say little. */
#define LEAST_DOF 0.5
/* Standard deviations over sigma that a start may have, in units of the columns of Z, and a
 * variance in these units that is neither small nor large. */
#define LEAST_SD 0.03
#define LARGEST_SD 30.0
#define TYPICAL 0.3
/* A level whose columns are closer to dependent than this says nothing. */
#define LEAST_PIVOT 1e-6
/* Less than this share of the squares about the mean is no residual to compare with: of one row. */
#define LEAST_SHARE 1e-12

/* The lower Cholesky factor of a symmetric matrix (k x k, column-major), its lower triangle read.
 * Returns 0 where a pivot is below `least` times the diagonal element. */
static int factor_block(int32_t k, const double *A, double least, double *L)
{
    for (int32_t c = 0; c < k; c++) {
        for (int32_t r = c; r < k; r++) {
            double sum = A[r + c * k];
            for (int32_t e = 0; e < c; e++) sum -= L[r + e * k] * L[c + e * k];
            if (r == c && !(sum > least * A[c + c * k])) return 0;
            L[r + c * k] = r == c ? sqrt(sum) : sum / L[c + c * k];
        }
        for (int32_t r = 0; r < c; r++) L[r + c * k] = 0;
    }
    return 1;
}

/* x <- (L L')^-1 x. */
static void solve_block(int32_t k, const double *L, double *x)
{
    for (int32_t r = 0; r < k; r++) {
        for (int32_t c = 0; c < r; c++) x[r] -= L[r + c * k] * x[c];
        x[r] /= L[r + r * k];
    }
    for (int32_t r = k - 1; r >= 0; r--) {
        for (int32_t c = r + 1; c < k; c++) x[r] -= L[c + r * k] * x[c];
        x[r] /= L[r + r * k];
    }
}

/* The effects of term t given those of the others, in place of the old ones in u; L is scratch. */
static void fit_term(smm_workspace *ws, int32_t t, double *L)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t], m = smm_width(d);
    smm_multiply_a(ws, ws->u, ws->e, 1, NULL);
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int32_t node = d->node_of[t][l];
        double *u = ws->u + d->node_at[node], *change = ws->b + d->node_at[node];
        const double *Au = ws->e + d->node_at[node];
        const double *Zy = ws->ZXy + d->node_at[node] * m + d->p;
        if (!factor_block(k, ws->A + d->block_at[node], LEAST_PIVOT, L)) continue;
        for (int32_t r = 0; r < k; r++) change[r] = Zy[(int64_t)r * m] - Au[r];
        solve_block(k, L, change);
        for (int32_t r = 0; r < k; r++) u[r] += change[r];
    }
}

/* Sigma of term t (k x k, lower triangle) and in `doubt` (k) how far its diagonal may be off; L and
 * inverse are scratch. Levels count as in a meta-analysis of effects with variance TYPICAL. */
static void scatter(const smm_workspace *ws, int32_t t, double variance, const double *scale,
                    double *Sigma, double *doubt, double *L, double *inverse)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t];
    double total = 0, squares = 0;
    memset(Sigma, 0, sizeof(double) * (size_t)k * (size_t)k);
    memset(doubt, 0, sizeof(double) * (size_t)k);
    for (int32_t l = 0; l < d->levels[t]; l++) {
        int32_t node = d->node_of[t][l];
        const double *u = ws->u + d->node_at[node];
        if (!factor_block(k, ws->A + d->block_at[node], LEAST_PIVOT, L)) continue;
        memset(inverse, 0, sizeof(double) * (size_t)k * (size_t)k);
        double error = 0;
        for (int32_t c = 0; c < k; c++) {
            inverse[c + c * k] = 1;
            solve_block(k, L, inverse + (size_t)c * (size_t)k);
            error += inverse[c + c * k] / (scale[c] * scale[c]) / k;
        }
        double weight = 1 / ((TYPICAL + error) * (TYPICAL + error));
        for (int32_t c = 0; c < k; c++) {
            for (int32_t r = c; r < k; r++)
                Sigma[r + c * k] += weight * (u[r] * u[c] - variance * inverse[r + c * k]);
            doubt[c] += weight * u[c] * u[c];
        }
        total += weight;
        squares += weight * weight;
    }
    for (int32_t c = 0; c < k; c++) {
        for (int32_t r = c; r < k; r++)
            Sigma[r + c * k] = total > 0 ? Sigma[r + c * k] / total : 0;
        doubt[c] *= total > 0 ? sqrt(2 * squares) / (total * total) : 0;
    }
}

/* Elements of theta of term t: the factor of Sigma / variance, within limits. Correlations shrink
 * until there is one. */
static void start_term(const smm_workspace *ws, int32_t t, double variance, const double *scale,
                       double *Sigma, double *sd, double *L, double *theta)
{
    const smm_design *d = ws->design;
    int32_t k = d->cols[t], lo = d->theta_at[t], hi = d->theta_at[t + 1];
    for (int32_t c = 0; c < k; c++)
        for (int32_t r = c + 1; r < k; r++) {
            double size = sqrt(fmax(Sigma[r + r * k], 0)) * sqrt(fmax(Sigma[c + c * k], 0));
            double rho = size > 0 ? Sigma[r + c * k] / size : 0;
            Sigma[r + c * k] = fmin(fmax(rho, -1), 1);
        }
    for (int32_t c = 0; c < k; c++) {
        /* sd holds the doubt: a variance that may be zero begins where it is hardly below */
        double ratio = sqrt(fmax(Sigma[c * (k + 1)], 2 * sd[c]) / variance) / scale[c];
        sd[c] = scale[c] * fmin(fmax(ratio, LEAST_SD), LARGEST_SD);
    }
    if (hi - lo < k * (k + 1) / 2) {
        for (int32_t i = lo; i < hi; i++)
            theta[i] = smm_on_diagonal(d, i) ? sd[d->theta_row[i]] : 0;
        return;
    }
    for (double share = 1;; share = share > 0.4 ? share - 0.25 : 0) {
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = c; r < k; r++)
                L[r + c * k] = sd[r] * sd[c] * (r == c ? 1 : share * Sigma[r + c * k]);
        if (factor_block(k, L, LEAST_SD * LEAST_SD, L)) break;
    }
    for (int32_t i = lo; i < hi; i++) theta[i] = L[d->theta_row[i] + d->theta_col[i] * k];
}

int smm_moments(smm_workspace *ws, double *theta)
{
    if (!ws || !theta) return SMM_EINVAL;
    if (ws->state < SMM_HAS_A) return SMM_ESTATE;
    const smm_design *d = ws->design;
    size_t k2 = (size_t)d->maxcols * (size_t)d->maxcols;
    double *L = ws->small_tmp, *inverse = L + k2, *Sigma = inverse + k2, *doubt = Sigma + k2;
    double *scale = doubt + d->maxcols; /* of the columns of a term */
    smm_theta_scale(ws, theta);
    for (int32_t i = 0; i < d->ntheta; i++)
        if (!smm_on_diagonal(d, i)) theta[i] = 0;
    double dof = (double)(ws->rows - d->p - d->q);
    if (dof < LEAST_DOF * (double)ws->rows) return SMM_OK;

    ws->state = SMM_HAS_A; /* u, b and e are no longer of a solution */
    memset(ws->u, 0, sizeof(double) * (size_t)d->q);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        /* the terms in the order of their number of levels */
        int64_t done = -1;
        for (int32_t step = 0; step < d->nterms; step++) {
            int32_t next = -1;
            int64_t key = 0;
            for (int32_t t = 0; t < d->nterms; t++) {
                int64_t of_t = (int64_t)d->levels[t] * d->nterms + t;
                if (of_t > done && (next < 0 || of_t < key)) next = t, key = of_t;
            }
            fit_term(ws, next, L);
            done = key;
        }
    }
    smm_multiply_a(ws, ws->u, ws->e, 1, NULL);
    int32_t m = smm_width(d);
    double rss = ws->XXy[(size_t)m * (size_t)m - 1];
    for (int64_t i = 0; i < d->q; i++) rss += ws->u[i] * (ws->e[i] - 2 * ws->ZXy[i * m + d->p]);
    double variance = ws->sigma > 0 ? ws->sigma * ws->sigma : rss / dof;
    if (!(variance > LEAST_SHARE * ws->XXy[(size_t)m * (size_t)m - 1])) return SMM_OK;
    const double *zrms = ws->zrms;
    for (int32_t t = 0; t < d->nterms; zrms += d->cols[t++]) {
        for (int32_t c = 0; c < d->cols[t]; c++) scale[c] = 1 / zrms[c];
        scatter(ws, t, variance, scale, Sigma, doubt, L, inverse);
        start_term(ws, t, variance, scale, Sigma, doubt, L, theta);
    }
    return SMM_OK;
}
