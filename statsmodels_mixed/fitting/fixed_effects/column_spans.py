"""Whether columns are combinations of others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from .basis import orthonormal_basis

__all__ = ["outside_span"]


# Relative length of what is left of a column that is taken for rounding.
ROUNDING = 1e-7


def outside_span(columns: Array, of: Array, rounding: float = ROUNDING) -> NDArray[np.bool_]:
    """Find the columns that are no combinations of others.

    Parameters
    ----------
    columns : ndarray, shape (n, k)
    of : ndarray, shape (n, m)
        The others.
    rounding : float
        A column of whose length no larger share is left is one of their combinations.

    Returns
    -------
    ndarray of bool, shape (k,)
    """
    Q = orthonormal_basis(of, None).Q
    left = columns - Q @ (Q.T @ columns)
    lengths = np.linalg.norm(columns, axis=0)
    return np.asarray(np.linalg.norm(left, axis=0) > rounding * lengths)
