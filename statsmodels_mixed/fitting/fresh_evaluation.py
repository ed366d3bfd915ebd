"""The objective at the estimates, evaluated again from the parameters alone.

A fit reaches its estimates on a path, and starts PIRLS from the conditional modes of the step
before. Where these modes are not found without the path, the objective of the fit cannot be
reproduced from its parameters.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .optimize import FitReport

__all__ = ["agrees", "checked_afresh"]

# Differences that rounding and the tolerance of PIRLS may make: absolute, and relative to the
# objective.
DIFFERENT = 1e-6
ROUNDING = 1e-11


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
