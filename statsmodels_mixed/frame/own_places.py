"""Effects at places of their own: where each level has few of many places.

With times that differ by subject the places of all levels are many and those of a level few. The
covariance of its effects at other places says nothing of the data, so that a level has a column
for each of its own places alone: the first, the second, and so on. Their covariances differ from
level to level, s^2 R_l with one standard deviation s. With R_l = C_l C_l' the effects are
b = C_l a, and the effects a of all levels have the covariance s^2 I: Z has the rows of C_l, which
are functions of the parameters of the correlation, in place of indicators.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..structures import Structure
from ..structures.last_result import last_result
from .matrices.factors import Rows
from .places import OwnPlaceMatrix, PlaceMatrix
from .table.grouping import Refs

__all__ = ["OwnPlaces", "has_own_places", "own_place_matrix"]


# Up to this number of places all of them are formed for every level,
ALL = 40
# and where a level has at least this share of them.
SHARE = 0.5
# Added to the diagonal of a correlation matrix: above its rounding errors.
RIDGES = (2e-14, 1e-13, 1e-12, 1e-11)


def has_own_places(places: PlaceMatrix, structure: Structure) -> bool:
    """Return whether the effects of a level may be those at its own places alone."""
    alike = len(structure.bind(("0", "1")).read().scales) == 1
    return places.metric and structure.of_pairs and alike and len(places.values) > ALL


def own_place_matrix(places: PlaceMatrix, rows: Rows, refs: Refs) -> OwnPlaceMatrix | None:
    """Gather the places of every level; None if they are not few.

    Parameters
    ----------
    places : PlaceMatrix
    rows : Rows
        The data.
    refs : ndarray of int32, shape (n,)
        The level of each row.
    """
    at = places.places_of(rows)
    total = len(places.values)
    pairs, inverse = np.unique(refs * np.int64(total) + at, return_inverse=True)
    level, place = np.divmod(pairs, total)
    first = np.searchsorted(level, np.arange(int(level[-1]) + 1))
    within = np.arange(len(pairs)) - first[level]
    k = int(within.max()) + 1
    if k < 2 or k > SHARE * total:
        return None
    sets = np.full((len(first), k), -1, dtype=np.intp)
    sets[level, within] = place
    name = next(iter(places.slices))
    names = tuple(f"{name}[#{i + 1}]" for i in range(k))
    return OwnPlaceMatrix(places, sets, names, within[inverse.ravel()])


@dataclass(frozen=True, eq=False)
class OwnPlaces:
    """The effects of a term at places of their own, of a block of random effects.

    Parameters
    ----------
    columns : slice
        Those of the term among those of the block.
    structure : Structure
        Bound to the places of all levels.
    matrix : OwnPlaceMatrix
    """

    columns: slice
    structure: Structure
    matrix: OwnPlaceMatrix

    @cached_property
    def _pairs(self) -> NDArray[np.bool_]:
        present = self.matrix.present
        return np.asarray(present[:, :, None] & present[:, None, :])

    def masked(self, matrices: Array) -> Array:
        """Return matrices (..., l, k, k) with zeros where there is no place."""
        return np.where(self._pairs, matrices, 0.0)

    def deviation(self, phi: Array) -> float:
        """Return the standard deviation s."""
        (at,) = self.structure.read().scales
        return abs(float(phi[at]))

    def factors(self, phi: Array) -> Array:
        """Return C of every level, shape (l, k, k); that of no place is the identity."""
        unit = np.array(phi, dtype=float)
        unit[list(self.structure.read().scales)] = 1.0
        return self._factors(unit)

    @last_result
    def _factors(self, unit: Array) -> Array:
        R = self.masked(self.structure.sigma(unit))
        at = np.arange(R.shape[1])
        R[:, at, at] = 1.0
        for ridge in RIDGES:
            R[:, at, at] = 1.0 + ridge
            try:
                return np.asarray(np.linalg.cholesky(R))
            except np.linalg.LinAlgError:  # smooth functions of distance are nearly singular
                continue
        return np.full_like(R, np.nan)

    def between(self, here: Array, there: Array, phi: Array) -> Array:
        """Return correlations of places, (k, d), with others, (m, d), shape (k, m)."""
        unit = np.array(phi, dtype=float)
        unit[list(self.structure.read().scales)] = 1.0
        k, d = here.shape
        pairs = np.empty((k * len(there), 2, d))
        pairs[:, 0] = np.repeat(here, len(there), axis=0)
        pairs[:, 1] = np.tile(there, (k, 1))
        R = self.structure.bind_sets(("here", "there"), pairs).sigma(unit)
        return np.asarray(R[:, 0, 1].reshape(k, len(there)))

    # The covariance of a, and its derivatives at fixed C.

    def covariance(self, phi: Array) -> Array:
        """Return s^2 I of every level, shape (l, k, k)."""
        return self.masked(np.eye(self.structure.k) * self.deviation(phi) ** 2)

    def whitened(self, phi: Array, matrices: Array) -> Array:
        """Return C^-1 A C'^-1 for matrices A of every level, shape (..., l, k, k)."""
        inverse = self._inverse(np.asarray(phi, dtype=float))
        return np.asarray(inverse @ self.masked(matrices) @ np.swapaxes(inverse, -1, -2))

    @last_result
    def _inverse(self, phi: Array) -> Array:
        return np.asarray(np.linalg.inv(self.factors(phi)))

    def indicators(self) -> Array:
        """Return indicators of the place of each row, shape (n, k)."""
        return np.asarray(np.eye(len(self.matrix.names))[self.matrix.place])

    def rows(self, phi: Array, refs: Refs) -> Array:
        """Return the columns of Z, shape (n, k), of rows of these levels."""
        return np.asarray(self.factors(phi)[refs, self.matrix.place])

    # Other rows, columns and levels.

    def of_rows(self, rows: NDArray[Any]) -> OwnPlaces:
        """Return the same for some rows of the data."""
        return replace(self, matrix=replace(self.matrix, place=self.matrix.place[rows]))

    def of_levels(self, levels: NDArray[np.integer]) -> OwnPlaces:
        """Return the same for other levels, which have the places of these."""
        matrix = replace(self.matrix, sets=self.matrix.sets[levels])
        structure = copy(self.structure)
        structure.positions = self.structure.positions[levels]
        structure.prepare()
        return replace(self, matrix=matrix, structure=structure)

    def at(self, start: int) -> OwnPlaces:
        """Return the same with columns that begin elsewhere."""
        return replace(self, columns=slice(start, start + self.structure.k))

    def without_rows(self) -> OwnPlaces:
        """Return the same without what belongs to rows of the data."""
        return replace(self, matrix=self.matrix.without_rows())

    def effects(self, a: Array, phi: Array) -> Array:
        """Return the effects b = C a at the places, shape (l, k); NaN where there is no place."""
        b = (self.factors(phi) @ a[:, :, None])[:, :, 0]
        return np.where(self.matrix.present, b, np.nan)
