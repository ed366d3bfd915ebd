"""The parameters of many fits of one model, those of each in a row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array

__all__ = ["ParameterRows"]


@dataclass(frozen=True, eq=False)
class ParameterRows:
    """Objective, scale, coefficients, their standard errors and theta of m fits.

    Parameters
    ----------
    values : ndarray, shape (m, 2 + 2 rank + n_theta)
        The parameters in this order; the properties are views of them.
    rank : int
        Number of coefficients.
    """

    values: Array
    rank: int

    @classmethod
    def of(
        cls, *, objective: Array, scale: Array, beta: Array, se: Array, theta: Array
    ) -> ParameterRows:
        """Join columns, shape (m,), and matrices, shape (m, k)."""
        head = np.column_stack([objective, scale])
        return cls(np.hstack([head, beta, se, theta]), beta.shape[1])

    @classmethod
    def one(
        cls, *, objective: float, scale: float, beta: Array, se: Array, theta: Array
    ) -> ParameterRows:
        """Return the row of one fit."""
        head = np.array([objective, scale])
        return cls(np.concatenate([head, beta, se, theta])[None, :], len(beta))

    @property
    def objective(self) -> Array:
        """Objectives, shape (m,)."""
        return self.values[:, 0]

    @property
    def scale(self) -> Array:
        """Sigma or the dispersion, shape (m,)."""
        return self.values[:, 1]

    @property
    def beta(self) -> Array:
        """Coefficients, shape (m, rank)."""
        return self.values[:, 2 : 2 + self.rank]

    @property
    def se(self) -> Array:
        """Their standard errors, shape (m, rank)."""
        return self.values[:, 2 + self.rank : 2 + 2 * self.rank]

    @property
    def theta(self) -> Array:
        """Covariance parameters, shape (m, n_theta); see `Fits.reported` of structures."""
        return self.values[:, 2 + 2 * self.rank :]
