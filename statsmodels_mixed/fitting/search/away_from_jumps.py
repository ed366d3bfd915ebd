"""Ends beside a jump of the objective, where rounding decides which side they are on.

Searches come as near to a jump (see `several_modes`), or to the edge of the range of means, as
there are numbers. The same parameters in other units are then on the other side, with another
objective or none. Such an end is moved back to the last point on the way from which nobody who
computes with the digits of doubles gets to the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ..._core import CoreGeneralized
from ..._typing import Array
from .fresh_evaluation import agrees, moved_afresh
from .optimize import FitReport
from .runs import LOWER

__all__ = ["as_written", "away_from_jumps"]


# Rounding errors of parameters that others may make: of each, and of a change that matters.
ROUNDING = 1e-10
# This many steps of that size: rounding may also decide, for one set of parameters in twenty, where
# the search for modes goes on, and none of forty points may seem firm by chance.
STEPS = 64
# Points on the way that are tried, and how far behind the one before each of them is.
MOST, APART = 40, 1.3
# Parameters are carried to the user's units and back until their objective is the same.
UNTIL_SAME = 5
# Shares of the way back to the start. The range of means of a link is convex.
SHARES = tuple(10.0 ** np.arange(-9.0, -2.0))


def away_from_jumps(core: CoreGeneralized, report: FitReport) -> FitReport:
    """Return the report of an end of rough steps, moved away from a jump beside it.

    An end above others that were met is none that is reported as an optimum, and stays.

    Parameters
    ----------
    core : CoreGeneralized
        Solved at the end, as it is again afterwards.
    report : FitReport
    """
    falls = np.nanmin(report.fitlog_objective) < report.objective - LOWER  # as it says
    stays = falls or _is_firm(core, report.end, report.objective)
    for point in () if stays else _behind(report):
        if _is_firm(core, point, core.fresh_value(point)):
            value, gradient = core.value_and_gradient(point)
            return replace(report, end=point, objective=value, gradient=gradient)
    core.value_and_gradient(report.end)
    return report


def as_written(
    core: CoreGeneralized, report: FitReport, again: Callable[[Array], Array]
) -> FitReport:
    """Return the report of an end whose objective the parameters in the user's units have, too.

    Where no point is firm, the digits lost on the way to these units and back decide.

    Parameters
    ----------
    core : CoreGeneralized
        Solved at the end, as it is again afterwards.
    report : FitReport
    again : callable
        Takes the core's parameters to the user's units and back.
    """
    for end in (report.end, *_behind(report)):
        point = _written(core, end, again)
        if point is report.end:
            break
        if point is not None:
            return moved_afresh(core, report, point)
    core.value_and_gradient(report.end)
    return report


def _written(core: CoreGeneralized, point: Array, again: Callable[[Array], Array]) -> Array | None:
    """Return a point that has the same objective after its way to the user's units and back."""
    value = core.fresh_value(point)
    for _ in range(UNTIL_SAME):
        after = again(point)
        value_after = core.fresh_value(after)
        if agrees(value, value_after):
            return point
        point, value = after, value_after
    return None


def _behind(report: FitReport) -> Iterator[Array]:
    """Yield points on the way, those with the lowest objective first, and towards the start."""
    order = np.argsort(report.fitlog_objective, kind="stable")  # NaN comes last
    order = order[np.isfinite(report.fitlog_objective[order])]
    places = np.unique((APART ** np.arange(MOST)).astype(int) - 1)
    yield from report.fitlog_theta[order[places[places < len(order)]]]
    for share in SHARES:
        yield (1.0 - share) * report.end + share * report.start


def _is_firm(core: CoreGeneralized, point: Array, value: float) -> bool:
    """Return whether the objective is the same for all who compute it beside a point."""
    steps = np.random.default_rng(0).uniform(-1.0, 1.0, (STEPS, len(point)))
    size = ROUNDING * (np.abs(point) + core.parameter_sizes())
    return all(agrees(value, core.fresh_value(point + step * size)) for step in steps)
