"""Standard errors of predictions of models with parameters of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit
from scipy.stats import betabinom

import statsmodels_mixed as smm
from statsmodels_mixed.errors import DataError, OptionError


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    data = smm.datasets.load("grouseticks")
    cuts, labels = [-1, 0, 5, 100], ["no", "few", "many"]
    return data.assign(many=pd.cut(data["ticks"], cuts, labels=labels))


def test_closed_forms_of_an_inflated_mean(ticks):
    formula = "ticks ~ cheight + (1 | brood)"
    fit = smm.mixedglm2(formula, ticks, "poisson", zero_inflation="~ cheight").fit()
    few, V = ticks.head(5), fit.cov_params().to_numpy()
    x = np.column_stack([np.ones(5), few["cheight"]])
    eta, zeta = x @ fit.params.iloc[:2], x @ fit.params.iloc[2:]
    share = expit(zeta)
    mean = (1 - share) * np.exp(eta)
    slopes = np.hstack([mean[:, None] * x, -(mean * share)[:, None] * x])
    se = np.sqrt(np.einsum("ij,jk,ik->i", slopes, V, slopes))
    for prediction in (fit.get_prediction(few), fit.get_prediction()):
        table = prediction.summary_frame().head(5)
        assert_allclose(table["mean"], mean, rtol=1e-10)
        assert_allclose(table["mean_se"], se, rtol=1e-5)
        upper = mean * np.exp(1.959964 * se / mean)
        assert_allclose(table["mean_ci_upper"], upper, rtol=1e-5)
    zero = share + (1 - share) * np.exp(-np.exp(eta))
    assert_allclose(fit.get_prediction(few, which="zero_probability").predicted_mean, zero)
    linear = fit.get_prediction(few, which="linear")
    wanted = np.sqrt(np.einsum("ij,jk,ik->i", x, V[:2, :2], x))
    assert_allclose(linear.se_mean, wanted, rtol=1e-6)


@pytest.mark.parametrize("family", ["binomial", "betabinomial"])
def test_no_success_in_all_trials_of_a_row(family):
    rng = np.random.default_rng(2)
    g, m = np.repeat(np.arange(20), 8), rng.integers(1, 12, size=160)
    mu = expit(rng.normal(size=20)[g] - 0.5)
    p = rng.beta(3 * mu, 3 * (1 - mu)) if family == "betabinomial" else mu
    y = rng.binomial(m, p * rng.binomial(1, 0.7, size=160)) / m
    table = pd.DataFrame({"y": y, "m": m, "g": g})
    options = {"weights": "m", "zero_inflation": "~ 1"}
    fit = smm.mixedglm2("y ~ 1 + (1 | g)", table, family, **options).fit()
    mu, pi = fit.predict(which="conditional", re=True), fit.predict(which="inflation")
    if family == "binomial":
        none = (1 - mu) ** m
    else:
        phi = fit.dispersion
        none = betabinom.pmf(0, m, mu * phi, (1 - mu) * phi)
    wanted = pi + (1 - pi) * none
    assert_allclose(fit.predict(which="zero_probability", re=True), wanted, rtol=1e-10)
    few = table.tail(7)
    found = fit.get_prediction(few, which="zero_probability", re=True)
    assert_allclose(found.predicted_mean, wanted[-7:], rtol=1e-10)
    # Where there is one trial only, it is the share of failures.
    one = fit.predict(few.assign(m=1), which="zero_probability", re=True)
    assert_allclose(one, 1 - (1 - pi[-7:]) * mu[-7:], rtol=1e-10)
    given = smm.mixedglm2("y ~ 1 + (1 | g)", table, family, **{**options, "weights": m}).fit()
    assert_allclose(given.predict(which="zero_probability", re=True), wanted, rtol=1e-6)
    with pytest.raises(DataError, match="name of their column"):
        given.predict(few, which="zero_probability")


def test_closed_forms_of_probabilities_of_categories(ticks):
    fit = smm.mixedordinal2("many ~ cheight + (1 | brood)", ticks).fit()
    few, V = ticks.head(4), fit.cov_params().to_numpy()
    table = fit.get_prediction(few).summary_frame()
    assert_allclose(table.xs("mean", axis=1, level=1), fit.predict(few))
    x = few["cheight"].to_numpy()
    first = expit(fit.params.iloc[0] - fit.params["cheight"] * x)
    slopes = (first * (1 - first))[:, None] * np.column_stack([np.ones(4), np.zeros(4), -x])
    se = np.sqrt(np.einsum("ij,jk,ik->i", slopes, V, slopes))
    assert_allclose(table[("no", "mean_se")], se, rtol=1e-5)
    assert table.xs("mean_ci_lower", axis=1, level=1).gt(0).all(axis=None)
    assert table.xs("mean_ci_upper", axis=1, level=1).lt(1).all(axis=None)
    with pytest.raises(OptionError, match="a class has no standard error"):
        fit.get_prediction(few, which="class")


def test_robust_errors_and_coefficients_without_any(ticks):
    formula = "ticks ~ year + (1 | brood)"
    fit = smm.mixedglm2(formula, ticks, "nbinom2", zero_inflation="~ 1").fit()
    plain = smm.mixedglm2(formula, ticks, "nbinom2", dispersion="~ 1").fit()
    few = ticks.head(3)
    assert np.isnan(fit.bse["zi: Intercept"])
    tables = [each.get_prediction(few).summary_frame() for each in (fit, plain)]
    assert_allclose(*tables, rtol=1e-4)
    robust = plain.with_inference(cov_type="cluster", cov_kwds={"groups": "brood"})
    linear = robust.get_prediction(few, which="linear").se_mean
    assert_allclose(linear, robust.bse["Intercept"], rtol=1e-6)


def test_dispersions_are_those_of_the_formula(ticks):
    fit = smm.mixedglm2(
        "ticks ~ year + (1 | brood)", ticks, "nbinom2", dispersion="~ cheight"
    ).fit()
    few, V = ticks.head(4), fit.cov_params().to_numpy()[-2:, -2:]
    log = fit.params["disp: Intercept"] + fit.params["disp: cheight"] * few["cheight"]
    assert_allclose(fit.predict(few, which="dispersion"), np.exp(log), rtol=1e-12)
    assert_allclose(fit.predict(which="dispersion"), fit.dispersion, rtol=1e-12)
    made = fit.get_prediction(few, which="dispersion", re=True)
    X = np.column_stack([np.ones(4), few["cheight"]])
    se = np.sqrt(np.einsum("ij,jk,ik->i", X, V, X))
    assert_allclose(made.se_mean, np.exp(log) * se, rtol=1e-5)
    assert_allclose(made.conf_int()[:, 1], np.exp(log + 1.959964 * se), rtol=1e-5)
    counts = smm.mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    with pytest.raises(OptionError, match="poisson has no dispersion to predict"):
        counts.fit().predict(few, which="dispersion")


def test_covariates_far_from_zero(ticks):
    # The intercept of days since 1970 has an error of thousands: moved by a share of it alone,
    # means left all data behind, and standard errors were 1e2 to 1e38 times too large.
    late = ticks.assign(cheight=ticks["cheight"] + 1e5)
    found = []
    for data in (ticks, late):
        fit = smm.mixedglm2(
            "ticks ~ cheight + year + (1 | brood)",
            data,
            "poisson",
            zero_inflation="~ cheight",
        ).fit()
        rows = data.head(6)
        found.append(
            [
                fit.get_prediction(rows).se_mean,
                fit.get_prediction(rows, re=True).se_mean,
                fit.get_prediction(rows, which="zero_probability").se_mean,
                fit.emmeans("year", component="response").to_frame()["std_error"],
            ]
        )
    for here, there in zip(*found, strict=True):
        assert_allclose(there, here, rtol=1e-5)
