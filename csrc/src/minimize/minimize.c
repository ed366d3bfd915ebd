/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every minimizer of the objective shares: units, counting and logging, limits,
 * the local quadratic model, and the end of a run.
 *
 * Units. Elements of theta multiply columns of Z, so they are measured in units of
 * smm_theta_scale: x = parameters / scale. That makes runs independent of the units of
 * the covariates.
 *
 * Zero. The objective is even in every column of T, so a zero column is stationary
 * for any data. Runs therefore stay at least SMM_NEAR_ZERO away from zero on the
 * diagonal, and only smm_run_finish tries exact zeros.
 */
#include <time.h>

#include "minimize/minimize.h"

/* A column of T this small, relative to the noise, is tried as exactly zero. */
#define TRY_ZERO 1e-3
/* One parameter may be known far better than another, so curvatures are compared in units in
 * which the diagonal of H is 1: directions with less than this share of the largest there are
 * flat. Diagonals below the share NO_CURVATURE of the largest are rounding errors. */
#define FLAT 1e-6
#define NO_CURVATURE 1e-13
/* A long step of a parameter. */
#define LONG 3
/* Diagonals within this share of the largest are left in the units of x. */
#define ALIKE 1e-4
/* See correct_curvature. */
#define DAMPED 0.1

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Since the run began. */
double smm_run_seconds(const smm_run *run) { return seconds() - run->started; }

int smm_run_start(smm_run *run, const smm_problem *problem, const smm_options *options,
                  smm_report *report, const double *parameters)
{
    int32_t n = problem->n;
    double *v = problem->vectors;
    run->problem = problem;
    run->options = options;
    run->report = report;
    run->started = run->polled = seconds();
    run->value = NAN;
    run->solved = SMM_UNSOLVED;
    run->pairs = 0;
    run->point = v;
    run->x = v + n;
    run->g = v + 2 * n;
    run->step = v + 3 * n;
    run->eigenvalues = v + 4 * n;
    run->root = v + 5 * n;
    run->work = v + 6 * n;
    run->H = problem->matrices;
    run->V = run->H + (size_t)n * n;
    run->stop = SMM_STOP_NONE;
    for (int32_t i = 0; i < n; i++) {
        if (!isfinite(parameters[i])) return SMM_ENONFINITE;
        run->x[i] = parameters[i] / problem->scale[i];
    }
    report->stop = SMM_STOP_NONE;
    report->evaluations = report->gradients = report->failures = 0;
    report->value = report->decrement = report->min_eigenvalue = NAN;
    return SMM_OK;
}

/* Whether the caller's poll, if it is due, asks to stop. */
static int interrupted(smm_run *run)
{
    const smm_options *o = run->options;
    if (!o->poll) return 0;
    if (o->poll_every > 0) {
        double now = seconds();
        if (now < run->polled + o->poll_every) return 0;
        run->polled = now;
    }
    return o->poll(o->poll_ctx);
}

/* The objective at x, logged. A failed evaluation gives NaN and SMM_OK. */
int smm_run_value(smm_run *run, const double *x, double *value)
{
    smm_report *report = run->report;
    const smm_options *o = run->options;
    int32_t n = run->problem->n;
    for (int32_t i = 0; i < n; i++) run->point[i] = x[i] * run->problem->scale[i];
    int status = run->problem->value(run->problem->ctx, run->point, value);
    run->solved = status == SMM_OK ? SMM_SOLVED_VALUE : SMM_UNSOLVED;
    run->value = *value;
    if (status == SMM_ESTATE || status == SMM_EINVAL) return status;
    if (report->evaluations < report->log_capacity) {
        memcpy(report->log_theta + report->evaluations * n, run->point,
               sizeof(double) * (size_t)n);
        report->log_value[report->evaluations] = *value;
    }
    report->evaluations++;
    report->failures += status != SMM_OK;
    if (o->max_eval > 0 && report->evaluations >= o->max_eval) run->stop = SMM_STOP_MAXEVAL;
    if (o->max_time > 0 && smm_run_seconds(run) >= o->max_time) run->stop = SMM_STOP_MAXTIME;
    if (interrupted(run)) run->stop = SMM_STOP_FORCED;
    return SMM_OK;
}

