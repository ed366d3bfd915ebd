"""Normalized residuals: residuals multiplied by the inverse root of their covariance."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .problem import ResidualProblem

__all__ = ["normalized_rows"]


def normalized_rows(problem: ResidualProblem, x: Array, residual: Array) -> Array:
    """Return L^-1 e with R = L L' for each component.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    residual : ndarray, shape (n,)
        e, unweighted.
    """
    at = problem.model.at(x)
    e = residual if problem.roots is None else residual * problem.roots
    out = np.empty(len(e))
    for batch in problem.batches:
        factor = np.linalg.cholesky(at.residual(batch))
        out[batch.rows] = np.linalg.solve(factor[batch.pattern], e[batch.rows][..., None])[..., 0]
    return out
