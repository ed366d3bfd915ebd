"""The Python bridge to NLopt, for platforms that hide NLopt's C API."""

from __future__ import annotations

import numpy as np
import pytest

import statsmodels_mixed._core.minimizer as minimizer
from statsmodels_mixed._core import FitOptions
from statsmodels_mixed._core.nlopt_python import End, run_nlopt

CENTER = np.array([3.0, -2.0])
HESSIAN = np.array([[4.0, 1.0], [1.0, 2.0]])


def options(name: str, max_eval: int = 0) -> FitOptions:
    return FitOptions(name, ftol_rel=0.0, ftol_abs=1e-12, xtol_abs=1e-12, max_eval=max_eval)


def quadratic(x):
    away = x - CENTER
    return 0.5 * away @ HESSIAN @ away, HESSIAN @ away


def end_of_quadratic(x):
    value, slope = quadratic(x)
    promise = 0.5 * slope @ np.linalg.solve(HESSIAN, slope)
    return End(x, value, slope, promise, np.linalg.eigvalsh(HESSIAN)[0])


@pytest.mark.parametrize("name", ["LD_LBFGS", "LD_SLSQP", "LN_BOBYQA", "LN_NELDERMEAD"])
def test_reaches_the_minimum_of_a_quadratic(name):
    scale = np.array([2.0, 0.5])
    start = np.zeros(2)
    run = run_nlopt(quadratic, end_of_quadratic, start, scale, options(name))
    np.testing.assert_allclose(run.end, CENTER, atol=1e-5)
    assert run.evaluations == len(run.points) == len(run.values)
    assert run.decrement < 1e-10


def test_limits_and_failures_are_reported():
    def broken(x):
        return (np.nan, np.full(2, np.nan)) if x[0] > 1 else quadratic(x)

    start = np.array([0.9, 0.0])
    run = run_nlopt(broken, end_of_quadratic, start, np.ones(2), options("LN_BOBYQA", 4))
    assert run.status == "MAXEVAL_REACHED"
    assert run.evaluations == 4
    assert run.failures >= 1


@pytest.mark.parametrize("name", ["LD_LBFGS", "LN_BOBYQA"])
def test_a_fit_is_the_same_through_either_bridge(name, monkeypatch):
    import statsmodels.formula.api as smf

    from statsmodels_mixed import datasets

    model = smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy"))
    through_c = model.fit(optimizer=name)
    monkeypatch.setattr(minimizer, "nlopt_table", lambda: None)
    through_python = model.fit(optimizer=name)
    assert_same_end(through_python.report, through_c.report)
    np.testing.assert_allclose(through_python.theta, through_c.theta, rtol=1e-12)
    assert through_python.report.evaluations == through_c.report.evaluations


def assert_same_end(one, other):
    assert one.status == other.status
    assert one.converged and other.converged
    np.testing.assert_allclose(one.objective, other.objective, atol=1e-9)
    np.testing.assert_allclose(one.gradient_norm, other.gradient_norm, rtol=1e-3, atol=1e-14)
    np.testing.assert_allclose(
        one.hessian_min_eigenvalue, other.hessian_min_eigenvalue, rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", ["LD_LBFGS", "LN_BOBYQA", "LN_COBYLA"])
def test_a_fit_without_variance_ends_at_exact_zeros_through_either_bridge(name, monkeypatch):
    import statsmodels.formula.api as smf

    from statsmodels_mixed import SingularFitWarning, datasets

    model = smf.mixedlm2("yield ~ 1 + (1 | batch)", datasets.load("dyestuff2"))
    with pytest.warns(SingularFitWarning):
        through_c = model.fit(optimizer=name)
    monkeypatch.setattr(minimizer, "nlopt_table", lambda: None)
    with pytest.warns(SingularFitWarning):
        through_python = model.fit(optimizer=name)
    assert through_c.theta[0] == through_python.theta[0] == 0
    assert_same_end(through_python.report, through_c.report)
