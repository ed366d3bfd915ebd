"""Algorithms that stop short of the minimum go on from where they stopped."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tolerances as tol
from numpy.testing import assert_allclose
from small_models import fit_shipped

from statsmodels_mixed import ConvergenceWarning
from statsmodels_mixed._core import FitOptions
from statsmodels_mixed._core.nlopt_python import End, run_nlopt


@pytest.mark.parametrize("name", ["LN_BOBYQA", "LN_COBYLA"])
@pytest.mark.parametrize("size", [0.3, 1.0, 3.0])
def test_models_with_six_parameters_reach_the_minimum(name, size):
    usual = fit_shipped("machines")
    start = np.array([size, 0.0, 0.0, size, 0.0, size])
    result = fit_shipped("machines", start=start, optimizer=name)
    assert result.converged
    assert abs(result.objective - usual.objective) <= tol.OBJECTIVE_ABOVE


@pytest.mark.parametrize("name", ["LN_BOBYQA", "LN_COBYLA", "LN_NELDERMEAD"])
def test_a_loose_tolerance_is_not_overruled(name):
    # Two parameters: of six, BOBYQA takes as many steps as rounding errors have it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        loose = fit_shipped("penicillin", optimizer=name, ftol_abs=1e-3)
    usual = fit_shipped("penicillin", optimizer=name)
    assert loose.report.evaluations < usual.report.evaluations


def test_limits_hold_over_all_rounds():
    usual = fit_shipped("machines", optimizer="LN_BOBYQA")
    with pytest.warns(ConvergenceWarning):
        result = fit_shipped("machines", optimizer="LN_BOBYQA", max_eval=50)
    assert result.report.status == "MAXEVAL_REACHED"
    assert result.report.evaluations <= 52 < usual.report.evaluations


def test_python_bridge_goes_on_from_a_stop():
    # A narrow curved valley, in which steps of a simplex become small long before the minimum.
    def valley(x):
        a, b = x[0] - 1, x[1] - x[0] ** 2
        return a * a + 1e3 * b * b, np.array([2 * a - 4e3 * b * x[0], 2e3 * b])

    def finish(end):
        value, slope = valley(end)
        x, b = end[0], end[1] - end[0] ** 2
        hessian = np.array([[2 - 4e3 * b + 8e3 * x * x, -4e3 * x], [-4e3 * x, 2e3]])
        curvatures, directions = np.linalg.eigh(hessian)
        promise = 0.5 * np.sum((directions.T @ slope) ** 2 / np.abs(curvatures))
        return End(end, value, slope, promise, curvatures[0])

    options = FitOptions("LN_NELDERMEAD", ftol_rel=0.0, ftol_abs=1e-8, xtol_abs=3e-3)
    run = run_nlopt(valley, finish, np.array([-1.2, 1.0]), np.ones(2), options)
    assert_allclose(run.end, 1.0, atol=1e-2)
    assert run.decrement <= 1e-4
