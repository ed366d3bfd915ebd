"""Gauss-Hermite quadrature of the standard normal, with weights that cannot underflow."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import roots_hermitenorm

from ..._typing import Array

__all__ = ["MOST_POINTS", "gauss_hermite"]


# The recursion below takes a second then, and its rule is exact far beyond any need.
MOST_POINTS = 10_000

# Polynomials are divided by this before they can overflow.
_LARGE = 1e100


@cache
def gauss_hermite(points: int) -> tuple[Array, Array]:
    """Return nodes and log weights for E f(X) with X standard normal.

    The nodes are the roots of the Hermite polynomial He_n. With p_0, p_1, ... the polynomials
    orthonormal under the normal distribution, the weight of a node x is
    1 / (p_0(x)^2 + ... + p_{n-1}(x)^2): a sum without cancellation, whose logarithm is found
    where the weight itself is below the least number of the machine, as it is from 360 points.

    Parameters
    ----------
    points : int
        At most `MOST_POINTS`.

    Returns
    -------
    nodes, log_weights : ndarray, shape (points,)
        Nodes ascend; the weights sum to one.

    References
    ----------
    Golub, G. H. and Welsch, J. H. (1969), Calculation of Gauss quadrature rules, Mathematics of
    Computation 23, 221-230, equation 2.6.
    """
    nodes = np.asarray(roots_hermitenorm(points)[0], dtype=float)
    nodes = (nodes - nodes[::-1]) / 2.0
    before, now = np.zeros(points), np.ones(points)
    total, scale = np.ones(points), np.zeros(points)
    for k in range(1, points):
        before, now = now, (nodes * now - np.sqrt(k - 1.0) * before) / np.sqrt(k)
        total += now**2
        large = np.abs(now) > _LARGE
        if large.any():
            before[large] /= _LARGE
            now[large] /= _LARGE
            total[large] /= _LARGE**2
            scale[large] += 2.0 * np.log(_LARGE)
    return nodes, -(np.log(total) + scale)
