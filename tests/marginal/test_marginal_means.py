"""Marginal means by other routes: averages of predictions, contrasts of coefficients."""

from __future__ import annotations

import pickle
from itertools import product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose
from patsy import Helmert, Sum
from scipy import stats
from scipy.special import expit

from statsmodels_mixed import DataError, OptionError, RankWarning, datasets, mixedglm2, mixedlm2
from statsmodels_mixed.standard_errors.generalized_covariance import parameter_covariance

FORMULA = "y ~ a * b + flag + two + o + x + (1 | g)"
POISSON = sm.families.Poisson()


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    n, g = 240, np.repeat(np.arange(20), 12)
    table = pd.DataFrame(
        {
            "g": g,
            "a": rng.choice(["x", "y", "z"], n),
            "b": rng.choice(["v", "u"], n, p=[0.3, 0.7]),
            "flag": rng.random(n) > 0.4,
            "two": rng.integers(0, 2, n),
            "o": pd.Categorical(
                rng.choice(["lo", "mid", "hi"], n), ["lo", "mid", "hi"], ordered=True
            ),
            "x": rng.normal(3, 1, n),
            "k": rng.choice([10, 20, 40], n),
            "hours": rng.uniform(1, 9, n),
        }
    )
    b = rng.normal(size=20)
    table["y"] = table["x"] + (table["a"] == "y") * (table["b"] == "v") + b[g] + rng.normal(size=n)
    table["c"] = rng.poisson(table["hours"] * np.exp(0.2 * (table["a"] == "y") + 0.5 * b[g]))
    table["s"] = rng.binomial(1, expit(table["x"] - 3 + b[g]))
    return table


@pytest.fixture(scope="module")
def fit(data):
    return mixedlm2(FORMULA, data).fit(dof="satterthwaite")


def grid(data, **values):
    """All combinations of levels, with x at its mean unless it is given."""
    columns = {
        "a": ["x", "y", "z"],
        "b": ["u", "v"],
        "flag": [False, True],
        "two": [0, 1],
        "o": ["lo", "mid", "hi"],
        "x": [data["x"].mean()],
        **values,
    }
    cells = pd.DataFrame(product(*columns.values()), columns=list(columns))
    return cells.astype({"o": data["o"].dtype})


def by_hand(fit, cells, weights=None):
    """The coefficients' weights in the average of predictions of cells."""
    X = np.asarray(fit._transform_predict_exog(cells)[0])
    return np.average(X, axis=0, weights=weights)


def check(found, fit, rows):
    rows = np.array(rows)
    test = fit.t_test(rows)
    assert_allclose(found.estimate, np.ravel(test.effect), rtol=1e-10)
    assert_allclose(found.std_error, np.ravel(test.sd), rtol=1e-10)
    assert_allclose(found.df, np.ravel(test.df_denom), rtol=1e-8)


# The reference grid and its averages.


def test_a_mean_is_the_average_of_predictions_of_the_grid(fit, data):
    cells = grid(data)
    rows = [by_hand(fit, cells[cells["a"] == level]) for level in "xyz"]
    means = fit.emmeans("a")
    check(means, fit, rows)
    half = stats.t.ppf(0.975, means.df) * means.std_error
    assert_allclose(means.lower, means.estimate - half)
    assert_allclose(means.upper, means.estimate + half)
    assert means.averaged == ("b", "flag", "two", "o")


@pytest.mark.parametrize("name", ["flag", "two", "o", "b"])
def test_factors_of_all_types(fit, data, name):
    cells = grid(data)
    levels = cells[name].drop_duplicates()
    found = fit.emmeans(name)
    check(found, fit, [by_hand(fit, cells[cells[name] == level]) for level in levels])
    assert found.to_frame()[name].tolist() == levels.tolist()


def test_values_that_are_given(fit, data):
    found = fit.emmeans("x", at={"x": range(3), "a": ["z", "x"], "b": "u"})
    cells = grid(data, x=[0, 1, 2], a=["z", "x"], b=["u"])
    check(found, fit, [by_hand(fit, cells[cells["x"] == x]) for x in range(3)])
    median = fit.emmeans("1", at={"x": np.median})
    check(median, fit, [by_hand(fit, grid(data, x=[np.median(data["x"])]))])


