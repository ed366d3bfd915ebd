/* SPDX-License-Identifier: BSD-3-Clause
 *
 * log|Omega| along the only parameter of a model. With x = log theta^2 and the eigenvalues l_j of
 * Q^-1 A, r of them positive,
 *
 *     G(x) = log|e^x A + Q| - log|Q| = sum_j log(1 + l_j e^x),
 *
 * whose derivatives are those of logistic functions: it continues into the strip |Im x| < pi, and
 * |G^(m)| / m! < BOUND r / (m pi^m). The slope that the gradient needs is by the selected inverse
 * twice the work of a factorization, which gives G itself. So it is the slope of the polynomial
 * through what earlier evaluations found, values and slopes, wherever that is certain enough:
 * with m of these, its error at the last one, x, is at most
 *
 *     BOUND r / (m pi^m) prod_i |x - x_i|.
 *
 * What is interpolated is the rest that a smooth function of the same kind leaves,
 * r s log(1 + e^((x + c) / s)), whose c and s are those that a value and a slope tell; it makes the
 * error a small part of this. The first slope that is interpolated has least to go by: one value
 * beside that with a slope, from which h is a step. There the rest is freed of its third
 * derivative as well. With S = L^-1 Lambda'A Lambda L^-T, whose trace is G', and the mean
 * m = G' / r of its eigenvalues
 *
 *     G'' = tr(S - S^2),   G''' = tr(S - 3 S^2 + 2 S^3) = a + b G'',   b = 3 - 6 m,
 *     a = 2 tr (S - m I)^3 + 6 m (G' - r m^2) + 2 r m^3 - 2 G',
 *     G'' + h G''' / 3 = 2 (G(x + h) - G(x) - h G') / h^2,
 *
 * so that the third moment alone is left to products with random signs (Hutchinson 1990).
 */
#include "linear/linear.h"

#define PI 3.14159265358979323846
#define BOUND 2.5
/* The part of the bound that errors are, at the most, away from the minimum: by experiment a tenth.
 * A slope may be wrong by this share of the gradient there, so that its sign is right. */
#define PART 0.15
#define WRONG 0.5
/* An error of the slope that is none, per root of r: the curvature of the objective is of order r,
 * so that it moves the minimum by this many standard errors. */
#define NONE 1e-7

/* The largest |s - 3 s^2 + 2 s^3| of a number s between 0 and 1, and how many standard errors its
 * sum may be off by. */
#define LARGEST_THIRD 0.0963
#define STANDARD_ERRORS 4

static double rounding(double value) { return 1e-14 * (1 + fabs(value)); }

int smm_follows_determinant(const smm_design *d)
{
    return d->ntheta == 1 && d->maxcols == 1 && d->has_prior && d->work >= SMM_MUCH_WORK;
}

static double place(const smm_workspace *ws) { return 2 * log(fabs(ws->T[0])); }

void smm_forget_determinants(smm_workspace *ws) { ws->ndeterminants = 0; }

/* The value where the workspace was just evaluated, without a slope. */
static void remember(smm_workspace *ws)
{
    smm_determinant *known = ws->determinants;
    double x = place(ws);
    int32_t n = ws->ndeterminants, at = n;
    for (int32_t i = 0; i < n; i++)
        if (known[i].x == x) at = i;
    if (at == n && n == SMM_DETERMINANTS) { /* the farthest gives way */
        at = 0;
        for (int32_t i = 1; i < n; i++)
            if (fabs(known[i].x - x) > fabs(known[at].x - x)) at = i;
    }
    if (at == ws->ndeterminants) ws->ndeterminants++;
    if (at == n || known[at].x != x) known[at] = (smm_determinant){x, ws->logdet_omega, NAN, NAN};
    /* the last one comes first, and then the nearest */
    for (int32_t i = 1; i < ws->ndeterminants; i++) {
        smm_determinant each = known[i];
        int32_t j = i;
        for (; j > 0 && fabs(known[j - 1].x - x) > fabs(each.x - x); j--) known[j] = known[j - 1];
        known[j] = each;
    }
}

/* tr (S - m I)^3 where the workspace was just evaluated. */
static double third_moment(smm_workspace *ws, double m)
{
    const smm_design *d = ws->design;
    int64_t size = d->q * SMM_SIGNS;
    double *v = ws->signs, *av = v + size, square = ws->T[0] * ws->T[0], tr[3] = {0};
    uint64_t state = 1;
    for (int64_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's generator */
        v[i] = state >> 63 ? 1 : -1;
    }
    for (int power = 0; power < 3; power += 2) { /* v = S^(power / 2) z */
        smm_backward(ws, v, SMM_SIGNS);
        smm_multiply_a(ws, v, av, SMM_SIGNS, NULL);
        for (int64_t i = 0; i < size; i++) tr[power] += square * v[i] * av[i];
        if (power) break;
        for (int64_t i = 0; i < size; i++) v[i] = square * av[i];
        smm_forward(ws, v, SMM_SIGNS);
        for (int64_t i = 0; i < size; i++) tr[1] += v[i] * v[i];
    }
    return (tr[2] - 3 * m * tr[1] + 3 * m * m * tr[0]) / SMM_SIGNS - m * m * m * (double)d->q;
}

/* r s log(1 + e^((x + c) / s)) + third (x - at)^3 / 6 */
typedef struct {
    double r, s, c, third, at;
} base;

static base base_at(double r, const smm_determinant *known)
{
    double share = known->slope / r, t = log(share / (1 - share));
    base b = {0, 1, 0, 0, known->x};
    if (!(share > 0 && share < 1)) return b;
    b.r = r;
    b.s = known->value / (r * log1p(exp(t)));
    b.c = t * b.s - known->x;
    return b;
}

