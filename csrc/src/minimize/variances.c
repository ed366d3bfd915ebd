/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Newton steps in variances.
 *
 * An element x of T that is alone in its column enters the covariance by its square s only. With J
 * levels, each of which knows its effect with precision m, minus twice the log-likelihood is
 *
 *     J (log(1 + m s) + c / (1 + m s)),
 *
 * for small m s nearly a parabola in s: Newton steps in x leave two thirds of x each where the
 * variance vanishes, those in s are there at once. By the chain rule, for f(x),
 *
 *     df/ds = f' / (2 x),   d2f/ds2 = (f'' - f' / x) / (4 x^2),
 *
 * in which the average information leaves a square. In units of x, n rows are n / J for a level: m.
 */
#include "minimize/minimize.h"

/* The largest m s of effects that take steps in their variance: with a reliability m s / (1 + m s)
 * of up to a quarter. */
#define UNRELIABLE 0.3
/* Of a variance a step takes no more than MOST_TAKEN, or all where its minimum is this many times
 * as far away as zero and the objective changes by less than LITTLE. */
#define MOST_TAKEN (15.0 / 16)
#define CLEARLY 1.5
#define LITTLE 0.5

/* Whether an element of theta is on the diagonal of T and alone in its column. */
static int is_alone(const smm_design *d, int32_t i)
{
    int before = i > 0 && d->theta_term[i - 1] == d->theta_term[i] &&
                 d->theta_col[i - 1] == d->theta_col[i];
    int after = i + 1 < d->ntheta && d->theta_term[i + 1] == d->theta_term[i] &&
                d->theta_col[i + 1] == d->theta_col[i];
    return smm_on_diagonal(d, i) && !before && !after;
}

/* Hold variances that are at zero and grow from there: x and -x are one model, so that a step has
 * nothing to do with them. */
void smm_run_hold_zeros(smm_run *run, double *g)
{
    const smm_design *d = run->problem->design;
    int32_t n = run->problem->n;
    if (run->problem->rows == 0) return;
    for (int32_t i = 0; i < d->ntheta; i++) {
        double growth = run->H[i + (size_t)i * n];
        if (!is_alone(d, i) || fabs(run->x[i]) > SMM_NEAR_ZERO || !(growth > 0)) continue;
        for (int32_t j = 0; j < n; j++)
            run->H[i + (size_t)j * n] = run->H[j + (size_t)i * n] = i == j ? growth : 0;
        g[i] = 0;
    }
}

static int is_small(const smm_run *run, int32_t i)
{
    const smm_design *d = run->problem->design;
    double x = run->x[i], levels = d->levels[d->theta_term[i]];
    return x * x * run->problem->rows < UNRELIABLE * levels;
}

/* Whether an element takes its step in s. Where a column of its T that has other elements is small
 * as well, either may be the one without variance. */
static int is_unreliable(const smm_run *run, const double *g, int32_t i)
{
    const smm_design *d = run->problem->design;
    if (i >= d->ntheta || !is_alone(d, i) || fabs(run->x[i]) <= SMM_NEAR_ZERO ||
        !is_small(run, i))
        return 0;
    int32_t t = d->theta_term[i];
    for (int32_t j = d->theta_at[t]; j < d->theta_at[t + 1]; j++)
        if (smm_on_diagonal(d, j) && !is_alone(d, j) && is_small(run, j)) return 0;
    return run->H[i + (size_t)i * run->problem->n] > g[i] / run->x[i];
}

/* The share of s that a step may take: all of it where its own parabola has its minimum clearly
 * beyond zero, and little is decided by that. */
static double most_taken(const smm_run *run, const double *g, int32_t i)
{
    double x = run->x[i], share = 2 * g[i] / (x * run->H[i + (size_t)i * run->problem->n] - g[i]);
    return share > CLEARLY && 0.5 * g[i] * x < LITTLE ? 1 : MOST_TAKEN;
}

/* V = the curvature and delta = minus the slope in the variables of a step, with the derivative of x
 * in them, `per`: 1, 1 / (2 x), or 0 for a variance that takes all it may, of which the others
 * know. */
static void in_variances(smm_run *run, const double *g, const double *per, double *delta)
{
    int32_t n = run->problem->n;
    const double *x = run->x;
    for (int32_t i = 0; i < n; i++) {
        delta[i] = -g[i] * per[i];
        for (int32_t j = 0; j < n; j++) {
            double h = run->H[i + (size_t)j * n];
            run->V[i + (size_t)j * n] = h * per[i] * per[j];
            if (per[j] == 0) delta[i] += 0.5 * h * per[i] * x[j] * most_taken(run, g, j);
        }
        double *own = run->V + i + (size_t)i * n;
        if (per[i] == 0) {
            *own = 1;
            delta[i] = -x[i] * x[i] * most_taken(run, g, i);
        } else if (is_unreliable(run, g, i)) *own -= g[i] / x[i] * per[i] * per[i];
    }
}

/* Step in the variances of unreliable effects and in the other elements of x, in place of the step
 * in x where it descends as well. */
void smm_run_step_in_variances(smm_run *run, const double *g)
{
    const smm_blas *blas = &run->problem->design->blas;
    int32_t n = run->problem->n, ntheta = run->problem->design->ntheta, unreliable = 0, more = 1;
    double *per = run->root, *delta = run->work, slope = 0;
    const double *x = run->x;
    if (run->problem->rows == 0) return;
    for (int32_t i = 0; i < n; i++) {
        int in_s = is_unreliable(run, g, i);
        per[i] = in_s ? 0.5 / x[i] : 1;
        unreliable += in_s;
    }
    if (!unreliable) return;
    while (more) {
        in_variances(run, g, per, delta);
        if (smm_potrf(blas, n, run->V, n)) return;
        smm_solve_rows(blas, n, run->V, n, 1, delta, 0);
        smm_solve_rows(blas, n, run->V, n, 1, delta, 1);
        more = 0;
        for (int32_t i = 0; i < ntheta; i++) {
            if (per[i] == 0 || !is_unreliable(run, g, i)) continue;
            double least = (1 - most_taken(run, g, i)) * x[i] * x[i];
            if (x[i] * x[i] + delta[i] > fmax(least, SMM_NEAR_ZERO * SMM_NEAR_ZERO)) continue;
            per[i] = 0;
            more = 1;
        }
    }
    for (int32_t i = 0; i < n; i++) {
        if (is_unreliable(run, g, i))
            delta[i] = copysign(sqrt(fmax(x[i] * x[i] + delta[i], 0)), x[i]) - x[i];
        slope += g[i] * delta[i];
    }
    if (slope < 0) memcpy(run->step, delta, sizeof(double) * (size_t)n);
}
