/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The generalized model's objective and its exact gradient. At the modes u of PIRLS, with
 * Omega = Lambda'Z'WZ Lambda + I, the Laplace approximation is
 *
 *     d = -2 loglik(u) + |u|^2 + log|Omega|.
 *
 * Gradient. Write l = d loglik / d eta, wo = -dl / d eta, a_i = z_i'Lambda K Lambda'z_i with
 * K = Omega^-1, c = a dw/d eta, and adjoint v = Omega_o^-1 (Lambda'Z'c - 2 G0), where Omega_o
 * has the weights wo and G0 = 0. With s = Z Lambda v and D_k = d Lambda / d theta_k,
 *
 *     d/d beta    = X'(-2 l + c - wo s)
 *     d/d theta_k = -2 (Z'l)'D_k u + 2 tr(K Lambda'Z'WZ D_k) + (Z'(c - wo s))'D_k u + v'D_k'Z'l
 *     d/d zeta    = -2 d loglik/d zeta + a'dw/d zeta + s'dl/d zeta.
 *
 * Quadrature has the same gradient with another K, with G0 not zero and with l and Z'l u'
 * replaced by averages over the nodes (agq.c). When beta is profiled out, v also has a
 * part for beta: (v, x) = K_joint^-1 (Lambda'Z'c - 2 G0, X'(c - 2 l)), s = Z Lambda v + X x.
 */
#include "smm_glmm.h"

static int64_t lay_out(smm_glmm *g, double *base)
{
    const smm_design *d = g->ws->design;
    int64_t n = d->n, q = d->q, p = d->p, kk = g->ws->T_at[d->nterms], at = 0;
    int64_t np = d->ntheta + p + 1, nt = d->ntheta;
    struct {
        double **field;
        int64_t size;
    } all[] = {
        {&g->beta, p},      {&g->xb, n},       {&g->eta, n},       {&g->l, n},
        {&g->we, n},        {&g->storage_wo, n}, {&g->dw, n},      {&g->l_zeta, n},
        {&g->w_zeta, n},    {&g->work, n},     {&g->lbar, n},      {&g->u, q},
        {&g->u_old, q},     {&g->u_kept, q},   {&g->u_good, q},    {&g->zl, q},
        {&g->zc, q},        {&g->v, q},        {&g->xr, p},        {&g->beta_old, p},
        {&g->beta_kept, p}, {&g->beta_good, p},
        {&g->direct, kk},   {&g->tk, kk},      {&g->scale, np},    {&g->HW, nt * p},
        {&g->theta_block, nt * nt}, {&g->row, n}, {&g->trial, n}, {&g->trial_zeta, n},
        {&g->run_vectors, SMM_RUN_VECTORS(np)}, {&g->run_pairs, 2 * SMM_MEMORY * np}, {&g->run_matrices, SMM_RUN_MATRICES(np)},
    };
    const int64_t zone = SMM_RED_ZONE / sizeof(double);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int64_t size = all[i].size, room = (size + 7) / 8 * 8 + zone;
        if (base) {
            *all[i].field = base + at;
            smm_forbid(base + at + size, sizeof(double) * (size_t)(room - size));
        }
        at += room;
    }
    return at;
}

void smm_glmm_destroy(smm_glmm *g)
{
    if (!g) return;
    smm_allocator mem = g->ws->design->mem;
    smm_workspace_destroy(g->ws);
    smm_release(&mem, g->arena);
    smm_release(&mem, g->nodes);
    smm_release(&mem, g->log_weights);
    smm_release(&mem, g->node_log);
    smm_release(&mem, g);
}

int smm_glmm_create(const smm_design *d, const smm_family *family, const double *y,
                    const double *weights, const double *offset, smm_glmm **out)
{
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (!d || !family || !y || !smm_family_valid(family)) return SMM_EINVAL;
    for (int64_t i = 0; i < d->n; i++) {
        if (!isfinite(y[i]) || (offset && !isfinite(offset[i]))) return SMM_ENONFINITE;
        if (weights && !isfinite(weights[i])) return SMM_ENONFINITE;
        if (weights && weights[i] < 0) return SMM_EINVAL;
    }
    smm_glmm *g = smm_alloc(&d->mem, 1, sizeof *g);
    if (!g) return SMM_ENOMEM;
    memset(g, 0, sizeof *g);
    int status = smm_workspace_create(d, &g->ws);
    if (status) {
        smm_release(&d->mem, g);
        return status;
    }
    int64_t size = lay_out(g, NULL);
    if ((uint64_t)size > SIZE_MAX / sizeof(double)) {
        smm_glmm_destroy(g);
        return SMM_EOVERFLOW;
    }
    g->arena = smm_alloc(&d->mem, (size_t)size, sizeof(double));
    if (!g->arena) {
        smm_glmm_destroy(g);
        return SMM_ENOMEM;
    }
    memset(g->arena, 0, sizeof(double) * (size_t)size);
    lay_out(g, g->arena);
    g->family = *family;
    g->y = y;
    g->weights = weights;
    g->offset = offset;
    g->points = g->nodes_total = 1;
    smm_rows_prepare(g);
    /* units of theta, from Z without weights */
    smm_form_zz(g->ws, NULL);
    smm_column_scale(g->ws);
    g->ws->state = SMM_HAS_A;
    g->unit = 1;
    *out = g;
    return SMM_OK;
}

int smm_glmm_approximation(smm_glmm *g, int fast, int32_t points, const double *nodes,
                           const double *log_weights)
{
    if (!g || points < 1 || (points > 1 && (!nodes || !log_weights)) || (fast != 0 && fast != 1))
        return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    int64_t total = 1;
    if (points > 1) {
        if (d->nterms != 1) return SMM_EINVAL;
        for (int32_t c = 0; c < d->cols[0]; c++) {
            total *= points;
            if (total > 100000) return SMM_EINVAL;
        }
    }
    double *x = smm_alloc(&d->mem, (size_t)points, sizeof(double));
    double *w = smm_alloc(&d->mem, (size_t)points, sizeof(double));
    int64_t k2 = (int64_t)d->cols[0] * d->cols[0];
    double *log_terms = smm_alloc(
        &d->mem, points > 1 ? (size_t)((total + k2) * d->levels[0]) : 1, sizeof(double));
    if (!x || !w || !log_terms) {
        smm_release(&d->mem, x);
        smm_release(&d->mem, w);
        smm_release(&d->mem, log_terms);
        return SMM_ENOMEM;
    }
    for (int32_t k = 0; k < points; k++) {
        x[k] = points > 1 ? nodes[k] : 0;
        w[k] = points > 1 ? log_weights[k] : 0;
    }
    smm_release(&d->mem, g->nodes);
    smm_release(&d->mem, g->log_weights);
    smm_release(&d->mem, g->node_log);
    g->nodes = x;
    g->log_weights = w;
    g->node_log = log_terms;
    g->node_E = points > 1 ? log_terms + total * d->levels[0] : NULL;
    g->fast = fast;
    g->points = points;
    g->nodes_total = (int32_t)total;
    g->solved = 0;
    return SMM_OK;
}

int32_t smm_glmm_parameters(const smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    return d->ntheta + (g->fast ? 0 : d->p) + smm_has_dispersion(g->family.distribution);
}

int smm_glmm_set_unit(smm_glmm *g, double unit)
{
    if (!g || !(unit > 0) || isinf(unit)) return SMM_EINVAL;
    g->unit = unit;
    return SMM_OK;
}

int smm_glmm_set_beta(smm_glmm *g, const double *beta)
{
    if (!g || (!beta && g->ws->design->p)) return SMM_EINVAL;
    for (int32_t v = 0; v < g->ws->design->p; v++)
        g->beta[v] = g->beta_kept[v] = g->beta_good[v] = beta[v];
    g->solved = 0;
    return SMM_OK;
}

static void take_parameters(smm_glmm *g, const double *parameters)
{
    const smm_design *d = g->ws->design;
    smm_set_theta(g->ws, parameters);
    parameters += d->ntheta;
    if (!g->fast) {
        memcpy(g->beta, parameters, sizeof(double) * (size_t)d->p);
        parameters += d->p;
        smm_fixed_predictor(g);
    }
    g->zeta = smm_has_dispersion(g->family.distribution) ? *parameters : 0;
}

/* PIRLS from the modes of the evaluation before; failing that, because that was a trial of a
 * minimizer far away, from those where the gradient was last wanted. */
static int find_modes(smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    size_t q = sizeof(double) * (size_t)d->q, p = sizeof(double) * (size_t)d->p;
    int status = SMM_ENOTPD;
    for (int start = 0; status && start < 2; start++) {
        memcpy(g->u, start == 0 ? g->u_kept : g->u_good, q);
        if (g->fast) memcpy(g->beta, start == 0 ? g->beta_kept : g->beta_good, p);
        status = smm_pirls(g);
    }
    return status;
}

int smm_glmm_value(smm_glmm *g, const double *parameters, double *value)
{
    if (!g || !parameters || !value) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    size_t q = sizeof(double) * (size_t)d->q, p = sizeof(double) * (size_t)d->p;
    *value = NAN;
    g->solved = 0;
    for (int32_t i = 0; i < smm_glmm_parameters(g); i++)
        if (!isfinite(parameters[i])) return SMM_ENONFINITE;
    take_parameters(g, parameters);
    int status = find_modes(g);
    if (status == SMM_OK) status = smm_form_omega(g, g->w);
    if (status) return status;
    g->logdet = g->ws->logdet_omega;
    double f = -2 * g->loglik + g->usq + g->logdet;
    if (g->points > 1) status = smm_quadrature_value(g, &f);
    if (status) return status;
    if (!isfinite(f)) return SMM_ENONFINITE;
    memcpy(g->u_kept, g->u, q);
    memcpy(g->beta_kept, g->beta, p);
    g->value = *value = f;
    g->solved = 1;
    return SMM_OK;
}

/* K, averages and their consequences at the modes; for Laplace simply those of Omega. */
static int node_averages(smm_glmm *g, double *zeta_part)
{
    const smm_design *d = g->ws->design;
    int status = smm_selected_inverse(g->ws);
    if (status) return status;
    memcpy(g->lbar, g->l, sizeof(double) * (size_t)d->n);
    memset(g->direct, 0, sizeof(double) * (size_t)g->ws->T_at[d->nterms]);
    memset(g->v, 0, sizeof(double) * (size_t)d->q); /* -2 G0 */
    *zeta_part = g->loglik_zeta;
    if (g->points > 1) {
        smm_quadrature_gradient(g, zeta_part);
        return SMM_OK;
    }
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], k = d->cols[t];
        double *F = g->direct + g->ws->T_at[t];
        const double *zl = g->zl + d->node_at[j], *u = g->u + d->node_at[j];
        for (int32_t c = 0; c < k; c++)
            for (int32_t r = 0; r < k; r++) F[r + c * k] += zl[r] * u[c];
    }
    return SMM_OK;
}

