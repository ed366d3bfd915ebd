/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The linear model: cross-products, penalized least squares, derivatives, what is read off a fit.
 */
#ifndef SMM_LINEAR_H
#define SMM_LINEAR_H

#include "factor/factor.h"
#include "minimize/minimize.h"

/* Levels of at least this many columns are compared, to compute once what is alike. */
#define SMM_TWINS 8

/* crossprod.c */
void smm_form_zz(smm_workspace *ws, const double *weights);
void smm_form_zx(smm_workspace *ws, const double *y, const double *weights);
void smm_form_xx(smm_workspace *ws, const double *y, const double *weights);
void smm_add_zz(const smm_workspace *ws, const double *weights, double *A);
void smm_add_zx(const smm_workspace *ws, const double *y, const double *weights, double *ZXy);
void smm_add_xx(const smm_workspace *ws, const double *y, const double *weights, double *XXy);
void smm_find_twins(smm_workspace *ws);
void smm_column_scale(smm_workspace *ws);

/* level_sums.c: Z'W[X y] and the diagonal blocks of Z'WZ of one term added to ZXy and A; 0 where it
 * is none of the terms that this is for. The doubles of scratch for all terms are those of C. */
int smm_add_by_levels(const smm_workspace *ws, int32_t t, const double *y, const double *weights,
                      double *A, double *ZXy);
int64_t smm_level_sums(const smm_design *d);
/* Z'Wy into the last column of ZXy. */
void smm_form_zy(smm_workspace *ws, const double *y, const double *weights);

/* residual.c: [X y]'Wy (p + 1) for row-major X (n x p); p doubles of scratch. */
void smm_form_xy(int64_t n, int32_t p, const double *X, const double *y, const double *weights,
                 double *scratch, double *sums);

/* pls.c */
int smm_factor_x(smm_workspace *ws);
int smm_evaluate(smm_workspace *ws, double *value);

/* gradient.c: the gradient with derivatives by `differentiate`, as by smm_differentiate, which
 * finds GT_t = Gamma_t T_t of all terms, full */
int smm_find_gradient(smm_workspace *ws, int (*differentiate)(smm_workspace *), double *gradient);
int smm_differentiate(smm_workspace *ws);
/* The parts of that: b, u and e, then GT = (A Lambda Omega^-1)_jj summed over levels, from which
 * is subtracted what the residuals and, by REML, the fixed effects take. */
void smm_solve_linear_modes(smm_workspace *ws);
int smm_find_trace(smm_workspace *ws);
void smm_subtract_residuals(smm_workspace *ws);
void smm_invert_xvx(smm_workspace *ws);
void smm_accumulate_trace(smm_workspace *ws);

/* gradient_by_rows.c: GT_t with twice the digits where the value has them, if rows are few. */
int smm_has_few_rows(const smm_design *d);
int smm_differentiate_by_rows(smm_workspace *ws);
void smm_by_rows_destroy(smm_workspace *ws);

/* determinant.c: derivatives of a model with one parameter whose selected inverse is much work.
 * The gradient of a minimizer that judges its steps by values as well: that of log|Omega| is
 * interpolated between values, where that is certain enough. The selected inverse may be missing
 * afterwards. */
#define SMM_DETERMINANTS 8
#define SMM_SIGNS 4 /* random vectors at once */
int smm_follows_determinant(const smm_design *d);
int smm_differentiate_by_determinants(smm_workspace *ws);
void smm_forget_determinants(smm_workspace *ws); /* Z'WZ is another */
int smm_quick_gradient(smm_workspace *ws, double *gradient);

/* curvature.c */
void smm_cross(int64_t rows, int32_t a, const double *P, int32_t b, int32_t ldq, const double *Q,
               double *SMM_RESTRICT out);
int smm_information(smm_workspace *ws, double precision, int profiled, int projected, double *H,
                    double *HW);

/* postfit.c */
void smm_row_variances(const smm_workspace *ws, double *out);

/* joint.c: where block (i, j) of L and of its inverse is, for nodes i >= j; -1 outside of the
 * pattern of L. */
int64_t smm_stored_block(const smm_design *d, int32_t i, int32_t j);

#endif