def test_order_of_levels_that_are_given(fit):
    assert fit.emmeans("a", at={"a": ["z", "x"]}).to_frame()["a"].tolist() == ["z", "x"]


def cell_counts(data, cells):
    names = ["a", "b", "flag", "two", "o"]
    counts = data.groupby(names, observed=True).size()
    keys = list(cells[names].itertuples(index=False, name=None))
    return np.array([counts.get(key, 0) for key in keys], dtype=float)


def margin(data, cells, names):
    counts = data.groupby(names, observed=True).size()
    keys = cells[names].itertuples(index=False, name=None)
    return np.array([counts.get(key if len(names) > 1 else key[0], 0) for key in keys], dtype=float)


OTHERS = ["b", "flag", "two", "o"]
WEIGHTS = {
    "proportional": lambda data, cells: margin(data, cells, OTHERS),
    "outer": lambda data, cells: np.prod([margin(data, cells, [o]) for o in OTHERS], axis=0),
    "cells": lambda data, cells: cell_counts(data, cells),
    "flat": lambda data, cells: cell_counts(data, cells) > 0,
}


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights(fit, data, weights):
    parts = [part for _, part in grid(data).groupby("a")]
    rows = [by_hand(fit, cells, WEIGHTS[weights](data, cells)) for cells in parts]
    check(fit.emmeans("a", weights=weights), fit, rows)


def test_weights_of_means_count_rows(data):
    """As in emmeans 1.8.4; prior weights of the fit do not enter."""
    weighted = mixedlm2("y ~ a + b + (1 | g)", data, weights="hours").fit()
    share = data.groupby("b")["hours"].size() / len(data)
    found = weighted.emmeans("a", weights="proportional")
    parts = weighted.emmeans("a | b").to_frame().pivot(index="a", columns="b", values="estimate")
    assert_allclose(found.estimate, parts @ share)
    given = weighted.emmeans("a", weights=share.to_numpy())
    assert_allclose(given.estimate, found.estimate)


@pytest.mark.parametrize("coding", [Sum(), Helmert()])
def test_the_coding_of_factors_does_not_matter(fit, data, coding):
    other = mixedlm2(FORMULA, data, contrasts={"a": coding, "b": coding}).fit(dof="satterthwaite")
    ours, theirs = (f.emmeans("a | b").contrasts() for f in (other, fit))
    assert_allclose(ours.estimate, theirs.estimate, rtol=1e-7)
    assert_allclose(ours.df, theirs.df, rtol=1e-5)
    assert_allclose(ours.pvalue, theirs.pvalue, rtol=1e-4, atol=1e-10)


def test_numbers_that_are_made_factors(data):
    coded = mixedlm2("y ~ C(k) * a + (1 | g)", data).fit()
    text = mixedlm2("y ~ k * a + (1 | g)", data.assign(k=data["k"].astype(str))).fit()
    for spec in ("k", "C(k)"):
        assert_allclose(coded.emmeans(spec).estimate, text.emmeans("k").estimate, rtol=1e-8)
    assert coded.emmeans("k").contrasts().to_frame()["contrast"].tolist() == [
        "k10 - k20",
        "k10 - k40",
        "k20 - k40",
    ]
    assert len(coded.emmeans("k", at={"k": [40, 10]})) == 2


@pytest.mark.parametrize("part", ["pd.cut(x, [-9, 2, 4, 99])", "C(x > 3)", "(x > 3)"])
def test_a_factor_of_few_levels_made_of_a_number_has_these(data, part):
    fit = mixedlm2(f"y ~ {part} * a + (1 | g)", data).fit()
    cut = (
        pd.cut(data["x"], [-9, 2, 4, 99]).astype(str)
        if "cut" in part
        else (data["x"] > 3).astype(str)
    )
    text = mixedlm2("y ~ cut * a + (1 | g)", data.assign(cut=cut)).fit()
    assert_allclose(fit.emmeans("a").estimate, text.emmeans("a").estimate, rtol=1e-8)
    assert_allclose(sorted(fit.emmeans("x").estimate), sorted(text.emmeans("cut").estimate))
    high = fit.emmeans("a", at={"x": data["x"].max()})
    assert_allclose(high.estimate, text.emmeans("a", at={"cut": cut[data["x"].idxmax()]}).estimate)


