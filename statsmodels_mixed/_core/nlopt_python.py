"""NLopt through its Python interface, where its C API is hidden (Windows).

Slower by the cost of a Python call for each evaluation, otherwise the same as the C
bridge in ``csrc/src/minimize/nlopt.c``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import nlopt
import numpy as np

from .._typing import Array
from ..errors import CoreError
from .options import FitOptions

__all__ = ["FIRST_STEP", "End", "PythonRun", "run_nlopt"]


_STOPS = {
    1: "FTOL_REACHED",
    2: "FTOL_REACHED",
    3: "FTOL_REACHED",
    4: "XTOL_REACHED",
    5: "MAXEVAL_REACHED",
    6: "MAXTIME_REACHED",
}
# Newer versions of NLopt have a class of their own for failures.
FAILURES = (RuntimeError, getattr(nlopt, "runtime_error", RuntimeError))

# When an algorithm that stopped of itself is started again, as in csrc/src/minimize/nlopt.c.
_SETTLED = 1e-7
# First steps of coefficients in standard errors.
FIRST_STEP = 4.0
_MAX_ROUNDS = 10


@dataclass(frozen=True)
class End:
    """The end of a run as ``smm_end`` reports it: zeros exact, the promise, the curvature."""

    theta: Array
    value: float
    gradient: Array
    decrement: float
    min_eigenvalue: float


@dataclass
class PythonRun:
    """What a run found.

    Parameters
    ----------
    end : ndarray
        Parameters of the least objective.
    status : str
    evaluations, gradients, failures : int
    value, decrement, min_eigenvalue : float
    points, values : list
        Every point tried and its objective.
    gradient : ndarray
        At `end`.
    """

    end: Array
    status: str = "FAILURE"
    evaluations: int = 0
    gradients: int = 0
    failures: int = 0
    value: float = np.inf
    decrement: float = np.nan
    min_eigenvalue: float = np.nan
    points: list[Array] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    gradient: Array = field(default_factory=lambda: np.empty(0))


def run_nlopt(
    evaluate: Callable[[Array], tuple[float, Array]],
    finish: Callable[[Array], End],
    start: Array,
    scale: Array,
    options: FitOptions,
    first_steps: Callable[[Array], Array | None] | None = None,
) -> PythonRun:
    """Minimize from `start`, leaving the model solved at the end.

    Parameters
    ----------
    evaluate : callable
        Parameters to objective and gradient; NaN for a point that cannot be evaluated.
    finish : callable
        Parameters to the end of the run there.
    start, scale : ndarray, shape (n,)
        Parameters and their typical sizes.
    options : FitOptions
        The algorithm of NLopt, tolerances and limits.
    first_steps : callable, optional
        Parameters to the sizes of first steps from there, None where NLopt shall choose them.

    Raises
    ------
    CoreError
        If NLopt does not know the algorithm, or `start` cannot be evaluated.
    """
    run = PythonRun(end=start.copy())
    first = np.nan

    def objective(x: Array, gradient: Array) -> float:
        nonlocal first
        point = x * scale
        value, slope = evaluate(point)
        run.evaluations += 1
        run.points.append(point.copy())
        run.values.append(value)
        if np.isnan(first):
            first = value
        if np.isnan(value):  # see the C bridge
            run.failures += 1
            gradient[:] = 0.0
            return float(first + abs(first) + 1.0 if gradient.size else first)
        if value < run.value:
            run.value, run.end = value, point.copy()
        if gradient.size:
            run.gradients += 1
            gradient[:] = slope * scale
        return value

    before, longest = time.monotonic(), options.max_time
    for _ in range(_MAX_ROUNDS):
        least, left = run.value, options.max_eval - run.evaluations
        used = time.monotonic() - before
        opt = _created(options, len(start), left, max(longest - used, 1e-9) if longest else 0.0)
        opt.set_min_objective(objective)
        steps = first_steps(run.end) if first_steps is not None else None
        if steps is not None:
            opt.set_initial_step(steps / scale)
        try:
            opt.optimize(run.end / scale)
            run.status = _STOPS.get(opt.last_optimize_result(), "FAILURE")
        except nlopt.RoundoffLimited:
            run.status = "ROUNDOFF_LIMITED"
        except FAILURES:
            # LD_LBFGS reports a line search stopped by a limit as a failure
            late = longest and time.monotonic() - before >= longest
            run.status = "MAXTIME_REACHED" if late else "ROUNDOFF_LIMITED"
        if np.isnan(first):
            raise CoreError("The numerical core could not evaluate the objective at the start.")
        end = finish(run.end)
        run.value, run.decrement, run.min_eigenvalue = end.value, end.decrement, end.min_eigenvalue
        late = longest and time.monotonic() - before >= longest
        spent = options.max_eval and run.evaluations >= options.max_eval
        if late or spent or not _unfinished(run, min(least, run.values[0]) - run.value, options):
            break
    run.end, run.gradient = end.theta, end.gradient
    return run


def _created(options: FitOptions, size: int, evaluations: int, seconds: float) -> Any:
    try:
        opt = nlopt.opt(options.algorithm, size)
    except MemoryError:  # its answer to any failure of NLopt's constructor
        raise CoreError("The numerical core could not minimize: NLopt refused.") from None
    opt.set_ftol_rel(options.ftol_rel)
    opt.set_ftol_abs(options.ftol_abs)
    opt.set_xtol_rel(options.xtol_rel)
    opt.set_xtol_abs(options.xtol_abs)
    opt.set_maxeval(evaluations if options.max_eval else 0)
    opt.set_maxtime(seconds)
    return opt


def _unfinished(run: PythonRun, gained: float, options: FitOptions) -> bool:
    """Return whether a run that stopped of itself should go on from where it is."""
    tolerance = max(options.ftol_abs, options.ftol_rel * abs(run.value))
    by_itself = run.status in ("FTOL_REACHED", "XTOL_REACHED", "ROUNDOFF_LIMITED")
    return by_itself and run.decrement > max(_SETTLED, tolerance) and gained > tolerance
