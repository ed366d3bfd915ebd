"""The part of the mean of a fit with parameters of rows, to be solved again with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import minimize

from ..._core import CoreGeneralized, one_blas_thread
from ..._typing import Array
from ...errors import DataError, OptionError
from ...frame.design import Design
from ..families.limit_of_dispersion import overdispersion_at_limit
from ..fixed_effects.basis import orthonormal_basis
from ..generalized.approximation import generalized_structure
from ..generalized.problem import GeneralizedProblem
from ..mixed_model_equations import Henderson
from ..problem import solved
from .centered import Centered
from .conditional_estimates import ConditionalEstimates
from .estimates import DistributionalEstimates
from .fit import fit_distributional
from .likelihood import model_of_rows
from .lowered import Lowered
from .row_parameters import DISPERSION, SHAPE, ZEROS, RowParameters
from .start import coefficients_to_begin_with

__all__ = ["RowProblem", "core_at", "fit_from", "modes_along", "rows_from"]


# The logit of a probability that is at its boundary, and other parameters there.
_FAR = 8.0
_TWO_TRIALS = 2.0
_WITH_LIMITING_SHAPE = ("student_t", "tweedie")
# Length of the gradient at a minimum, and step of its differences: columns have unit length, or
# unit mean square for parameters of rows.
_GRADIENT, _STEP = 1e-6, 1e-4
# A gradient that long is that of no minimum.
_STEEP = 1e-2


class RowProblem(GeneralizedProblem):
    """A problem whose rows have parameters besides their mean, at their estimates.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ConditionalEstimates
    """

    estimates: ConditionalEstimates

    def fit(self, start: Array | None = None) -> ConditionalEstimates:
        """Fit the model."""
        design = self.design
        if self.estimates.spec.family == "ordered":
            design = _without_constant(design)
        return fit_from(design, self.estimates, self.estimates.rows).conditional

    def objective_without_random_effects(self) -> float:
        """Return -2 log-likelihood of the model without random effects, that at theta = 0."""
        own, design = self.estimates, self.design
        structure = generalized_structure(design)
        starts = [
            (own.rows, coefficients_to_begin_with(design, own.spec, structure.basis)),
            (rows_from(own, own.rows), _projected(own, design, structure.basis.Q)),
        ]
        centered = Centered.of(design, own.spec, own.rows, structure.basis)
        if centered is not None:
            design, structure = centered.design, centered.structure
            starts = [centered.start(rows, gamma) for rows, gamma in starts]
        with one_blas_thread():
            core = model_of_rows(structure.core, design, own.spec, own.rows, 1)
        zero = np.zeros(core.design.ntheta)

        def evaluate(parameters: Array) -> tuple[float, Array]:
            value, gradient = core.value_and_gradient(np.concatenate([zero, parameters]))
            return value if np.isfinite(value) else np.inf, gradient[len(zero) :]

        def hessian(parameters: Array) -> Array:
            steps = _STEP * np.eye(len(parameters))
            ends = [(evaluate(parameters + h)[1], evaluate(parameters - h)[1]) for h in steps]
            H = np.array([above - below for above, below in ends]) / (2.0 * _STEP)
            # Beside points without likelihood there are no derivatives: a step down goes on there.
            return np.asarray((H + H.T) / 2.0) if np.isfinite(H).all() else np.eye(len(H))

        begins = [np.concatenate([gamma, rows.start]) for rows, gamma in starts]
        values = [evaluate(begin)[0] for begin in begins]
        if not len(begins[0]):
            return values[0]
        options = {"gtol": _GRADIENT, "maxiter": 500}
        ends = [
            minimize(evaluate, begin, jac=True, hess=hessian, method="trust-exact", options=options)
            for begin, value in zip(begins, values, strict=True)
            if np.isfinite(value) or not np.isfinite(values).any()
        ]
        found = min(ends, key=lambda end: end.fun)
        if not np.linalg.norm(found.jac) < _STEEP:
            raise DataError("the likelihood of the model without random effects has no maximum.")
        return float(found.fun)

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given all parameters."""
        return core_at(self.design, self.estimates).solution().condvar

    def leverage(self) -> Array:
        """Refuse: the results have them, by the expected information of all parts."""
        raise OptionError("leverages of fits with several parts are those of leverage() of a fit.")

    def mixed_model_equations(self) -> Henderson:
        """Refuse, as `leverage` does."""
        raise OptionError(
            "the mixed-model equations are not defined for these families: get_prediction() has "
            "standard errors with the random effects at zero."
        )


