/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A Newton step along a constraint. The model of a function f at x,
 *
 *     f(x + s) = f(x) + g's + s'H s / 2,     a's = v,
 *
 * is least on a's = 0 at the step s = -Z (Z'H Z)^-1 Z'g, where the columns of Z span what is
 * orthogonal to a; it moves with v along the tangent a / a'a - Z (Z'H Z)^-1 Z'H a / a'a.
 *
 * A constraint that bends, with the Hessian B, takes B a'g / a'a from H: on it x has no straight
 * way to go.
 *
 * Z are columns of a Householder reflection that takes a to one axis, in units in which curvatures
 * are one: with the axis that a is nearest to, a variable of little curvature is not mixed with
 * others (Nocedal and Wright 2006, Numerical optimization, section 15.3).
 */
#include "minimize/minimize.h"

/* Y (rows x count) = X (rows x count + 1) times the columns but `axis` of the reflection that takes
 * w (count + 1) to that axis; w is overwritten, Y may be X. No more than a copy where w is zero. */
static void reflect(int32_t rows, int32_t count, double *w, int32_t axis, const double *X,
                    double *Y)
{
    double square = 0;
    for (int32_t c = 0; c <= count; c++) square += w[c] * w[c];
    w[axis] += copysign(sqrt(square), w[axis]);
    square = 0;
    for (int32_t c = 0; c <= count; c++) square += w[c] * w[c];
    for (int32_t r = 0; r < rows; r++) {
        double along = 0;
        for (int32_t c = 0; c <= count; c++) along += X[r + (size_t)c * rows] * w[c];
        if (square > 0) along *= 2 / square;
        for (int32_t c = 0; c <= count; c++) {
            if (c == axis) continue;
            size_t to = r + (size_t)(c - (c > axis)) * rows;
            Y[to] = X[r + (size_t)c * rows] - along * w[c];
        }
    }
}

static int32_t largest(int32_t count, const double *w)
{
    int32_t at = 0;
    for (int32_t c = 1; c < count; c++)
        if (fabs(w[c]) > fabs(w[at])) at = c;
    return at;
}

/* Z (m x k), whose columns leave element `bound` where it is, unless it is negative. */
static int32_t across(int32_t m, const double *a, const double *sizes, int32_t axis,
                      int32_t bound, double *Z, double *work)
{
    int32_t k = m - 1;
    double *w = work, *identity = work + m;
    memset(identity, 0, sizeof(double) * (size_t)m * m);
    for (int32_t c = 0; c < m; c++) {
        w[c] = a[c] / sizes[c];
        identity[c + (size_t)c * m] = 1;
    }
    reflect(m, k, w, axis < 0 ? largest(m, w) : axis, identity, Z);
    for (int32_t c = 0; c < k; c++)
        for (int32_t r = 0; r < m; r++) Z[r + (size_t)c * m] /= sizes[r];
    double length = 0;
    for (int32_t c = 0; c < k && bound >= 0; c++) {
        w[c] = Z[bound + (size_t)c * m];
        length += w[c] * w[c];
    }
    if (length > 0) {
        k--;
        reflect(m, k, w, largest(k + 1, w), Z, Z);
    }
    return k;
}

/* L L' = M (k x k) in place, lower triangle; SMM_ENOTPD unless every pivot is more than this share
 * of its diagonal element. */
static int factor_surely(int32_t k, double *M, double share)
{
    for (int32_t c = 0; c < k; c++) {
        double whole = M[c + (size_t)c * k], pivot = whole;
        for (int32_t e = 0; e < c; e++) pivot -= M[c + (size_t)e * k] * M[c + (size_t)e * k];
        if (!(pivot >= share * whole && pivot > 0)) return SMM_ENOTPD;
        M[c + (size_t)c * k] = pivot = sqrt(pivot);
        for (int32_t r = c + 1; r < k; r++) {
            double sum = M[r + (size_t)c * k];
            for (int32_t e = 0; e < c; e++) sum -= M[r + (size_t)e * k] * M[c + (size_t)e * k];
            M[r + (size_t)c * k] = sum / pivot;
        }
    }
    return SMM_OK;
}

