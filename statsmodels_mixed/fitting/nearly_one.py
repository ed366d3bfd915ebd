"""Independent random effects of columns that are nearly one: (year || country).

Lines that differ between levels need intercepts that go with their slopes, unless x is zero where
they are. Independent effects make such lines where intercepts at x = 0 and slopes are both so large
that what they add up to at the rows is small beside either. There is another optimum with one of
them alone, and runs that begin at effects of the size of the rows' differences end there. So
large effects of one size are tried together.
"""

from __future__ import annotations

import numpy as np

from .._core import CoreWorkspace
from ..frame.design import Design
from .covariance import factors_of, theta_of
from .optimize import FitOptions, FitReport
from .runs import LOWER, BestOfRuns, descend, logged

__all__ = ["SIZES", "blocks_nearly_one", "try_together"]


# Columns with this cosine are nearly one: those of an intercept and of an x of seven sds.
NEARLY_ONE = 0.99
# Standard deviations over sigma that are tried, for columns of unit size.
SIZES = 10.0 ** np.arange(0.0, 8.1, 0.5)


def blocks_nearly_one(design: Design) -> list[int]:
    """Return which grouping factors have independent effects of columns that are nearly one."""
    found = []
    for t, block in enumerate(design.blocks):
        apart = ~(block.pattern | block.pattern.T)
        if block.own_places or not apart.any():
            continue
        weights = design.weights
        gram = block.z.T @ (block.z if weights is None else block.z * weights[:, None])
        size = np.sqrt(np.diag(gram))
        if (apart & (np.abs(gram) > NEARLY_ONE * np.outer(size, size))).any():
            found.append(t)
    return found


def try_together(
    workspace: CoreWorkspace,
    report: FitReport,
    design: Design,
    options: FitOptions,
    constant: float,
) -> FitReport:
    """Return the better of a fit and of runs from large effects of columns that are nearly one.

    Parameters
    ----------
    workspace : CoreWorkspace
        Solved at the end of the better one afterwards.
    report : FitReport
        Of the fit.
    design : Design
        Its blocks may have such columns.
    options : FitOptions
    constant : float
        See `minimize`.
    """
    blocks = blocks_nearly_one(design)
    if not blocks or options.max_eval or options.max_time:
        return report
    runs = BestOfRuns(report, lambda _: True)
    patterns = [block.pattern for block in design.blocks]
    unit = factors_of(workspace.identity(), patterns)
    for block in blocks:
        ends = factors_of(runs.report.end, patterns)
        large = [[*ends[:block], size * unit[block], *ends[block + 1 :]] for size in SIZES]
        trials = np.array([theta_of(factors, patterns) for factors in large])
        values = np.array([workspace.value(theta) for theta in trials]) + constant
        runs.report = logged(runs.report, runs.report, trials, values, len(values))
        values = np.where(np.isfinite(values), values, np.inf)
        if values.min() < runs.report.objective - LOWER:
            run = descend(workspace, trials[np.argmin(values)], options, constant)
            if run is not None:
                runs.take(run)
    workspace.value_and_gradient(runs.report.end)
    return runs.report