@pytest.mark.parametrize("part", ["bs(x, df=4)", "x + I(x**2)", "center(x)", "np.log(hours)"])
def test_covariates_in_expressions_are_at_their_mean(data, part):
    some = mixedlm2(f"y ~ a * ({part}) + (1 | g)", data).fit()
    at = pd.DataFrame({"a": list("xyz"), "x": data["x"].mean(), "hours": data["hours"].mean()})
    assert_allclose(some.emmeans("a").estimate, some.predict(at), rtol=1e-10)


def test_a_centered_covariate_is_at_zero(data):
    far = data.assign(x=data["x"] + 7e5)  # dates; their deviations have a mean of 1e-11
    far["x"] -= far["x"].mean()
    means = mixedlm2("y ~ a + x + (1 | g)", far).fit().emmeans("a")
    assert "Covariates: x = 0." in str(means)


def test_an_expression_is_named_as_the_formula_writes_it(data):
    some = mixedlm2("y ~ a + I(k>15) + (1 | g)", data).fit()
    wanted = some.emmeans("k").estimate
    for name in ("I(k>15)", "I(k > 15)", "I( k > 15 )"):
        assert_allclose(some.emmeans(name).estimate, wanted)


def test_the_other_formula_engine(fit, data, monkeypatch):
    from statsmodels.formula import options

    monkeypatch.setattr(options, "formula_engine", "formulaic")
    other = mixedlm2(FORMULA, data).fit(dof="satterthwaite")
    assert_allclose(other.emmeans("a | b").estimate, fit.emmeans("a | b").estimate, rtol=1e-7)
    assert_allclose(other.joint_tests()["statistic"], fit.joint_tests()["statistic"], rtol=1e-6)


# Cells without data, and nested factors.


def test_cells_without_data():
    data = datasets.load("cake")
    some = data[~((data["recipe"] == "C") & (data["temperature"] == "225"))]
    with pytest.warns(RankWarning):
        fit = mixedlm2("angle ~ recipe * temperature + (1 | recipe:replicate)", some).fit()
    means = fit.emmeans("recipe")
    assert np.isnan(means.estimate).tolist() == [False, False, True]
    assert means.reasons[2] == "not estimable: cells without data have a part in it"
    assert "NaN: not estimable" in str(means)
    pairs = means.contrasts()
    assert np.isnan(pairs.pvalue).tolist() == [False, True, True]
    cell = fit.emmeans("recipe | temperature").to_frame().set_index(["recipe", "temperature"])
    assert cell["estimate"].isna().sum() == 1
    assert np.isnan(cell.loc[("C", "225"), "estimate"])
    within = fit.emmeans("recipe", weights="cells")
    kept = [cell.loc["C", "estimate"].dropna().mean()]
    assert_allclose(within.estimate[2:], kept)
    tests = fit.joint_tests().set_index("term")
    # Of 16 independent differences between 17 cells.
    terms = {"recipe": 1, "temperature": 4, "recipe:temperature": 9, "(confounded)": 2}
    assert tests["df_num"].to_dict() == terms


def test_a_nested_factor_is_averaged_over_within_the_other(data):
    nested = data.assign(outer=np.where(data["a"] == "x", "one", "more"))
    with pytest.warns(RankWarning):
        fit = mixedlm2("y ~ outer + a + (1 | g)", nested).fit()
    plain = mixedlm2("y ~ a + (1 | g)", data).fit()
    single = plain.emmeans("a").to_frame().set_index("a")["estimate"]
    found = fit.emmeans("outer").to_frame().set_index("outer")["estimate"]
    assert_allclose(found["one"], single["x"])
    assert_allclose(found["more"], (single["y"] + single["z"]) / 2)
    table = fit.emmeans("a").to_frame()
    assert table[["a", "outer"]].values.tolist() == [["y", "more"], ["z", "more"], ["x", "one"]]
    assert "a is nested in outer." in fit.emmeans("outer").notes