/* The base at known[1], with the third derivative that the value known[0] lets it have. */
static base base_beside(double r, const smm_determinant *known)
{
    base b = base_at(r, known + 1);
    double h = known[0].x - known[1].x, G = known[1].slope, m = G / r, n = 3 - 6 * m;
    double a = 2 * known[1].moment + 6 * m * (G - r * m * m) + 2 * r * m * m * m - 2 * G;
    double second = 2 * (known[0].value - known[1].value - h * G) / (h * h);
    second = (second - h * a / 3) / (1 + h * n / 3);
    if (b.r > 0) b.third = a + n * second - b.r * m * (1 - m) * (1 - 2 * m) / (b.s * b.s);
    return b;
}

static double base_value(const base *b, double x)
{
    double t = (x + b->c) / b->s, y = x - b->at;
    return b->r * b->s * (fmax(t, 0) + log1p(exp(-fabs(t)))) + b->third * y * y * y / 6;
}

static double base_slope(const base *b, double x)
{
    double y = x - b->at;
    return b->r / (1 + exp(-(x + b->c) / b->s)) + b->third * y * y / 2;
}

/* The slope at known[0] by divided differences of known[0] and of known[first..n). */
static double interpolate(const smm_determinant *known, int32_t first, int32_t n, const base *b)
{
    double x[2 * SMM_DETERMINANTS] = {0}, c[2 * SMM_DETERMINANTS], slope[2 * SMM_DETERMINANTS];
    int32_t m = 0;
    for (int32_t i = 0; i < n; i = i ? i + 1 : first) {
        int32_t times = isnan(known[i].slope) ? 1 : 2;
        for (int32_t k = 0; k < times; k++, m++) {
            x[m] = known[i].x;
            c[m] = known[i].value - base_value(b, x[m]);
            slope[m] = known[i].slope - base_slope(b, x[m]);
        }
    }
    for (int32_t j = 1; j < m; j++)
        for (int32_t i = m - 1; i >= j; i--)
            c[i] = x[i] == x[i - j] ? slope[i] : (c[i] - c[i - 1]) / (x[i] - x[i - j]);
    double value = c[m - 1], derivative = 0;
    for (int32_t i = m - 2; i >= 0; i--) {
        derivative = derivative * (x[0] - x[i]) + value;
        value = value * (x[0] - x[i]) + c[i];
    }
    return base_slope(b, x[0]) + derivative;
}

/* How far the slope at known[0] may be off by those of known[first..n). */
static double error_bound(const smm_determinant *known, int32_t first, int32_t n, double r)
{
    double product = r * BOUND / PI;
    int32_t m = 1;
    for (int32_t i = first; i < n; i++)
        for (int32_t k = isnan(known[i].slope) ? 1 : 2; k > 0; k--, m++)
            product *= fabs(known[0].x - known[i].x) / PI;
    return product / m;
}

/* The same by known[1] alone, of whose third derivative the rest has what it is off by, and
 * beyond it the bound on the fourth. */
static double error_beside(const smm_determinant *known, double r)
{
    double h = fabs(known[0].x - known[1].x);
    double third = STANDARD_ERRORS * LARGEST_THIRD * sqrt(2 * r / SMM_SIGNS);
    return h * h * (third / 6 + h * r * BOUND / pow(PI, 4));
}

/* The slope where the workspace was just evaluated, if it is certain enough beside a rest that the
 * gradient has: both in x. Returns 0 if it is not. */
static int find_slope(const smm_workspace *ws, double rest, double *slope)
{
    const smm_determinant *known = ws->determinants;
    double r = (double)ws->design->q, least = INFINITY;
    int32_t n = ws->ndeterminants, told = n, best = n;
    *slope = known[0].slope;
    if (!isnan(*slope)) return 1;
    for (int32_t i = n - 1; i > 0; i--)
        if (!isnan(known[i].slope)) told = i;
    /* values that are very near say less, for their rounding errors */
    for (int32_t first = 1; first <= told && told < n; first++) {
        double noise = rounding(known[0].value) / fabs(known[0].x - known[first].x);
        double error = PART * error_bound(known, first, n, r);
        if (n == 2) error = fmin(error, error_beside(known, r));
        error += noise;
        if (error < least) best = first, least = error;
    }
    if (best == n) return 0;
    base b = n == 2 ? base_beside(r, known) : base_at(r, known + told);
    *slope = interpolate(known, best, n, &b);
    if (least <= WRONG * fabs(*slope + rest)) return 1;
    return least + (1 - PART) * error_bound(known, best, n, r) <= NONE * sqrt(r);
}

/* GT = Gamma T, its trace by what is known of the determinant. */
int smm_differentiate_by_determinants(smm_workspace *ws)
{
    double T = ws->T[0], slope;
    if (ws->exact || T == 0) return smm_differentiate(ws);
    remember(ws);
    smm_solve_linear_modes(ws);
    ws->GT[0] = 0;
    smm_subtract_residuals(ws);
    double rest = ws->GT[0];
    if (find_slope(ws, T * rest, &slope)) {
        ws->GT[0] = slope / T + rest;
        return SMM_OK;
    }
    int status = smm_find_trace(ws);
    if (status) return status;
    ws->determinants[0].slope = T * ws->GT[0];
    ws->determinants[0].moment = third_moment(ws, T * ws->GT[0] / (double)ws->design->q);
    ws->GT[0] += rest;
    return SMM_OK;
}

int smm_quick_gradient(smm_workspace *ws, double *gradient)
{
    int follows = smm_follows_determinant(ws->design);
    return smm_find_gradient(ws, follows ? smm_differentiate_by_determinants : smm_differentiate,
                             gradient);
}
