/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The default minimizer: Newton steps on the exact gradient with the curvature of
 * smm_curvature. The average information is a good Hessian where the covariance is
 * well inside its cone, and the second-order term of Sigma = T T' takes over where a
 * variance tends to zero and the information vanishes; together they need 4 to 20
 * evaluations on models where quasi-Newton methods need 20 to 100.
 */
#include "minimize/minimize.h"

#define ARMIJO 1e-4
#define MAX_HALVINGS 40
/* Regular models need 5 to 20 steps. A run stalls when this many do not halve the least promise: at
 * a boundary, or where the objective falls for ever as parameters grow; or this many evaluations,
 * beside a pole, where every step overshoots. Where it promises less than the tolerance of the
 * objective, rounding is what is left. */
#define PATIENCE 150
#define MOST_EVALUATIONS 1000
/* This many steps that neither decrease the objective above rounding nor halve the promise end the
 * run; one does that changes it by less than its tolerance and leaves this share of the promise. */
#define MAX_IDLE 5
#define SHRINKS 0.9
#define LEAST_PART 1e-3
/* No element of x changes by more than this times 1 + |x| in one step. */
#define STEP_LIMIT 2.0
/* The run has converged when the model promises less than this share of the tolerance. The
 * promise comes from the gradient, so rounding in the objective does not limit it; at
 * 1e-12 theta is right to a millionth of its standard error. */
#define PROMISE_SHARE 1e-4
/* A step is slow if it leaves more than this share of the promise: the curvature is not that of the
 * objective, as where a covariance tends to be singular. */
#define SLOW 1e-2

/* Effect of rounding on the objective: of one evaluation, and at the worst. A step that
 * promises less than the latter is taken on the word of the gradient. */
static double rounding(double f) { return 1e-14 * (1 + fabs(f)); }

#define NOISE 1e-12
static double noise(double f) { return NOISE * (1 + fabs(f)); }

static int at_saddle(const smm_run *run)
{
    return run->eigenvalues[0] < -1e-6 * fabs(run->eigenvalues[run->problem->n - 1]);
}

/* The change of the objective that counts as none. */
static double tolerance(const smm_options *o, double f)
{
    return fmax(o->ftol_abs, o->ftol_rel * fabs(f));
}

/* The promise that counts as none. A relative tolerance no larger than the noise allows for
 * rounding in the objective, which the promise does not need. */
static double promise_tolerance(const smm_options *o, double f)
{
    return PROMISE_SHARE * fmax(o->ftol_abs, (o->ftol_rel - NOISE) * fabs(f));
}

/* What the steps of a run have achieved. */
typedef struct {
    double least, promise, least_promise; /* objective; last promise, and the least of all */
    double to_halve;                      /* the least promise when patience was renewed */
    int64_t until_step, until_evaluation; /* when it ends */
    int steps, idle;
    int small; /* the last step changed the objective by less than its tolerance */
    int late;  /* the last step was slow, from a promise that was little */
} pace;

static void renew_patience(pace *p, const smm_report *report)
{
    p->to_halve = p->least_promise;
    p->until_step = p->steps + PATIENCE;
    p->until_evaluation = report->evaluations + MOST_EVALUATIONS;
}

/* Why the run must end where the objective is f and the model makes a promise; NONE to go on. */
static int judge(pace *p, const smm_run *run, double f)
{
    const smm_options *o = run->options;
    double promise = run->report->decrement;
    /* steps taken on the word of the gradient may go to and fro within rounding */
    int progress = f < p->least - rounding(f) || promise < 0.5 * p->least_promise;
    int held = p->small && promise > SHRINKS * p->promise;
    int slow = p->steps > 0 && promise > SLOW * p->promise;
    p->late = slow && p->promise < run->problem->late;
    p->idle = progress ? 0 : p->idle + 1;
    p->least = fmin(p->least, f);
    p->least_promise = fmin(p->least_promise, promise);
    p->promise = promise;
    if (p->steps >= p->until_step || run->report->evaluations >= p->until_evaluation) {
        if (!(p->least_promise < 0.5 * p->to_halve))
            return promise <= tolerance(o, f) ? SMM_STOP_ROUNDOFF : SMM_STOP_STALLED;
        renew_patience(p, run->report);
    }
    if (promise <= promise_tolerance(o, f)) return SMM_STOP_GTOL;
    if (p->late && promise <= rounding(f)) return SMM_STOP_GTOL;
    if (held || p->idle == MAX_IDLE) return SMM_STOP_ROUNDOFF;
    return SMM_STOP_NONE;
}

/* Why the run must end after a step that changed every element of x by less than its tolerance;
 * NONE after others. Rounding is what leaves only a small part of a Newton step. */
static int stopped_moving(const smm_run *run, const double *before)
{
    const smm_options *o = run->options;
    double moved = 0, asked = 0;
    for (int32_t i = 0; i < run->problem->n; i++) {
        double change = fabs(run->x[i] - before[i]);
        if (change > fmax(o->xtol_abs, o->xtol_rel * fabs(run->x[i]))) return SMM_STOP_NONE;
        moved = fmax(moved, change);
        asked = fmax(asked, fabs(run->step[i]));
    }
    return moved < LEAST_PART * asked ? SMM_STOP_ROUNDOFF : SMM_STOP_XTOL;
}

/* From a stationary point with negative curvature, look along the worst direction both
 * ways. Leaves the better point evaluated and in run->x when it finds one. */
