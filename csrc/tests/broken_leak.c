/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Loses an allocation: the leak sanitizer must say so.
 */
#include <stdlib.h>

static char *volatile kept;

int main(void)
{
    kept = malloc(100);
    kept = NULL;
    return 0;
}
