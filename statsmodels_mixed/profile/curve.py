"""The profile of one parameter: signed roots of the rise in deviance, interpolated."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError

__all__ = ["Curve"]


# 1 - (1 - alpha) is alpha but for rounding, and so are quantiles of both.
_ROUNDING = 1e-12

# Coefficients of a cubic in the way from its beginning, that of the third power first.
_Cubic = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Curve:
    """Zeta of one parameter: the root of the rise in deviance, negative below the estimate.

    Between two points zeta is a monotone cubic that has the exact slopes at both, less where it
    would not be monotone otherwise. It is a cubic in the angle whose cosine is a correlation, and
    in the inverse hyperbolic sine of a standard deviation, sigma or theta over its size: in these
    zeta is nearly a straight line.

    Parameters
    ----------
    kind, name : str
        Which parameter.
    estimate : float
        Its estimate by maximum likelihood; NaN for a correlation that is not defined.
    value : ndarray, shape (m,)
        Values of the parameter, ascending.
    zeta : ndarray, shape (m,)
    slope : ndarray, shape (m,)
        Derivative of zeta in the parameter; NaN where it is not known.
    lower, upper : float
        The least and the largest value the parameter can have, infinite if there is none.
    cutoff : float
        The zeta the points were to reach. They end before where the deviance could not be
        minimized farther on.
    infinite : int
        1 or -1 where the deviance falls for ever towards plus or minus infinity.
    level : tuple of bool
        Whether zeta has a limit short of the cutoff towards minus and plus infinity, as where
        a rate leaves no correlation.
    """

    kind: str
    name: str
    estimate: float
    value: Array
    zeta: Array
    slope: Array
    lower: float
    upper: float
    cutoff: float
    infinite: int = 0
    level: tuple[bool, ...] = (False, False)

    @cached_property
    def _size(self) -> float:
        if self.estimate != 0 and math.isfinite(self.estimate):
            return abs(self.estimate)
        return float(np.median(np.abs(self.value))) or 1.0

    @cached_property
    def _spread(self) -> float:
        """How far apart the points are, so that third powers of the coordinate are numbers."""
        return float(self.value[-1] - self.value[0]) or 1.0

    def _coordinate(self, value: float) -> float:
        """Return the coordinate in which zeta is interpolated."""
        if self.kind == "beta":
            return (value - float(self.value[0])) / self._spread
        if self.kind == "corr":
            return -math.acos(value) if abs(value) <= 1.0 else math.nan
        return math.asinh(value / self._size)

    def _value(self, at: float) -> float:
        """Return the parameter at a coordinate."""
        if self.kind == "beta":
            return float(self.value[0]) + self._spread * at
        return math.cos(at) if self.kind == "corr" else self._size * math.sinh(at)

    def _stretch(self, value: float) -> float:
        """Return the derivative of a parameter in the coordinate."""
        if self.kind == "beta":
            return self._spread
        if self.kind == "corr":
            return math.sqrt(max(0.0, 1.0 - value**2))
        return math.hypot(value, self._size)

    @cached_property
    def _at(self) -> list[float]:
        return [self._coordinate(value) for value in self.value.tolist()]

    @cached_property
    def _cubics(self) -> list[_Cubic]:
        values, slopes = self.value.tolist(), self.slope.tolist()
        stretched = [
            slope * self._stretch(value) for value, slope in zip(values, slopes, strict=True)
        ]
        return _monotone(self._at, self.zeta.tolist(), stretched)

    @cached_property
    def doubt(self) -> float:
        """How far the cubic between two points misses the one of the value in zeta, half way.

        What both agree on is the curve; infinite where the slope of zeta is zero.
        """
        third, second, first, zeta = self._cubics[0]
        width = self._at[1] - self._at[0]
        last = first + width * (2.0 * second + 3.0 * third * width)
        rise = float(self.zeta[1]) - zeta
        if not (min(first, last) > 0 and rise > 0):
            return math.inf
        # Half way the cubic of the value in zeta, with the inverse slopes, has come so far.
        t = 0.5 * width + 0.125 * rise * (1.0 / first - 1.0 / last)
        return abs(t * (first + t * (second + t * third)) - 0.5 * rise)

    def zeta_at(self, value: ArrayLike) -> Array:
        """Return zeta at values of the parameter; NaN outside the points."""
        asked = np.asarray(value, dtype=float)
        found = [self._zeta(self._coordinate(each)) for each in asked.ravel().tolist()]
        return np.array(found, dtype=float).reshape(asked.shape)

    def _zeta(self, at: float) -> float:
        if not (self._cubics and self._at[0] <= at <= self._at[-1]):
            return math.nan
        left = min(bisect_right(self._at, at), len(self._cubics)) - 1
        return _cubic(self._cubics[left], at - self._at[left])

    def value_at(self, zeta: float) -> float:
        """Return the value of the parameter at a zeta.

        Where zeta is not reached before a bound of the parameter, that is the bound.

        Raises
        ------
        OptionError
            If the points do not go that far.
        """
        if not self._within(zeta):
            return self._beyond(zeta)
        at = int(np.searchsorted(self.zeta, zeta))
        if self.zeta[at] == zeta:
            return float(self.value[at])
        cubic = self._cubics[at - 1]
        left, right = 0.0, self._at[at] - self._at[at - 1]
        for _ in range(60):
            middle = 0.5 * (left + right)
            below = _cubic(cubic, middle) < zeta
            left, right = (middle, right) if below else (left, middle)
        return self._value(self._at[at - 1] + left)

    def is_short_of(self, zeta: float) -> bool:
        """Return whether the points were to reach this zeta, and do not, nor a bound."""
        asked = abs(zeta) <= self.cutoff * (1.0 + _ROUNDING)
        return asked and not (self._within(zeta) or self._ends_at_bound(zeta))

    def _within(self, zeta: float) -> bool:
        return len(self.value) >= 2 and abs(zeta) <= abs(float(self.zeta[_side(zeta)]))

    def _ends_at_bound(self, zeta: float) -> bool:
        bound = self.upper if zeta > 0 else self.lower
        forever = self.infinite == (1 if zeta > 0 else -1)
        return (
            forever
            or (self.level[int(zeta > 0)] and math.isinf(bound))
            or bool(self.value[_side(zeta)] == bound)
            or (len(self.value) < 2 and math.isnan(self.estimate))
        )

    def _beyond(self, zeta: float) -> float:
        if self._ends_at_bound(zeta):
            return self.upper if zeta > 0 else self.lower
        reached = abs(float(self.zeta[_side(zeta)]))
        advice = "profile again with a higher level="
        if self.is_short_of(zeta):
            advice = "farther on the deviance could not be minimized"
        raise OptionError(
            f"the profile of {self.kind} {self.name} reaches zeta = {reached:.3f} on this side, "
            f"not {abs(zeta):.3f}: {advice}."
        )

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of a level.

        Raises
        ------
        OptionError
            If the points do not go that far.
        """
        if not 0 < level < 1:
            raise OptionError(f"level must be between 0 and 1, not {level!r}.")
        zeta = float(norm.isf((1 - level) / 2))
        return self.value_at(-zeta), self.value_at(zeta)


