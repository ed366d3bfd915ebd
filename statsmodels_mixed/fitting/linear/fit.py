"""Fitting a linear mixed model, in four steps: products, objective, minimum, estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreWorkspace
from ..._typing import Array
from ...errors import CoreError, DataError, OptionError
from ...frame.design import Design
from ...later import load
from ..covariance import canonical, factors_of, is_canonical, is_singular, theta_of
from ..crossprod import Crossproducts, SharedStructure, form_crossproducts, linear_structure
from ..estimates import LinearEstimates
from ..identification import ALL_IDENTIFIED, Identification, identify, suspicious
from ..predictors import fixed_predictor
from ..search.optimize import FitOptions, FitReport, minimize
from ..search.runs import BestOfRuns, descend, logged, settle, with_log_of
from ..search.second_start import SecondStart, is_lower_beside, may_be_local, may_be_rough
from ..solver_choice import is_iterative
from ..structured.covariance_model import CovarianceModel
from ..structured.fit import StructuredFit
from ..structured.linear import minimize_structured
from .penalized_least_squares import PLSSolution, solve
from .unbounded import refuse_unbounded, refuse_vanished, vanishes, with_rounding

__all__ = ["fit_linear"]


# From this many random effects on, an evaluation costs more than a start that saves some of them.
MANY_EFFECTS = 1000


def _check_start(start: Array, size: int) -> Array:
    theta = np.array(start, dtype=float)
    if theta.shape != (size,) or not np.all(np.isfinite(theta)):
        raise OptionError(
            f"start= must hold {size} finite numbers, one for each theta; it has shape "
            f"{theta.shape}."
        )
    return theta


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

    if options.solver == "auto":
        structure = structure or linear_structure(design)
    if is_iterative(options, design, structure.core.sizes if structure else None):
        # Few fits need it, and it needs more of SciPy.
        iteratively = load("fitting.iterative.linear:fit_iteratively")
        found: LinearEstimates = iteratively(
            design, reml=reml, sigma=sigma, start=start, options=options
        )
        return found
    products = form_crossproducts(design, structure)
    least = _structured_minimum if design.is_structured else _unstructured_minimum
    with products.workspace.threads:
        products.set_criterion(reml, sigma)
        minimum = least(products, design, reml, sigma, start, options)
        return _estimates(products, design, minimum, reml, sigma)


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


def _estimates(
    products: Crossproducts, design: Design, minimum: _Minimum, reml: bool, sigma: float | None
) -> LinearEstimates:
    """Read the estimates off the solved workspace, in the user's units."""
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
        reml=reml,
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
    products: Crossproducts,
    design: Design,
    reml: bool,
    sigma: float | None,
    start: Array | None,
    options: FitOptions,
) -> _Minimum:
    """Minimize over theta, from further starts where the minimum may be local."""
    workspace = products.workspace
    report = _first_run(products, design, reml, sigma, start, options)
    if not report.converged:
        report = _along_axes(products, design, report, reml, sigma, options)
    patterns = [block.pattern for block in design.blocks]
    singular = is_singular(factors_of(workspace.in_units(report.end), patterns))
    rows = design.nobs
    # A run that rounding ended before a minimum says nothing about its basin.
    astray = not report.converged and may_be_rough(report, options, rows)
    local = start is None and (
        astray or may_be_local(report, options, singular, rows, design.weights, cheap=True)
    )
    if start is None and not local:
        constant = products.constant(reml)
        local, report = is_lower_beside(workspace, report, options, patterns, constant)
    if local or may_be_rough(report, options, rows):
        report = _lowest(products, design, report, reml, sigma, options, elsewhere=local)
        singular = is_singular(factors_of(workspace.in_units(report.end), patterns))
    factors = factors_of(report.end, patterns)
    theta = report.end
    if not is_canonical(factors):
        factors = canonical(factors, patterns)
        theta = theta_of(factors, patterns)
        # The same covariances, but u belongs to the factors: solve for these.
        _, gradient = workspace.value_and_gradient(theta)
        report = replace(report, end=theta, gradient=gradient)
        singular = is_singular(factors_of(workspace.in_units(theta), patterns))
    identification = ALL_IDENTIFIED
    # Inner products of the matrices of related levels are of all pairs of rows.
    if suspicious(report.hessian_min_eigenvalue, singular) and not design.is_related:
        identification = identify(design, residual=sigma is None, normal=True)
        report = replace(report, not_identified=identification.reasons)
    return _Minimum(report, factors, singular, identification=identification)


def _along_axes(
    products: Crossproducts,
    design: Design,
    report: FitReport,
    reml: bool,
    sigma: float | None,
    options: FitOptions,
) -> FitReport:
    """Go on in the principal axes of large effects that nearly depend on one another."""
    workspace, patterns = products.workspace, [block.pattern for block in design.blocks]
    limited = bool(options.max_eval or options.max_time) or options.optimizer != "newton"
    factors = factors_of(workspace.in_units(report.end), patterns)
    if limited or not load("fitting.search.principal_axes:are_steep")(factors):
        return report
    along_axes = load("fitting.search.principal_axes:along_axes")
    found: FitReport = along_axes(products, design, report, options, reml=reml, sigma=sigma)
    workspace.value_and_gradient(found.end)
    return found


