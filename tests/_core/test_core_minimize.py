"""Minimizing through the C core: closed forms, limits, logs, algorithms."""

from __future__ import annotations

import numpy as np
import pytest
from core_models import GROUPS, REPEATS, asking, balanced, crossed, long_fit, one_way

from statsmodels_mixed._core import CoreWorkspace, FitOptions, algorithm_number, algorithms
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


@pytest.mark.parametrize("optimizer", ["newton", "LN_BOBYQA", "LN_COBYLA", "LD_LBFGS", "LD_SLSQP"])
@pytest.mark.parametrize("between", [0.0, 1.5])
def test_minimum_in_closed_form(optimizer, between):
    y = balanced(between=between)
    theta, deviance = closed_form(y)
    assert (theta == 0) == (between == 0)
    ws = CoreWorkspace(one_way(), y)
    run = ws.minimize([1.0], asking(optimizer=optimizer, ftol_abs=1e-10, xtol_abs=1e-9))
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
        run = ws.minimize([start], asking(ftol_abs=1e-9))
        assert run.value == pytest.approx(deviance, abs=1e-8)
        assert np.abs(run.theta) == pytest.approx(theta, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["newton", "LN_BOBYQA"])
def test_limits(optimizer):
    ws = long_fit()
    start = ws.theta_scale()
    run = ws.minimize(start, asking(optimizer=optimizer, max_eval=2))
    assert run.status == "MAXEVAL_REACHED"
    assert run.evaluations <= 5  # and what it takes to solve at the end
    assert np.isfinite(run.value)
    run = ws.minimize(start, asking(optimizer=optimizer, max_time=1e-9))
    assert run.status == "MAXTIME_REACHED"


def test_the_log_is_cut_at_its_capacity():
    ws = CoreWorkspace(one_way(), balanced())
    for capacity in (0, 3):
        run = ws.minimize([1.0], asking(ftol_abs=1e-9), log_capacity=capacity)
        assert run.evaluations > 3
        assert run.log_value.shape == (capacity,)
        assert run.log_theta.shape == (capacity, 1)


def test_the_start_is_not_changed():
    start = np.array([1.0])
    CoreWorkspace(one_way(), balanced()).minimize(start, asking(ftol_abs=1e-9))
    np.testing.assert_array_equal(start, [1.0])


# --- many responses

GO_ON = np.zeros(1, dtype=np.int32)


def test_fits_to_many_responses_in_closed_form():
    responses = np.array([balanced(seed, 1.5 * (seed % 3)) for seed in range(1, 9)])
    ws = CoreWorkspace(one_way(), np.zeros(GROUPS * REPEATS))
    fits = ws.refit(responses, [1.0], GO_ON, FitOptions())
    for r, y in enumerate(responses):
        theta, deviance = closed_form(y)
        assert fits.facts[r, 0] == pytest.approx(deviance, rel=1e-12)
        assert abs(fits.theta[r]) == pytest.approx(theta, abs=1e-6)
        assert fits.beta[r] == pytest.approx(y.mean(), rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reml", [False, True])
def test_fits_to_many_responses_are_minimizations(weighted, reml):
    design, y = crossed()
    rng = np.random.default_rng(8)
    weights = rng.uniform(0.5, 2.0, len(y)) if weighted else None
    responses = y + rng.normal(size=(4, len(y)))
    start = np.array([1.0, 0, 1, 1, 0, 1])
    ws = CoreWorkspace(design, y, weights)
    ws.set_criterion(reml)
    fits = ws.refit(responses, start, GO_ON, FitOptions())
    for r, response in enumerate(responses):
        ws.set_response(response)
        run, solution = ws.minimize(start, FitOptions()), ws.solution()
        facts = run.value, solution.pwrss, solution.dof, run.decrement, run.min_eigenvalue
        np.testing.assert_array_equal(fits.facts[r, :5], facts)
        np.testing.assert_array_equal(fits.theta[r], run.theta)
        np.testing.assert_array_equal(fits.beta[r], solution.beta)
        np.testing.assert_array_equal(fits.xvx_inverse[r], solution.xvx_inverse)


def test_a_response_that_cannot_be_fitted_is_nan():
    responses = np.array([balanced(1), balanced(2), balanced(3)])
    responses[1, 4] = np.nan
    ws = CoreWorkspace(one_way(), balanced())
    fits = ws.refit(responses, [1.0], GO_ON, FitOptions())
    for values in (fits.facts, fits.theta, fits.beta, fits.xvx_inverse):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()
    with pytest.raises(CoreError, match="responses has shape"):
        ws.refit(responses[:, 1:], [1.0], GO_ON, FitOptions())
    with pytest.raises(CoreError, match="theta has shape"):
        ws.refit(responses, [1.0, 2.0], GO_ON, FitOptions())


# --- algorithms


def test_algorithms(monkeypatch):
    names = algorithms()
    assert {"LN_BOBYQA", "LD_LBFGS", "LD_SLSQP", "LN_NELDERMEAD"} <= set(names)
    assert not any("MLSL" in name or "DIRECT" in name for name in names)
    assert all(algorithm_number(name) >= 0 for name in names)
    with pytest.raises(OptionError, match="'LN_BOBYKA' is not known"):
        algorithm_number("LN_BOBYKA")
    monkeypatch.setattr("statsmodels_mixed._core.options.algorithm_number", lambda name: 9999)
    with pytest.raises(CoreError, match="NLopt refused"):
        CoreWorkspace(one_way(), balanced()).minimize([1.0], FitOptions("unknown to NLopt"))