def test_a_nested_factor_is_tested_within_the_other():
    """Whether its term names the other or not; so does emmeans.

    R: ``d <- subset(cake, !(recipe == "C" & replicate %in% c("1", "2") & temperature %in%
    c("175", "225")))``, ``d$hot <- ifelse(as.numeric(as.character(d$temperature)) > 200, "hot",
    "cool")``, temperature an unordered factor; lmerTest's ``lmer(angle ~ hot + temperature + recipe
    + (1 | recipe:replicate), d)``; ``joint_tests(n, lmer.df = "satterthwaite")``, emmeans 1.8.4.
    """
    cake = datasets.load("cake")
    hot = np.where(cake["temperature"].astype(int) > 200, "hot", "cool")
    left_out = cake["replicate"].isin(["1", "2"]) & cake["temperature"].isin(["175", "225"])
    some = cake.assign(hot=hot)[~(left_out & (cake["recipe"] == "C"))]
    formula = "angle ~ {} + recipe + (1 | recipe:replicate)"
    for fixed in ("hot + temperature", "hot / temperature"):
        with pytest.warns(RankWarning):
            fit = mixedlm2(formula.format(fixed), some).fit(reml=True, dof="satterthwaite")
        tests = fit.joint_tests().set_index("term")
        assert tests["df_num"].to_dict() == {"hot": 1, "recipe": 2, "hot:temperature": 4}
        assert_allclose(tests["df_denom"], [215.44, 41.30, 215.44], atol=0.005)
        assert_allclose(tests["statistic"], [69.641, 0.386, 7.853], atol=6e-4)
        assert_allclose(
            tests["pvalue"], [8.54204236e-15, 6.82331573e-01, 6.31072433e-06], rtol=2e-6
        )


def test_a_group_of_a_single_mean_has_no_contrasts(data):
    """Of a factor that is nested in another, one level may be alone in its group."""
    some = data[(data["a"] != "z") | (data["b"] == data["b"].iloc[0])]
    with pytest.warns(RankWarning):
        fit = mixedlm2("y ~ a / b + (1 | g)", some).fit()
    cells = fit.emmeans("b", by="a").to_frame()
    found = fit.emmeans("b", by="a").contrasts(adjust="bonferroni").to_frame()
    sizes = cells.groupby("a")["estimate"].count()
    assert sizes["z"] == 1
    assert set(found["a"]) == {"x", "y"}
    for a, rows in found.groupby("a"):
        means = cells.loc[cells["a"] == a, "estimate"].to_numpy()
        first, second = np.triu_indices(len(means), 1)
        assert_allclose(rows["estimate"], means[first] - means[second])
        plain = 2 * stats.norm.sf(np.abs(rows["statistic"]))
        assert_allclose(rows["pvalue"], np.minimum(1, len(rows) * plain))


# Offsets, links, populations.


def test_offsets_are_at_their_mean(data):
    by_option = mixedglm2("c ~ a + (1 | g)", data, POISSON, exposure="hours").fit()
    b = by_option.params.to_numpy()
    eta = b[0] + np.array([0, b[1], b[2]])
    shift = np.log(data["hours"]).mean()
    assert_allclose(by_option.emmeans("a").estimate, eta + shift, rtol=1e-10)
    assert_allclose(by_option.emmeans("a", offset=0).estimate, eta, rtol=1e-10)
    in_formula = mixedglm2("c ~ a + offset(np.log(hours)) + (1 | g)", data, POISSON).fit()
    # However it is written: the mean of the logarithm, as emmeans 1.8.4 has it.
    assert_allclose(in_formula.emmeans("a").estimate, eta + shift, rtol=1e-6)
    assert_allclose(in_formula.emmeans("a", at={"hours": 1}).estimate, eta, rtol=1e-6, atol=1e-8)
    for found in (by_option, in_formula):
        assert_allclose(found.emmeans("a").contrasts().estimate[0], -b[1], rtol=1e-6)


