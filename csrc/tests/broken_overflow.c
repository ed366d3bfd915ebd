/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Overflows a signed integer: the undefined behaviour sanitizer must say so.
 */
#include <limits.h>

int main(int argc, char **argv)
{
    (void)argv;
    int large = INT_MAX - 1 + argc;
    return large + argc == 7;
}
