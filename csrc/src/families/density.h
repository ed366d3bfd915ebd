/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the files of the densities share; see density.c.
 */
#ifndef SMM_DENSITY_H
#define SMM_DENSITY_H

#include "families/families.h"
#include "families/jet.h"

typedef struct {
    smm_jet eta, mu, rest, log_mu, log_rest, log_phi; /* rest: 1 - mu */
} smm_mean_jets;

/* density.c; the whole of a row, less smm_density_constant */
smm_jet smm_density(const smm_family *f, int zeros, double y, double m, double eta,
                    const double *outer);
/* Its log-density at 0 without the part of zeros, and how often a row of weight m counts. */
smm_jet smm_density_of_zero(const smm_family *f, double m, double eta, const double *outer);
double smm_density_copies(const smm_family *f, double m);
double smm_density_information(const smm_family *f, double m, double eta, const double *outer);

/* trials.c; of m = hits + misses, a = mu phi and b = (1 - mu) phi positive */
double smm_many_trials(double hits, double misses, const smm_mean_jets *x);
double smm_many_beta_trials(double hits, double misses, double a, double b,
                            const smm_mean_jets *x);

/* compois.c, tweedie.c, ordered.c */
smm_jet smm_com_poisson(double y, const smm_mean_jets *x);
smm_jet smm_tweedie(double y, const smm_mean_jets *x, const double *outer, smm_jet limit);
smm_jet smm_ordered(const smm_family *f, double y, double eta, const double *outer);
smm_jet smm_ordered_part(double y, const smm_mean_jets *x, const double *outer, smm_jet inside);

#endif