def test_the_scale_of_the_response(data):
    fit = mixedglm2("s ~ a + x + (1 | g)", data, sm.families.Binomial()).fit()
    link, response = fit.emmeans("a"), fit.emmeans("a", type="response")
    mean = expit(link.estimate)
    assert_allclose(response.estimate, mean)
    assert_allclose(response.std_error, mean * (1 - mean) * link.std_error)
    assert_allclose(response.lower, expit(link.lower))
    differences, ratios = link.contrasts(), response.contrasts()
    assert_allclose(ratios.estimate, np.exp(differences.estimate))
    assert_allclose(ratios.std_error, ratios.estimate * differences.std_error)
    assert_allclose(ratios.upper, np.exp(differences.upper))
    assert_allclose(ratios.pvalue, differences.pvalue)
    assert ratios.to_frame()["contrast"].tolist() == ["x / y", "x / z", "y / z"]
    # A mean is no contrast, and has no ratio.
    own = response.contrasts("identity")
    assert_allclose(own.estimate, link.estimate)
    assert "Contrasts are on the logit scale." in own.notes


def test_a_link_whose_differences_are_no_ratios(data):
    probit = sm.families.Binomial(sm.families.links.Probit())
    fit = mixedglm2("s ~ a + (1 | g)", data, probit).fit()
    found = fit.emmeans("a", type="response")
    assert_allclose(found.estimate, stats.norm.cdf(fit.emmeans("a").estimate))
    assert_allclose(found.contrasts().estimate, fit.emmeans("a").contrasts().estimate)


def test_a_transformed_response(data):
    table = data.assign(size=np.exp(data["y"] / 4))
    fit = mixedlm2("np.log(size) ~ a + (1 | g)", table).fit(dof="satterthwaite")
    link, found = fit.emmeans("a"), fit.emmeans("a", type="response")
    assert_allclose(found.estimate, np.exp(link.estimate))
    assert_allclose(found.contrasts().estimate, np.exp(link.contrasts().estimate))
    variance = fit.theta[0] ** 2 * fit.scale + fit.scale
    adjusted = fit.emmeans("a", type="response", bias_adjust=True)
    assert_allclose(adjusted.estimate, found.estimate * (1 + variance / 2))
    population = fit.emmeans("a", population=True)
    assert_allclose(population.estimate, found.estimate * np.exp(variance / 2))
    base = mixedlm2("np.log10(size) ~ a + (1 | g)", table).fit().emmeans("a", type="response")
    assert_allclose(base.estimate, found.estimate)
    assert_allclose(base.contrasts().estimate, found.contrasts().estimate)


def test_means_over_the_population_of_counts_have_a_closed_form(data):
    fit = mixedglm2("c ~ a + (x | g)", data, POISSON).fit(cov_type="hessian")
    found, link = fit.emmeans("a", population=True), fit.emmeans("a")
    z = np.array([1.0, data["x"].mean()])
    variance = z @ np.asarray(fit.varcorr.groups[0].covariance) @ z
    assert_allclose(found.estimate, np.exp(link.estimate + variance / 2), rtol=1e-10)
    adjusted = fit.emmeans("a", type="response", bias_adjust=True)
    assert_allclose(adjusted.estimate, np.exp(link.estimate) * (1 + variance / 2), rtol=1e-10)


def test_standard_errors_of_population_means_account_for_theta(data):
    fit = mixedglm2("s ~ a + x + (1 | g)", data, sm.families.Binomial()).fit()
    found = fit.emmeans("a", population=True)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    X = np.array([[1, 0, 0, data["x"].mean()], [1, 1, 0, data["x"].mean()]])

    def mean(theta, beta):
        return expit((X @ beta)[:, None] + theta * nodes) @ weights / weights.sum()

    theta, beta, h = fit.theta[0], fit.params.to_numpy(), 1e-5
    at = np.array([theta, *beta])
    columns = [
        (mean(up[0], up[1:]) - mean(down[0], down[1:])) / (2 * h)
        for up, down in ((at + h * e, at - h * e) for e in np.eye(len(at)))
    ]
    J = np.column_stack(columns)
    joint = parameter_covariance(fit.model.design, fit.estimates).covariance
    assert_allclose(found.estimate[:2], mean(theta, beta), rtol=1e-8)
    assert_allclose(found.std_error[:2] ** 2, np.diag(J @ joint @ J.T), rtol=1e-6)
    contrast = found.contrasts()
    assert_allclose(contrast.estimate[0], found.estimate[0] - found.estimate[1])
    assert_allclose(contrast.std_error[0] ** 2, [1, -1] @ J @ joint @ J.T @ [1, -1], rtol=1e-6)


