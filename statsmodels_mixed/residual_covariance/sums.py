"""Quadratic forms of the rows of a batch, summed over the components of each pattern.

With Y_i (m x r) the rows of component i, S_p[a, b, j, k] = sum_i Y_i[a, j] Y_i[b, k] holds all
that a likelihood needs of a pattern, for any covariance matrix and number of components. Where
there are few components of each pattern, their rows are kept instead.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from .components import Batch

__all__ = ["SingleRows", "Sums", "forms"]


# Sums of this size cost less than loops over parameters.
FEW_NUMBERS = 200_000


class Forms(Protocol):
    """What is asked of the rows of a batch; coefficients have one matrix for each pattern."""

    def quadratic(self, coefficients: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i of C, (q, P, m, m): shape (q, r, r)."""

    def vector(self, coefficients: Array, b: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i b, shape (q, r)."""

    def outer(self, M: Array) -> Array:
        """Return sum_i Y_i M Y_i' of each pattern, shape (P, m, m)."""


class Sums:
    """The sums S of each pattern.

    Parameters
    ----------
    Y : ndarray, shape (C, m, r)
        Pattern by pattern.
    counts : ndarray, shape (P,)
    """

    def __init__(self, Y: Array, counts: NDArray[np.intp]) -> None:
        _, m, r = Y.shape
        self.shape = (len(counts), m, r)
        flat = Y.reshape(len(Y), m * r)
        S = np.empty((len(counts), m, m, r, r))
        start = 0
        for p, count in enumerate(counts.tolist()):
            some = flat[start : start + count]
            S[p] = (some.T @ some).reshape(m, r, m, r).transpose(0, 2, 1, 3)
            start += count
        self.S = S.reshape(len(counts) * m * m, r * r)

    def quadratic(self, coefficients: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i, shape (q, r, r)."""
        q, r = len(coefficients), self.shape[2]
        return np.asarray(coefficients.reshape(q, -1) @ self.S).reshape(q, r, r)

    def vector(self, coefficients: Array, b: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i b, shape (q, r)."""
        r = self.shape[2]
        half = self.S.reshape(-1, r) @ b
        return np.asarray(coefficients.reshape(len(coefficients), -1) @ half.reshape(-1, r))

    def outer(self, M: Array) -> Array:
        """Return sum_i Y_i M Y_i', shape (P, m, m)."""
        count, m, _ = self.shape
        return np.asarray(self.S @ M.ravel()).reshape(count, m, m)


class SingleRows:
    """The rows themselves.

    Parameters
    ----------
    Y : ndarray, shape (C, m, r)
    counts : ndarray, shape (P,)
    """

    def __init__(self, Y: Array, counts: NDArray[np.intp]) -> None:
        self.Y = Y
        self.starts = np.cumsum(counts) - counts
        self.pattern = None if len(Y) == len(counts) else np.repeat(np.arange(len(counts)), counts)

    def _each(self, coefficients: Array) -> Array:
        return coefficients if self.pattern is None else coefficients[self.pattern]

    def quadratic(self, coefficients: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i, shape (q, r, r)."""
        r = self.Y.shape[2]
        flat = self.Y.reshape(-1, r)
        return np.array([flat.T @ (self._each(C) @ self.Y).reshape(-1, r) for C in coefficients])

    def vector(self, coefficients: Array, b: Array) -> Array:
        """Return sum_i Y_i' C_q Y_i b, shape (q, r)."""
        r = self.Y.shape[2]
        flat, values = self.Y.reshape(-1, r), (self.Y @ b)[:, :, None]
        return np.array([flat.T @ (self._each(C) @ values).ravel() for C in coefficients])

    def outer(self, M: Array) -> Array:
        """Return sum_i Y_i M Y_i', shape (P, m, m)."""
        each = (self.Y @ M) @ self.Y.transpose(0, 2, 1)
        return each if self.pattern is None else np.add.reduceat(each, self.starts, axis=0)


def forms(batch: Batch, Y: Array) -> Forms:
    """Return the quadratic forms of a batch, in the way that costs less.

    Parameters
    ----------
    batch : Batch
    Y : ndarray, shape (n, r)
    """
    own = Y[batch.rows]
    count, m, r = own.shape
    patterns = len(batch.counts)
    if patterns * m * r < count * (m + r) or patterns * (m * r) ** 2 < FEW_NUMBERS:
        return Sums(own, batch.counts)
    return SingleRows(own, batch.counts)