/* The gradient in x at the point of the last smm_run_value. */
int smm_run_gradient(smm_run *run, double *g)
{
    run->report->gradients++;
    int status = run->problem->gradient(run->problem->ctx, g);
    for (int32_t i = 0; i < run->problem->n; i++) g[i] *= run->problem->scale[i];
    if (status == SMM_OK) run->solved = SMM_SOLVED_GRADIENT;
    return status;
}

/* Step and promise from the Cholesky factor of H, when H is safely positive definite: each
 * pivot is what the other parameters leave of its own diagonal. Where little is left, a long step
 * is one towards infinity. */
static int cholesky_step(smm_run *run, const double *g)
{
    const smm_design *d = run->problem->design;
    int32_t n = run->problem->n;
    double promised = 0;
    int little = 0;
    memcpy(run->V, run->H, sizeof(double) * (size_t)n * (size_t)n);
    if (smm_potrf(&d->blas, n, run->V, n)) return 0;
    for (int32_t i = 0; i < n; i++) {
        double pivot = run->V[i + (size_t)i * n];
        if (pivot * pivot < run->problem->left * run->H[i + (size_t)i * n]) return 0;
        little |= pivot * pivot < FLAT * run->H[i + (size_t)i * n];
        run->step[i] = -g[i];
    }
    smm_solve_rows(&d->blas, n, run->V, n, 1, run->step, 0);
    smm_solve_rows(&d->blas, n, run->V, n, 1, run->step, 1);
    for (int32_t i = 0; i < n; i++) {
        if (little && fabs(run->step[i]) * run->problem->scale[i] > LONG) return 0;
        promised -= 0.5 * g[i] * run->step[i];
    }
    run->report->decrement = promised;
    return 1;
}

/* Eigenvalues of the matrix in V, ascending, which its eigenvectors replace. */
static int eigen(smm_run *run)
{
    const smm_design *d = run->problem->design;
    int n = run->problem->n, lwork = SMM_EIGEN_WORK * n, info = 0;
    if (n == 1) {
        run->eigenvalues[0] = run->V[0];
        run->V[0] = 1;
    } else d->blas.dsyev("V", "L", &n, run->V, &n, run->eigenvalues, run->work, &lwork, &info);
    return info ? SMM_ENONFINITE : SMM_OK;
}

/* Eigenvalues of H, ascending, and its eigenvectors in V. */
int smm_run_eigen(smm_run *run)
{
    int32_t n = run->problem->n;
    memcpy(run->V, run->H, sizeof(double) * (size_t)n * (size_t)n);
    int status = eigen(run);
    if (!status) run->report->min_eigenvalue = run->eigenvalues[0];
    return status;
}

/* Step and promise from the eigenvalues of D^-1/2 H D^-1/2, with D the size of the diagonal of H:
 * directions of negative curvature are reversed and flat ones held back (Gill, Murray and Wright
 * 1981, section 4.4), so that the step always descends. */
