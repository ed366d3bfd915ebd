/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Random effects in the logit zeta of zero inflation or of a hurdle. A row then has two predictors,
 * eta and zeta, its weights are the matrix of second derivatives
 *
 *     W = -[d2/deta2, d2/deta dzeta; ., d2/dzeta2] loglik,
 *
 * and Z'WZ takes of it the element of the predictors of two terms. The derivatives are those of
 * sides.c, zeta being parameter 3 of a row, and those here that take zeta and one more parameter j:
 * with S(x) = log(1 + e^x), f0 = log f(0) and q = zeta - f0, zeros of an inflated row have
 *
 *     loglik = f0 + S(q) - S(zeta),                      d2/dzeta2 = S''(q) - S''(zeta),
 *     d2/dzeta dj = -S''(q) f0_j,                        d3/dzeta2 dj = -S'''(q) f0_j,
 *     d3/deta dzeta dj = S'''(q) f0_eta f0_j - S''(q) f0_eta,j,
 *
 * and elsewhere zeta is alone in its term, log pi or log(1 - pi).
 *
 * Which of both kinds a zero is, is not observed, and costs information: W is that of complete
 * data, psd, less
 *
 *     M = S''(q) v v',   v = (f0_eta, -1),
 *
 * which may leave Omega singular: there two modes merge. Nodes of quadrature are spread by
 * W + M / 4, with which Omega is positive definite at every mode; where zeros are certain M is 0.
 */
#include "generalized/generalized.h"

/* The first three derivatives of S. */
static void softplus_slopes(double x, double *s)
{
    double e = exp(-fabs(x)), tail = 1 / (1 + e);
    s[1] = x >= 0 ? tail : e * tail;
    s[2] = e * tail * tail;
    s[3] = s[2] * (1 - 2 * s[1]);
}

/* E[score score'] of an inflated row with information `info` on eta in f. Its sum over y > 0 is
 * what zeros leave of f's, and no less than the square of its mean allows where `info` is not
 * exact. */
static void inflated_information(double info, smm_jet zero, double zeta, const double *s,
                                 double *out)
{
    double f0 = exp(zero.c[0]), e = zero.c[1], pi = 1 / (1 + exp(-zeta)),
           rest = 1 / (1 + exp(zeta));
    double p0 = pi + rest * f0, score = e * (1 - s[1]); /* of zeros, in eta */
    double others = fmax(rest * (info - f0 * e * e), p0 * score * p0 * score / (1 - p0));
    out[0] = p0 * score * score + (isfinite(others) ? others : 0);
    out[1] = pi * score;
    out[2] = pi * (s[1] - pi);
}

/* Whether W, at a distance of n between its elements, is at least the share of the positive
 * semidefinite matrix E. */
static int at_least(const double *W, double share, const double *E, int64_t n)
{
    double a = W[0] - share * E[0], b = W[n] - share * E[n], c = W[2 * n] - share * E[2 * n];
    return a >= 0 && c >= 0 && a * c >= b * b;
}

/* Row i at its predictors, of which sides.c has the jet. */
void smm_zeros_row(smm_glmm *g, int64_t i, const double *outer, const smm_jet *row)
{
    const smm_family *f = &g->family;
    smm_sides *sides = &g->sides;
    int64_t n = g->ws->design->n;
    double m = g->weights ? g->weights[i] : 1, copies = smm_density_copies(f, m), zeta = outer[3];
    double s[4], t[4], information[3], own = m > 0 ? m / copies : 0;
    double *l = sides->l_zeros + 4 * i, *cross = sides->w_cross + 4 * i;
    double *w = sides->w_zeros + 4 * i;
    softplus_slopes(zeta, t);
    double info = m > 0 ? smm_density_information(f, own, g->eta[i], outer) : 0;
    memset(s, 0, sizeof s);
    smm_jet zero = jet_constant(0);
    if (sides->zeros == SMM_HURDLE) {
        information[0] = g->y[i] == 0 ? 0 : info; /* zeros say nothing of eta */
        information[1] = 0;
        information[2] = t[2];
    } else {
        zero = smm_density_of_zero(f, m, g->eta[i], outer);
        softplus_slopes(zeta - zero.c[0], s);
        inflated_information(info, zero, zeta, s, information);
        if (g->y[i] != 0) memset(s, 0, sizeof s);
    }
    double size = m > 0 ? copies : 0;
    for (int j = 0; j < 3; j++) {
        l[j] = -size * s[2] * zero.d[0][j];
        cross[j] = -size * (s[3] * zero.c[1] * zero.d[0][j] - s[2] * zero.d[1][j]);
        w[j] = size * s[3] * zero.d[0][j];
    }
    l[3] = size * (s[2] - t[2]);
    cross[3] = size * s[3] * zero.c[1];
    w[3] = size * (t[3] - s[3]);
    g->l[n + i] = row->d[0][3];
    g->wo[n + i] = -row->d[1][3];
    g->wo[2 * n + i] = -l[3];
    for (int part = 0; part < 3; part++) g->we[part * n + i] = size * information[part];
    if (at_least(g->wo + i, SMM_SAFE_SHARE, g->we + i, n))
        for (int part = 0; part < 3; part++) g->we[part * n + i] = g->wo[part * n + i];
}

