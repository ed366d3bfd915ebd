"""Influence and profiles of fits with parameters of rows against fits of smaller tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed as smm
from statsmodels_mixed import inference
from statsmodels_mixed.errors import OptionError

KINDS = ("inflated", "hurdle", "dispersed", "student", "ordered")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    n, groups = 180, 15
    at = np.repeat(np.arange(groups), n // groups)
    d = pd.DataFrame({"g": at.astype(str), "x": rng.normal(size=n)})
    eta = 0.7 + 0.4 * d["x"].to_numpy() + 0.8 * rng.normal(size=groups)[at]
    d["count"] = np.where(rng.random(n) < 0.25, 0, rng.poisson(np.exp(eta)))
    d["number"] = eta + rng.normal(size=n) * np.exp(0.3 * d["x"])
    d["outlying"] = eta + rng.standard_t(4, size=n)
    d["rating"] = pd.cut(eta + rng.logistic(size=n), [-99, 0, 1, 99], labels=["lo", "mid", "hi"])
    return d


def fit_to(kind: str, data: pd.DataFrame) -> Any:
    match kind:
        case "inflated":
            return smm.mixedglm2("count ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1").fit()
        case "hurdle":
            return smm.mixedglm2("count ~ x + (1 | g)", data, "poisson", hurdle="~ x").fit()
        case "dispersed":
            return smm.mixedglm2("number ~ x + (1 | g)", data, "gaussian", dispersion="~ x").fit()
        case "student":
            return smm.mixedglm2("outlying ~ x + (1 | g)", data, "student_t").fit()
        case _:
            return smm.mixedordinal2("rating ~ x + (1 | g)", data).fit()


@pytest.mark.parametrize("kind", KINDS)
def test_influence_is_that_of_refits(data: pd.DataFrame, kind: str) -> None:
    fit = fit_to(kind, data)
    influence = inference.influence(fit, "g")
    without = fit_to(kind, data[data["g"] != "3"])
    error = np.asarray(without.bse)
    assert_allclose((influence.params.loc["3"] - without.params) / error, 0.0, atol=2e-5)
    assert_allclose(influence.bse.loc["3"], error, rtol=1e-5)
    assert_allclose(influence.objective["3"], -2.0 * without.llf, rtol=1e-10)
    assert_allclose(influence.theta.loc["3"], without.theta, rtol=1e-4)
    change = np.asarray(fit.params - without.params)
    expected = change @ np.linalg.solve(np.asarray(fit.cov_params()), change) / len(change)
    assert_allclose(influence.cooks_distance()["3"], expected, rtol=1e-3)
    assert influence.converged.all()


def test_what_remains_does_not_determine_all(data: pd.DataFrame) -> None:
    """Without the only rows of a category there is nothing to be estimated."""
    some = data.assign(rating=data["rating"].astype(str))
    some["rating"] = np.where(some["rating"] == "hi", "mid", some["rating"])
    some.loc[some["g"] == "3", "rating"] = "hi"
    some["rating"] = pd.Categorical(some["rating"], ["lo", "mid", "hi"], ordered=True)
    influence = smm.mixedordinal2("rating ~ x + (1 | g)", some).fit().influence("g")
    assert influence.params.loc["3"].isna().all()
    assert not influence.converged["3"]
    assert influence.params.drop("3").notna().all(axis=None)
    with pytest.raises(OptionError, match="one case of all rows"):
        fit_to("student", data).influence(np.zeros(len(data)))


@pytest.mark.parametrize("kind", KINDS)
def test_profiles_rise_by_the_quantile_at_their_limits(data: pd.DataFrame, kind: str) -> None:
    """With an offset that holds the slope at its limit, the likelihood has fallen that far."""
    fit = fit_to(kind, data)
    profile = inference.profile(fit, ["beta", "sd"])
    limits = profile.conf_int()
    assert_allclose(limits.loc["beta", "estimate"].loc[fit.params.index], fit.params)
    lower = limits.loc[("beta", "x"), "lower"]
    family = {"inflated": "poisson", "hurdle": "poisson"}.get(kind, "gaussian")
    options: dict[str, Any] = {"offset": lower * data["x"].to_numpy()}
    if kind == "ordered":
        held = smm.mixedordinal2("rating ~ 1 + (1 | g)", data, **options).fit()
    else:
        y = {"dispersed": "number", "student": "outlying"}.get(kind, "count")
        options |= {
            "inflated": {"zero_inflation": "~ 1"},
            "hurdle": {"hurdle": "~ x"},
            "dispersed": {"dispersion": "~ x"},
            "student": {},
        }[kind]
        name = "student_t" if kind == "student" else family
        held = smm.mixedglm2(f"{y} ~ 1 + (1 | g)", data, name, **options).fit()
    assert_allclose(2.0 * (fit.llf - held.llf), chi2.isf(0.05, 1), rtol=1e-4)
    assert (limits["lower"] < limits["upper"]).all()
    assert {"zeta", "value", "beta"} <= set(profile.frame.columns.get_level_values(0))


def test_advice_is_what_the_fit_can_be_given(data: pd.DataFrame) -> None:
    model = smm.mixedglm2("count ~ x + (1 | g)", data, "poisson", zero_inflation="~ x")
    with pytest.warns(smm.errors.ConvergenceWarning):
        fit = model.fit(max_eval=2)
    advice = " ".join(problem.advice for problem in fit.check().problems)
    assert "max_eval" in advice
    assert "start=" not in advice


@pytest.mark.parametrize("kind", KINDS)
def test_influence_does_not_depend_on_where_a_column_is_zero(data: pd.DataFrame, kind: str) -> None:
    data = data.assign(x=np.round(data["x"] * 2.0**10) / 2.0**10)
    few = ["3", "7", "11"]
    near, far = (
        inference.influence(fit_to(kind, table), np.where(table["g"].isin(few), table["g"], "rest"))
        for table in (data, data.assign(x=data["x"] + 2.0**23))
    )
    for name in ("cooks_distance", "covratio", "covtrace"):
        found, expected = (getattr(each, name)()[few] for each in (far, near))
        assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
