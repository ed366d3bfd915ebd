"""The C core in several threads, and interrupted in the middle."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from core_models import asking, balanced, crossed, long_fit, one_way

from statsmodels_mixed._core import CoreWorkspace

# --- threads


def test_workspaces_of_one_design_in_threads():
    design, y = crossed()
    rng = np.random.default_rng(4)
    thetas = [np.array([1, 0, 1, 1, 0, 1]) + 0.3 * rng.normal(size=6) for _ in range(24)]

    def evaluate(theta):
        ws = CoreWorkspace(design, y)
        ws.set_criterion(True)
        value, gradient = ws.value_and_gradient(theta)
        return value, gradient, ws.curvature(), ws.condvar()[0], ws.leverage()

    alone = [evaluate(theta) for theta in thetas]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(evaluate, thetas))
    for one, other in zip(alone, together, strict=True):
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)


def test_one_workspace_in_several_threads_stays_consistent():
    """A value and its gradient belong together whoever else evaluates meanwhile."""
    design, y = crossed()
    ws = CoreWorkspace(design, y)
    thetas = [np.array([1, 0, 1, 1, 0, 1]) * scale for scale in (0.3, 0.7, 1.0, 2.0)]
    want = [ws.value_and_gradient(theta) for theta in thetas]

    def evaluate(i):
        return [ws.value_and_gradient(thetas[i]) for _ in range(100)]

    with ThreadPoolExecutor(4) as pool:
        for i, answers in enumerate(pool.map(evaluate, range(4))):
            for value, gradient in answers:
                assert value == want[i][0]
                np.testing.assert_array_equal(gradient, want[i][1])


def test_minimizations_of_one_workspace_in_threads():
    ws = CoreWorkspace(one_way(), balanced())
    with ThreadPoolExecutor(4) as pool:
        runs = list(
            pool.map(lambda start: ws.minimize([start], asking(ftol_abs=1e-10)), [0.5, 1, 2, 4])
        )
    for run in runs:
        assert run.theta == pytest.approx(runs[0].theta, rel=1e-4)


def test_another_thread_ends_fits_to_many_responses():
    ws, stop = long_fit(), np.zeros(1, dtype=np.int32)
    start = np.eye(4)[np.triu_indices(4)].tolist() * 2
    responses = np.random.default_rng(5).normal(size=(3000, ws.design.n))
    timer = threading.Timer(0.05, lambda: stop.fill(1))
    timer.start()
    fits = ws.refit(responses, start, stop, asking(ftol_abs=1e-8, xtol_abs=1e-10))
    timer.join()
    assert len(fits.facts) == len(fits.theta) < 3000
    assert np.isfinite(fits.facts).all()


# --- interrupts

ENDLESS = asking(optimizer="LN_NELDERMEAD")  # no tolerance, so no end


@pytest.fixture
def interrupt():
    """Return a function that raises SIGINT after some seconds, answered with an error."""
    before = signal.getsignal(signal.SIGINT)
    timers = []

    def start(seconds, error):
        def handler(number, frame):
            raise error

        signal.signal(signal.SIGINT, handler)
        timers.append(threading.Timer(seconds, signal.raise_signal, [signal.SIGINT]))
        timers[-1].start()
        return timers[-1]

    yield start
    for timer in timers:
        timer.cancel()
        timer.join()
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_stops_a_minimization(interrupt):
    ws = long_fit()
    start = ws.theta_scale()
    interrupt(0.15, KeyboardInterrupt())
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ws.minimize(start, ENDLESS)
    assert time.monotonic() - began < 5.0
    # the lock is free, the workspace in order
    assert ws.minimize(start, asking(ftol_abs=1e-8)).status in ("GTOL_REACHED", "FTOL_REACHED")


def test_another_exception_of_a_signal_handler_comes_through(interrupt):
    """A time limit is not a Ctrl-C: the caller gets the very exception."""
    ws = long_fit()
    interrupt(0.15, TimeoutError("too long"))
    with pytest.raises(BaseException) as caught:  # a KeyboardInterrupt would end pytest
        ws.minimize(ws.theta_scale(), ENDLESS)
    assert caught.type is TimeoutError


# One that comes while a handle of an earlier test is freed is lost: Python lets no exception out of
# a finalizer. The fit then ends normally.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_at_any_moment(interrupt, capfd):
    """Whenever it comes, the fit ends normally or by KeyboardInterrupt."""
    design, y = crossed()
    ws = CoreWorkspace(design, y)
    start = ws.theta_scale() * [1, 0.1, 1, 1, 0.1, 1]
    want = ws.minimize(start, asking(ftol_abs=1e-9)).value
    rng = np.random.default_rng(5)
    interrupted = 0
    for _ in range(60):
        try:
            timer = interrupt(rng.uniform(0, 3e-3), KeyboardInterrupt())
            run = ws.minimize(start, asking(ftol_abs=1e-9))
            assert run.value == want
            timer.join()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted > 0
    assert ws.minimize(start, asking(ftol_abs=1e-9)).value == want
    assert capfd.readouterr().err == ""  # cffi prints what a callback lets escape
