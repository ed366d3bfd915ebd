/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Rows: the mean of a link, the log-likelihood of a distribution, and derivatives.
 */
#ifndef SMM_FAMILIES_H
#define SMM_FAMILIES_H

#include "base/base.h"

/* log|Gamma(x)|. C's lgamma may leave the sign in a global variable, which threads share; POSIX
 * has one that does not, which C11's math.h hides. */
#if defined(__unix__) || defined(__APPLE__)
extern double lgamma_r(double x, int *sign);
static inline double smm_log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign);
}
#else
static inline double smm_log_gamma(double x) { return lgamma(x); }
#endif

/* The mean and its derivatives in eta; see links.c. Where the mean of a link is no probability the
 * logarithm of 1 - mu may be NaN, where it is negative that of mu. */
typedef struct {
    double mu, rest, log_mu, log_rest; /* rest: 1 - mu */
    double d1, d2, d3;                 /* derivatives of mu */
    double a, a1, a2, b, b1, b2;       /* derivatives of log mu and of -log(1 - mu) */
    double info, info1;                /* mu'^2 / mu and its derivative */
} smm_mean;

void smm_inverse_link(int link, double power, double eta, smm_mean *out);

/* One row: log-likelihood less that of the saturated model, and derivatives; see family.c. */
typedef struct {
    double loglik, l, we, wo, dw, loglik_zeta, l_zeta, w_zeta;
} smm_row;

/* density.c */
double smm_density_constant(int distribution, double y, double m);

/* saturated.c: for one row, with its derivative in zeta */
double smm_saturated(int distribution, double phi, double y, double m, double *d_zeta);

/* stirling.c, for x > 0: what Stirling's formula leaves of log Gamma(x); log x - digamma(x) */
double smm_stirling_rest(double x);
double smm_digamma_gap(double x);

/* family.c */
int smm_family_valid(const smm_family *family);
void smm_family_row(const smm_family *family, double phi, double y, double m, double eta,
                    smm_row *out);

/* row_loops.c: all pointers to n numbers, weights may be NULL; the sum of the log-likelihoods less
 * those of the saturated model is returned, and of logit rows the log-likelihood itself */
double smm_logit_rows(int64_t n, const double *y, const double *weights, const double *eta,
                      double *l, double *w, double *dw);
double smm_poisson_rows(int64_t n, const double *y, const double *log_y, const double *weights,
                        const double *eta, double *l, double *w);
double smm_gamma_rows(int64_t n, const double *log_y, const double *weights, double phi,
                      const double *eta, double *loglik, double *l, double *we, double *wo);
void smm_logit_at(int64_t n, const double *y, const double *weights, const double *eta,
                  double *loglik, double *l);
void smm_poisson_at(int64_t n, const double *y, const double *log_y, const double *weights,
                    const double *eta, double *loglik, double *l);

#endif
