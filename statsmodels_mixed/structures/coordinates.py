"""Free coordinates of the parameters of a structure.

Minimizers move through all real numbers; parameters have bounds. A standard deviation with whose
sign Sigma does not change is its own coordinate, of either sign; an interval (a, b) is covered
by the sine, which reaches both ends with slope zero, so that a minimum there is an ordinary
stationary point; a half line is covered by the exponential.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from .structure import Structure

__all__ = ["INSIDE", "FreeCoordinates", "Unconstrained"]


# Starts are kept inside an interval by this share of its length.
INSIDE = 1e-3
# Parameters this close to a bound, as a share of the interval, are at it.
AT_BOUND = 1e-6
# A change of Sigma by a coordinate, as a share of it, that is none.
NO_CHANGE = 1e-3


class FreeCoordinates:
    """The maps between free coordinates x and parameters phi.

    Parameters
    ----------
    bounds : array_like, shape (m, 2)
    even : sequence of int
        Positions of standard deviations that may have either sign.
    """

    def __init__(self, bounds: ArrayLike, even: ArrayLike = ()) -> None:
        limits = np.asarray(bounds, dtype=float).reshape(-1, 2)
        self.low, self.high = limits[:, 0].copy(), limits[:, 1].copy()
        free = np.isin(np.arange(len(limits)), np.asarray(even, dtype=int))
        below, above = np.isfinite(self.low) & ~free, np.isfinite(self.high) & ~free
        self.interval = below & above
        self.half = np.where(below & ~above, 1.0, np.where(above & ~below, -1.0, 0.0))
        self.end = np.where(self.half > 0, self.low, np.where(self.half < 0, self.high, 0.0))
        low = np.where(self.interval, self.low, -1.0)
        high = np.where(self.interval, self.high, 1.0)
        self.middle, self.radius = (low + high) / 2.0, (high - low) / 2.0

    @property
    def without_unit(self) -> NDArray[np.bool_]:
        """Which coordinates are angles or logarithms."""
        return np.asarray(self.interval | (self.half != 0))

    def outward(self, x: ArrayLike) -> Array:
        """Return phi at x."""
        x = np.asarray(x, dtype=float)
        out = np.where(self.interval, self.middle + self.radius * np.sin(x), x)
        beyond = self.half != 0
        if beyond.any():
            grown = np.exp(np.where(beyond, x, 0.0))
            out = np.where(beyond, self.end + self.half * grown, out)
        return out

    def slopes(self, x: ArrayLike) -> tuple[Array, Array]:
        """Return dphi_i / dx_i and d2phi_i / dx_i^2."""
        x = np.asarray(x, dtype=float)
        beyond = self.half != 0
        grown = self.half * np.exp(np.where(beyond, x, 0.0))
        first = np.where(self.interval, self.radius * np.cos(x), np.where(beyond, grown, 1.0))
        second = np.where(self.interval, -self.radius * np.sin(x), np.where(beyond, grown, 0.0))
        return first, second

    def inward(self, phi: ArrayLike, inside: float = INSIDE) -> Array:
        """Return x of phi, which is moved this share of an interval inside: to start from there."""
        phi = np.asarray(phi, dtype=float)
        share = np.clip((phi - self.middle) / self.radius, -1.0 + inside, 1.0 - inside)
        out = np.where(self.interval, np.arcsin(np.where(self.interval, share, 0.0)), phi)
        beyond = self.half != 0
        if beyond.any():
            above = np.where(beyond, np.maximum(self.half * (phi - self.end), 1e-300), 1.0)
            out = np.where(beyond, np.log(above), out)
        return out

    def at_bounds(self, phi: ArrayLike) -> NDArray[np.int_]:
        """Return -1 where phi is at its lower bound, 1 where at its upper, else 0.

        Of bounds that can be reached: those of intervals.
        """
        share = (np.asarray(phi, dtype=float) - self.middle) / self.radius
        near = self.interval & (np.abs(share) > 1.0 - AT_BOUND)
        return np.where(near, np.sign(share), 0.0).astype(int)


class Unconstrained:
    """A bound structure as a function of free coordinates.

    Parameters
    ----------
    structure : Structure
        For given effects.

    Attributes
    ----------
    size : int
        Number of coordinates.
    coordinates : FreeCoordinates
    """

    def __init__(self, structure: Structure) -> None:
        parameters = structure.read()
        names, start, bounds, *_ = parameters
        self.structure = structure
        self.size = len(names)
        self.start = np.asarray(start, dtype=float)
        self.coordinates = FreeCoordinates(bounds, parameters.even_scales)

    def phi(self, x: ArrayLike) -> Array:
        """Return the parameters at x."""
        return self.coordinates.outward(x)

    def x(self, phi: ArrayLike, inside: float = INSIDE) -> Array:
        """Return the coordinates of parameters; see `FreeCoordinates.inward`."""
        return self.coordinates.inward(phi, inside)

    def jacobian(self, x: ArrayLike) -> Array:
        """Return dphi / dx, shape (m, m)."""
        return np.diag(self.coordinates.slopes(x)[0])

    def rescaled(self, x: ArrayLike, factor: float) -> Array:
        """Return the coordinates of the same with standard deviations multiplied by a factor."""
        out = np.array(x, dtype=float)
        at = np.asarray(self.structure.read().scales, dtype=int)
        grown = self.coordinates.half[at] != 0
        out[at] = np.where(grown, out[at] + np.log(factor), out[at] * factor)
        return out

    def without_effect(self, x: Array) -> NDArray[np.bool_]:
        """Return which of the ranges and rates at x do not change Sigma: no correlation is left."""
        changes = np.abs(self.derivatives(x)).reshape(self.size, -1).max(axis=1, initial=0.0)
        still = changes < NO_CHANGE * np.abs(self.sigma(x)).max(initial=0.0)
        return np.asarray(still & (self.coordinates.half != 0))

    def units(self, sds: Array) -> Array:
        """Return for each coordinate what changes Sigma by about its own size.

        Parameters
        ----------
        sds : ndarray, shape (k,)
            Typical standard deviations.

        Returns
        -------
        ndarray, shape (m,)
            Powers of two; 1 for coordinates without a unit, as angles and logarithms.
        """
        slopes = np.asarray(self.structure.derivatives(self.structure.starts(sds)[0]), dtype=float)
        changes = np.abs(slopes / sds[:, None] / sds)
        changes = changes.reshape(self.size, -1).max(axis=1, initial=0.0)
        scales = np.isin(np.arange(self.size), np.asarray(self.structure.read().scales, dtype=int))
        own = scales & ~self.coordinates.interval & (self.coordinates.half == 0) & (changes > 0)
        return np.exp2(-np.rint(np.log2(np.where(own, changes, 1.0))))

    def sigma(self, x: ArrayLike) -> Array:
        """Return Sigma, shape (k, k)."""
        return np.asarray(self.structure.sigma(self.phi(x)), dtype=float)

    def derivatives(self, x: ArrayLike) -> Array:
        """Return dSigma / dx_i, shape (m, k, k)."""
        first, _ = self.coordinates.slopes(x)
        by_phi = np.asarray(self.structure.derivatives(self.phi(x)), dtype=float)
        return by_phi * _along(first, by_phi)

    def second_derivatives(self, x: ArrayLike) -> Array:
        """Return d2Sigma / dx_i dx_j, shape (m, m, k, k)."""
        first, second = self.coordinates.slopes(x)
        phi = self.phi(x)
        out = np.asarray(self.structure.second_derivatives(phi), dtype=float)
        out = out * _along(first[:, None] * first[None, :], out)
        at = np.arange(self.size)
        by_phi = np.asarray(self.structure.derivatives(phi), dtype=float)
        out[at, at] += by_phi * _along(second, by_phi)
        return out


def _along(factors: Array, values: Array) -> Array:
    """Return factors of the first axes of values, with as many axes as these."""
    return factors.reshape(factors.shape + (1,) * (values.ndim - factors.ndim))
