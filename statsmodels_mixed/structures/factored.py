"""Structures whose parameters are the elements of a factor: Sigma = L L', L lower triangular."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from .structure import Structure

__all__ = ["Factored"]


@cache
def _triangle(k: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a lower triangle, column by column."""
    columns, rows = np.nonzero(np.tril(np.ones((k, width))).T)
    return rows, columns


@cache
def _curvature(k: int, width: int) -> Array:
    """Return the second derivatives of L L', which are the same for all L."""
    rows, columns = _triangle(k, width)
    m = len(rows)
    out = np.zeros((m, m, k, k))
    i, j = np.nonzero(columns[:, None] == columns[None, :])
    out[i, j, rows[i], rows[j]] = 1.0
    out = out + out.swapaxes(2, 3)
    out.flags.writeable = False
    return out


class Factored(Structure):
    """Sigma = L L'; the parameters are the elements of L, column by column."""

    @abstractmethod
    def width(self, k: int) -> int:
        """Return the number of columns of L for k effects."""

    def places(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows and columns of the elements of L, column by column."""
        return _triangle(k, self.width(k))

    def factor(self, phi: ArrayLike) -> Array:
        """Return L, shape (k, width)."""
        L = np.zeros((self.k, self.width(self.k)))
        L[self.places(self.k)] = np.asarray(phi, dtype=float)
        return L

    def sigma(self, phi: ArrayLike) -> Array:
        """Return L L'."""
        L = self.factor(phi)
        return L @ L.T

    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dSigma / dphi_i, shape (m, k, k)."""
        L = self.factor(phi)
        rows, columns = self.places(self.k)
        out = np.zeros((len(rows), self.k, self.k))
        out[np.arange(len(rows)), rows, :] = L[:, columns].T
        return out + out.swapaxes(1, 2)

    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2Sigma / dphi_i dphi_j, shape (m, m, k, k)."""
        return _curvature(self.k, self.width(self.k))
