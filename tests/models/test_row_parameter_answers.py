"""Fits with parameters of rows and of ordered categories answer as other fits do."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed import inference
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import NotOfferedError, OptionError

KINDS = ("inflated", "hurdle", "beta", "dispersed", "tweedie", "student", "ordered")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n, groups = 240, 20
    at = np.repeat(np.arange(groups), n // groups)
    d = pd.DataFrame({"g": at.astype(str), "x": rng.normal(size=n)})
    d["f"] = np.tile(list("abc"), n // 3)
    eta = 0.7 + 0.4 * d["x"].to_numpy() + 0.9 * rng.normal(size=groups)[at]
    mu = np.exp(eta)
    d["count"] = np.where(rng.random(n) < 0.25, 0, rng.negative_binomial(2, 2 / (2 + mu)))
    p = 1 / (1 + np.exp(0.7 - eta))
    d["share"] = np.clip(rng.beta(p * 8, (1 - p) * 8), 1e-4, 1 - 1e-4)
    d["number"] = eta + rng.normal(size=n) * np.exp(0.3 * d["x"])
    d["outlying"] = eta + rng.standard_t(4, size=n)
    d["sum"] = [rng.gamma(2, 1, size=k).sum() for k in rng.poisson(mu / 2)]
    cut = pd.cut(eta + rng.logistic(size=n), [-99, 0, 1, 2, 99], labels=["no", "low", "mid", "hi"])
    d["rating"] = cut
    return d


def model(kind: str, data: pd.DataFrame) -> Any:
    of = "~ x + f + (1 | g)"
    match kind:
        case "inflated":
            return smm.mixedglm2(f"count {of}", data, "nbinom2", zero_inflation="~ 1")
        case "hurdle":
            return smm.mixedglm2(f"count {of}", data, "nbinom2", hurdle="~ x")
        case "beta":
            return smm.mixedglm2(f"share {of}", data, "beta", dispersion="~ x")
        case "dispersed":
            return smm.mixedglm2(f"number {of}", data, "gaussian", dispersion="~ x")
        case "tweedie":
            return smm.mixedglm2(f"sum {of}", data, "tweedie")
        case "student":
            return smm.mixedglm2(f"outlying {of}", data, "student_t")
        case _:
            return smm.mixedordinal2(f"rating {of}", data)


@pytest.fixture(scope="module")
def fits(data: pd.DataFrame) -> dict[str, Any]:
    return {kind: model(kind, data).fit() for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_foreign_is_raised(fits: dict[str, Any], kind: str) -> None:
    """Each name of other fits answers, or says in a sentence of ours why not."""
    fit = fits[kind]
    for name in dir(smm.GeneralizedLinearMixedModelResults):
        if name.startswith("_"):
            continue
        try:
            value = getattr(fit, name)
            if callable(value) and name not in ("save", "to_dir", "bootstrap"):
                parameters = inspect.signature(value).parameters
                needed = [
                    p
                    for p in parameters.values()
                    if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
                ]
                seed = {"seed": 1} if "seed" in parameters else {}
                if not needed:
                    value(*([2] if name == "power" else []), **seed)  # replicates
        except (OptionError, NotOfferedError) as error:
            assert str(error).endswith(".")


@pytest.mark.parametrize("kind", KINDS)
def test_functions_are_the_methods(fits: dict[str, Any], kind: str) -> None:
    fit = fits[kind]
    pd.testing.assert_frame_equal(inference.tidy(fit), fit.tidy())
    pd.testing.assert_frame_equal(inference.glance(fit), fit.glance())
    pd.testing.assert_frame_equal(inference.augment(fit), fit.augment())
    assert inference.check(fit).problems == fit.check().problems
    np.testing.assert_array_equal(inference.simulate(fit, 2, seed=1), fit.simulate(2, seed=1))
    pd.testing.assert_series_equal(
        inference.residuals(fit, "score"), fit.residuals("score"), check_names=True
    )
    with pytest.raises(OptionError, match="not offered"):
        inference.varpar_cov(fit)


@pytest.mark.parametrize("kind", KINDS)
def test_conditional_variances_are_inverse_curvatures(fits: dict[str, Any], kind: str) -> None:
    """Var(b | y) of a scalar effect is 1 / (1 / s^2 - sum of second derivatives of its rows)."""
    fit = fits[kind]
    design, mean = fit.kept_design(), fit.estimates.conditional
    second, _ = row_derivatives(
        mean.spec.family,
        mean.spec.link,
        design.y,
        mean.eta,
        fit.estimates.outer,
        weights=design.weights,
        zeros=mean.spec.zeros,
    )
    info = np.bincount(design.blocks[0].refs, -second[:, 2])
    expected = 1.0 / (1.0 / float(mean.factors[0][0, 0]) ** 2 + info)
    assert_allclose(fit.condvar()["g"][:, 0, 0], expected, rtol=1e-7)
    table = fit.ranef(se=True)["g"]
    assert_allclose(table["Intercept_std_error"], np.sqrt(expected), rtol=1e-7)


FAMILIES = {
    "nbinom1": ("count", {}),
    "nbinom2": ("count", {"zero_inflation": "~ 1"}),
    "poisson": ("count", {"zero_inflation": "~ x"}),
    "genpois": ("count", {"zero_inflation": "~ 1"}),
    "compois": ("count", {"zero_inflation": "~ 1"}),
    "truncated_nbinom": ("count", {"hurdle": "~ x"}),
    "beta": ("share", {"dispersion": "~ x"}),
    "gaussian": ("number", {"dispersion": "~ x"}),
    "tweedie": ("sum", {}),
    "gamma": ("sum", {"hurdle": "~ 1"}),
    "lognormal": ("sum", {"hurdle": "~ 1"}),
    "student_t": ("outlying", {}),
    "ordered_beta": ("ends", {}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_pearson_residuals_have_the_variance_of_draws(data: pd.DataFrame, family: str) -> None:
    """The variances of 4000 responses drawn with the same random effects, row by row."""
    y, options = FAMILIES[family]
    table = data.assign(ends=np.clip(1.3 * data["share"] - 0.15, 0.0, 1.0))
    name = {"truncated_nbinom": "nbinom2", "nbinom1": "nbinom1"}.get(family, family)
    if family == "nbinom1":
        options = {"hurdle": "~ 1"}
    fit = smm.mixedglm2(f"{y} ~ x + (1 | g)", table, name, **options).fit()
    draws = fit.simulate(4000, seed=2, re="conditional")
    mean = draws.mean(axis=1)
    with np.errstate(invalid="ignore"):
        spread = np.asarray(fit.resid) / fit.resid_pearson
    ratio = draws.std(axis=1) / spread
    assert_allclose(np.median(ratio), 1.0, atol=0.02)
    assert np.quantile(np.abs(ratio - 1.0), 0.9) < 0.12
    assert_allclose((mean - fit.fittedvalues) / spread, 0.0, atol=0.12)


def test_deviance_residuals_are_those_of_statsmodels(fits: dict[str, Any]) -> None:
    """Of a Tweedie family of the power that was estimated, over the root of the dispersion."""
    fit = fits["tweedie"]
    y, mu = fit.kept_design().y, fit.fittedvalues
    family = sm.families.Tweedie(var_power=fit.shape["power"])
    expected = family.resid_dev(y, mu) / np.sqrt(fit.dispersion)
    assert_allclose(fit.resid_deviance, expected, rtol=1e-6, atol=1e-8)
    normal = fits["dispersed"]
    assert_allclose(normal.resid_deviance, normal.resid_pearson, rtol=1e-8)


def test_scores_of_ordered_categories_sum_to_zero(data: pd.DataFrame) -> None:
    """The thresholds are free, so that the scores of the rows add up to a score that is zero."""
    fit = smm.mixedordinal2("rating ~ x + (1 | g)", data).fit()
    b = fit.ranef()["g"]["Intercept"]
    scores = fit.residuals("score").groupby(data["g"]).sum()
    # At the modes the score of each level is that of its prior.
    variance = float(fit.varcorr["g"].std_dev[0]) ** 2
    assert_allclose(scores.to_numpy(), b.loc[scores.index].to_numpy() / variance, atol=1e-5)


def test_hypotheses_on_all_parts(fits: dict[str, Any]) -> None:
    fit = fits["hurdle"]
    place = fit.params.index.get_loc("hurdle: x")
    row = np.eye(len(fit.params))[place]
    test = fit.t_test(row)
    assert_allclose(test.effect, fit.params["hurdle: x"])
    assert_allclose(test.pvalue, fit.pvalues["hurdle: x"])
    assert_allclose(test.conf_int(), [fit.conf_int().loc["hurdle: x"]])
    joint = fit.wald_test(np.eye(len(fit.params))[1:4])
    beta, V = fit.params.iloc[1:4], fit.cov_params().iloc[1:4, 1:4]
    assert_allclose(joint.statistic, beta @ np.linalg.solve(V, beta), rtol=1e-9)
    with pytest.raises(OptionError, match="rows of"):
        fit.t_test([1, 2])


@pytest.mark.parametrize("kind", KINDS)
def test_plots(fits: dict[str, Any], kind: str) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    plot = fits[kind].plot
    assert len(plot().axes) == 4
    assert len(plot.coefficients().lines) > 0
    plot.caterpillar(), plot.qq_caterpillar(), plot.random_effects()
    plot.simulated_residuals(n=20, seed=1)
    if kind == "ordered":
        with pytest.raises(OptionError, match="ordered categories"):
            plot.fitted_lines("x")
    else:
        plot.residuals(), plot.qq(), plot.scale_location(), plot.fitted_lines("x")
    pyplot.close("all")


def test_effects_of_zeros_count_in_residuals(data: pd.DataFrame) -> None:
    """The variance of draws with the same random effects of both parts."""
    rng = np.random.default_rng(4)
    some = rng.random(len(data)) < np.repeat(rng.uniform(0.1, 0.9, 20), 12)
    table = data.assign(count=np.where(some, data["count"], 0))
    fit = smm.mixedglm2("count ~ x + (1 | g)", table, "poisson", hurdle="~ 1 + (1 | g)").fit()
    draws = fit.simulate(4000, seed=3, re="conditional")
    ratio = draws.std(axis=1) / (np.asarray(fit.resid) / fit.resid_pearson)
    assert_allclose(np.median(ratio), 1.0, atol=0.02)
    assert np.quantile(np.abs(ratio - 1.0), 0.9) < 0.12


@pytest.mark.parametrize("kind", ["inflated", "dispersed"])
def test_values_of_rows_have_their_labels(kind, data):
    named = data.set_index(pd.Index([f"r{i}" for i in range(len(data))], name="row"))
    shuffled = named.sample(frac=1.0, random_state=3)
    one, other = model(kind, named).fit(), model(kind, shuffled).fit()
    found = ["fittedvalues", "resid", "resid_response", "resid_pearson"]
    found += ["dispersion"] if kind == "dispersed" else []
    for name in found:
        values = getattr(one, name)
        assert values.index.equals(named.index)
        assert_allclose(getattr(other, name).loc[named.index], values, rtol=2e-5, atol=2e-5)
    repeated = model(kind, data.set_index(pd.Index(["same"] * len(data)))).fit()
    assert_allclose(repeated.augment()[".resid"], one.resid, atol=1e-6)


def test_attributes_of_a_mean_are_not_there_where_there_is_none(data):
    ordered, inflated = model("ordered", data).fit(), model("inflated", data).fit()
    for fit, name, sentence in (
        (ordered, "fittedvalues", "categories have no fitted mean: take predict()"),
        (ordered, "resid", "categories have no fitted mean"),
        (ordered, "resid_pearson", "kind='pearson' needs a mean"),
        (inflated, "resid_deviance", "deviance residuals are not defined"),
        (smm.mixedglm2("share ~ 1 + (1 | g)", data, "beta").fit(), "resid_deviance", "beta has no"),
    ):
        assert not hasattr(fit, name)
        with pytest.raises(NotOfferedError) as error:
            getattr(fit, name)
        assert sentence in str(error.value)
