"""The answer follows a change of units, order, names or coding of the data as it must."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import simulated
import tolerances as tol
from numpy.testing import assert_allclose
from patsy import Sum, Treatment
from small_models import MODELS, fit, fit_shipped

from statsmodels_mixed import datasets

SLEEP = MODELS["sleepstudy"]

ML_OR_REML = pytest.mark.parametrize("reml", [False, True], ids=["ML", "REML"])
SHIFT_AND_SCALE = pytest.mark.parametrize(
    "shift, scale", [(1e9, 1.0), (0.0, 1e-8), (0.0, 1e8)], ids=["+1e9", "*1e-8", "*1e8"]
)


@ML_OR_REML
@SHIFT_AND_SCALE
@pytest.mark.parametrize("name, response", [("sleepstudy", "reaction"), ("penicillin", "diameter")])
def test_units_of_the_response(name, response, shift, scale, reml):
    data = datasets.load(name)
    usual = fit(MODELS[name], data, reml=reml)
    moved = data.assign(**{response: shift + scale * data[response]})
    result = fit(MODELS[name], moved, reml=reml)
    assert result.converged
    assert_allclose(result.theta, usual.theta, rtol=tol.INVARIANCE)
    assert_allclose(result.sigma, scale * usual.sigma, rtol=tol.INVARIANCE)
    assert_allclose(result.bse, scale * usual.bse, rtol=tol.INVARIANCE)
    coefficients = scale * usual.params + shift * (usual.params.index == "Intercept")
    assert_allclose(result.params, coefficients, rtol=tol.INVARIANCE)
    rows = result.nobs - (len(result.params) if reml else 0)
    change = 2 * rows * np.log(scale)
    assert_allclose(result.objective, usual.objective + change, rtol=tol.OBJECTIVE)


@ML_OR_REML
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_of_a_covariate(factor, reml):
    data = datasets.load("sleepstudy")
    usual = fit(SLEEP, data, reml=reml)
    result = fit(SLEEP, data.assign(days=factor * data["days"]), reml=reml)
    assert result.converged
    assert_allclose(result.sigma, usual.sigma, rtol=tol.INVARIANCE)
    unit = np.array([1, 1 / factor])
    assert_allclose(result.params, unit * usual.params, rtol=tol.INVARIANCE)
    assert_allclose(result.bse, unit * usual.bse, rtol=tol.INVARIANCE)
    # theta is the intercept's standard deviation and the slope's row of T.
    assert_allclose(result.theta, usual.theta * unit[[0, 1, 1]], rtol=tol.INVARIANCE)
    assert_allclose(result.fittedvalues, usual.fittedvalues, rtol=tol.INVARIANCE)
    change = 2 * np.log(factor) if reml else 0.0
    assert_allclose(result.objective, usual.objective + change, rtol=tol.OBJECTIVE)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_of_the_weights(factor):
    data = datasets.load("sleepstudy").assign(w=lambda frame: 1.0 + frame["days"] % 3)
    usual = fit(SLEEP, data, {"weights": "w"})
    result = fit(SLEEP, data.assign(w=factor * data["w"]), {"weights": "w"})
    assert_allclose(result.scale, factor * usual.scale, rtol=tol.INVARIANCE)
    assert_allclose(result.theta, usual.theta / np.sqrt(factor), rtol=tol.INVARIANCE)
    assert_allclose(result.bse, usual.bse, rtol=tol.INVARIANCE)
    assert_allclose(result.objective, usual.objective, rtol=tol.OBJECTIVE)


@pytest.mark.parametrize("name", MODELS)
def test_order_of_rows(name):
    data = datasets.load(name)
    order = np.argsort(simulated.Stream(5).uniform(len(data)))
    usual, result = fit_shipped(name), fit(MODELS[name], data.iloc[order])
    assert_allclose(result.objective, usual.objective, rtol=1e-12)
    assert_allclose(result.theta, usual.theta, rtol=tol.INVARIANCE)
    assert_allclose(result.bse, usual.bse, rtol=tol.INVARIANCE)
    fitted = np.asarray(usual.fittedvalues)[order]
    assert_allclose(np.asarray(result.fittedvalues), fitted, rtol=tol.INVARIANCE)
    for group, modes in usual.ranef().items():
        pd.testing.assert_frame_equal(result.ranef()[group], modes, atol=1e-6)


def test_names_of_levels():
    data = datasets.load("sleepstudy")
    names = {name: f"new {i * 7 % 18:02d}" for i, name in enumerate(data["subj"].cat.categories)}
    renamed = data.assign(subj=data["subj"].astype(str).map(names))
    usual, result = fit(SLEEP, data), fit(SLEEP, renamed)
    assert_allclose(result.objective, usual.objective, rtol=1e-12)
    assert_allclose(result.theta, usual.theta, rtol=tol.INVARIANCE)
    modes = usual.ranef()["subj"].rename(index=names)
    ours = result.ranef()["subj"].loc[modes.index]
    assert_allclose(ours, modes, rtol=tol.CONDITIONAL_MODE)


def test_order_of_terms():
    data = datasets.load("penicillin")
    result = fit("diameter ~ 1 + (1 | sample) + (1 | plate)", data)
    usual = fit(MODELS["penicillin"], data)
    assert list(result.ranef()) == list(usual.ranef()) == ["plate", "sample"]
    assert_allclose(result.theta, usual.theta)


@ML_OR_REML
def test_coding_of_a_random_factor(reml):
    # A full T can follow any change of basis; under REML the fixed part shifts the criterion
    # by the determinant of its own.
    data = datasets.load("machines")
    usual = fit(MODELS["machines"], data, {"contrasts": {"machine": Treatment()}}, reml=reml)
    result = fit(MODELS["machines"], data, {"contrasts": {"machine": Sum()}}, reml=reml)
    assert result.converged
    change = 2 * np.log(np.linalg.det(basis(Sum())) / np.linalg.det(basis(Treatment())))
    shift = change if reml else 0.0
    assert abs(result.objective - usual.objective - shift) <= tol.OBJECTIVE_ABOVE
    assert_allclose(result.sigma, usual.sigma, rtol=tol.SIGMA)
    assert_allclose(result.fittedvalues, usual.fittedvalues, rtol=tol.FITTED)


def basis(contrast: Any) -> np.ndarray:
    """Return an intercept beside the contrasts of three levels."""
    return np.column_stack([np.ones(3), contrast.code_without_intercept([0, 1, 2]).matrix])
