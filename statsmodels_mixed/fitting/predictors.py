"""The linear predictor of the rows of a fit, without and with the conditional modes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..frame.design import Design

__all__ = ["fixed_predictor", "predictors"]


def fixed_predictor(design: Design, columns: NDArray[np.intp], beta: Array) -> Array:
    """Return X beta + offset, shape (n,).

    Parameters
    ----------
    design : Design
    columns : ndarray of int, shape (rank,)
        The columns of X that have coefficients.
    beta : ndarray, shape (rank,)
    """
    X = design.X if len(columns) == design.X.shape[1] else design.X[:, columns]
    linear: Array = X.dot(beta)
    return linear if design.offset is None else linear + design.offset


def predictors(
    design: Design, columns: NDArray[np.intp], beta: Array, b: Sequence[Array]
) -> tuple[Array, Array]:
    """Return X beta + offset and X beta + Z b + offset, both shape (n,).

    Parameters
    ----------
    design, columns, beta
        As for `fixed_predictor`.
    b : sequence of ndarray, shape (l, k)
        Conditional modes of each block.
    """
    linear = fixed_predictor(design, columns, beta)
    fitted = linear.copy()
    for block, modes in zip(design.blocks, b, strict=True):
        own = modes[block.refs]
        one = own.shape[1] == 1
        fitted += (own * block.z)[:, 0] if one else np.einsum("ij,ij->i", block.z, own)
    return linear, fitted
