/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One model fitted to many responses, as simulations need it: between two fits only Z'Wy,
 * X'Wy and y'Wy change, so nothing is analysed, allocated or asked of the caller.
 */
#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

#include "linear/linear.h"

/* Scalars of a fit: objective, r2, N, decrement, least eigenvalue, stop. */
#define FACTS 6

typedef struct {
    const smm_options *asked;
    const int32_t *flag;
} refit_poll;

/* Another thread sets the flag. It orders nothing else, so a relaxed load is enough: builtins of
 * gcc and clang; MSVC, whose C has no atomics by default, has a load of its own for it. */
static int flag_set(const int32_t *flag)
{
    if (!flag) return 0;
#if defined(_MSC_VER) && !defined(__clang__)
    return __iso_volatile_load32((const volatile __int32 *)flag) != 0;
#else
    return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
#endif
}

static int poll_flag(void *ctx)
{
    const refit_poll *p = ctx;
    return flag_set(p->flag) || (p->asked->poll && p->asked->poll(p->asked->poll_ctx));
}

static int fit_one(smm_workspace *ws, const double *y, const double *weights,
                   const smm_options *options, double *theta, double *beta, double *inverse,
                   double *facts)
{
    smm_report report = {0};
    double scalars[4];
    int status = smm_crossprod_y(ws, y, weights);
    if (!status) status = smm_newton(ws, options, theta, &report);
    if (!status) status = smm_solution(ws, beta, NULL, NULL, inverse, scalars);
    if (status) return status;
    facts[0] = report.value;
    facts[1] = scalars[0];
    facts[2] = scalars[3];
    facts[3] = report.decrement;
    facts[4] = report.min_eigenvalue;
    facts[5] = report.stop;
    return SMM_OK;
}

int smm_refit(smm_workspace *ws, int64_t count, const double *responses, const double *weights,
              const smm_options *options, const double *start, const int32_t *flag, double *theta,
              double *beta, double *xvx_inverse, double *scalars, int64_t *done)
{
    if (!ws || count < 0 || !responses || !options || !start || !theta || !scalars || !done)
        return SMM_EINVAL;
    const smm_design *d = ws->design;
    int64_t nt = d->ntheta, p = d->p;
    if (p > 0 && (!beta || !xvx_inverse)) return SMM_EINVAL;
    refit_poll polled = {options, flag};
    smm_options each = *options;
    each.poll = poll_flag;
    each.poll_ctx = &polled;
    *done = 0;
    for (int64_t r = 0; r < count && !flag_set(flag); r++) {
        double *facts = scalars + FACTS * r, *end = theta + nt * r;
        double *coefficients = p ? beta + p * r : NULL;
        double *inverse = p ? xvx_inverse + p * p * r : NULL;
        memcpy(end, start, sizeof(double) * (size_t)nt);
        int status =
            fit_one(ws, responses + d->n * r, weights, &each, end, coefficients, inverse, facts);
        if (status == SMM_ENOTPD || status == SMM_ENONFINITE) {
            smm_fail(status, FACTS, facts);
            smm_fail(status, nt, end);
            smm_fail(status, p, coefficients);
            smm_fail(status, p * p, inverse);
        } else if (status) return status;
        else if (facts[5] == SMM_STOP_FORCED) return SMM_OK; /* this fit is unfinished */
        *done = r + 1;
    }
    return SMM_OK;
}
