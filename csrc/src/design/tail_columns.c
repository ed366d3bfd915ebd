/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which head columns meet each column of a large tail, for tail.c: of the groups that have no
 * common call.
 */
#include "design/design.h"

/* Smaller tails stay in the cache anyway. The tests make all of them large. */
#ifndef SMM_LARGE_TAIL
#define SMM_LARGE_TAIL 1500
#endif

int smm_list_tail_columns(smm_design *d)
{
    const smm_allocator *mem = &d->mem;
    if (d->qt < SMM_LARGE_TAIL) return SMM_OK;
    size_t size = (size_t)d->tptr[d->nhead];
    d->tail_ptr = smm_alloc(mem, (size_t)d->qt + 2, sizeof(int64_t));
    d->tail_head = smm_alloc(mem, size, sizeof(int32_t));
    d->tail_pos = smm_alloc(mem, size, sizeof(int32_t));
    if (!d->tail_ptr || !d->tail_head || !d->tail_pos) return SMM_ENOMEM;
    /* counts two places on, then their sums one place on, which the second pass moves to theirs */
    memset(d->tail_ptr, 0, sizeof(int64_t) * ((size_t)d->qt + 2));
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t gi = 0; gi < d->ngroups; gi++) {
            const smm_group *g = d->groups + gi;
            if (g->cols) continue;
            for (int32_t j = g->first; j < g->last; j++)
                for (int32_t r = 0; r < d->ntailrows[j]; r++) {
                    int64_t *at = d->tail_ptr + d->tidx[d->tptr[j] + r] + 2 - pass;
                    if (pass) {
                        d->tail_head[*at] = j;
                        d->tail_pos[*at] = r;
                    }
                    ++*at;
                }
        }
        if (!pass)
            for (int32_t c = 0; c < d->qt; c++) d->tail_ptr[c + 2] += d->tail_ptr[c + 1];
    }
    return SMM_OK;
}
