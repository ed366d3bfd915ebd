"""Further searches where the objective jumps.

Where the log-likelihood of a row is not concave in eta there may be several conditional modes; the
highest is taken (csrc/src/generalized/modes.c), and the objective jumps where another becomes the
highest. It also jumps where a node of quadrature comes into the range of means
(csrc/src/generalized/agq.c). Newton steps may end before a jump, with lower values beyond it. Where
jumps were met, a search without derivatives (BOBYQA, Powell 2009) from a few starts looks beyond,
Newton steps go on from where it ends, and the best end is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array
from ...errors import CoreError
from .optimize import FitOptions, FitReport, minimize
from .runs import LOWER, joined, logged

__all__ = ["search_further"]


# Factors of theta of the further starts.
FACTORS = (1.0, 0.3, 3.0)
# Evaluations of a search, for each parameter and one more.
MOST = 300
# A search ends where steps have shrunk to this share of the first ones, or change the objective by
# less than this: it finds the side of a jump that is lower, and Newton steps go down there.
SHRUNK, CHANGE = 1e-2, 1e-3
# Searches that go on from the best end while that improves.
ROUNDS = 3
# At most this many parameters, the first ones, are moved to look for several modes.
MOST_POLLED = 10
# Smaller curvatures are replaced by this one.
TINY = 1e-8
SEARCHED = "this is the best end of several searches."
SEVERAL = (
    " Several conditional modes were met, and the objective jumps where another becomes the "
    f"highest: {SEARCHED}"
)
EDGE = (
    " Nodes of the quadrature are outside the range of means, and the objective jumps where one "
    f"comes in: {SEARCHED}"
)


def search_further(
    core: CoreGeneralized,
    report: FitReport,
    further: Array,
    ntheta: int,
    options: FitOptions,
) -> FitReport:
    """Return the best end of a fit and of further searches.

    Parameters
    ----------
    core : CoreGeneralized
        Solved at the end of the fit, as it is again afterwards.
    report : FitReport
    further : ndarray
        A start besides those about the end.
    ntheta : int
        Theta comes first among the parameters.
    options : FitOptions
        Another optimizer than Newton steps, and limits, are kept to: there is no further search.
    """
    if options.optimizer != "newton" or options.max_eval or options.max_time:
        return report
    best = report
    if not _met_jumps(core):
        best = _looked_around(core, report, ntheta)
        if not _met_jumps(core):
            return best
    for start in (*_starts(report, ntheta), further):
        best = _better(core, best, start, options)
    before = report.objective
    for _ in range(ROUNDS):
        if best.objective > before - LOWER:
            break
        before = best.objective
        best = _better(core, best, best.end, options)
    met = SEVERAL if core.met_several_modes else EDGE
    core.value_and_gradient(best.end)
    return replace(best, message=best.message + met)


def _met_jumps(core: CoreGeneralized) -> bool:
    return core.met_several_modes or core.met_edge


def _looked_around(core: CoreGeneralized, report: FitReport, ntheta: int) -> FitReport:
    """Evaluate beside the end, where jumps may be met; leave the model solved."""
    starts = [*list(_starts(report, ntheta))[2:], *_beside(core, report)]
    values = np.array([core.value_and_gradient(start)[0] for start in starts])
    core.value_and_gradient(report.end)
    return logged(report, report, np.array(starts), values, len(values))


def _beside(core: CoreGeneralized, report: FitReport) -> Iterator[Array]:
    """Yield parameters two standard errors from the end, of one at a time."""
    try:
        curvature = np.diag(core.curvature())
    except CoreError:  # a variance of zero has none
        return
    for i in range(min(len(curvature), MOST_POLLED)):
        for sign in (-1.0, 1.0):
            point = report.end.copy()
            point[i] += sign * 2.0 * np.sqrt(2.0 / max(curvature[i], TINY))
            yield point


def _starts(report: FitReport, ntheta: int) -> Iterator[Array]:
    yield report.start
    for factor in FACTORS:
        start = report.end.copy()
        start[:ntheta] *= factor
        yield start


def _better(core: CoreGeneralized, best: FitReport, start: Array, options: FitOptions) -> FitReport:
    """Return the best end so far or that of one more search, with the log of both."""
    most = MOST * (len(start) + 1)
    search = replace(
        options, optimizer="LN_BOBYQA", max_eval=most, xtol_rel=SHRUNK, ftol_abs=CHANGE
    )
    for step in (search, options):
        try:
            run = minimize(core, start, step)
        except CoreError:  # no objective at the start, or none beside it
            return best
        start = run.end
        run = replace(run, optimizer=options.optimizer)
        lower = run.objective < best.objective - LOWER
        # The same end, of which more is known, or which is nearer.
        settled = run.objective <= best.objective + LOWER and run.converged > best.converged
        settled |= run.objective <= best.objective and run.gradient_norm < best.gradient_norm
        taken = (lower or settled) and (best.hopeless or not run.hopeless)
        best = joined(best, run, taken=taken)
    return best
