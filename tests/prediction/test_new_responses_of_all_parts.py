"""Intervals for new responses of fits with parameters of rows, and other doors to them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import nbinom, norm

import statsmodels_mixed as smm
from statsmodels_mixed.errors import OptionError


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    group = np.repeat(np.arange(40), 15)
    x, u = rng.normal(size=600), 0.5 * rng.normal(size=40)
    mu = np.exp(1.5 + 0.3 * x + u[group])
    y = rng.negative_binomial(2.0, 2.0 / (2.0 + mu)) * (rng.random(600) > 0.2)
    z = rng.normal(1.0 + x, np.where(x > 0, 2.0, 0.5))
    n = rng.integers(2, 9, size=600)
    return pd.DataFrame({"y": y, "x": x, "g": group, "z": z, "n": n, "up": x > 0})


@pytest.fixture(scope="module")
def zeros(data):
    return smm.mixedglm2("y ~ x + (1 | g)", data, "nbinom2", zero_inflation="~ 1").fit()


def _inverted(fit, eta: float, variance: float, levels) -> list[int]:
    """Quantiles of a mixture of zeros and negative binomial counts over a normal predictor."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    mu = np.exp(eta + np.sqrt(variance) * nodes)
    counts, phi = np.arange(3000)[:, None], fit.dispersion
    inner = nbinom.cdf(counts, phi, phi / (phi + mu)) @ weights / weights.sum()
    p = 1.0 / (1.0 + np.exp(-fit.params["zi: Intercept"]))
    return [int(np.argmax(p + (1.0 - p) * inner >= level)) for level in levels]


@pytest.mark.parametrize("re", [False, True])
def test_intervals_are_quantiles_of_the_mixture(zeros, data, re):
    new = data.iloc[[0, 100, 300]]
    found = zeros.get_prediction(new, re=re).conf_int(obs=True, alpha=0.1)
    linear = zeros.get_prediction(new, which="linear", re=re)
    left = 0.0 if re else zeros.theta[0] ** 2
    for row, eta, se in zip(found, linear.predicted_mean, linear.se_mean, strict=True):
        wanted = _inverted(zeros, eta, se**2 + left, (0.05, 0.95))
        # Draws give the level within 0.0022 (a standard error), which moves the end by a little.
        assert row[0] == wanted[0]
        near = _inverted(zeros, eta, se**2 + left, (0.943, 0.957))
        assert near[0] <= row[1] <= near[1]


def test_levels_that_are_new_have_the_whole_variance(zeros, data):
    new = data.head(1).assign(g=999)
    known = zeros.get_prediction(data.head(1), re=True).conf_int(obs=True)
    unseen = zeros.get_prediction(new, re=True, new_levels="population").conf_int(obs=True)
    without = zeros.get_prediction(new).conf_int(obs=True)
    assert_allclose(unseen, without)
    assert not np.array_equal(known, unseen)
    assert_array_equal(without, zeros.get_prediction(new).conf_int(obs=True))  # the same again


def test_new_responses_are_in_their_intervals(zeros, data):
    limits = zeros.get_prediction().conf_int(obs=True, alpha=0.2)
    drawn = zeros.simulate(200, seed=3)
    assert (drawn < limits[:, :1]).mean() == 0  # a fifth of the responses are zeros
    assert 0.075 < (drawn > limits[:, 1:]).mean() < 0.103  # counts: at most 0.1


def test_a_normal_response_with_two_variances(data):
    fit = smm.mixedglm2("z ~ x + (1 | g)", data, "gaussian", dispersion="~ up").fit()
    new = data.iloc[[1, 2, 3, 4]]
    low, high = fit.get_prediction(new).conf_int(obs=True).T
    linear = fit.get_prediction(new, which="linear")
    phi = np.exp(fit.params["disp: Intercept"] + fit.params["disp: up[T.True]"] * new["up"])
    sd = np.sqrt(linear.se_mean**2 + fit.theta[0] ** 2 + phi)
    assert_allclose(high, linear.predicted_mean + norm.isf(0.025) * sd, atol=0.1)
    assert_allclose(low, linear.predicted_mean - norm.isf(0.025) * sd, atol=0.1)
    with pytest.raises(OptionError, match="not normal"):
        _ = fit.get_prediction(new).se_obs
    with pytest.raises(OptionError, match="goes with which='mean'"):
        fit.get_prediction(new, which="conditional").conf_int(obs=True)


def test_the_smaller_fit_asks_for_the_comparison(zeros, data):
    plain = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson").fit()
    inflated = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
    pd.testing.assert_frame_equal(plain.anova(inflated, zeros), zeros.anova(plain, inflated))
    table = plain.anova(zeros, inflated)
    statistic = 2.0 * (zeros.llf - inflated.llf)
    assert_allclose(table["statistic"].iloc[2], statistic, rtol=1e-8)


def test_a_model_shows_its_formulas(data):
    text = str(
        smm.mixedglm2("y ~ x + (1 | g)", data, "nbinom2", zero_inflation="~ x", dispersion="~ up")
    )
    assert "Zero inflation       ~ x" in text
    assert "Dispersion           ~ up" in text
    data = data.assign(rating=np.digitize(data["z"], [0.0, 1.0, 2.0]))
    ordinal = smm.mixedordinal2("rating ~ x + (1 | g)", data, "probit", nominal="~ up")
    assert "Nominal" in str(ordinal)
    assert "~ up" in ordinal._repr_html_()


@pytest.mark.parametrize("nominal", [None, "~ contact"])
@pytest.mark.parametrize("re", [False, True])
def test_categories_of_new_responses(wine, re, nominal):
    """With the probit link the errors of the predictor and those of a response are one normal."""
    formula = (
        "rating ~ temp + contact + (1 | judge)"
        if nominal is None
        else "rating ~ temp + (1 | judge)"
    )
    fit = smm.mixedordinal2(formula, wine, "probit", nominal=nominal).fit()
    linear = fit.get_prediction(wine, which="linear", re=re)
    left = 0.0 if re else float(fit.varcorr["judge"].std_dev[0]) ** 2
    size = np.sqrt(1.0 + linear.se_mean**2 + left)
    effects = [name for name in fit.params.index if name.startswith("nominal: ")]
    shift = np.outer(wine["contact"] == "yes", fit.params[effects]) if effects else 0.0
    cuts = np.asarray(fit.params.iloc[:4]) + shift
    below = norm.cdf((cuts - linear.predicted_mean[:, None]) / size[:, None])
    below = np.column_stack([np.zeros(len(wine)), below, np.ones(len(wine))])
    for alpha in (0.05, 0.3):
        found = fit.get_prediction(wine, re=re).conf_int(alpha, obs=True)
        first, last = found.astype(int).T
        rows = np.arange(len(wine))
        # Beyond them there is no more than alpha / 2, with one category fewer there is.
        assert (below[rows, first - 1] <= alpha / 2).all()
        assert (below[rows, first] > alpha / 2).all()
        assert (1 - below[rows, last] <= alpha / 2).all()
        assert (1 - below[rows, last - 1] > alpha / 2).all()


def test_categories_of_rows_without_a_prediction(wine):
    fit = smm.mixedordinal2("rating ~ temp + (1 | judge)", wine).fit()
    new = wine.head(3).assign(temp=["cold", None, "warm"])
    found = fit.get_prediction(new).conf_int(obs=True)
    assert found[1].tolist() == [None, None]
    assert None not in found[[0, 2]].ravel()
