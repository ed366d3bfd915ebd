"""Leverages of rows with correlated residuals.

With C = Z Sigma Z', what random effects add to V, and M = (X'V^-1 X)^-1 the fitted values are H y,

    H = C V^-1 + (1 - C V^-1) X M X'V^-1,

without random effects the hat matrix of generalized least squares. Its diagonal is found component
by component, with rows multiplied by the roots of their prior weights, which does not change it.

A row that is left out, the covariance parameters kept, changes the coefficients by what a column
of its own would take: with P = V^-1 - V^-1 X M X'V^-1 by M X'V^-1 d (Py)_i / P_ii, d the unit
vector of the row.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .problem import ResidualProblem

__all__ = ["deletion_distances", "deletion_residuals", "leverages"]


# The share of its precision that is left of a row where nothing but rounding is.
ROUNDING = 1e-12


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


def deletion_distances(problem: ResidualProblem, x: Array) -> Array:
    """Return Cook's distances of rows times the number of coefficients, exactly, shape (n,).

    That is c'M^-1 c of the change c of the coefficients without the row.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    """
    Py, rest, fixed = _deletions(problem, x)
    return (Py / rest) ** 2 * fixed


def deletion_residuals(problem: ResidualProblem, x: Array) -> Array:
    """Return (Py)_i / sqrt(P_ii), shape (n,).

    That is the response of a row less its prediction from all other rows, over the standard
    deviation of the difference (Haslett and Hayes 1998, Journal of the Royal Statistical Society B
    60, 201-215), the covariance parameters kept.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    """
    Py, rest, _ = _deletions(problem, x)
    return np.asarray(Py / np.sqrt(rest))


def _deletions(problem: ResidualProblem, x: Array) -> tuple[Array, Array, Array]:
    """Return Py and the diagonals of P and of V^-1 X M X'V^-1, (n,) each.

    The former is NaN where nothing but rounding is left of it.
    """
    solution = problem.likelihood(False).solve(problem.model.at(x))
    assert solution is not None
    Q, M = problem.basis.Q, solution.M
    residual = problem.residual - Q @ solution.gamma
    out = np.empty((3, len(Q)))
    for batch, inverse in zip(problem.batches, solution.inverses, strict=True):
        within = inverse[batch.pattern]
        Py = (within @ residual[batch.rows][:, :, None])[:, :, 0]
        U = within @ Q[batch.rows]
        fixed = np.sum((U @ M) * U, axis=2)
        whole = np.diagonal(within, axis1=1, axis2=2)
        rest = np.where(whole - fixed > ROUNDING * whole, whole - fixed, np.nan)
        out[:, batch.rows] = Py, rest, fixed
    return out[0], out[1], out[2]
