"""Runs from starts scattered about an optimum, where a likelihood may have several.

No rule says where the highest of several maxima is. Runs begin at T of many sizes, an element
between a tenth and ten times that at the end, and with the coefficients of the usual start or those
of the end, shifted by about what a row can detect. They are few and short, as most end soon at the
same optimum (multistart, Rinnooy Kan and Timmer 1987); only one that is lower already goes on. The
scatter is the same for every fit.
"""

from __future__ import annotations

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array
from .optimize import FitOptions
from .runs import LOWER, BestOfRuns, take_briefly

__all__ = ["scatter"]


RUNS = 20
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
    usual: Array,
    ones: Array,
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
    usual, ones : ndarray, shape (n_theta,)
        theta for T = I in units of the error of a row, and for T = I. Elements of theta that are
        zero at the end start at one of them.
    options : FitOptions
    most : int
        Evaluations of all runs.
    hard : bool
        Whether something says that there are several optima.
    """
    draws, shifts = np.random.default_rng(0), np.random.default_rng(1)
    most = _cost(runs) + most
    sizes = core.parameter_sizes()[len(usual) :]
    for _ in range(ROUNDS):
        before = runs.least
        for i in range(RUNS if hard else FEWER):
            falls = runs.unfinished is not None and runs.unfinished.hopeless
            if falls or _cost(runs) > most:
                return
            theta = runs.report.end[: len(usual)]
            theta = np.where(theta == 0, ones if i % 3 == 0 else usual, theta)
            theta = theta * 10.0 ** draws.uniform(-1.0, 1.0, len(theta))
            others = begin[len(usual) :]
            if i % 2 == 1:
                others = runs.report.end[len(usual) :] + sizes * shifts.normal(size=len(sizes))
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
