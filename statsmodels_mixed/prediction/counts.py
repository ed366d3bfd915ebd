"""The distribution function of the negative binomial, also as it becomes Poisson's."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betainc, gammaln, pdtr, xlogy

from .._typing import Array

__all__ = ["negative_binomial_cdf"]


# alpha times the mean up to which the series is used; its error is of the order of the square.
NEARLY_POISSON = 1e-6


def negative_binomial_cdf(y: ArrayLike, mu: ArrayLike, alpha: float) -> Array:
    """Return the probability of at most y where the variance is mu + alpha mu^2.

    A mixture of Poisson distributions whose mean has variance alpha mu^2. The incomplete beta
    function loses all digits as alpha goes to 0. Where alpha mu is small,
    F = F_0 + alpha mu^2 / 2 (p_0(y) - p_0(y - 1)), of Poisson's F_0 and p_0: the second derivative
    of F_0 in the mean times half the variance.

    Parameters
    ----------
    y : array_like
        Whole numbers >= 0.
    mu : array_like
        Means, broadcast against y.
    alpha : float

    Returns
    -------
    ndarray
    """
    y, mu = np.broadcast_arrays(np.asarray(y, dtype=float), np.asarray(mu, dtype=float))
    near = alpha * mu <= NEARLY_POISSON
    out = np.empty(y.shape)
    far = ~near
    if far.any():
        spread = alpha * mu[far]
        out[far] = 1.0 - betainc(y[far] + 1.0, 1.0 / alpha, spread / (1.0 + spread))
    few, mean = y[near], mu[near]
    with np.errstate(divide="ignore"):
        p = np.exp(xlogy(few, mean) - mean - gammaln(few + 1.0))
        slope = np.where(mean > 0, p * (mean - few) / np.where(mean > 0, mean, 1.0), 0.0)
    out[near] = np.clip(pdtr(few, mean) + 0.5 * alpha * mean**2 * slope, 0.0, 1.0)
    return out
