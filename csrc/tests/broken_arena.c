/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Writes one double past the end of a part of the workspace's arena, which is one
 * allocation: the address sanitizer can only say so when the parts are kept apart.
 */
#include "problem.h"
#include "linear/linear.h"

int main(void)
{
    const int32_t levels[] = {3}, cols[] = {1};
    problem m = problem_make(1, RANDOM, 12, 1, 1, levels, cols);
    smm_design *d = problem_design(&m);
    smm_workspace *ws = problem_workspace(d, &m, NULL, 0, 0);
    ws->u[m.q] = 1;
    smm_workspace_destroy(ws);
    smm_design_destroy(d);
    problem_free(&m);
    return 0;
}
