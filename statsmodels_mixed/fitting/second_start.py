"""A second start where a term ends with no variance.

T = 0 is stationary whatever the data say, and where weights differ widely it can be a local
minimum beside a lower one. A few values of T along the diagonal tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from .covariance import factors_of, theta_of
from .optimize import FitOptions, FitReport, minimize

__all__ = ["leave_zero"]

Array = NDArray[np.float64]

# Standard deviations of a random effect, over sigma, that are tried.
SIZES = (0.1, 0.3, 1.0, 3.0, 10.0)
# How much lower the objective must be.
LOWER = 1e-6


def leave_zero(
    workspace: CoreWorkspace,
    patterns: Sequence[NDArray[np.bool_]],
    report: FitReport,
    options: FitOptions,
    constant: float,
) -> FitReport:
    """Return the better of a fit and one that starts with variance where it found none.

    Parameters
    ----------
    workspace : CoreWorkspace
        Solved at the end of the fit, as it is again afterwards.
    patterns : sequence of ndarray of bool, shape (k, k)
    report : FitReport
    options : FitOptions
    constant : float
        See `minimize`.
    """
    factors = factors_of(report.end, patterns)
    empty = [i for i, T in enumerate(factors) if not T.any()]
    if not empty or not report.converged or options.max_eval or options.max_time:
        return report
    trials = []
    for i in empty:
        for size in SIZES:
            beside = [size * np.eye(len(T)) if j == i else T for j, T in enumerate(factors)]
            theta = theta_of(beside, patterns)
            trials.append((workspace.value(theta) + constant, theta))
    values = np.array([value for value, _ in trials])
    report = _logged(report, report, values, np.array([theta for _, theta in trials]))
    best = int(np.argmin(np.where(np.isnan(values), np.inf, values)))
    if values[best] < report.objective - LOWER:
        other = minimize(workspace, trials[best][1], options, constant=constant)
        if other.objective < report.objective:
            return _logged(report, other, other.fitlog_objective, other.fitlog_theta)
    workspace.value_and_gradient(report.end)
    return report


def _logged(first: FitReport, last: FitReport, values: Array, points: Array) -> FitReport:
    """Return the end of a run with the log of an earlier one and further evaluations."""
    return replace(
        last,
        start=first.start,
        initial_objective=first.initial_objective,
        evaluations=first.evaluations + len(values),
        failed_evaluations=first.failed_evaluations + int(np.isnan(values).sum()),
        fitlog_theta=np.vstack([first.fitlog_theta, points]),
        fitlog_objective=np.concatenate([first.fitlog_objective, values]),
    )