static int escape_saddle(smm_run *run, double *f, int *found)
{
    int32_t nt = run->problem->n;
    double *trial = run->work, *direction = run->step, value;
    memcpy(direction, run->V, sizeof(double) * (size_t)nt); /* the least eigenvalue's */
    *found = 0;
    for (double size = 1; size > 1e-4 && !run->stop; size *= 0.25)
        for (int sign = 1; sign >= -1 && !run->stop; sign -= 2) {
            for (int32_t i = 0; i < nt; i++) trial[i] = run->x[i] + sign * size * direction[i];
            smm_run_keep_off_zero(run, trial);
            int status = smm_run_value(run, trial, &value);
            if (status) return status;
            if (value < *f - rounding(*f)) {
                memcpy(run->x, trial, sizeof(double) * (size_t)nt);
                *f = value;
                *found = 1;
                return SMM_OK;
            }
        }
    return SMM_OK;
}

/* Backtrack along run->step until the decrease is sufficient. Leaves the new point
 * evaluated and in run->x; `found` is 0 when rounding stops any further decrease. */
static int line_search(smm_run *run, double *f, int *found)
{
    int32_t nt = run->problem->n;
    double *trial = run->work, slope = 0, longest = 0, value;
    for (int32_t i = 0; i < nt; i++) {
        slope += run->g[i] * run->step[i];
        longest = fmax(longest, fabs(run->step[i]) / (1 + fabs(run->x[i])));
    }
    double length = longest > STEP_LIMIT ? STEP_LIMIT / longest : 1;
    *found = 0;
    for (int halvings = 0; halvings < MAX_HALVINGS && !run->stop; halvings++) {
        for (int32_t i = 0; i < nt; i++) trial[i] = run->x[i] + length * run->step[i];
        smm_run_keep_off_zero(run, trial);
        int status = smm_run_value(run, trial, &value);
        if (status) return status;
        double slack = -slope * length < noise(*f) ? noise(*f) : rounding(*f);
        if (value <= *f + ARMIJO * length * slope + slack) {
            memcpy(run->x, trial, sizeof(double) * (size_t)nt);
            *f = value;
            *found = 1;
            return SMM_OK;
        }
        /* minimum of the parabola through the values and the slope, within bounds */
        double excess = value - *f - slope * length;
        double best = isfinite(value) ? -0.5 * slope * length * length / excess : 0;
        length = fmin(fmax(best, 0.1 * length), 0.5 * length);
    }
    return SMM_OK;
}

int smm_run_newton(const smm_problem *problem, const smm_options *o, double *parameters,
                   smm_report *report)
{
    smm_run run;
    double f;
    int found;
    int status = smm_run_start(&run, problem, o, report, parameters);
    if (status) return status;
    smm_run_keep_off_zero(&run, run.x);
    status = smm_run_value(&run, run.x, &f);
    if (status) return status;
    if (isnan(f)) {
        report->stop = SMM_STOP_FAILED;
        return SMM_ENONFINITE;
    }
    int32_t n = problem->n, moved_from = 0;
    int still = SMM_STOP_NONE; /* why the last step was too small to go on */
    pace pace = {f, INFINITY, INFINITY, INFINITY, 0, 0, 0, 0, 0, 0};
    renew_patience(&pace, report);
    double *old_x = run.work + SMM_EIGEN_WORK * (int64_t)n, *old_g = old_x + n;
    while (!run.stop) {
        status = smm_run_gradient(&run, run.g);
        int remembers = moved_from && problem->memory && !status;
        if (remembers && (pace.steps > problem->trusted || pace.late ||
                          fabs(run.x[0] - old_x[0]) < problem->near * fabs(run.x[0]))) {
            for (int32_t i = 0; i < n; i++) {
                old_x[i] = run.x[i] - old_x[i];
                old_g[i] = run.g[i] - old_g[i];
            }
            smm_run_remember(&run, old_x, old_g);
        }
        if (!status) status = smm_run_model(&run, run.g);
        if (status == SMM_ENOTPD || status == SMM_ENONFINITE) {
            /* no derivatives here: end at the last point that had them */
            if (!moved_from) return status;
            if (run.solved < SMM_SOLVED_GRADIENT)
                memcpy(run.x, old_x, sizeof(double) * (size_t)n);
            report->decrement = NAN;
            run.stop = SMM_STOP_FAILED;
            break;
        }
        if (status) return status;
        memcpy(old_x, run.x, sizeof(double) * (size_t)n);
        memcpy(old_g, run.g, sizeof(double) * (size_t)n);
        moved_from = 1;
        int settled = judge(&pace, &run, f);
        if (!settled) settled = still;
        pace.steps++;
        if (settled == SMM_STOP_STALLED) {
            run.stop = settled;
            break;
        }
        if (settled) {
            found = 0;
            status = smm_run_eigen(&run);
            if (status) return status;
            if (at_saddle(&run)) {
                status = escape_saddle(&run, &f, &found);
                if (status) return status;
            }
            if (!found && !run.stop) run.stop = settled;
            pace.small = 0;
            still = SMM_STOP_NONE;
            continue;
        }
        smm_run_step_in_variances(&run, run.g);
        double before = f;
        status = line_search(&run, &f, &found);
        if (status) return status;
        if (!found && !run.stop) run.stop = SMM_STOP_ROUNDOFF;
        pace.small = report->decrement <= tolerance(o, f) &&
                     before - f <= PROMISE_SHARE * tolerance(o, f);
        still = stopped_moving(&run, old_x);
        if (problem->least && run.x[n - 1] < *problem->least) run.stop = SMM_STOP_STALLED;
    }
    if (run.stop > SMM_STOP_XTOL && run.stop != SMM_STOP_FAILED) {
        status = smm_run_describe(&run);
        if (status) return status;
    }
    status = smm_run_finish(&run, parameters);
    report->stop = run.stop;
    return status;
}
