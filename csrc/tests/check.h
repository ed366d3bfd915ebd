/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The whole test framework: a failed check prints itself and is counted, and main ends
 * with `return check_result();`.
 */
#ifndef SMM_CHECK_H
#define SMM_CHECK_H

#include <math.h>
#include <stdio.h>

static int check_failures;

static inline int check_true(int condition, const char *file, int line, const char *what)
{
    if (condition) return 1;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    check_failures++;
    return 0;
}

/* |a - b| <= tolerance (1 + |b|); NaN fails. */
static inline int check_near(double a, double b, double tolerance, const char *file, int line,
                             const char *what)
{
    if (fabs(a - b) <= tolerance * (1 + fabs(b))) return 1;
    fprintf(stderr, "%s:%d: %s: %.17g is not %.17g\n", file, line, what, a, b);
    check_failures++;
    return 0;
}

#define CHECK(condition) check_true(condition, __FILE__, __LINE__, #condition)
#define CHECK_NEAR(a, b, tolerance) check_near(a, b, tolerance, __FILE__, __LINE__, #a)

static inline int check_result(void) { return check_failures ? 1 : 0; }

#endif
