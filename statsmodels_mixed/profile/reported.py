"""Profiles of parameters on the scale on which they are reported, searched by free coordinates.

c(x) is one of these parameters, a standard deviation, a correlation, a range, as a function of the
coordinates x of a minimizer, which are in units of their standard errors here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import CoreError
from ..fitting.search.trust_region import Evaluate

__all__ = ["Grown", "Reported", "ScaledLandscape", "units_of"]


# Newton steps with which a parameter is brought to a value, and how near that is.
MOST_STEPS = 50
NEAR = 1e-12
# The longest of them, as a share of the coordinates: at ends of ranges angles have no slope.
FARTHEST = 0.5
# Step of differences of Jacobians, in units of standard errors.
STEP = 1e-4
# A standard deviation is taken no nearer to zero than this share of its estimate: derivatives by
# its logarithm vanish there, and their rounding errors are divided by it.
LEAST = 1e-4


def units_of(curvature: Array, without_unit: NDArray[np.bool_]) -> Array:
    """Return the standard errors of coordinates with this curvature of the deviance, about.

    Those of angles and logarithms are one at most: where the deviance is flat, as in a range that
    leaves no correlation, curvatures are rounding errors.

    Parameters
    ----------
    curvature : ndarray, shape (m, m)
    without_unit : ndarray of bool, shape (r,)
        Of the first coordinates; see `FreeCoordinates.without_unit`.
    """
    diagonal = np.diag(curvature)
    found = np.sqrt(2.0 / np.where(diagonal > 0, diagonal, 2.0))
    own = found[: len(without_unit)]
    own[without_unit] = np.minimum(own[without_unit], 1.0)
    return found


class ScaledLandscape:
    """The deviance as a function of scaled coordinates z = x / unit.

    Parameters
    ----------
    evaluate : callable
        x -> value, gradient and Hessian; see `trust_region.Evaluate`.
    unit : ndarray, shape (m,)
    """

    saddles: Sequence[int] = ()

    def __init__(self, evaluate: Evaluate, unit: Array) -> None:
        self._evaluate, self._unit = evaluate, unit
        self._last: tuple[Array, Array] | None = None

    def keep_off_zero(self, z: Array) -> Array:
        """Return z: derivatives vanish where a variance is zero, and searches end there."""
        return z

    def value(self, z: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""
        if not np.isfinite(z).all():
            return math.nan
        value, gradient, hessian = self._evaluate(z * self._unit)
        self._last = gradient * self._unit, hessian * np.outer(self._unit, self._unit)
        return value if np.isfinite(value) else math.nan

    def derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return gradient and Hessian at the z of the last `value`."""
        if self._last is None:
            raise CoreError("the deviance has not been evaluated.")
        return self._last


@dataclass(frozen=True, eq=False)
class Reported:
    """c(z): one of the parameters that are reported, over its size.

    Parameters
    ----------
    natural : callable
        x -> all that is reported, (r,), and its derivatives, (r, m).
    at : int
        Its number.
    size : float
    unit : ndarray, shape (m,)
    lower, upper : float
    moved_by : slice, optional
        The coordinates that it depends on; all by default.
    """

    natural: Callable[[Array], tuple[Array, Array]]
    at: int
    size: float
    unit: Array
    lower: float
    upper: float
    moved_by: slice | None = None

    def _found(self, z: Array) -> tuple[float, Array]:
        with np.errstate(over="ignore", invalid="ignore"):  # far away there is no number to find
            values, jacobian = self.natural(z * self.unit)
        return float(values[self.at]) / self.size, jacobian[self.at] * self.unit / self.size

    def value(self, z: Array) -> float:
        """Return c(z)."""
        return self._found(z)[0]

    def derivatives(self, z: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian of c, the latter by central differences."""
        _, gradient = self._found(z)
        H = np.zeros((len(z), len(z)))
        for i in range(*(self.moved_by or slice(None)).indices(len(z))):
            step = np.zeros(len(z))
            step[i] = STEP
            H[i] = (self._found(z + step)[1] - self._found(z - step)[1]) / (2.0 * STEP)
        return gradient, (H + H.T) / 2.0

    def retract(self, z: Array, value: float) -> Array:
        """Return a point near z where c is `value`; NaN where there is none."""
        z = np.array(z)
        for _ in range(MOST_STEPS):
            c, slope = self._found(z)
            miss, square = value - c, float(slope @ slope)
            if abs(miss) <= NEAR * max(1.0, abs(value)):
                return z
            if not (np.isfinite(square) and square > 0):
                break
            step = slope * (miss / square)
            far = float(
                np.max(np.abs(step * self.unit) / (FARTHEST * (1.0 + np.abs(z * self.unit))))
            )
            z = z + step / max(1.0, far)
        return np.full_like(z, np.nan)

    def at_bound(self, z: Array, gradient: Array) -> int | None:
        """Return None: coordinates are free."""
        return None


@dataclass(frozen=True, eq=False)
class Grown:
    """c(z) = exp(rate z_i) / size: a standard deviation whose logarithm is searched.

    Parameters
    ----------
    at : int
        The i.
    rate, size : float
    """

    at: int
    rate: float
    size: float
    lower: float = 0.0
    upper: float = math.inf

    def value(self, z: Array) -> float:
        """Return c(z)."""
        return math.exp(self.rate * float(z[self.at])) / self.size

    def derivatives(self, z: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian of c."""
        gradient, H = np.zeros(len(z)), np.zeros((len(z), len(z)))
        gradient[self.at] = self.rate * self.value(z)
        H[self.at, self.at] = self.rate * gradient[self.at]
        return gradient, H

    def retract(self, z: Array, value: float) -> Array:
        """Put the logarithm in place of z_i, no nearer to minus infinity than LEAST lets it."""
        out = np.array(z)
        out[self.at] = math.log(max(value, LEAST) * self.size) / self.rate
        return out

    def at_bound(self, z: Array, gradient: Array) -> int | None:
        """Return None: coordinates are free."""
        return None
