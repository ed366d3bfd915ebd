"""The profile of one parameter: signed roots of the rise in deviance, interpolated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import PPoly
from scipy.stats import norm

from .._typing import Array
from ..errors import OptionError

__all__ = ["Curve"]


# 1 - (1 - alpha) is alpha but for rounding, and so are quantiles of both.
_ROUNDING = 1e-12


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

    def _coordinate(self, value: Array) -> Array:
        """Return the coordinate in which zeta is interpolated."""
        if self.kind == "beta":
            return np.asarray((value - self.value[0]) / self._spread)
        if self.kind == "corr":
            with np.errstate(invalid="ignore"):
                return np.asarray(-np.arccos(value))
        return np.asarray(np.arcsinh(value / self._size))

    def _value(self, at: float) -> float:
        """Return the parameter at a coordinate."""
        if self.kind == "beta":
            return float(self.value[0]) + self._spread * at
        return math.cos(at) if self.kind == "corr" else self._size * math.sinh(at)

    @cached_property
    def _spline(self) -> PPoly:
        at = self._coordinate(self.value)
        stretch: Array | float = self._spread
        if self.kind == "corr":
            stretch = np.sqrt(np.maximum(0.0, 1.0 - self.value**2))
        elif self.kind != "beta":
            stretch = np.hypot(self.value, self._size)
        return _monotone(at, self.zeta, self.slope * stretch)

    @cached_property
    def doubt(self) -> float:
        """How far the cubic between two points misses the one of the value in zeta, half way.

        What both agree on is the curve; infinite where the slope of zeta is zero.
        """
        third, second, first, zeta = map(float, self._spline.c[:, 0])
        width = float(self._spline.x[1] - self._spline.x[0])
        last = first + width * (2.0 * second + 3.0 * third * width)
        rise = float(self.zeta[1]) - zeta
        if not (min(first, last) > 0 and rise > 0):
            return math.inf
        # Half way the cubic of the value in zeta, with the inverse slopes, has come so far.
        t = 0.5 * width + 0.125 * rise * (1.0 / first - 1.0 / last)
        return abs(t * (first + t * (second + t * third)) - 0.5 * rise)

    def zeta_at(self, value: ArrayLike) -> Array:
        """Return zeta at values of the parameter; NaN outside the points."""
        at = self._coordinate(np.asarray(value, dtype=float))
        return np.asarray(self._spline(at, extrapolate=False))

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
        spline = self._spline
        cubic = [float(c) for c in spline.c[:, at - 1]]
        left, right = 0.0, float(spline.x[at] - spline.x[at - 1])
        for _ in range(60):
            middle = 0.5 * (left + right)
            below = ((cubic[0] * middle + cubic[1]) * middle + cubic[2]) * middle + cubic[3] < zeta
            left, right = (middle, right) if below else (left, middle)
        return self._value(float(spline.x[at - 1]) + left)

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


def _monotone(at: Array, zeta: Array, slope: Array) -> PPoly:
    """Return cubics through the points with these slopes, or lower ones where they rise so little.

    A cubic is monotone with slopes of at most three times its secant (Fritsch and Carlson 1980).
    Each has its own: where a curve comes to a level it has a kink, and how far beyond it the next
    point is must not matter before it.
    """
    width = at[1:] - at[:-1]
    secant = (zeta[1:] - zeta[:-1]) / width
    around = np.concatenate([secant[:1], secant, secant[-1:]])
    known = np.where(np.isnan(slope), 0.5 * (around[:-1] + around[1:]), slope)
    most = 3.0 * secant
    left, right = (np.minimum(np.maximum(side, 0.0), most) for side in (known[:-1], known[1:]))
    third, second = left + right - 2.0 * secant, 3.0 * secant - 2.0 * left - right
    cubics = np.array([third / width**2, second / width, left, zeta[:-1]])
    return PPoly.construct_fast(cubics, at)
