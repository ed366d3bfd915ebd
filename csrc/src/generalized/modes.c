/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which conditional modes an evaluation takes. Where the log-likelihood of a row is concave in
 * eta, h (pirls.c) has one maximum, and PIRLS may start anywhere: it starts from the modes of
 * the evaluation before.
 *
 * Elsewhere h may have several maxima, and the objective is a function of its parameters only if
 * the path of a minimizer has no part in the choice. PIRLS then starts twice, from u = 0 and from
 * the penalized least squares fit to the target, the responses on the scale of eta:
 *
 *     (Lambda'Z'WZ Lambda + I) u = Lambda'Z'W (target - X beta - offset),
 *
 * W the expected weights at the target. A third start are modes that are known, those of the
 * estimates after a fit. With the square root link a predictor and its negative have one mean: where
 * X beta is not positive in all rows two more fits start, to a target of the signs of X beta and to
 * one that is negative. The highest maximum is taken; with one term, whose levels are independent,
 * level by level.
 */
#include "generalized/generalized.h"

/* Maxima of h that differ by less than this share of it are said to be the same; searches for one
 * maximum from several starts differ by less than that share of it. */
#define SAME 1e-7
#define ROUNDED 1e-10
/* Modes are followed by steps that are at least this share of the way. */
#define LEAST_STEP 0.02

/* The last two where means do not tell the sign of eta. */
enum { FROM_ZERO, FROM_TARGET, FROM_KNOWN, FROM_SIGNED, FROM_MIRROR };

/* Concave log-likelihoods on one interval of eta, for any y. */
static int is_concave(const smm_family *f)
{
    double power = f->link == SMM_POWER ? f->power : f->link == SMM_IDENTITY ? 1 : 0;
    switch (f->distribution) {
    case SMM_BINOMIAL:
        return f->link != SMM_CAUCHIT && f->link != SMM_POWER;
    case SMM_POISSON:
        return f->link == SMM_LOG || power == 1;
    case SMM_GAMMA:
        return f->link == SMM_LOG || power == -1;
    case SMM_INVERSE_GAUSSIAN:
        return power == -1 || power == -2;
    case SMM_NEGATIVE_BINOMIAL:
        return f->link == SMM_LOG;
    case SMM_GAUSSIAN:
        return power == 1;
    case SMM_LOGNORMAL: /* bent upwards at means below phi */
        return 0;
    default: /* nearly so; two searches for every evaluation would not pay */
        return 1;
    }
}

int smm_modes_unique(const smm_glmm *g) { return g->sides.columns || is_concave(&g->family); }

static size_t bytes(int64_t n) { return sizeof(double) * (size_t)n; }

static int climb_from(smm_glmm *g, const double *u, const double *beta)
{
    const smm_design *d = g->ws->design;
    if (u) memcpy(g->u, u, bytes(d->q));
    else memset(g->u, 0, bytes(d->q));
    if (g->fast) memcpy(g->beta, beta, bytes(d->p));
    return smm_pirls(g);
}

/* X beta moved towards the target by a share of their difference (n). */
static void move_fixed(smm_glmm *g, const double *difference, double share)
{
    smm_fixed_predictor(g);
    for (int64_t i = 0; i < g->ws->design->n; i++) g->xb[i] += share * difference[i];
}

/* Links of bounded range may leave rows without likelihood at u = 0. At the target all have one: the
 * modes are followed from there to X beta, by steps that are halved where they lead out of the
 * range. */
static int climb_from_target(smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    double share = 1, step = 0.5, *difference = g->lbar, *reached = g->zc;
    for (int64_t i = 0; i < d->n; i++) difference[i] = g->target_rows[i] - g->xb[i];
    memset(reached, 0, bytes(d->q));
    int status = SMM_ENOTPD;
    while (step > LEAST_STEP) {
        double next = fmax(0, share - step);
        move_fixed(g, difference, next);
        status = climb_from(g, reached, g->beta_start);
        if (status) {
            step *= 0.5;
            continue;
        }
        if (next == 0) return SMM_OK;
        memcpy(reached, g->u, bytes(d->q));
        share = next;
        step *= 2;
    }
    smm_fixed_predictor(g);
    return status ? status : SMM_ENOTPD;
}

