/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any NLopt algorithm, through function pointers: NLopt is not a dependency of this
 * library, and no Python runs between evaluations.
 */
#include "minimize/minimize.h"

/* An algorithm without derivatives stops when its own model of the objective finds no better
 * point, which may be short of the minimum: while the exact curvature promises more than the
 * tolerances and SETTLED, and the last round gained something, it is started again where it
 * stopped, at most MAX_ROUNDS times in all. */
#define SETTLED 1e-7
#define MAX_ROUNDS 10
/* First steps of coefficients in standard errors. */
#define STEP 4.0

typedef struct {
    smm_run *run;
    const smm_nlopt *nlopt;
    void *opt;
    double first, best;
    double *best_x;
    int status;
} bridge;

static double objective(unsigned n, const double *x, double *grad, void *data)
{
    bridge *b = data;
    double value;
    if (b->status == SMM_OK) b->status = smm_run_value(b->run, x, &value);
    if (b->status != SMM_OK || b->run->stop) b->nlopt->force_stop(b->opt);
    if (b->status != SMM_OK) return 0;
    if (isnan(b->first)) b->first = value;
    if (isnan(b->first)) { /* nowhere to start from, and NaN would keep COBYLA in a loop */
        b->nlopt->force_stop(b->opt);
        for (unsigned i = 0; grad && i < n; i++) grad[i] = 0;
        return 0;
    }
    /* An evaluation that fails answers with the first value: an infinity would ruin the
     * quadratic models of BOBYQA and NEWUOA. A line search wants something worse, or it would
     * take the point. The report counts it. */
    if (isnan(value)) {
        for (unsigned i = 0; grad && i < n; i++) grad[i] = 0;
        return grad ? b->first + fabs(b->first) + 1 : b->first;
    }
    if (value < b->best) {
        b->best = value;
        memcpy(b->best_x, x, sizeof(double) * n);
    }
    if (grad) {
        b->status = smm_run_gradient(b->run, b->run->g);
        if (b->status != SMM_OK) b->nlopt->force_stop(b->opt);
        for (unsigned i = 0; i < n; i++) grad[i] = b->status == SMM_OK ? b->run->g[i] : 0;
    }
    return value;
}

/* NLopt's return code -> ours. */
static int stop_of(int code)
{
    switch (code) {
    case 2:
        return SMM_STOP_FTOL; /* stopval is never set, so 1 and 2 mean the same */
    case 1:
        return SMM_STOP_FTOL;
    case 3:
        return SMM_STOP_FTOL;
    case 4:
        return SMM_STOP_XTOL;
    case 5:
        return SMM_STOP_MAXEVAL;
    case 6:
        return SMM_STOP_MAXTIME;
    case -4:
        return SMM_STOP_ROUNDOFF;
    case -5:
        return SMM_STOP_FORCED;
    default:
        return SMM_STOP_FAILED;
    }
}

/* The size of first steps from x into run->root, with the curvature there in run->H: NLopt's own
 * choice, the size of the parameter itself, but of coefficients a few standard errors, as they may
 * be known to a millionth of their size. Returns 0 where there is no curvature. */
static int first_steps(smm_run *run, const double *x)
{
    int32_t n = run->problem->n;
    if (isnan(run->report->decrement)) return 0;
    for (int32_t i = 0; i < n; i++) {
        double size = x[i] ? fabs(x[i]) : 1, curvature = run->H[i + (size_t)i * n];
        int known = i >= run->problem->design->ntheta && curvature > 0;
        run->root[i] = known ? fmin(STEP / sqrt(curvature), size) : size;
    }
    return 1;
}

/* One round of the algorithm from b->best_x, or from x at first, within what is left of the limits.
 * `code` is NLopt's. */
static int one_round(bridge *b, int algorithm, const smm_options *o, double *x, int *code)
{
    const smm_nlopt *nlopt = b->nlopt;
    const smm_report *report = b->run->report;
    unsigned n = (unsigned)b->run->problem->n;
    double last;
    int64_t left = o->max_eval > 0 ? o->max_eval - report->evaluations : 0;
    double spent = smm_run_seconds(b->run); /* NLopt takes 0 for no limit */
    double time_left = o->max_time > 0 ? fmax(o->max_time - spent, 1e-9) : 0;
    b->opt = nlopt->create(algorithm, n);
    if (!b->opt) return SMM_ENLOPT;
    int done = nlopt->set_min_objective(b->opt, objective, b);
    if (done > 0) done = nlopt->set_ftol_rel(b->opt, o->ftol_rel);
    if (done > 0) done = nlopt->set_ftol_abs(b->opt, o->ftol_abs);
    if (done > 0) done = nlopt->set_xtol_rel(b->opt, o->xtol_rel);
    if (done > 0) done = nlopt->set_xtol_abs1(b->opt, o->xtol_abs);
    if (done > 0) done = nlopt->set_maxeval(b->opt, left > INT32_MAX ? INT32_MAX : (int)left);
    if (done > 0) done = nlopt->set_maxtime(b->opt, time_left);
    if (done > 0 && n > (unsigned)b->run->problem->design->ntheta && first_steps(b->run, x))
        done = nlopt->set_initial_step(b->opt, b->run->root);
    if (done > 0) *code = nlopt->optimize(b->opt, x, &last);
    nlopt->destroy(b->opt);
    return done > 0 ? b->status : SMM_ENLOPT;
}

/* Whether a run that stopped of itself at run->x should go on from there. */
static int unfinished(const smm_run *run, const smm_options *o, double gained)
{
    const smm_report *report = run->report;
    double tolerance = fmax(o->ftol_abs, o->ftol_rel * fabs(run->value));
    int by_itself = report->stop == SMM_STOP_FTOL || report->stop == SMM_STOP_XTOL ||
                    report->stop == SMM_STOP_ROUNDOFF;
    return by_itself && report->decrement > fmax(SETTLED, tolerance) && gained > tolerance &&
           (o->max_eval <= 0 || report->evaluations < o->max_eval) &&
           (o->max_time <= 0 || smm_run_seconds(run) < o->max_time);
}

int smm_run_nlopt(const smm_problem *problem, const smm_nlopt *nlopt, int algorithm,
                  const smm_options *o, double *parameters, smm_report *report)
{
    smm_run run;
    int status = smm_run_start(&run, problem, o, report, parameters), code = 0;
    if (status) return status;
    size_t bytes = sizeof(double) * (size_t)problem->n;
    bridge b = {&run, nlopt, NULL, NAN, INFINITY, run.x, SMM_OK};
    if (problem->n > problem->design->ntheta && smm_run_describe(&run)) report->decrement = NAN;
    for (int round = 1; round <= MAX_ROUNDS; round++) {
        double before = b.best;
        memcpy(run.step, run.x, bytes);
        status = one_round(&b, algorithm, o, run.step, &code);
        if (status) return status;
        if (!isfinite(b.best)) {
            report->stop = report->evaluations ? SMM_STOP_FAILED : SMM_STOP_NONE;
            return report->evaluations ? SMM_ENONFINITE : SMM_ENLOPT;
        }
        /* the caller's reason goes before NLopt's word for it */
        report->stop = run.stop ? run.stop : stop_of(code);
        if (report->stop == SMM_STOP_FAILED && code == -2) return SMM_ENLOPT;
        smm_run_keep_off_zero(&run, run.x);
        run.stop = report->stop;
        status = smm_run_describe(&run);
        if (status) return status;
        if (!unfinished(&run, o, (isfinite(before) ? before : b.first) - b.best)) break;
        run.stop = SMM_STOP_NONE;
    }
    return smm_run_finish(&run, parameters);
}
