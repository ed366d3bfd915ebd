"""Which columns of X depend on those before them, and an orthonormal basis of the others.

Shifts of a column by a constant do not matter beside an intercept. They are taken off before
lengths are compared: of a column far from zero, or where weights differ widely, little of its
length is new however much it says.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array

__all__ = ["ALIASED", "factored_of_independent"]

# A column is dropped when less than this share of its length is new.
ALIASED = 1e-9
# Or less than this share of what its length was before constants were taken off.
ROUNDED = 1e-14


def factored_of_independent(
    X: Array, weights: Array | None, root: Array | None
) -> tuple[NDArray[np.intp], Array, Array]:
    """Return columns that are independent of those before them, and their factors.

    Parameters
    ----------
    X : ndarray, shape (n, p)
    weights : ndarray, shape (n,), or None
    root : ndarray, shape (n, 1), or None
        Their square roots.

    Returns
    -------
    columns : ndarray of int, shape (rank,)
    Q : ndarray, shape (n, rank)
        With Q'Q = I.
    R : ndarray, shape (rank, rank)
        Upper triangular, root X[:, columns] = Q R.
    """
    shifts = _shifts(X, weights)
    shifted = X - X[0, 0] * shifts if shifts.any() else X
    lengths = np.linalg.norm(X if root is None else X * root, axis=0)
    shifted = shifted if root is None else shifted * root
    columns = _independent(np.asarray(np.linalg.qr(shifted, mode="r")), lengths)
    Q, R = np.linalg.qr(shifted[:, columns])
    if shifts.any():
        R = R + np.outer(R[:, 0], shifts[columns])
    return columns, Q, R


def _shifts(X: Array, weights: Array | None) -> Array:
    """Return how often the first column, if it is constant, is in each other one, shape (p,).

    What a column has in the row of the largest weight: the differences from it are exact, or nearly
    so, and columns far from zero have no more digits than these.
    """
    shifts = np.zeros(X.shape[1])
    if len(X) and X[0, 0] != 0.0 and np.all(X[:, 0] == X[0, 0]):
        heaviest = 0 if weights is None else int(np.argmax(weights))
        shifts[1:] = X[heaviest, 1:] / X[0, 0]
    return shifts


def _independent(R: Array, before: Array) -> NDArray[np.intp]:
    """Return the columns of R, p x p, that are not combinations of kept columns before them.

    Parameters
    ----------
    R : ndarray, shape (p, p)
    before : ndarray, shape (p,)
        Lengths of the columns before they were shifted, of which rounding errors are a share.
    """
    kept: list[int] = []
    basis = np.empty((len(R), 0))
    lengths = np.maximum(ALIASED * np.linalg.norm(R, axis=0), ROUNDED * before)
    for j in range(R.shape[1]):
        rest = R[:, j]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > lengths[j]:
            kept.append(j)
            basis = np.column_stack([basis, rest / length])
    return np.array(kept, dtype=np.intp)