static int eigen_step(smm_run *run, const double *g)
{
    int32_t n = run->problem->n;
    double *root = run->root, largest = 0, smallest = INFINITY, promised = 0;
    for (int32_t i = 0; i < n; i++) {
        double size = fabs(run->H[i + (size_t)i * n]);
        largest = fmax(largest, size);
        smallest = fmin(smallest, size);
    }
    double floor = largest > 0 ? NO_CURVATURE * largest : 1.0;
    for (int32_t i = 0; i < n; i++)
        root[i] = smallest > ALIKE * largest ? 1
                                             : sqrt(fmax(fabs(run->H[i + (size_t)i * n]), floor));
    for (int32_t j = 0; j < n; j++)
        for (int32_t i = 0; i < n; i++)
            run->V[i + (size_t)j * n] = run->H[i + (size_t)j * n] / root[i] / root[j];
    int status = eigen(run);
    if (status) return status;
    double least = FLAT * fmax(fabs(run->eigenvalues[0]), fabs(run->eigenvalues[n - 1]));
    if (least == 0) least = 1;
    for (int32_t i = 0; i < n; i++) run->step[i] = 0;
    for (int32_t j = 0; j < n; j++) {
        const double *v = run->V + (size_t)j * n;
        double dot = 0, curvature = fmax(fabs(run->eigenvalues[j]), least);
        for (int32_t i = 0; i < n; i++) dot += v[i] * g[i] / root[i];
        promised += 0.5 * dot * dot / curvature;
        for (int32_t i = 0; i < n; i++) run->step[i] -= dot / curvature * v[i] / root[i];
    }
    run->report->decrement = promised;
    return SMM_OK;
}

/* Remember a step and the change of the gradient along it. */
void smm_run_remember(smm_run *run, const double *step, const double *change)
{
    int32_t n = run->problem->n, memory = run->problem->memory;
    double *pairs = run->problem->pairs;
    size_t one = 2 * (size_t)n;
    if (run->pairs == memory) {
        memmove(pairs, pairs + one, sizeof(double) * one * (size_t)(memory - 1));
        run->pairs--;
    }
    memcpy(pairs + one * (size_t)run->pairs, step, sizeof(double) * (size_t)n);
    memcpy(pairs + one * (size_t)run->pairs + n, change, sizeof(double) * (size_t)n);
    run->pairs++;
}

/* BFGS updates of a positive definite H by the steps remembered, oldest first: what the
 * model of the curvature leaves out shows in the changes of the gradient. Where a change says
 * less than the share DAMPED of the curvature, or that it is negative, it is mixed with what the
 * model says so that the share is DAMPED (Powell 1978): H stays positive definite. */
static void correct_curvature(smm_run *run)
{
    int32_t n = run->problem->n;
    double *H = run->H, *Hs = run->work;
    for (int k = 0; k < run->pairs; k++) {
        const double *s = run->problem->pairs + 2 * (size_t)k * n, *y = s + n;
        double sy = 0, sHs = 0;
        for (int32_t i = 0; i < n; i++) {
            Hs[i] = 0;
            for (int32_t j = 0; j < n; j++) Hs[i] += H[i + (size_t)j * n] * s[j];
            sy += s[i] * y[i];
            sHs += s[i] * Hs[i];
        }
        if (!(sHs > 0 && isfinite(sy))) continue;
        double share = sy < DAMPED * sHs ? (1 - DAMPED) * sHs / (sHs - sy) : 1, rest = 1 - share;
        double sr = share * sy + rest * sHs;
        for (int32_t j = 0; j < n; j++) {
            double rj = share * y[j] + rest * Hs[j];
            for (int32_t i = 0; i < n; i++)
                H[i + (size_t)j * n] += (share * y[i] + rest * Hs[i]) * rj / sr -
                                        Hs[i] * Hs[j] / sHs;
        }
    }
}

/* Newton step and the decrease it promises. */
int smm_run_model(smm_run *run, double *g)
{
    int32_t nt = run->problem->n;
    const double *scale = run->problem->scale;
    int status = run->problem->curvature(run->problem->ctx, run->H);
    if (status) return status;
    for (int32_t j = 0; j < nt; j++)
        for (int32_t i = 0; i < nt; i++) run->H[i + (size_t)j * nt] *= scale[i] * scale[j];
    smm_run_hold_zeros(run, g);
    if (cholesky_step(run, g)) {
        if (!run->pairs) return SMM_OK;
        correct_curvature(run);
        if (cholesky_step(run, g)) return SMM_OK;
    }
    return eigen_step(run, g);
}

void smm_run_keep_off_zero(const smm_run *run, double *x)
{
    const smm_design *d = run->problem->design;
    for (int32_t i = 0; i < d->ntheta; i++)
        if (smm_on_diagonal(d, i) && fabs(x[i]) < SMM_NEAR_ZERO)
            x[i] = x[i] < 0 ? -SMM_NEAR_ZERO : SMM_NEAR_ZERO;
}

