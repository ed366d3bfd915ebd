"""A generalized mixed model of a design, by the approximation of a given fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...frame.design import Design
from ...frame.row_groups import design_of_rows
from ...later import load
from ..apart import columns_apart
from ..covariance import theta_of
from ..estimates import GeneralizedEstimates
from ..fixed_effects.basis import OnBasis
from ..identification import Identification, identify
from ..mixed_model_equations import Henderson, WithEquations
from ..separation import Separation, SolvedRows, separation
from ..structured.covariance_model import factor
from .approximation import join_parameters, leverage, prepare_at, solve_at
from .fit import conditional_variances, fit_generalized
from .refits import GeneralizedRefits

__all__ = ["GeneralizedProblem"]


class GeneralizedProblem(WithEquations):
    """A generalized model; the methods are those of `FittingProblem`.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Say family, approximation and information; of a fit of this design where a method says
        so.
    """

    def __init__(self, design: Design, estimates: GeneralizedEstimates) -> None:
        self.design, self.estimates = design, estimates

    def of_rows(self, keep: NDArray[np.bool_]) -> GeneralizedProblem:
        """Return the problem of some rows."""
        return GeneralizedProblem(design_of_rows(self.design, keep), self.estimates)

    def parameters(self, theta: Array, beta: Array, scale: float) -> Array:
        """Return theta, beta unless it is profiled out, and the log dispersion if there is one."""
        own = self.estimates
        return join_parameters(own.spec, theta, beta, scale, fast=own.fast)

    def fit(self, start: Array | None = None) -> GeneralizedEstimates:
        """Fit the model."""
        if start is not None and self.estimates.structured is not None:
            start = self.estimates.structured.phi
        own = self.estimates
        return fit_generalized(
            self.design,
            own.spec,
            n_agq=own.n_agq,
            fast=own.fast,
            hessian=own.hessian,
            start=start,
        )

    def reported(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def refits(self, theta: Array, beta: Array, scale: float) -> GeneralizedRefits:
        """Prepare fits to other data."""
        if self.estimates.structured is not None:
            refits = load("fitting.structured.generalized_refits:StructuredGeneralizedRefits")
            structured: GeneralizedRefits = refits(self.design, self.estimates, theta, beta, scale)
            return structured
        return GeneralizedRefits(self.design, self.estimates, theta, beta, scale)

    def objective_without_random_effects(self) -> float:
        """Return -2 log-likelihood of the generalized linear model."""
        generalized_objective = load("fitting.generalized.fixed_effects_only:generalized_objective")
        return float(generalized_objective(self.design, self.estimates))

    def identification(self) -> Identification:
        """Find what the data determine of the covariance parameters."""
        normal = self.estimates.spec.normal
        return identify(self.design, residual=normal, normal=normal)

    def separation(
        self,
        X: Array,
        y: Array,
        covariance: Array,
        *,
        converged: bool,
        rows: SolvedRows | None = None,
    ) -> Separation:
        """Return the direction in which a response separates."""
        return separation(X, y, self.estimates.spec, covariance, converged=converged, rows=rows)

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given all parameters."""
        return conditional_variances(self.design, self.estimates)

    def leverage(self) -> Array:
        """Return the leverages of the last weighted least squares problem."""
        return leverage(self.design, self.estimates)

    def variances_of_rows(self) -> Array:
        """Return the variances of the linear predictor with its conditional modes."""
        blocks = self.design.blocks
        return self.error_variances(
            self.design.X[:, self.estimates.columns],
            [block.z for block in blocks],
            [block.refs for block in blocks],
        )

    def mixed_model_equations(self) -> Henderson:
        """Solve the equations of the working linear model at the conditional modes."""
        design, estimates, coordinates = columns_apart(self.design, self.estimates)
        problem = prepare_at(design, estimates)
        core = solve_at(problem, estimates)
        return Henderson(
            problem.basis.R,
            core.solution().xvx_inverse,
            core.mode_slopes(),
            estimates.factors,
            1.0,
            core.level_covariances,
            coordinates.C,
        )

    def solved_at(self, covariances: Sequence[Array], dispersion: float) -> GeneralizedEstimates:
        """Return the modes and errors at other covariances and dispersion, the same beta."""
        factors = tuple(factor(S) for S in covariances)
        theta = theta_of(factors, [block.pattern for block in self.design.blocks])
        own = self.estimates
        problem = prepare_at(self.design, own)
        solved = solve_at(problem, replace(own, theta=theta, dispersion=dispersion)).solution()
        by_term = problem.core.design.by_term
        return replace(
            own,
            theta=theta,
            factors=factors,
            cov_conditional=problem.basis.covariance(solved.xvx_inverse),
            on_basis=OnBasis(problem.basis.inverse, solved.xvx_inverse),
            dispersion=dispersion,
            u=by_term(solved.u),
            b=by_term(solved.b),
        )
