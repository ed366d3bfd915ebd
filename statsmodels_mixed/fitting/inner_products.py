"""Inner products tr(G_e G_f) of the matrices G_e = Z E_e Z' of which Var(y) is a combination.

E_e repeats, for every level of a grouping factor, a matrix with ones at the free element e
of the covariance matrix of its random effects. The products need sums over pairs of
levels that have rows in common, nothing of size n x n.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from .._typing import Array
from ..frame.design import Design, RandomBlock
from .covariance import elements_of

__all__ = ["inner_products", "sparse_columns", "with_residual"]


def sparse_columns(block: RandomBlock) -> sparse.csr_array:
    """Return Z of a block, shape (n, l k)."""
    n, k = block.z.shape
    indices = block.refs.astype(np.intp)[:, None] * k + np.arange(k)
    shape = (n, len(block.levels) * k)
    return sparse.csr_array((block.z.ravel(), indices.ravel(), np.arange(0, n * k + 1, k)), shape)


def inner_products(one: Design, other: Design) -> Array:
    """Return tr(G_e G_f) for the elements e of one design and f of another, of the same rows."""
    rows = [
        [_places(b).T @ _pair_products(b, c) @ _places(c) for c in other.blocks] for b in one.blocks
    ]
    return np.block(rows) if rows else np.empty((0, _count(other)))


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


def _pair_products(b: RandomBlock, c: RandomBlock) -> Array:
    """Return the sum of X[r, u] X[s, v] over pairs of levels, with X = Z_i'Z_j of a pair.

    Row r k + s and column u w + v, for k columns of b and w of c.
    """
    k, w = b.z.shape[1], c.z.shape[1]
    pair = b.refs.astype(np.int64) * len(c.levels) + c.refs
    _, at = np.unique(pair, return_inverse=True)
    X = np.empty((at.max(initial=-1) + 1, k * w))
    for r in range(k):
        for u in range(w):
            X[:, r * w + u] = np.bincount(at, b.z[:, r] * c.z[:, u], len(X))
    products = (X.T @ X).reshape(k, w, k, w)
    return np.asarray(products.transpose(0, 2, 1, 3).reshape(k * k, w * w))


def with_residual(design: Design) -> tuple[Array, float]:
    """Return tr(G_e W^-1) of every element, and tr(W^-2)."""
    noise = np.ones(len(design.y)) if design.weights is None else 1.0 / design.weights
    traces = [
        len(e.places) * float(np.sum(noise * block.z[:, e.row] * block.z[:, e.column]))
        for e in elements_of([b.pattern for b in design.blocks])
        for block in [design.blocks[e.block]]
    ]
    return np.array(traces), float(noise @ noise) + design.nobs - len(design.y)
