"""The boundary to C: checks at the door, ownership, threads, interrupts, status codes."""

from __future__ import annotations

import ctypes
import gc
import signal
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from statsmodels_mixed._core import (
    CoreDesign,
    CoreWorkspace,
    TermArrays,
    algorithm_number,
    algorithms,
    blas,
    handles,
)
from statsmodels_mixed.errors import CoreError, OptionError

GROUPS, REPEATS = 12, 5
ONE = np.ones((1, 1), bool)
FULL2 = np.tril(np.ones((2, 2), bool))


def balanced(seed: int = 1, between: float = 1.5) -> np.ndarray:
    """Response of a balanced one-way layout."""
    rng = np.random.default_rng(seed)
    effects = between * rng.normal(size=GROUPS).repeat(REPEATS)
    return 10.0 + effects + rng.normal(size=GROUPS * REPEATS)


def one_way() -> CoreDesign:
    n = GROUPS * REPEATS
    refs = np.arange(GROUPS, dtype=np.int32).repeat(REPEATS)
    return CoreDesign([TermArrays(GROUPS, refs, np.ones((n, 1)), ONE)], np.ones((n, 1)))


def crossed(n: int = 400, k: int = 2) -> tuple[CoreDesign, np.ndarray]:
    """Two vector-valued factors, and a response."""
    rng = np.random.default_rng(2)
    full = np.tril(np.ones((k, k), bool))
    terms = []
    for levels in (30, 20):
        refs = rng.integers(levels, size=n, dtype=np.int32)
        z = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        terms.append(TermArrays(levels, refs, z, full))
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = rng.normal(size=n)
    for term in terms:
        y += np.sum(term.z * rng.normal(size=(term.levels, k))[term.refs], axis=1)
    return CoreDesign(terms, X), y


# --- at the door


def test_wrong_shapes_of_a_design():
    n = 6
    refs, z, X = np.zeros(n, np.int32), np.ones((n, 1)), np.ones((n, 1))
    good = TermArrays(1, refs, z, ONE)
    CoreDesign([good], X)
    for bad in (
        TermArrays(1, refs[1:], z, ONE),
        TermArrays(1, refs[:, None], z, ONE),
        TermArrays(1, refs, z[1:], ONE),
        TermArrays(1, refs, z, FULL2),
        TermArrays(1, refs, z, ONE[0]),
    ):
        with pytest.raises(CoreError, match="shape"):
            CoreDesign([bad], X)
        with pytest.raises(CoreError, match="shape"):
            CoreDesign([good, bad], X)
    with pytest.raises(CoreError, match="shape"):
        CoreDesign([good], np.ones((n + 1, 1)))


@pytest.mark.parametrize(
    "term",
    [
        TermArrays(1, np.array([0, 0, 1], np.int32), np.ones((3, 1)), ONE),
        TermArrays(2, np.array([0, -1, 1], np.int32), np.ones((3, 1)), ONE),
        TermArrays(0, np.zeros(3, np.int32), np.ones((3, 1)), ONE),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 0)), np.ones((0, 0), bool)),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 2)), np.ones((2, 2), bool)),
        TermArrays(1, np.zeros(3, np.int32), np.ones((3, 2)), np.tril(FULL2, -1)),
    ],
    ids=["ref too large", "ref negative", "no levels", "no columns", "upper", "no diagonal"],
)
def test_impossible_terms(term):
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([term], np.ones((3, 1)))


def test_no_terms_and_no_rows():
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([], np.ones((3, 1)))
    with pytest.raises(CoreError, match="out of range"):
        CoreDesign([TermArrays(1, np.zeros(0, np.int32), np.ones((0, 1)), ONE)], np.ones((0, 1)))


def test_wrong_shapes_of_a_workspace():
    design, y = one_way(), balanced()
    for bad in (y[1:], y[:, None], np.append(y, 0.0)):
        with pytest.raises(CoreError, match="y has shape"):
            CoreWorkspace(design, bad)
        with pytest.raises(CoreError, match="weights has shape"):
            CoreWorkspace(design, y, bad)
    ws = CoreWorkspace(design, y)
    with pytest.raises(CoreError, match="y has shape"):
        ws.set_response(y[1:])
    for theta in (np.ones(0), np.ones(2), np.ones((1, 1))):
        for method in (ws.value, ws.value_and_gradient, ws.minimize):
            with pytest.raises(CoreError, match="theta has shape"):
                method(theta)


