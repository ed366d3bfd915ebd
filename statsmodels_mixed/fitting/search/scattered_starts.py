"""Runs from starts scattered about an optimum, where a likelihood may have several.

No rule says where the highest of several maxima is. Runs begin at T of many sizes, a standard
deviation between a tenth and ten times that at the end, and with the coefficients of the usual
start or those of the end, shifted by about what a row can detect. They are few and short, as most
end soon at the same optimum (multistart, Rinnooy Kan and Timmer 1987); only one that is lower
already goes on. The scatter is the same for every form of a model (`draws_of_rows`).
"""

from __future__ import annotations

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array
from .draws_of_rows import DrawsOfRows
from .optimize import FitOptions
from .runs import LOWER, BestOfRuns, take_briefly

__all__ = ["scatter"]


RUNS = 19
# Of fits of which nothing says that there are several optima.
FEWER = 8
# Evaluations of a run that is not lower yet.
SHORT = 300
# Rounds of runs, each about the lowest end so far.
ROUNDS = 3
# An evaluation that fails has searched for modes from many starts: it counts as several.
FAILED = 20
# How often T is divided by ten where a start cannot be evaluated.
SHRINKAGES = 3


def scatter(
    runs: BestOfRuns,
    core: CoreGeneralized,
    begin: Array,
    draws: DrawsOfRows,
    options: FitOptions,
    *,
    most: int,
    hard: bool = True,
) -> None:
    """Take runs from scattered starts until a round of them finds nothing lower.

    Parameters
    ----------
    runs : BestOfRuns
        The core is not solved at its end afterwards.
    core : CoreGeneralized
    begin : ndarray
        Working parameters of the usual start, theta first.
    draws : DrawsOfRows
    options : FitOptions
    most : int
        Evaluations of all runs.
    hard : bool
        Whether something says that there are several optima.
    """
    nt, p = core.design.ntheta, draws.Q.shape[1]
    most = _cost(runs) + most
    sizes = core.parameter_sizes()[nt:]
    for _ in range(ROUNDS):
        before = runs.least
        for i in range(RUNS if hard else FEWER):
            falls = runs.unfinished is not None and runs.unfinished.hopeless
            if falls or _cost(runs) > most:
                return
            theta = draws.theta(runs.report.end[:nt], 1.0 if i % 3 == 0 else draws.unit)
            others = begin[nt:]
            if i % 2 == 1:
                shift = np.concatenate([draws.shift(), draws.others(len(sizes) - p)])
                others = runs.report.end[nt:] + sizes * shift
            take_briefly(runs, core, _possible(core, theta, others), options, most=SHORT)
        if runs.least > before - LOWER:
            break


def _cost(runs: BestOfRuns) -> int:
    return runs.report.evaluations + FAILED * runs.report.failed_evaluations


def _possible(core: CoreGeneralized, theta: Array, others: Array) -> Array:
    """Return a start with theta as large as has a likelihood."""
    for shrinkage in range(SHRINKAGES + 1):
        start = np.concatenate([0.1**shrinkage * theta, others])
        if np.isfinite(core.value_and_gradient(start)[0]):
            break
    return start
