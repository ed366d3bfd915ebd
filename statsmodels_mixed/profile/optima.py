"""All parameters of a model where one of them is held fixed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Optima"]

Array = NDArray[np.float64]


class Optima(NamedTuple):
    """The optimum at each point of a curve, in the units of the data.

    Parameters
    ----------
    scale : ndarray, shape (m,)
        sigma, or the dispersion of a generalized model.
    beta : ndarray, shape (m, rank)
    theta : ndarray, shape (m, n_theta)
    """

    scale: Array
    beta: Array
    theta: Array

    def backwards(self) -> Optima:
        """Return the points in the opposite order."""
        return Optima(self.scale[::-1], self.beta[::-1], self.theta[::-1])