/* x = M^-1 x with the factor of M. */
static void solve(int32_t k, const double *L, double *x)
{
    for (int32_t c = 0; c < k; c++) {
        for (int32_t e = 0; e < c; e++) x[c] -= L[c + (size_t)e * k] * x[e];
        x[c] /= L[c + (size_t)c * k];
    }
    for (int32_t c = k - 1; c >= 0; c--) {
        for (int32_t e = c + 1; e < k; e++) x[c] -= L[e + (size_t)c * k] * x[e];
        x[c] /= L[c + (size_t)c * k];
    }
}

/* Curvature (m x m) along the constraint and sizes (m) of the variables. One that bends is of theta
 * alone, and leaves other variables unmixed. */
static void curvature_along(int32_t m, const double *g, const double *H, const double *a,
                            const double *bent, double *curvature, double *sizes)
{
    double square = 0, slope = 0;
    for (int32_t r = 0; r < m; r++) {
        square += a[r] * a[r];
        slope += a[r] * g[r];
        sizes[r] = 1;
    }
    if (!bent) smm_curvature_sizes(m, H, sizes);
    for (size_t e = 0; e < (size_t)m * m; e++)
        curvature[e] = bent ? H[e] - slope / square * bent[e] : H[e];
}

int smm_constrained_step(int32_t m, const double *g, const double *H, const double *a,
                         const double *bent, int32_t bound, double share, int32_t *k,
                         double *step, double *model, double *work)
{
    if (m < 1 || !g || !H || !a || bound >= m || !k || !step || !model || !work)
        return SMM_EINVAL;
    size_t all = (size_t)m * m;
    double *curvature = model, *Z = curvature + all, *reduced = Z + all, *down = reduced + all;
    double *tangent = step + m, *decrease = tangent + m, *sizes = work + 2 * all + m;
    curvature_along(m, g, H, a, bent, curvature, sizes);
    int32_t count = *k = across(m, a, sizes, bent ? 0 : -1, bound, Z, work);
    double *HZ = work, *L = work + all, *x = L + all, square = 0;
    for (int32_t r = 0; r < m; r++) square += a[r] * a[r];
    for (int32_t c = 0; c < count; c++) {
        const double *z = Z + (size_t)c * m;
        double slope = 0, turn = 0;
        for (int32_t r = 0; r < m; r++) {
            double sum = 0;
            for (int32_t e = 0; e < m; e++) sum += curvature[r + (size_t)e * m] * z[e];
            HZ[r + (size_t)c * m] = sum;
            slope += g[r] * z[r];
            turn += a[r] * sum;
        }
        down[c] = -slope;
        down[c + count] = -turn / square;
    }
    for (int32_t c = 0; c < count; c++)
        for (int32_t r = 0; r < count; r++) {
            double sum = 0;
            for (int32_t e = 0; e < m; e++) sum += Z[e + (size_t)r * m] * HZ[e + (size_t)c * m];
            reduced[r + (size_t)c * count] = L[r + (size_t)c * count] = sum;
        }
    int status = factor_surely(count, L, share);
    if (status) return status;
    *decrease = 0;
    for (int32_t which = 0; which < 2; which++) {
        double *to = which ? tangent : step;
        memcpy(x, down + (size_t)which * count, sizeof(double) * (size_t)count);
        solve(count, L, x);
        for (int32_t c = 0; c < count && !which; c++) *decrease += down[c] * x[c];
        for (int32_t r = 0; r < m; r++) {
            double sum = which ? a[r] / square : 0;
            for (int32_t c = 0; c < count; c++) sum += Z[r + (size_t)c * m] * x[c];
            to[r] = sum;
        }
    }
    return SMM_OK;
}
