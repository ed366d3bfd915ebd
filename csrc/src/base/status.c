/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Status code -> one sentence.
 */
#include "base/base.h"

const char *smm_status_text(int status)
{
    switch (status) {
    case SMM_OK:
        return "no error";
    case SMM_ENOMEM:
        return "out of memory";
    case SMM_EINVAL:
        return "an argument is out of range";
    case SMM_EOVERFLOW:
        return "the problem is too large for 32-bit indices";
    case SMM_ENOTPD:
        return "a matrix that must be positive definite is not";
    case SMM_ENONFINITE:
        return "a NaN or an infinity appeared";
    case SMM_ESTATE:
        return "a step was called before the step it depends on";
    case SMM_ENLOPT:
        return "NLopt refused the algorithm or its arguments";
    default:
        return "unknown status";
    }
}
