"""Which optimum of a generalized model is taken: where runs begin, and when one run is enough."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..._frozen import quickly_made
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
from .start import Start, minimize_from, predictor_of

if TYPE_CHECKING:
    from ..search.draws_of_rows import DrawsOfRows

__all__ = ["Search"]

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


@quickly_made
@dataclass(frozen=True, eq=False)
class Search:
    """A search for the optimum of a generalized model.

    Parameters
    ----------
    problem : Approximation
    design : Design
    spec : FamilySpec
    begin : ndarray
        Working parameters to start from.
    without : Start
        The model without random effects, in working coefficients.
    options : FitOptions
    n_agq : int
    observed : bool
        Whether the approximation uses the observed information, and that may be indefinite.
    default_start : bool
        Whether nobody asked for this start: only then are there others.
    rows : int
        Number of rows of the data.
    """

    problem: Approximation
    design: Design
    spec: FamilySpec
    begin: Array
    without: Start
    options: FitOptions
    n_agq: int
    observed: bool
    default_start: bool
    rows: int

    def best_optimum(self) -> FitReport:
        """Minimize from the start, and from others where the likelihood may have several optima.

        Returns
        -------
        FitReport
            Of the best end, at which the problem is solved afterwards.

        Raises
        ------
        DataError
            If the objective cannot be evaluated at the end without the way there.
        """
        core, options = self.problem.core, self.options
        report = minimize_from(self.problem, self.begin, self.spec, options)
        # The objective jumps where nodes leave the range of means.
        edge = core.met_edge and self._nodes <= FEW_NODES
        hard = self._is_hard(report, edge)
        mirrored: tuple[Array, ...] = ()
        if self._has_two_signs and self.default_start and self._may_be_repeated(report):
            report, mirrored = self._lower_mirrored(report)
            hard |= bool(mirrored)
        runs = BestOfRuns(report, lambda run: agrees(run.objective, core.fresh_value(run.end)))
        falls = report.status == "STALLED"  # for ever, and from other starts as well
        if self.default_start and self._may_be_repeated(report):
            self._start_elsewhere(runs, hard=hard, falls=falls, mirrored=mirrored)
        patterns = self._patterns
        if self.default_start and not all([(pattern | pattern.T).all() for pattern in patterns]):
            try_together = load("fitting.search.nearly_one:try_together")
            errors = 2.0 * generalized_theta(core.design.coordinates, self.without.unit)
            dispersion = self.spec.has_dispersion
            try_together(runs, core, self.design, errors, options, dispersion=dispersion)
        if (core.several_modes_possible or edge) and not runs.report.hopeless and not falls:
            search_further = load("fitting.search.several_modes:search_further")
            nt = self.problem.ntheta
            ones = np.r_[_ones(patterns), self.begin[nt:]]
            runs.report = search_further(core, runs.report, ones, nt, options)
        jumps = self.n_agq > 1 and (edge or core.several_modes_possible)
        found = runs.end(MERGING_MODES if self.observed else JUMPS if jumps else NO_MAXIMUM)
        if self._has_two_signs and self.design.offset is None:
            upright = load("fitting.search.mirrored_starts:upright")
            found = upright(core, found, self.problem.beta, self.design.weights)
        return found

    @property
    def _patterns(self) -> Patterns:
        return [block.pattern for block in self.design.blocks]

    @property
    def _nodes(self) -> int:
        """Number of nodes of all rows."""
        return int(self.rows * self.n_agq ** sum(len(block.names) for block in self.design.blocks))

    @property
    def _has_two_signs(self) -> bool:
        """Whether a predictor and its negative have one mean."""
        of_squares = self.spec.link == "power" and self.spec.power == 0.5
        return of_squares and not self.problem.fast

    def _may_be_repeated(self, report: FitReport) -> bool:
        return may_be_repeated(report, self.options, self.rows)

    def _is_singular(self, report: FitReport) -> bool:
        """Return whether T of some term has lost rank at an end."""
        core, nt = self.problem.core, self.problem.ntheta
        units = core.in_units(report.end[:nt]) / self.without.unit
        return is_singular(factors_of(units, self._patterns))

    def _is_hard(self, report: FitReport, edge: bool) -> bool:
        """Return whether the first run says that its end may not be the best optimum.

        Parameters
        ----------
        report : FitReport
        edge : bool
            Whether it met the edge of the range of means.
        """
        core, n_agq = self.problem.core, self.n_agq
        # The objective may jump where another mode becomes the highest.
        jumping = core.several_modes_possible and (n_agq > 1 or core.met_several_modes)
        jumps = edge or (jumping and report.status == "ROUNDOFF_LIMITED")
        if not report.converged or jumps:
            return True
        # A dispersion that goes to its boundary takes many steps in any likelihood.
        many = self.options.optimizer == "newton" and report.evaluations > VERY_MANY_EVALUATIONS
        if many and not _at_limit(self.spec, report, self.design):
            return True
        if not self._may_be_repeated(report):
            return False
        few = self.rows <= FEW_ROWS
        cheap = few or (n_agq > 1 and self._nodes <= FEW_NODES)
        if cheap and (core.several_modes_possible or (n_agq > 1 and has_bounded_range(self.spec))):
            return True
        nothing = _without_random_effects(
            self.problem, self.design, self.spec, self.without, self.begin
        )
        return bool(report.objective > nothing - (LITTLE_LOWER if few else -DISTINCT))

    def _start_elsewhere(
        self, runs: BestOfRuns, *, hard: bool, falls: bool, mirrored: tuple[Array, ...]
    ) -> None:
        """Take a better end of runs from other starts, if the first one may be local.

        Parameters
        ----------
        runs : BestOfRuns
            With the first run alone.
        hard : bool
            Whether that says that it may not be the best optimum.
        falls : bool
            Whether it falls for ever.
        mirrored : tuple of ndarray
            Starts from ends with other signs.
        """
        core, options, rows, patterns = self.problem.core, self.options, self.rows, self._patterns
        report, begin, nt = runs.report, self.begin, self.problem.ntheta
        singular = self._is_singular(report)
        if not ((hard and not falls) or may_be_local(report, options, singular, rows)):
            return
        large = 2.0 * generalized_theta(core.design.coordinates, self.without.unit)
        further = () if singular else _beside(report, begin, patterns)
        if self._has_two_signs:
            further += (*self._mirrored(self.without.gamma, begin), *mirrored)
        second = SecondStart(core, options, large, patterns, begin, further=further)
        second.improve(runs)
        several = hard or runs.least < report.objective - LOWER
        # Where T has lost rank there may be another optimum on each face of the cone it is in.
        faces = singular and nt > 1 and rows <= VERY_FEW_ROWS
        if several or faces:
            scatter = load("fitting.search.scattered_starts:scatter")
            most = min(MOST, PASSES // self._nodes)
            scatter(runs, core, begin, self._draws(), options, most=most, hard=several)
        settle(runs, core, options)
        refuse_unreachable(core.value_and_gradient(runs.report.end)[0], self.spec)

    def _draws(self) -> DrawsOfRows:
        """Return draws of starts that belong to the rows."""
        design, spec, Q = self.design, self.spec, self.problem.basis.Q
        eta = predictor_of(Q, self.without.gamma, design)
        slopes = spec.rows(
            design.y,
            eta,
            weights=design.weights,
            zeta=self.begin[-1] if spec.has_dispersion else 0.0,
            wanted=("l",),
        )["l"]
        draws: DrawsOfRows = load("fitting.search.draws_of_rows:DrawsOfRows")(
            design.blocks,
            self.problem.core.design.coordinates,
            Q[:, :0] if self.problem.fast else Q,
            design.y,
            eta,
            slopes,
            self.without.unit,
        )
        return draws

    def _mirrored(self, gamma: Array, begin: Array) -> tuple[Array, ...]:
        """Return starts whose predictor has other signs in some rows, which have the same means."""
        mirrored = load("fitting.search.mirrored_starts:mirrored_coefficients")
        problem, design = self.problem, self.design
        Q, nt = problem.basis.Q, problem.ntheta
        eta = predictor_of(Q, gamma, design)
        found = mirrored(eta, Q, design.X[:, problem.basis.columns], design.offset, design.weights)
        rest = begin[nt + len(gamma) :]
        return tuple(np.concatenate([begin[:nt], each, rest]) for each in found)

    def _lower_mirrored(self, report: FitReport) -> tuple[FitReport, tuple[Array, ...]]:
        """Return the report, and an end with other signs in some rows where that is lower.

        Random effects add to predictors of both signs: rows of one level may want the same one.
        """
        core, nt, rank = self.problem.core, self.problem.ntheta, self.problem.basis.Q.shape[1]
        starts = self._mirrored(report.end[nt : nt + rank], report.end)
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
    eta = predictor_of(problem.basis.Q, without.gamma, design)
    zeta = list(begin[problem.ntheta :][-1:]) if spec.has_dispersion else []

    def rows_at(zeta: float) -> tuple[float, float]:
        """Return the objective and the derivative of the log-likelihood in zeta."""
        rows = spec.rows(
            design.y,
            eta,
            weights=design.weights,
            zeta=zeta,
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
