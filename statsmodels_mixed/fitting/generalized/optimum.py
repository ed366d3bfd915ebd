"""Which optimum of a generalized model is taken: where runs begin, and when one run is enough."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..._core import family_rows
from ..._typing import Array
from ...frame.design import Design
from ...later import load
from ..covariance import factors_of, is_singular, theta_of
from ..families.spec import FamilySpec
from ..search.edge_of_range import MERGING_MODES, has_bounded_range, refuse_unreachable
from ..search.fresh_evaluation import agrees
from ..search.optimize import FitOptions, FitReport
from ..search.runs import DISTINCT, LOWER, NO_MAXIMUM, BestOfRuns, logged, settle
from ..search.second_start import (
    NEAR_ZERO,
    VERY_FEW_ROWS,
    SecondStart,
    may_be_local,
    may_be_repeated,
)
from ..search.warm_start import generalized_theta
from .approximation import Approximation
from .start import Start, minimize_from

__all__ = ["best_optimum"]

Patterns = list[NDArray[np.bool_]]

# This few rows may have several optima, above all where they may have several conditional modes, or
# nodes without likelihood; with nodes about one of several modes more rows, too.
FEW_ROWS = 100
# Random effects that lower the objective of few rows by less than this may have a better optimum
# without variance, or with another one; those of more rows if the objective is higher than without.
LITTLE_LOWER = 3.0
# Nodes of all rows up to which such searches take seconds; where there are more, jumps are smaller.
FEW_NODES = 5_000
# Evaluations of runs from scattered starts, and nodes of rows in all of them.
MOST, PASSES = 10_000, 30_000_000
# Why runs by quadrature come to no end.
JUMPS = (
    "quadrature jumps where another conditional mode becomes the highest, or a node leaves the "
    "range of means; take more points, or n_agq=1"
)
# Newton steps of an ordinary likelihood are far fewer.
VERY_MANY_EVALUATIONS = 60


def best_optimum(
    problem: Approximation,
    design: Design,
    spec: FamilySpec,
    begin: Array,
    without: Start,
    options: FitOptions,
    *,
    n_agq: int,
    observed: bool,
    default_start: bool,
    rows: int,
) -> FitReport:
    """Minimize from a start, and from others where the likelihood may have several optima.

    Parameters
    ----------
    problem : Approximation
        Solved at the end afterwards.
    design : Design
    spec : FamilySpec
    begin : ndarray
        Working parameters.
    without : Start
        The model without random effects, in working coefficients.
    options : FitOptions
    n_agq : int
    observed : bool
        Whether the approximation uses the observed information, and that may be indefinite.
    default_start : bool
        Whether nobody asked for this start.
    rows : int
        Number of rows of the data.

    Returns
    -------
    FitReport

    Raises
    ------
    DataError
        If the objective cannot be evaluated at the end without the way there.
    """
    core, nt, unit = problem.core, problem.ntheta, without.unit
    report = minimize_from(problem, begin, spec, options)
    patterns = [block.pattern for block in design.blocks]
    singular = is_singular(factors_of(core.in_units(report.end[:nt]) / unit, patterns))
    # A dispersion that goes to its boundary takes many steps in any likelihood.
    many = options.optimizer == "newton" and report.evaluations > VERY_MANY_EVALUATIONS
    # The objective may jump where another mode becomes the highest, or a node has a likelihood.
    nodes = n_agq ** sum(len(block.names) for block in design.blocks)
    edge, jumping = core.met_edge and rows * nodes <= FEW_NODES, core.several_modes_possible
    jumping &= n_agq > 1 or core.met_several_modes
    jumps = edge or (jumping and report.status == "ROUNDOFF_LIMITED")
    hard = not report.converged or jumps or (many and not _at_limit(spec, report, design))
    if not hard and may_be_repeated(report, options, rows):
        few = rows <= FEW_ROWS
        cheap = few or (n_agq > 1 and rows * nodes <= FEW_NODES)
        hard = cheap and core.several_modes_possible
        hard |= cheap and n_agq > 1 and has_bounded_range(spec)
        if not hard:
            nothing = _without_random_effects(problem, design, spec, without, begin)
            hard = report.objective > nothing - (LITTLE_LOWER if few else -DISTINCT)
    mirrored: tuple[Array, ...] = ()
    two_signs = spec.link == "power" and spec.power == 0.5 and not problem.fast
    if two_signs and default_start and may_be_repeated(report, options, rows):
        report, mirrored = _lower_mirrored(problem, design, report)
        hard |= bool(mirrored)
    runs = BestOfRuns(report, lambda run: agrees(run.objective, core.fresh_value(run.end)))
    falls = report.status == "STALLED"  # for ever, and from other starts as well
    local = (hard and not falls) or may_be_local(report, options, singular, rows)
    if default_start and local and may_be_repeated(report, options, rows):
        large = 2.0 * generalized_theta(core.design.coordinates, unit)
        further = () if singular else _beside(report, begin, patterns)
        if two_signs:
            further += (*_mirrored(problem, design, without.gamma, begin), *mirrored)
        second = SecondStart(core, options, large, patterns, begin, further=further)
        second.improve(runs)
        several = hard or runs.least < report.objective - LOWER
        # Where T has lost rank there may be another optimum on each face of the cone it is in.
        faces = singular and nt > 1 and rows <= VERY_FEW_ROWS
        if several or faces:
            scatter = load("fitting.search.scattered_starts:scatter")
            most = min(MOST, PASSES // (rows * nodes))
            scatter(runs, core, begin, large, _ones(patterns), options, most=most, hard=several)
        settle(runs, core, options)
        refuse_unreachable(core.value_and_gradient(runs.report.end)[0], spec)
    if default_start and not all([(pattern | pattern.T).all() for pattern in patterns]):
        try_together = load("fitting.search.nearly_one:try_together")
        errors = 2.0 * generalized_theta(core.design.coordinates, unit)
        try_together(runs, core, design, errors, options, dispersion=spec.has_dispersion)
    if (core.several_modes_possible or edge) and not runs.report.hopeless and not falls:
        search_further = load("fitting.search.several_modes:search_further")
        runs.report = search_further(
            core, runs.report, np.r_[_ones(patterns), begin[nt:]], nt, options
        )
    if observed:
        return runs.end(MERGING_MODES)
    return runs.end(JUMPS if n_agq > 1 and (edge or core.several_modes_possible) else NO_MAXIMUM)


def _ones(patterns: Patterns) -> Array:
    """Return the theta of identities."""
    return theta_of([np.eye(len(pattern)) for pattern in patterns], patterns)


def _at_limit(spec: FamilySpec, report: FitReport, design: Design) -> bool:
    """Return whether a run ended where the distribution is a limit of its family."""
    if not spec.has_dispersion:
        return False
    at_limit = load("fitting.families.limit_of_dispersion:overdispersion_at_limit")
    values = (report.end[-1], np.abs(design.y), design.weights)
    return bool(at_limit(spec.family, *values))


def _without_random_effects(
    problem: Approximation, design: Design, spec: FamilySpec, without: Start, begin: Array
) -> float:
    """Return the objective of coefficients without random effects.

    A dispersion by moments, whose logarithm begins the search, may be far from the best one beside
    these coefficients: random effects would seem to lower the objective when they raise it.
    """
    if not spec.has_dispersion and np.isfinite(without.objective):
        return without.objective
    eta = problem.basis.Q @ without.gamma
    zeta = list(begin[problem.ntheta :][-1:]) if spec.has_dispersion else []

    def rows_at(zeta: float) -> tuple[float, float]:
        """Return the objective and the derivative of the log-likelihood in zeta."""
        rows = family_rows(
            spec.family,
            spec.link,
            design.y,
            eta if design.offset is None else eta + design.offset,
            weights=design.weights,
            zeta=zeta,
            power=spec.power,
            observed=spec.own,
            wanted=("loglik", "loglik_zeta"),
        )
        return -2.0 * float(np.sum(rows["loglik"])), float(np.sum(rows["loglik_zeta"]))

    value, slope = rows_at(*zeta or [0.0])
    share = 1.0 + 2.0 * slope / len(eta)
    if not spec.scaled or not 0.0 < share < np.inf:
        return value
    # The mean of deviances: the slope is half their sum over phi less half the number of rows, for
    # the gamma nearly so.
    return min(value, rows_at(zeta[0] + np.log(share))[0])


def _mirrored(
    problem: Approximation, design: Design, gamma: Array, begin: Array
) -> tuple[Array, ...]:
    """Return starts whose predictor has other signs in some rows, which have the same means."""
    mirrored = load("fitting.search.mirrored_starts:mirrored_coefficients")
    Q, nt = problem.basis.Q, problem.ntheta
    eta = Q @ gamma if design.offset is None else Q @ gamma + design.offset
    found = mirrored(eta, Q, design.X[:, problem.basis.columns], design.offset, design.weights)
    rest = begin[nt + len(gamma) :]
    return tuple(np.concatenate([begin[:nt], each, rest]) for each in found)


def _lower_mirrored(
    problem: Approximation, design: Design, report: FitReport
) -> tuple[FitReport, tuple[Array, ...]]:
    """Return an end with other signs in some rows where that is lower, and the report.

    Random effects add to predictors of both signs: rows of one level may want the same one.
    """
    core, nt, rank = problem.core, problem.ntheta, problem.basis.Q.shape[1]
    starts = _mirrored(problem, design, report.end[nt : nt + rank], report.end)
    if not starts:
        return report, ()
    met = core.met_several_modes or core.met_edge
    values = np.array([core.value_and_gradient(start)[0] for start in starts])
    report = logged(report, report, np.array(starts), values, len(values))
    lower = np.flatnonzero(values < report.objective - LOWER)
    if not (met or len(lower)):  # modes that are not unique far away say nothing about this end
        core.forget_modes()
    core.value_and_gradient(report.end)
    return report, tuple(starts[i] for i in lower[np.argsort(values[lower])][:1])


def _beside(report: FitReport, begin: Array, patterns: Patterns) -> tuple[Array, ...]:
    """Return starts with the covariances of an end, and with those of lower rank."""
    nt = int(sum(pattern.sum() for pattern in patterns))
    theta = report.end[:nt]
    starts = [np.r_[theta, begin[nt:]]]
    factors = factors_of(theta, patterns)
    if any(len(T) > 1 for T in factors):
        for T in factors:
            T[:, -1] *= NEAR_ZERO if len(T) > 1 else 1.0
        starts.append(np.r_[theta_of(factors, patterns), report.end[nt:]])
    return tuple(starts)
