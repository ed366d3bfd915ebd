"""A linear mixed model of a design, by the criterion of a given fit; see `problem.Problem`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...frame.design import Design
from ...frame.row_groups import design_of_rows
from ...later import load
from ..apart import columns_apart
from ..covariance import theta_of
from ..crossprod import Crossproducts, require_digits
from ..crossproduct_criterion import CrossproductCriterion
from ..estimates import LinearEstimates
from ..identification import ALL_IDENTIFIED, Identification, identify
from ..mixed_model_equations import FEW_DIGITS, FEWEST_DIGITS, Henderson, WithEquations
from ..separation import NeverSeparated
from ..structured.covariance_model import factor
from .fit import fit_linear
from .penalized_least_squares import conditional_variances, leverage, solve
from .refits import LinearRefits

__all__ = ["LinearProblem"]


class LinearProblem(NeverSeparated, WithEquations):
    """A linear model; the methods are those of `FittingProblem`.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Say the criterion and a fixed sigma; of a fit of this design where a method says so.
    """

    def __init__(self, design: Design, estimates: LinearEstimates) -> None:
        self.design, self.estimates = design, estimates

    @cached_property
    def _products(self) -> Crossproducts:
        reml = self.estimates.reml
        return CrossproductCriterion.of(self.design, reml, self.estimates.fixed_sigma).products

    def of_rows(self, keep: NDArray[np.bool_]) -> LinearProblem:
        """Return the problem of some rows."""
        return LinearProblem(design_of_rows(self.design, keep), self.estimates)

    def parameters(self, theta: Array, beta: Array, scale: float) -> Array:
        """Return theta, all that is searched for."""
        return theta

    def fit(self, start: Array | None = None) -> LinearEstimates:
        """Fit the model."""
        if start is not None and self.estimates.structured is not None:
            start = self.estimates.structured.phi
        return fit_linear(
            self.design, reml=self.estimates.reml, sigma=self.estimates.fixed_sigma, start=start
        )

    def reported(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def refits(self, theta: Array, beta: Array, scale: float) -> LinearRefits:
        """Prepare fits to other data."""
        if self.estimates.structured is not None:
            refits = load("fitting.structured.refits:StructuredRefits")  # few fits have structures
            structured: LinearRefits = refits(self.design, self.estimates, beta)
            return structured
        return LinearRefits(self.design, self.estimates, theta, beta)

    def objective_without_random_effects(self) -> float:
        """Return the objective of the linear model."""
        linear_objective = load("fitting.generalized.fixed_effects_only:linear_objective")
        return float(linear_objective(self.design, self.estimates.reml, self.estimates.fixed_sigma))

    def identification(self) -> Identification:
        """Find what the data determine of the covariance parameters and sigma."""
        if self.design.is_related:
            return ALL_IDENTIFIED
        return identify(self.design, residual=self.estimates.fixed_sigma is None, normal=True)

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given beta and theta."""
        return conditional_variances(self.design, self.estimates)

    def leverage(self) -> Array:
        """Return the diagonal of d(fitted)/dy."""
        return leverage(self.design, self.estimates)

    def variances_of_rows(self) -> Array:
        """Return the variances of the fitted values: leverages times sigma^2 over weights."""
        weights = 1.0 if self.design.weights is None else self.design.weights
        return np.asarray(self.estimates.dispersion * self.leverage() / weights)

    def mixed_model_equations(self) -> Henderson:
        """Solve the mixed-model equations at the estimates."""
        design, estimates, coordinates = columns_apart(self.design, self.estimates)
        products = self._products
        if design is not self.design:
            products = CrossproductCriterion.of(
                design, estimates.reml, self.estimates.fixed_sigma
            ).products
        require_digits(
            estimates.sigma, products.y_scale, FEWEST_DIGITS, "the error of a prediction"
        )
        workspace = products.workspace
        workspace.value_and_gradient(estimates.theta)
        few = estimates.sigma < FEW_DIGITS * products.y_scale
        return Henderson(
            products.basis.R,
            workspace.solution().xvx_inverse,
            workspace.mode_slopes(),
            estimates.factors,
            estimates.dispersion,
            workspace.level_covariances,
            coordinates.C,
            workspace.row_errors if few else None,
        )

    def solved_at(self, covariances: Sequence[Array], dispersion: float) -> LinearEstimates:
        """Return the estimates at other covariances and another residual variance."""
        factors = tuple(factor(S / dispersion) for S in covariances)
        theta = theta_of(factors, [block.pattern for block in self.design.blocks])
        sigma = float(np.sqrt(dispersion))
        products = CrossproductCriterion.of(self.design, self.estimates.reml, sigma).products
        products.workspace.value_and_gradient(theta)
        solution = solve(products)
        return replace(
            self.estimates,
            theta=theta,
            factors=factors,
            beta=solution.beta,
            cov_unscaled=solution.cov_unscaled,
            errors_unscaled=solution.errors_unscaled,
            unscaled_on_basis=solution.unscaled_on_basis,
            sigma=sigma,
            u=solution.u,
            b=solution.b,
        )
