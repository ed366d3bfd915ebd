"""With the square root link a predictor and its negative have one mean, in parts of rows too."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from fuzz.generalized_models import draw
from fuzz.relations import check
from scipy.optimize import minimize
from scipy.stats import poisson

from statsmodels_mixed.fitting.search.mirrored_starts import mirrored_coefficients

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")


def test_no_optimum_with_other_signs_is_lower():
    """From starts of one sign the fit is 4.9 above the optimum of its limit, the Poisson."""
    case = draw(400480)
    fitted = case.fit()
    X, y = fitted.model.design.X, fitted.model.design.y
    signs = np.where(case.data["f"] == "b", -1.0, 1.0)
    start = np.linalg.lstsq(X, signs * np.sqrt(y), rcond=None)[0]

    def deviance(beta):
        return -2.0 * poisson.logpmf(y, (X @ beta) ** 2 + 1e-300).sum()

    other = minimize(deviance, start, method="Nelder-Mead", options={"maxiter": 2000})
    assert fitted.objective < other.fun + 1e-4
    assert not check(400480).failures


def test_no_signs_of_several_levels_together_are_lower():
    """Four levels, 18 rows: fits with one sign of its own were 3.9 above one with two.

    With rows twice at half the weight they were 2.7 above.
    """
    case = draw(404)
    fitted = case.fit()
    X, y = fitted.model.design.X, fitted.model.design.y
    levels = (case.data["f"].to_numpy() == np.unique(case.data["f"])[:, None]).astype(float)

    def deviance(beta):
        return -2.0 * poisson.logpmf(y, (X @ beta) ** 2 + 1e-300).sum()

    ends = []
    for signs in product((-1.0, 1.0), repeat=len(levels) - 1):
        rows = np.array([1.0, *signs]) @ levels
        start = np.linalg.lstsq(X, rows * np.sqrt(y), rcond=None)[0]
        ends.append(minimize(deviance, start, method="BFGS").fun)
    assert fitted.objective < min(ends) + 1e-4
    assert not check(404).failures


@pytest.mark.parametrize("seed", [5746, 7336])
def test_signs_do_not_depend_on_the_form_of_the_data(seed):
    """268 rows were 15 above the optimum of the same rows as 134; another coding had -eta."""
    assert not check(seed).failures


def test_signs_change_between_values_or_about_the_middle():
    x = np.array([1.0, 2.0, 3.0, 4.0, 9.0])
    X = np.column_stack([np.ones(5), x, x > 2])
    eta = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    weights, offset = np.array([1.0, 2.0, 1.0, 2.0, 1.0]), np.full(5, 0.5)
    parts = (x > 3, x > 2, x == 3)

    def matches(found, above, offset):
        signs = np.where(above, -1.0, 1.0)
        left = signs * eta - offset - X @ found
        return np.abs(X.T @ (weights * left)).max() < 1e-12

    found = mirrored_coefficients(eta, X, X, None, weights)
    assert len(found) == 3
    for above in parts:
        # The sign that is positive in the mean.
        upright = above if np.where(above, -eta, eta).sum() > 0 else ~above
        assert sum(matches(each, upright, 0.0) for each in found) == 1
    found = mirrored_coefficients(eta, X, X, offset, weights)
    assert len(found) == 7  # the predictor itself is no other start
    for above in (*parts, x <= 3, x <= 2, x != 3, x > 0):
        assert sum(matches(each, above, offset) for each in found) == 1


def dummies(levels, base):
    return np.column_stack([levels == each for each in range(4) if each != base])


@pytest.mark.parametrize("name", ["another base", "sums", "Helmert", "other orders"])
def test_signs_are_the_same_for_all_contrasts(name):
    rng = np.random.default_rng(0)
    levels, x = np.repeat(np.arange(4), 6), rng.normal(size=24)
    two = np.tile([0.0, 1.0], 12)
    eta = rng.normal(size=24)
    usual = np.column_stack([np.ones(24), dummies(levels, 0), two, x])
    sums = dummies(levels, 3) - 1.0 * (levels == 3)[:, None]
    helmert = np.array([[-1, -1, -1], [1, -1, -1], [0, 2, -1], [0, 0, 3.0]])[levels]
    other = {
        "another base": np.column_stack([np.ones(24), dummies(levels, 2), 1 - two, 3 * x + 1]),
        "sums": np.column_stack([np.ones(24), sums, 2 * two - 1, x]),
        "Helmert": np.column_stack([np.ones(24), helmert, two, x]),
        "other orders": usual[:, [5, 0, 2, 4, 1, 3]],
    }[name]
    found = [
        X @ each for X in (usual, other) for each in mirrored_coefficients(eta, X, X, None, None)
    ]
    assert len(found) == 16
    np.testing.assert_allclose(found[8:], found[:8], atol=1e-10)


@pytest.mark.parametrize("seed", [1, 5, 13, 41])
def test_the_best_signs_of_every_level(seed):
    """Laplace's approximation about the highest of the modes on a grid of effects.

    From zero and from positive responses on the scale of eta, PIRLS ended 37 to 52 above it.
    """
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(8), 4)
    fixed = rng.normal(0, 0.7, size=32) + rng.choice([0, 0.6])
    size = rng.choice([0.5, 0.9, 1.5])
    y = rng.poisson((fixed + size * rng.normal(size=8)[g]) ** 2)
    data = pd.DataFrame({"y": y, "f": fixed, "g": g})
    model = smf.mixedglm2(
        "y ~ 0 + f + (1 | g)", data, family=sm.families.Poisson(link=sm.families.links.Sqrt())
    )
    expected, grid = 0.0, np.linspace(-6.0, 6.0, 100_001)
    for level in range(8):
        rows = g == level
        eta = fixed[rows][:, None] + size * grid
        h = poisson.logpmf(y[rows][:, None], eta**2).sum(axis=0) - 0.5 * grid**2
        # The expected information of a row is 4 at any mean.
        expected += -2.0 * h.max() + np.log(1.0 + 4.0 * rows.sum() * size**2)
    assert model.objective([size], [1.0]) == pytest.approx(expected, abs=1e-4)


def test_signs_of_a_regular_fit_cost_an_evaluation_for_each_choice():
    rng = np.random.default_rng(0)
    g, x, f = np.repeat(np.arange(30), 5), rng.normal(size=150), rng.choice(["a", "b"], 150)
    mu = (2.0 + 0.3 * x + 0.4 * (f == "b") + 0.2 * rng.normal(size=30)[g]) ** 2
    data = pd.DataFrame({"y": rng.poisson(mu), "x": x, "g": g, "f": f})
    family = sm.families.Poisson(link=sm.families.links.Sqrt())
    report = smf.mixedglm2("y ~ x * f + (1 | g)", data, family=family).fit().report
    assert report.converged
    assert report.evaluations <= 19 + 8


def test_another_coding_of_a_factor_has_the_same_signs():
    """With sums for contrasts the fit was 3.8 above that with dummies."""
    assert not check(19430).failures


@pytest.mark.parametrize("weights", [None, "w"])
def test_the_predictor_is_positive_in_the_mean(weights):
    """All signs together are one model: from either side the same estimates are found."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    y = rng.poisson((2.0 + 0.4 * x + 0.3 * rng.normal(size=20)[g]) ** 2)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "w": rng.uniform(0.5, 2.0, 120)})
    family = sm.families.Poisson(link=sm.families.links.Sqrt())
    model = smf.mixedglm2("y ~ x + (1 | g)", data, family=family, weights=weights)
    fit = model.fit()
    start = np.r_[fit.theta, -fit.params]
    again = model.fit(start=start)
    assert fit.params["Intercept"] > 0
    np.testing.assert_allclose(again.params, fit.params, rtol=1e-5)
    one, other = (np.concatenate([u.ravel() for u in each.estimates.b]) for each in (fit, again))
    np.testing.assert_allclose(one, other, atol=1e-5)
