/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Any NLopt algorithm, through function pointers: NLopt is not a dependency of this
 * library, and no Python runs between evaluations.
 */
#include "smm_internal.h"

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
    case 2: return SMM_STOP_FTOL; /* stopval is never set, so 1 and 2 mean the same */
    case 1: return SMM_STOP_FTOL;
    case 3: return SMM_STOP_FTOL;
    case 4: return SMM_STOP_XTOL;
    case 5: return SMM_STOP_MAXEVAL;
    case 6: return SMM_STOP_MAXTIME;
    case -4: return SMM_STOP_ROUNDOFF;
    case -5: return SMM_STOP_FORCED;
    default: return SMM_STOP_FAILED;
    }
}

int smm_run_nlopt(const smm_problem *problem, const smm_nlopt *nlopt, int algorithm,
                  const smm_options *o, double *parameters, smm_report *report)
{
    smm_run run;
    int status = smm_run_start(&run, problem, o, report, parameters);
    if (status) return status;
    unsigned n = (unsigned)problem->n;
    double *x = run.step, last;
    memcpy(x, run.x, sizeof(double) * n);
    void *opt = nlopt->create(algorithm, n);
    if (!opt) return SMM_ENLOPT;
    bridge b = {&run, nlopt, opt, NAN, INFINITY, run.x, SMM_OK};
    int maxeval = o->max_eval > INT32_MAX ? INT32_MAX : (int)o->max_eval;
    int code = nlopt->set_min_objective(opt, objective, &b);
    if (code > 0) code = nlopt->set_ftol_rel(opt, o->ftol_rel);
    if (code > 0) code = nlopt->set_ftol_abs(opt, o->ftol_abs);
    if (code > 0) code = nlopt->set_xtol_rel(opt, o->xtol_rel);
    if (code > 0) code = nlopt->set_xtol_abs1(opt, o->xtol_abs);
    if (code > 0) code = nlopt->set_maxeval(opt, maxeval);
    if (code > 0) code = nlopt->set_maxtime(opt, o->max_time);
    int configured = code > 0;
    if (configured) code = nlopt->optimize(opt, x, &last);
    nlopt->destroy(opt);
    if (!configured) return SMM_ENLOPT;
    if (b.status) return b.status;
    if (!isfinite(b.best)) {
        report->stop = report->evaluations ? SMM_STOP_FAILED : SMM_STOP_NONE;
        return report->evaluations ? SMM_ENONFINITE : SMM_ENLOPT;
    }
    /* the caller's reason goes before NLopt's word for it */
    report->stop = run.stop ? run.stop : stop_of(code);
    if (report->stop == SMM_STOP_FAILED && code == -2) return SMM_ENLOPT;
    run.stop = report->stop;
    smm_run_keep_off_zero(&run, run.x);
    status = smm_run_describe(&run);
    if (status == SMM_OK) status = smm_run_finish(&run, parameters);
    return status;
}
