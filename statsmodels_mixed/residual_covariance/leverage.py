"""Leverages of rows with correlated residuals.

With C = Z Sigma Z', what random effects add to V, and M = (X'V^-1 X)^-1 the fitted values are H y,

    H = C V^-1 + (1 - C V^-1) X M X'V^-1,

without random effects the hat matrix of generalized least squares. Its diagonal is found component
by component, with rows multiplied by the roots of their prior weights, which does not change it.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .problem import ResidualProblem

__all__ = ["leverages"]


def leverages(problem: ResidualProblem, x: Array) -> Array:
    """Return the diagonal of H, shape (n,).

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    """
    at = problem.model.at(x)
    solution = problem.likelihood(False).solve(at)
    assert solution is not None
    Q = problem.basis.Q
    out = np.empty(len(Q))
    for batch, inverse in zip(problem.batches, solution.inverses, strict=True):
        added = ((at.value(batch) - at.residual(batch)) @ inverse)[batch.pattern]
        X = Q[batch.rows]
        right = inverse[batch.pattern] @ X @ solution.M
        own = np.diagonal(added, axis1=1, axis2=2)
        out[batch.rows] = own + np.sum((X - added @ X) * right, axis=2)
    return out
