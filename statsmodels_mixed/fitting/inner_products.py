"""Inner products tr(G_e G_f) of the matrices G_e = Z E_e Z' of which Var(y) is a combination.

E_e repeats, for every level of a grouping factor, a matrix with ones at the free element e
of the covariance matrix of its random effects. The products need sums over pairs of
levels that have rows in common, nothing of size n x n.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import sparse

from .._typing import Array, Positions
from ..frame.design import Design, RandomBlock
from .covariance import elements_of

__all__ = ["inner_products", "projected_products", "sparse_columns", "with_residual"]


def sparse_columns(block: RandomBlock) -> sparse.csr_array:
    """Return Z of a block, shape (n, l k)."""
    n, k = block.z.shape
    indices = block.refs.astype(np.intp)[:, None] * k + np.arange(k)
    shape = (n, len(block.levels) * k)
    return sparse.csr_array((block.z.ravel(), indices.ravel(), np.arange(0, n * k + 1, k)), shape)


def inner_products(one: Design, other: Design) -> Array:
    """Return tr(G_e G_f) for the elements e of one design and f of another, of the same rows."""
    rows = []
    for b in one.blocks:
        sums = [_pair_sums(b, c)[2] for c in other.blocks]
        rows.append([_elements(b, c, X, X) for c, X in zip(other.blocks, sums, strict=True)])
    return np.block(rows) if rows else np.empty((0, _count(other)))


def projected_products(design: Design, ZQ: list[Array]) -> tuple[Array, Array]:
    """Return tr(G_e G_f) and tr(Q'G_e G_f Q) for the elements e and f of a design.

    Parameters
    ----------
    design : Design
    ZQ : list of ndarray, shape (l, k, rank)
        Z_j'Q of every level, by block.
    """
    blocks, count = design.blocks, _count(design)
    whole, projected = np.empty((count, count)), np.empty((count, count))
    ends = np.cumsum([0, *(_places(block).shape[1] for block in blocks)])
    own = [slice(start, stop) for start, stop in pairwise(ends)]
    for at, b in enumerate(blocks):
        for to, c in enumerate(blocks[: at + 1]):
            i, j, X = _pair_sums(b, c)
            Y = (ZQ[at][i] @ ZQ[to][j].transpose(0, 2, 1)).reshape(X.shape)
            for out, other in ((whole, X), (projected, Y)):
                part = _elements(b, c, X, other)
                out[own[at], own[to]], out[own[to], own[at]] = part, part.T
    return whole, projected


def _count(design: Design) -> int:
    return len(elements_of([block.pattern for block in design.blocks]))


def _places(block: RandomBlock) -> Array:
    """Return the places of the elements of a block in its k x k matrix, shape (k k, elements)."""
    k = len(block.names)
    elements = elements_of([block.pattern])
    out = np.zeros((k * k, len(elements)))
    for at, element in enumerate(elements):
        for row, column in element.places:
            out[row * k + column, at] = 1.0
    return out


def _pair_sums(b: RandomBlock, c: RandomBlock) -> tuple[Positions, Positions, Array]:
    """Return pairs of levels i, j that have rows in common, and their Z_i'Z_j, (pairs, k w)."""
    k, w = b.z.shape[1], c.z.shape[1]
    i, j, at = _pairs_of_rows(b, c)
    X = np.empty((len(i), k * w))
    for r in range(k):
        for u in range(w):
            X[:, r * w + u] = np.bincount(at, b.z[:, r] * c.z[:, u], len(X))
    return i, j, X


def _pairs_of_rows(b: RandomBlock, c: RandomBlock) -> tuple[Positions, Positions, Positions]:
    """Return pairs of levels i, j that have rows in common, and which pair each row has."""
    if b.refs is c.refs:
        i = np.arange(len(b.levels))
        return i, i, b.refs.astype(np.intp)
    columns, possible = len(c.levels), len(b.levels) * len(c.levels)
    pair_of = b.refs.astype(np.int64) * columns + c.refs
    if possible <= len(pair_of):  # rows need not be sorted
        met = np.zeros(possible, dtype=bool)
        met[pair_of] = True
        pairs = np.flatnonzero(met)
        at = (np.cumsum(met) - 1)[pair_of]
    else:
        pairs, at = np.unique(pair_of, return_inverse=True)
    return pairs // columns, pairs % columns, at


def _elements(b: RandomBlock, c: RandomBlock, X: Array, Y: Array) -> Array:
    """Return the sum of X[r, u] Y[s, v] over pairs of levels, for elements of b and of c.

    X and Y have a row for each pair, and r w + u for its columns; (r, s) are places of an element
    of b, (u, v) of one of c.
    """
    k, w = b.z.shape[1], c.z.shape[1]
    products = (X.T @ Y).reshape(k, w, k, w).transpose(0, 2, 1, 3).reshape(k * k, w * w)
    return np.asarray(_places(b).T @ products @ _places(c))


def with_residual(design: Design) -> tuple[Array, float]:
    """Return tr(G_e W^-1) of every element, and tr(W^-2)."""
    noise = np.ones(len(design.y)) if design.weights is None else 1.0 / design.weights
    traces = [
        len(e.places) * float(np.sum(noise * block.z[:, e.row] * block.z[:, e.column]))
        for e in elements_of([b.pattern for b in design.blocks])
        for block in [design.blocks[e.block]]
    ]
    return np.array(traces), float(noise @ noise) + design.nobs - len(design.y)
