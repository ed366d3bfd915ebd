"""An orthonormal basis of the fixed effects, and the response without them.

Cross-products lose half the digits of badly scaled data: y = 1e9 + noise would lose the
noise. So X is replaced by a basis Q with Q'WQ = I and y by its residual on Q, scaled to
unit variance, before any cross-product is formed; estimates are carried back after.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from ..._core import cholesky_qr, one_blas_thread, split_by_basis
from ..._frozen import quickly_made
from ..._typing import Array
from ...errors import DataError
from ...frame.table.columns import column_squares, lie_between
from ...later import load

__all__ = [
    "FixedBasis",
    "OnBasis",
    "orthonormal_basis",
    "refuse_few_rows",
    "residual_response",
    "root_mean_square",
]


# Sums of squares of numbers up to 2 to this power, and above its inverse, are far from the ends
# of the range of doubles.
ORDINARY = 300
# Sums of squares that are surely of a column of ordinary size.
SAFE_SQUARES = (2.0**-500, 2.0**500)
# The response is reproduced when less than this share of its root mean square is left.
REPRODUCED = 1e-14
# Of a residual that is a smaller share of the response rounding errors are worth to be taken off.
SMALL = 1e-5


def binary_exponents(values: Array) -> NDArray[np.intc]:
    """Return for each column e such that 2^-e times it may be squared; 0 for ordinary columns.

    Powers of two, so that nothing is rounded.
    """
    if not values.size or lie_between(column_squares(values), *SAFE_SQUARES):
        return np.zeros(values.shape[1:], dtype=np.intc)
    largest = np.maximum(values.max(axis=0), -values.min(axis=0))
    exponents = np.frexp(largest)[1]
    return np.where(np.abs(exponents) > ORDINARY, exponents, 0).astype(np.intc)


def _unit(values: Array, squares: float) -> float:
    """Return the power of two by which values, shape (n,), are divided before they are squared.

    Parameters
    ----------
    values : ndarray, shape (n,)
    squares : float
        The sum of their squares.
    """
    low, high = SAFE_SQUARES
    if low < squares < high:
        return 1.0
    return 2.0 ** int(binary_exponents(values[:, None])[0])


@quickly_made
@dataclass(frozen=True, eq=False)
class OnBasis:
    """A covariance of coefficients by that of the coefficients on an orthonormal basis of X.

    Where columns of X are far from zero or nearly dependent the covariance of the coefficients
    has numbers so large that little is left of their differences; these have all digits.

    Parameters
    ----------
    inverse : ndarray, shape (m, rank)
        R^-1, where X = Q R, or other combinations of the coefficients on Q. NaN in rows of what
        has no covariance.
    matrix : ndarray, shape (rank, rank)
        Covariance of the coefficients on Q, over `scale`.
    scale : float
    root : ndarray, shape (rank, rank), or None
        root root' = matrix, where it is known. Random effects may make some combinations of
        coefficients so much more uncertain than others that little is left of the variances of
        these in `matrix`; half of the digits lost there are kept in this.
    """

    inverse: Array
    matrix: Array
    scale: float = 1.0
    root: Array | None = None

    @classmethod
    def of_root(cls, root: Array) -> OnBasis:
        """Return the covariance root root', shape (m, m)."""
        return cls(root, np.eye(root.shape[1]))

    @classmethod
    def of_covariance(cls, covariance: Array) -> OnBasis:
        """Return a covariance of which no more is known, shape (m, m); of NaN there is none."""
        lost = ~(np.isfinite(np.diag(covariance)) & (np.diag(covariance) >= 0))
        whole = np.where(lost | lost[:, None], 0.0, covariance)
        return cls(np.eye(len(covariance)), whole).without(lost)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which coefficients there is a covariance, shape (m,)."""
        return np.asarray(np.isfinite(self.inverse).all(axis=1))

    @property
    def covariance(self) -> Array:
        """The covariance of the coefficients, shape (m, m)."""
        full = self.scale * (self.inverse @ self.matrix @ self.inverse.T)
        return np.asarray((full + full.T) / 2)

    def taken(self, at: Any) -> OnBasis:
        """Return the covariance of some of the coefficients."""
        return replace(self, inverse=self.inverse[at])

    def combined(self, rows: Array) -> OnBasis:
        """Return the covariance of combinations, (l, m), none for those with a part of no known."""
        inverse = rows @ np.where(self.known[:, None], self.inverse, 0.0)
        inverse[np.any(rows[:, ~self.known] != 0, axis=1)] = np.nan
        return replace(self, inverse=inverse)

    def without(self, unknown: NDArray[np.bool_]) -> OnBasis:
        """Return it with no covariance of some of the coefficients, a mask of shape (m,)."""
        return replace(self, inverse=np.where(unknown[:, None], np.nan, self.inverse))

    def variances(self, rows: Array) -> Array:
        """Return the variances of combinations of the coefficients, rows (m, rank), shape (m,)."""
        rows = rows @ self.inverse
        return np.asarray(self.scale * np.einsum("mi,mi->m", rows @ self.matrix, rows))

    def standardized(self) -> OnBasis:
        """Return the same where all combinations have variances of one size, if a root is known."""
        if self.root is None:
            return self
        return OnBasis(self.inverse @ self.root, np.eye(len(self.root)), self.scale)


@quickly_made
@dataclass(frozen=True)
class FixedBasis:
    """X restricted to independent columns, factored.

    Parameters
    ----------
    columns : ndarray of int, shape (rank,)
        The columns of X that are kept, each independent of those before it.
    Q : ndarray, shape (n, rank), C order
        Basis with Q'WQ = I.
    R : ndarray, shape (rank, rank)
        Upper triangular, X[:, columns] = Q R.
    surely_ordinary : bool
        Whether the columns of R, which are as long as those of X, are known to be of ordinary size.
    """

    columns: NDArray[np.intp]
    Q: Array
    R: Array
    surely_ordinary: bool = False

    @property
    def logdet(self) -> float:
        """log|X'WX| of the kept columns."""
        return 2.0 * sum([math.log(abs(length)) for length in self.R.diagonal().tolist()])

    @cached_property
    def inverse(self) -> Array:
        """R^-1, shape (rank, rank)."""
        rank = len(self.columns)
        if not rank:
            return np.empty((0, 0))
        with one_blas_thread():
            inverse: Array = lapack.dtrtri(self.R)[0]
        return inverse

    def coefficients(self, gamma: Array) -> Array:
        """Return beta with X beta = Q gamma, shape (rank,); infinite where it overflows."""
        if not len(gamma):
            return gamma
        R, exponents = self._ordinary_factor
        with one_blas_thread():  # OpenBLAS starts its threads for a triangle of any size
            beta: Array = lapack.dtrtrs(R, gamma)[0]
        if exponents is None:
            return beta
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(beta, -exponents))

    def covariance(self, inverse: Array) -> Array:
        """Return R^-1 inverse R'^-1, symmetric, shape (rank, rank).

        Elements beyond the range of doubles are infinite or zero.
        """
        if not len(inverse):
            return inverse
        full, exponents = self._ordinary_covariance(inverse)
        if exponents is None:
            return full
        with np.errstate(over="ignore", under="ignore"):
            return np.asarray(np.ldexp(full, -exponents[:, None] - exponents))

    def standard_errors(self, inverse: Array) -> Array:
        """Return square roots of the diagonal of `covariance`, even where that overflows."""
        if not len(inverse):
            return np.empty(0)
        full, exponents = self._ordinary_covariance(inverse)
        errors: Array = np.sqrt(full.diagonal())
        if exponents is None:
            return errors
        with np.errstate(over="ignore", under="ignore"):
            return np.ldexp(errors, -exponents)

    @cached_property
    def is_ordinary(self) -> bool:
        """Whether all columns are of ordinary size, so that nothing here can overflow."""
        return self._ordinary_factor[1] is None

    @cached_property
    def _ordinary_factor(self) -> tuple[Array, NDArray[np.intc] | None]:
        """Return R 2^-e and e, by column, with columns of ordinary size; None for e = 0."""
        if self.surely_ordinary:
            return self.R, None
        exponents = binary_exponents(self.R)
        return (np.ldexp(self.R, -exponents), exponents) if exponents.any() else (self.R, None)

    def _ordinary_covariance(self, inverse: Array) -> tuple[Array, NDArray[np.intc] | None]:
        """Return C and e such that C_ij / 2^(e_i + e_j) is the covariance; None for e = 0."""
        R, exponents = self._ordinary_factor
        with one_blas_thread():
            half = lapack.dtrtrs(R, inverse)[0]
            full: Array = lapack.dtrtrs(R, half.T)[0]
        return (full + full.T) / 2, exponents


