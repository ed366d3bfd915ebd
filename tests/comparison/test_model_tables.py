"""Fits of several kinds in one table, types of hypotheses by name, and tests for panels."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import chi2

from statsmodels_mixed import MixedModelWarning, OptionError, datasets, inference

SLEEP = ("reaction ~ days + (1 | subj)", "reaction ~ days + (days | subj)")


@pytest.fixture(scope="module")
def ticks():
    return datasets.load("grouseticks")


@pytest.fixture(scope="module")
def exam():
    return datasets.load("exam")


# Types of hypotheses.


def test_types_by_name():
    fit = smf.mixedlm2("score ~ machine + (1 | worker)", datasets.load("machines")).fit()
    for number, name in enumerate(("I", "II", "III"), 1):
        expected = fit.anova(typ=number)
        for given in (number, str(number), name, name.lower()):
            pd.testing.assert_frame_equal(fit.anova(type=given), expected)
    for given in (0, 4, "IV", True, "three"):
        with pytest.raises(OptionError, match="type= is 1, 2 or 3, or I, II or III"):
            fit.anova(type=given)
    with pytest.raises(OptionError, match="same option"):
        fit.anova(type=2, typ=3)


def test_type_two_respects_marginality():
    # A main effect is adjusted for all but the interaction that contains it: with known variances
    # its statistic is that of the model without the interaction.
    rng = np.random.default_rng(2)
    n = 240
    data = pd.DataFrame({"b": rng.choice(list("xyz"), n)})
    likely = data["b"].map({"x": 0.1, "y": 0.5, "z": 0.95})
    data["a"] = np.where(rng.random(n) < likely, "q", "p")
    data["g"] = np.arange(n) % 12
    groups = 2 * rng.normal(size=12)[data.g]
    data["y"] = (data.a == "q") * (data.b == "x") + groups + rng.normal(size=n)
    full = smf.mixedlm2("y ~ a * b + (1 | g)", data).fit(sigma=1.0)
    small = smf.mixedlm2("y ~ a + b + (1 | g)", data).fit(sigma=1.0)
    two, without = full.anova(type="II"), small.anova(type="II")
    assert_allclose(two["F"].iloc[:2], without["F"], rtol=0.05)
    assert not np.allclose(full.anova(type="III")["F"].iloc[:2], without["F"], rtol=0.2)


# Several fits.


def test_fits_by_reml_are_refitted_by_maximum_likelihood():
    data = datasets.load("sleepstudy")
    by_reml = [smf.mixedlm2(formula, data).fit(reml=True) for formula in SLEEP]
    by_ml = [smf.mixedlm2(formula, data).fit() for formula in SLEEP]
    with pytest.warns(MixedModelWarning, match="refitted by maximum likelihood"):
        table = by_reml[0].anova(by_reml[1])
    assert_allclose(table.astype(float), by_ml[0].anova(by_ml[1]).astype(float), rtol=1e-6)
    # lme4 1.1 prints these for anova(fm1, fm2) of the fits by REML.
    assert_allclose(table["statistic"].iloc[1], 42.139, atol=1e-3)
    assert_allclose(table["pvalue"].iloc[1], 7.072e-10, rtol=1e-3)
    with pytest.warns(MixedModelWarning):
        other = by_reml[0].anova(smf.mixedlm2("reaction ~ 1 + (1 | subj)", data).fit())
    assert other["df_diff"].iloc[1] == 1 and by_reml[0].reml


def test_equal_numbers_of_parameters_have_criteria_and_no_test(exam):
    one = smf.mixedlm2("normexam ~ standlrt + (1 | school)", exam).fit()
    other = smf.mixedlm2("normexam ~ sex + (1 | school)", exam).fit()
    table = one.anova(other)
    assert table["df_diff"].iloc[1] == 0
    assert table[["statistic", "pvalue", "pvalue_boundary"]].isna().all(axis=None)
    assert_allclose(sorted(table["aic"]), sorted([one.aic, other.aic]))


def test_families_in_one_table(ticks):
    glm = smf.glm("ticks ~ year", ticks, family=sm.families.Poisson()).fit()
    formula = "ticks ~ year + (1 | brood)"
    poisson = smf.mixedglm2(formula, ticks, "poisson").fit()
    binomial = smf.mixedglm2(formula, ticks, "nbinom2").fit()
    table = binomial.anova(poisson, glm)
    assert table["npar"].tolist() == [3, 4, 5]
    assert "[negative_binomial, log]" in table.index[2]
    statistic = 2 * np.diff([glm.llf, poisson.llf, binomial.llf])
    assert_allclose(table["statistic"][1:], statistic)
    assert_allclose(table["pvalue_boundary"][1:], chi2.sf(statistic, 1) / 2)
    assert_allclose(table["aic"], [glm.aic, poisson.aic, binomial.aic])
    # Neither is a case of the other: criteria alone.
    probit, logit = (
        smf.mixedglm2(
            "use ~ age + (1 | dist)", datasets.load("contra"), "binomial", link=link
        ).fit()
        for link in ("probit", "logit")
    )
    assert probit.anova(logit)["pvalue"].isna().all()


def test_ordinary_least_squares_below(exam):
    null, ols = (smf.ols(f"normexam ~ {x}", exam).fit() for x in ("1", "standlrt"))
    mixed = smf.mixedlm2("normexam ~ standlrt + (standlrt | school)", exam).fit()
    table = mixed.anova(ols, null)
    assert table.index.tolist()[:2] == ["normexam ~ 1 [OLS]", "normexam ~ standlrt [OLS]"]
    assert table["npar"].tolist() == [2, 3, 6]
    assert_allclose(table["llf"], [null.llf, ols.llf, mixed.llf])
    assert_allclose(table["statistic"].iloc[1], 2 * (ols.llf - null.llf))
    row = table.iloc[2]
    assert_allclose(row["statistic"], 2 * (mixed.llf - ols.llf))
    # A mixture of the tails with up to three degrees of freedom.
    assert 0 < row["pvalue_boundary"] < chi2.sf(row["statistic"], 3) * 1.0001
    other = smf.ols("normexam ~ sex", exam).fit()
    with pytest.raises(OptionError, match="not nested"):
        mixed.anova(other)
    with pytest.raises(OptionError, match="different data"):
        mixed.anova(smf.ols("normexam ~ standlrt", exam.iloc[:-1]).fit())
    with pytest.raises(OptionError, match="mixed model is needed"):
        inference.anova(ols, null)


# Panels.


def test_mundlak_test_is_the_wald_test_of_group_means(exam):
    data = exam.assign(mean=exam.groupby("school", observed=True)["standlrt"].transform("mean"))
    fit = smf.mixedlm2("normexam ~ standlrt + sex + (1 | school)", exam).fit()
    test = fit.mundlak_test()
    male = data["sex"] == data["sex"].astype("category").cat.categories[1]
    data["share"] = male.groupby(data["school"], observed=True).transform("mean")
    wider = smf.mixedlm2("normexam ~ standlrt + sex + mean + share + (1 | school)", data).fit()
    names = ["share", "mean"] if test.table.index[0].startswith("sex") else ["mean", "share"]
    assert_allclose(test.table["difference"], wider.params[names], rtol=1e-5)
    assert_allclose(test.table["std_error"], wider.bse[names], rtol=1e-5)
    part = wider.cov_params().loc[names, names]
    assert_allclose(
        test.statistic, wider.params[names] @ np.linalg.solve(part, wider.params[names])
    )
    assert test.df == 2 and "Mundlak test of the effects of school" in repr(test)


def test_within_slopes_are_those_of_fixed_effects(exam):
    fit = smf.mixedlm2("normexam ~ standlrt + (1 | school)", exam).fit()
    dummies = smf.ols("normexam ~ standlrt + C(school)", exam).fit()
    mundlak, hausman = fit.mundlak_test(), fit.hausman_test()
    for slope in (mundlak.table["within"], hausman.table["fixed"]):
        assert_allclose(slope, dummies.params["standlrt"], rtol=1e-6)
    variance = dummies.bse["standlrt"] ** 2 - fit.bse["standlrt"] ** 2
    difference = dummies.params["standlrt"] - fit.params["standlrt"]
    assert_allclose(hausman.statistic, difference**2 / variance, rtol=1e-6)
    assert_allclose(hausman.pvalue, chi2.sf(hausman.statistic, 1))


def test_mundlak_test_of_generalized_and_crossed_models(ticks):
    contra = datasets.load("contra")
    fit = smf.mixedglm2("use ~ age + urban + (1 | dist)", contra, "binomial").fit()
    for name in ("age", "urban"):
        numbers = contra["age"] if name == "age" else (contra["urban"] == "Y").astype(float)
        contra[f"{name}_mean"] = numbers.groupby(contra["dist"], observed=True).transform("mean")
    formula = "use ~ age + urban + age_mean + urban_mean + (1 | dist)"
    wider = smf.mixedglm2(formula, contra, "binomial").fit()
    table = fit.mundlak_test().table.sort_index()
    assert list(table.index) == ["age", "urban[T.Y]"]
    assert_allclose(table["difference"], wider.params[["age_mean", "urban_mean"]], rtol=1e-4)
    assert_allclose(table["std_error"], wider.bse[["age_mean", "urban_mean"]], rtol=1e-4)
    with pytest.raises(OptionError, match="for linear models"):
        fit.hausman_test()
    crossed = smf.mixedlm2("normexam ~ standlrt + (1 | school) + (1 | sex)", datasets.load("exam"))
    with pytest.raises(OptionError, match="by= is needed"):
        crossed.fit().mundlak_test()
    with pytest.raises(OptionError, match="no grouping factor"):
        fit.mundlak_test("district")
    balanced = smf.mixedlm2(SLEEP[0], datasets.load("sleepstudy")).fit()
    with pytest.raises(OptionError, match="nothing to compare"):
        balanced.mundlak_test()


@pytest.mark.parametrize("kind", ["reml", "ml", "residual", "poisson"])
def test_mundlak_needs_more_groups_than_their_means_tell_apart(kind):
    # Four groups, and the constant with three group means: the variance between groups is not
    # determined by REML, and zero by ML, which found p < 1e-20 where nothing differs.
    rng = np.random.default_rng(3)
    h = rng.integers(0, 5, 90)
    data = pd.DataFrame({"h": h, "x": rng.normal(size=90), "f": rng.choice(list("abc"), 90)})
    data["y"] = data["x"] + rng.normal(size=5)[h] + rng.normal(size=90)
    data["c"] = rng.poisson(np.exp(0.3 * data["y"]))
    data["s"], data["t"] = np.arange(90) // 3, np.arange(90) % 3

    def fit(rows):
        if kind == "poisson":
            return smf.mixedglm2("c ~ x + f + (1 | h)", rows, family="poisson").fit()
        options = {"residual": "cs(t | s)"} if kind == "residual" else {}
        return smf.mixedlm2("y ~ x + f + (1 | h)", rows, **options).fit(reml=kind != "ml")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance may be zero
        four, five = fit(data[h < 4]), fit(data)
        with pytest.raises(OptionError, match="tell all 4 levels of h apart"):
            inference.mundlak_test(four)
        assert np.isfinite(inference.mundlak_test(five).pvalue)


def test_hausman_with_a_known_residual_variance():
    """No row is left to estimate it from: six groups of two rows, and six covariates."""
    rng = np.random.default_rng(3)
    g, X = np.repeat(np.arange(6), 2), rng.normal(size=(12, 6))
    data = pd.DataFrame(X, columns=list("abcdef")).assign(g=g)
    data["y"] = 3 * rng.normal(size=6)[g] + rng.normal(size=12)
    fit = smf.mixedlm2("y ~ a + b + c + d + e + f + (1 | g)", data).fit(sigma=1.0)
    dummies = np.eye(6)[g]
    columns = np.column_stack([X, dummies])
    fixed = np.linalg.solve(columns, data["y"])[:6]
    table = fit.hausman_test().table
    assert_allclose(table["fixed"], fixed[[list("abcdef").index(n) for n in table.index]])
    V = np.linalg.inv(columns.T @ columns)[:6, :6]
    variance = np.diag(V) - fit.bse[list("abcdef")] ** 2
    error = pd.Series(np.sqrt(variance), index=list("abcdef"))
    assert_allclose(table["std_error"], error[table.index])
