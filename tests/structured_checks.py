"""What generalized fits with covariance structures must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation
from statsmodels_mixed.fitting.structured.generalized import StructuredApproximation

Array = NDArray[np.float64]


def difference(function: Callable[[Array], Any], x: Array, h: float = 1e-3) -> Array:
    """Return the derivative of a function by central differences of the sixth order."""
    out = []
    for step in h * np.eye(len(x)):
        at = [function(x + m * step) for m in (1, -1, 2, -2, 3, -3)]
        out.append((45 * (at[0] - at[1]) - 9 * (at[2] - at[3]) + (at[4] - at[5])) / (60 * h))
    return np.array(out)


def check_gradient(fit: Any) -> None:
    """Compare the gradient of the objective, near the end of a fit, with differences."""
    design = fit.model.kept_design()
    problem = prepare_approximation(
        design, fit.estimates.spec, n_agq=1, fast=False, hessian="expected"
    )
    objective = StructuredApproximation.of(problem.core, design, 1.0)
    z = fit.estimates.structured.z + 0.1
    _, gradient, _ = objective(z)
    found = difference(lambda at: objective.value_and_gradient(at)[0], z)
    assert gradient == pytest.approx(found, rel=1e-6, abs=1e-6)


def dense_objective(design: Any, objective: Any, z: Array, reml: bool) -> float:
    """Return -2 log-likelihood of a linear model at z, the minimizer's variables, by matrices."""
    x, sigma = objective.split(z)
    V = sigma**2 * np.eye(len(design.y))
    if design.weights is not None:
        V /= design.weights
    for block, S in zip(design.blocks, objective.model.sigmas(objective.model.phi(x)), strict=True):
        same = block.refs[:, None] == block.refs[None, :]
        V += same * (block.z @ S @ block.z.T)
    X, y = design.X, design.y
    inverse = np.linalg.inv(V)
    xvx = X.T @ inverse @ X
    r = y - X @ np.linalg.solve(xvx, X.T @ inverse @ y)
    n = len(y) - X.shape[1] * reml
    value = n * np.log(2 * np.pi) + np.linalg.slogdet(V)[1] + r @ inverse @ r
    return float(value + (np.linalg.slogdet(xvx)[1] if reml else 0.0))
