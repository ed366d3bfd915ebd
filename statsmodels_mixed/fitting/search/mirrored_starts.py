"""Starts in which the linear predictor of some rows has the other sign.

With the square root link, eta = mu^(1/2), a predictor and its negative have one mean: coefficients
are taken for one another in parts of the rows, and each choice of signs may have an optimum of its
own. A predictor of some columns can change its sign where one of them does: from one of its two
values to the other, or about its middle.
"""

from __future__ import annotations

import numpy as np

from ..._typing import Array

__all__ = ["mirrored_coefficients"]

# Columns of which signs are taken.
MOST = 8


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
        For each column of X that has several values, up to a number of them.
    """
    found: list[Array] = []
    root = np.ones(len(eta)) if weights is None else np.sqrt(weights)
    for column in X.T[:MOST]:
        values = np.unique(column)
        if len(values) == 1:
            continue
        above = column > (values[0] if len(values) == 2 else np.median(column))
        wanted = np.where(above, -eta, eta)
        wanted = wanted if offset is None else wanted - offset
        found.append(np.linalg.lstsq(Q * root[:, None], wanted * root, rcond=None)[0])
    return found
