"""Random effects at places that are not in the data: kriging.

Given the effects b of a level at the places of the data, an effect at another place has mean
c'Sigma^-1 b and variance Sigma_00 - c'Sigma^-1 c, with c its covariances with b. So the columns
of Z of such a row hold the weights c'Sigma^-1 in place of an indicator; at a level that the fit
has not seen the same columns and variance make its whole variance, Sigma_00.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.matrices.coding import Matrix
from ..frame.matrices.factors import Rows
from ..frame.model_frame import ModelFrame
from ..frame.places import PlaceMatrix
from ..structures import Structure

if TYPE_CHECKING:
    from ..fitting.structured.fit import StructuredFit

__all__ = ["KrigedPlaces", "KrigingVariance", "kriged_places"]


@dataclass(frozen=True, eq=False)
class KrigedPlaces:
    """The columns of places, with weights where a row is at another place; see `Matrix`.

    Parameters
    ----------
    places : PlaceMatrix
    structure : Structure
        Bound to them.
    phi : ndarray, shape (m,)
        Its estimated parameters.
    """

    places: PlaceMatrix
    structure: Structure
    phi: Array

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.places.names

    @property
    def slices(self) -> dict[str, slice]:
        """Columns of every term."""
        return self.places.slices

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        return self.places.columns

    @cached_property
    def _sigma(self) -> Array:
        return np.asarray(self.structure.sigma(self.phi), dtype=float)

    def weights(self, rows: Rows) -> tuple[Array, Array]:
        """Return weights (n, k) of the effects at the places, and variances (n,) not explained."""
        at = self.places.places_of(rows)
        k = len(self.names)
        out, rest = np.zeros((len(at), k)), np.zeros(len(at))
        seen = at >= 0
        out[np.flatnonzero(seen), at[seen]] = 1.0
        if seen.all():
            return out, rest
        positions = self.places.positions_of(rows)[~seen]
        distinct, inverse = np.unique(positions, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)  # NumPy 2.0 has a column
        try:
            joined = self.structure.at(np.concatenate([self.structure.positions, distinct]))
        except OptionError as error:
            raise DataError(f"{self.places.term}: {error}") from error
        whole = np.asarray(joined.sigma(self.phi), dtype=float)
        c = whole[k:, :k]
        w = np.linalg.lstsq(self._sigma, c.T, rcond=1e-13)[0].T
        left = np.maximum(np.diag(whole)[k:] - np.einsum("ij,ij->i", w, c), 0.0)
        out[~seen], rest[~seen] = w[inverse.ravel()], left[inverse.ravel()]
        return out, rest

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the weights of these rows into `out`, shape (n, k)."""
        out[...] = self.weights(rows)[0]


@dataclass(frozen=True, eq=False)
class KrigingVariance:
    """The variance that the weights of `KrigedPlaces` do not explain, as a column."""

    kriged: KrigedPlaces

    @property
    def names(self) -> tuple[str, ...]:
        """A single name."""
        return ("variance",)

    @property
    def slices(self) -> dict[str, slice]:
        """The column."""
        return {"variance": slice(0, 1)}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        return self.kriged.columns

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the variances of these rows into `out`, shape (n, 1)."""
        out[:, 0] = self.kriged.weights(rows)[1]


def kriged_places(frame: ModelFrame, fit: StructuredFit, block: int) -> dict[Matrix, KrigedPlaces]:
    """Return what takes the place of the columns of places of one grouping factor."""
    out: dict[Matrix, KrigedPlaces] = {}
    at = 0
    for number, part in enumerate(frame.random):
        for matrix, structure in zip(part.matrices, part.structures, strict=True):
            m = len(structure.read().names)
            # The variance at a new place would be that of the level among those it is related to.
            own = number == block and part.related is None
            if own and isinstance(matrix, PlaceMatrix):
                out[matrix] = KrigedPlaces(matrix, structure, fit.phi[at : at + m])
            at += m
    return out
