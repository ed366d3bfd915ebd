/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The minimum of a linear model's objective over theta, by the minimizers of minimize/.
 */
#include "linear/linear.h"

static int model_value(void *ctx, const double *theta, double *value)
{
    return smm_value(ctx, theta, value);
}

static int model_gradient(void *ctx, double *gradient) { return smm_gradient(ctx, gradient); }

static int quick_gradient(void *ctx, double *gradient)
{
    return smm_quick_gradient(ctx, gradient);
}

static int model_curvature(void *ctx, double *hessian) { return smm_curvature(ctx, hessian); }

static int linear_problem(smm_workspace *ws, smm_problem *problem)
{
    int status = smm_theta_scale(ws, ws->scale);
    *problem = (smm_problem){
        .design = ws->design,
        .n = ws->design->ntheta,
        .rows = ws->rows > SMM_MANY_ROWS ? (double)ws->rows : 0,
        .ctx = ws,
        .value = model_value,
        .gradient = model_gradient,
        .curvature = model_curvature,
        .scale = ws->scale,
        .vectors = ws->run_vectors,
        .matrices = ws->run_matrices,
        .memory = SMM_MEMORY,
        .late = ws->rows > SMM_MANY_ROWS ? SMM_LATE : 0,
        .trusted = SMM_TRUSTED_STEPS,
        .near = smm_follows_determinant(ws->design) ? SMM_NEAR : 0,
        .left = 1e-6,
        .pairs = ws->run_pairs,
    };
    return status;
}

int smm_newton(smm_workspace *ws, const smm_options *options, double *theta, smm_report *report)
{
    if (!ws || !options || !theta || !report) return SMM_EINVAL;
    smm_problem problem;
    int status = linear_problem(ws, &problem);
    problem.gradient = quick_gradient;
    return status ? status : smm_run_newton(&problem, options, theta, report);
}

int smm_end(smm_workspace *ws, const smm_options *options, double *theta, smm_report *report)
{
    if (!ws || !options || !theta || !report) return SMM_EINVAL;
    smm_problem problem;
    int status = linear_problem(ws, &problem);
    return status ? status : smm_run_end(&problem, options, theta, report);
}

int smm_nlopt_minimize(smm_workspace *ws, const smm_nlopt *nlopt, int algorithm,
                       const smm_options *options, double *theta, smm_report *report)
{
    if (!ws || !nlopt || nlopt->size != sizeof *nlopt || !options || !theta || !report)
        return SMM_EINVAL;
    smm_problem problem;
    int status = linear_problem(ws, &problem);
    return status ? status : smm_run_nlopt(&problem, nlopt, algorithm, options, theta, report);
}
