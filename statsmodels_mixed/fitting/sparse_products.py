"""Cross-products [Z X y]'W[Z X y] of a linear model, for the iterative solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._core import TermArrays
from .._core.coordinates import TermCoordinates
from .._typing import Array
from ..frame.design import Design
from .fixed_basis import FixedBasis, orthonormal_basis, refuse_few_rows, residual_response
from .level_products import LevelPattern, LevelProducts, by_term

__all__ = ["SparseProducts", "form_sparse_products", "level_pattern"]


@dataclass(frozen=True)
class SparseProducts:
    """[Z X y]'W[Z X y] in working units: X orthonormal, y its residual of unit variance.

    Parameters
    ----------
    coordinates : TermCoordinates
        In which the columns of Z are.
    column_sizes : ndarray, shape (n_theta,)
        What every column of Z adds, for each theta by its row.
    Z : LevelProducts
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
    Z: LevelProducts
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


def level_pattern(design: Design, weights: Array | None) -> tuple[LevelPattern, TermCoordinates]:
    """Return where the levels of a design meet, in the coordinates that the core has.

    Parameters
    ----------
    design : Design
    weights : ndarray, shape (n,), optional
        Of the rows, for the choice of coordinates.
    """
    blocks = design.blocks
    terms = [TermArrays(len(each.levels), each.refs, each.z, each.pattern) for each in blocks]
    coordinates = TermCoordinates(terms, weights)
    refs, levels = [each.refs for each in blocks], [len(each.levels) for each in blocks]
    return LevelPattern(coordinates.z, refs, levels), coordinates


def form_sparse_products(design: Design) -> SparseProducts:
    """Form the products of a design of two terms or more.

    Parameters
    ----------
    design : Design

    Raises
    ------
    DataError
        If there are not more rows than independent fixed-effects columns.
    """
    weights = design.weights
    basis = orthonormal_basis(design.X, weights)
    refuse_few_rows(design.nobs, basis.Q.shape[1])
    y = design.y if design.offset is None else design.y - design.offset
    gamma, residual, scale = residual_response(y, design.X, basis, weights, design.counted)
    pattern, coordinates = level_pattern(design, weights)
    Xy = np.column_stack([basis.Q, residual])
    weighted = Xy if weights is None else Xy * weights[:, None]
    return SparseProducts(
        coordinates=coordinates,
        column_sizes=coordinates.column_sizes(design.nobs),
        Z=pattern.products(weights),
        ZXy=pattern.transposed(weighted),
        XXy=Xy.T @ weighted,
        basis=basis,
        gamma=gamma,
        y_scale=scale,
        rows=design.nobs if weights is None else int(np.count_nonzero(weights)),
        log_weights=design.log_weights,
    )
