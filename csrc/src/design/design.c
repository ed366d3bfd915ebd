/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The design handle: its terms are checked and copied, theta is numbered, and the
 * structure is analysed once (analyse.c). Afterwards it is only read.
 */
#if defined(__linux__) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE /* madvise */
#endif
#include "design/design.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

/* Large blocks are new pages of memory, which the system maps and clears as they are first touched,
 * one by one: it does so for 512 at once where it has large pages. */
#define LARGE_BLOCK ((size_t)1 << 22)

static void *default_alloc(void *ctx, size_t bytes)
{
    (void)ctx;
    void *block = malloc(bytes);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (block && bytes >= LARGE_BLOCK) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        size_t before = page - (size_t)((uintptr_t)block % page);
        (void)madvise((char *)block + before, bytes - before, MADV_HUGEPAGE); /* only advice */
    }
#endif
    return block;
}

static void default_release(void *ctx, void *block)
{
    (void)ctx;
    free(block);
}

smm_allocator smm_standard_allocator(void)
{
    return (smm_allocator){default_alloc, default_release, NULL};
}

void smm_design_destroy(smm_design *d)
{
    if (!d) return;
    smm_allocator mem = d->mem;
    if (d->node_of)
        for (int32_t t = 0; t < d->nterms; t++) smm_release(&mem, d->node_of[t]);
    void *all[] = {d->levels,     d->cols,        (void *)d->refs, (void *)d->z,
                   d->node_of,    d->term_at,     d->theta_term,   d->theta_row,
                   d->theta_col,  d->node_cols,   d->theta_at,     d->node_term,
                   d->node_level, d->node_at,     d->rowptr,       d->row,
                   d->rowoff,     d->valptr,      d->height,       d->ntailrows,
                   d->tail_ptr,   d->tail_head,   d->tail_pos,     d->tptr,
                   d->tidx,       d->groups,      d->block_row,    d->block_col,
                   d->block_at,   d->block_in_l,  d->pair,         (void *)d->prior,
                   d->node_prior, d->block_prior, d->predictor,    d->prior_logdet};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) smm_release(&mem, all[i]);
    smm_release(&mem, d);
}

/* Copy the terms, number theta. */
static int take_terms(smm_design *d, const smm_term *terms)
{
    const smm_allocator *mem = &d->mem;
    size_t k = (size_t)d->nterms;
    int64_t ntheta = 0, q = 0;
    d->predictors = 1;
    d->levels = smm_alloc(mem, k, sizeof(int32_t));
    d->cols = smm_alloc(mem, k, sizeof(int32_t));
    d->refs = smm_alloc(mem, k, sizeof *d->refs);
    d->z = smm_alloc(mem, k, sizeof *d->z);
    d->prior = smm_alloc(mem, k, sizeof *d->prior);
    d->prior_logdet = smm_alloc(mem, k, sizeof(double));
    d->predictor = smm_alloc(mem, k, sizeof(int32_t));
    d->node_of = smm_alloc(mem, k, sizeof *d->node_of);
    d->term_at = smm_alloc(mem, k + 1, sizeof(int64_t));
    d->theta_at = smm_alloc(mem, k + 1, sizeof(int32_t));
    if (d->node_of) memset(d->node_of, 0, k * sizeof *d->node_of);
    if (!d->levels || !d->cols || !d->refs || !d->z || !d->node_of || !d->term_at ||
        !d->theta_at || !d->prior || !d->prior_logdet || !d->predictor)
        return SMM_ENOMEM;
    for (int32_t t = 0; t < d->nterms; t++) {
        const smm_term *term = terms + t;
        int32_t c = term->cols;
        if (term->levels < 1 || c < 1 || !term->refs || !term->z || !term->pattern ||
            term->predictor < 0 || term->predictor > 1)
            return SMM_EINVAL;
        if (term->prior && smm_check_prior(term->prior, term->levels)) return SMM_EINVAL;
        if (c > 32767) return SMM_EOVERFLOW;
        for (int32_t r = 0; r < c; r++)
            for (int32_t s = 0; s < c; s++) {
                int set = term->pattern[r * c + s] != 0;
                if ((s > r && set) || (s == r && !set)) return SMM_EINVAL;
                ntheta += set;
            }
        for (int64_t i = 0; i < d->n; i++)
            if (term->refs[i] < 0 || term->refs[i] >= term->levels) return SMM_EINVAL;
        d->levels[t] = term->levels;
        d->cols[t] = c;
        d->refs[t] = term->refs;
        d->z[t] = term->z;
        d->prior[t] = term->prior;
        d->prior_logdet[t] = 0;
        if (term->prior) d->prior_logdet[t] = term->prior->logdet ? *term->prior->logdet : NAN;
        d->predictor[t] = term->predictor;
        if (term->predictor >= d->predictors) d->predictors = term->predictor + 1;
        d->has_prior = d->has_prior || term->prior;
        d->term_at[t] = q;
        q += (int64_t)term->levels * c;
        if (c > d->maxcols) d->maxcols = c;
    }
    if (q > INT32_MAX || ntheta > 32767) return SMM_EOVERFLOW;
    d->term_at[d->nterms] = d->q = q;
    d->ntheta = (int32_t)ntheta;
    d->theta_term = smm_alloc(mem, (size_t)ntheta, sizeof(int32_t));
    d->theta_row = smm_alloc(mem, (size_t)ntheta, sizeof(int32_t));
    d->theta_col = smm_alloc(mem, (size_t)ntheta, sizeof(int32_t));
    if (!d->theta_term || !d->theta_row || !d->theta_col) return SMM_ENOMEM;
    int32_t i = 0;
    for (int32_t t = 0; t < d->nterms; t++) {
        d->theta_at[t] = i;
        for (int32_t c = 0; c < d->cols[t]; c++)
            for (int32_t r = c; r < d->cols[t]; r++)
                if (terms[t].pattern[r * d->cols[t] + c]) {
                    d->theta_term[i] = t;
                    d->theta_row[i] = r;
                    d->theta_col[i++] = c;
                }
    }
    d->theta_at[d->nterms] = i;
    return SMM_OK;
}

/* Where the rows of an X without columns are. */
static const double no_columns = 0;

int smm_design_create(const smm_blas *blas, const smm_allocator *mem, int64_t n, int32_t nterms,
                      const smm_term *terms, int32_t p, const double *X, smm_design **out)
{
    const smm_allocator standard = smm_standard_allocator();
    if (!out) return SMM_EINVAL;
    *out = NULL;
    if (!blas || blas->size != sizeof *blas || blas->int_bytes != (int)sizeof(int) ||
        !blas->dpotrf || !blas->dpotri || !blas->dsyev || !blas->dgemm || !blas->dsymm ||
        !blas->dsyrk || !blas->dtrsm)
        return SMM_EINVAL;
    if (n < 1 || nterms < 1 || !terms || p < 0 || (p > 0 && !X)) return SMM_EINVAL;
    if (nterms > 1000 || p > 46000) return SMM_EOVERFLOW;
    if (!mem) mem = &standard;
    smm_design *d = smm_alloc(mem, 1, sizeof *d);
    if (!d) return SMM_ENOMEM;
    memset(d, 0, sizeof *d);
    d->blas = *blas;
    d->mem = *mem;
    d->n = n;
    d->nterms = nterms;
    d->p = p;
    d->X = p > 0 ? X : &no_columns; /* a row of no columns still has an address */
    int status = take_terms(d, terms);
    if (status == SMM_OK) status = smm_analyse(d);
    if (status == SMM_OK) *out = d;
    else smm_design_destroy(d);
    return status;
}
