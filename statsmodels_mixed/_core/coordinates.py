"""The coordinates in which the core sees the random effects of a term.

An unstructured term (1 + x | g) is the same model for every shift and scale of x, but its T is
not: with x far from zero, intercepts and slopes are almost perfectly correlated, and nothing
computed with T keeps its digits. The core is therefore given z C in place of z, where C is lower
triangular and the columns of z C are orthogonal with unit mean square. As z T = (z C) (C^-1 T),
the factor in the core's coordinates is C^-1 T, lower triangular again; b = C b', and the
spherical u are the same in both.

Columns that no free element of T joins are left alone, and so are columns that are far from
dependent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from .._typing import Array

__all__ = ["HasColumns", "TermCoordinates", "orthogonalizer"]


# A column of which less than this share is new is left as it is, but for its size.
DEPENDENT = 1e-9
# The Gram matrix keeps the digits of its columns while pivots are larger than this.
WELL_CONDITIONED = 1e-5
# Columns of which more than this share is new are taken as they are: their units and origin may
# mean something, and T is then simpler in them.
APART = 0.1
# Up to this number of columns that is found out without NumPy.
FEW = 4


class HasColumns(Protocol):
    """What is needed of a term: its columns by row, the free elements of T, the size of a level."""

    @property
    def z(self) -> Array:
        """Columns, shape (n, k)."""

    @property
    def pattern(self) -> NDArray[np.bool_]:
        """Free elements of T, shape (k, k)."""

    @property
    def level_sd(self) -> float:
        """A typical standard deviation of the effects before T."""


class _Places(NamedTuple):
    """What follows from the pattern of a term.

    Attributes
    ----------
    joined : tuple of ndarray of int
        See `_joined`.
    rows, columns : ndarray of int
        Of the free elements of T, column by column.
    diagonal : ndarray of int
        Where those of the diagonal are among the free elements.
    """

    joined: tuple[NDArray[np.intp], ...]
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    diagonal: NDArray[np.intp]


@lru_cache(maxsize=128)
def _places(k: int, pattern: bytes) -> _Places:
    """Read a pattern, of which most models have a known one."""
    square = np.frombuffer(pattern, dtype=bool).reshape(k, k)
    columns, rows = np.nonzero(square.T)
    found = _Places(tuple(_joined(square)), rows, columns, np.flatnonzero(columns == rows))
    for array in (*found.joined, *found[1:]):
        array.flags.writeable = False
    return found


def _joined(pattern: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
    """Return the sets of two columns or more whose block of T is a full lower triangle."""
    k = len(pattern)
    if k < 2:
        return []
    near = pattern | pattern.T
    if near.all():
        return [np.arange(k)]
    sets: list[NDArray[np.intp]] = []
    seen = np.zeros(len(pattern), dtype=bool)
    for column in range(len(pattern)):
        if seen[column]:
            continue
        members = np.flatnonzero(near[column])
        seen[members] = True
        inner = near[np.ix_(members, members)].all()
        alone = near[members].sum() == len(members) ** 2
        if len(members) > 1 and inner and alone:
            sets.append(members)
    return sets


def _backward_triangle(columns: Array, weights: Array | None) -> tuple[Array, Array]:
    """Factor columns = Q L D with Q orthogonal of unit mean square, L lower triangular, D diagonal.

    The last column comes first: each is made orthogonal to those after it. Columns of L have
    length 1, unless a column depends on those after it.
    """
    n, k = columns.shape
    weighted = columns if weights is None else columns * np.sqrt(weights)[:, None]
    flipped = weighted[:, ::-1]
    gram = flipped.T @ flipped / n
    size = np.sqrt(np.diag(gram))
    unit = np.where(size > 0, size, 1.0)
    cosines = gram / np.outer(unit, unit)
    np.fill_diagonal(cosines, 1.0)
    try:
        upper = np.linalg.cholesky(cosines).T
    except np.linalg.LinAlgError:
        upper = np.zeros((k, k))
    if np.min(np.diag(upper)) < WELL_CONDITIONED:
        upper = np.zeros((k, k))
        factor = np.linalg.qr(flipped / (unit * np.sqrt(n)), mode="r")
        sign = np.where(np.diag(factor) < 0, -1.0, 1.0)
        upper[: len(factor)] = sign[:, None] * factor
    for j in range(k):
        if upper[j, j] < DEPENDENT:
            upper[:, j] = 0.0
            upper[j, j] = 1.0
    return upper[::-1, ::-1], unit[::-1]


def _are_apart(columns: Array, weights: Array | None) -> bool:
    """Check cheaply that a few columns are far from dependent; False when in doubt.

    By the pivots of their Gram matrix, the last column first: what is left of the square of a
    column beside those after it.
    """
    weighted = columns if weights is None else columns * weights[:, None]
    gram = weighted.T.dot(columns).tolist()
    squares = [row[i] for i, row in enumerate(gram)]
    for j in range(len(gram) - 1, -1, -1):
        after = gram[j]
        pivot = after[j]
        if not APART**2 * squares[j] < pivot < math.inf:
            return False
        for i in range(j):
            share = after[i] / pivot
            row = gram[i]
            for k in range(i + 1):
                row[k] -= share * after[k]
    return True


def orthogonalizer(columns: Array, weights: Array | None) -> tuple[Array, Array] | None:
    """Return C and the columns times C; None when the columns are far enough from dependent.

    Twice, because the first round leaves rounding errors of the size of the condition number.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
        Of one term, with a full triangle T.
    weights : ndarray, shape (n,), or None
        Weights of the rows in the mean squares.
    """
    if columns.shape[1] <= FEW and _are_apart(columns, weights):
        return None
    L, size = _backward_triangle(columns, weights)
    if np.min(np.diag(L)) > APART:
        return None
    C = _inverse(L) / size[:, None]
    first = columns @ C
    L, size = _backward_triangle(first, weights)
    again = _inverse(L) / size[:, None]
    return C @ again, first @ again


def _inverse(L: Array) -> Array:
    """Return the inverse of a lower triangle."""
    inverse: Array = np.tril(lapack.dtrtri(L, lower=1)[0])
    return inverse


class TermCoordinates:
    """The change of coordinates of all terms of a model.

    Parameters
    ----------
    terms : sequence of HasColumns
    weights : ndarray, shape (n,), optional
        Weights of the rows in the mean squares.

    Attributes
    ----------
    z : tuple of ndarray, shape (n, k)
        Columns of each term in the core's coordinates.
    C : tuple of ndarray, shape (k, k), or None
        For each term; None where nothing changes.
    ntheta : int
        Number of free elements of all T.
    trivial : bool
        Whether nothing changes.
    """

    def __init__(self, terms: Sequence[HasColumns], weights: Array | None = None) -> None:
        z: list[Array] = []
        C: list[Array | None] = []
        # Where a column of T of joined columns is in theta, and the part of C that acts on it.
        self._parts: list[tuple[slice, Array, Array]] = []
        self.diagonal: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        at = 0
        diagonal = []
        for term in terms:
            columns, matrix = term.z, None
            k = term.z.shape[1]
            places = _places(k, np.asarray(term.pattern, dtype=bool).tobytes())
            for members in places.joined:
                joined = term.z if len(members) == k else term.z[:, members]
                made = orthogonalizer(joined, weights)
                if made is None:
                    continue
                if matrix is None:
                    columns, matrix = columns.copy(), np.eye(k)
                matrix[np.ix_(members, members)], columns[:, members] = made
            diagonal.append(at + places.diagonal)
            for column in range(k) if matrix is not None else ():
                where = np.flatnonzero(places.columns == column)
                rows = places.rows[where]
                assert matrix is not None
                part = matrix[np.ix_(rows, rows)]
                self._parts.append((slice(at + where[0], at + where[-1] + 1), part, _inverse(part)))
            at += len(places.rows)
            z.append(columns)
            C.append(matrix)
        self.z, self.C = tuple(z), tuple(C)
        self.ntheta = at
        self._patterns = [term.pattern for term in terms]
        self._level_sds = [term.level_sd for term in terms]
        self._sizes: dict[int | None, Array] = {}
        self.trivial = not self._parts
        if diagonal:
            self.diagonal = diagonal[0] if len(diagonal) == 1 else np.concatenate(diagonal)

    def inward(self, theta: Array) -> Array:
        """Return the core's theta, for one or for each row; elements after theta are kept."""
        if self.trivial:
            return theta
        return self._each(theta, [(where, inverse) for where, _, inverse in self._parts])

    def outward(self, theta: Array) -> Array:
        """Return theta for the core's; the inverse of `inward`."""
        if self.trivial:
            return theta
        return self._each(theta, [(where, part) for where, part, _ in self._parts])

    def gradient_outward(self, gradient: Array) -> Array:
        """Return the gradient in theta for the gradient in the core's theta."""
        if self.trivial:
            return gradient
        return self._each(gradient, [(where, inverse.T) for where, _, inverse in self._parts])

    def curvature_outward(self, hessian: Array) -> Array:
        """Return second derivatives in theta for those in the core's theta."""
        half = self.gradient_outward(hessian).T
        return self.gradient_outward(half).T

    def column_sizes(self, nobs: int | None = None) -> Array:
        """Return the size of what every column of z adds, T being I, for each theta by its row.

        It is a mean over `nobs` rows, where those that are zero are left out.
        """
        if nobs in self._sizes:
            return self._sizes[nobs]
        sizes = []
        for z, pattern, sd in zip(self.z, self._patterns, self._level_sds, strict=True):
            size = np.sqrt(np.einsum("ij,ij->j", z, z) / (nobs or len(z)))
            sizes.append(sd * np.where(size > 0, size, 1.0)[np.nonzero(pattern.T)[1]])
        kept = self._sizes[nobs] = np.concatenate(sizes)
        kept.flags.writeable = False
        return kept

    def forget_sizes(self) -> None:
        """Find `column_sizes` anew, since columns have changed."""
        self._sizes.clear()

    def identity(self, scale: Array) -> Array:
        """Return the theta of the T that is diagonal with these sizes in the core's coordinates.

        Parameters
        ----------
        scale : ndarray, shape (ntheta,)
        """
        if len(self.diagonal) == len(scale):
            return self.outward(scale.copy())
        theta = np.zeros(len(scale))
        theta[self.diagonal] = scale[self.diagonal]
        return self.outward(theta)

    def scale_outward(self, scale: Array) -> Array:
        """Return the typical size of each theta for that of each of the core's theta."""
        out = scale.copy()
        for where, _, inverse in self._parts:
            out[where] = 1.0 / np.sqrt(np.sum((inverse / scale[where, None]) ** 2, axis=0))
        return out

    @staticmethod
    def _each(values: Array, parts: Sequence[tuple[slice, Array]]) -> Array:
        out = values.copy()
        for where, matrix in parts:
            out[..., where] = values[..., where] @ matrix.T
        return out

    def columns_inward(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return columns of every term, (n, k), in the core's coordinates."""
        return tuple(z if C is None else z @ C for z, C in zip(parts, self.C, strict=True))

    def effects(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return b of every term, (l, k), for the core's."""
        return tuple(b if C is None else b @ C.T for b, C in zip(parts, self.C, strict=True))

    def effects_inward(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return directions of b of every term, (l, k, m), in the core's coordinates."""
        return tuple(
            w if C is None else _inverse(C) @ w for w, C in zip(parts, self.C, strict=True)
        )

    def duals(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return what is Z' times rows, (l, k) by term, for the core's."""
        return tuple(
            e if C is None else e @ _inverse(C) for e, C in zip(parts, self.C, strict=True)
        )

    def slopes(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return a row for every random effect, (l, k, p) by term, for the core's."""
        return tuple(rows if C is None else C @ rows for rows, C in zip(parts, self.C, strict=True))

    def covariances(self, parts: Sequence[Array]) -> tuple[Array, ...]:
        """Return a covariance matrix of every level, (l, k, k) by term, for the core's."""
        return tuple(V if C is None else C @ V @ C.T for V, C in zip(parts, self.C, strict=True))

    def joint_covariances(self, matrices: Array) -> Array:
        """Return joint covariance matrices of all terms, (m, K, K), for the core's."""
        at = 0
        for C, z in zip(self.C, self.z, strict=True):
            k = z.shape[1]
            if C is not None:
                matrices[:, at : at + k] = C @ matrices[:, at : at + k]
                matrices[:, :, at : at + k] = matrices[:, :, at : at + k] @ C.T
            at += k
        return matrices
