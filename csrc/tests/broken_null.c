/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Adds zero to a null pointer, which C leaves undefined: clang's sanitizer must say so (gcc's
 * does not look).
 */
#include <stddef.h>

static char *volatile nothing; /* nothing the compiler could see through */
static volatile size_t zero;

int main(void)
{
    char *moved = nothing + zero;
    return moved != NULL;
}
