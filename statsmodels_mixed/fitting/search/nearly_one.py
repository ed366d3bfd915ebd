"""Independent random effects of columns that are nearly one: (year || country).

Lines that differ between levels need intercepts that go with their slopes, unless x is zero where
they are. Independent effects make such lines where intercepts at x = 0 and slopes are both so large
that what they add up to at the rows is small beside either. There is another optimum with one of
them alone, and runs that begin at effects of the size of the rows' differences end there. So
large effects of one size are tried together.
"""

from __future__ import annotations

import numpy as np

from ..._core import CoreGeneralized, CoreWorkspace
from ..._typing import Array
from ...frame.design import Design
from ..covariance import factors_of, theta_of
from .optimize import FitOptions
from .runs import LOWER, BestOfRuns, descend, logged

__all__ = ["SIZES", "blocks_nearly_one", "smaller_dispersions", "try_together"]


# Columns with this cosine are nearly one: those of an intercept and of an x of seven sds.
NEARLY_ONE = 0.99
# Standard deviations over sigma that are tried, for columns of unit size.
SIZES = 10.0 ** np.arange(0.0, 8.1, 0.5)
# Changes of a log dispersion that are tried.
SMALLER = (-1.0, -2.0)


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


def smaller_dispersions(parameters: Array) -> list[Array]:
    """Return parameters with smaller dispersions: one may make up for effects that are missing.

    Parameters
    ----------
    parameters : ndarray
        The last one is a log dispersion.
    """
    shifts = np.zeros((len(SMALLER), len(parameters)))
    shifts[:, -1] = SMALLER
    return list(parameters + shifts)


def try_together(
    runs: BestOfRuns,
    core: CoreWorkspace | CoreGeneralized,
    design: Design,
    unit: Array,
    options: FitOptions,
    constant: float = 0.0,
    *,
    dispersion: bool = False,
) -> None:
    """Take runs from large effects of columns that are nearly one.

    Parameters
    ----------
    runs : BestOfRuns
        With the fit.
    core : CoreWorkspace or CoreGeneralized
        Solved at the end of the best run afterwards.
    design : Design
        Its blocks may have such columns.
    unit : ndarray, shape (n_theta,)
        theta of effects as large as the errors of the rows.
    options : FitOptions
        Fits with a limit are not repeated.
    constant : float
        See `minimize`.
    dispersion : bool
        Whether the last parameter is a log dispersion.
    """
    blocks = blocks_nearly_one(design)
    if not blocks or options.max_eval or options.max_time:
        return
    nt, patterns = len(unit), [block.pattern for block in design.blocks]
    units = factors_of(unit, patterns)
    for block in blocks:
        end = runs.report.end
        ends = factors_of(end[:nt], patterns)
        large = [[*ends[:block], size * units[block], *ends[block + 1 :]] for size in SIZES]
        thetas = [theta_of(factors, patterns) for factors in large]
        others = [end[nt:], *(smaller_dispersions(end[nt:]) if dispersion else [])]
        trials = np.array([np.r_[theta, rest] for rest in others for theta in thetas])
        values = np.array([core.value_and_gradient(trial)[0] for trial in trials]) + constant
        runs.report = logged(runs.report, runs.report, trials, values, len(values))
        values = np.where(np.isfinite(values), values, np.inf)
        if values.min() < runs.report.objective - LOWER:
            run = descend(core, trials[np.argmin(values)], options, constant)
            if run is not None:
                runs.take(run)
    core.value_and_gradient(runs.report.end)
