/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Penalized iteratively reweighted least squares: the conditional modes u (and beta, when
 * it is profiled out) that maximize
 *
 *     h(u) = loglik(y | eta = X beta + Z Lambda u + offset) - u'Q u / 2,
 *
 * where Q is the identity unless levels are related (prior.c).
 * Each step solves (Lambda'Z'WZ Lambda + Q) delta = Lambda'Z'l - Q u with the observed
 * weights, a Newton step. Where that matrix is not positive definite, rows whose observed
 * weight is not safely positive take one that lies between it and the expected one. So steps
 * always ascend; those that overshoot are halved. The iteration starts near the modes of the
 * evaluation before.
 */
#include "generalized/generalized.h"

/* Steps that are not Newton steps leave the neighbourhood of a saddle slowly. */
#define MAX_STEPS 500
#define MAX_HALVINGS 30
/* Newton steps that overshoot by more halvings than these are taken anew, weights restrained. */
#define FEW_HALVINGS 3
/* This many steps in a row of which less than the share SHORT is left end the search: the modes
 * are at the edge of the range of the link, towards which each step goes a part of the way. */
#define MAX_SHORT 8
#define SHORT 0.01
/* As many of which no restrained weights let more be taken end it at a bend of the log-likelihood
 * that is too sharp for steps: a Newton step from either side leads far over it. Restrained steps
 * that promise less than the share LITTLE of the Newton step they replace do not get near it: that
 * one is halved on. */
#define MAX_BENT 3
#define LITTLE 1e-2
/* Shares of safe weights in a step: the least, and the factor between trials. */
#define LEAST_SHARE (1.0 / 4096)
#define SHARE_STEP 8.0
/* A Newton step this small in eta, squared, is the error after it; another step only
 * shrinks. Decrements below SETTLED are rounding. */
#define NEWTON_TOLERANCE 1e-10
#define SHRINKING_TOLERANCE 1e-15
#define SETTLED 1e-20

/* Z'l and, unless it is NULL, X'l. */
void smm_mode_scores(const smm_glmm *g, double *z_part, double *x_part)
{
    const smm_design *d = g->ws->design;
    if (g->stream) {
        memcpy(z_part, g->stream->zl, sizeof(double) * (size_t)d->q);
        if (x_part) memcpy(x_part, g->stream->xl, sizeof(double) * (size_t)d->p);
        return;
    }
    smm_z_transpose(g, g->l, z_part);
    if (x_part) smm_x_transpose(g, g->l, x_part);
}

/* A = Z'WZ and L L' = Lambda'A Lambda + Q for these weights. */
int smm_form_omega(smm_glmm *g, const double *weights)
{
    if (g->stream) smm_stream_zz(g, weights);
    else smm_form_zz(g->ws, weights);
    smm_fill_omega(g->ws);
    g->formed = weights;
    g->joined = NULL;
    return smm_factor(g->ws);
}

/* And the fixed effects: B = L^-1 Lambda'Z'WX, R R' = X'WX - B'B. For a step, coefficients on which
 * no information is left are held where they are. */
int smm_form_joint(smm_glmm *g, const double *weights, int hold)
{
    smm_workspace *ws = g->ws;
    int32_t m = smm_width(ws->design);
    if (g->joined == weights) return SMM_OK;
    if (g->stream) smm_stream_joint(g, weights);
    else {
        smm_form_zx(ws, g->y, weights);
        smm_form_xx(ws, g->y, weights);
    }
    smm_apply_lambda_t(ws, ws->ZXy, ws->B, m);
    smm_forward(ws, ws->B, m);
    int status = smm_factor_x(ws), checked = !g->stream && ws->design->predictors == 1;
    if (checked && (status || smm_digits_lost(ws)))
        return smm_factor_remainder(ws, weights, hold);
    if (status == SMM_OK) g->joined = weights;
    return status;
}

/* (u, x) <- K^-1 (u, x) with K = [Omega G; G' X'WX], G = Lambda'Z'WX, after
 * smm_form_joint; u <- Omega^-1 u alone when x is NULL. */
void smm_solve_modes(smm_glmm *g, double *u_part, double *x_part)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    int32_t p = d->p, m = p + 1;
    smm_forward(ws, u_part, 1);
    if (x_part) {
        for (int64_t i = 0; i < d->q; i++)
            for (int32_t v = 0; v < p; v++) x_part[v] -= ws->B[i * m + v] * u_part[i];
        smm_solve_rows(&d->blas, p, ws->R, m, 1, x_part, 0);
        smm_solve_rows(&d->blas, p, ws->R, m, 1, x_part, 1);
        for (int64_t i = 0; i < d->q; i++)
            for (int32_t v = 0; v < p; v++) u_part[i] -= ws->B[i * m + v] * x_part[v];
    }
    smm_backward(ws, u_part, 1);
}

