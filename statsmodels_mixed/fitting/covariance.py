"""theta and the factors T: the parameter map, names, and the canonical form of a fit.

Each random block has one lower-triangular factor T, with Cov(b_j) = sigma^2 T T'. theta
lists the free elements of all factors, block by block, column by column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..frame.table.columns import lie_between

__all__ = [
    "CovarianceElement",
    "canonical",
    "change_of_triangle",
    "components",
    "elements_of",
    "factors_of",
    "is_canonical",
    "is_singular",
    "lower_root",
    "signs_changed",
    "theta_names",
    "theta_of",
    "triangular_root",
]

Pattern = NDArray[np.bool_]

# A combination of random effects adds nothing visible to the response when its effect on an
# observation, relative to the residual standard deviation, is below this.
SINGULAR = 1e-4


def _free(pattern: Pattern) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the free elements, column by column."""
    return _places(len(pattern), np.asarray(pattern, dtype=bool).tobytes())


@lru_cache(maxsize=128)
def _places(k: int, pattern: bytes) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the places of the free elements of a k x k matrix; most models have a known one."""
    columns, rows = np.nonzero(np.frombuffer(pattern, dtype=bool).reshape(k, k).T)
    rows.flags.writeable = columns.flags.writeable = False
    return rows, columns


def factors_of(theta: Array, patterns: Sequence[Pattern]) -> tuple[Array, ...]:
    """Return T of every block.

    Parameters
    ----------
    theta : ndarray, shape (n_theta,)
    patterns : sequence of ndarray of bool, shape (k, k)
        Free elements of each T.

    Returns
    -------
    tuple of ndarray, shape (k, k)
    """
    factors, at = [], 0
    for pattern in patterns:
        if pattern.size == 1:  # most patterns are, and have one free element
            factors.append(np.array([[theta[at]]]))
            at += 1
            continue
        rows, columns = _free(pattern)
        T = np.zeros(pattern.shape)
        T[rows, columns] = theta[at : at + len(rows)]
        at += len(rows)
        factors.append(T)
    return tuple(factors)


def change_of_triangle(C: Array) -> Array:
    """Return what takes the elements of a lower triangle T, column by column, to those of C T.

    Parameters
    ----------
    C : ndarray, shape (k, k)
        Lower triangular.

    Returns
    -------
    ndarray, shape (m, m)
        With m = k (k + 1) / 2.
    """
    k, at = len(C), 0
    out = np.zeros((k * (k + 1) // 2,) * 2)
    for j in range(k):
        own = slice(at, at + k - j)
        out[own, own], at = C[j:, j:], own.stop
    return out


def theta_of(factors: Sequence[Array], patterns: Sequence[Pattern]) -> Array:
    """Return theta of given factors; the inverse of `factors_of`."""
    parts = [T[_free(pattern)] for T, pattern in zip(factors, patterns, strict=True)]
    return np.concatenate(parts) if parts else np.empty(0)


def theta_names(blocks: Sequence[tuple[str, Sequence[str], Pattern]]) -> tuple[str, ...]:
    """Return a name for each theta, as lme4 has them: ``"subj.days.Intercept"``.

    Parameters
    ----------
    blocks : sequence of (name, column names, pattern)
    """
    names = []
    for block, columns, pattern in blocks:
        for row, column in zip(*_free(pattern), strict=True):
            parts = (
                [block, columns[row]] if row == column else [block, columns[row], columns[column]]
            )
            names.append(".".join(parts))
    return tuple(names)


@dataclass(frozen=True)
class CovarianceElement:
    """A free element of the covariance matrix of one block: Sigma[row, column], row >= column."""

    block: int
    row: int
    column: int

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Where E_e has ones."""
        both = ((self.row, self.column), (self.column, self.row))
        return both[:1] if self.row == self.column else both


def elements_of(patterns: Sequence[Pattern]) -> list[CovarianceElement]:
    """Return the free elements of all covariance matrices, from the patterns of the T."""
    found = []
    for block, pattern in enumerate(patterns):
        shared = pattern.astype(int) @ pattern.T.astype(int)
        columns, rows = np.nonzero(np.tril(shared).T)
        found += [
            CovarianceElement(block, int(r), int(c)) for r, c in zip(rows, columns, strict=True)
        ]
    return found


def components(pattern: Pattern) -> list[NDArray[np.intp]]:
    """Return the groups of columns that may be correlated with one another."""
    k = len(pattern)
    label = np.arange(k)
    for row, column in zip(*_free(pattern), strict=True):
        label[label == label[row]] = label[column]
    return [np.flatnonzero(label == value) for value in dict.fromkeys(label.tolist())]


