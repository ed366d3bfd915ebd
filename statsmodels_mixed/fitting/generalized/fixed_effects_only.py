"""Objectives of models without random effects, as they were defined for the mixed models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ..._typing import Array
from ...frame.design import Design
from ..estimates import GeneralizedEstimates
from ..families.row_information import row_unit
from ..families.spec import family_object
from ..fixed_effects.basis import orthonormal_basis, residual_response
from ..search.edge_of_range import has_bounded_range
from .approximation import objective_and_gradient
from .start import default_start, glm_coefficients

__all__ = ["generalized_objective", "linear_objective"]

# Searches without derivatives, each from the end of the one before, where the likelihood rises up
# to the edge of the range of means.
SIMPLICES, TOLERANCE = 3, 1e-9


def linear_objective(design: Design, reml: bool, sigma: float | None) -> float:
    """Return -2 log-likelihood or the REML criterion of a linear model.

    Parameters
    ----------
    design : Design
        Its random effects are left out.
    reml : bool
    sigma : float or None
        The residual standard deviation if it is given.
    """
    y = design.y_less_offset
    basis = orthonormal_basis(design.X, design.weights)
    _, _, scale = residual_response(y, design.X, basis, design.weights, design.counted)
    n, rank = design.nobs, basis.Q.shape[1]
    dof, squares = (n - rank if reml else n), n * scale**2
    variance = squares / dof if sigma is None else sigma**2
    value = dof * np.log(2 * np.pi * variance) + squares / variance
    value -= design.log_weights
    return float(value + basis.logdet if reml else value)


def generalized_objective(design: Design, estimates: GeneralizedEstimates) -> float:
    """Return -2 log-likelihood of a generalized linear model: the mixed one at theta = 0.

    Parameters
    ----------
    design : Design
        With the random effects of the mixed model.
    estimates : GeneralizedEstimates
        Of the mixed model: the distribution, and where the search may start.
    """
    spec = estimates.spec
    basis = orthonormal_basis(design.X, None)
    design = replace(design, X=basis.Q)
    rank = len(basis.columns)
    theta = np.zeros(len(estimates.theta))
    family = family_object(spec, estimates.dispersion)
    gamma = glm_coefficients(basis.Q, design.y, family, design.weights, design.offset)

    def evaluate(parameters: Array) -> tuple[float, Array]:
        dispersion = float(np.exp(parameters[rank])) if spec.has_dispersion else 1.0
        value, gradient = objective_and_gradient(
            design, spec, theta, parameters[:rank], dispersion, hessian=spec.information
        )
        return value, gradient[len(theta) :]

    zeta = [np.log(estimates.dispersion)] if spec.has_dispersion else []
    # Scoring may go astray, and the coefficients of the mixed model may lead out of the range of
    # means without its random effects; those moved towards a constant have a likelihood.
    root = np.sqrt(len(design.y))
    usable = root * default_start(root * basis.Q, design, spec).gamma
    starts = [np.array([*each, *zeta]) for each in (gamma, basis.R @ estimates.beta, usable)]
    start = min(
        (each for each in starts if np.isfinite(each).all()),
        key=lambda each: value if np.isfinite(value := evaluate(each)[0]) else np.inf,
    )
    if not len(start):
        return evaluate(start)[0]
    log_dispersion = float(np.log(estimates.dispersion))
    unit = row_unit(spec, design.y, estimates.eta, design.weights, log_dispersion)
    sizes = np.ones(len(start))
    sizes[:rank] = unit

    def in_units(x: Array) -> tuple[float, Array]:
        value, gradient = evaluate(sizes * x)
        if not np.isfinite(value):  # a line search comes back from there
            return np.inf, np.zeros(len(x))
        return value, sizes * gradient

    run = minimize(in_units, start / sizes, jac=True, method="BFGS")
    if has_bounded_range(spec) and not run.success:  # it may have met the edge
        for _ in range(SIMPLICES):
            run = minimize(lambda x: in_units(x)[0], run.x, method="Nelder-Mead", tol=TOLERANCE)
    return float(run.fun)