def test_population_means_with_a_covariance_structure(data):
    free = mixedglm2("s ~ a + (1 + x | g)", data, sm.families.Binomial()).fit()
    same = mixedglm2("s ~ a + us(1 + x | g)", data, sm.families.Binomial()).fit()
    ours, theirs = (f.emmeans("a", population=True) for f in (same, free))
    assert_allclose(ours.estimate, theirs.estimate, rtol=1e-5)
    assert_allclose(ours.std_error, theirs.std_error, rtol=1e-3)


def test_residuals_without_a_common_variance(data):
    table = data.assign(size=np.exp(data["y"] / 4), visit=np.tile(np.arange(12), 20) % 4)
    table = table.drop_duplicates(["g", "visit"])
    fit = mixedlm2("np.log(size) ~ a", table, residual="har1(visit | g)").fit(reml=True)
    link = fit.emmeans("a")
    assert_allclose(fit.emmeans("a", type="response").estimate, np.exp(link.estimate))
    for options in ({"population": True}, {"type": "response", "bias_adjust": True}):
        with pytest.raises(OptionError, match="no common variance"):
            fit.emmeans("a", **options)


def test_population_means_of_a_linear_model_are_its_means(fit):
    assert_allclose(fit.emmeans("a", population=True).estimate, fit.emmeans("a").estimate)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SeparationWarning")
def test_means_that_are_not_finite(data):
    table = data.assign(s=np.where(data["a"] == "x", 1, data["s"]))
    fit = mixedglm2("s ~ 0 + a + (1 | g)", table, sm.families.Binomial()).fit()
    for means in (fit.emmeans("a"), fit.emmeans("a", population=True)):
        assert np.isnan(means.estimate).tolist() == [True, False, False]
        assert np.isnan(means.std_error).tolist() == [True, False, False]
        assert means.reasons[0].startswith("no finite estimate")
        assert np.isnan(means.contrasts().pvalue).tolist() == [True, True, False]


# Trends.


def test_trends_are_derivatives(data):
    fit = mixedlm2("y ~ a * (x + I(x**2)) + np.log(hours) + (1 | g)", data).fit()
    b, x = fit.params, np.array([1.0, 2.5])
    found = fit.emtrends("x | a", "x", at={"x": x}).to_frame()
    for level in "xyz":
        extra = [b.get(f"a[T.{level}]:{name}", 0.0) for name in ("x", "I(x ** 2)")]
        slope = b["x"] + extra[0] + 2 * x * (b["I(x ** 2)"] + extra[1])
        assert_allclose(found.loc[found["a"] == level, "estimate"], slope, rtol=1e-8)
    log = fit.emtrends("1", "hours", at={"hours": 4})
    assert_allclose(log.estimate, b["np.log(hours)"] / 4, rtol=1e-9)
    assert_allclose(log.std_error, fit.bse["np.log(hours)"] / 4, rtol=1e-9)
    by_log = fit.emtrends("a", "np.log(hours)")
    assert_allclose(by_log.estimate, b["np.log(hours)"], rtol=1e-9)


def test_trends_of_a_spline_up_to_its_ends(data):
    fit = mixedlm2("y ~ bs(x, df=5) + (1 | g)", data).fit()
    low, high = data["x"].min(), data["x"].max()
    found = fit.emtrends("x", "x", at={"x": [low, 3.0, high]})
    h = 1e-4
    at = np.array([[low, low + h], [3 - h, 3 + h], [high - h, high]])
    mean = fit.predict(pd.DataFrame({"x": at.ravel()})).to_numpy().reshape(3, 2)
    assert_allclose(
        found.estimate, np.diff(mean, axis=1).ravel() / np.diff(at, axis=1).ravel(), rtol=1e-3
    )


