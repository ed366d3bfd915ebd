"""Unstructured: any covariance matrix, as Sigma = T T' with T lower triangular.

The parameters are the elements of T, column by column; reported are standard deviations and
correlations.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .registry import register
from .sds_correlations import sds_and_correlations
from .structure import Natural, Parameters, Structure

__all__ = ["Unstructured"]

Array = NDArray[np.float64]


@cache
def _triangle(k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of a lower triangle, column by column."""
    columns, rows = np.triu_indices(k)
    return rows, columns


@cache
def _curvature(k: int) -> Array:
    """Return the second derivatives of T T', which are the same for all T."""
    rows, columns = _triangle(k)
    m = len(rows)
    out = np.zeros((m, m, k, k))
    i, j = np.nonzero(columns[:, None] == columns[None, :])
    out[i, j, rows[i], rows[j]] = 1.0
    out = out + out.swapaxes(2, 3)
    out.flags.writeable = False
    return out


@register
class Unstructured(Structure):
    """Any covariance matrix."""

    name = "us"

    def _places(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return rows and columns of the elements of T, column by column."""
        return _triangle(k)

    def parameters(self, k: int) -> Parameters:
        """Return the elements of T."""
        rows, columns = self._places(k)
        names = tuple(f"T[{r + 1},{c + 1}]" for r, c in zip(rows, columns, strict=True))
        limits = [(-np.inf, np.inf)] * len(names)
        return Parameters(names, (rows == columns).astype(float), limits, tuple(range(len(names))))

    def _factor(self, phi: ArrayLike) -> Array:
        T = np.zeros((self.k, self.k))
        T[self._places(self.k)] = np.asarray(phi, dtype=float)
        return T

    def sigma(self, phi: ArrayLike) -> Array:
        """Return T T'."""
        T = self._factor(phi)
        return T @ T.T

    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dSigma / dphi_i, shape (m, k, k)."""
        T = self._factor(phi)
        rows, columns = self._places(self.k)
        out = np.zeros((len(rows), self.k, self.k))
        at = np.arange(len(rows))
        out[at, rows, :] = T[:, columns].T
        return out + out.swapaxes(1, 2)

    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2Sigma / dphi_i dphi_j, shape (m, m, k, k)."""
        return _curvature(self.k)

    def natural(self, phi: ArrayLike) -> Natural:
        """Return standard deviations and correlations."""
        return sds_and_correlations(self.sigma(phi), self.derivatives(phi), self.labels)

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return a diagonal T."""
        T = np.diag(np.asarray(sds, dtype=float))
        return [T[self._places(self.k)]]
