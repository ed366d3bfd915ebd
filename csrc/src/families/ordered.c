/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ordered categories y = 0, 1, ...: with F the inverse link,
 *
 *     P(Y = y) = F(upper - eta) - F(lower - eta),
 *
 * the thresholds of a row being its parameters 0 and 1; those of the first and the last category
 * are infinite and not read: `lower` when y = 0, `upper` when it is +inf. Of F and 1 - F the
 * smaller is taken, so that categories far out in a tail keep their digits:
 *
 *     log(F(u) - F(l)) = log F(u) + log(1 - exp(log F(l) - log F(u))).
 *
 * Ordered beta regression (Kubinec 2023): two logistic thresholds divide y into 0, (0, 1) and 1.
 */
#include "families/density.h"

/* log F(x), or log(1 - F(x)) of the upper tail. */
static smm_jet log_tail(const smm_family *f, smm_jet x, int upper)
{
    smm_mean m;
    smm_inverse_link(f->link, f->power, x.c[0], &m);
    return upper ? jet_compose(x, m.log_rest, -m.b, -m.b1, -m.b2)
                 : jet_compose(x, m.log_mu, m.a, m.a1, m.a2);
}

static smm_jet log_difference(smm_jet larger, smm_jet smaller)
{
    smm_jet gap = jet_subtract(smaller, larger);
    if (!(gap.c[0] < 0)) return jet_constant(-INFINITY);
    return jet_add(larger, jet_log1mexp(gap));
}

smm_jet smm_ordered(const smm_family *f, double y, double eta, const double *outer)
{
    smm_jet minus = jet_of_eta(-eta, -1, 0, 0);
    smm_jet u = jet_add(jet_parameter(outer[0], 0), minus);
    smm_jet l = jet_add(jet_parameter(outer[1], 1), minus);
    if (!(y > 0)) return log_tail(f, u, 0);
    if (isinf(outer[0])) return log_tail(f, l, 1);
    smm_mean low;
    smm_inverse_link(f->link, f->power, l.c[0], &low);
    if (low.mu > 0.5) return log_difference(log_tail(f, l, 1), log_tail(f, u, 1));
    return log_difference(log_tail(f, u, 0), log_tail(f, l, 0));
}

smm_jet smm_ordered_part(double y, const smm_mean_jets *x, const double *outer, smm_jet inside)
{
    smm_jet first = jet_subtract(x->eta, jet_parameter(outer[1], 1));
    smm_jet width = jet_exp(jet_parameter(outer[2], 2)), second = jet_subtract(first, width);
    if (!(y > 0)) return jet_scale(-1, jet_softplus(first));
    if (!(y < 1)) return jet_scale(-1, jet_softplus(jet_scale(-1, second)));
    /* F(a) - F(b) = F(a) (1 - F(b)) (1 - exp(b - a)) for the logistic F */
    smm_jet tails = jet_add(jet_softplus(jet_scale(-1, first)), jet_softplus(second));
    return jet_add(inside, jet_subtract(jet_log1mexp(jet_scale(-1, width)), tails));
}