int smm_glmm_gradient(smm_glmm *g, double *gradient)
{
    if (!g || !gradient) return SMM_EINVAL;
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int64_t n = d->n;
    int32_t p = d->p, np = smm_glmm_parameters(g);
    for (int32_t i = 0; i < np; i++) gradient[i] = NAN;
    if (g->solved < 1) return SMM_ESTATE;
    double zeta_part, *c = g->work;
    smm_z_transpose(g, g->l, g->zl);
    /* an earlier call may have left the factor of other weights */
    int status = g->formed == g->w ? SMM_OK : smm_form_omega(g, g->w);
    if (status == SMM_OK) status = node_averages(g, &zeta_part);
    if (status) return status;
    smm_accumulate_trace(ws);
    memcpy(g->tk, ws->GT, sizeof(double) * (size_t)ws->T_at[d->nterms]);
    smm_row_variances(ws, c);
    int dispersion = smm_has_dispersion(g->family.distribution);
    double zeta_gradient = -2 * zeta_part;
    if (dispersion)
        for (int64_t i = 0; i < n; i++) zeta_gradient += c[i] * g->w_zeta[i];
    for (int64_t i = 0; i < n; i++) c[i] *= g->dw[i];
    smm_z_transpose(g, c, g->zc);
    smm_apply_lambda_t(ws, g->zc, g->u_old, 1);
    for (int64_t i = 0; i < d->q; i++) g->v[i] += g->u_old[i];
    if (g->fast) {
        for (int64_t i = 0; i < n; i++) g->row[i] = c[i] - 2 * g->lbar[i];
        smm_x_transpose(g, g->row, g->xr);
    }

    if (g->formed != g->wo) status = smm_form_omega(g, g->wo);
    if (status == SMM_OK && g->fast) status = smm_form_joint(g, g->wo);
    if (status) return status;
    smm_solve_modes(g, g->v, g->fast ? g->xr : NULL);
    double *adjoint = g->row;
    for (int64_t i = 0; i < n; i++) {
        adjoint[i] = 0;
        for (int32_t v = 0; g->fast && v < p; v++) adjoint[i] += d->X[i * p + v] * g->xr[v];
    }
    smm_random_predictor(g, g->v, g->u_old, adjoint);
    if (dispersion)
        for (int64_t i = 0; i < n; i++) zeta_gradient += adjoint[i] * g->l_zeta[i];
    for (int64_t i = 0; i < n; i++) c[i] -= g->wo[i] * adjoint[i];
    smm_z_transpose(g, c, g->zc);

    double *M = ws->GT;
    for (int32_t i = 0; i < ws->T_at[d->nterms]; i++) M[i] = 2 * g->tk[i] - 2 * g->direct[i];
    for (int32_t j = 0; j < d->nodes; j++) {
        int32_t t = d->node_term[j], k = d->cols[t];
        int64_t at = d->node_at[j];
        double *F = M + ws->T_at[t];
        for (int32_t cc = 0; cc < k; cc++)
            for (int32_t r = 0; r < k; r++)
                F[r + cc * k] += g->zc[at + r] * g->u[at + cc] + g->zl[at + r] * g->v[at + cc];
    }
    for (int32_t i = 0; i < d->ntheta; i++) {
        int32_t t = d->theta_term[i];
        gradient[i] = M[ws->T_at[t] + d->theta_row[i] + d->theta_col[i] * d->cols[t]];
    }
    /* half of M is Gamma T: the derivative by Sigma that curvature needs */
    for (int32_t i = 0; i < ws->T_at[d->nterms]; i++) g->tk[i] = 0.5 * M[i];
    double *next = gradient + d->ntheta;
    if (!g->fast) {
        for (int64_t i = 0; i < n; i++) g->row[i] = c[i] - 2 * g->lbar[i];
        smm_x_transpose(g, g->row, next);
        next += p;
    }
    if (dispersion) *next = zeta_gradient;
    for (int32_t i = 0; i < np; i++)
        if (!isfinite(gradient[i])) return smm_fail(SMM_ENONFINITE, np, gradient);
    memcpy(g->u_good, g->u, sizeof(double) * (size_t)d->q);
    memcpy(g->beta_good, g->beta, sizeof(double) * (size_t)p);
    g->solved = 2;
    return SMM_OK;
}

