"""Which combinations of coefficients the data determine when X is rank deficient.

Columns of X that are combinations of the others, X_d = X_k C, have no coefficients of their
own. A combination x'beta of the coefficients of all columns is *estimable* when x is a
combination of rows of X, x_d = C'x_k; it is then x_k'beta_k, whichever columns were kept. Of any
other combination the data say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from .basis import orthonormal_basis

__all__ = ["Estimability"]


# Share of a column that is taken for rounding.
ROUNDING = 1e-10
# Share of the terms of x_d - C'x_k that is.
APART = 1e-7


@dataclass(frozen=True, eq=False)
class Estimability:
    """How the columns that were dropped depend on the others.

    Parameters
    ----------
    kept, dropped : ndarray of int
        Positions among the columns of X.
    combinations : ndarray, shape (kept, dropped)
        C, with X_d = X_k C.
    """

    kept: NDArray[np.intp]
    dropped: NDArray[np.intp]
    combinations: Array

    @classmethod
    def of(cls, X: Array, kept: NDArray[np.intp]) -> Estimability:
        """Find the dependence of all other columns of X, shape (n, p), on some."""
        dropped = np.setdiff1d(np.arange(X.shape[1]), kept)
        basis = orthonormal_basis(X[:, kept], None)
        C = np.asarray(np.linalg.solve(basis.R, basis.Q.T @ X[:, dropped]))
        lengths = np.linalg.norm(X, axis=0)
        parts = np.abs(C) * lengths[kept][:, None]
        C[parts <= ROUNDING * parts.max(axis=0, initial=0.0)] = 0.0
        return cls(kept, dropped, C)

    def holds(self, rows: Array) -> NDArray[np.bool_]:
        """Return which combinations of all coefficients are estimable.

        Parameters
        ----------
        rows : ndarray, shape (m, p)

        Returns
        -------
        ndarray of bool, shape (m,)
            True where a row is not finite: it is no combination at all.
        """
        finite = np.asarray(np.isfinite(rows).all(axis=1))
        rows = np.where(finite[:, None], rows, 0.0)
        own, others = rows[:, self.dropped], rows[:, self.kept]
        size = np.abs(own) + np.abs(others) @ np.abs(self.combinations)
        gap = np.abs(own - others @ self.combinations)
        return np.asarray(~finite | (gap <= APART * size).all(axis=1))
