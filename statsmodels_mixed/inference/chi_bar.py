"""Mixtures of chi-squared distributions for hypotheses on the boundary.

When the smaller model puts variances at zero, the edge of what they can be, the
likelihood-ratio statistic is in the limit the squared length of the projection of a normal
vector on a cone: of covariance matrices, k x k for k effects that are all left out, beside
directions that are free. Its distribution is a mixture of chi-squared ones (Self and Liang
1987; Stram and Lee 1994). The weights used here are those for information that is orthogonal
between the pieces of the cone and rotation invariant within: exact for balanced designs,
close for others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

__all__ = ["chi_bar_squared_sf"]

Array = NDArray[np.float64]

# Weights of 0, 1, ... degrees of freedom for a variance, and for a 2 x 2 covariance matrix: a
# circular cone of half-angle 45 degrees.
_EDGE, _MIDDLE = 0.5 - np.sqrt(2.0) / 4.0, np.sqrt(2.0) / 4.0
_WEIGHTS = {1: np.array([0.5, 0.5]), 2: np.array([_EDGE, _MIDDLE, _MIDDLE, _EDGE])}

# Larger matrices have no weights in closed form: draws with a fixed seed.
DRAWS = 20_000
SEED = 1994


def chi_bar_squared_sf(statistic: float, free: int, cones: Sequence[int]) -> float:
    """Return the upper tail of the mixture.

    Parameters
    ----------
    statistic : float
        Likelihood-ratio statistic.
    free : int
        Parameters under test that are not bounded: coefficients, and covariances of effects
        left out with effects that stay.
    cones : sequence of int
        Sizes k of the covariance matrices that the hypothesis puts at zero. Without any the
        distribution is chi-squared.

    Returns
    -------
    float
    """
    if statistic <= 0:
        return 1.0
    if any(k not in _WEIGHTS for k in cones):
        return _simulated(statistic, free, cones)
    weights = np.ones(1)
    for k in cones:
        weights = np.convolve(weights, _WEIGHTS[k])
    df = free + np.arange(len(weights))
    tails = np.where(df > 0, chdtrc(np.maximum(df, 1), statistic), 0.0)
    return float(weights @ tails)


def _simulated(statistic: float, free: int, cones: Sequence[int]) -> float:
    """Average over the direction of the normal vector; its length is chi-squared."""
    random = np.random.default_rng(SEED)
    kept = random.chisquare(free, DRAWS) if free else np.zeros(DRAWS)
    total, df = kept.copy(), free
    for k in cones:
        draws = random.standard_normal((DRAWS, k, k))
        values = np.linalg.eigvalsh((draws + draws.transpose(0, 2, 1)) / 2.0)
        kept += np.sum(np.maximum(values, 0.0) ** 2, axis=1)
        total += np.sum(values**2, axis=1)
        df += k * (k + 1) // 2
    share = kept / total
    inside = share > 0
    return float(np.sum(chdtrc(df, statistic / share[inside]))) / DRAWS
