"""Further starts of fits that may have ended at the worse of several optima.

T = 0 is stationary for any data. Where rows are few, or weights differ widely, a fit may
end there, or at another T of lower rank, beside a lower optimum; and a term with variance may be
beside a lower optimum without it. Regular models have one optimum: they are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized, CoreWorkspace
from ..._typing import Array
from ..covariance import factors_of, is_singular, theta_of
from .optimize import FitOptions, FitReport
from .runs import LOWER, BestOfRuns, descend, evaluated, logged

__all__ = [
    "SecondStart",
    "is_lower_beside",
    "is_wide",
    "may_be_local",
    "may_be_repeated",
    "may_be_rough",
    "spread_of_errors",
]

Patterns = Sequence[NDArray[np.bool_]]

# Standard deviations of a random effect, over sigma, that are tried where it has no variance.
SIZES = (0.1, 0.3, 1.0, 3.0, 10.0)
# Those below which a term has almost no variance, or little after many steps, and those beyond the
# usual start, 1, where values or slopes show another minimum.
ALMOST_NONE, LITTLE, LARGER = 0.3, 1.0, (3.0, 10.0)
# That from which a run leaves a term without variance.
NEAR_ZERO = 0.03
# Those of all terms at which runs begin.
LARGE, SMALL = 5.0, 0.1
# Runs are repeated where they are cheap and the likelihood is far from quadratic.
FEW_ROWS = 1000
FEW_PARAMETERS = 10
# The same of linear models of few enough rows: those of six correlated effects.
MORE_PARAMETERS = 21
# A fit to at most this many rows that took more than this many Newton evaluations may have met a
# likelihood with several maxima.
VERY_FEW_ROWS = 50
MANY_EVALUATIONS = 10
# The same of more rows where runs are cheap: regular fits take at most a dozen.
FEW_ENOUGH_ROWS = 100
TOO_MANY_EVALUATIONS = 15
# More rows have one optimum of so few covariance parameters: of 452 random models of 101 to 700
# rows, with effects of any size and up to as many as rows, none had a lower one.
FEW_COVARIANCES = 3
# It may be so after any number of evaluations for as few rows as these.
HARDLY_ANY_ROWS = 20
# Ratio of the largest weight to the least from which a single row may dominate the likelihood.
WIDE = 1e4


def may_be_local(
    report: FitReport,
    options: FitOptions,
    singular: bool,
    rows: int,
    weights: Array | None = None,
    *,
    cheap: bool = False,
) -> bool:
    """Return whether a fit may have ended at the worse of several optima.

    Parameters
    ----------
    report : FitReport
    options : FitOptions
        Fits with a limit are not repeated.
    singular : bool
        Whether some T has lost rank.
    rows : int
    weights : ndarray, shape (rows,), optional
        Inverse variances of the rows, up to a factor.
    cheap : bool
        Whether runs are as cheap as those of a linear model.
    """
    if not report.converged or not may_be_repeated(report, options, rows, cheap=cheap):
        return False
    wide = weights is not None and is_wide(weights)
    quick = report.evaluations <= MANY_EVALUATIONS or len(report.end) <= FEW_COVARIANCES
    if cheap and rows > FEW_ENOUGH_ROWS and quick and not wide:
        return False
    newton = options.optimizer == "newton"
    many = rows <= HARDLY_ANY_ROWS or report.evaluations > MANY_EVALUATIONS
    hard = rows <= VERY_FEW_ROWS and many
    hard |= cheap and rows <= FEW_ENOUGH_ROWS and report.evaluations > TOO_MANY_EVALUATIONS
    hard &= newton
    return singular or wide or bool(hard)


def is_wide(weights: Array) -> bool:
    """Return whether weights differ so widely that a single row may dominate the likelihood."""
    return bool(weights.max() > WIDE * weights.min(initial=np.inf, where=weights > 0))


def spread_of_errors(weights: Array | None) -> float:
    """Return the largest standard deviation of a row over the least, a power of ten; 0 if close."""
    if weights is None or not is_wide(weights):
        return 0.0
    return 0.5 * float(np.ptp(np.log10(weights[weights > 0])))


def is_lower_beside(
    workspace: CoreWorkspace,
    report: FitReport,
    options: FitOptions,
    patterns: Patterns,
    constant: float,
) -> tuple[bool, FitReport]:
    """Return whether terms of little variance have a minimum with more of it; and the report.

    The likelihood of few rows may have two optima of nearly the same height, one of almost no
    variance. A run may end there as soon as anywhere else, and its evaluations do not tell. A
    minimum is found that is lower at one of two sizes, or that slopes at both lead to.

    Parameters
    ----------
    workspace : CoreWorkspace
        Of a linear model, solved at the end of the run, as it is again afterwards.
    report : FitReport
        Of a run to a minimum.
    options : FitOptions
    patterns : sequence of ndarray of bool, shape (k, k)
    constant : float
        See `minimize`.
    """
    if (
        len(report.end) == 1  # a single variance of the same kind has one optimum as a rule
        or workspace.nobs > FEW_ENOUGH_ROWS
        or options.optimizer != "newton"
        or not report.converged
        or not may_be_repeated(report, options, workspace.nobs, cheap=True)
    ):
        return False, report
    ends = factors_of(workspace.in_units(report.end), patterns)
    slow = workspace.nobs <= VERY_FEW_ROWS and report.evaluations >= MANY_EVALUATIONS
    thetas, values, found = [], [], False
    for i, T in enumerate(ends):
        if not is_singular([T], LITTLE if slow else ALMOST_NONE):
            continue
        sides = []
        for size in LARGER:
            more = [size * np.eye(len(U)) if j == i else U for j, U in enumerate(ends)]
            along = [np.eye(len(U)) if j == i else 0.0 * U for j, U in enumerate(ends)]
            thetas.append(workspace.from_units(theta_of(more, patterns)))
            value, gradient = evaluated(workspace, thetas[-1])
            values.append(value + constant)
            sides.append(gradient @ workspace.from_units(theta_of(along, patterns)))
        found |= bool(sides[0] < 0.0 < sides[1])
    if not thetas:
        return False, report
    workspace.value_and_gradient(report.end)
    found |= bool(np.any(np.array(values) < report.objective - LOWER))
    return found, logged(report, report, np.array(thetas), np.array(values), len(values))


def may_be_repeated(
    report: FitReport, options: FitOptions, rows: int, *, cheap: bool = False
) -> bool:
    """Return whether a fit has no limit and is cheap; see `may_be_local`."""
    limited = bool(options.max_eval or options.max_time)
    few = MORE_PARAMETERS if cheap and rows <= FEW_ENOUGH_ROWS else FEW_PARAMETERS
    return not limited and rows <= FEW_ROWS and len(report.end) <= few


def may_be_rough(report: FitReport, options: FitOptions, rows: int) -> bool:
    """Return whether rounding errors ended a linear run, and steps with more digits are cheap."""
    rough = report.status in ("ROUNDOFF_LIMITED", "FTOL_REACHED") and options.optimizer == "newton"
    return rough and may_be_repeated(report, options, rows, cheap=True)


@dataclass(frozen=True)
class SecondStart:
    """Where else a fit may begin.

    Parameters
    ----------
    core : CoreWorkspace or CoreGeneralized
    options : FitOptions
    unit : ndarray, shape (n_theta,)
        theta of T = 1 in units of the error of a row.
    patterns : sequence of ndarray of bool, shape (k, k)
    begin : ndarray
        Parameters of the usual start, theta first.
    constant : float
        See `minimize`.
    further : tuple of ndarray
        Starts besides the usual ones.
    slower : str, optional
        Another optimizer that goes from T = 1, by smaller steps and so perhaps into another basin,
        before Newton's method goes on.
    """

    core: CoreWorkspace | CoreGeneralized
    options: FitOptions
    unit: Array
    patterns: Patterns
    begin: Array
    constant: float = 0.0
    further: tuple[Array, ...] = ()
    slower: str | None = None

    def improve(self, runs: BestOfRuns) -> None:
        """Take runs from other starts.

        Parameters
        ----------
        runs : BestOfRuns
            With the fit. The core is not solved at its end afterwards.
        """
        starts = self._promising(runs)
        ones = theta_of([np.eye(len(pattern)) for pattern in self.patterns], self.patterns)
        starts += [self._with_theta(self.begin, ones)]  # the start of other programs
        starts += [self._with_theta(self.begin, size * self.unit) for size in (LARGE, SMALL)]
        starts += self._slowly(runs, self._with_theta(self.begin, ones))
        for start in (*starts, *self.further):
            run = descend(self.core, start, self.options, self.constant)
            if run is not None:
                runs.take(run)

    def _slowly(self, runs: BestOfRuns, start: Array) -> list[Array]:
        """Return where the slower optimizer ends, if that is lower."""
        if self.slower is None:
            return []
        options = replace(self.options, optimizer=self.slower)
        run = descend(self.core, start, options, self.constant)
        if run is None:
            return []
        report, points, values = runs.report, run.fitlog_theta, run.fitlog_objective
        runs.report = logged(report, report, points, values, run.evaluations)
        return [run.end] if run.objective < report.objective - LOWER else []

    def _promising(self, runs: BestOfRuns) -> list[Array]:
        """Terms without variance are given some, terms with variance are left without.

        Returns
        -------
        list of ndarray
            A start beside the best of these trials if it is below the end of the fit.
        """
        report = runs.report
        ends = factors_of(report.end[: len(self.unit)], self.patterns)
        units = factors_of(self.unit, self.patterns)
        trials: list[Array] = []
        starts: list[Array] = []
        for i, T in enumerate(ends):
            for size in (0.0,) if T.any() else SIZES:
                for sizes, found in ((size, trials), (max(size, NEAR_ZERO), starts)):
                    factors = [sizes * units[j] if j == i else U for j, U in enumerate(ends)]
                    found.append(self._with_theta(report.end, theta_of(factors, self.patterns)))
        values = np.array([self.core.value_and_gradient(t)[0] + self.constant for t in trials])
        runs.report = logged(report, report, np.array(trials), values, len(values))
        best = int(np.argmin(np.where(np.isfinite(values), values, np.inf)))
        return [starts[best]] if values[best] < report.objective - LOWER else []

    def _with_theta(self, parameters: Array, theta: Array) -> Array:
        return np.concatenate([theta, parameters[len(theta) :]])
