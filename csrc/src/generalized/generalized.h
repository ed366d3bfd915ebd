/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The generalized model, and what its files share.
 */
#ifndef SMM_GENERALIZED_H
#define SMM_GENERALIZED_H

#include "families/density.h"
#include "linear/linear.h"

/* Parameters of the rows besides eta as linear functions of kappa; see sides.c. */
typedef struct {
    int32_t columns;    /* 0: there are none, but perhaps a dispersion */
    const double *X[4]; /* borrowed */
    double constant[4];
    int zeros;
    double *arena;                         /* owned, what follows is in it */
    double *kappa, *score;                 /* (columns) */
    double *outer;                         /* (n x 4) the parameters */
    double *loglik, *l, *w, *slope, *node; /* (n x 4) derivatives in them; see sides.c */
    double *l_zeros, *w_cross, *w_zeros;   /* (n x 4) likewise; see zeros.c */
    double *spread; /* (n in three parts) weights that spread nodes, or NULL; see zeros.c */
} smm_sides;

/* Nodes of quadrature over the random effects of one level, `cols` of them; see agq.c. */
typedef struct {
    int32_t cols, total;         /* points^cols */
    int32_t *level_nodes;        /* (levels x nterms) owned */
    double *arena;               /* owned, what follows is in it */
    double *nodes, *log_weights; /* (points) */
    double *log_terms;           /* (levels x total) of the sum of each level; later shares */
    double *E, *L;               /* (levels x cols x cols) */
    double *edge; /* (2 x levels) see note_edge: the largest of each level, those of one node */
    double *scratch;
} smm_quadrature;

/* Observed weights below this share of the expected ones are not used for steps. */
#define SMM_SAFE_SHARE 0.1

/* Which loop the rows take; logit rows are those with one trial. */
typedef enum { SMM_GENERAL_ROWS, SMM_LOGIT_ROWS, SMM_POISSON_ROWS, SMM_GAMMA_ROWS } smm_kernel;

/* Rows that pass by; see stream.c. */
#define SMM_KINDS 3
typedef struct {
    smm_design window; /* the design with the rows of the batch; what is owned of it is below */
    int64_t capacity, passes;
    smm_next_rows next;
    void *ctx;
    int64_t *first;       /* (nodes + 2) of each column of couplings the first */
    int32_t *row, *block; /* (couplings) */
    double *arena;        /* owned, what follows is in it */
    double *A[SMM_KINDS], *ZX[SMM_KINDS],
        *XX[SMM_KINDS];             /* with expected, observed, safe weights, where they differ */
    double *zl, *zc, *z_zeta;       /* (q) Z'l, Z'c, Z'dl/d zeta */
    double *xl, *xc, *x_zeta;       /* (p) X'l, X'c, X'dl/d zeta */
    double w_zeta, share, rounding; /* w_zeta: a'dw/d zeta */
    double saturated, saturated_zeta;
    int saturated_known;
} smm_stream;

struct smm_glmm {
    smm_stream *stream; /* owned; NULL where all rows are there */
    int weighted;
    smm_workspace *ws; /* its A, ZXy and XXy are reformed with working weights */
    smm_family family;
    const double *y, *weights, *offset; /* borrowed; weights and offset may be NULL */
    void *arena;
    int fast;
    int32_t points;
    smm_quadrature quadrature;

    /* parameters now in force */
    double *beta;         /* (p) */
    double unit[2];       /* see smm_glmm_set_unit */
    double *prior_spread; /* (nterms) largest variance under the prior over a typical one */
    double zeta;          /* log dispersion */
    smm_solved solved;
    int64_t pirls_steps;

    /* per row (n; in parts where there are two predictors, see smm_weights_of): linear predictor
     * without and with random effects, dl/d eta, weights and their derivatives. Kernels whose
     * weights coincide let the pointers coincide. */
    double *xb, *eta, *l, *we, *wo, *w, *dw, *l_zeta, *w_zeta, *work, *lbar, *row;
    double *trial, *trial_zeta; /* rows at quadrature nodes; log-likelihoods of gamma rows */
    double *storage_wo;
    const double *formed; /* the weights A and L were last formed with */
    const double *joined; /* these if B and R have been formed since, with all digits; or NULL */
    smm_kernel kernel;
    /* What the rows' log-likelihoods leave out, that of the saturated model: its sum and that of
     * its derivatives in zeta, by row too, at the zeta it was computed for. */
    double saturated, saturated_sum_zeta, saturated_at;
    double *saturated_zeta, *log_y; /* (n); log_y with log links, 0 for counts of 0 */
    double *target, *target_rows;   /* (n) see modes.c; target is NULL where modes are unique */
    double least_zeta; /* log dispersion at which rounding hides what is left of the response */
    int target_known;  /* whether target_rows are */
    double *u_known, *beta_known; /* (q), (p): see smm_glmm_set_modes */
    int known;                    /* whether there are any */
    double row_unit;          /* the change in eta that one row can detect, without dispersion */
    int bend;                 /* whether the last search for modes ended at a bend (pirls.c) */
    int several, met_several; /* whether the last evaluation, or any, found several modes */
    int met_edge;             /* whether nodes of any were outside the range of means */
    /* per random effect (q), elimination order */
    double *u, *Qu, *u_old, *u_kept, *u_good, *zl, *zc, *v;
    double *beta_old, *beta_kept, *beta_good, *beta_start, *xr; /* (p) */
    double *direct, *tk; /* per term k x k: sums of Z'l u'; A T Omega^-1, later Gamma T */
    double *scale, *run_vectors, *run_matrices, *run_pairs, *HW, *theta_block;
    double loglik, loglik_zeta, score_zeta_sq, usq, logdet, value;
    smm_sides sides;
};