# Joint tests.


def test_joint_tests_of_balanced_factors_are_of_type_three():
    fit = mixedlm2(
        "angle ~ recipe * temperature + (1 | recipe:replicate)", datasets.load("cake")
    ).fit(reml=True, dof="satterthwaite")
    ours, theirs = fit.joint_tests().set_index("term"), fit.anova(typ=3)
    assert list(ours.index) == list(theirs.index)
    assert_allclose(ours["statistic"], theirs["F"], rtol=1e-8)
    assert_allclose(ours["df_denom"], theirs["df_denom"], rtol=1e-4)
    assert_allclose(ours["pvalue"], theirs["PR(>F)"], rtol=1e-4)


def test_joint_tests_within_levels(fit):
    found = fit.joint_tests(by="b")
    row = found[(found["b"] == "v") & (found["term"] == "a")].iloc[0]
    means = fit.emmeans("a | b").contrasts("consec")
    rows = means.functions.rows[(means.labels["b"] == "v").to_numpy()]
    assert_allclose(row["statistic"], fit.wald_test(rows).statistic, rtol=1e-8)
    assert row["df_num"] == 2
    assert not any("b" in term.split(":") for term in found["term"])


def test_normal_joint_tests(data):
    fit = mixedlm2("y ~ a * b + (1 | g)", data).fit()
    row = fit.joint_tests().set_index("term").loc["a:b"]
    wald = fit.wald_test([[0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1]])
    assert_allclose(2 * row["statistic"], wald.statistic, rtol=1e-8)
    assert_allclose(row["pvalue"], wald.pvalue, rtol=1e-8)
    assert np.isinf(row["df_denom"])


# What users write, and what they see.


@pytest.mark.parametrize(
    ("specs", "by"),
    [
        (["a", "b"], None),
        ("a * b", None),
        ("~ a + b", None),
        ("a | b", None),
        ("a", "b"),
        ("a:b", None),
    ],
)
def test_specifications(fit, specs, by):
    found = fit.emmeans(specs, by=by)
    assert found.to_frame().columns[:2].tolist() == ["a", "b"]
    assert found.to_frame()["a"].tolist() == ["x", "y", "z"] * 2
    assert found.to_frame()["b"].tolist() == ["u"] * 3 + ["v"] * 3


def test_a_left_side_shows_contrasts_too(fit):
    found = fit.emmeans("trt.vs.ctrl ~ a | b")
    assert str(found).count("Estimated marginal means") == 1
    assert "differences from control" in str(found)
    assert "y - x" in found._repr_html_()
    assert len(found.contrasts()) == 4


def test_factors_that_are_called_like_the_columns(data):
    table = data.rename(columns={"a": "contrast", "b": "estimate"})
    fit = mixedlm2("y ~ contrast * estimate + (1 | g)", table).fit()
    means = fit.emmeans("contrast | estimate")
    assert means.to_frame().columns[:3].tolist() == ["contrast", "estimate_", "estimate"]
    within = means.contrasts(by="contrast").to_frame()
    assert within.columns[:2].tolist() == ["contrast1", "contrast"]
    assert within["contrast1"].tolist() == ["u - v"] * 3
    assert "contrast1" in str(means.contrasts(by="contrast"))


def test_simple_contrasts_within_another_factor(fit):
    means = fit.emmeans("a * b")
    within, all_pairs = means.contrasts(by="b", adjust="none"), means.contrasts(adjust="none")
    assert len(within) == 6 and len(all_pairs) == 15
    assert within.to_frame().columns[:2].tolist() == ["contrast", "b"]
    assert_allclose(within.estimate[0], all_pairs.estimate[0])
    assert len(fit.emmeans("a | b").contrasts(by=[])) == 15
    assert all_pairs.to_frame()["contrast"].iloc[0] == "x u - y u"


