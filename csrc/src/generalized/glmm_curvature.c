/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The curvature of a generalized model's objective, that of the working linear model with
 * sigma = 1, and what is minimized with it.
 */
#include "generalized/generalized.h"

/* Everything with the expected weights: A, L, B, R, M, for curvature and covariances. */
static int form_expected(smm_glmm *g)
{
    int status = SMM_OK;
    if (g->formed != g->we) status = smm_form_omega(g, g->we);
    if (status == SMM_OK) status = smm_form_joint(g, g->we, 0);
    if (status == SMM_OK) smm_invert_xvx(g->ws);
    return status;
}

/* The working linear model at the modes, with the expected weights and sigma = 1. Where a response
 * separates, the weights may be too small for any information on the coefficients: their
 * variances are NaN then. */
int smm_solve_expected(smm_glmm *g)
{
    if (g->solved < SMM_SOLVED_GRADIENT) return SMM_ESTATE;
    int status = form_expected(g);
    if (status == SMM_ENOTPD && smm_form_omega(g, g->we) == SMM_OK) {
        int64_t pp = (int64_t)g->ws->design->p * g->ws->design->p;
        for (int64_t i = 0; i < pp; i++) g->ws->Minv[i] = NAN;
        status = SMM_OK;
    }
    if (status == SMM_OK) status = smm_selected_inverse(g->ws);
    if (status == SMM_OK) g->ws->state = SMM_HAS_GRADIENT;
    return status;
}

/* The curvature of the working linear model with sigma = 1: average information for theta,
 * plus the exact second-order term of Sigma = T T'; 2 X'V^-1 X for beta, sums of squared
 * scores for zeta. What the weights' dependence on eta adds to these is left to the
 * corrections of the minimizer. */
int smm_glmm_curvature(smm_glmm *g, double *hessian)
{
    if (!g || !hessian) return SMM_EINVAL;
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int32_t np = smm_glmm_parameters(g), nt = d->ntheta, p = d->p, m = p + 1;
    int64_t size = (int64_t)np * np;
    for (int64_t i = 0; i < size; i++) hessian[i] = NAN;
    if (g->solved < SMM_SOLVED_GRADIENT) return SMM_ESTATE;
    int status = form_expected(g);
    if (status) return status;
    memcpy(ws->u, g->u, sizeof(double) * (size_t)d->q);
    memcpy(ws->e, g->zl, sizeof(double) * (size_t)d->q);
    memcpy(ws->GT, g->tk, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    double *block = g->theta_block;
    status = smm_information(ws, 1.0, 0, g->fast, block, g->HW);
    if (status) return status;
    for (int64_t i = 0; i < size; i++) hessian[i] = 0;
    for (int32_t j = 0; j < nt; j++)
        for (int32_t i = 0; i < nt; i++) hessian[i + (size_t)j * np] = block[i + (size_t)j * nt];
    if (!g->fast)
        for (int32_t c = 0; c < p; c++) {
            for (int32_t r = 0; r < p; r++) {
                double sum = 0;
                int32_t least = r < c ? r : c;
                for (int32_t e = 0; e <= least; e++)
                    sum += ws->R[r + (size_t)e * m] * ws->R[c + (size_t)e * m];
                hessian[nt + r + (size_t)(nt + c) * np] = 2 * sum;
            }
            for (int32_t i = 0; i < nt; i++)
                hessian[nt + c + (size_t)i * np] = hessian[i + (size_t)(nt + c) * np] =
                    g->HW[i + (size_t)c * nt];
        }
    if (g->sides.columns) {
        int32_t at = np - g->sides.columns;
        smm_sides_curvature(g, hessian + at + (size_t)at * np, np);
    } else if (smm_has_dispersion(g->family.distribution)) {
        int32_t z = np - 1;
        hessian[z + (size_t)z * np] = 2 * fmax(g->score_zeta_sq, 1e-8);
    }
    return SMM_OK;
}

static int glmm_value(void *ctx, const double *x, double *value)
{
    return smm_glmm_value(ctx, x, value);
}

static int glmm_gradient(void *ctx, double *gradient) { return smm_glmm_gradient(ctx, gradient); }

static int glmm_curvature(void *ctx, double *hessian) { return smm_glmm_curvature(ctx, hessian); }

int smm_glmm_scale(const smm_glmm *g, double *scale)
{
    if (!g || !scale) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    int32_t n = smm_glmm_parameters(g), nt = d->ntheta;
    smm_theta_scale(g->ws, scale); /* Z does not change, nor does the state it asks for */
    for (int32_t i = 0; i < n; i++) {
        int is_zeta = i >= n - smm_tail_parameters(g);
        double unit = g->unit[i < nt ? d->predictor[d->theta_term[i]] : 0];
        scale[i] = is_zeta ? 1 : i < nt ? scale[i] * unit : unit;
    }
    return SMM_OK;
}

static smm_problem generalized_problem(smm_glmm *g)
{
    smm_glmm_scale(g, g->scale);
    int crude = smm_tail_parameters(g) > 0; /* the curvature of the dispersion */
    return (smm_problem){
        .design = g->ws->design,
        .n = smm_glmm_parameters(g),
        .rows = g->ws->design->n > SMM_MANY_ROWS ? (double)g->ws->design->n : 0,
        .ctx = g,
        .value = glmm_value,
        .gradient = glmm_gradient,
        .curvature = glmm_curvature,
        .scale = g->scale,
        .vectors = g->run_vectors,
        .matrices = g->run_matrices,
        .memory = SMM_MEMORY,
        .late = g->ws->design->n > SMM_MANY_ROWS ? SMM_LATE : 0,
        .trusted = crude ? 0 : SMM_TRUSTED_STEPS,
        /* 1e-10 for coefficients that differ between levels, beside those of large counts that
         * differ within */
        .left = 1e-11,
        .pairs = g->run_pairs,
        .least = g->sides.columns ? NULL : &g->least_zeta,
    };
}

int smm_glmm_newton(smm_glmm *g, const smm_options *options, double *parameters,
                    smm_report *report)
{
    if (!g || !options || !parameters || !report) return SMM_EINVAL;
    smm_problem problem = generalized_problem(g);
    return smm_run_newton(&problem, options, parameters, report);
}

int smm_glmm_end(smm_glmm *g, const smm_options *options, double *parameters, smm_report *report)
{
    if (!g || !options || !parameters || !report) return SMM_EINVAL;
    smm_problem problem = generalized_problem(g);
    return smm_run_end(&problem, options, parameters, report);
}

int smm_glmm_nlopt(smm_glmm *g, const smm_nlopt *nlopt, int algorithm, const smm_options *options,
                   double *parameters, smm_report *report)
{
    if (!g || !nlopt || nlopt->size != sizeof *nlopt || !options || !parameters || !report)
        return SMM_EINVAL;
    smm_problem problem = generalized_problem(g);
    return smm_run_nlopt(&problem, nlopt, algorithm, options, parameters, report);
}
