"""Newton runs end, and only where nothing more can be gained."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from small_models import fit, fit_shipped

from statsmodels_mixed import DataError
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.search.optimize import FitOptions, minimize

# The promise below which estimates have six digits beside their standard errors.
NOTHING = 1e-12


def falling_for_ever(seed: int) -> pd.DataFrame:
    """Six rows whose factor of three levels, random in two groups, reproduces the response."""
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": list("uvuvuv"), "f": list("abcabc"), "x": rng.normal(size=6)})
    return data.assign(x2=rng.normal(size=6), y=rng.normal(size=6))


@pytest.mark.parametrize("seed", range(20))
def test_a_run_ends_where_the_objective_falls_for_ever(seed):
    model = smf.mixedlm2("y ~ x + x2 + (f | g)", falling_for_ever(seed))
    products = form_crossproducts(model.design)
    products.set_criterion(False, None)
    workspace = products.workspace
    report = minimize(workspace, workspace.identity(), FitOptions())
    assert report.evaluations < 20_000
    with pytest.raises(DataError, match="tends to zero"):
        model.fit()


def weighted_rows(seed: int) -> pd.DataFrame:
    """Rows whose weights are ten orders apart."""
    rng = np.random.default_rng(seed)
    n = 20
    data = pd.DataFrame(
        {"x": rng.normal(size=n), "g": rng.integers(0, 6, n), "h": rng.integers(0, 5, n)}
    )
    data["w"] = 10.0 ** rng.uniform(-5, 5, n)
    data["y"] = data["x"] + rng.normal(size=6)[data["g"]] * (1 + data["x"])
    data["y"] += rng.normal(size=5)[data["h"]] + rng.normal(size=n) / np.sqrt(data["w"])
    return data


def test_only_rounding_leaves_a_promise():
    above = 0
    for seed in range(100):
        report = fit("y ~ x + (x || g) + (1 | h)", weighted_rows(seed), {"weights": "w"}).report
        if report.gradient_norm > NOTHING:
            above += 1
            assert report.status == "ROUNDOFF_LIMITED"
    assert above < 10


@pytest.mark.parametrize(
    "name, most",
    [("dyestuff", 4), ("sleepstudy", 4), ("penicillin", 6), ("pastes", 6), ("machines", 7)],
)
def test_regular_models_need_few_evaluations(name, most):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = fit_shipped(name).report
    assert report.converged
    assert report.evaluations <= most