def test_result_prints_and_survives(fit):
    means = fit.emmeans("a | b", level=0.9)
    again = pickle.loads(pickle.dumps(means))
    assert str(again) == str(means) == repr(means)
    assert again.contrasts().to_frame().equals(means.contrasts().to_frame())
    text = str(means)
    assert "Averaged over flag, two, o, with equal weights." in text
    assert "Covariates: x = " in text and "Degrees of freedom: Satterthwaite." in text
    assert "a interacts with b" in str(fit.emmeans("a"))
    assert "<table" in means._repr_html_()
    wide = fit.emmeans("a | b")
    assert np.all(wide.upper > means.upper)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.emmeans("q"), "'q' is no variable of the fixed part; there are a, b, flag"),
        (lambda f: f.emmeans(3), "specs must be a name or a list of names, not 3"),
        (
            lambda f: f.emmeans("a").contrasts(adjust=False),
            "adjust must be a name or None, not False",
        ),
        (lambda f: f.emmeans("a").contrasts("poly", max_degree=0), "max_degree= is 1 or more"),
        (lambda f: f.emmeans("g"), "'g' is a grouping factor of random effects"),
        (lambda f: f.emmeans("a", at={"q": 1}), "at= has 'q'"),
        (
            lambda f: f.emmeans("a", at={"a": ["w"]}),
            "at= has 'w' for 'a', whose levels are 'x', 'y'",
        ),
        (
            lambda f: f.emmeans("a", at={"x": ["w"]}),
            "at= needs finite numbers for the covariate 'x'",
        ),
        (lambda f: f.emmeans("a", weights="even"), "weights= is one of equal, proportional"),
        (lambda f: f.emmeans("a", weights=[1, 2]), "weights= needs 24 numbers"),
        (lambda f: f.emmeans("a", type="mean"), "type= is one of link, response"),
        (lambda f: f.emmeans("a", level=95), "level= must be between 0 and 1"),
        (lambda f: f.emmeans("a", bias_adjust=True), "bias_adjust= is for"),
        (lambda f: f.emmeans("pairs ~ a"), "the left side of 'pairs ~ a' is a kind of contrasts"),
        (lambda f: f.emmeans("a").contrasts("pair"), "contrasts are one of pairwise"),
        (lambda f: f.emmeans("a").contrasts(adjust="hsd"), "adjust= is one of none, tukey"),
        (lambda f: f.emmeans("a").contrasts(by="b"), "by= has 'b'; the means are of a"),
        (lambda f: f.emmeans("a").contrasts([[1, -1]]), "each contrast needs 3 coefficients"),
        (
            lambda f: f.emmeans("a").contrasts("trt.vs.ctrl", ref="w"),
            "ref= is one of 'x', 'y', 'z'",
        ),
        (lambda f: f.emmeans("1").contrasts(), "there is a single mean in each group"),
        (lambda f: f.emtrends("a", "b"), "var= is a covariate of the fixed part, one of two, x"),
    ],
)
def test_mistakes(fit, call, message):
    with pytest.raises(OptionError, match="^" + message):
        call(fit)


def test_what_is_needed(data):
    plain = mixedlm2("y ~ a + (1 | g)", data).fit()
    means = plain.emmeans("a")
    plain.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        plain.emmeans("a")
    assert len(means.contrasts()) == 3  # what was made before remains


def test_pairs_of_statsmodels_are_those_of_marginal_means(data):
    fit = mixedlm2("y ~ a * b + two:a + o + (1 | g)", data).fit(dof="satterthwaite")
    table = fit.t_test_pairwise("a").result_frame
    ours = fit.emmeans("a").contrasts("revpairwise", adjust="none")
    assert table.index.tolist() == [name.replace(" ", "") for name in ours.labels["contrast"]]
    assert_allclose(table["coef"], ours.estimate)
    assert_allclose(table["P>|t|"], ours.pvalue)


def test_robust_standard_errors(data):
    options = {"cov_type": "cluster", "cov_kwds": {"groups": data["g"]}}
    fit = mixedlm2("y ~ a + x + (1 | g)", data).fit(dof="residual", **options)
    means = fit.emmeans("a")
    assert_allclose(means.df, 19)
    check(
        means,
        fit,
        np.column_stack([np.ones(3), [0, 1, 0], [0, 0, 1], np.full(3, data["x"].mean())]),
    )
    assert "Standard errors: CR1, 20 clusters." in means.notes
