"""Fitting a linear mixed model, in four steps: products, objective, minimum, estimates."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import DataError, OptionError
from ...frame.design import Design
from ...later import load
from ..covariance import canonical, factors_of, is_canonical, is_singular, theta_of
from ..crossprod import SharedStructure, linear_structure
from ..crossproduct_criterion import CrossproductCriterion
from ..estimates import LinearEstimates
from ..identification import ALL_IDENTIFIED, Identification, identify, suspicious
from ..predictors import fixed_predictor
from ..search.optimize import FitOptions, FitReport
from ..solver_choice import is_iterative
from ..structured.covariance_model import CovarianceModel
from ..structured.fit import StructuredFit
from .optimum import best_optimum
from .penalized_least_squares import PLSSolution, solve
from .unbounded import refuse_vanished, with_rounding

__all__ = ["fit_linear"]


def fit_linear(
    design: Design,
    *,
    reml: bool = False,
    sigma: float | None = None,
    start: Array | None = None,
    options: FitOptions | None = None,
    structure: SharedStructure | None = None,
) -> LinearEstimates:
    """Fit a linear mixed model by maximum likelihood or REML.

    Parameters
    ----------
    design : Design
    reml : bool
        Minimize the REML criterion rather than the ML deviance.
    sigma : float, optional
        Fixed residual standard deviation; estimated when omitted.
    start : array_like, shape (n_theta,), optional
        Where to start; when omitted, the identity T in the core's coordinates, or moments of the
        levels' effects where these are many.
    options : FitOptions, optional
    structure : SharedStructure, optional
        That of the design, if it is known from a fit to another response.

    Returns
    -------
    LinearEstimates

    Raises
    ------
    OptionError
        If sigma, start or an optimizer option is not possible.
    DataError
        If the data leave nothing to estimate.
    """
    if sigma is not None and not (np.isfinite(sigma) and sigma > 0):
        raise OptionError(f"sigma={sigma!r} is not possible; give a positive number.")
    options = options or FitOptions()
    if not design.has_rows:
        # Few fits are of sums over rows, and they need more of SciPy.
        of_sums = load("fitting.summed.linear:fit_summed")
        summed: LinearEstimates = of_sums(
            design, reml=reml, sigma=sigma, start=start, options=options
        )
        return summed

    if design.is_structured:
        other = load("fitting.structured.apart:ColumnsApart").of(design, design.weights)
        if other is not None:
            given = other.start(start)
            inner = fit_linear(other.design, reml=reml, sigma=sigma, start=given, options=options)
            return cast(LinearEstimates, other.back(inner))
    if options.solver == "auto":
        structure = structure or linear_structure(design)
    if is_iterative(options, design, structure.core.sizes if structure else None):
        # Few fits need it, and it needs more of SciPy.
        iteratively = load("fitting.iterative.linear:fit_iteratively")
        found: LinearEstimates = iteratively(
            design, reml=reml, sigma=sigma, start=start, options=options
        )
        return found
    criterion = CrossproductCriterion.of(design, reml, sigma, structure)
    least = _structured_minimum if design.is_structured else _unstructured_minimum
    with criterion.workspace.threads:
        return _estimates(criterion, least(criterion, start, options))


class _Minimum(NamedTuple):
    """Where the criterion is least; the workspace is solved there.

    Attributes
    ----------
    report : FitReport
        Its end is theta.
    factors : tuple of ndarray, shape (k, k)
        T of each term.
    singular : bool
    sigma : float, optional
        Its estimate where the structures' parameters hold it, else read off the solution.
    identification : Identification
    structured : StructuredFit, optional
    """

    report: FitReport
    factors: tuple[Array, ...]
    singular: bool
    sigma: float | None = None
    identification: Identification = ALL_IDENTIFIED
    structured: StructuredFit | None = None


def _estimates(criterion: CrossproductCriterion, minimum: _Minimum) -> LinearEstimates:
    """Read the estimates off the solved workspace, in the user's units."""
    products, design, sigma = criterion.products, criterion.design, criterion.sigma
    report, theta = minimum.report, minimum.report.end
    solution = solve(products)
    estimated = solution.sigma if minimum.sigma is None else minimum.sigma
    if sigma is None:
        refuse_vanished(products, design, theta, estimated)
        if minimum.structured is None:
            report = with_rounding(report, products, estimated)
    _check_range(design, products.basis.columns, solution)
    linear = fixed_predictor(design, products.basis.columns, solution.beta)
    return LinearEstimates(
        reml=criterion.reml,
        theta=theta,
        factors=minimum.factors,
        columns=products.basis.columns,
        beta=solution.beta,
        cov_unscaled=solution.cov_unscaled,
        errors_unscaled=solution.errors_unscaled,
        unscaled_on_basis=solution.unscaled_on_basis,
        sigma=estimated if sigma is None else sigma,
        sigma_fixed=sigma is not None,
        pwrss=solution.pwrss,
        logdet_omega=solution.logdet_omega,
        logdet_xvx=solution.logdet_xvx,
        objective=report.objective,
        u=solution.u,
        b=solution.b,
        linear_predictor=linear,
        fitted=linear + solution.effects,
        singular=minimum.singular,
        report=report,
        identification=minimum.identification,
        structured=minimum.structured,
    )