/* Rows at the present u and beta. Returns h, not finite when out of range. */
static double evaluate(smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    if (g->stream) {
        if (smm_stream_pass(g, 0)) return NAN;
    } else {
        if (g->fast) smm_fixed_predictor(g);
        memcpy(g->eta, g->xb, sizeof(double) * (size_t)smm_parts(d));
        smm_random_predictor(g, g->u, g->ws->b, g->eta);
        smm_rows(g);
    }
    const double *Qu = smm_apply_prior(d, g->u, g->Qu);
    g->usq = 0;
    for (int64_t i = 0; i < d->q; i++) g->usq += g->u[i] * Qu[i];
    return g->loglik - 0.5 * g->usq;
}

/* Where the Newton model has no maximum: weights between the observed and the safe ones. With the
 * latter Omega is positive definite, but steps are short where two modes merge or the
 * log-likelihood is flat; the least share of them that suffices is looked for from that of the
 * step before. */
static int form_between(smm_glmm *g, double *share)
{
    const smm_design *d = g->ws->design;
    int64_t size = d->predictors > 1 ? 3 * d->n : d->n;
    int status = SMM_ENOTPD;
    for (double a = fmax(*share / SHARE_STEP, LEAST_SHARE); status && a <= 1; a *= SHARE_STEP) {
        if (g->stream) g->stream->share = a;
        else {
            smm_safe_weights(g);
            for (int64_t i = 0; i < size; i++)
                g->work[i] = g->wo[i] + a * (g->work[i] - g->wo[i]);
        }
        status = smm_form_omega(g, g->work);
        if (status == SMM_OK && g->fast) status = smm_form_joint(g, g->work, 1);
        *share = a;
    }
    return status;
}

/* Where the log-likelihood of rows is nearly a straight line, Newton steps are far too long, and
 * halving them for the sake of one level leaves the others where they are. With weights that are at
 * least the expected ones each level moves by what its rows can tell. */
static int can_restrain(const smm_glmm *g)
{
    return !g->stream && g->ws->design->predictors == 1 && g->wo != g->we;
}

/* Counts that hardly vary have a bend at each whole mean. */
static int can_bend(const smm_glmm *g)
{
    return g->sides.columns && (g->family.distribution & ~SMM_TRUNCATED) == SMM_COM_POISSON;
}

static int form_restrained(smm_glmm *g)
{
    for (int64_t i = 0; i < g->ws->design->n; i++) g->work[i] = fmax(g->wo[i], g->we[i]);
    int status = smm_form_omega(g, g->work);
    return status == SMM_OK && g->fast ? smm_form_joint(g, g->work, 1) : status;
}

/* A step of u has at least delta'Q delta as decrement, and that of one level is at most the root of
 * its variance times this; here is the decrement of the longest step that changes eta by no more
 * than the tolerance allows. */
static double newton_tolerance(const smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    const double *rms = g->ws->zrms;
    int scaled = g->family.distribution < SMM_NEGATIVE_BINOMIAL; /* information by 1 / phi */
    double gain = 0, unit = g->row_unit * (scaled ? exp(0.5 * g->zeta) : 1);
    for (int32_t t = 0; t < d->nterms; rms += d->cols[t++])
        for (int32_t c = 0; c < d->cols[t]; c++)
            for (int32_t r = c; r < d->cols[t]; r++) {
                double f = g->ws->T[g->ws->T_at[t] + r + c * d->cols[t]] * rms[r] / unit;
                gain += f * f * g->prior_spread[t];
            }
    return fmax(NEWTON_TOLERANCE / fmax(1, gain), SETTLED);
}

/* The cube of the least squared pivot of the matrix of a Newton step; 1 where log-likelihoods are
 * concave. Where two modes are about to merge the matrix is nearly singular: the error after a step
 * of decrement D is of the order of D / pivot^2, its effect on log|Omega| of D / pivot^3. */
static double near_singular(const smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    double least = 1;
    if (!g->target) return 1;
    for (int32_t j = 0; j < d->nhead; j++)
        for (int64_t c = 0; c < d->node_cols[j]; c++)
            least = fmin(least, g->ws->L[d->valptr[j] + c + c * d->height[j]]);
    for (int64_t c = 0; c < d->qt; c++) least = fmin(least, g->ws->L[d->tail_at + c + c * d->qt]);
    return pow(least, 6);
}

