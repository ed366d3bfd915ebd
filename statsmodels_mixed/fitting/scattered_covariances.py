"""Runs of a linear fit from covariances scattered over all sizes and correlations.

The optima of a small model differ in the signs of correlations and in the rank of T more than in
the sizes of variances, and all usual starts have independent effects. The scatter is the same for
every fit, in coordinates that do not change with shifts and scales of covariates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from .._typing import Array
from .covariance import theta_of
from .optimize import FitOptions
from .runs import BestOfRuns, descend, logged, take_briefly

__all__ = ["scatter_covariances"]


RUNS = 16
# Evaluations of a run that is not lower yet.
SHORT = 60
# Standard deviations of random effects over sigma, powers of ten.
SIZES = (-1.0, 1.5)
# Those of a single effect, close enough that each minimum is lower than its neighbours.
ALL_SIZES = 10.0 ** np.arange(-2.0, 3.6, 0.25)
# From such T runs fall to a residual variance of zero, where the likelihood rises towards it.
LARGE = 30.0
# With no more rows than effects an optimum may be at a T that is large in some directions only, in
# which few runs from smaller T end.
HUGE = 1000.0
HUGE_RUNS = 3


def scatter_covariances(
    runs: BestOfRuns,
    workspace: CoreWorkspace,
    patterns: Sequence[NDArray[np.bool_]],
    options: FitOptions,
    constant: float,
) -> None:
    """Take runs from scattered covariances; a single variance is tried at all sizes.

    Parameters
    ----------
    runs : BestOfRuns
        The workspace is not solved at its end afterwards.
    workspace : CoreWorkspace
    patterns : sequence of ndarray of bool, shape (k, k)
        Elements of the factors T.
    options : FitOptions
    constant : float
        See `minimize`.
    """
    if len(runs.report.end) == 1:
        _try_all_sizes(runs, workspace, options, constant)
        return
    draws = np.random.default_rng(0)
    starts = [[LARGE * np.eye(len(pattern)) for pattern in patterns]]
    starts += [[_drawn(draws, pattern) for pattern in patterns] for _ in range(RUNS - 1)]
    several = any(len(pattern) > 1 for pattern in patterns)
    if several and workspace.nobs <= workspace.design.p + workspace.design.q:
        starts += [[HUGE * _directions(draws, p) for p in patterns] for _ in range(HUGE_RUNS)]
    for factors in starts:
        if runs.lower_ends:  # There is no maximum.
            return
        theta = theta_of(factors, patterns)
        take_briefly(runs, workspace, workspace.from_units(theta), options, constant, most=SHORT)


def _try_all_sizes(
    runs: BestOfRuns, workspace: CoreWorkspace, options: FitOptions, constant: float
) -> None:
    """Take runs from each size of a single variance beside which others are worse."""
    thetas = np.array([workspace.from_units(np.array([size])) for size in ALL_SIZES])
    values = np.array([workspace.value(theta) for theta in thetas])
    runs.report = logged(runs.report, runs.report, thetas, values + constant, len(values))
    values = np.where(np.isnan(values), np.inf, values)
    lowest = (values[1:-1] < values[:-2]) & (values[1:-1] < values[2:])
    for theta in thetas[1:-1][lowest]:
        run = descend(workspace, theta, options, constant)
        if run is not None:
            runs.take(run)


def _drawn(draws: np.random.Generator, pattern: NDArray[np.bool_]) -> Array:
    """Return a T of random correlations and standard deviations."""
    T = _directions(draws, pattern)
    return np.asarray(T * 10.0 ** draws.uniform(*SIZES, (len(T), 1)))


def _directions(draws: np.random.Generator, pattern: NDArray[np.bool_]) -> Array:
    """Return a T of random correlations, all standard deviations 1."""
    T = draws.normal(size=pattern.shape) * pattern
    return np.asarray(T / np.linalg.norm(T, axis=1, keepdims=True))
