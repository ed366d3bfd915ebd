"""The objective at the estimates, evaluated again from the parameters alone.

A fit reaches its estimates on a path, and starts PIRLS from the conditional modes of the step
before. Where other modes are found without the path, at the edge of the range of a link for one,
the result is what its parameters alone give.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array
from .optimize import FitReport

__all__ = ["agrees", "checked_afresh", "moved_afresh", "solved_afresh"]

# Differences that rounding and the tolerance of PIRLS may make: absolute, and relative to the
# objective.
DIFFERENT = 1e-6
ROUNDING = 1e-11
# A smaller difference leaves the modes found on the way.
SAME = 1e-8


def agrees(objective: float, fresh: float) -> bool:
    """Return whether a fresh evaluation, NaN if there is none, is the objective reached."""
    return abs(fresh - objective) <= DIFFERENT + ROUNDING * abs(objective)


def checked_afresh(report: FitReport, objective: float, fresh: float) -> FitReport:
    """Return the report of a fit; where a fresh evaluation disagrees it has not converged.

    Parameters
    ----------
    report : FitReport
    objective : float
        What the fit reached.
    fresh : float
        The same without any conditional modes to start from; NaN if there is none.
    """
    if agrees(objective, fresh):
        return report
    found = "cannot be evaluated" if np.isnan(fresh) else f"is {fresh:.10g}"
    message = (
        f"The objective reached is {objective:.10g}, but {found} at the same parameters without "
        "the conditional modes found on the way; try another start= or link."
    )
    return replace(report, converged=False, message=message)


def solved_afresh(core: CoreGeneralized, report: FitReport, fresh: float) -> FitReport | None:
    """Return the report of what the parameters alone give, the core solved there.

    Parameters
    ----------
    core : CoreGeneralized
    report : FitReport
        Where the search ended.
    fresh : float
        The objective there without any conditional modes to start from.

    Returns
    -------
    FitReport or None
        None where the modes found on the way give the same objective.
    """
    if abs(fresh - report.objective) <= SAME + ROUNDING * abs(report.objective):
        return None
    return moved_afresh(core, report, report.end)


def moved_afresh(core: CoreGeneralized, report: FitReport, end: Array) -> FitReport:
    """Return the report of another end, the core solved there without modes to start from.

    Parameters
    ----------
    core : CoreGeneralized
    report : FitReport
        Where the search ended.
    end : ndarray
        The parameters of the other end.
    """
    core.forget_modes()
    value, gradient = core.value_and_gradient(end)
    return replace(report, end=end, objective=value, gradient=gradient)
