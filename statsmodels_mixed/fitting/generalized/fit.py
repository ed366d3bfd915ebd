"""Fitting a generalized linear mixed model, in the steps of `fit.fit_linear`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np

from ..._core import GeneralizedSolution, one_blas_thread
from ..._typing import Array
from ...errors import CoreError, DataError
from ...frame.design import Design
from ...later import load
from ..covariance import canonical, factors_of, is_singular, theta_of
from ..crossprod import SharedStructure
from ..estimates import GeneralizedEstimates
from ..families.spec import FamilySpec, shared_family
from ..fixed_effects.basis import OnBasis
from ..identification import identify, suspicious
from ..linear.unbounded import POWERS, refuse_constant_within, with_small_dispersion
from ..search.edge_of_range import (
    has_bounded_range,
    refuse_merging_modes,
    refuse_unreachable,
    rows_at_the_edge,
    with_means_at_the_edge,
)
from ..search.fresh_evaluation import checked_afresh, solved_afresh
from ..search.optimize import FitOptions, FitReport
from ..search.warm_start import generalized_theta, inside_dispersion
from ..solver_choice import is_iterative
from .approximation import (
    Approximation,
    conditional_variances,
    generalized_structure,
    hessian,
    objective_and_gradient,
    prepare_approximation,
)
from .optimum import Search
from .start import Start, default_start, put_parameters, start_at

__all__ = [
    "CanonicalEnd",
    "GeneralizedFit",
    "canonical_end",
    "conditional_variances",
    "estimates_at",
    "fit_generalized",
    "hessian",
    "objective_and_gradient",
]


# Random effects this large, in units of what a row can detect, may have no end.
_VERY_LARGE = 1e6


@dataclass(frozen=True)
class GeneralizedFit:
    """What is fitted, and how its likelihood is approximated.

    Parameters
    ----------
    problem : Approximation
    design : Design
    spec : FamilySpec
    n_agq : int
    hessian : str
    unit : float
        Typical size of a change in the linear predictor.
    rows : int
        Number of rows of the data, of which those of the design may stand for several.
    """

    problem: Approximation
    design: Design
    spec: FamilySpec
    n_agq: int
    hessian: str
    unit: float
    rows: int


@dataclass(frozen=True, eq=False)
class CanonicalEnd:
    """Where a search ended.

    Parameters
    ----------
    report : FitReport
    factors : tuple of ndarray, shape (k, k)
    theta : ndarray, shape (n_theta,)
    singular : bool
        Whether a covariance matrix is not of full rank.
    """

    report: FitReport
    factors: tuple[Array, ...]
    theta: Array
    singular: bool


def _default_start(
    problem: Approximation, design: Design, spec: FamilySpec, rows: int
) -> tuple[Array, Start]:
    """Parameters of the model without random effects, and T half as large as the residuals.

    Returns
    -------
    begin : ndarray
        Its working coefficients are not among them with `fast`.
    without : Start
        The model without random effects.
    """
    without = default_start(problem.basis.Q, design, spec, problem.core, rows)
    problem.core.set_unit(without.unit)
    theta = generalized_theta(problem.core.design.coordinates, without.excess * without.unit)
    if problem.fast:
        problem.core.set_beta(without.gamma)
        return np.concatenate([theta, without.zeta]), without
    return np.concatenate([theta, without.gamma, without.zeta]), without


def fit_generalized(
    design: Design,
    spec: FamilySpec,
    *,
    n_agq: int = 1,
    fast: bool = False,
    hessian: str = "expected",
    start: Array | None = None,
    coefficients: Array | None = None,
    options: FitOptions | None = None,
    structure: SharedStructure | None = None,
    rows: int | None = None,
) -> GeneralizedEstimates:
    """Fit a generalized linear mixed model by maximum likelihood.

    Parameters
    ----------
    design : Design
        y is a proportion and weights are trials for the binomial.
    spec : FamilySpec
    n_agq : int
        Points per dimension of adaptive Gauss-Hermite quadrature; 1 is Laplace's
        approximation. More need a single grouping factor.
    fast : bool
        Profile the coefficients out inside PIRLS (a joint mode; lme4's ``nAGQ=0``).
    hessian : str
        Information in the approximation: ``"expected"`` or ``"observed"``.
    start : array_like, optional
        theta alone, or all parameters: theta, beta of the estimable columns unless `fast`,
        log dispersion if there is one. See `warm_start` for an alpha of zero.
    coefficients : ndarray, shape (rank,), optional
        Coefficients to start from; by default those of the model without random effects.
    options : FitOptions, optional
    structure : SharedStructure, optional
        That of the design, if it is known from a fit to another response.
    rows : int, optional
        Number of rows of the data, where weights are numbers of rows that are alike.

    Returns
    -------
    GeneralizedEstimates

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If there are too few rows, or no maximum can be reached.
    """
    refuse_constant_within(design, spec)
    options = options or FitOptions()
    if design.is_structured:
        other = load("fitting.structured.apart:ColumnsApart").of(design, None)
        if other is not None:
            inner = fit_generalized(
                other.design,
                spec,
                n_agq=n_agq,
                fast=fast,
                hessian=hessian,
                start=other.start(start),
                coefficients=coefficients,
                options=options,
                rows=rows,
            )
            return cast(GeneralizedEstimates, other.back(inner))
    if options.solver == "auto":
        with one_blas_thread():
            structure = structure or generalized_structure(design)
    if is_iterative(options, design, structure.core.sizes if structure else None):
        # Few fits need it, and it needs more of SciPy.
        iteratively = load("fitting.iterative.generalized:fit_generalized_iteratively")
        found: GeneralizedEstimates = iteratively(
            design,
            spec,
            n_agq=n_agq,
            fast=fast,
            hessian=hessian,
            start=start,
            coefficients=coefficients,
            options=options,
        )
        return found
    with one_blas_thread():
        problem = prepare_approximation(
            design, spec, n_agq=n_agq, fast=fast, hessian=hessian, structure=structure
        )
        rows = rows or len(design.y)
        begin, without = _default_start(problem, design, spec, rows)
        if coefficients is not None:
            start_at(problem, begin, coefficients)
    fit = GeneralizedFit(problem, design, spec, n_agq, hessian, without.unit, rows)
    if design.is_structured:
        with one_blas_thread():
            return _structured(fit, begin, start, options)
    if start is not None:
        put_parameters(problem, begin, start)
        begin = inside_dispersion(spec, design.y, begin, design.weights)
    try:
        return _maximize(fit, begin, without, options, start is None)
    except CoreError as error:
        raise DataError(
            f"no maximum of the likelihood of the {spec.family} family with the {spec.link} link "
            "could be reached; look for a response that separates, or try another link or start= "
            f"({str(error).rstrip('.')})."
        ) from error


def _structured(
    fit: GeneralizedFit, begin: Array, start: Array | None, options: FitOptions
) -> GeneralizedEstimates:
    """Maximize the likelihood over the parameters of covariance structures and all others."""
    problem, design, unit = fit.problem, fit.design, fit.unit
    structures = load("fitting.structured.generalized:")  # few fits have them
    objective = structures.StructuredApproximation.of(problem.core, design, unit)
    minimum = structures.minimize_structured_approximation(
        objective,
        design,
        unit,
        begin[problem.ntheta :],
        start,
        options,
        dispersion=fit.spec.has_dispersion,
    )
    minimum = load("fitting.structured.loadings_end:end_at_loadings")(objective, minimum)
    report, structured, factors = structures.structured_report(objective, minimum, design)
    units = factors_of(
        problem.core.in_units(report.end[: problem.ntheta]) / unit, objective.model.patterns
    )
    singular = is_singular(objective.model.definite(units))
    theta = report.end[: problem.ntheta]
    estimates = _checked_estimates(fit, CanonicalEnd(report, factors, theta, singular))
    return replace(estimates, structured=structured)


def _maximize(
    fit: GeneralizedFit, begin: Array, without: Start, options: FitOptions, default_start: bool
) -> GeneralizedEstimates:
    """Minimize from `begin` and read the estimates off the solved model."""
    problem, design, spec, unit = fit.problem, fit.design, fit.spec, fit.unit
    indefinite = fit.hessian == "observed" and problem.core.several_modes_possible
    search = Search(
        problem,
        design,
        spec,
        begin,
        without,
        options,
        n_agq=fit.n_agq,
        observed=indefinite,
        default_start=default_start,
        rows=fit.rows,
    )
    report = search.best_optimum()
    if indefinite:
        refuse_merging_modes(report, spec)
    # Beside a jump steps shrink to nothing while the gradient stays; others fall without end.
    short = not report.converged and report.status == "FTOL_REACHED"
    rough = short or report.status == "ROUNDOFF_LIMITED"
    bounded = has_bounded_range(spec)
    beside = rough and (problem.core.several_modes_possible or bounded)
    if beside:
        report = load("fitting.search.away_from_jumps:away_from_jumps")(problem.core, report)
    at_edge = bounded and rows_at_the_edge(design, spec, _means(spec, problem.core.solution().eta))
    if (beside or at_edge) and not problem.fast:
        as_written = load("fitting.search.away_from_jumps:as_written")
        report = as_written(problem.core, report, partial(_written_and_read, problem, spec))
    end = canonical_end(fit, report)
    estimates = _checked_estimates(fit, end)
    report = with_means_at_the_edge(estimates.report, design, spec, estimates.fitted)
    estimates = _with_report(estimates, report)
    if spec.family in POWERS:
        report = with_small_dispersion(
            estimates.report, design, spec, estimates.fitted, estimates.dispersion
        )
        estimates = _with_report(estimates, report)
    sizes = problem.core.in_units(end.theta) / unit
    if not np.abs(sizes).max(initial=0.0) < _VERY_LARGE:
        names = [block.name for block in design.blocks for _ in range(block.pattern.sum())]
        without_end = load("fitting.search.effects_without_end:without_end")
        message = without_end(
            problem.core, end.report.end, report.objective, problem.beta, sizes, names
        )
        if message is not None:
            report = replace(report, converged=False, message=message)
            estimates = replace(estimates, report=report)
    if not suspicious(report.hessian_min_eigenvalue, end.singular):
        return estimates
    identification = identify(design, residual=spec.normal, normal=spec.normal)
    report = replace(estimates.report, not_identified=identification.reasons)
    return replace(estimates, report=report, identification=identification)


def _written_and_read(problem: Approximation, spec: FamilySpec, point: Array) -> Array:
    """Take the core's parameters to the user's units and back."""
    beta = problem.basis.coefficients(point[problem.beta])
    dispersion = float(np.exp(point[-1])) if spec.has_dispersion else 1.0
    return problem.join(spec, point[: problem.ntheta], beta, dispersion)


def canonical_end(fit: GeneralizedFit, report: FitReport) -> CanonicalEnd:
    """Return the end of a run with a diagonal of T that is not negative, the core solved there.

    Parameters
    ----------
    fit : GeneralizedFit
    report : FitReport
    """
    problem, patterns = fit.problem, [block.pattern for block in fit.design.blocks]
    nt = problem.ntheta
    factors = canonical(factors_of(report.end[:nt], patterns), patterns)
    theta = theta_of(factors, patterns)
    if not np.array_equal(theta, report.end[:nt]):
        # The same covariances, but u belongs to the factors: solve for these.
        end = np.concatenate([theta, report.end[nt:]])
        _, gradient = problem.core.value_and_gradient(end)
        report = replace(report, end=end, gradient=gradient)
    units = factors_of(problem.core.in_units(theta) / fit.unit, patterns)
    return CanonicalEnd(report, factors, theta, is_singular(units))


def _checked_estimates(fit: GeneralizedFit, end: CanonicalEnd) -> GeneralizedEstimates:
    """Return the estimates of an end, those that its parameters alone give."""
    core, reached = fit.problem.core, end.report.objective
    estimates = _estimates(fit, end)
    fresh = core.fresh_value(end.report.end)
    refuse_unreachable(fresh, fit.spec)
    again = solved_afresh(core, end.report, fresh)
    if again is not None:
        estimates = _estimates(fit, replace(end, report=again))
    return _with_report(estimates, checked_afresh(estimates.report, reached, fresh))


def _with_report(estimates: GeneralizedEstimates, report: FitReport) -> GeneralizedEstimates:
    return estimates if report is estimates.report else replace(estimates, report=report)


def _estimates(fit: GeneralizedFit, end: CanonicalEnd) -> GeneralizedEstimates:
    """Carry a solution back to the units of the user's X, and to all rows."""
    problem, design = fit.problem, fit.design
    solution: GeneralizedSolution = problem.core.solution()
    with one_blas_thread():
        linear = problem.basis.Q @ solution.beta
    if design.offset is not None:
        linear = linear + design.offset
    return estimates_at(fit, end, solution, linear, _means(fit.spec, solution.eta))


def _means(spec: FamilySpec, eta: Array) -> Array:
    """Return the means of linear predictors."""
    with np.errstate(all="ignore"):
        return np.asarray(shared_family(spec).link.inverse(eta), dtype=float)


def estimates_at(
    fit: GeneralizedFit,
    end: CanonicalEnd,
    solution: GeneralizedSolution,
    linear: Array,
    fitted: Array,
) -> GeneralizedEstimates:
    """Return the estimates of a solution, in the units of the user's X.

    Parameters
    ----------
    fit : GeneralizedFit
    end : CanonicalEnd
    solution : GeneralizedSolution
    linear, fitted : ndarray, shape (n,)
        Linear predictors without random effects, and means; empty where there are no rows.
    """
    problem, spec, report = fit.problem, fit.spec, end.report
    basis, by_term = problem.basis, problem.core.design.by_term
    return GeneralizedEstimates(
        spec=spec,
        n_agq=int(fit.n_agq),
        fast=problem.fast,
        hessian=fit.hessian,
        theta=end.theta,
        factors=end.factors,
        columns=basis.columns,
        beta=basis.coefficients(solution.beta),
        cov_conditional=basis.covariance(solution.xvx_inverse),
        on_basis=OnBasis(basis.inverse, solution.xvx_inverse),
        dispersion=solution.dispersion,
        objective=report.objective,
        deviance=np.nan if spec.own else report.objective + 2.0 * solution.saturated,
        logdet_omega=solution.logdet_omega,
        u=by_term(solution.u),
        b=by_term(solution.b),
        linear_predictor=linear,
        eta=solution.eta,
        fitted=fitted,
        singular=end.singular,
        pirls_steps=solution.pirls_steps,
        several_modes=solution.several_modes,
        report=replace(
            report,
            start=problem.to_user(report.start),
            end=problem.to_user(report.end),
            gradient=problem.gradient_to_user(report.gradient),
            fitlog_theta=problem.to_user(report.fitlog_theta),
        ),
    )