def _side(zeta: float) -> int:
    return -1 if zeta > 0 else 0


def _cubic(cubic: _Cubic, step: float) -> float:
    return ((cubic[0] * step + cubic[1]) * step + cubic[2]) * step + cubic[3]


def _monotone(at: list[float], zeta: list[float], slope: list[float]) -> list[_Cubic]:
    """Return cubics through the points with these slopes, or lower ones where they rise so little.

    A cubic is monotone with slopes of at most three times its secant (Fritsch and Carlson 1980).
    Each has its own: where a curve comes to a level it has a kink, and how far beyond it the next
    point is must not matter before it. Points are few, often two, so that floats are quicker than
    arrays.
    """
    widths = [right - left for left, right in pairwise(at)]
    secants = [
        (right - left) / width if width else 0.0
        for (left, right), width in zip(pairwise(zeta), widths, strict=True)
    ]
    around = [*secants[:1], *secants, *secants[-1:]]
    known = [
        0.5 * (before + after) if math.isnan(each) else each
        for each, (before, after) in zip(slope, pairwise(around), strict=bool(secants))
    ]
    cubics = []
    for start, width, secant, *both in zip(zeta, widths, secants, known, known[1:], strict=False):
        left, right = (min(max(side, 0.0), 3.0 * secant) for side in both)
        square = width * width or math.inf
        third, second = left + right - 2.0 * secant, 3.0 * secant - 2.0 * left - right
        cubics.append((third / square, second / (width or math.inf), left, start))
    return cubics
