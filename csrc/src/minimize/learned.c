/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A curvature H of a function but for some part E, which gradients g tell. The change of the
 * gradient along a step s is (H + E) s, with the mean of the H at both ends but for terms of third
 * order. What E does not explain of it, r, is learned by the symmetric update of rank one
 *
 *     E + r r' / r's
 *
 * (Nocedal and Wright 2006, Numerical optimization, section 6.2). Lengths are in units in which
 * curvatures are one.
 */
#include "minimize/minimize.h"

/* Curvatures of single variables count as zero below this share of the largest. */
#define NOTHING 1e-20
/* Cosine of a step and of what the gradient has changed unexpectedly from which it is believed. */
#define SECANT 1e-3
/* Steps after which a gradient has changed by rounding only. */
#define SHORT 1e-3
/* What is left out is below this multiple of the curvatures of single variables. */
#define MOST 10.0

int smm_curvature_sizes(int32_t m, const double *H, double *sizes)
{
    if (m < 1 || !H || !sizes) return SMM_EINVAL;
    double largest = 0;
    for (int32_t i = 0; i < m; i++) largest = fmax(largest, fabs(H[i + (size_t)i * m]));
    for (int32_t i = 0; i < m; i++) {
        double size = sqrt(fmax(fabs(H[i + (size_t)i * m]), NOTHING * largest));
        sizes[i] = size == 0 ? 1 : size;
    }
    return SMM_OK;
}

/* Euclidean length of v with each element times (or over) its size; no square overflows. */
static double length(int32_t m, const double *v, const double *sizes, int over)
{
    double sum = 0;
    for (int32_t i = 0; i < m; i++) sum = hypot(sum, over ? v[i] / sizes[i] : v[i] * sizes[i]);
    return sum;
}

/* E with what the change of the gradient along the step says; zero where that is too much. */
static void update(int32_t m, const double *step, const double *rest, const double *sizes,
                   double *E)
{
    double moved = length(m, step, sizes, 0), far = length(m, rest, sizes, 1) * moved, along = 0;
    if (moved < SHORT || !(far < INFINITY)) return;
    for (int32_t i = 0; i < m; i++) along += rest[i] * step[i];
    if (!(fabs(along) > SECANT * far)) return;
    int sane = 1;
    for (int32_t j = 0; j < m; j++)
        for (int32_t i = 0; i < m; i++) {
            double *e = E + i + (size_t)j * m;
            *e += rest[i] * (rest[j] / along);
            sane &= fabs(*e) < MOST * sizes[i] * sizes[j];
        }
    if (!sane) memset(E, 0, sizeof(double) * (size_t)m * m); /* learned where all was different */
}

int smm_learn_curvature(int32_t m, const double *x, const double *g, const double *H,
                        double *memory, double *learned, double *work)
{
    if (m < 1 || !x || !g || !H || !memory || !learned || !work) return SMM_EINVAL;
    size_t square = (size_t)m * m;
    double *place = memory + 1, *slope = place + m, *before = slope + m, *E = before + square;
    if (memory[0] > 0) {
        double *sizes = work, *step = work + m, *rest = step + m;
        smm_curvature_sizes(m, H, sizes);
        for (int32_t i = 0; i < m; i++) step[i] = x[i] - place[i];
        for (int32_t i = 0; i < m; i++) {
            double foreseen = 0;
            for (int32_t j = 0; j < m; j++) {
                size_t at = i + (size_t)j * m;
                foreseen += (0.5 * (H[at] + before[at]) + E[at]) * step[j];
            }
            rest[i] = g[i] - slope[i] - foreseen;
        }
        update(m, step, rest, sizes, E);
    }
    memory[0] = 1;
    memcpy(place, x, sizeof(double) * (size_t)m);
    memcpy(slope, g, sizeof(double) * (size_t)m);
    memcpy(before, H, sizeof(double) * square);
    for (size_t i = 0; i < square; i++) learned[i] = H[i] + E[i];
    return SMM_OK;
}