def test_any_dtype_and_layout_is_taken():
    design, y = crossed()
    want = CoreWorkspace(design, y).value_and_gradient(np.ones(6))
    n = len(y)
    terms = []
    for levels, (refs, z, pattern) in zip((30, 20), design._keep, strict=True):
        spread = np.zeros((n, 4))
        spread[:, ::2] = z
        terms.append(
            TermArrays(levels, refs.astype(np.int64), spread[:, ::2], np.asfortranarray(pattern))
        )
    X = np.asfortranarray(design.X)
    weights = np.ones(n, dtype=np.float32)
    got = CoreWorkspace(CoreDesign(terms, X), np.repeat(y, 2)[::2], weights)
    value, gradient = got.value_and_gradient([1] * 6)
    assert value == pytest.approx(want[0], rel=1e-14)
    np.testing.assert_allclose(gradient, want[1], rtol=1e-12)


# --- ownership


def test_lent_arrays_live_as_long_as_the_design():
    n = 40
    refs, z, X = np.arange(n, dtype=np.int32) % 4, np.ones((n, 1)), np.ones((n, 1))
    lent = [weakref.ref(array) for array in (refs, z, X)]
    y = np.arange(n, dtype=float)
    ws = CoreWorkspace(CoreDesign([TermArrays(4, refs, z, ONE)], X), y)
    want = ws.value_and_gradient(np.ones(1))[0]
    del refs, z, X
    gc.collect()
    assert all(array() is not None for array in lent)
    assert ws.value_and_gradient(np.ones(1))[0] == want
    ws.set_response(y)  # reads refs, z and X again
    ws.value_and_gradient(np.ones(1))
    assert ws.leverage().shape == (n,)
    del ws
    gc.collect()
    assert all(array() is None for array in lent)


def test_temporaries_are_safe():
    """Copies made at the door are kept too; freed memory is overwritten at once."""
    rng = np.random.default_rng(3)
    n = 2000
    refs, z = rng.integers(50, size=n), rng.normal(size=(n, 4))
    y, weights = rng.normal(size=n), rng.uniform(0.5, 2, size=n)
    values = []
    for _ in range(2):
        terms = [TermArrays(50, refs.astype(np.int64), z[:, ::2], FULL2)]
        ws = CoreWorkspace(CoreDesign(terms, z[:, 1::2]), y * 1.0, weights.astype(np.float32))
        del terms
        gc.collect()
        rubbish = [np.full((n, 2), np.nan) for _ in range(20)]
        ws.set_response(y)
        values.append((ws.value_and_gradient(np.ones(3))[0], ws.leverage().sum()))
        del rubbish
    assert values[0] == values[1]
    assert np.all(np.isfinite(values[0]))


def test_a_workspace_is_freed_before_its_design(monkeypatch):
    freed = []

    class Watched:
        def __getattr__(self, name):
            return getattr(handles_lib, name)

        def smm_design_destroy(self, handle):
            freed.append("design")
            handles_lib.smm_design_destroy(handle)

        def smm_workspace_destroy(self, handle):
            freed.append("workspace")
            handles_lib.smm_workspace_destroy(handle)

    handles_lib = handles.lib
    monkeypatch.setattr(handles, "lib", Watched())
    ws = CoreWorkspace(one_way(), balanced())  # the only reference to the design
    del ws
    gc.collect()
    assert freed == ["workspace", "design"]


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
        runs = list(pool.map(lambda start: ws.minimize([start], ftol_abs=1e-10), [0.5, 1, 2, 4]))
    for run in runs:
        assert run.theta == pytest.approx(runs[0].theta, rel=1e-4)


# --- interrupts

ENDLESS = {"algorithm": algorithm_number("LN_NELDERMEAD")}  # no tolerance, so no end


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


def long_fit() -> CoreWorkspace:
    design, y = crossed(k=4)
    return CoreWorkspace(design, y)


def test_ctrl_c_stops_a_minimization(interrupt):
    ws = long_fit()
    start = ws.theta_scale()
    interrupt(0.15, KeyboardInterrupt())
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        ws.minimize(start, **ENDLESS)
    assert time.monotonic() - began < 5.0
    # the lock is free, the workspace in order
    assert ws.minimize(start, ftol_abs=1e-8).status in ("GTOL_REACHED", "FTOL_REACHED")


def test_another_exception_of_a_signal_handler_comes_through(interrupt):
    """A time limit is not a Ctrl-C: the caller gets the very exception."""
    ws = long_fit()
    interrupt(0.15, TimeoutError("too long"))
    with pytest.raises(BaseException) as caught:  # a KeyboardInterrupt would end pytest
        ws.minimize(ws.theta_scale(), **ENDLESS)
    assert caught.type is TimeoutError


