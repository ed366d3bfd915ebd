"""New rows of effects at places of their own for every level.

The effects of a level at its k places are b = C a, with C C' = R their correlations and a of
variance s^2. An effect at another place has correlations c with b: given b its mean is
c'R^-1 b = (C^-1 c)'a, and its variance s^2 (1 - |C^-1 c|^2). So a row of a level that is known has
the columns C^-1 c of Z; at a place of the level they are a row of C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from .._typing import Array
from ..frame.matrices.factors import Rows
from ..frame.new_data import NewData
from ..frame.own_places import RIDGES, OwnPlaces
from ..frame.places import PlaceMatrix

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["DrawnPlaces", "PlaceColumns", "at_own_places", "drawn_places"]


@dataclass(frozen=True, eq=False)
class PlaceColumns:
    """The places of rows as columns: their number among those of the data, their positions."""

    places: PlaceMatrix

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return ("place", *map(str, range(self.places.positions.shape[1])))

    @property
    def slices(self) -> dict[str, slice]:
        """All columns."""
        return {"place": slice(0, len(self.names))}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        return self.places.columns

    def fill(self, rows: Rows, out: Array) -> None:
        """Write them into `out`, shape (n, 1 + d); -1 for a place that the data have not."""
        out[:, 0] = self.places.places_of(rows)
        out[:, 1:] = self.places.positions_of(rows)


def at_own_places(
    result: MixedModelResults,
    new: NewData,
    block: int,
    refs: NDArray[np.integer],
    z: Array,
    wanted: NDArray[np.bool_],
) -> Array:
    """Write the columns of Z of rows of known levels; return the variances not explained, (m,).

    Parameters
    ----------
    result : MixedModelResults
    new : NewData
    block : int
        The grouping factor.
    refs : ndarray of int, shape (m,)
        The level of each row, -1 for one the fit has not seen.
    z : ndarray, shape (m, k)
        Changed in place.
    wanted : ndarray of bool, shape (k,)
        The random effects that take part.
    """
    rest = np.zeros(len(z))
    fit: Any = result.estimates.structured
    for own in result.layout.blocks[block].own_places:
        if not wanted[own.columns].all():
            continue
        phi = fit.phi_of(block, own.columns)
        found = new.made(PlaceColumns(own.matrix.places))
        known = (refs >= 0) & np.isfinite(found).all(axis=1)
        C = own.factors(phi)
        for level in np.unique(refs[known]).tolist():
            rows = np.flatnonzero(known & (refs == level))
            z[rows, own.columns] = weights = _weights(own, phi, level, C[level], found[rows])
            left = 1.0 - np.einsum("ij,ij->i", weights, weights)
            rest[rows] += own.deviation(phi) ** 2 * np.maximum(left, 0.0)
            rest[rows[np.isin(found[rows, 0], own.matrix.of_level(level))]] = 0.0
    return rest


def _weights(own: OwnPlaces, phi: Array, level: int, C: Array, found: Array) -> Array:
    """Return C^-1 c for rows of one level, shape (m, k)."""
    places = own.matrix.of_level(level)
    k = len(places)
    out = np.zeros((len(found), C.shape[1]))
    at = np.searchsorted(places, found[:, 0]).clip(max=k - 1)
    here = places[at] == found[:, 0]
    out[here] = C[at[here]]
    if not here.all():
        here = ~here
        apart = own.between(own.matrix.places.positions[places], found[here, 1:], phi)
        out[here, :k] = np.linalg.solve(C[:k, :k], apart).T
    return out


@dataclass(frozen=True, eq=False)
class DrawnPlaces:
    """The effects of a term at the places of levels that are drawn anew.

    Parameters
    ----------
    own : OwnPlaces
    phi : ndarray, shape (m,)
        Parameters of its structure.
    found : ndarray, shape (rows, 1 + d)
        Columns of `PlaceColumns`.
    """

    own: OwnPlaces
    phi: Array
    found: Array

    def replaced(
        self, z: Array, T: Array, codes: NDArray[np.integer], drawn: NDArray[np.bool_]
    ) -> tuple[Array, Array]:
        """Return columns of Z with those of the drawn rows, C of their levels, and T of these.

        The columns of the term are zero; as many as a level has places come last.
        """
        columns = self.own.columns
        rows = np.flatnonzero(drawn & np.isfinite(self.found).all(axis=1))
        blocks = [self._of_level(rows[codes[rows] == code]) for code in np.unique(codes[rows])]
        width = max([C.shape[1] for _, C in blocks], default=0)
        wide = np.zeros((len(z), width))
        for at, C in blocks:
            wide[at, : C.shape[1]] = C
        kept = z.copy()
        kept[:, columns] = 0.0
        return np.hstack([kept, wide]), block_diag(
            T, T[columns.start, columns.start] * np.eye(width)
        )

    def _of_level(self, rows: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array]:
        places, which = np.unique(self.found[rows, 1:], axis=0, return_inverse=True)
        R = self.own.between(places, places, self.phi)
        np.fill_diagonal(R, 1.0 + RIDGES[0])
        return rows, np.asarray(np.linalg.cholesky(R)[which.reshape(-1)])


def drawn_places(result: Any, new: NewData, block: int) -> tuple[DrawnPlaces, ...]:
    """Return the places of new rows, of each term of a grouping factor that has such."""
    fit: Any = result.estimates.structured
    return tuple(
        DrawnPlaces(own, fit.phi_of(block, own.columns), new.made(PlaceColumns(own.matrix.places)))
        for own in result.layout.blocks[block].own_places
    )
