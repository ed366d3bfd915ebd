/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is held fixed of the rows p = M x of triangles T: sigma |p|, the standard deviation of a
 * random effect, and the angle between two rows, whose cosine is the correlation of two.
 *
 * With u = p / |p| the gradient of |p| in p is u, its Hessian (I - u u') / |p|.
 *
 * For the angle c between p and q let t_p be the unit vector at right angles to p, in the plane of
 * both, pointing away from q, and Q the projection off that plane: the gradient in p is t_p / |p|,
 * the Hessian (cot(c) Q - t_p u_p' - u_p t_p') / |p|^2, and the mixed one -Q / (|p| |q| sin(c)).
 */
#include "minimize/minimize.h"

static double dot(int32_t k, const double *a, const double *b)
{
    double sum = 0;
    for (int32_t i = 0; i < k; i++) sum += a[i] * b[i];
    return sum;
}

/* u = v / |v|, which is returned; u may be v. */
static double unit(int32_t k, const double *v, double *u)
{
    double size = sqrt(dot(k, v, v));
    for (int32_t i = 0; i < k; i++) u[i] = v[i] / size;
    return size;
}

/* Elements r of t: the sum over e of M[e, r] x[at[e]], M (m x k). */
static void rows_of(int32_t k, int32_t m, const int32_t *at, const double *M, const double *x,
                    double *t)
{
    for (int32_t r = 0; r < k; r++) {
        t[r] = 0;
        for (int32_t e = 0; e < m; e++) t[r] += M[e + (size_t)r * m] * x[at[e]];
    }
}

/* gradient[at] = M d and hessian[at, at] = M D M' of a function with derivatives d (k) and D
 * (k x k) in the rows; zero elsewhere. */
static void in_x(int32_t n, int32_t k, int32_t m, const int32_t *at, const double *M,
                 const double *d, const double *D, double *gradient, double *hessian)
{
    memset(gradient, 0, sizeof(double) * (size_t)n);
    memset(hessian, 0, sizeof(double) * (size_t)n * n);
    for (int32_t r = 0; r < k; r++)
        for (int32_t e = 0; e < m; e++) gradient[at[e]] += M[e + (size_t)r * m] * d[r];
    for (int32_t e = 0; e < m; e++)
        for (int32_t r = 0; r < k; r++) {
            double share = M[e + (size_t)r * m];
            if (share == 0) continue;
            for (int32_t f = 0; f < m; f++) {
                double sum = 0;
                for (int32_t s = 0; s < k; s++)
                    sum += D[r + (size_t)s * k] * M[f + (size_t)s * m];
                hessian[at[e] + (size_t)at[f] * n] += share * sum;
            }
        }
}

int smm_row_length(int32_t n, const double *x, int32_t k, int32_t m, const int32_t *at,
                   const double *M, double sigma, double *gradient, double *hessian, double *work)
{
    if (n < 1 || k < 1 || m < 1 || m > n || !x || !at || !M) return SMM_EINVAL;
    if (!gradient || !hessian || !work) return SMM_EINVAL;
    double *u = work, *d = u + k, *D = d + k, scale = sigma > 0 ? sigma : exp(x[n - 1]);
    rows_of(k, m, at, M, x, u);
    double size = unit(k, u, u);
    for (int32_t r = 0; r < k; r++) {
        d[r] = scale * u[r];
        for (int32_t s = 0; s < k; s++)
            D[s + (size_t)r * k] = scale / size * ((s == r) - u[s] * u[r]);
    }
    in_x(n, k, m, at, M, d, D, gradient, hessian);
    if (sigma > 0) return SMM_OK;
    int32_t last = n - 1;
    gradient[last] = scale * size;
    for (int32_t i = 0; i < n; i++)
        hessian[i + (size_t)last * n] = hessian[last + (size_t)i * n] = gradient[i];
    return SMM_OK;
}

int smm_row_angle(int32_t n, const double *x, int32_t k, int32_t m, const int32_t *at,
                  const double *M, double *angle, double *gradient, double *hessian, double *work)
{
    if (n < 1 || k < 1 || m < 1 || m > n || !x || !at || !M || !angle || !work) return SMM_EINVAL;
    double *u = work, *v = u + k, *d = v + k, *away_u = d, *away_v = d + k, *D = d + 2 * k;
    rows_of(2 * k, m, at, M, x, u);
    double p = unit(k, u, u), q = unit(k, v, v), far = 0, near = 0;
    for (int32_t i = 0; i < k; i++) {
        far += (u[i] - v[i]) * (u[i] - v[i]);
        near += (u[i] + v[i]) * (u[i] + v[i]);
    }
    *angle = 2 * atan2(sqrt(far), sqrt(near)); /* accurate near 0 and pi as well */
    if (!gradient || !hessian) return SMM_OK;
    double sine = sin(*angle), cosine = cos(*angle);
    for (int32_t i = 0; i < k; i++) {
        away_u[i] = cosine * u[i] - v[i];
        away_v[i] = cosine * v[i] - u[i];
    }
    unit(k, away_u, away_u);
    unit(k, away_v, away_v);
    for (int32_t s = 0; s < k; s++)
        for (int32_t r = 0; r < k; r++) {
            double off = (r == s) - u[r] * u[s] - away_u[r] * away_u[s],
                   turn = cosine / sine * off;
            double *here = D + r + (size_t)s * 2 * k, *beside = here + (size_t)k * 2 * k;
            here[0] = (turn - away_u[r] * u[s] - u[r] * away_u[s]) / (p * p);
            beside[k] = (turn - away_v[r] * v[s] - v[r] * away_v[s]) / (q * q);
            here[k] = beside[0] = -off / (p * q * sine);
        }
    for (int32_t i = 0; i < k; i++) {
        away_u[i] /= p;
        away_v[i] /= q;
    }
    in_x(n, 2 * k, m, at, M, d, D, gradient, hessian);
    return SMM_OK;
}
