/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads one double past the end of an allocation: the address sanitizer must say so, or
 * a clean run of the other tests means nothing.
 */
#include <stdlib.h>

static double *volatile array; /* nothing the compiler could see through */

int main(void)
{
    array = calloc(4, sizeof *array);
    if (!array) return 0;
    double value = array[4];
    free(array);
    return value == 7;
}
