"""Cross-products [Z X y]'W[Z X y] of a linear model, for the iterative solution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._core import TermArrays
from ..._core.coordinates import TermCoordinates
from ..._typing import Array
from ...frame.design import Design
from ..fixed_effects.basis import orthonormal_basis, refuse_few_rows, residual_response
from ..summed.level_products import LevelPattern, LevelProducts
from ..summed.working_products import WorkingProducts

__all__ = ["SparseProducts", "form_sparse_products", "level_pattern"]


@dataclass(frozen=True)
class SparseProducts(WorkingProducts):
    """The products with a Z'WZ by levels and by pairs of levels that meet."""

    Z: LevelProducts


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
    refuse_few_rows(design.nobs, basis.Q.shape[1], design.x_names)
    y = design.y_less_offset
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
