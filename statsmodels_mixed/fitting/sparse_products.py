"""Cross-products of a design as sparse matrices, for the iterative solution.

The first term, which has most random effects, is apart: its block of Z'WZ is block diagonal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .._core import TermArrays
from .._core.coordinates import TermCoordinates
from ..errors import DataError
from ..frame.design import Design
from .fixed_basis import FixedBasis, orthonormal_basis, residual_response

__all__ = ["SparseProducts", "form_sparse_products"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SparseProducts:
    """[Z X y]'W[Z X y] in working units: X orthonormal, y its residual of unit variance.

    Parameters
    ----------
    shapes : tuple of (int, int)
        Levels and columns of each term.
    coordinates : TermCoordinates
        In which the columns of Z are.
    first : ndarray, shape (l, k, k)
        The block of each level of the first term.
    below : csr_array, shape (q - l k, l k)
        The other terms with the first.
    others : csr_array, shape (q - l k, q - l k)
        The other terms with each other.
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

    shapes: tuple[tuple[int, int], ...]
    coordinates: TermCoordinates
    first: Array
    below: sparse.csr_array
    others: sparse.csr_array
    ZXy: Array
    XXy: Array
    basis: FixedBasis
    gamma: Array
    y_scale: float
    rows: int
    log_weights: float

    @property
    def split(self) -> int:
        """Number of random effects of the first term."""
        levels, columns = self.shapes[0]
        return levels * columns

    @property
    def rank(self) -> int:
        """Rank of X."""
        return int(self.basis.Q.shape[1])

    def by_term(self, effects: Array) -> list[Array]:
        """Return rows for all random effects, (q, m), as one array (l, k, m) for each term."""
        parts, at = [], 0
        for levels, columns in self.shapes:
            size = levels * columns
            parts.append(effects[at : at + size].reshape(levels, columns, *effects.shape[1:]))
            at += size
        return parts

    def multiply(self, effects: Array) -> Array:
        """Return Z'WZ times (q, m)."""
        m, head = effects.shape[1], effects[: self.split]
        levels, columns = self.shapes[0]
        tail = effects[self.split :]
        own = self.first @ head.reshape(levels, columns, m)
        upper = own.reshape(self.split, m) + self.below.T @ tail
        return np.concatenate([upper, self.below @ head + self.others @ tail])

    def constant(self, reml: bool) -> float:
        """Return the objective in the user's units less that in working units."""
        dof = self.rows - self.rank if reml else self.rows
        shift = 2.0 * dof * float(np.log(self.y_scale)) - self.log_weights
        return shift + self.basis.logdet if reml else shift


def _z_matrix(z: Array, refs: NDArray[np.int32], levels: int) -> sparse.csr_array:
    n, k = z.shape
    columns = (refs.astype(np.int64)[:, None] * k + np.arange(k)).ravel()
    starts = np.arange(n + 1) * k
    return sparse.csr_array((z.ravel(), columns, starts), shape=(n, levels * k))


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
    n, rank = design.nobs, basis.Q.shape[1]
    if n <= rank:
        raise DataError(f"There are {n} rows for {rank} fixed-effects coefficients.")
    y = design.y if design.offset is None else design.y - design.offset
    gamma, residual, scale = residual_response(
        y, basis, weights, None if design.reduced is None else n
    )
    terms = [
        TermArrays(len(block.levels), block.refs, block.z, block.pattern) for block in design.blocks
    ]
    coordinates = TermCoordinates(terms, weights)
    Z = [
        _z_matrix(z, block.refs, len(block.levels))
        for z, block in zip(coordinates.z, design.blocks, strict=True)
    ]
    Xy = np.column_stack([basis.Q, residual])
    weighted = Xy if weights is None else Xy * weights[:, None]
    rest = sparse.hstack(Z[1:], format="csr")
    scaled = rest if weights is None else sparse.diags_array(weights) @ rest
    head = coordinates.z[0]
    levels, k = len(design.blocks[0].levels), head.shape[1]
    first = np.empty((levels, k, k))
    for r in range(k):
        for c in range(r + 1):
            product = head[:, r] * head[:, c]
            product = product if weights is None else product * weights
            sums = np.bincount(design.blocks[0].refs, weights=product, minlength=levels)
            first[:, r, c] = first[:, c, r] = sums
    return SparseProducts(
        shapes=tuple((len(b.levels), b.z.shape[1]) for b in design.blocks),
        coordinates=coordinates,
        first=first,
        below=(scaled.T @ Z[0]).tocsr(),
        others=(scaled.T @ rest).tocsr(),
        ZXy=np.concatenate([each.T @ weighted for each in Z]),
        XXy=Xy.T @ weighted,
        basis=basis,
        gamma=gamma,
        y_scale=scale,
        rows=n if weights is None else int(np.count_nonzero(weights)),
        log_weights=design.log_weights,
    )