def test_interrupts_at_any_moment(interrupt, capfd):
    """Whenever it comes, the fit ends normally or by KeyboardInterrupt."""
    design, y = crossed()
    ws = CoreWorkspace(design, y)
    start = ws.theta_scale() * [1, 0.1, 1, 1, 0.1, 1]
    want = ws.minimize(start, ftol_abs=1e-9).value
    rng = np.random.default_rng(5)
    interrupted = 0
    for _ in range(60):
        try:
            timer = interrupt(rng.uniform(0, 3e-3), KeyboardInterrupt())
            run = ws.minimize(start, ftol_abs=1e-9)
            assert run.value == want
            timer.join()
        except KeyboardInterrupt:
            interrupted += 1
    assert interrupted > 0
    assert ws.minimize(start, ftol_abs=1e-9).value == want
    assert capfd.readouterr().err == ""  # cffi prints what a callback lets escape


# --- status codes


def test_calls_out_of_order():
    ws = CoreWorkspace(one_way(), balanced())
    for call in (ws.gradient, ws.curvature, ws.solution, ws.condvar, ws.leverage):
        with pytest.raises(CoreError, match="before the step it depends on"):
            call()
    ws.value(np.ones(1))
    for call in (ws.curvature, ws.solution, ws.condvar, ws.leverage):
        with pytest.raises(CoreError, match="before the step it depends on"):
            call()
    ws.gradient()
    ws.solution()
    # another criterion or response is another problem
    for change in (lambda: ws.set_criterion(True), lambda: ws.set_response(balanced(2))):
        ws.value_and_gradient(np.ones(1))
        change()
        with pytest.raises(CoreError, match="before the step it depends on"):
            ws.solution()


def test_values_that_are_no_numbers():
    design, y = one_way(), balanced()
    for bad in (np.nan, np.inf):
        broken = y.copy()
        broken[3] = bad
        with pytest.raises(CoreError, match="NaN or an infinity"):
            CoreWorkspace(design, broken)
        with pytest.raises(CoreError, match="NaN or an infinity"):
            CoreWorkspace(design, y, np.abs(broken))
        ws = CoreWorkspace(design, y)
        with pytest.raises(CoreError, match="NaN or an infinity"):
            ws.minimize([bad])
        assert np.isnan(ws.value([bad]))
        value, gradient = ws.value_and_gradient([bad])
        assert np.isnan(value)
        assert np.all(np.isnan(gradient))
        assert np.isfinite(ws.value([1.0]))


def test_impossible_weights_and_criteria():
    design, y = one_way(), balanced()
    with pytest.raises(CoreError, match="out of range"):
        CoreWorkspace(design, y, np.where(np.arange(len(y)) == 7, -1.0, 1.0))
    with pytest.raises(CoreError, match="NaN or an infinity"):
        CoreWorkspace(design, y, np.zeros_like(y))
    ws = CoreWorkspace(design, y)
    for sigma in (-1.0, np.nan, np.inf):
        with pytest.raises(CoreError, match="out of range"):
            ws.set_criterion(False, sigma)
    square = CoreDesign([TermArrays(1, np.zeros(2, np.int32), np.ones((2, 1)), ONE)], np.eye(2))
    with pytest.raises(CoreError, match="out of range"):
        CoreWorkspace(square, np.array([1.0, 2.0])).set_criterion(True)


def test_a_constant_response_cannot_be_evaluated():
    ws = CoreWorkspace(one_way(), np.zeros(GROUPS * REPEATS))
    assert np.isnan(ws.value([1.0]))
    with pytest.raises(CoreError):
        ws.minimize([1.0])


def test_singular_X_is_refused():
    n = GROUPS * REPEATS
    refs = np.arange(GROUPS, dtype=np.int32).repeat(REPEATS)
    design = CoreDesign([TermArrays(GROUPS, refs, np.ones((n, 1)), ONE)], np.zeros((n, 1)))
    assert np.isnan(CoreWorkspace(design, balanced()).value([1.0]))


def test_sizes():
    design, _ = crossed()
    sizes = design.sizes
    assert (sizes["n"], sizes["p"], sizes["q"]) == (400, 2, 100)
    assert (sizes["nterms"], sizes["ntheta"], sizes["nodes"]) == (2, 6, 50)
    assert sizes["head_nodes"] >= 30


# --- minimization