/* sides.c */
int32_t smm_tail_parameters(const smm_glmm *g); /* of the objective, behind beta */
void smm_sides_take(smm_glmm *g, const double *kappa);
void smm_sides_rows(smm_glmm *g);
void smm_sides_rows_at(const smm_glmm *g, const double *eta, double *loglik, double *l,
                       double *slopes);
void smm_sides_gradient(const smm_glmm *g, double *gradient);
void smm_sides_curvature(const smm_glmm *g, double *hessian, int32_t ld);
void smm_sides_destroy(smm_glmm *g);

/* zeros.c */
void smm_zeros_row(smm_glmm *g, int64_t i, const double *outer, const smm_jet *row);
void smm_zeros_safe_weights(smm_glmm *g);
void smm_zeros_weight_slopes(const smm_glmm *g, double *c);
void smm_zeros_spread(smm_glmm *g);
void smm_zeros_adjoint(const smm_glmm *g, const double *adjoint, double *c);

/* stream.c */
int smm_stream_create(const smm_design *d, int64_t capacity, smm_next_rows next, void *ctx,
                      smm_stream **out);
/* Room for the sums, once the kinds of weights are known. */
int smm_stream_reserve(smm_glmm *g);
void smm_stream_destroy(smm_stream *s);
int smm_stream_pass(smm_glmm *g, int gradient);
void smm_stream_zz(smm_glmm *g, const double *weights);
void smm_stream_joint(smm_glmm *g, const double *weights);
double smm_stream_adjoint(smm_glmm *g, const double *v, const double *x);

/* rows.c */
void smm_rows_take_logarithms(smm_glmm *g);
void smm_rows_prepare(smm_glmm *g);
void smm_rows_dispersion(smm_glmm *g);
void smm_rows(smm_glmm *g);
double smm_rows_rounding(const smm_glmm *g);
/* Safe weights into g->work: the observed ones, where they are safely positive, or the expected. */
void smm_safe_weights(smm_glmm *g);
void smm_rows_at(const smm_glmm *g, const double *eta, double *loglik, double *l,
                 double *loglik_zeta);

/* glmm_curvature.c: the working linear model at the modes, with the expected weights and
 * sigma = 1 */
int smm_solve_expected(smm_glmm *g);

/* modes.c */
int smm_modes_unique(const smm_glmm *g);
/* `predicted`: whether modes to start from are in zc and beta_old. */
int smm_find_modes(smm_glmm *g, int predicted);

/* predicted_modes.c */
int smm_predict_modes(smm_glmm *g, const double *parameters, double *u, double *beta);

/* glmm.c */
void smm_take_parameters(smm_glmm *g, const double *parameters);

/* pirls.c */
int smm_pirls(smm_glmm *g);
int smm_form_omega(smm_glmm *g, const double *weights);
int smm_form_joint(smm_glmm *g, const double *weights, int hold);
void smm_mode_scores(const smm_glmm *g, double *z_part, double *x_part);
void smm_solve_modes(smm_glmm *g, double *u_part, double *x_part);

/* predictors.c */
void smm_fixed_predictor(smm_glmm *g);
/* out += Z Lambda u, each term in the part of its predictor; b (q) receives Lambda u. */
void smm_random_predictor(const smm_glmm *g, const double *u, double *b, double *out);
void smm_z_transpose(const smm_glmm *g, const double *rows, double *out);
void smm_x_transpose(const smm_glmm *g, const double *rows, double *out);
void smm_add_z_transpose(const smm_glmm *g, const double *rows, double *out);
void smm_add_x_transpose(const smm_glmm *g, const double *rows, double *out);

/* remainder.c: R R' = X'V^-1 X where the difference that smm_factor_x takes has lost its digits;
 * not of a stream nor of two predictors */
int smm_digits_lost(const smm_workspace *ws);
int smm_factor_remainder(smm_workspace *ws, const double *weights, int hold);
/* A step of (u, beta), `delta` (q) and `step` (p), along coefficients that the last factor held but
 * whose scores (p) are not zero: where means are far below the responses the log-likelihood is a
 * straight line of no information. It is one unit of eta long, all others as they are best beside
 * it. Returns the rise of h that it promises, 0 if there is no such coefficient. */
double smm_climb_held(smm_glmm *g, const double *scores, double *delta, double *step);

/* row_effects.c: g->logdet with its digits, after smm_form_omega with g->w */
int smm_logdet_of_rows(smm_glmm *g);

/* agq.c */
int smm_quadrature_create(smm_glmm *g, int32_t points, const double *nodes,
                          const double *log_weights);
void smm_quadrature_destroy(smm_glmm *g);
int smm_quadrature_value(smm_glmm *g, double *value);
void smm_quadrature_gradient(smm_glmm *g, double *zeta_part);

#endif
