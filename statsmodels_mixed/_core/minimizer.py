"""Running a minimizer of the C library: options, report, interruption."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles
from .coordinates import TermCoordinates
from .fork_gate import gate
from .nlopt_api import nlopt_table
from .nlopt_python import End, run_nlopt
from .options import FitOptions, c_options

__all__ = ["Minimizable", "Minimization", "run_minimizer"]


_STOPS = {
    lib.SMM_STOP_GTOL: "GTOL_REACHED",
    lib.SMM_STOP_FTOL: "FTOL_REACHED",
    lib.SMM_STOP_XTOL: "XTOL_REACHED",
    lib.SMM_STOP_ROUNDOFF: "ROUNDOFF_LIMITED",
    lib.SMM_STOP_MAXEVAL: "MAXEVAL_REACHED",
    lib.SMM_STOP_MAXTIME: "MAXTIME_REACHED",
    lib.SMM_STOP_FAILED: "FAILURE",
    lib.SMM_STOP_FORCED: "FORCED_STOP",
    lib.SMM_STOP_STALLED: "STALLED",
}


# Evaluations, and numbers, in the largest log.
_LONGEST_LOG = 1 << 17
_LARGEST_LOG = 1 << 23
# Evaluations in that of Newton steps.
_NEWTON_LOG = 1 << 12
# Seconds after which Python may run its signal handlers again.
_POLL_EVERY = 0.02


class Minimization(NamedTuple):
    """What a minimization reports; see ``smm_report`` in the C header."""

    theta: Array
    status: str
    evaluations: int
    gradients: int
    failures: int
    value: float
    decrement: float
    min_eigenvalue: float
    log_theta: Array
    log_value: Array
    gradient: Array

    def outward(self, coordinates: TermCoordinates) -> Minimization:
        """Return the same in the coordinates of the terms; see `TermCoordinates`."""
        if coordinates.trivial:
            return self
        return self._replace(
            theta=coordinates.outward(self.theta),
            log_theta=coordinates.outward(self.log_theta),
            gradient=coordinates.gradient_outward(self.gradient),
        )


class _Interrupt:
    """Holds the exception, usually Ctrl-C, that arrived during a C call."""

    def __init__(self) -> None:
        self.error: BaseException | None = None


def _poll_raised(kind: Any, error: BaseException, traceback: Any) -> int:
    """Keep an exception raised while polling: none may cross C."""
    ffi.from_handle(traceback.tb_frame.f_locals["ctx"]).error = error
    return 1


@ffi.def_extern(onerror=_poll_raised)  # type: ignore[untyped-decorator]
def smm_python_poll(ctx: Any) -> int:
    """Take the GIL for a moment: Python then runs its pending signal handlers, and may fork."""
    gate.pause()
    return 0


class Minimizable(NamedTuple):
    """A function to be minimized, to C and to Python.

    Attributes
    ----------
    handle : cdata
        A workspace or a generalized model.
    newton, nlopt : cdata
        Its minimizers in C.
    end : cdata
        The end of their runs, for those that were made elsewhere.
    lock : Lock
        Held during a run in C.
    evaluate, scale : callable
        The same model through Python, for platforms where NLopt hides its C API: see
        `run_nlopt`.
    first_steps : callable, optional
        See `run_nlopt`.
    """

    handle: Any
    newton: Any
    nlopt: Any
    end: Any
    lock: threading.Lock
    evaluate: Callable[[Array], tuple[float, Array]]
    scale: Callable[[], Array]
    first_steps: Callable[[Array], Array | None] | None = None


def _end(model: Minimizable, point: Array, options: FitOptions) -> End:
    """End a run that was made elsewhere at a point."""
    theta, gradient = np.array(point), np.full(len(point), np.nan)
    report = ffi.new("smm_report *")
    report.gradient = doubles(gradient)
    with model.lock:
        status = model.end(model.handle, c_options(options), doubles(theta), report)
    check_status(status, "minimize the objective")
    return End(
        theta,
        float(report.value),
        gradient,
        float(report.decrement),
        float(report.min_eigenvalue),
    )


def run_minimizer(
    model: Minimizable, start: Array, options: FitOptions, log_capacity: int | None = None
) -> Minimization:
    """Minimize a function.

    Parameters
    ----------
    model : Minimizable
    start : ndarray
        Starting parameters.
    options : FitOptions
        The minimizer, tolerances and limits.
    log_capacity : int, optional
        How many evaluations are logged at most.

    Raises
    ------
    CoreError
        If the objective cannot be evaluated at the start.
    KeyboardInterrupt
        If the user interrupted; any other exception of a signal handler comes through too.
    """
    algorithm = options.algorithm
    if log_capacity is None:  # memory that is not written to is not taken
        log_capacity = min(_LONGEST_LOG, max(1024, _LARGEST_LOG // max(1, len(start))))
        if algorithm is None:  # Newton steps are few, and large arrays cost their clearing
            log_capacity = min(log_capacity, _NEWTON_LOG)
    if algorithm is not None and nlopt_table() is None:

        def finish(point: Array) -> End:
            return _end(model, point, options)

        run = run_nlopt(model.evaluate, finish, start, model.scale(), options, model.first_steps)
        return Minimization(
            theta=run.end,
            status=run.status,
            evaluations=run.evaluations,
            gradients=run.gradients,
            failures=run.failures,
            value=run.value,
            decrement=run.decrement,
            min_eigenvalue=run.min_eigenvalue,
            log_theta=np.array(run.points[:log_capacity]),
            log_value=np.array(run.values[:log_capacity]),
            gradient=run.gradient,
        )
    end = np.array(start)
    log_theta, log_value = np.empty((log_capacity, len(end))), np.empty(log_capacity)
    report = ffi.new("smm_report *")
    report.log_capacity = log_capacity
    report.log_theta, report.log_value = doubles(log_theta), doubles(log_value)
    gradient = np.empty(len(end))
    gradient.fill(np.nan)
    report.gradient = doubles(gradient)
    interrupt = _Interrupt()
    ctx = ffi.new_handle(interrupt)
    asked = c_options(options)
    asked.poll, asked.poll_ctx, asked.poll_every = lib.smm_python_poll, ctx, _POLL_EVERY
    with model.lock:
        if algorithm is None:
            status = model.newton(model.handle, asked, doubles(end), report)
        else:
            status = model.nlopt(
                model.handle, nlopt_table(), algorithm, asked, doubles(end), report
            )
    if interrupt.error is not None:
        raise interrupt.error
    check_status(status, "minimize the objective")
    logged = min(int(report.evaluations), log_capacity)
    return Minimization(
        theta=end,
        status=_STOPS[report.stop],
        evaluations=int(report.evaluations),
        gradients=int(report.gradients),
        failures=int(report.failures),
        value=float(report.value),
        decrement=float(report.decrement),
        min_eigenvalue=float(report.min_eigenvalue),
        log_theta=log_theta[:logged].copy(),
        log_value=log_value[:logged].copy(),
        gradient=gradient,
    )
