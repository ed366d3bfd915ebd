"""Simulated residuals: uniform when the model holds, and not when it does not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest
from small_models import fit_shipped

from statsmodels_mixed import DataError, OptionError, datasets
from statsmodels_mixed.inference import simulate, simulated_residuals

# Of a test of a model that holds; of one that does not, at 250 draws.
HOLDS, FAILS = 0.01, 0.01


@cache
def counts(kind: str) -> pd.DataFrame:
    """Counts of 60 groups of 10: Poisson, overdispersed, or with a fifth more zeros."""
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(60), 10), rng.standard_normal(600)
    mean = np.exp(1.0 + 0.3 * x + 0.5 * rng.standard_normal(60)[g])
    if kind == "overdispersed":
        mean = mean * rng.gamma(1.5, 1 / 1.5, 600)
    y = rng.poisson(mean)
    if kind == "zeros":
        y = np.where(rng.random(600) < 0.2, 0, y)
    return pd.DataFrame({"y": y, "x": x, "g": g})


@cache
def poisson(kind: str) -> Any:
    return smf.mixedglm2("y ~ 1 + x + (1 | g)", counts(kind), sm.families.Poisson()).fit()


def by_hand(y: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest quantile that ties leave, row by row."""
    n = draws.shape[1]
    below = np.array([np.sum(row < value) for value, row in zip(y, draws, strict=True)])
    ties = np.array([np.sum(row == value) for value, row in zip(y, draws, strict=True)])
    return below / (n + 1), (below + ties + 1) / (n + 1)


@pytest.mark.parametrize("re", ["new", "conditional"])
def test_they_are_ranks_among_the_draws(re):
    for result, n in ((fit_shipped("sleepstudy"), 100), (poisson("plain"), 40)):
        found = simulated_residuals(result, n, seed=3, re=re)
        draws = simulate(result, n, seed=3, re=re)
        assert_array_equal(found.simulated, draws)
        y = np.asarray(result.model.endog)
        low, high = by_hand(y, draws)
        assert np.all((found.residuals >= low) & (found.residuals <= high))
        inside = (found.residuals.to_numpy() - low) / (high - low)
        assert kstest(inside, "uniform").pvalue > HOLDS  # ties are broken at random
        assert_allclose(found.fitted_predicted, draws.mean(axis=1), rtol=1e-12)
        assert_array_equal(found.observed, y)
        assert found.residuals.index.equals(result.model.data.row_labels)
        assert found.re == re and f'{n} draws, re="{re}"' in repr(found)


def test_draws_are_ranked_in_the_same_way():
    found = simulated_residuals(fit_shipped("penicillin"), 30, seed=1)
    both = np.column_stack([found.observed, found.simulated])
    for column in (0, 5, 30):
        low, high = by_hand(both[:, column], np.delete(both, column, axis=1))
        values = found.quantiles[:, column]
        assert np.all((values >= low) & (values <= high))


def test_proportions_tie_with_draws():
    data = datasets.load("cbpp")
    family = sm.families.Binomial()
    rounded = data.assign(share=(data["incid"] / data["hsz"]).round(13))
    one = smf.mixedglm2("incid + I(hsz - incid) ~ 1 + period + (1 | herd)", data, family).fit()
    two = smf.mixedglm2("share ~ 1 + period + (1 | herd)", rounded, family, weights="hsz").fit(
        start=one.theta
    )
    a, b = (simulated_residuals(result, 60, seed=2).residuals for result in (one, two))
    assert_allclose(a, b, atol=1e-12)


def test_seeds():
    result = poisson("plain")
    one = simulated_residuals(result, 50, seed=9)
    assert_array_equal(simulated_residuals(result, 50, seed=9).quantiles, one.quantiles)
    other = simulated_residuals(result, 50, seed=10)
    assert not np.array_equal(other.residuals, one.residuals)
    generator = np.random.default_rng(1)
    first = simulated_residuals(result, 50, seed=generator)
    assert not np.array_equal(
        simulated_residuals(result, 50, seed=generator).residuals, first.residuals
    )


# A model that holds.


@pytest.mark.parametrize("re", ["new", "conditional"])
def test_a_model_that_holds_passes(re):
    for result in (poisson("plain"), fit_shipped("penicillin")):
        found = simulated_residuals(result, seed=4, re=re)
        tests = [found.uniformity(), found.dispersion(), found.outliers()]
        if found.discrete:
            tests.append(found.zero_inflation())
        assert all(test.pvalue > HOLDS for test in tests)
        assert_allclose(found.dispersion().statistic, 1.0, atol=0.3)
    kept = simulated_residuals(poisson("plain"), seed=4, re="conditional").residuals
    assert kstest(kept, "uniform").pvalue > 0.001


