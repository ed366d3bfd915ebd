"""Correlations that fall with distance: ou, exp, gau, ratio, spher.

With d the distance and r the range: exp(-d / r), exp(-(d / r)^2), 1 / (1 + (d / r)^2), and
1 - 1.5 d / r + 0.5 (d / r)^3 up to d = r; ou is exp(-a d) with a rate a.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from .._typing import Array
from .distances import DistanceCorrelation
from .registry import register
from .structure import Parameters

__all__ = ["Exponential", "Gaussian", "OrnsteinUhlenbeck", "RationalQuadratic", "Spherical"]


# Ranges from which a spherical correlation is searched, besides the likeliest.
RANGES = 8
# Ranges below this share of the largest distance are taken as it.
SHORTEST = 1e-60


@register
class OrnsteinUhlenbeck(DistanceCorrelation):
    """An autoregression in continuous time: correlation exp(-rate * d)."""

    name = "ou"

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the rate."""
        start = 1.0 / float(np.asarray(self.range_parameters().start)[0])
        return Parameters(("rate",), [start], [(0.0, np.inf)])

    def of_distance(self, d: Array, psi: Array) -> tuple[Array, Array, Array]:
        """Return exp(-rate d) and its derivatives."""
        r = np.exp(-psi[0] * d)
        return r, (-d * r)[None], (d**2 * r)[None, None]


class _RangeCorrelation(DistanceCorrelation):
    """A correlation f(d / range)."""

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the range."""
        return self.range_parameters()

    @abstractmethod
    def shape(self, x: Array) -> tuple[Array, Array, Array]:
        """Return f, x f' and x^2 f'' at x = d / range."""

    def of_distance(self, d: Array, psi: Array) -> tuple[Array, Array, Array]:
        """Return f(d / range) and its derivatives with respect to the range."""
        # Shorter ranges have no correlation either, and derivatives beyond the range of doubles.
        r = max(psi[0], SHORTEST * float(d.max(initial=0.0)))
        value, first, second = self.shape(d / r)
        return value, (-first / r)[None], ((second + 2.0 * first) / r**2)[None, None]


@register
class Exponential(_RangeCorrelation):
    """Correlation exp(-d / range)."""

    name = "exp"

    def shape(self, x: Array) -> tuple[Array, Array, Array]:
        """Return exp(-x) with derivatives."""
        f = np.exp(-x)
        return f, -x * f, x**2 * f


@register
class Gaussian(_RangeCorrelation):
    """Correlation exp(-(d / range)^2)."""

    name = "gau"

    def shape(self, x: Array) -> tuple[Array, Array, Array]:
        """Return exp(-x^2) with derivatives."""
        square = x**2
        f = np.exp(-square)
        return f, -2.0 * square * f, (4.0 * square - 2.0) * square * f


@register
class RationalQuadratic(_RangeCorrelation):
    """Correlation 1 / (1 + (d / range)^2)."""

    name = "ratio"

    def shape(self, x: Array) -> tuple[Array, Array, Array]:
        """Return 1 / (1 + x^2) with derivatives."""
        square = x**2
        f = 1.0 / (1.0 + square)
        return f, -2.0 * square * f**2, (8.0 * square * f - 2.0) * square * f**2


@register
class Spherical(_RangeCorrelation):
    """Correlation 1 - 1.5 d / range + 0.5 (d / range)^3 up to the range, zero beyond."""

    name = "spher"

    def shape(self, x: Array) -> tuple[Array, Array, Array]:
        """Return the spherical correlation with derivatives."""
        inside = x < 1.0
        f = np.where(inside, 1.0 - 1.5 * x + 0.5 * x**3, 0.0)
        return f, np.where(inside, 1.5 * (x**3 - x), 0.0), np.where(inside, 3.0 * x**3, 0.0)

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start at many ranges above the least distance: shorter ones leave no correlation.

        Between any two distances the likelihood may have a maximum of its own.
        """
        positive = self.distance[self.distance > 0]
        least, largest = (positive.min(), positive.max()) if len(positive) else (1.0, 1.0)
        others = np.geomspace(1.1 * least, 2.0 * largest, RANGES)
        return [np.array([one]) for one in (max(float(psi[0]), 1.5 * least), *others)]
