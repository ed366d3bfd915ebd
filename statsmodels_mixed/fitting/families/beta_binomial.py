"""The distribution function of the beta-binomial distribution, for any number of trials.

Sums over the counts take as long as there are trials, and are for few. By parts, with I the
incomplete beta function, the distribution function of a beta,

    P(Y <= k) = E I_X(a, b),  X ~ Beta(k + 1, n - k),
              = E I_{1-P}(n - k, k + 1),  P ~ Beta(a, b).

The expectation is over the narrower of the two on the scale of the logit, where its density is
smooth and falls off exponentially: the trapezoidal rule has ten digits with few nodes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import bdtr, betainc, betaincinv, expit, polygamma
from scipy.stats import betabinom

from ..._typing import Array

__all__ = ["beta_binomial_cdf"]


# Probability left beyond the nodes on either side.
BEYOND = 1e-13
# Nodes where both parameters of the density are at least this large, so that it is nearly normal,
# and where its tails are those of a logistic distribution.
NEARLY_NORMAL = 10.0
FEW, MANY = 48, 120
# Trials of which sums are taken, and the precision a + b up to which these have their digits.
FEW_TRIALS, MOST_PRECISE = 100, 1e6
# Precision for each trial beyond which the share is known as well as any sum has digits.
NEARLY_SURE = 1e10
# Numbers of distributions that are done together.
AT_ONCE = 10_000


def beta_binomial_cdf(k: ArrayLike, n: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Return the probability of at most k successes in n trials with a share ~ Beta(a, b).

    Parameters
    ----------
    k, n, a, b : array_like
        Broadcast against one another; n whole, a and b positive.

    Returns
    -------
    ndarray

    References
    ----------
    Johnson, Kemp and Kotz (2005), Univariate discrete distributions, section 6.2.2.
    """
    given = np.broadcast_arrays(*(np.asarray(each, dtype=float) for each in (k, n, a, b)))
    out = np.where(given[0] < 0, 0.0, 1.0)
    inside = (given[0] >= 0) & (given[0] < given[1])
    few = inside & (given[1] <= FEW_TRIALS) & (given[2] + given[3] <= MOST_PRECISE)
    out[few] = betabinom.cdf(*(each[few] for each in given))
    # The variance of the share adds n / (a + b) of that of the successes.
    sure = inside & (given[2] + given[3] >= NEARLY_SURE * given[1])
    successes, trials, one, other = (each[sure] for each in given)
    out[sure] = bdtr(np.floor(successes), trials.astype(int), one / (one + other))
    inside &= ~(few | sure)
    parts = np.stack([each[inside] for each in given])
    found = [_inside(*parts[:, at : at + AT_ONCE]) for at in range(0, parts.shape[1], AT_ONCE)]
    out[inside] = np.concatenate(found) if found else 0.0
    return out


def _inside(k: Array, n: Array, a: Array, b: Array) -> Array:
    """Return the same of 0 <= k < n, shape (m,)."""
    above = np.floor(k) + 1.0, n - np.floor(k)
    below = above[::-1]
    narrower = _variance(*above) <= _variance(a, b)
    # The narrower of the two distributions is integrated over, the other one is I.
    outer = [np.where(narrower, *each) for each in zip(above, (a, b), strict=True)]
    inner = [np.where(narrower, *each) for each in zip((a, b), below, strict=True)]
    smooth = np.minimum(*outer) >= NEARLY_NORMAL
    found = np.empty(len(k))
    for rows, nodes in ((smooth, FEW), (~smooth, MANY)):
        logit, weight = _rule(outer[0][rows, None], outer[1][rows, None], nodes)
        at = expit(np.where(narrower[rows, None], logit, -logit))
        given = betainc(inner[0][rows, None], inner[1][rows, None], at)
        found[rows] = np.einsum("ij,ij->i", weight, given)
    return found


def _variance(a: Array, b: Array) -> Array:
    """Return the variance of the logit of a beta."""
    return np.asarray(polygamma(1, a) + polygamma(1, b))


def _rule(a: Array, b: Array, nodes: int) -> tuple[Array, Array]:
    """Return nodes on the scale of the logit, and weights, of an expectation over Beta(a, b)."""
    low, high = betaincinv(a, b, BEYOND), betaincinv(b, a, BEYOND)
    low, high = np.log(low) - np.log1p(-low), np.log1p(-high) - np.log(high)
    logit = low + (high - low) * np.linspace(0.0, 1.0, nodes)
    peak = np.log(a / b)
    height = a * (logit - peak) - (a + b) * (np.logaddexp(0, logit) - np.logaddexp(0, peak))
    weight = np.exp(height)
    return logit, weight / weight.sum(axis=1, keepdims=True)
