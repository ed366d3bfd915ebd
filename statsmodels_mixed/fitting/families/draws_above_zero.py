"""Counts above zero, drawn from truncated distributions without inverting them.

A Poisson count is the number of arrivals in [0, L]. That there is one at all says when the first
comes, and nothing of those after it: the count is 1 and a Poisson number of the time that is left.
A negative binomial count is a Poisson number of clusters, each of a logarithmic number of counts
(Quenouille 1949); above zero it is the first cluster, and a negative binomial count of the time
that is left. Distribution functions lose the digits of such counts where the mean is tiny, and
where the overdispersion is.
"""

from __future__ import annotations

import numpy as np

from ..._typing import Array

__all__ = ["negative_binomial_above_zero", "poisson_above_zero"]


# Less overdispersion is none.
_LEAST = 1e-30
# Where one of two forms of log(1 - exp(-x)) has more digits than the other.
_HALF = np.log(2.0)


def poisson_above_zero(rng: np.random.Generator, mu: Array) -> Array:
    """Draw Poisson counts, given that they are not 0.

    Parameters
    ----------
    rng : Generator
    mu : ndarray, shape (n,)
        Means before truncation.

    Returns
    -------
    ndarray, shape (n,)
    """
    return np.asarray(1.0 + rng.poisson(mu * (1.0 - _first_arrival(rng, mu))))


def negative_binomial_above_zero(rng: np.random.Generator, size: Array, scale: Array) -> Array:
    """Draw Poisson counts of gamma means, given that they are not 0.

    Parameters
    ----------
    rng : Generator
    size, scale : ndarray, shape (n,)
        Shapes and scales of the gamma distributions; means before truncation are their products.

    Returns
    -------
    ndarray, shape (n,)

    References
    ----------
    Quenouille, M. H. (1949). A relation between the logarithmic, Poisson, and negative binomial
    series. Biometrics 5, 162-164.
    Kemp, A. W. (1981). Efficient generation of logarithmically distributed pseudo-random variables.
    Applied Statistics 30, 249-253.
    """
    mean, scale = size * scale, np.maximum(scale, _LEAST)
    clusters = np.log1p(scale)
    left = 1.0 - _first_arrival(rng, mean * (clusters / scale))
    others = rng.poisson(rng.gamma(mean / scale * left, scale))
    # A logarithmic count is geometric, with a random probability q of another one.
    at = clusters * rng.random(len(mean))
    with np.errstate(divide="ignore"):
        log_q = np.where(at > _HALF, np.log1p(-np.exp(-at)), np.log(-np.expm1(-at)))
    first = 1.0 + np.floor(np.log1p(-rng.random(len(mean))) / log_q)
    return np.asarray(first + others)


def _first_arrival(rng: np.random.Generator, total: Array) -> Array:
    """Draw when the first of some arrivals comes, as a share of the time, (n,)."""
    uniform = rng.random(len(total))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = -np.log1p(uniform * np.expm1(-total)) / total
    return np.where(total > 0, np.minimum(share, 1.0), uniform)