def _first_run(
    products: Crossproducts,
    design: Design,
    reml: bool,
    sigma: float | None,
    start: Array | None,
    options: FitOptions,
) -> FitReport:
    """Minimize from the given start, from the identity T, or from moments for many effects."""
    workspace = products.workspace
    identity = workspace.identity()
    if sigma is None:
        refuse_unbounded(products, design, reml)
    begin = identity if start is None else _check_start(start, len(identity))
    if start is None and workspace.design.q >= MANY_EFFECTS:
        if not design.is_related:
            begin = workspace.moments()
        elif sigma is None:
            moments_of_related = load("fitting.linear.related_start:moments_of_related")
            found = moments_of_related(products, design)
            begin = begin if found is None else found
    report = minimize(workspace, begin, options, constant=products.constant(reml))
    if start is not None or not any([block.has_independent_effects for block in design.blocks]):
        return report
    # Few models have independent effects of one grouping factor.
    runs = BestOfRuns(report, lambda _: True)
    try_together = load("fitting.search.nearly_one:try_together")
    try_together(runs, workspace, design, identity, options, products.constant(reml))
    return runs.report


def _lowest(
    products: Crossproducts,
    design: Design,
    report: FitReport,
    reml: bool,
    sigma: float | None,
    options: FitOptions,
    *,
    elsewhere: bool,
) -> FitReport:
    """Look elsewhere for lower minima and leave the workspace at the end, with more digits.

    Parameters
    ----------
    elsewhere : bool
        Whether the minimum may be local.
    """
    workspace = products.workspace
    patterns = [block.pattern for block in design.blocks]
    constant = products.constant(reml)
    digits = load("fitting.search.last_digits:")
    runs = BestOfRuns(
        digits.if_it_has_digits(workspace, report),
        lambda run: digits.has_digits(workspace, run.end),
        lambda run: (
            run.converged
            and (sigma is not None or not vanishes(products, run.end, solve(products).sigma))
        ),
        lambda run: _go_on(workspace, run, options, constant, patterns),
    )
    if elsewhere:
        scatter = load("fitting.search.scattered_covariances:")
        # Where all sizes of the only variance are tried, no other start is left.
        if len(report.end) > 1 or not scatter.tries_all_sizes(workspace, 1):
            identity = workspace.identity()
            second = SecondStart(
                workspace, options, identity, patterns, report.start, constant, slower="LD_LBFGS"
            )
            second.improve(runs)
        scatter.scatter_covariances(runs, workspace, patterns, options, constant, design.weights)
    workspace.set_precision(True)
    if may_be_rough(runs.report, options, design.nobs):
        # What rounding made lower than it is, no run with more digits would be taken for.
        end = runs.report.end
        again = workspace.value(end) + constant
        afresh = replace(runs.report, objective=again)
        runs.report = logged(runs.report, afresh, end[None], np.array([again]), 1)
    before = runs.report
    settle(runs, workspace, options, constant, sure=True)
    if runs.report.converged and options.optimizer == "newton":
        last_steps = load("fitting.search.last_steps:last_steps")
        runs.report = last_steps(workspace, runs.report, constant, patterns)
    if runs.report.status != "GTOL_REACHED":
        runs.report = _along_axes(products, design, runs.report, reml, sigma, options)
    if not digits.has_digits(workspace, runs.report.end):
        runs.report = with_log_of(before, runs.report)
    lowest = runs.end()
    workspace.value_and_gradient(lowest.end)
    return lowest


def _go_on(
    workspace: CoreWorkspace,
    run: FitReport,
    options: FitOptions,
    constant: float,
    patterns: Sequence[NDArray[np.bool_]],
) -> FitReport | None:
    """Return a run from where another stalled, by steps with all digits and the Hessian itself."""
    if run.converged or options.optimizer != "newton":
        return None
    last_steps = load("fitting.search.last_steps:last_steps")
    workspace.set_precision(True)
    try:
        end = last_steps(workspace, run, constant, patterns).end
    except CoreError:  # it has no derivatives there
        end = run.end
    found = descend(workspace, end, options, constant)
    workspace.set_precision(False)
    if found is not None:
        workspace.value_and_gradient(found.end)
    return found


def _structured_minimum(
    products: Crossproducts,
    design: Design,
    reml: bool,
    sigma: float | None,
    start: Array | None,
    options: FitOptions,
) -> _Minimum:
    """Minimize over the parameters of structures."""
    report, fit, estimated = minimize_structured(products, design, reml, sigma, start, options)
    patterns = [block.pattern for block in design.blocks]
    units = factors_of(products.workspace.in_units(report.end), patterns)
    singular = is_singular(CovarianceModel(design).definite(units))
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