def _semidefinite_cholesky(S: Array, tolerance: float) -> Array:
    """Lower-triangular T with T T' = S and a zero column for every dependent row."""
    S = S.copy()
    T = np.zeros_like(S)
    limit = tolerance * np.diag(S)
    for c in range(len(S)):
        if S[c, c] > limit[c]:
            T[c:, c] = S[c:, c] / np.sqrt(S[c, c])
            S[c:, c:] -= np.outer(T[c:, c], T[c:, c])
    return T


def canonical(factors: Sequence[Array], patterns: Sequence[Pattern]) -> tuple[Array, ...]:
    """Return factors with the same covariances in a unique form.

    Diagonal elements are not negative, and where a diagonal element is zero so is the
    rest of its column (moved to later columns by a rotation, which leaves T T' alone).

    Parameters
    ----------
    factors : sequence of ndarray, shape (k, k)
    patterns : sequence of ndarray of bool, shape (k, k)

    Returns
    -------
    tuple of ndarray, shape (k, k)
    """
    out = []
    for factor, pattern in zip(factors, patterns, strict=True):
        if is_canonical([factor]):
            out.append(factor + 0.0)
            continue
        T = factor * np.where(factor.diagonal() < 0, -1.0, 1.0)
        for group in components(pattern):
            part = np.ix_(group, group)
            full = pattern[part].sum() == len(group) * (len(group) + 1) // 2
            lost = (np.diag(T)[group] == 0) & (np.abs(T[part]).sum(axis=0) > 0)
            if full and lost.any():
                T[part] = _semidefinite_cholesky(T[part] @ T[part].T, 1e-14)
        out.append(T + 0.0)  # no negative zeros
    return tuple(out)


def is_canonical(factors: Sequence[Array]) -> bool:
    """Return whether diagonals are positive, so that the factors are as `canonical` makes them.

    Parameters
    ----------
    factors : sequence of ndarray, shape (k, k)
    """
    return all([lie_between(T.diagonal(), 0.0, math.inf) for T in factors])


def signs_changed(before: Sequence[Array], after: Sequence[Array]) -> list[Array]:
    """Return -1 for each column of T that has the other sign after `canonical`, else 1.

    u belongs to the factors: where columns of T change sign, so does u.

    Parameters
    ----------
    before, after : sequence of ndarray, shape (k, k)

    Returns
    -------
    list of ndarray, shape (k,)
    """
    return [
        np.where(T.diagonal() * old.diagonal() < 0, -1.0, 1.0)
        for T, old in zip(after, before, strict=True)
    ]


def is_singular(factors: Sequence[Array], tolerance: float = SINGULAR) -> bool:
    """Return whether some covariance matrix is rank deficient relative to the noise.

    Parameters
    ----------
    factors : sequence of ndarray, shape (k, k)
        T where the columns of Z have unit mean square and, where T joins them, are orthogonal:
        then neither units nor shifts of covariates matter.
    tolerance : float
        Smallest singular value of T that counts as positive.
    """
    return any([_is_deficient(T, tolerance) for T in factors])


def _is_deficient(T: Array, tolerance: float) -> bool:
    """Return whether a lower triangle has a singular value below the tolerance.

    All but the least together are at most (|T|_F^2 / (k - 1))^((k - 1) / 2), by the inequality of
    means, and the product of all is |det T|; that settles most cases without computing them.
    """
    others = len(T) - 1
    determinant = math.prod(map(abs, T.diagonal().tolist()))
    if not others:
        return bool(determinant < tolerance)
    most = (float(np.vdot(T, T)) / others) ** (others / 2)
    if determinant > tolerance * most:  # T = 0 is deficient
        return False
    return bool(np.linalg.svd(T, compute_uv=False)[-1] < tolerance)


def triangular_root(root: NDArray[Any]) -> Array:
    """Return lower-triangular T with T T' = root root' and a diagonal that is not negative."""
    T = np.asarray(np.linalg.qr(root.T, mode="r")).T
    return np.asarray(T * np.where(np.diag(T) < 0, -1.0, 1.0))


def lower_root(sigma: Array) -> Array:
    """Return lower-triangular T with T T' = sigma, which may be singular."""
    values, vectors = np.linalg.eigh(sigma)
    return triangular_root(vectors * np.sqrt(np.maximum(values, 0.0)))
