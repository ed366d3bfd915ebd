"""Normalized residuals, multiplied by the inverse root of R, and the variances of residuals.

With P = V^-1 - V^-1 X M X'V^-1 and M = (X'V^-1 X)^-1 residuals given the random effects are
R P y and have the covariance R P R; marginal ones, y - X beta = V P y, have V P V.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .problem import ResidualProblem

__all__ = ["normalized_rows", "variances_of_residuals"]


# The share of the variance of a row that is left of its residual where nothing but rounding is.
ROUNDING = 1e-12


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


def variances_of_residuals(problem: ResidualProblem, x: Array, marginal: bool) -> Array:
    """Return the variance of each residual, NaN where it is zero for any response.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters, which are taken as known.
    marginal : bool
        Of y - X beta rather than of residuals given the random effects.
    """
    at = problem.model.at(x)
    solution = problem.likelihood(False).solve(at)
    assert solution is not None
    Q, out = problem.basis.Q, np.empty(len(problem.basis.Q))
    for batch, inverse in zip(problem.batches, solution.inverses, strict=True):
        left = at.value(batch) if marginal else at.residual(batch)
        through = left @ inverse
        fixed = through[batch.pattern] @ Q[batch.rows]
        whole = np.diagonal(through @ left, axis1=1, axis2=2)[batch.pattern]
        rest = whole - np.sum((fixed @ solution.M) * fixed, axis=2)
        out[batch.rows] = np.where(rest > ROUNDING * whole, rest, np.nan)
    return out if problem.roots is None else out / problem.roots**2
