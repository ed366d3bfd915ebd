/* SPDX-License-Identifier: BSD-3-Clause
 *
 * BLAS and LAPACK as plain loops, so that tests and sanitizers need no library.
 */
#ifndef SMM_REF_BLAS_H
#define SMM_REF_BLAS_H

#include "smm.h"

/* A filled table. Routines abort on arguments that LAPACK would refuse. */
smm_blas ref_blas(void);

#endif
