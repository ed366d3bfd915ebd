/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every file shares: memory, failures, loops, logarithms of products, dense kernels.
 */
#ifndef SMM_BASE_H
#define SMM_BASE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "smm.h"

/* Small blocks are done by loops, larger ones by BLAS: a call costs about 0.2 us. */
#define SMM_SMALL 24

#define LOG_2PI 1.8378770664093454836
#define LOG_ROOT_2PI (0.5 * LOG_2PI)

#if defined(__GNUC__)
#define SMM_RESTRICT __restrict__
#define SMM_PREFETCH(at) __builtin_prefetch(at)
#define SMM_INLINE __attribute__((always_inline))
#else
#define SMM_RESTRICT
#define SMM_INLINE
#define SMM_PREFETCH(at) ((void)(at))
#endif

/* Hot loops are compiled for several instruction sets and picked at load time. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(SMM_NO_CLONES)
#define SMM_HOT __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define SMM_HOT
#endif

/* Under the address sanitizer the parts of an arena are kept apart by bytes that nobody may
 * touch; otherwise a write beyond one part would go unnoticed into the next. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SMM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SMM_ADDRESS_SANITIZER
#endif
#ifdef SMM_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#define SMM_RED_ZONE 64
#define smm_forbid(at, bytes) ASAN_POISON_MEMORY_REGION(at, bytes)
#else
#define SMM_RED_ZONE 0
#define smm_forbid(at, bytes) ((void)0)
#endif

/* malloc and free */
smm_allocator smm_standard_allocator(void);

static inline void *smm_alloc(const smm_allocator *mem, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    size_t bytes = count * size;
    return mem->alloc(mem->ctx, bytes ? bytes : 1);
}

static inline void smm_release(const smm_allocator *mem, void *block)
{
    if (block) mem->release(mem->ctx, block);
}

/* All n elements become NaN: an evaluation that failed leaves no stale numbers. */
static inline int smm_fail(int status, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++) out[i] = NAN;
    return status;
}

/* The logarithm of a product of many positive factors, few of them taken by themselves: the
 * product is exp(log) times rest, and rest stays far from overflow and underflow. */
typedef struct {
    double log, rest;
} smm_log_product;

static inline void smm_multiply(smm_log_product *product, double factor)
{
    product->rest *= factor;
    if (product->rest > 1e100 || product->rest < 1e-100) {
        product->log += log(product->rest);
        product->rest = 1;
    }
}

/* dense.c */
int smm_potrf(const smm_blas *blas, int32_t n, double *a, int32_t lda);
int smm_potri(const smm_blas *blas, int32_t n, double *a, int32_t lda);
void smm_solve_rows(const smm_blas *blas, int32_t n, const double *l, int32_t ldl, int64_t m,
                    double *b, int transpose);
void smm_invert_lower(int32_t k, const double *l, int32_t ldl, double *inv);

/* Numbers that are taken together, each in a lane of the vector units: compilers keep the order of a
 * plain sum. */
#define SMM_LANES 8

/* Cases of a switch by a number of columns, constants with which the compiler unrolls loops; those
 * before and after are added where there are any. */
#define SMM_CASES_1_TO_6(OF_COLUMNS)                                                             \
    OF_COLUMNS(1);                                                                               \
    OF_COLUMNS(2);                                                                               \
    OF_COLUMNS(3);                                                                               \
    OF_COLUMNS(4);                                                                               \
    OF_COLUMNS(5);                                                                               \
    OF_COLUMNS(6)

/* gram.c: the most that are few columns, y among them */
#define SMM_FEW_COLUMNS 8
void smm_gram(const smm_blas *blas, int64_t rows, int32_t m, const double *b, double alpha,
              double beta, double *c);
void smm_weighted_gram(int64_t rows, int32_t p, const double *X, const double *y, const double *w,
                       double *c);

/* Lower triangle of c (m x m) += alpha times the sums of pairs of columns over lanes. */
SMM_INLINE
static inline void smm_add_lanes(int32_t m, double alpha, double (*sums)[SMM_LANES],
                                 double *SMM_RESTRICT c)
{
    int32_t pair = 0;
    for (int32_t s = 0; s < m; s++)
        for (int32_t r = s; r < m; r++, pair++) {
            double sum = 0;
            for (int64_t l = 0; l < SMM_LANES; l++) sum += sums[pair][l];
            c[r + (size_t)s * m] += alpha * sum;
        }
}

#endif
