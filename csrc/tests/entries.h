/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls of every entry point that needs a design, on one linear and one generalized model.
 */
#ifndef SMM_ENTRIES_H
#define SMM_ENTRIES_H

#include "glmm_dense.h"

/* A model, and the same with a response of its family. */
typedef struct {
    mixed x;
    int64_t condvar; /* sum over terms of levels * cols * cols */
} entries;

entries entries_make(uint64_t seed, int32_t p);
void entries_free(entries *e);

/* The handles, each with all that it allocates. */
int entries_linear(const entries *e, const smm_design *design, smm_workspace **ws);
int entries_generalized(const entries *e, const smm_design *design, smm_glmm **g);

/* A negative binomial model whose dispersion has one coefficient, that of `ones` (n). */
int entries_sides(const entries *e, const smm_design *design, const double *ones, smm_glmm **g);

/* Call everything else. Returns the sum of all that comes out; NaN if a call fails. */
double entries_call_linear(const entries *e, smm_workspace *ws);
double entries_call_generalized(const entries *e, smm_glmm *g);

#endif
