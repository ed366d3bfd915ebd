"""Conditional covariances of the random effects of chosen levels, by conjugate gradients.

Omega^-1 is solved for the columns of these levels; nothing else of it is formed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...frame.design import Design
from ..covariance import factors_of
from ..estimates import GeneralizedEstimates, LinearEstimates
from .schur_complement import SchurComplement
from .sparse_products import level_pattern

__all__ = ["variances_of_levels"]


# Columns that are solved for together.
COLUMNS = 64


def _weights(design: Design, estimates: LinearEstimates | GeneralizedEstimates) -> Array | None:
    """Return the weights of the rows in Omega: given ones, or the expected information."""
    if isinstance(estimates, LinearEstimates):
        return design.weights
    spec = estimates.spec
    rows = spec.rows(
        design.y,
        estimates.eta,
        weights=design.weights,
        zeta=float(np.log(estimates.dispersion)) if spec.has_dispersion else 0.0,
    )
    return rows["w"]


def variances_of_levels(
    design: Design,
    estimates: LinearEstimates | GeneralizedEstimates,
    positions: Sequence[NDArray[np.intp]],
) -> tuple[Array, ...]:
    """Return Var(b_j | y) given all parameters of some levels, (m, k, k) for each block.

    Parameters
    ----------
    design : Design
        With two blocks or more.
    estimates : LinearEstimates or GeneralizedEstimates
    positions : sequence of ndarray of int, shape (m,)
        Which levels of each block.

    Raises
    ------
    CoreError
        If conjugate gradients do not converge.
    """
    linear = isinstance(estimates, LinearEstimates)
    pattern, coordinates = level_pattern(design, design.weights if linear else None)
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    factors = factors_of(coordinates.inward(estimates.theta), patterns)
    products = pattern.products(_weights(design, estimates))
    schur = SchurComplement.at(products, factors)
    size = sum(levels * k for levels, k in pattern.shapes)
    starts = np.cumsum([0, *(levels * k for levels, k in pattern.shapes)])
    out = []
    for term, (T, here) in enumerate(zip(factors, positions, strict=True)):
        k = len(T)
        blocks = np.empty((len(here), k, k))
        many = max(COLUMNS // k, 1)
        for start in range(0, len(here), many):
            part = slice(start, start + many)
            own = starts[term] + here[part, None] * k + np.arange(k)
            right = np.zeros((size, own.size))
            right[own.ravel(), np.arange(own.size)] = 1.0
            solved = schur.solve(right).reshape(size, len(own), k)
            blocks[part] = np.stack([solved[rows, i] for i, rows in enumerate(own)])
        out.append(estimates.effects_scale**2 * (T @ blocks @ T.T))
    return coordinates.covariances(out)