/* The penalized least squares fit to the target, into u (and beta, when it is profiled out). */
static int fit_target(smm_glmm *g, int start)
{
    const smm_design *d = g->ws->design;
    memcpy(g->eta, g->target_rows, bytes(d->n));
    smm_rows(g);
    for (int64_t i = 0; i < d->n; i++) {
        double fixed = g->fast ? (g->offset ? g->offset[i] : 0) : g->xb[i];
        int turned = start == FROM_MIRROR || (start == FROM_SIGNED && fixed < 0);
        if (!isfinite(g->we[i])) return SMM_ENONFINITE;
        g->work[i] = g->we[i];
        g->row[i] = g->we[i] * ((turned ? -1 : 1) * g->target_rows[i] - fixed);
    }
    int status = smm_form_omega(g, g->work);
    if (status == SMM_OK && g->fast) status = smm_form_joint(g, g->work, 1);
    if (status) return status;
    smm_z_transpose(g, g->row, g->zl);
    smm_apply_lambda_t(g->ws, g->zl, g->u, 1);
    if (g->fast) smm_x_transpose(g, g->row, g->beta);
    smm_solve_modes(g, g->u, g->fast ? g->beta : NULL);
    return SMM_OK;
}

/* Of each level of the only term the part of h in `out` (nodes), for the rows evaluated last. */
static void parts_of_levels(smm_glmm *g, double *out)
{
    const smm_design *d = g->ws->design;
    int32_t k = d->cols[0];
    smm_rows_at(g, g->eta, g->row, g->work, NULL);
    for (int32_t j = 0; j < d->nodes; j++) {
        out[j] = 0;
        for (int32_t c = 0; c < k; c++) out[j] -= 0.5 * g->u[j * k + c] * g->u[j * k + c];
    }
    for (int64_t i = 0; i < d->n; i++) out[d->node_of[0][d->refs[0][i]]] += g->row[i];
}

static double height(const smm_glmm *g) { return g->loglik - 0.5 * g->usq; }

/* The modes of one start into u. */
static int climb_start(smm_glmm *g, int start)
{
    if (start == FROM_ZERO) return climb_from(g, NULL, g->beta_start);
    if (start == FROM_KNOWN) return climb_from(g, g->u_known, g->beta_known);
    int status = fit_target(g, start);
    return status ? status : smm_pirls(g);
}

/* From the modes predicted; failing that, from those of the evaluation before; failing that, because
 * that was a trial of a minimizer far away, from those where the gradient was last wanted; failing
 * that, from zero. Where X beta is far below the responses Newton steps from these overshoot by powers
 * of e; the fit to the target is near the modes then. Where rows have parameters of their own, searches
 * that fail at one height of h are at a bend of it that is too sharp for steps, as where counts that
 * hardly vary have the mean of a response, and so are those that say so (pirls.c); no start leads
 * elsewhere. */
static int only_mode(smm_glmm *g, int predicted)
{
    const smm_design *d = g->ws->design;
    int status = SMM_ENOTPD, other = g->fast || memcmp(g->u_kept, g->u_good, bytes(d->q)) != 0;
    g->bend = 0;
    if (predicted) status = climb_from(g, g->zc, g->beta_old);
    if (status && !g->bend) status = climb_from(g, g->u_kept, g->beta_kept);
    double reached = height(g);
    if (status && !g->bend && other) status = climb_from(g, g->u_good, g->beta_good);
    if (status && !g->bend) status = climb_start(g, FROM_ZERO);
    if (status == SMM_ENOTPD && g->sides.columns)
        g->bend |= fabs(height(g) - reached) <= SAME * (1 + fabs(reached));
    if (status && !g->bend && g->target_known) status = climb_start(g, FROM_TARGET);
    return status;
}

static void keep(smm_glmm *g, int by_level)
{
    const smm_design *d = g->ws->design;
    memcpy(g->u_kept, g->u, bytes(d->q));
    memcpy(g->beta_kept, g->beta, bytes(d->p));
    if (by_level) parts_of_levels(g, g->zc);
}

/* Into u the better modes of u and u_kept, level by level; `size` is that of h. `at_best` says
 * whether rows are evaluated there. */
