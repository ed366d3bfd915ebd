"""Likelihood-ratio tests of covariance matrices at zero, and joint tests with few degrees."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from small_models import fit

from statsmodels_mixed.comparison.boundary import Cone, _simulated, chi_bar_squared_sf
from statsmodels_mixed.standard_errors.satterthwaite import Satterthwaite


def balanced(k: int, rows: int, levels: int, seed: int) -> pd.DataFrame:
    """Levels of `rows` rows with k orthogonal effects, and a response of noise."""
    random = np.random.default_rng(seed)
    z = np.linalg.qr(np.random.default_rng(0).normal(size=(rows, k)))[0]
    data = pd.DataFrame(np.tile(z, (levels, 1)), columns=[f"z{i}" for i in range(k)])
    return data.assign(g=np.repeat(np.arange(levels), rows), y=random.normal(size=rows * levels))


def nearest(values: np.ndarray, rows: float) -> float:
    """Squared distance from the cone, with eigenvalues of the projection by a general optimizer."""

    def distance(kept: np.ndarray) -> float:
        apart = values - kept
        return float(apart @ apart - apart.sum() ** 2 / rows)

    bounds = [(0.0, None)] * len(values)
    start = np.maximum(values, 0.0) + 0.1
    found = minimize(distance, start, bounds=bounds, method="L-BFGS-B", tol=1e-15)
    return float(found.fun)


@pytest.mark.parametrize(("k", "rows"), [(2, 3.0), (3, 4.0), (3, 10.0), (4, 4.5)])
def test_projection_on_the_wider_cone(k, rows):
    cone = Cone(k, rows)
    kept, total = cone.draw(np.random.default_rng(5), 60)
    draws = np.random.default_rng(5).standard_normal((60, k, k))
    for i, draw in enumerate(draws):
        values = np.linalg.eigvalsh((draw + draw.T) / 2)
        values += values.mean() * (1 / np.sqrt(1 - k / rows) - 1)
        whole = float(values @ values - values.sum() ** 2 / rows)
        assert_allclose(total[i], whole, rtol=1e-10)
        assert_allclose(kept[i], whole - nearest(values, rows), atol=2e-6 * (1 + whole))


@pytest.mark.parametrize("rows", [2.5, 4.0, 30.0])
def test_weights_of_two_effects_are_those_of_draws(rows):
    for statistic in (1.0, 5.0, 10.0):
        exact = chi_bar_squared_sf(statistic, 1, [Cone(2, rows)])
        assert_allclose(_simulated(statistic, 1, [Cone(2, rows)]), exact, rtol=0.03)


@pytest.mark.parametrize(("sigma", "rows"), [(None, 4.0), (1.0, np.inf)])
def test_rows_for_each_level_are_found(sigma, rows):
    # Five rows of which one effect that stays takes one; a known sigma takes nothing.
    data = balanced(3, 5, 12, 1)
    full = fit("y ~ 1 + (0 + z0 + z1 + z2 | g)", data, sigma=sigma)
    small = fit("y ~ 1 + (0 + z0 | g)", data, sigma=sigma)
    row = full.anova(small).iloc[1]
    assert row["df_diff"] == 5
    cone = Cone(2, rows)
    expected = chi_bar_squared_sf(row["statistic"], 2, [cone])
    assert_allclose(row["pvalue_boundary"], expected, rtol=1e-9)


def test_joint_degrees_of_freedom_that_are_all_alike():
    class Alike(Satterthwaite):
        def _df(self, rows):
            return np.array(self.given)

    for given, expected in (
        ([1.5, 1.5], 1.5),
        ([2.0, 2.0 + 1e-9], 2.0),
        ([np.inf, np.inf], np.inf),
        ([1.5, 4.0], 2.0),  # as lmerTest has it
        ([6.0, 6.0], 6.0),
    ):
        tests = Alike(np.zeros(2), np.eye(2), np.eye(1), np.zeros((1, 2, 2)))
        object.__setattr__(tests, "given", given)
        assert_allclose(tests._joint(np.eye(2))[0], expected, rtol=1e-8)


def test_a_singular_fit_has_one_boundary_pvalue():
    # The variance is estimated as zero: the statistic is zero up to rounding of either sign.
    seen = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        data = pd.DataFrame({"g": np.repeat(np.arange(10), 4), "h": np.tile(np.arange(10), 4)})
        data["y"] = 1e3 + random.normal(size=40) + random.normal(size=10)[data["h"]]
        full = fit("y ~ 1 + (1 | g) + (1 | h)", data)
        if full.varcorr.std_dev("g").iloc[0] > 1e-6:
            continue
        seen += 1
        assert full.ranova().loc["(1 | g)", "pvalue_boundary"] == 1.0
        assert full.anova(fit("y ~ 1 + (1 | h)", data))["pvalue_boundary"].iloc[1] == 1.0
    assert seen >= 3


@pytest.mark.parametrize("seed", [10, 11, 37])
def test_what_a_singular_fit_lacks_takes_nothing_off_its_likelihood(seed):
    # With its variance at zero the model is the smaller one: the statistic is zero, not the
    # difference of two searches, which is below zero for these seeds.
    random = np.random.default_rng(seed)
    g, h = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    x = random.normal(size=30)
    data = pd.DataFrame({"y": x + 3 * random.normal(size=30), "x": x, "g": g, "h": h})
    crossed = fit("y ~ x + (1 | g) + (1 | h)", data, reml=bool(seed % 2))
    assert crossed.theta[1] == 0
    assert crossed.ranova().loc["(1 | h)", "statistic"] == 0
    if not crossed.reml:
        smaller = fit("y ~ x + (1 | g)", data)
        assert crossed.compare_lr_test(smaller).statistic == 0


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize("reml", [False, True])
def test_a_statistic_is_zero_where_f_is_small(reml):
    """Between 6 levels of 5 rows by ML where F < 6 / 5, by REML where F < 1.

    These have probabilities of .66 and .56, not .5 as with many levels: the test rejects less often
    than it says, 2.6 % and 3.9 % of 800 samples without effects in place of 5 %.
    """
    levels, rows = 6, 5
    for seed in range(20):
        y = np.random.default_rng(seed).normal(size=(levels, rows))
        between = rows * y.mean(axis=1).var(ddof=1)
        within = y.var(axis=1, ddof=1).mean()
        data = pd.DataFrame({"g": np.repeat(np.arange(levels), rows), "y": y.ravel()})
        table = fit("y ~ 1 + (1 | g)", data, reml=reml).ranova()
        zero = between / within <= (1.0 if reml else levels / (levels - 1))
        assert (table["pvalue_boundary"].iloc[1] == 1.0) == zero
