/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Numbers of twice the precision of a double: unevaluated sums hi + lo with |lo| at most half a
 * unit in the last place of hi (Dekker 1971; Hida, Li and Bailey 2001). About 32 digits, in the
 * range of doubles.
 */
#ifndef SMM_TWICE_H
#define SMM_TWICE_H

#include <math.h>
#include <stdint.h>

typedef struct {
    double hi, lo;
} smm_twice;

/* a + b exactly, where |a| >= |b| or a = 0. */
static inline smm_twice twice_quick_sum(double a, double b)
{
    double s = a + b;
    return (smm_twice){s, b - (s - a)};
}

/* a + b exactly. */
static inline smm_twice twice_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (smm_twice){s, (a - (s - t)) + (b - t)};
}

/* a b exactly. */
static inline smm_twice twice_product(double a, double b)
{
    double p = a * b;
    return (smm_twice){p, fma(a, b, -p)};
}

static inline smm_twice twice_add(smm_twice a, smm_twice b)
{
    smm_twice s = twice_sum(a.hi, b.hi), t = twice_sum(a.lo, b.lo);
    s = twice_quick_sum(s.hi, s.lo + t.hi);
    return twice_quick_sum(s.hi, s.lo + t.lo);
}

static inline smm_twice twice_scale(smm_twice a, double b)
{
    smm_twice p = twice_product(a.hi, b);
    return twice_quick_sum(p.hi, p.lo + a.lo * b);
}

static inline smm_twice twice_multiply(smm_twice a, smm_twice b)
{
    smm_twice p = twice_product(a.hi, b.hi);
    return twice_quick_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* a - b c */
static inline smm_twice twice_less(smm_twice a, smm_twice b, smm_twice c)
{
    smm_twice p = twice_multiply(b, c);
    return twice_add(a, (smm_twice){-p.hi, -p.lo});
}

static inline smm_twice twice_divide(smm_twice a, smm_twice b)
{
    double first = a.hi / b.hi;
    smm_twice rest = twice_scale(b, -first);
    rest = twice_add(a, rest);
    double second = rest.hi / b.hi;
    rest = twice_add(rest, twice_scale(b, -second));
    smm_twice q = twice_quick_sum(first, second);
    return twice_add(q, (smm_twice){rest.hi / b.hi, 0});
}

/* a > 0 */
static inline smm_twice twice_root(smm_twice a)
{
    double first = sqrt(a.hi);
    smm_twice square = twice_product(first, first);
    smm_twice rest = twice_add(a, (smm_twice){-square.hi, -square.lo});
    return twice_quick_sum(first, rest.hi / (2 * first));
}

static inline double twice_log(smm_twice a) { return log(a.hi) + a.lo / a.hi; }

/* precise.c: y -= f x */
void smm_twice_subtract(int64_t n, smm_twice f, const smm_twice *x, smm_twice *y);
/* Columns c < k of a matrix of `rows` rows, whose first k are a diagonal block, become those of
 * its lower Cholesky factor. Returns SMM_OK, SMM_ENOTPD. */
int smm_twice_factor(int32_t rows, int32_t k, int64_t ld, smm_twice *a);

#endif
