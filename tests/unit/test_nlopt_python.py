"""The Python bridge to NLopt, for platforms that hide NLopt's C API."""

from __future__ import annotations

import numpy as np
import pytest

import statsmodels_mixed._core.minimizer as minimizer
from statsmodels_mixed._core import FitOptions
from statsmodels_mixed._core.nlopt_python import run_nlopt

CENTER = np.array([3.0, -2.0])
HESSIAN = np.array([[4.0, 1.0], [1.0, 2.0]])


def options(name: str, max_eval: int = 0) -> FitOptions:
    return FitOptions(name, ftol_rel=0.0, ftol_abs=1e-12, xtol_abs=1e-12, max_eval=max_eval)


def quadratic(x):
    away = x - CENTER
    return 0.5 * away @ HESSIAN @ away, HESSIAN @ away


@pytest.mark.parametrize("name", ["LD_LBFGS", "LD_SLSQP", "LN_BOBYQA", "LN_NELDERMEAD"])
def test_reaches_the_minimum_of_a_quadratic(name):
    scale = np.array([2.0, 0.5])
    start = np.zeros(2)
    run = run_nlopt(quadratic, lambda: HESSIAN, start, scale, options(name))
    np.testing.assert_allclose(run.end, CENTER, atol=1e-5)
    assert run.evaluations == len(run.points) == len(run.values)
    assert run.decrement < 1e-10
    np.testing.assert_allclose(
        run.min_eigenvalue, np.linalg.eigvalsh(HESSIAN * np.outer(scale, scale))[0]
    )


def test_limits_and_failures_are_reported():
    def broken(x):
        return (np.nan, np.full(2, np.nan)) if x[0] > 1 else quadratic(x)

    start = np.array([0.9, 0.0])
    run = run_nlopt(broken, lambda: HESSIAN, start, np.ones(2), options("LN_BOBYQA", 4))
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
    np.testing.assert_allclose(through_python.theta, through_c.theta, rtol=1e-12)
    assert through_python.report.evaluations == through_c.report.evaluations