def orthonormal_basis(X: Array, weights: Array | None) -> FixedBasis:
    """Factor X, dropping columns that depend on earlier ones.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    weights : ndarray, shape (n,), or None

    Returns
    -------
    FixedBasis
    """
    n, p = X.shape
    if p == 0:
        return FixedBasis(np.empty(0, dtype=np.intp), np.empty((n, 0)), np.empty((0, 0)))
    with one_blas_thread():  # as for a triangle
        return _factored(X, weights)


def _factored(X: Array, weights: Array | None) -> FixedBasis:
    n, p = X.shape
    factored = cholesky_qr(X, weights) if n >= p else None
    if factored is not None:
        return FixedBasis(np.arange(p), factored[0], factored[1], True)
    exponents = binary_exponents(X)
    extreme = bool(exponents.any())
    if extreme:
        X = np.ldexp(X, -exponents)
    columns = np.arange(p)
    factored = cholesky_qr(X, weights) if n >= p and extreme else None
    if factored is None:
        root = None if weights is None else np.sqrt(weights)[:, None]
        independent = load("fitting.fixed_effects.independent_columns:factored_of_independent")
        columns, Q, R = independent(X, weights, root)
        if root is not None:
            Q = Q / root
    else:
        Q, R = factored
    if extreme:
        R = np.ldexp(R, exponents[columns])
    known = not extreme and weights is None
    return FixedBasis(columns, np.ascontiguousarray(Q), np.asfortranarray(R), known)


