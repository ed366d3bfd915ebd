"""Runs of a minimizer from several starts: which is the fit, and what is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter

import numpy as np

from ..._core import CoreGeneralized, CoreWorkspace
from ..._typing import Array
from ...errors import CoreError
from .optimize import FitOptions, FitReport, minimize

__all__ = [
    "DISTINCT",
    "LOWER",
    "NO_MAXIMUM",
    "BestOfRuns",
    "descend",
    "evaluated",
    "joined",
    "logged",
    "settle",
    "take_briefly",
    "with_log_of",
]


# How much lower the objective must be.
LOWER = 1e-6
# Optima whose objectives differ by less than this are the same one.
DISTINCT = 1e-4
# Share of the tolerance of a fit that is left in the end where several runs were made.
FINER = 1e-3


NO_MAXIMUM = "the model may have more parameters than the data determine"


@dataclass
class BestOfRuns:
    """The best of the runs taken so far, with the log of all.

    Parameters
    ----------
    report : FitReport
        Of the first run.
    acceptable : callable
        Whether the objective at a lower end is right, asked with the core solved there.
    settles : callable, optional
        Whether such an end is an estimate; when omitted, whether the run converged.
    goes_on : callable, optional
        Makes of a lower run that came to no end one that goes on from there; None where it cannot.
    unfinished : FitReport, optional
        The lowest of the runs that came to no end.
    """

    report: FitReport
    acceptable: Callable[[FitReport], bool]
    settles: Callable[[FitReport], bool] = attrgetter("converged")
    goes_on: Callable[[FitReport], FitReport | None] | None = None
    unfinished: FitReport | None = None

    def take(self, run: FitReport, by: float = LOWER) -> None:
        """Consider a run, at whose end the core is solved, if it is lower by that much."""
        lower = self.report.hopeless or run.objective < self.report.objective - by
        better = lower and self.acceptable(run)
        taken = better and self.settles(run)
        if better and not taken and run.objective < self.least:
            further = self.goes_on(run) if self.goes_on is not None else None
            if further is not None and further.objective < self.least and self.settles(further):
                self.report = joined(self.report, run, taken=False)
                run, taken = further, True
            else:
                self.unfinished = run
        self.report = joined(self.report, run, taken=taken)

    @property
    def least(self) -> float:
        """Return the least objective of all runs."""
        found = self.report.objective
        return found if self.unfinished is None else min(found, self.unfinished.objective)

    @property
    def falls(self) -> bool:
        """Return whether a run that came to no end is lower than the best one."""
        return self.report.objective > self.least + LOWER

    def end(self, reason: str = NO_MAXIMUM) -> FitReport:
        """Return the best run; it has not converged if one that came to no end was lower."""
        if not self.falls:
            return self.report
        message = (
            f"From another start the objective falls by {self.report.objective - self.least:.2g} "
            f"more, to where no maximum of the likelihood was reached: {reason}."
        )
        return replace(self.report, converged=False, message=message)


def descend(
    core: CoreWorkspace | CoreGeneralized,
    start: Array,
    options: FitOptions,
    constant: float = 0.0,
) -> FitReport | None:
    """Return a run from a start; None where it has no objective or derivative to go by."""
    try:
        return minimize(core, start, options, constant=constant)
    except CoreError:
        return None


def evaluated(core: CoreWorkspace | CoreGeneralized, theta: Array) -> tuple[float, Array]:
    """Return the objective and its gradient; NaN where it has none, as of nothing but rounding."""
    try:
        return core.value_and_gradient(theta)
    except CoreError:
        return np.nan, np.full(len(theta), np.nan)


def take_briefly(
    runs: BestOfRuns,
    core: CoreWorkspace | CoreGeneralized,
    start: Array,
    options: FitOptions,
    constant: float = 0.0,
    *,
    most: int,
    by: float = LOWER,
) -> None:
    """Take a run of few evaluations; one that is lower by then goes on.

    Parameters
    ----------
    runs : BestOfRuns
    core : CoreWorkspace or CoreGeneralized
    start : ndarray
    options : FitOptions
    constant : float
        See `minimize`.
    most : int
        Evaluations of a run that is not lower yet.
    by : float
        How much lower it must be.
    """
    run = descend(core, start, replace(options, max_eval=most), constant)
    if run is None:
        return
    if run.status == "MAXEVAL_REACHED" and run.objective < runs.least - LOWER:
        runs.report = joined(runs.report, run, taken=False)
        run = descend(core, run.end, options, constant) or run
    runs.take(run, by)


def settle(
    runs: BestOfRuns,
    core: CoreWorkspace | CoreGeneralized,
    options: FitOptions,
    constant: float = 0.0,
    *,
    sure: bool = False,
) -> None:
    """Take Newton steps from the best end until less is promised than a fit asks for.

    Beside zero variances steps may shrink the promise slowly, and end where estimates are still off
    by more than a millionth of their standard errors.

    Parameters
    ----------
    runs : BestOfRuns
        The core is not solved at its end afterwards.
    core : CoreWorkspace or CoreGeneralized
    options : FitOptions
    constant : float
        See `minimize`.
    sure : bool
        Whether derivatives have more digits now than those of the runs before.
    """
    finer = replace(options, ftol_abs=FINER * options.ftol_abs)
    run = descend(core, runs.report.end, finer, constant) if options.optimizer == "newton" else None
    if run is None or not runs.settles(run):
        return
    nearer = run.objective <= runs.report.objective + LOWER
    nearer &= sure or run.gradient_norm < runs.report.gradient_norm
    if not sure:
        run = replace(run, status=runs.report.status, message=runs.report.message)
    runs.report = joined(runs.report, run, taken=nearer)


def joined(report: FitReport, run: FitReport, *, taken: bool) -> FitReport:
    """Return the report of a fit with one more run, whose end is taken or is another optimum."""
    best, other = (run, report) if taken else (report, run)
    optima = [*report.other_optima, *([other.objective] if other.converged else [])]
    best = replace(best, other_optima=_distinct(best.objective, optima))
    return logged(report, best, run.fitlog_theta, run.fitlog_objective, run.evaluations)


def _distinct(best: float, optima: list[float]) -> tuple[float, ...]:
    """Return the optima that are higher than the best one, in order, each once."""
    found = [best]
    for value in sorted(optima):
        if value > found[-1] + DISTINCT:
            found.append(value)
    return tuple(found[1:])


def logged(
    first: FitReport, last: FitReport, points: Array, values: Array, evaluations: int
) -> FitReport:
    """Return the end of one of two runs, with further evaluations in the log of the first."""
    return replace(
        last,
        start=first.start,
        initial_objective=first.initial_objective,
        evaluations=first.evaluations + evaluations,
        failed_evaluations=first.failed_evaluations + int(np.isnan(values).sum()),
        fitlog_theta=np.vstack([first.fitlog_theta, points]),
        fitlog_objective=np.concatenate([first.fitlog_objective, values]),
    )


def with_log_of(report: FitReport, longer: FitReport) -> FitReport:
    """Return the end of a fit with the log of one that went on from there to no avail."""
    return replace(
        report,
        evaluations=longer.evaluations,
        failed_evaluations=longer.failed_evaluations,
        fitlog_theta=longer.fitlog_theta,
        fitlog_objective=longer.fitlog_objective,
    )
