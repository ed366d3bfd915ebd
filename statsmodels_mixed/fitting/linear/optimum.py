"""Which minimum of a linear criterion is taken: where runs begin, and when one is enough."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._typing import Array
from ...errors import CoreError, OptionError
from ...later import load
from ..covariance import factors_of
from ..crossproduct_criterion import CrossproductCriterion
from ..search.optimize import FitOptions, FitReport, minimize
from ..search.runs import BestOfRuns, descend, logged, settle, with_log_of
from ..search.second_start import SecondStart, is_lower_beside, may_be_local, may_be_rough
from .penalized_least_squares import solve
from .unbounded import refuse_unbounded, vanishes

__all__ = ["best_optimum"]


# From this many random effects on, an evaluation costs more than a start that saves some of them.
MANY_EFFECTS = 1000


def best_optimum(
    criterion: CrossproductCriterion, start: Array | None, options: FitOptions
) -> tuple[FitReport, bool]:
    """Minimize over theta, from further starts where the minimum may be local.

    Parameters
    ----------
    criterion : CrossproductCriterion
        Its workspace is solved at the end afterwards.
    start : array_like, shape (n_theta,), optional
        The only one to start from.
    options : FitOptions

    Returns
    -------
    FitReport
    bool
        Whether T of some term has lost rank.

    Raises
    ------
    OptionError
        If the start is not possible.
    DataError
        If the criterion has no minimum.
    """
    design, rows = criterion.design, criterion.design.nobs
    report = _first_run(criterion, start, options)
    if not report.converged:
        report = _along_axes(criterion, report, options)
    singular = criterion.is_singular(report.end)
    # A run that rounding ended before a minimum says nothing about its basin.
    astray = not report.converged and may_be_rough(report, options, rows)
    local = start is None and (
        astray or may_be_local(report, options, singular, rows, design.weights, cheap=True)
    )
    if start is None and not local:
        local, report = is_lower_beside(
            criterion.workspace, report, options, criterion.patterns, criterion.constant
        )
    if local or may_be_rough(report, options, rows):
        report = _lowest(criterion, report, options, elsewhere=local)
        singular = criterion.is_singular(report.end)
    return report, singular


def _check_start(start: Array, size: int) -> Array:
    theta = np.array(start, dtype=float)
    if theta.shape != (size,) or not np.all(np.isfinite(theta)):
        raise OptionError(
            f"start= must hold {size} finite numbers, one for each theta; it has shape "
            f"{theta.shape}."
        )
    return theta


def _along_axes(
    criterion: CrossproductCriterion, report: FitReport, options: FitOptions
) -> FitReport:
    """Go on in the principal axes of large effects that nearly depend on one another."""
    workspace = criterion.workspace
    limited = bool(options.max_eval or options.max_time) or options.optimizer != "newton"
    factors = factors_of(workspace.in_units(report.end), criterion.patterns)
    if limited or not load("fitting.linear.principal_axes:are_steep")(factors):
        return report
    along_axes = load("fitting.linear.principal_axes:along_axes")
    found: FitReport = along_axes(criterion, report, options)
    workspace.value_and_gradient(found.end)
    return found


def _first_run(
    criterion: CrossproductCriterion, start: Array | None, options: FitOptions
) -> FitReport:
    """Minimize from the given start, from the identity T, or from moments for many effects."""
    workspace, design = criterion.workspace, criterion.design
    identity = workspace.identity()
    if criterion.sigma is None:
        refuse_unbounded(criterion)
    begin = identity if start is None else _check_start(start, len(identity))
    if start is None and workspace.design.q >= MANY_EFFECTS:
        if not design.is_related:
            begin = workspace.moments()
        elif criterion.sigma is None:
            moments_of_related = load("fitting.linear.related_start:moments_of_related")
            found = moments_of_related(criterion.products, design)
            begin = begin if found is None else found
    report = minimize(workspace, begin, options, constant=criterion.constant)
    if start is not None or not any([block.has_independent_effects for block in design.blocks]):
        return report
    # Few models have independent effects of one grouping factor.
    runs = BestOfRuns(report, lambda _: True)
    try_together = load("fitting.search.nearly_one:try_together")
    try_together(runs, workspace, design, identity, options, criterion.constant)
    return runs.report


def _lowest(
    criterion: CrossproductCriterion,
    report: FitReport,
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
    workspace = criterion.workspace
    patterns, constant = criterion.patterns, criterion.constant
    digits = load("fitting.search.last_digits:")
    runs = BestOfRuns(
        digits.if_it_has_digits(workspace, report),
        lambda run: digits.has_digits(workspace, run.end),
        lambda run: run.converged and not _vanishes(criterion, run.end),
        lambda run: _go_on(criterion, run, options),
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
        scatter.scatter_covariances(
            runs, workspace, patterns, options, constant, criterion.design.weights
        )
    workspace.set_precision(True)
    if may_be_rough(runs.report, options, criterion.design.nobs):
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
        runs.report = _along_axes(criterion, runs.report, options)
    if not digits.has_digits(workspace, runs.report.end):
        runs.report = with_log_of(before, runs.report)
    lowest = runs.end()
    workspace.value_and_gradient(lowest.end)
    return lowest


def _vanishes(criterion: CrossproductCriterion, theta: Array) -> bool:
    """Return whether the estimate of sigma at theta, solved there, is on its way to zero."""
    products = criterion.products
    return criterion.sigma is None and vanishes(products, theta, solve(products).sigma)


def _go_on(
    criterion: CrossproductCriterion, run: FitReport, options: FitOptions
) -> FitReport | None:
    """Return a run from where another stalled, by steps with all digits and the Hessian itself."""
    if run.converged or options.optimizer != "newton":
        return None
    last_steps = load("fitting.search.last_steps:last_steps")
    workspace, constant = criterion.workspace, criterion.constant
    workspace.set_precision(True)
    try:
        end = last_steps(workspace, run, constant, criterion.patterns).end
    except CoreError:  # it has no derivatives there
        end = run.end
    found = descend(workspace, end, options, constant)
    workspace.set_precision(False)
    if found is not None:
        workspace.value_and_gradient(found.end)
    return found
