"""Whether one model is a special case of another, and where in it.

The covariance matrix of the response is linear in the elements of the covariance matrices of
random effects: Z E_e Z' is the matrix of element e. A model is nested in another when each of
these, and each column of its X, is a combination of those of the other. Their inner products
tr(Z E_e Z' Z E_f Z') need sums over pairs of levels only.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..basis import orthonormal_basis
from ..covariance import factors_of
from ..design import Design, RandomBlock
from .random_space import Element, elements_of

__all__ = ["foreign_column", "zero_covariances"]

Array = NDArray[np.float64]

# Relative length of what is left of a column, squared of what is left of a covariance matrix,
# that is taken for rounding; and the size of an eigenvalue of 1 that is taken for zero.
COLUMN = 1e-7
COVARIANCE = 1e-9
EIGENVALUE = 1e-6


def foreign_column(restricted: Design, full: Design) -> str | None:
    """Return a fixed-effects column that is no combination of another model's.

    Parameters
    ----------
    restricted, full : Design
        Two models of the same rows.

    Returns
    -------
    str or None
        Its name; None when there is none.
    """
    if restricted.X.shape == full.X.shape and np.array_equal(restricted.X, full.X):
        return None
    Q = orthonormal_basis(full.X, None).Q
    X = restricted.X
    left = np.linalg.norm(X - Q @ (Q.T @ X), axis=0) > COLUMN * np.linalg.norm(X, axis=0)
    foreign = np.flatnonzero(left)
    return restricted.x_names[foreign[0]] if len(foreign) else None


def zero_covariances(
    restricted: Design, full: Design, *, residual: bool
) -> tuple[int, ...] | None:
    """Find the random effects of a model that have variance zero in a smaller model.

    Parameters
    ----------
    restricted, full : Design
        Two models of the same rows.
    residual : bool
        Whether they have independent residuals besides.

    Returns
    -------
    tuple of int, or None
        For each covariance matrix of `full` that is singular for all covariance parameters of
        `restricted`, how many dimensions it lacks. None when `restricted` has covariance
        matrices of the response that `full` cannot have.
    """
    if len(restricted.blocks) == len(full.blocks) and all(
        map(_same_block, restricted.blocks, full.blocks)
    ):
        return ()
    own, theirs = (elements_of([b.pattern for b in d.blocks]) for d in (restricted, full))
    gram = _inner_products(full, full, theirs, theirs, residual)
    cross = _inner_products(restricted, full, own, theirs, residual)
    lengths = np.sqrt(np.diag(_inner_products(restricted, restricted, own, own, residual)))
    unit = np.sqrt(np.diag(gram))
    scaled = cross / lengths[:, None] / unit
    shares = np.linalg.lstsq(gram / np.outer(unit, unit), scaled.T, rcond=1e-12)[0].T
    if np.any(1.0 - np.einsum("ef,ef->e", shares, scaled) > COVARIANCE):
        return None
    combinations = shares * lengths[:, None] / unit  # of the elements of `full`
    # All covariance parameters of the smaller model are as a typical set of them.
    inner = [
        restricted.blocks[e.block].z[:, e.row].std() == 0 and e.row == e.column for e in own
    ]
    del inner
    sizes = [_sizes(block) for block in restricted.blocks]
    typical = [float(e.row == e.column) / sizes[e.block][e.row] ** 2 for e in own]
    values = np.array([*typical, *([0.0] if residual else [])]) @ combinations
    return tuple(
        lacking
        for number, block in enumerate(full.blocks)
        for lacking in _nullities(block, number, theirs, values)
    )


def _same_block(one: RandomBlock, other: RandomBlock) -> bool:
    return (
        np.array_equal(one.pattern, other.pattern)
        and np.array_equal(one.refs, other.refs)
        and np.array_equal(one.z, other.z)
    )


def _sizes(block: RandomBlock) -> Array:
    """Return the root mean square of each column of z, 1 where that is zero."""
    size = np.sqrt(np.mean(block.z**2, axis=0))
    return np.where(size > 0, size, 1.0)