def test_the_distance_is_that_of_kolmogorov_and_smirnov():
    found = simulated_residuals(poisson("zeros"), seed=4)
    distance = kstest(found.residuals, "uniform").statistic
    assert_allclose(found.uniformity().statistic, distance, rtol=1e-12)


def test_p_values_hold_for_rows_that_share_random_effects():
    # Residuals of a level of large variance move together; a test that takes them for
    # independent rejects nearly always.
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 30)})
    rng = np.random.default_rng(8)
    data["y"] = 5.0 * rng.standard_normal(12)[data["g"]] + rng.standard_normal(360)
    result = smf.mixedlm2("y ~ 1 + (1 | g)", data).fit()
    responses = simulate(result, 200, seed=21)
    found = simulated_residuals(result, 99, seed=22)
    naive, ours = [], []
    for y in responses.T:
        columns = np.column_stack([y, found.simulated])
        quantiles = (columns.argsort(axis=1).argsort(axis=1) + 0.5) / 100
        again = type(found)(**{**vars(found), "quantiles": quantiles})
        naive.append(kstest(quantiles[:, 0], "uniform").pvalue)
        ours.append(again.uniformity().pvalue)
    assert np.mean(np.array(naive) < 0.05) > 0.5
    # 5 % of 200, within three and a half standard errors
    assert np.mean(np.array(ours) <= 0.05) < 0.105


# Models that do not.


def test_overdispersion_is_found():
    found = simulated_residuals(poisson("overdispersed"), seed=4, re="conditional")
    assert found.dispersion().statistic > 1.3
    for test in (found.dispersion("greater"), found.uniformity(), found.outliers("greater")):
        assert test.pvalue <= FAILS
    assert found.dispersion("less").pvalue == 1.0
    family = sm.families.NegativeBinomial(alpha=1.0)
    better = smf.mixedglm2("y ~ 1 + x + (1 | g)", counts("overdispersed"), family).fit()
    again = simulated_residuals(better, seed=4, re="conditional")
    assert again.dispersion("greater").pvalue > HOLDS and again.uniformity().pvalue > HOLDS


def test_excess_zeros_are_found():
    found = simulated_residuals(poisson("zeros"), seed=4)
    excess = found.zero_inflation("greater")
    zeros = (found.simulated == 0).sum(axis=0).mean()
    assert_allclose(excess.statistic, (found.observed == 0).sum() / zeros, rtol=1e-12)
    assert excess.pvalue == 1 / 251
    assert found.zero_inflation().pvalue == 2 / 251
    assert simulated_residuals(poisson("plain"), seed=4).zero_inflation().pvalue > HOLDS


def test_outliers_are_counted():
    data = datasets.load("sleepstudy")
    far = [3, 50, 77, 120, 150]
    data.loc[far, "reaction"] += [600.0, 800.0, 700.0, -900.0, -700.0]
    result = smf.mixedlm2("reaction ~ 1 + days + (1 | subj)", data).fit()
    found = simulated_residuals(result, 400, seed=6)
    y, draws = found.observed.to_numpy(), found.simulated
    outside = (y > draws.max(axis=1)) | (y < draws.min(axis=1))
    assert outside[far].all()
    assert_allclose(found.outliers().statistic, outside.mean(), rtol=1e-12)
    assert found.outliers("greater").pvalue <= 0.05


# Refusals.


def test_what_is_refused():
    result = fit_shipped("sleepstudy")
    found = simulated_residuals(result, 20, seed=1)
    with pytest.raises(OptionError, match="for counts"):
        found.zero_inflation()
    with pytest.raises(OptionError, match="alternative='more'"):
        found.dispersion("more")
    with pytest.raises(OptionError, match="number of draws"):
        simulated_residuals(result, 0)
    with pytest.raises(OptionError, match="re must be"):
        simulated_residuals(result, re="old")
    bare = fit_shipped("sleepstudy")
    bare.remove_data()
    with pytest.raises(DataError, match="were removed"):
        simulated_residuals(bare)


def test_responses_and_draws_that_do_not_vary_have_no_dispersion():
    found = simulated_residuals(poisson("plain"), 19, seed=4)
    ones, drawn = np.ones_like(found.observed), np.ones_like(found.simulated)
    dispersion = replace(found, observed=found.observed * 0 + ones, simulated=drawn).dispersion()
    assert np.isnan(dispersion.statistic)
    assert dispersion.pvalue == 1.0
