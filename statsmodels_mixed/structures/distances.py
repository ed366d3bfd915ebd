"""Correlations that are functions of a distance, or of a number of steps."""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..errors import OptionError
from .last_result import last_result
from .scaled import Scaled
from .structure import Parameters

__all__ = ["DistanceCorrelation", "common_step", "whole_steps"]


# Times that differ from a whole number of steps by less than this share of one are on the grid.
STEP_TOLERANCE = 1e-6
# More steps than this between the first and last place mean that there is no common step.
MOST_STEPS = 100_000


def common_step(times: ArrayLike) -> tuple[float, float]:
    """Return the first time and the largest step of which all gaps are multiples.

    Raises
    ------
    OptionError
        If there is no such step.
    """
    places = np.unique(np.asarray(times, dtype=float))
    gaps = np.diff(places)
    if not len(gaps):
        return float(places[0]), 1.0
    step = float(gaps[0])
    least = float(places[-1] - places[0]) / MOST_STEPS
    for gap in gaps[1:]:
        a, b = step, float(gap)
        while b > max(least, STEP_TOLERANCE * a):
            a, b = b, a % b
            if a - b < STEP_TOLERANCE * a:
                b = 0.0
        step = a
    steps = (places - places[0]) / step
    rounded = np.rint(steps)
    if step < least or (np.abs(steps - rounded) > STEP_TOLERANCE * np.maximum(1.0, rounded)).any():
        raise OptionError("the times have no common step; ou() takes times of any spacing.")
    return float(places[0]), step


def whole_steps(times: ArrayLike) -> Array:
    """Return times counted in the largest step of which all gaps are multiples.

    Raises
    ------
    OptionError
        If there is no such step.
    """
    times = np.asarray(times, dtype=float).ravel()
    first, step = common_step(times)
    return np.asarray(np.rint((times - first) / step))


class DistanceCorrelation(Scaled):
    """A correlation r(d; psi) of the distance d of two places."""

    needs = "coordinates"
    of_pairs = True

    distance: Array
    distinct: Array  # the different distances
    which: NDArray[np.intp]  # position of the distance of each pair among them

    def prepare(self) -> None:
        """Compute the distances of all pairs of places."""
        apart = self.positions[..., :, None, :] - self.positions[..., None, :, :]
        self.distance = np.sqrt(np.einsum("...d,...d->...", apart, apart))
        self.distinct, which = np.unique(self.distance, return_inverse=True)
        self.which = which.reshape(self.distance.shape)

    @abstractmethod
    def of_distance(self, d: Array, psi: Array) -> tuple[Array, Array, Array]:
        """Return r and its derivatives, shapes d.shape, (m, ...), (m, m, ...)."""

    @last_result
    def _by_distance(self, psi: Array) -> tuple[Array, Array, Array]:
        return self.of_distance(self.distinct, psi)

    def correlation(self, psi: Array) -> Array:
        """Return R, shape (k, k)."""
        return self._by_distance(psi)[0][self.which]

    def correlation_derivatives(self, psi: Array) -> Array:
        """Return dR / dpsi_i."""
        return self._by_distance(psi)[1][:, self.which]

    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return d2R / dpsi_i dpsi_j."""
        return self._by_distance(psi)[2][:, :, self.which]

    def at(self, positions: ArrayLike) -> Self:
        """Return the structure at other places."""
        if not self.hom:
            raise OptionError(
                f"{self.name}() with a standard deviation for each place has none for places "
                "that are not in the data; hom=True has one for all."
            )
        places = np.asarray(positions, dtype=float)
        places = places.reshape(len(places), -1)
        return self.bind([str(i) for i in range(len(places))], places)

    def typical_distance(self) -> float:
        """Return the median of the distances that are not zero."""
        positive = self.distance[self.distance > 0]
        return float(np.median(positive)) if len(positive) else 1.0

    def range_parameters(self, name: str = "range") -> Parameters:
        """Return a single positive parameter in units of distance."""
        start = self.typical_distance() / 2.0 if self.k else 1.0
        return Parameters((name,), [start], [(0.0, np.inf)])

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start with short, middling and long ranges."""
        out = []
        for factor in (1.0, 0.2, 5.0):
            other = psi.copy()
            other[0] *= factor
            out.append(other)
        return out