def _unstructured_minimum(
    criterion: CrossproductCriterion, start: Array | None, options: FitOptions
) -> _Minimum:
    """Minimize over theta; T has a diagonal that is not negative."""
    design, patterns = criterion.design, criterion.patterns
    report, singular = best_optimum(criterion, start, options)
    factors = factors_of(report.end, patterns)
    theta = report.end
    if not is_canonical(factors):
        factors = canonical(factors, patterns)
        theta = theta_of(factors, patterns)
        # The same covariances, but u belongs to the factors: solve for these.
        _, gradient = criterion.workspace.value_and_gradient(theta)
        report = replace(report, end=theta, gradient=gradient)
        singular = criterion.is_singular(theta)
    identification = ALL_IDENTIFIED
    # Inner products of the matrices of related levels are of all pairs of rows.
    if suspicious(report.hessian_min_eigenvalue, singular) and not design.is_related:
        identification = identify(design, residual=criterion.sigma is None, normal=True)
        report = replace(report, not_identified=identification.reasons)
    return _Minimum(report, factors, singular, identification=identification)


def _structured_minimum(
    criterion: CrossproductCriterion, start: Array | None, options: FitOptions
) -> _Minimum:
    """Minimize over the parameters of structures."""
    # Few fits have structures.
    minimize_structured = load("fitting.structured.linear:minimize_structured")
    report, fit, estimated = minimize_structured(criterion, start, options)
    patterns = criterion.patterns
    units = factors_of(criterion.workspace.in_units(report.end), patterns)
    singular = is_singular(CovarianceModel(criterion.design).definite(units))
    return _Minimum(report, factors_of(report.end, patterns), singular, estimated, structured=fit)


def _check_range(design: Design, columns: NDArray[np.intp], solution: PLSSolution) -> None:
    """Refuse coefficients that are no doubles."""
    beta, errors, sigma = solution.beta, solution.errors_unscaled, solution.sigma
    squares = float(np.vdot(errors, errors)) * sigma * sigma + float(np.vdot(beta, beta))
    if squares < np.inf:  # in one pass, as almost always
        return
    with np.errstate(over="ignore"):
        errors = solution.sigma * solution.errors_unscaled
    finite = np.isfinite(solution.beta) & np.isfinite(errors)
    if finite.all():
        return
    for column, lost in zip(columns, ~finite, strict=True):
        if lost:
            name = design.x_names[column]
            raise DataError(
                f"the coefficient of {name!r} is beyond the range of numbers: multiply {name!r}, "
                f"or divide the response {design.response_name!r}, by a power of ten."
            )