def closed_form(y: np.ndarray) -> tuple[float, float]:
    """theta and the deviance of a balanced one-way layout (Searle et al. 1992, 3.7)."""
    means = y.reshape(GROUPS, REPEATS).mean(axis=1)
    between = REPEATS * np.sum((means - means.mean()) ** 2)
    within = np.sum((y - means.repeat(REPEATS)) ** 2)
    sigma2 = within / (GROUPS * (REPEATS - 1))
    if between / GROUPS <= sigma2:  # no variance between the groups
        sigma2 = (between + within) / len(y)
        return 0.0, len(y) * (1 + np.log(2 * np.pi * sigma2))
    theta2 = (between / GROUPS / sigma2 - 1) / REPEATS
    logdet = GROUPS * np.log(1 + REPEATS * theta2)
    return np.sqrt(theta2), logdet + len(y) * (1 + np.log(2 * np.pi * sigma2))


@pytest.mark.parametrize("optimizer", [None, "LN_BOBYQA", "LN_COBYLA", "LD_LBFGS", "LD_SLSQP"])
@pytest.mark.parametrize("between", [0.0, 1.5])
def test_minimum_in_closed_form(optimizer, between):
    y = balanced(between=between)
    theta, deviance = closed_form(y)
    assert (theta == 0) == (between == 0)
    ws = CoreWorkspace(one_way(), y)
    number = None if optimizer is None else algorithm_number(optimizer)
    run = ws.minimize([1.0], algorithm=number, ftol_abs=1e-10, xtol_abs=1e-9)
    assert run.value == pytest.approx(deviance, abs=1e-8)
    assert np.abs(run.theta) == pytest.approx(theta, abs=1e-4)
    assert run.failures == 0
    assert len(run.log_value) == run.evaluations
    assert run.log_theta.shape == (run.evaluations, 1)
    assert run.log_theta[0] == 1.0
    assert np.min(run.log_value) >= run.value - 1e-8
    # the workspace is left solved at the end
    assert ws.value(run.theta) == run.value
    if theta > 0:
        assert run.decrement < 1e-8
        assert run.min_eigenvalue > 0


def test_newton_converges_from_anywhere():
    y = balanced()
    theta, deviance = closed_form(y)
    ws = CoreWorkspace(one_way(), y)
    for start in (1e-12, 1e-3, 30.0, 1e4, -2.0, 0.0):
        run = ws.minimize([start], ftol_abs=1e-9)
        assert run.value == pytest.approx(deviance, abs=1e-8)
        assert np.abs(run.theta) == pytest.approx(theta, rel=1e-4)


@pytest.mark.parametrize("algorithm", [None, algorithm_number("LN_BOBYQA")])
def test_limits(algorithm):
    ws = long_fit()
    start = ws.theta_scale()
    run = ws.minimize(start, algorithm=algorithm, max_eval=2)
    assert run.status == "MAXEVAL_REACHED"
    assert run.evaluations <= 5  # and what it takes to solve at the end
    assert np.isfinite(run.value)
    run = ws.minimize(start, algorithm=algorithm, max_time=1e-9)
    assert run.status == "MAXTIME_REACHED"


def test_the_log_is_cut_at_its_capacity():
    ws = CoreWorkspace(one_way(), balanced())
    for capacity in (0, 3):
        run = ws.minimize([1.0], ftol_abs=1e-9, log_capacity=capacity)
        assert run.evaluations > 3
        assert run.log_value.shape == (capacity,)
        assert run.log_theta.shape == (capacity, 1)


def test_the_start_is_not_changed():
    start = np.array([1.0])
    CoreWorkspace(one_way(), balanced()).minimize(start, ftol_abs=1e-9)
    np.testing.assert_array_equal(start, [1.0])


def test_algorithms():
    names = algorithms()
    assert {"LN_BOBYQA", "LD_LBFGS", "LD_SLSQP", "LN_NELDERMEAD"} <= set(names)
    assert not any("MLSL" in name or "DIRECT" in name for name in names)
    assert all(algorithm_number(name) >= 0 for name in names)
    with pytest.raises(OptionError, match="'LN_BOBYKA' is not known"):
        algorithm_number("LN_BOBYKA")
    with pytest.raises(CoreError, match="NLopt refused"):
        CoreWorkspace(one_way(), balanced()).minimize([1.0], algorithm=9999)


# --- BLAS


def test_wide_integers_are_refused():
    new = ctypes.pythonapi.PyCapsule_New
    new.restype = ctypes.py_object
    new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    for signature in (b"void (char *, int64_t *, d *)", b"void (char *, long *, d *)"):
        with pytest.raises(CoreError, match="not 32 bits wide"):
            blas._address({"dpotrf": new(1, signature, None)}, "dpotrf")
    assert blas._address({"dpotrf": new(64, b"void (char *, int *)", None)}, "dpotrf") == 64


def test_the_table_is_complete_and_made_once():
    table = blas.blas_table()
    assert table is blas.blas_table()
    assert table.int_bytes == 4
