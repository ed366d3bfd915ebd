"""The contrasts of a hypothesis: the coefficients that they have, and which are independent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from .._typing import Array, Positions
from ..errors import OptionError

__all__ = ["independent", "present"]


# Elements of contrasts below this share of the largest are rounding errors of zero.
ROUNDING = 1e-12
# A contrast is a combination of others when less than this share of its length is its own.
DEPENDENT = 1e-10
# Dependent contrasts have values that depend in the same way, up to this share of their size.
CONTRADICTION = 1e-6


def present(rows: Array) -> NDArray[np.bool_]:
    """Return which coefficients contrasts have; those computed are zero to rounding.

    Parameters
    ----------
    rows : ndarray, shape (m, rank)

    Returns
    -------
    ndarray of bool, shape (m, rank)
    """
    sizes = np.abs(rows)
    return np.asarray(sizes > ROUNDING * sizes.max(axis=1, initial=0.0, keepdims=True))


def independent(rows: Array, values: Array, beta: Array) -> Positions:
    """Return which contrasts do not depend on the others, after checking their values.

    Parameters
    ----------
    rows : ndarray, shape (m, rank)
    values : ndarray, shape (m,)
        Under the hypothesis.
    beta : ndarray, shape (rank,)
        Coefficients, for the size of the values.

    Returns
    -------
    ndarray of int
        Places of as many rows as their rank, in order.

    Raises
    ------
    OptionError
        If the contrasts are zero, or no coefficients have all the values.
    """
    columns = np.max(np.abs(rows), axis=0, initial=0.0)
    scaled = rows / np.where(columns > 0, columns, 1.0)
    lengths = np.linalg.norm(scaled, axis=1)
    lengths = np.where(lengths > 0, lengths, 1.0)
    R, order = qr((scaled / lengths[:, None]).T, mode="r", pivoting=True)
    steps = np.abs(np.diag(R))
    rank = int(np.sum(steps > DEPENDENT * np.max(steps, initial=0.0)))
    kept, rest = order[:rank], order[rank:]
    given = values / lengths
    implied = solve_triangular(R[:rank, :rank], R[:rank, rank:]).T @ given[kept] if rank else 0.0
    reach = np.max((np.abs(rows) @ np.abs(beta) + np.abs(values)) / lengths, initial=0.0)
    if np.any(np.abs(given[rest] - implied) > CONTRADICTION * reach):
        raise OptionError("the hypotheses contradict one another: no coefficients satisfy all.")
    if not rank:
        raise OptionError("the contrasts are zero: there is nothing to test.")
    return np.sort(kept)
