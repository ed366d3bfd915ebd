"""Satterthwaite's degrees of freedom in parameters of covariance structures, and log sigma^2."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..fitting.estimates import LinearEstimates
from ..fitting.structured.apart import ColumnsApart
from ..fitting.structured.linear import objective_of
from ..fitting.structured.objective import StructuredObjective
from ..frame.design import Design
from .satterthwaite import (
    DIFFERENCE,
    DIFFERENCE_OF_SIZE,
    Satterthwaite,
    pseudo_inverse,
    relative,
    standardized,
)

__all__ = ["prepare_satterthwaite_structured"]


def prepare_satterthwaite_structured(design: Design, estimates: LinearEstimates) -> Satterthwaite:
    """Compute what the tests of all contrasts share; see `prepare_satterthwaite`."""
    other = ColumnsApart.of(design, design.weights)
    if other is not None:
        design, estimates = other.design, other.inner(estimates)
    structured = estimates.structured
    assert structured is not None
    objective = objective_of(design, estimates)
    z, sigma = structured.z, estimates.sigma
    _, root = _gradient_and_root(objective, z)
    hessian = np.empty((len(z), len(z)))
    jacobian = np.empty((len(z), len(estimates.beta), len(estimates.beta)))
    for i, step in enumerate(_steps(objective, z)):
        shift = np.zeros(len(z))
        shift[i] = step
        above, root_above = _gradient_and_root(objective, z + shift)
        below, root_below = _gradient_and_root(objective, z - shift)
        hessian[i] = (above - below) / (2.0 * step)
        jacobian[i] = (relative(root_above, root) - relative(root_below, root)) / (2.0 * step)
    return Satterthwaite(
        beta=estimates.beta,
        covariance=estimates.cov_conditional,
        varpar=2.0 * pseudo_inverse((hessian + hessian.T) / 2.0),
        jacobian=jacobian,
        on_basis=standardized(objective.products, root / sigma, sigma**2),
    )


def _gradient_and_root(objective: StructuredObjective, z: Array) -> tuple[Array, Array]:
    """Return the gradient at z and a root of the covariance of the coefficients on the basis."""
    _, gradient = objective.value_and_gradient(z)
    _, sigma = objective.split(z)
    return gradient, sigma * objective.products.workspace.root()


def _steps(objective: StructuredObjective, z: Array) -> Array:
    """Return a step for each variable, small against the scale on which the criterion varies."""
    _, _, curvature = objective(z)
    diagonal = np.diag(curvature)
    usable = diagonal > 0
    steps = np.full(len(z), DIFFERENCE_OF_SIZE)
    steps[usable] = DIFFERENCE * np.sqrt(2.0 / diagonal[usable])
    return steps
