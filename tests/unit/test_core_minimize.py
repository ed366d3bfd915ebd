"""Minimizing through the C core: closed forms, limits, logs, algorithms."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import GROUPS, REPEATS, balanced, long_fit, one_way

from statsmodels_mixed._core import CoreWorkspace, algorithm_number, algorithms
from statsmodels_mixed.errors import CoreError, OptionError


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