def modes_along(
    design: Design, estimates: ConditionalEstimates
) -> Callable[[Array, Array, Array], tuple[Array, ...]]:
    """Return the conditional modes of a fit as a function of what its parameters change by.

    Parameters
    ----------
    design : Design
    estimates : ConditionalEstimates
        Of the fit, near whose modes others are looked for.

    Returns
    -------
    callable
        Of theta, beta, and kappa in the basis of the rows.
    """
    core, center = _solved_at(design, estimates)
    R = generalized_structure(design).basis.R

    def modes(theta: Array, beta: Array, kappa: Array) -> tuple[Array, ...]:
        # Of covariates far from zero R beta is a difference of large numbers.
        with one_blas_thread():
            core.value_and_gradient(center + np.concatenate([theta, R @ beta, kappa]))
            return core.design.by_term(core.solution().b)

    return modes


def fit_from(
    design: Design, estimates: ConditionalEstimates, rows: RowParameters
) -> DistributionalEstimates:
    """Fit a model of another design as a given fit was.

    It begins where any fit does; if that comes to nothing, from the linear predictor of the given.

    Parameters
    ----------
    design : Design
    estimates : ConditionalEstimates
        Of the given fit, whose rows these are.
    rows : RowParameters
        Of the rows, with values to begin with.
    """
    structure = generalized_structure(design)
    basis = structure.basis
    starts = [
        (rows, coefficients_to_begin_with(design, estimates.spec, basis)),
        (rows_from(estimates, rows), _projected(estimates, design, basis.Q)),
    ]
    for at, (begin, gamma) in enumerate(starts):
        try:
            found = fit_distributional(
                design,
                estimates.spec,
                begin,
                gamma,
                n_agq=estimates.n_agq,
                structure=structure,
            )
        except DataError:
            if at:
                raise
        else:
            if found.report.converged:
                break
    return found


def rows_from(estimates: ConditionalEstimates, rows: RowParameters) -> RowParameters:
    """Return parameters of rows that begin with the estimates of a fit, where they have its form.

    Parameters
    ----------
    estimates : ConditionalEstimates
    rows : RowParameters
    """
    own = estimates.rows
    if rows.names != own.names or _is_flat(estimates, own.values(estimates.kappa)):
        return rows
    start: Array = np.asarray(np.linalg.solve(rows.back, own.back @ estimates.kappa), dtype=float)
    return replace(rows, start=start)


def _is_flat(estimates: ConditionalEstimates, values: Array) -> bool:
    """Return whether a parameter of rows is at its boundary: no search comes away from there."""
    family, zeros = estimates.spec.family, values[:, ZEROS]
    if family != "ordered" and np.max(np.abs(zeros), initial=0.0) > _FAR:
        return True
    if family in _WITH_LIMITING_SHAPE and np.max(np.abs(values[:, SHAPE]), initial=0.0) > _FAR:
        return True
    return overdispersion_at_limit(family, values[:, DISPERSION], estimates.fitted, _TWO_TRIALS)


def _projected(estimates: ConditionalEstimates, design: Design, Q: Array) -> Array:
    """Return coefficients on a basis of X that come closest to the linear predictor of a fit."""
    linear = estimates.linear_predictor
    linear = linear if design.offset is None else linear - design.offset
    return np.asarray(Q.T @ linear / np.sum(Q**2, axis=0))  # columns of length root n


def _without_constant(design: Design) -> Design:
    """Return a design without what a constant spans, which the thresholds have."""
    whole = np.column_stack([np.ones(len(design.y)), design.X])
    kept = [i - 1 for i in orthonormal_basis(whole, None).columns if i]
    names = tuple(design.x_names[i] for i in kept)
    return replace(design, X=np.ascontiguousarray(design.X[:, kept]), x_names=names)


@solved.register(ConditionalEstimates)
def _(estimates: ConditionalEstimates, design: Design) -> RowProblem:
    return RowProblem(design, estimates)


def core_at(design: Design, estimates: ConditionalEstimates) -> CoreGeneralized:
    """Return the core's model of a fit, solved at its estimates.

    Parameters
    ----------
    design : Design
    estimates : ConditionalEstimates

    Raises
    ------
    DataError
        If the conditional modes cannot be found there again.
    """
    return _solved_at(design, estimates)[0]


def _solved_at(design: Design, estimates: ConditionalEstimates) -> tuple[CoreGeneralized, Array]:
    """Return what `core_at` does, and the parameters at which it is solved."""
    with one_blas_thread():
        structure = generalized_structure(design)
        gamma = structure.basis.R @ estimates.beta
        lowered = Lowered.of(design, estimates.spec, structure.basis)
        if lowered is not None:
            design, gamma = lowered.design, gamma - lowered.change
        core = model_of_rows(structure.core, design, estimates.spec, estimates.rows, 1)
        core.set_modes(estimates.u, gamma)
        end = np.concatenate([estimates.theta, gamma, estimates.kappa])
        value, _ = core.value_and_gradient(end)
    if not np.isfinite(value):
        raise DataError(
            "the conditional modes at the estimates cannot be found again; the fit is not one to "
            "rely on: take a simpler model."
        )
    return core, end
