"""Marginal means with nominal=, Cook's distances and the second summary of fits with more parts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed.errors import OptionError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(11)
    group = np.repeat(np.arange(20), 10)
    x, arm = rng.normal(size=200), np.where(rng.random(200) < 0.5, "a", "b")
    u = rng.normal(size=20)[group]
    latent = 0.8 * x + u + rng.logistic(size=200)
    cuts = np.array([-1.0, 0.5, 2.0])[None, :] + np.outer(arm == "b", [-0.8, 0.0, 0.9])
    y = rng.poisson(np.exp(1.2 + 0.4 * x + 0.6 * u)) * (rng.random(200) > 0.3)
    rating = (latent[:, None] > cuts).sum(axis=1)
    return pd.DataFrame({"rating": rating, "x": x, "arm": arm, "g": group, "y": y})


@pytest.fixture(scope="module")
def nominal(data):
    return smm.mixedordinal2("rating ~ x + (1 | g)", data, nominal="~ arm").fit()


@pytest.fixture(scope="module")
def zeros(data):
    return smm.mixedglm2("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()


def test_probabilities_of_cells_are_predictions(nominal, data):
    means = nominal.emmeans("arm | rating", mode="prob").to_frame()
    cells = pd.DataFrame({"x": data["x"].mean(), "arm": ["a", "b"]})
    wanted = nominal.get_prediction(cells)
    assert_allclose(means["estimate"], wanted.predicted_mean.T.ravel(), rtol=1e-9)
    assert_allclose(means["std_error"], wanted.se_mean.T.ravel(), rtol=1e-5)


def test_averages_over_the_nominal_factor(nominal, data):
    means = nominal.emmeans("x", at={"x": [0.0, 1.0]}, mode="prob").to_frame()
    for x in (0.0, 1.0):
        cells = pd.DataFrame({"x": x, "arm": ["a", "b"]})
        wanted = np.asarray(nominal.predict(cells)).mean(axis=0)
        assert_allclose(means.loc[means["x"] == x, "estimate"], wanted, rtol=1e-9)


def test_thresholds_and_the_latent_variable(nominal, data):
    p, x = nominal.params, data["x"].mean()
    cuts = np.array([p.iloc[:3], p.iloc[:3].to_numpy() + p.iloc[3:6].to_numpy()]) - p["x"] * x
    means = nominal.emmeans("arm | cut", mode="linear.predictor").to_frame()
    assert_allclose(means["estimate"], cuts.T.ravel(), rtol=1e-9)
    latent = nominal.emmeans("arm").to_frame()
    assert_allclose(latent["estimate"], -cuts.mean(axis=1), rtol=1e-9)
    difference = nominal.emmeans("arm").contrasts("pairwise").to_frame()
    rows = np.array([[0, 0, 0, 1 / 3, 1 / 3, 1 / 3, 0]])
    error = float(np.sqrt(rows @ nominal.cov_params().to_numpy() @ rows.T)[0, 0])
    assert_allclose(difference["std_error"], error, rtol=1e-9)


def test_the_share_of_random_effects_with_nominal_effects(nominal):
    icc = nominal.icc()
    variance = nominal.theta[0] ** 2
    assert_allclose(icc.adjusted, variance / (variance + np.pi**2 / 3.0), rtol=1e-9)
    assert np.isnan(icc.unadjusted)
    with pytest.raises(OptionError, match=r"icc\(\) has"):
        nominal.r2()


def test_cooks_distances_are_of_fits_without_each_row(data):
    few = data.head(60)
    fit = smm.mixedglm2("y ~ x + (1 | g)", few, "poisson", zero_inflation="~ 1").fit()
    found = fit.cooks_distance()
    row = int(found.idxmax())
    rest = few.drop(index=row)
    without = smm.mixedglm2("y ~ x + (1 | g)", rest, "poisson", zero_inflation="~ 1").fit()
    change = (fit.params - without.params).to_numpy()
    inverse = np.linalg.inv(fit.cov_params().to_numpy())
    assert_allclose(found[row], change @ inverse @ change / len(change), rtol=1e-3)
    assert found.notna().all()


def test_the_second_summary_has_every_part(zeros, nominal):
    tables = zeros.summary2().tables
    assert len(tables) == 4
    assert_allclose(tables[1]["Coef."], zeros.params.iloc[:2])
    assert_allclose(tables[2].loc["Zero inflation: Intercept", "Coef."], zeros.params.iloc[2])
    assert_allclose(tables[3]["Variance"], zeros.theta[0] ** 2)
    text = str(nominal.summary2(title="Ratings"))
    assert "Ratings" in text
    assert "Effects on thresholds: " in text
    assert f"{nominal.llf:.4f}" in text
    with pytest.raises(OptionError, match="xname="):
        zeros.summary2(xname=["one"])