/* To the modes; SMM_ENOTPD when they cannot be reached. Leaves rows evaluated there. */
int smm_pirls(smm_glmm *g)
{
    smm_workspace *ws = g->ws;
    const smm_design *d = ws->design;
    size_t q = (size_t)d->q, p = (size_t)d->p;
    double *delta = g->v, *step = g->xr;
    double h = evaluate(g), tolerance = newton_tolerance(g), last = INFINITY, refused = INFINITY;
    g->bend = 0;
    if (!isfinite(h)) return SMM_ENONFINITE;
    int in_a_row = 0, restrained = 0, bent = 0, halve_on = 0;
    double share = 1;
    for (int iteration = 0; iteration < MAX_STEPS && in_a_row < MAX_SHORT; iteration++) {
        smm_mode_scores(g, g->zl, g->fast ? step : NULL);
        smm_apply_lambda_t(ws, g->zl, delta, 1);
        const double *Qu = smm_apply_prior(d, g->u, g->Qu);
        for (size_t i = 0; i < q; i++) delta[i] -= Qu[i];
        memcpy(g->u_old, delta, sizeof(double) * q); /* the right-hand side, for a moment */
        memcpy(g->beta_old, step, sizeof(double) * (g->fast ? p : 0));

        int newton = !restrained, overshot = restrained || halve_on;
        int status = restrained ? form_restrained(g) : smm_form_omega(g, g->wo);
        if (status == SMM_OK && g->fast && newton) status = smm_form_joint(g, g->wo, 1);
        if (status && g->wo != g->we) {
            newton = 0;
            status = form_between(g, &share);
        }
        if (status) return status;
        smm_solve_modes(g, delta, g->fast ? step : NULL);
        g->pirls_steps++;
        double decrement = 0;
        for (size_t i = 0; i < q; i++) decrement += g->u_old[i] * delta[i];
        for (size_t v = 0; g->fast && v < p; v++) decrement += g->beta_old[v] * step[v];
        if (!isfinite(decrement)) return SMM_ENONFINITE;

        double enough = newton ? fmax(tolerance * near_singular(g), SETTLED)
                               : SHRINKING_TOLERANCE;
        if (g->fast && !g->joined && decrement <= enough) /* some coefficients may be held */
            decrement = fmax(decrement, smm_climb_held(g, g->beta_old, delta, step));

        memcpy(g->u_old, g->u, sizeof(double) * q);
        memcpy(g->beta_old, g->beta, sizeof(double) * p);
        double length = 1, before = h, slack = 1e-13 * (1 + fabs(h));
        int most = newton && !halve_on && can_restrain(g) ? FEW_HALVINGS : MAX_HALVINGS;
        restrained = 0;
        for (int halvings = 0;; halvings++, length *= 0.5) {
            for (size_t i = 0; i < q; i++) g->u[i] = g->u_old[i] + length * delta[i];
            for (size_t v = 0; g->fast && v < p; v++)
                g->beta[v] = g->beta_old[v] + length * step[v];
            h = evaluate(g);
            if (h >= before - slack) break;
            if (isfinite(h) && h >= before - smm_rows_rounding(g)) break;
            if (halvings == MAX_HALVINGS) return SMM_ENOTPD;
            if (halvings >= most && !isnan(h)) { /* NaN: out of range */
                restrained = 1;
                break;
            }
        }
        if (restrained) {
            refused = decrement;
            memcpy(g->u, g->u_old, sizeof(double) * q);
            memcpy(g->beta, g->beta_old, sizeof(double) * p);
            h = evaluate(g);
            continue;
        }
        if (length == 1 && decrement <= enough) return SMM_OK;
        if (decrement <= SETTLED) return SMM_OK;
        /* as small as rounding lets it become */
        if (newton && decrement <= SHRINKING_TOLERANCE && decrement > 0.1 * last) return SMM_OK;
        if (newton && decrement <= tolerance && decrement > 0.5 * last) return SMM_OK;
        last = decrement;
        in_a_row = length < SHORT ? in_a_row + 1 : 0;
        halve_on = !newton && overshot && decrement < LITTLE * refused && can_bend(g);
        bent = length == 1 && !halve_on ? 0 : bent + (overshot && length < SHORT);
        if (bent == MAX_BENT && can_bend(g)) {
            g->bend = 1;
            return SMM_ENOTPD;
        }
    }
    return SMM_ENOTPD;
}