/* The observed weights of rows where they are safely positive definite, or the expected, into
 * g->work. */
void smm_zeros_safe_weights(smm_glmm *g)
{
    int64_t n = g->ws->design->n;
    for (int64_t i = 0; i < n; i++) {
        int safe = at_least(g->wo + i, SMM_SAFE_SHARE, g->we + i, n);
        const double *from = safe ? g->wo : g->we;
        for (int part = 0; part < 3; part++) g->work[part * n + i] = from[part * n + i];
    }
}

#define SPREAD 0.25

/* M of a zero and its derivatives by row parameter and, last, by eta: (3 x 6), of parts ee, ez, zz,
 * the elements themselves first. Zeta is parameter 3. */
static void missing_information(const smm_glmm *g, int64_t i, double out[3][6])
{
    double m = g->weights ? g->weights[i] : 1, zeta = g->eta[g->ws->design->n + i];
    double outer[SMM_OUTER], s[4], size = m > 0 ? smm_density_copies(&g->family, m) : 0;
    memcpy(outer, g->sides.outer + 4 * i, sizeof outer);
    outer[3] = zeta;
    smm_jet zero = smm_density_of_zero(&g->family, m, g->eta[i], outer);
    softplus_slopes(zeta - zero.c[0], s);
    double e = zero.c[1];
    for (int j = 0; j < 6; j++) { /* derivatives of q and of f0_eta */
        double q = j == 0 ? 0 : j == 4 ? 1 : j == 5 ? -e : -zero.d[0][j - 1];
        double e_j = j == 0 || j == 4 ? 0 : j == 5 ? zero.c[2] : zero.d[1][j - 1];
        double f = size * (j == 0 ? s[2] : s[3] * q);
        out[0][j] = f * e * e + 2 * size * s[2] * e * e_j;
        out[1][j] = -f * e - size * s[2] * e_j;
        out[2][j] = f;
    }
}

void smm_zeros_spread(smm_glmm *g)
{
    int64_t n = g->ws->design->n;
    double M[3][6];
    memcpy(g->sides.spread, g->wo, 3 * sizeof(double) * (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        if (g->y[i] != 0) continue;
        missing_information(g, i, M);
        for (int part = 0; part < 3; part++) g->sides.spread[part * n + i] += SPREAD * M[part][0];
    }
}

/* What sides.c adds up for the gradient, for rows of two predictors: the parts of c are variances
 * of the pairs of predictors and become sums with the derivatives of W in each predictor. */
void smm_zeros_weight_slopes(const smm_glmm *g, double *c)
{
    const smm_sides *s = &g->sides;
    int64_t n = g->ws->design->n;
    for (int64_t i = 0; i < n; i++) {
        const double *ee = s->w + 4 * i, *ez = s->w_cross + 4 * i, *zz = s->w_zeros + 4 * i;
        double a = c[i], b = c[n + i], e = c[2 * n + i], M[3][6], more[6] = {0};
        if (g->w == s->spread && g->y[i] == 0) {
            missing_information(g, i, M);
            for (int j = 1; j < 6; j++)
                more[j] = SPREAD * (a * M[0][j] + b * M[1][j] + e * M[2][j]);
        }
        for (int j = 0; j < SMM_OUTER; j++)
            s->slope[4 * i + j] += b * ez[j] + e * zz[j] + more[j + 1];
        c[i] = a * g->dw[i] + b * ee[3] + e * ez[3] + more[5];
        c[n + i] = a * ee[3] + b * ez[3] + e * zz[3] + more[4];
    }
}

/* The same for the adjoint: c -= W adjoint. */
void smm_zeros_adjoint(const smm_glmm *g, const double *adjoint, double *c)
{
    const smm_sides *s = &g->sides;
    int64_t n = g->ws->design->n;
    for (int64_t i = 0; i < n; i++) {
        double e = adjoint[i], z = adjoint[n + i];
        for (int j = 0; j < SMM_OUTER; j++) s->slope[4 * i + j] += z * s->l_zeros[4 * i + j];
        c[i] -= g->wo[i] * e + g->wo[n + i] * z;
        c[n + i] -= g->wo[n + i] * e + g->wo[2 * n + i] * z;
    }
}