/* Columns of T that are zero to within the noise, set to exactly zero. */
static int32_t zero_columns(const smm_run *run, const double *x, double *out)
{
    const smm_design *d = run->problem->design;
    int32_t zeroed = 0;
    memcpy(out, x, sizeof(double) * (size_t)run->problem->n);
    for (int32_t i = 0; i < d->ntheta; i++) {
        if (!smm_on_diagonal(d, i)) continue;
        int32_t end = i;
        int small = 1;
        while (end < d->ntheta && d->theta_term[end] == d->theta_term[i] &&
               d->theta_col[end] == d->theta_col[i]) {
            small = small && fabs(x[end]) < TRY_ZERO;
            end++;
        }
        /* a diagonal held off zero is zero even when the rest of its column is not */
        if (fabs(x[i]) <= SMM_NEAR_ZERO) {
            out[i] = 0;
            zeroed++;
        }
        for (int32_t e = i; small && e < end; e++) {
            zeroed += out[e] != 0;
            out[e] = 0;
        }
    }
    return zeroed;
}

/* Evaluate run->x, which has been counted before, unless it is the last point evaluated. */
static int stand_at_x(smm_run *run, double *value)
{
    int32_t n = run->problem->n;
    int same = run->solved > SMM_UNSOLVED;
    for (int32_t i = 0; same && i < n; i++)
        same = run->point[i] == run->x[i] * run->problem->scale[i];
    if (same) {
        *value = run->value;
        return SMM_OK;
    }
    int status = smm_run_value(run, run->x, value);
    run->report->evaluations--;
    return status == SMM_OK && isnan(*value) ? SMM_ENONFINITE : status;
}

/* Promise and least eigenvalue of the quadratic model at run->x, for the report of a run
 * that ended before it had formed them. */
int smm_run_describe(smm_run *run)
{
    double value;
    int stop = run->stop;
    int status = stand_at_x(run, &value);
    if (status == SMM_OK && run->solved < SMM_SOLVED_GRADIENT)
        status = smm_run_gradient(run, run->g);
    if (status == SMM_OK) status = smm_run_model(run, run->g);
    if (status == SMM_OK) status = smm_run_eigen(run);
    run->stop = stop;
    return status;
}

/* End at run->x, or at the point with zeros in place of its negligible columns when
 * that is no worse; leave the problem solved there. */
int smm_run_finish(smm_run *run, double *parameters)
{
    size_t bytes = sizeof(double) * (size_t)run->problem->n;
    double *zeros = run->work, here, there;
    int stop = run->stop;
    int status = stand_at_x(run, &here);
    if (status) return status;
    if (zero_columns(run, run->x, zeros)) {
        status = smm_run_value(run, zeros, &there);
        if (status) return status;
        if (there <= here + 1e-9 + 1e-14 * fabs(here)) memcpy(run->x, zeros, bytes);
        status = stand_at_x(run, &here);
        if (status) return status;
    }
    run->stop = stop; /* limits no longer matter */
    if (run->solved < SMM_SOLVED_GRADIENT) {
        status = smm_run_gradient(run, run->g);
        if (status) return status;
    }
    run->report->value = here;
    memcpy(parameters, run->point, bytes);
    for (int32_t i = 0; run->report->gradient && i < run->problem->n; i++)
        run->report->gradient[i] = run->g[i] / run->problem->scale[i];
    return SMM_OK;
}

/* The end of a run that was made elsewhere and stopped at `parameters`. */
int smm_run_end(const smm_problem *problem, const smm_options *o, double *parameters,
                smm_report *report)
{
    smm_run run;
    int status = smm_run_start(&run, problem, o, report, parameters);
    if (status) return status;
    smm_run_keep_off_zero(&run, run.x);
    status = smm_run_describe(&run);
    return status ? status : smm_run_finish(&run, parameters);
}
