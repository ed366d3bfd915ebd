"""Ends at which an objective depends on the last digits of theta.

Where covariances are not determined the objective may be level, or rounding may make it fall, up to
effects of 1e9 sigma and more that differ by less than sigma. No doubles hold these: their T differ
from what was found by more than sigma, and so does the objective from what is reported of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._core import CoreWorkspace
from ..._typing import Array
from .optimize import FitReport
from .runs import LOWER, evaluated

__all__ = ["has_digits", "if_it_has_digits"]


# Standard deviations of effects over sigma whose last digits may matter.
LARGE = 1e6
# Neighbours of theta.
DRAWS = 4


def has_digits(workspace: CoreWorkspace, theta: Array) -> bool:
    """Return whether the objective is the same where all of theta changes in a last digit.

    Parameters
    ----------
    workspace : CoreWorkspace
        Solved at theta afterwards if it was so before.
    theta : ndarray, shape (n_theta,)
    """
    if not (np.abs(theta) > LARGE * workspace.theta_scale()).any():
        return True
    draws = np.random.default_rng(0)
    ways = draws.choice([-np.inf, np.inf], (DRAWS, len(theta)))
    values = [workspace.value(each) for each in np.nextafter(theta, ways)]
    values.append(evaluated(workspace, theta)[0])
    return bool(np.ptp(values) <= LOWER * max(1.0, abs(values[-1]) / 1000.0))


def if_it_has_digits(workspace: CoreWorkspace, report: FitReport) -> FitReport:
    """Return the report of a run, which has not converged if its end has no digits.

    Parameters
    ----------
    workspace : CoreWorkspace
        Solved at the end, as it is again afterwards.
    report : FitReport
    """
    if has_digits(workspace, report.end):
        return report
    message = (
        "The objective depends on the last digits of theta: the data do not determine covariances "
        "of effects that are so large; leave out random effects."
    )
    return replace(report, converged=False, gradient_norm=np.inf, message=message)
