/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An allocator whose k-th allocation fails, and that counts what is not yet released.
 */
#ifndef SMM_PURSE_H
#define SMM_PURSE_H

#include <stdlib.h>

#include "check.h"
#include "problem.h"

typedef struct {
    int64_t countdown; /* allocations until one fails */
    int64_t allocated, live;
} purse;

static inline void *purse_alloc(void *ctx, size_t bytes)
{
    purse *p = ctx;
    if (p->countdown-- == 0) return NULL;
    void *block = malloc(bytes);
    if (!block) abort();
    p->allocated++;
    p->live++;
    return block;
}

static inline void purse_release(void *ctx, void *block)
{
    purse *p = ctx;
    CHECK(block != NULL);
    p->live--;
    free(block);
}

/* The design of a problem, paid from a purse. */
static inline int purse_design(const problem *m, purse *p, smm_design **d)
{
    smm_blas blas = ref_blas();
    smm_allocator mem = {purse_alloc, purse_release, p};
    return smm_design_create(&blas, &mem, m->n, m->nterms, m->term, m->p, m->p ? m->X : NULL, d);
}

#endif
