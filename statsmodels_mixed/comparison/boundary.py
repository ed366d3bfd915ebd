"""Mixtures of chi-squared distributions for hypotheses on the boundary.

When the smaller model puts variances at zero, the edge of what they can be, the
likelihood-ratio statistic is in the limit the squared length of the projection of a normal
vector on a cone: of covariance matrices, k x k for k effects that are all left out, beside
directions that are free. Its distribution is a mixture of chi-squared ones (Self and Liang
1987; Stram and Lee 1994). The weights used here are those for information that is orthogonal
between the pieces of the cone and rotation invariant within: exact for balanced designs,
close for others.

A residual variance that is estimated beside a covariance matrix S takes a part of what the
data say about the trace of S. With m rows for each level the squared length of S is
tr(S^2) - (tr S)^2 / m in place of tr(S^2), which makes the cone wider.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from .._typing import Array

__all__ = ["Cone", "chi_bar_squared_sf"]


# Larger matrices than 2 x 2 have no weights in closed form: draws with a fixed seed.
DRAWS = 20_000
SEED = 1994


@dataclass(frozen=True)
class Cone:
    """Covariance matrices that the hypothesis puts at zero.

    Parameters
    ----------
    size : int
        k, for k x k matrices.
    rows : float
        Rows m for each level beside which a residual variance is estimated, more than k;
        infinite without one.
    """

    size: int
    rows: float = np.inf

    @property
    def share(self) -> float:
        """Squared length of the unit matrix, relative to that with infinitely many rows."""
        return 1.0 - self.size / self.rows

    @property
    def weights(self) -> Array | None:
        """Weights of 0, 1, ... degrees of freedom; None if there is no closed form."""
        if self.size == 1:
            return np.array([0.5, 0.5])
        if self.size > 2:
            return None
        # A circular cone about the unit matrix, of half-angle 45 degrees if share = 1.
        angle = np.arctan(1.0 / np.sqrt(self.share))
        return np.array([1 - np.sin(angle), np.cos(angle), np.sin(angle), 1 - np.cos(angle)]) / 2

    def draw(self, random: np.random.Generator, count: int) -> tuple[Array, Array]:
        """Draw normal vectors.

        Returns
        -------
        kept, total : ndarray, shape (count,)
            Squared lengths of their projections on the cone and of themselves.
        """
        k, share = self.size, self.share
        draws = random.standard_normal((count, k, k))
        values = np.linalg.eigvalsh((draws + draws.transpose(0, 2, 1)) / 2.0)[:, ::-1]
        total = np.sum(values**2, axis=1)
        mean = values.mean(axis=1, keepdims=True)
        values = values + mean * (1.0 / np.sqrt(share) - 1.0)
        # If j eigenvalues l of the projection are positive, the distance has eigenvalues d =
        # l where the others are and sum(d) / m where these are, so sum(d) = sum(l) / (1 - j/m).
        below = np.hstack([np.cumsum(values[:, ::-1], axis=1)[:, ::-1], np.zeros((count, 1))])
        sums = below / (1.0 - np.arange(k + 1) / self.rows)
        squares = np.hstack(
            [np.cumsum(values[:, ::-1] ** 2, axis=1)[:, ::-1], np.zeros((count, 1))]
        )
        positive = np.zeros(count, dtype=np.intp)
        for j in range(k):
            rises = (positive == j) & (values[:, j] > sums[:, j] / self.rows)
            positive[rises] = j + 1
        at = np.arange(count), positive
        far = squares[at] + positive * (sums[at] / self.rows) ** 2 - sums[at] ** 2 / self.rows
        return np.maximum(total - far, 0.0), total


def chi_bar_squared_sf(statistic: float, free: int, cones: Sequence[Cone]) -> float:
    """Return the upper tail of the mixture.

    Parameters
    ----------
    statistic : float
        Likelihood-ratio statistic.
    free : int
        Parameters under test that are not bounded: coefficients, and covariances of effects
        left out with effects that stay.
    cones : sequence of Cone
        The covariance matrices that the hypothesis puts at zero. Without any the distribution
        is chi-squared.

    Returns
    -------
    float
    """
    if statistic <= 0:
        return 1.0
    weights = np.ones(1)
    for cone in cones:
        if cone.weights is None:
            return _simulated(statistic, free, cones)
        weights = np.convolve(weights, cone.weights)
    df = free + np.arange(len(weights))
    tails = np.where(df > 0, chdtrc(np.maximum(df, 1), statistic), 0.0)
    return float(weights @ tails)


def _simulated(statistic: float, free: int, cones: Sequence[Cone]) -> float:
    """Average over the direction of the normal vector; its length is chi-squared."""
    random = np.random.default_rng(SEED)
    kept = random.chisquare(free, DRAWS) if free else np.zeros(DRAWS)
    total, df = kept.copy(), free
    for cone in cones:
        part, whole = cone.draw(random, DRAWS)
        kept += part
        total += whole
        df += cone.size * (cone.size + 1) // 2
    share = kept / total
    inside = share > 0
    return float(np.sum(chdtrc(df, statistic / share[inside]))) / DRAWS
