"""Limits where the profile likelihood of a coefficient has fallen by a given amount.

With f the objective, -2 log-likelihood, and psi all parameters, the limits of the coefficient
a'psi are the values c at which min {f(psi): a'psi = c} = f(estimate) + q. The root of f less its
minimum is close to a straight line in c, which the secant method uses.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import null_space
from scipy.optimize import minimize

from .._typing import Array
from ..frame.design import Design
from .approximation import generalized_structure
from .distributional import DistributionalEstimates, model_of_rows

__all__ = ["profile_limits"]

Objective = Callable[[Array], tuple[float, Array]]

# Steps of the secant method, and how near to q it ends.
_STEPS = 30
_NEAR = 1e-5
# A limit is infinite where it is not within this number of standard errors.
_FAR = 100.0


def profile_limits(
    design: Design, estimates: DistributionalEstimates, which: list[int], q: float
) -> Array:
    """Return lower and upper limits of coefficients.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : DistributionalEstimates
    which : list of int
        Positions among theta, beta and the coefficients of the other parts.
    q : float
        The rise of -2 log-likelihood.

    Returns
    -------
    ndarray, shape (len(which), 2)
        NaN for coefficients that the data do not determine or whose profile cannot be followed;
        infinite where the objective never rises so far.
    """
    structure = generalized_structure(design)
    mean, rows, basis = estimates.conditional, estimates.rows, structure.basis
    core = model_of_rows(structure.core, design, mean.spec, rows, mean.n_agq)
    nt, rank, m = len(mean.theta), len(mean.beta), len(estimates.covariance)
    change = np.eye(m)
    change[nt : nt + rank, nt : nt + rank] = np.linalg.inv(basis.R)
    change[nt + rank :, nt + rank :] = rows.back
    user = np.concatenate([mean.theta, mean.beta, estimates.kappa])
    center: Array = np.asarray(np.linalg.solve(change, user), dtype=float)
    known = np.isfinite(np.diag(estimates.covariance))
    inverse = np.linalg.inv(change)
    some = np.where(np.isfinite(estimates.covariance), estimates.covariance, 0.0)
    covariance: Array = np.asarray(inverse @ some @ inverse.T, dtype=float)
    least, _ = core.value_and_gradient(center)
    out = np.full((len(which), 2), np.nan)
    for at, j in enumerate(which):
        if known[j]:
            path = _Path(core.value_and_gradient, center, covariance, change[j], least)
            out[at] = [path.limit(-1.0, q), path.limit(1.0, q)]
    return out


class _Path:
    """Minima of the objective at values of a coefficient."""

    def __init__(
        self, objective: Objective, center: Array, covariance: Array, row: Array, least: float
    ) -> None:
        self._objective, self._center, self._least = objective, center, least
        self._value = float(row @ center)
        self._error = float(np.sqrt(row @ covariance @ row))
        self._along = covariance @ row / self._error**2
        # Directions that leave the coefficient alone, in which the curvature is about 1.
        self._others = null_space(row[None, :])
        part = self._others.T @ covariance @ self._others
        values, vectors = np.linalg.eigh(part)
        size = np.sqrt(np.maximum(values, 1e-8 * max(float(values.max(initial=1.0)), 1e-8)))
        self._others = self._others @ (vectors * size)

    def limit(self, sign: float, q: float) -> float:
        """Return the value of the coefficient at which the minimum has risen by q."""
        wanted = float(np.sqrt(q))
        step, start = wanted, np.zeros(self._others.shape[1])
        low, high = (0.0, 0.0), None
        for _ in range(_STEPS):
            rise, start = self._rise(sign * step, start)
            if not np.isfinite(rise):
                step = 0.5 * (low[0] + step)
                continue
            root = float(np.sqrt(max(rise, 0.0)))
            if abs(rise - q) < _NEAR * q:
                return self._value + sign * step * self._error
            if root < wanted:
                low = (step, root)
                if step > _FAR:
                    return sign * np.inf
            else:
                high = (step, root)
            if high is None:
                slope = max(root / step, 0.1)
                step = min(step + 1.2 * (wanted - root) / slope, 3.0 * step)
            else:
                share = (wanted - low[1]) / (high[1] - low[1])
                step = low[0] + min(max(share, 0.02), 0.98) * (high[0] - low[0])
        return np.nan

    def _rise(self, errors: float, start: Array) -> tuple[float, Array]:
        """Return the rise at this number of standard errors, and the place of the minimum."""
        base = self._center + self._along * (errors * self._error)

        def value(w: Array) -> tuple[float, Array]:
            f, gradient = self._objective(base + self._others @ w)
            if not (np.isfinite(f) and np.isfinite(gradient).all()):
                return 1e10, np.zeros(len(w))
            return f - self._least, self._others.T @ gradient

        if not len(start):
            return value(start)[0], start
        # With a curvature of 2 in every direction; the start is the place of the last minimum.
        found = minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-5})
        return (float(found.fun) if found.fun < 1e9 else np.inf), found.x
