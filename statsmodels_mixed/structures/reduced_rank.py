"""Reduced rank: Sigma = L L' with d columns of loadings, zero above the diagonal."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from .registry import register
from .structure import Natural, Parameters, Structure

__all__ = ["ReducedRank"]

Array = NDArray[np.float64]


@register
class ReducedRank(Structure):
    """Effects that are combinations of d independent ones.

    Parameters
    ----------
    d : int
        The rank, 2 if not given.
    """

    name = "rr"
    definite = False

    def __init__(self, d: int = 2) -> None:
        if isinstance(d, bool) or not isinstance(d, int | np.integer) or d < 1:
            raise OptionError(f"rr(d=) is a whole number above zero, not {d!r}.")
        self.d = int(d)

    def prepare(self) -> None:
        """Refuse a rank above the number of effects."""
        if self.d > self.k:
            raise OptionError(f"rr(d={self.d}) has more dimensions than its {self.k} effects.")

    def _places(self, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        columns, rows = np.nonzero(np.tril(np.ones((k, self.d))).T)
        return rows, columns

    def parameters(self, k: int) -> Parameters:
        """Return the loadings, column by column."""
        rows, columns = self._places(k)
        labels = self.labels if len(self.labels) == k else [str(i) for i in range(k)]
        names = tuple(f"loading[{labels[r]},{c + 1}]" for r, c in zip(rows, columns, strict=True))
        start = np.where(rows == columns, 1.0, 0.3)
        return Parameters(names, start, [(-np.inf, np.inf)] * len(names), tuple(range(len(names))))

    def _loadings(self, phi: ArrayLike) -> Array:
        L = np.zeros((self.k, self.d))
        L[self._places(self.k)] = np.asarray(phi, dtype=float)
        return L

    def sigma(self, phi: ArrayLike) -> Array:
        """Return L L'."""
        L = self._loadings(phi)
        return L @ L.T

    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dSigma / dphi_i, shape (m, k, k)."""
        L = self._loadings(phi)
        rows, columns = self._places(self.k)
        out = np.zeros((len(rows), self.k, self.k))
        out[np.arange(len(rows)), rows, :] = L[:, columns].T
        return out + out.swapaxes(1, 2)

    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2Sigma / dphi_i dphi_j, shape (m, m, k, k)."""
        rows, columns = self._places(self.k)
        m = len(rows)
        out = np.zeros((m, m, self.k, self.k))
        i, j = np.nonzero(columns[:, None] == columns[None, :])
        out[i, j, rows[i], rows[j]] = 1.0
        return out + out.swapaxes(2, 3)

    def natural(self, phi: ArrayLike) -> Natural:
        """Return the loadings, with the sign that makes the first of each column positive."""
        L = self._loadings(phi)
        _, columns = self._places(self.k)
        signs = np.where(np.diag(L[: self.d]) < 0, -1.0, 1.0)[columns]
        names = tuple(self.read().names)
        values = np.asarray(phi, dtype=float) * signs
        return Natural(names, values, np.diag(signs), np.ones(len(values), dtype=bool))

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return loadings in proportion to the standard deviations, of several signs."""
        sds = np.asarray(sds, dtype=float)
        rows, columns = self._places(self.k)
        even = np.asarray(self.read().start)
        turned = np.where(rows == columns, 1.0, np.where(rows % 2, -0.3, 0.3))
        return [even * sds[rows], turned * sds[rows]]