def residual_response(
    y: Array, X: Array, basis: FixedBasis, weights: Array | None, nobs: int | None = None
) -> tuple[Array, Array, float]:
    """Split y = Q gamma + scale * residual.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Response less offset.
    X : ndarray, shape (n, p)
        The columns that the basis is of.
    basis : FixedBasis
    weights : ndarray, shape (n,), or None
    nobs : int, optional
        Number of rows of the data where others are zero, for the mean.

    Returns
    -------
    gamma : ndarray, shape (rank,)
    residual : ndarray, shape (n,)
        With mean (weighted) square 1.
    scale : float

    Raises
    ------
    DataError
        If the fixed effects leave nothing of y.
    """
    n = len(y) if nobs is None else nobs
    gamma, residual, scale, squares = split_by_basis(y, basis.Q, weights, n)
    unit = _unit(y, squares[0])
    if unit != 1.0:
        y = y / unit
        gamma, residual, scale, squares = split_by_basis(y, basis.Q, weights, n)
    size = math.sqrt(squares[1] / n)
    if scale < SMALL * size and basis.is_ordinary:
        gamma, residual = _refined(y, X, basis, weights, gamma)
        scale = root_mean_square(residual, weights) * math.sqrt(len(y) / n)
        residual = residual / scale if scale > 0 else residual
    if not scale > REPRODUCED * size:
        raise DataError(
            "The fixed effects reproduce the response exactly, so nothing is left for random "
            "effects; remove fixed-effects terms."
        )
    return gamma * unit, residual, scale * unit


def _refined(
    y: Array, X: Array, basis: FixedBasis, weights: Array | None, gamma: Array
) -> tuple[Array, Array]:
    """Return coefficients and residual of a response that is far from zero.

    Rounding errors of y - Q gamma are those of y. Fitted values of the columns themselves, summed
    with more digits where the machine has them, leave the residual with its own.
    """
    beta = basis.coefficients(gamma)
    left = y.astype(np.longdouble)
    for j, column in enumerate(basis.columns):
        left -= X[:, column] * np.longdouble(beta[j])
    gamma, residual = basis.R @ beta, left.astype(float)
    for _ in range(2):
        part = basis.Q.T @ (residual if weights is None else residual * weights)
        gamma = gamma + part
        residual = residual - basis.Q @ part
    return gamma, residual


def root_mean_square(values: Array, weights: Array | None) -> float:
    """Return the root of the mean (weighted) square of values, shape (n,)."""
    squares = float(values.dot(values))
    unit = _unit(values, squares)
    if unit != 1.0:
        values = values / unit
    elif weights is None:
        return math.sqrt(squares / len(values))
    weighted = values if weights is None else weights * values
    return unit * math.sqrt(float(weighted.dot(values)) / len(values))


def refuse_few_rows(n: int, rank: int, names: Sequence[str]) -> None:
    """Make sure that n rows leave something beside coefficients of `rank` columns.

    Parameters
    ----------
    n, rank : int
    names : sequence of str
        Names of the columns of X.

    Raises
    ------
    DataError
        If they do not.
    """
    if n > rank:
        return
    # Numbers that were read as text have a column for each of their values.
    factor, count = Counter(name.partition("[")[0] for name in names).most_common(1)[0]
    whose = f": {factor} has {count} of them, for its levels" if count > n / 2 else ""
    raise DataError(
        f"there are {n} rows for {rank} fixed-effects coefficients{whose}; a model needs more rows "
        "than coefficients."
    )
