"""Cross-products [Z X y]'W[Z X y] of a linear model in working units, however Z'WZ is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..._core.coordinates import TermCoordinates
from ..._typing import Array
from ..fixed_effects.basis import FixedBasis
from .level_products import Shapes, by_term

__all__ = ["WorkingProducts"]


class LevelGram(Protocol):
    """Z'WZ, as a matrix that is multiplied."""

    @property
    def shapes(self) -> Shapes:
        """Levels and columns of each term."""

    def multiply(self, effects: Array) -> Array:
        """Return Z'WZ times (q, m)."""


@dataclass(frozen=True)
class WorkingProducts:
    """[Z X y]'W[Z X y] in working units: X orthonormal, y its residual of unit variance.

    Parameters
    ----------
    coordinates : TermCoordinates
        In which the columns of Z are.
    column_sizes : ndarray, shape (n_theta,)
        What every column of Z adds, for each theta by its row.
    Z : LevelGram
        Z'WZ.
    ZXy : ndarray, shape (q, rank + 1)
    XXy : ndarray, shape (rank + 1, rank + 1)
    basis : FixedBasis
    gamma : ndarray, shape (rank,)
        Coefficients of the response on the basis.
    y_scale : float
        What the residual response was divided by.
    rows : int
        Those of positive weight.
    log_weights : float
        Sum of the logarithms of the weights.
    """

    coordinates: TermCoordinates
    column_sizes: Array
    Z: LevelGram
    ZXy: Array
    XXy: Array
    basis: FixedBasis
    gamma: Array
    y_scale: float
    rows: int
    log_weights: float

    @property
    def rank(self) -> int:
        """Rank of X."""
        return int(self.basis.Q.shape[1])

    def by_term(self, effects: Array) -> list[Array]:
        """Return rows for all random effects, (q, ...), as one array (l, k, ...) for each term."""
        return by_term(effects, self.Z.shapes)

    def constant(self, reml: bool) -> float:
        """Return the objective in the user's units less that in working units."""
        dof = self.rows - self.rank if reml else self.rows
        shift = 2.0 * dof * float(np.log(self.y_scale)) - self.log_weights
        return shift + self.basis.logdet if reml else shift