/* Everything with the expected weights: A, L, B, R, M, for curvature and covariances. */
static int form_expected(smm_glmm *g)
{
    int status = SMM_OK;
    if (g->formed != g->we) status = smm_form_omega(g, g->we);
    if (status == SMM_OK) status = smm_form_joint(g, g->we);
    if (status == SMM_OK) smm_invert_xvx(g->ws);
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
    if (g->solved < 2) return SMM_ESTATE;
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
    if (smm_has_dispersion(g->family.distribution)) {
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

static smm_problem generalized_problem(smm_glmm *g)
{
    int32_t n = smm_glmm_parameters(g), nt = g->ws->design->ntheta;
    smm_theta_scale(g->ws, g->scale); /* Z does not change, nor does the state it asks for */
    for (int32_t i = 0; i < n; i++) {
        int is_zeta = smm_has_dispersion(g->family.distribution) && i == n - 1;
        g->scale[i] = is_zeta ? 1 : i < nt ? g->scale[i] * g->unit : g->unit;
    }
    /* Secant corrections are for the dispersion, whose curvature is crude; elsewhere they only
     * disturb a model that is right to about a tenth. */
    int memory = smm_has_dispersion(g->family.distribution) ? SMM_MEMORY : 0;
    return (smm_problem){g->ws->design, smm_glmm_parameters(g), g,
                         glmm_value,    glmm_gradient,          glmm_curvature,
                         g->scale,      g->run_vectors,         g->run_matrices,
                         memory,        0,                      g->run_pairs};
}

int smm_glmm_newton(smm_glmm *g, const smm_options *options, double *parameters,
                    smm_report *report)
{
    if (!g || !options || !parameters || !report) return SMM_EINVAL;
    smm_problem problem = generalized_problem(g);
    return smm_run_newton(&problem, options, parameters, report);
}

int smm_glmm_nlopt(smm_glmm *g, const smm_nlopt *nlopt, int algorithm,
                   const smm_options *options, double *parameters, smm_report *report)
{
    if (!g || !nlopt || nlopt->size != sizeof *nlopt || !options || !parameters || !report)
        return SMM_EINVAL;
    smm_problem problem = generalized_problem(g);
    return smm_run_nlopt(&problem, nlopt, algorithm, options, parameters, report);
}

/* The working linear model at the modes, with the expected weights and sigma = 1. */
int smm_solve_expected(smm_glmm *g)
{
    if (g->solved < 2) return SMM_ESTATE;
    int status = form_expected(g);
    if (status == SMM_OK) status = smm_selected_inverse(g->ws);
    if (status == SMM_OK) g->ws->state = SMM_HAS_GRADIENT;
    return status;
}
