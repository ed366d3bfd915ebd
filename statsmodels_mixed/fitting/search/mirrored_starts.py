"""Starts in which the linear predictor of some rows has the other sign.

With the square root link, eta = mu^(1/2), a predictor and its negative have one mean: coefficients
are taken for one another in parts of the rows, and each choice of signs may have an optimum of its
own. A predictor of some columns can change its sign where one of them does: from one of its two
values to the other, or about its middle;
the signs of several columns together are the products of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from ..._typing import Array

__all__ = ["mirrored_coefficients"]

# Columns of which signs are taken, and choices of signs.
MOST_COLUMNS, MOST = 8, 8


def mirrored_coefficients(
    eta: Array, Q: Array, X: Array, offset: Array | None, weights: Array | None
) -> list[Array]:
    """Return coefficients of Q nearest to a predictor with other signs in some rows.

    Parameters
    ----------
    eta : ndarray, shape (n,)
        The predictor, offset included.
    Q, X : ndarray, shape (n, p)
        Columns of the working coefficients, and as they were given.
    offset, weights : ndarray, shape (n,), or None

    Returns
    -------
    list of ndarray, shape (p,)
        For each column of X that has several values, then for several columns together, up to a
        number of them. Without an offset a predictor and its negative are one model: of the two
        that is given which is positive in the mean.
    """
    found: list[Array] = []
    root = np.ones(len(eta)) if weights is None else np.sqrt(weights)
    for signs in _choices(X):
        mirrored = signs * eta
        upright = np.where(mirrored.sum() < 0, -mirrored, mirrored)
        wanted = upright if offset is None else mirrored - offset
        found.append(np.linalg.lstsq(Q * root[:, None], wanted * root, rcond=None)[0])
    return found


def _choices(X: Array) -> Iterator[Array]:
    """Yield signs of the rows, each choice once but for the sign of all."""
    changes = []
    for column in X.T[:MOST_COLUMNS]:
        values = np.unique(column)
        above = column > (values[0] if len(values) == 2 else np.median(column))
        if above.any():
            changes.append(np.where(above, -1.0, 1.0))
    met = {np.ones(len(X)).tobytes()}
    for number in range(1, len(changes) + 1):
        for some in combinations(changes, number):
            signs = np.prod(some, axis=0)
            upright = (signs * signs[0]).tobytes()
            if upright not in met and len(met) <= MOST:
                met.add(upright)
                yield signs