static int merge_levels(smm_glmm *g, double size, int *at_best)
{
    const smm_design *d = g->ws->design;
    int32_t k = d->cols[0], better = 0;
    parts_of_levels(g, g->v);
    for (int32_t j = 0; j < d->nodes; j++) {
        g->several |= fabs(g->v[j] - g->zc[j]) > SAME * size;
        if (g->v[j] > g->zc[j] + ROUNDED * size) better++;
        else memcpy(g->u + j * k, g->u_kept + j * k, bytes(k));
    }
    *at_best = better == d->nodes;
    if (*at_best || !better) return SMM_OK;
    *at_best = 1;
    return smm_pirls(g);
}

/* Whether other signs of eta have the same means, and may be better for some rows. */
static int signs_matter(const smm_glmm *g)
{
    int even = g->family.link == SMM_POWER && g->family.power == 0.5 && !g->fast;
    for (int64_t i = 0; even && i < g->ws->design->n; i++)
        if (!(g->xb[i] > 0)) return 1;
    return 0;
}

static int best_mode(smm_glmm *g)
{
    const smm_design *d = g->ws->design;
    int by_level = d->nterms == 1 && !d->has_prior && !g->fast, found = 0, at_best = 0,
        failure = SMM_OK;
    double highest = NAN;
    int last = signs_matter(g) ? FROM_MIRROR : FROM_KNOWN;
    for (int start = FROM_ZERO; start <= last; start++) {
        if (start == FROM_KNOWN && !g->known) continue;
        int status = climb_start(g, start);
        double difference = height(g) - highest, size = 1 + fabs(highest);
        at_best = status == SMM_OK;
        if (status == SMM_OK && found && by_level) status = merge_levels(g, size, &at_best);
        else if (status == SMM_OK && found) {
            g->several |= fabs(difference) > SAME * size;
            at_best = difference > ROUNDED * size;
        }
        if (status) failure = status;
        if (status || !at_best) continue;
        found = 1;
        highest = height(g);
        keep(g, by_level);
    }
    if (!found) return failure;
    return at_best ? SMM_OK : climb_from(g, g->u_kept, g->beta_kept);
}

int smm_glmm_set_modes(smm_glmm *g, const double *u, const double *beta)
{
    if (!g || !u || !beta) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    for (int64_t i = 0; i < d->q; i++)
        if (!isfinite(u[i])) return SMM_ENONFINITE;
    for (int32_t t = 0; t < d->nterms; t++)
        for (int32_t l = 0; l < d->levels[t]; l++)
            memcpy(g->u_known + d->node_at[d->node_of[t][l]],
                   u + d->term_at[t] + (int64_t)l * d->cols[t], bytes(d->cols[t]));
    memcpy(g->beta_known, beta, bytes(d->p));
    memcpy(g->u_kept, g->u_known, bytes(d->q));
    memcpy(g->beta_kept, beta, bytes(d->p));
    g->known = 1;
    g->solved = SMM_UNSOLVED;
    return SMM_OK;
}

int smm_glmm_forget_modes(smm_glmm *g)
{
    if (!g) return SMM_EINVAL;
    const smm_design *d = g->ws->design;
    memset(g->u_kept, 0, bytes(d->q));
    memset(g->u_good, 0, bytes(d->q));
    memcpy(g->beta_kept, g->beta_start, bytes(d->p));
    memcpy(g->beta_good, g->beta_start, bytes(d->p));
    g->known = g->met_several = g->met_edge = 0;
    g->solved = SMM_UNSOLVED;
    return SMM_OK;
}

int smm_glmm_several_possible(const smm_glmm *g) { return g && g->target; }

int smm_glmm_met_several(const smm_glmm *g) { return g ? g->met_several : 0; }

int smm_glmm_met_edge(const smm_glmm *g) { return g ? g->met_edge : 0; }

int smm_find_modes(smm_glmm *g, int predicted)
{
    g->several = 0;
    int status = g->target ? best_mode(g) : only_mode(g, predicted);
    if (status && !g->bend && g->target_known && !g->fast) status = climb_from_target(g);
    g->met_several |= g->several;
    return status;
}
