"""All parameters of a model where one of them is held fixed."""

from __future__ import annotations

from typing import NamedTuple

from .._typing import Array

__all__ = ["Optima"]


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
