"""Whether one model is a special case of another, and where in it.

The covariance matrix of the response is linear in the elements of the covariance matrices of
random effects: Z E_e Z' is the matrix of element e. A model is nested in another when each of
these, and each column of its X, is a combination of those of the other. Their inner products
tr(Z E_e Z' Z E_f Z') need sums over pairs of levels only.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._core import TermCoordinates
from .._typing import Array
from ..fitting.covariance import CovarianceElement, elements_of
from ..fitting.fixed_effects.basis import orthonormal_basis
from ..fitting.fixed_effects.column_spans import outside_span
from ..fitting.inner_products import inner_products, with_residual
from ..frame.design import Design, RandomBlock
from .boundary import Cone

__all__ = ["foreign_column", "zero_covariances"]


# Relative squared length of what is left of a covariance matrix that is taken for rounding, and the
# size of an eigenvalue of 1 that is taken for zero.
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
    foreign = np.flatnonzero(outside_span(restricted.X, full.X))
    return restricted.x_names[foreign[0]] if len(foreign) else None


def zero_covariances(
    restricted: Design, full: Design, *, residual: bool, sigma: bool
) -> tuple[Cone, ...] | None:
    """Find the random effects of a model that have variance zero in a smaller model.

    Parameters
    ----------
    restricted, full : Design
        Two models of the same rows.
    residual : bool
        Whether they have independent residuals besides.
    sigma : bool
        Whether the variance of these is estimated.

    Returns
    -------
    tuple of Cone, or None
        One for each covariance matrix of `full` that is singular for all covariance parameters
        of `restricted`, of the size of its null space. None when `restricted` has covariance
        matrices of the response that `full` cannot have.
    """
    if len(restricted.blocks) == len(full.blocks) and all(
        map(_same_block, restricted.blocks, full.blocks)
    ):
        return ()
    parts = {block.part for block in (*restricted.blocks, *full.blocks)}
    if len(parts) > 1:  # effects on the mean and on zeros have nothing to do with each other
        found = [
            zero_covariances(
                _of_part(restricted, part), _of_part(full, part), residual=residual, sigma=sigma
            )
            for part in sorted(parts)
        ]
        return None if None in found else tuple(cone for cones in found for cone in cones or ())
    restricted, full = _apart(restricted), _apart(full)
    own, theirs = (elements_of([b.pattern for b in d.blocks]) for d in (restricted, full))
    gram = inner_products(full, full)
    cross = inner_products(restricted, full)
    # Elements that no two rows of a level meet add nothing: they are in every model.
    lengths = _lengths(inner_products(restricted, restricted))
    if residual:
        with_noise, noise = with_residual(full)
        gram = np.block([[gram, with_noise[:, None]], [with_noise, np.array([[noise]])]])
        cross = np.column_stack([cross, with_residual(restricted)[0]])
    unit = _lengths(gram)
    scaled = cross / np.outer(lengths, unit)
    shares = np.linalg.lstsq(gram / np.outer(unit, unit), scaled.T, rcond=1e-12)[0].T
    outside = 1.0 - np.einsum("ef,ef->e", shares, scaled)
    if np.any(np.isfinite(lengths) & (outside > COVARIANCE)):
        return None
    combinations = shares * np.where(np.isfinite(lengths), lengths, 0.0)[:, None] / unit
    sizes = [_sizes(block) for block in restricted.blocks]
    # The smaller model with independent random effects, all visible to the same degree.
    inside = np.array([(e.row == e.column) / sizes[e.block][e.row] ** 2 for e in own])
    values = inside @ combinations
    cones = []
    for number, block in enumerate(full.blocks):
        for lacking in _nullities(number, block, theirs, values):
            rows = np.inf
            if sigma:  # as far as these are not taken by effects of the block that stay
                rows = _rows_of_level(block, full.weights) - (len(block.names) - lacking)
            cones.append(Cone(lacking, max(rows, lacking * (1.0 + COVARIANCE))))
    return tuple(cones)


def _of_part(design: Design, part: str) -> Design:
    """Return a design with the random effects of one of its formulas only."""
    return replace(design, blocks=tuple(b for b in design.blocks if b.part == part))


def _apart(design: Design) -> Design:
    """Return a design with the columns of its random effects far from dependent."""
    columns = TermCoordinates(design.blocks, design.weights).z
    blocks = (replace(block, z=z) for block, z in zip(design.blocks, columns, strict=True))
    return replace(design, blocks=tuple(blocks))


def _rows_of_level(block: RandomBlock, weights: Array | None) -> float:
    """Return rows for each level of a balanced block to which the residuals are as similar.

    For l levels of m rows with Z_j'Z_j all alike, the matrix V = ZZ' in orthonormal columns has
    a squared correlation (tr V)^2 / (n tr V^2) = k / m with the unit matrix.
    """
    z = block.z if weights is None else block.z * np.sqrt(weights)[:, None]
    Q = orthonormal_basis(z, None).Q
    k = Q.shape[1]
    inner = np.zeros(len(block.levels))
    for r in range(k):
        for s in range(k):
            inner += np.bincount(block.refs, Q[:, r] * Q[:, s], len(inner)) ** 2
    return len(z) * float(inner.sum()) / k if k else np.inf


def _lengths(products: Array) -> Array:
    """Return the lengths of vectors with these inner products, infinite for one of zeros."""
    squares = np.diag(products)
    return np.sqrt(np.where(squares > 0, squares, np.inf))


def _same_block(one: RandomBlock, other: RandomBlock) -> bool:
    return (
        np.array_equal(one.pattern, other.pattern)
        and (one.related.same(other.related) if one.related else other.related is None)
        and np.array_equal(one.refs, other.refs)
        and np.array_equal(one.z, other.z)
    )


def _sizes(block: RandomBlock) -> Array:
    """Return the root mean square of each column of z, 1 where that is zero."""
    size = np.sqrt(np.mean(block.z**2, axis=0))
    return np.where(size > 0, size, 1.0)


def _nullities(
    number: int, block: RandomBlock, elements: list[CovarianceElement], values: Array
) -> list[int]:
    """Return the dimension of the null space of each covariance matrix of a block, if any."""
    k = len(block.names)
    covariance, size = np.zeros((k, k)), _sizes(block)
    linked = np.eye(k, dtype=bool)
    for element, value in zip(elements, values, strict=False):
        if element.block == number:
            for place in element.places:
                covariance[place] = value * size[element.row] * size[element.column]
                linked[place] = True
    found = []
    for group in {tuple(np.flatnonzero(row).tolist()): None for row in linked}:
        part = np.linalg.eigvalsh(covariance[np.ix_(group, group)])
        lacking = int(np.sum(part < EIGENVALUE))
        if lacking:
            found.append(lacking)
    return found
