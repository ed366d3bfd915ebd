"""Likelihood-ratio tables, tests of terms, and models with one term less."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import Helmert, Poly, Sum
from reference import load
from reference.lme4_names import MODELS
from scipy import stats
from scipy.optimize import minimize, minimize_scalar
from simulated import Stream
from small_models import fit, fit_shipped

from statsmodels_mixed import (
    DataError,
    LinearMixedModel,
    MixedModelWarning,
    OptionError,
    RankWarning,
    datasets,
)
from statsmodels_mixed.comparison.boundary import Cone, _simulated, chi_bar_squared_sf
from statsmodels_mixed.comparison.hypotheses import term_hypotheses
from statsmodels_mixed.fitting.linear.penalized_least_squares import objective
from statsmodels_mixed.inference import anova, drop1, ranova

RATIO = 1e-5  # likelihood ratios, relative
# lme4's fit of the second model of Contraception stops 1.2e-4 above the minimum (glmm.json).
RATIO_OF = {"contra": 2e-5}
CODING = 1e-6  # the same test in another coding
JOINT = 1e-3  # the same hypothesis written otherwise: joint df of Satterthwaite's method

BINOMIAL = sm.families.Binomial()


def records(kind: str) -> Any:
    found = [record for record in load("inference") if record["type"] == kind]
    assert found
    return pytest.mark.parametrize("record", found, ids=[record["id"] for record in found])


def columns_of(record: dict[str, Any]) -> dict[str, np.ndarray]:
    values = np.array(record["rows"], dtype=float).T
    return dict(zip(record["columns"], values, strict=True))


@cache
def fitted(name: str, reml: bool) -> Any:
    model = MODELS[name.removesuffix("_ML")]
    return fit(model.formula, model.data(), model.options, reml=reml)


def sleep(random: str, **how: Any) -> Any:
    return fit(f"reaction ~ days + {random}", datasets.load("sleepstudy"), **how)


# Published tables.


@records("ranova")
def test_ranova(record):
    ours, theirs = ranova(fitted(record["id"], record["method"] == "REML")), columns_of(record)
    # lme4 names `batch:cask` and `(Days | Subject)` what is `batch & cask` and `1 + days` here.
    assert ours.index[0] == record["rownames"][0] == "<none>"
    assert list(ours["npar"]) == list(theirs["npar"])
    assert_allclose(ours["llf"], theirs["logLik"], rtol=1e-8)
    assert_allclose(ours["aic"], theirs["AIC"], rtol=1e-8)
    assert list(ours["df_diff"][1:]) == list(theirs["Df"][1:])
    assert_allclose(ours["statistic"], theirs["LRT"], rtol=RATIO)
    assert_allclose(ours["pvalue"], theirs["Pr(>Chisq)"], rtol=RATIO)


CONTRA = "use ~ age + I(age**2) + "
COMPARED = {
    "sleepstudy": lambda: [sleep(r) for r in ("(1 | subj)", "(days || subj)", "(days | subj)")],
    "pastes": lambda: [
        fit(f"strength ~ 1 + (1 | {group})", datasets.load("pastes"))
        for group in ("batch:cask", "batch / cask")
    ],
    "contra": lambda: [
        smf.mixedglm2(CONTRA + right, datasets.load("contra"), BINOMIAL).fit()
        for right in (
            "urban + (1 | dist)",
            "livch + urban + (1 | dist)",
            "livch + urban + (1 + urban | dist)",
        )
    ],
}


@records("anova_LRT")
def test_comparison(record):
    fits, theirs = COMPARED[record["id"]](), columns_of(record)
    ours = anova(*reversed(fits))
    assert list(ours.index) == [one.model.formula_full for one in fits]
    assert list(ours["npar"]) == list(theirs["npar"])
    for name, label in {
        "aic": "AIC",
        "bic": "BIC",
        "llf": "logLik",
        "objective": "deviance",
    }.items():
        assert_allclose(ours[name], theirs[label], rtol=1e-6)
    assert list(ours["df_diff"][1:]) == list(theirs["Df"][1:])
    rtol = RATIO_OF.get(record["id"], RATIO)
    assert_allclose(ours["statistic"], theirs["Chisq"], rtol=rtol)
    assert_allclose(ours["pvalue"], theirs["Pr(>Chisq)"], rtol=10 * rtol)


def test_comparison_of_contraception_with_better_fits():
    objective = {r["id"]: r["objective"] for r in load("glmm") if r["source"].startswith("glmmTMB")}
    ours = anova(*COMPARED["contra"]())["statistic"].iloc[2]
    assert_allclose(ours, objective["contra"] - objective["contra_slope"], rtol=1e-7)


@records("drop1_LRT")
def test_drop1(record):
    ours, theirs = drop1(fitted(record["id"], False)), columns_of(record)
    assert list(ours.index) == record["rownames"]
    assert list(ours["df_diff"][1:]) == list(theirs["npar"][1:])
    assert_allclose(ours["aic"], theirs["AIC"], rtol=1e-8)
    assert_allclose(ours["statistic"], theirs["LRT"], rtol=RATIO)
    assert_allclose(ours["pvalue"], theirs["Pr(Chi)"], rtol=RATIO)


def test_type_three_of_insteval():
    # lmerTest 3.1.3.
    table = anova(fitted("insteval_1", True))
    assert list(table.index) == ["service", "dept", "service:dept"]
    assert list(table["df_num"]) == [1, 13, 13]
    assert_allclose(table["F"], [6.878054, 1.972051, 8.471543], rtol=1e-4)
    assert_allclose(table["df_denom"], [48973.47, 1323.30, 33018.27], rtol=1e-4)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_sums_of_squares(dof):
    for record in load("inference"):
        if record["type"] == f"{dof.replace('-', '_')}_anova_typeIII":
            check_sums_of_squares(record, dof)


def check_sums_of_squares(record, dof):
    ours, theirs = anova(fitted(record["id"], True), dof=dof), columns_of(record)
    assert_allclose(ours["sum_sq"], theirs["Sum Sq"], rtol=1e-4)
    assert_allclose(ours["mean_sq"], theirs["Mean Sq"], rtol=1e-4)


# The mixture for hypotheses on the boundary.


def chi2(df: int, statistic: float) -> float:
    return float(stats.chi2.sf(statistic, df))


def boundary_row(*fits: Any) -> pd.Series:
    return anova(*fits).iloc[1]


def test_one_variance():
    row = boundary_row(sleep("(1 | subj)"), sleep("(days || subj)"))
    assert_allclose(row["pvalue_boundary"], row["pvalue"] / 2)


def test_a_correlated_effect_more():
    # Stram and Lee (1994): half chi-squared of 1, half of 2 degrees of freedom.
    row = boundary_row(sleep("(1 | subj)"), sleep("(days | subj)"))
    x = row["statistic"]
    assert_allclose(row["pvalue_boundary"], (chi2(1, x) + chi2(2, x)) / 2)


def test_a_correlation_is_not_bounded():
    row = boundary_row(sleep("(days || subj)"), sleep("(days | subj)"))
    assert_allclose(row["pvalue_boundary"], row["pvalue"])


def test_fixed_effects_are_not_bounded():
    data = datasets.load("sleepstudy")
    row = boundary_row(fit("reaction ~ 1 + (1 | subj)", data), sleep("(1 | subj)"))
    assert_allclose(row["pvalue_boundary"], row["pvalue"])


def test_coefficient_and_variance():
    small = fit("reaction ~ 1 + (1 | subj)", datasets.load("sleepstudy"))
    row = boundary_row(small, sleep("(days || subj)"))
    x = row["statistic"]
    assert_allclose(row["pvalue_boundary"], (chi2(1, x) + chi2(2, x)) / 2)


def test_two_effects_more():
    # Two free covariances with the intercept, and a 2 x 2 matrix at zero.
    data = datasets.load("machines")
    small, large = (
        fit(f"score ~ machine + {random}", data)
        for random in ("(1 | worker)", "(machine | worker)")
    )
    row = boundary_row(small, large)
    # Nine rows for each worker, of which the intercept takes one: a circular cone.
    angle, x = np.arctan(1 / np.sqrt(1 - 2 / 8)), row["statistic"]
    weights = np.array([1 - np.sin(angle), np.cos(angle), np.sin(angle), 1 - np.cos(angle)]) / 2
    expected = sum(w * chi2(2 + i, x) for i, w in enumerate(weights))
    assert_allclose(row["pvalue_boundary"], expected)


def test_compound_symmetry_is_inside_the_unstructured_matrices():
    data = datasets.load("machines")
    small, large = (
        fit(f"score ~ machine + {random}", data)
        for random in ("(1 | worker / machine)", "(0 + machine | worker)")
    )
    row = boundary_row(small, large)
    assert row["df_diff"] == 4
    assert_allclose(row["pvalue_boundary"], row["pvalue"])


def test_mixtures():
    assert chi_bar_squared_sf(0.0, 2, [Cone(1)]) == 1.0
    assert_allclose(chi_bar_squared_sf(3.0, 2, []), chi2(2, 3.0))
    # Two independent variances: a quarter of no, half of one, a quarter of two.
    assert_allclose(
        chi_bar_squared_sf(3.0, 0, [Cone(1), Cone(1)]), chi2(1, 3.0) / 2 + chi2(2, 3.0) / 4
    )


@pytest.mark.parametrize("free", [0, 2])
@pytest.mark.parametrize("cones", [[1], [2], [1, 2]])
def test_simulated_mixtures_agree_with_exact_ones(free, cones):
    pieces = [Cone(k) for k in cones]
    for statistic in (1.0, 5.0, 10.0):
        exact = chi_bar_squared_sf(statistic, free, pieces)
        assert_allclose(_simulated(statistic, free, pieces), exact, rtol=0.05)


def test_mixture_of_three_effects():
    # A 3 x 3 matrix: direct draws of what the statistic is in the limit.
    random = np.random.default_rng(7)
    draws = random.standard_normal((40_000, 3, 3))
    values = np.linalg.eigvalsh((draws + draws.transpose(0, 2, 1)) / 2)
    drawn = np.sum(np.maximum(values, 0) ** 2, axis=1)
    for statistic in (2.0, 6.0):
        share = np.mean(drawn > statistic)
        assert_allclose(chi_bar_squared_sf(statistic, 0, [Cone(3)]), share, rtol=0.05)


# Nesting.


def test_refusals_of_comparisons():
    data = datasets.load("sleepstudy").assign(half=lambda frame: frame["days"] > 4)
    base = sleep("(1 | subj)")
    with pytest.raises(OptionError, match=r"not nested: 'half\[T.True\]'"):
        anova(fit("reaction ~ half + (1 | subj)", data), sleep("(days | subj)"))
    with pytest.raises(OptionError, match="no room for the random effects"):
        anova(fit("reaction ~ days + (1 | half)", data), sleep("(days | subj)"))
    with pytest.raises(OptionError, match="REML criteria"):
        small = fit("reaction ~ 1 + (1 | subj)", data, reml=True)
        anova(small, sleep("(1 | subj)", reml=True), refit=False)
    with pytest.raises(OptionError, match="fitted by"):
        anova(base, sleep("(days | subj)", reml=True), refit=False)
    with pytest.raises(OptionError, match="sigma is fixed"):
        anova(base, sleep("(days | subj)", sigma=25.0))
    with pytest.raises(OptionError, match="single fit"):
        anova(base, sleep("(days | subj)"), typ=3)
    with pytest.raises(OptionError, match="mixed model is needed"):
        anova(base, 3)


def test_another_coding_of_the_smaller_model_is_nested():
    data = datasets.load("machines")
    small = fit("score ~ machine + (1 | worker)", data, {"contrasts": {"machine": Sum()}})
    row = boundary_row(small, fit("score ~ machine + (1 | worker / machine)", data))
    assert_allclose(row["pvalue_boundary"], row["pvalue"] / 2)


def test_reml_with_the_same_fixed_effects():
    fits = [sleep(random, reml=True) for random in ("(1 | subj)", "(days | subj)")]
    row = anova(*fits, refit=False).iloc[1]
    assert_allclose(row["statistic"], ranova(fits[1])["statistic"].iloc[1])


# Tests of terms.


@pytest.fixture(scope="module")
def unbalanced() -> pd.DataFrame:
    random, n = np.random.default_rng(3), 300
    frame = pd.DataFrame(
        {
            "a": random.choice(list("pqrs"), n),
            "b": random.choice(list("xyz"), n),
            "g": random.integers(0, 20, n),
            "x": random.normal(3, 1, n),
        }
    )
    noise = random.normal(size=20)[frame["g"]] + random.normal(size=n)
    return frame.assign(y=0.1 * frame["x"] + 0.3 * (frame["a"] == "q") + noise)


FIXED = ("a*b + x", "a*b*x", "a + a:b", "0 + a*b", "a:b", "a*x", "b*x + I(x**2)", "0 + a + b")


@contextmanager
def formulaic() -> Iterator[None]:
    statsmodels.formula.options.formula_engine = "formulaic"
    try:
        yield
    finally:
        statsmodels.formula.options.formula_engine = "patsy"


@pytest.mark.parametrize("typ", [1, 2, 3])
@pytest.mark.parametrize("fixed", FIXED)
def test_tests_do_not_depend_on_the_coding(fixed, typ, unbalanced):
    formula = f"y ~ {fixed} + (1 | g)"
    table = anova(fit(formula, unbalanced, reml=True), typ=typ)
    for contrast in (Sum(), Helmert(), Poly()):
        contrasts = {name: contrast for name in ("a", "b") if name in fixed}
        other = anova(fit(formula, unbalanced, {"contrasts": contrasts}, reml=True), typ=typ)
        pd.testing.assert_frame_equal(table, other, rtol=CODING)
    if typ > 1:  # formulaic orders terms otherwise
        with formulaic():
            other = anova(fit(formula, unbalanced, reml=True), typ=typ)
        # Products of factors are in another order, on which Satterthwaite's joint df depend.
        pd.testing.assert_frame_equal(table, other.loc[table.index], rtol=JOINT)
        assert_allclose(table["F"], other.loc[table.index, "F"], rtol=CODING)


def test_type_three_is_wald_in_sum_coding(unbalanced):
    formula = "y ~ a*b*x + (1 | g)"
    table = anova(fit(formula, unbalanced), dof=None)
    coded = fit(formula, unbalanced, {"contrasts": {"a": Sum(), "b": Sum()}})
    wald = coded.wald_test_terms(scalar=True).table.loc[table.index]
    assert_allclose(table["F"] * table["df_num"], wald["statistic"], rtol=CODING)


def test_types_of_additive_models(unbalanced):
    # Without interactions type II and III are the same, and so is type I for the last term.
    result = fit("y ~ a + b + x + (1 | g)", unbalanced, reml=True)
    one, two, three = (anova(result, typ=typ) for typ in (1, 2, 3))
    pd.testing.assert_frame_equal(two, three, rtol=CODING)
    assert_allclose(two["F"], three["F"], rtol=CODING)
    pd.testing.assert_series_equal(one.loc["x"], three.loc["x"], rtol=CODING)
    assert not np.isclose(one.loc["a", "F"], three.loc["a", "F"])


def test_type_one_is_that_of_ordinary_least_squares(unbalanced):
    # The hypotheses depend on X only: least squares gives them the F of its own table.
    ols = sm.stats.anova_lm(smf.ols("y ~ a*b", unbalanced).fit(), typ=1)
    rows = dict(term_hypotheses(fit("y ~ a*b + (1 | g)", unbalanced), 1))
    least = smf.ols("y ~ a*b", unbalanced).fit()
    for name, contrasts in rows.items():
        assert_allclose(least.f_test(contrasts).fvalue, ols.loc[name, "F"], rtol=CODING)


def test_empty_cells(unbalanced):
    # SAS: the interaction loses a degree of freedom, main effects lose none.
    data = unbalanced[(unbalanced["a"] != "p") | (unbalanced["b"] != "z")]
    tables = []
    for options in ({}, {"contrasts": {"a": Sum(), "b": Helmert()}}):
        with pytest.warns(UserWarning, match="rank deficient"):
            result = smf.mixedlm2("y ~ a*b + (1 | g)", data, **options).fit(reml=True)
        tables.append(anova(result))
    assert list(tables[0]["df_num"]) == [3, 2, 5]
    pd.testing.assert_frame_equal(*tables, rtol=CODING)


def test_a_term_that_cannot_be_tested_is_told(unbalanced):
    # Levels of b lie within those of `outer`, whose differences only b has then.
    data = unbalanced.assign(outer=np.where(unbalanced["b"] == "x", "one", "two"))
    with pytest.warns(RankWarning, match="dropped"):
        result = smf.mixedlm2("y ~ outer + b + a + (1 | g)", data).fit(reml=True)
    for typ in (2, 3):
        with pytest.warns(RankWarning, match="nothing of outer can be tested: its columns depend"):
            table = anova(result, type=typ)
        assert list(table.index[table["F"].isna()]) == ["outer"]
    assert anova(result, type=1)["F"].notna().all()  # where it comes first


def test_contrasts_fewer_than_levels_allow(unbalanced):
    two = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    result = fit("y ~ a*b + (1 | g)", unbalanced, {"contrasts": {"a": two}}, reml=True)
    assert list(anova(result)["df_num"]) == [2, 2, 4]


def test_covariates_far_from_zero(unbalanced):
    far = unbalanced.assign(x=1e3 * unbalanced["x"] + 1e6)
    near, other = (fit("y ~ a*x + b + (1 | g)", d, reml=True) for d in (unbalanced, far))
    rows = ["x", "a:x", "b"]
    ours, theirs = anova(other).loc[rows], anova(near).loc[rows]
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5)


def test_kenward_roger_tells_its_scaling():
    table = anova(fit_shipped("machines", reml=True), dof="kenward-roger")
    assert_allclose(table.loc["machine", "scaling"], 0.8)
    assert "scaling" not in anova(fit_shipped("machines", reml=True), dof="residual")


def test_generalized_model_has_chi_squared_tests():
    data = datasets.load("contra")
    result = smf.mixedglm2("use ~ age + livch + (1 | dist)", data, BINOMIAL).fit()
    table = anova(result)
    wald = result.wald_test_terms(scalar=True).table.loc[table.index]
    assert_allclose(table["F"] * table["df_num"], wald["statistic"])
    assert_allclose(table["PR(>F)"], wald["pvalue"])
    assert list(table.columns) == ["df_num", "df_denom", "F", "PR(>F)"]


def test_unknown_types():
    with pytest.raises(OptionError, match="type= is 1, 2 or 3"):
        anova(sleep("(1 | subj)"), typ=4)


# Models with one term less.


def test_dropped_intercepts_of_independent_effects():
    split, diagonal = (
        ranova(sleep(random, reml=True)) for random in ("(days || subj)", "zerocorr(days | subj)")
    )
    assert list(diagonal.index) == [
        "<none>",
        "1 in zerocorr(1 + days | subj)",
        "days in zerocorr(1 + days | subj)",
    ]
    assert_allclose(split["statistic"], diagonal["statistic"], rtol=1e-7)


def test_effects_of_interactions_stay():
    data = datasets.load("sleepstudy").assign(late=lambda frame: (frame["days"] > 4) * 1.0)
    table = ranova(fit("reaction ~ days + (1 + days * late | subj)", data))
    assert list(table.index) == ["<none>", "days:late in (1 + days * late | subj)"]


def test_ranova_of_a_logistic_model_without_random_effects():
    data = datasets.load("contra")
    table = ranova(smf.mixedglm2("use ~ age + urban + (1 | dist)", data, BINOMIAL).fit())
    glm = smf.glm("y ~ age + urban", data.assign(y=(data["use"] == "Y") * 1.0), family=BINOMIAL)
    assert_allclose(table.loc["(1 | dist)", "llf"], glm.fit().llf, rtol=1e-9)


def test_ranova_of_a_gamma_model_without_random_effects():
    data, family = datasets.load("sleepstudy"), sm.families.Gamma(sm.families.links.Log())
    table = ranova(smf.mixedglm2("reaction ~ days + (1 | subj)", data, family).fit())
    mean = smf.glm("reaction ~ days", data, family=family).fit().fittedvalues

    def minus(shape: float) -> float:
        return -float(np.sum(stats.gamma.logpdf(data["reaction"], shape, scale=mean / shape)))

    best = minimize_scalar(minus, bracket=(10, 50)).fun
    assert_allclose(table.loc["(1 | subj)", "llf"], -best, rtol=1e-7)


def test_tables_of_models_without_fixed_effects():
    data = datasets.load("grouseticks")
    counts = smf.mixedglm2("ticks ~ 0 + (1 | brood)", data, family=sm.families.Poisson()).fit()
    linear = smf.mixedlm2("ticks ~ 0 + (1 | brood)", data).fit()
    loglik = [
        stats.poisson.logpmf(data["ticks"], 1).sum(),
        stats.norm.logpdf(data["ticks"], 0, np.sqrt(np.mean(data["ticks"] ** 2))).sum(),
    ]
    for result, expected in zip((counts, linear), loglik, strict=True):
        assert_allclose(ranova(result).loc["(1 | brood)", "llf"], expected, rtol=1e-10)
        assert list(drop1(result).index) == ["<none>"]
        assert len(anova(result)) == 0


@pytest.mark.parametrize("seed", [3, 18])
def test_ranova_where_scoring_without_random_effects_goes_astray(seed):
    stream, g = Stream(seed), np.repeat(np.arange(10), 8)
    x = stream.normal(80)
    eta = 1.3 * stream.normal(10)[g] + 0.7 * x + 0.5
    data = pd.DataFrame({"y": np.exp(eta + 0.5 * stream.normal(80)), "x": x, "g": g})
    family = sm.families.InverseGaussian(sm.families.links.Log())
    table = ranova(smf.mixedglm2("y ~ x + (1 | g)", data, family=family).fit())

    def minus_loglik(parameters: np.ndarray) -> float:
        mu, phi = np.exp(parameters[0] + parameters[1] * x), np.exp(parameters[2])
        return float(-stats.invgauss.logpdf(data["y"], mu * phi, scale=1 / phi).sum())

    least = minimize(
        minus_loglik,
        [np.log(data["y"].mean()), 0.0, 0.0],
        method="Nelder-Mead",
        options={"maxfev": 5000, "xatol": 1e-8, "fatol": 1e-9},
    ).fun
    assert_allclose(table.loc["(1 | g)", "llf"], -least, rtol=1e-9)


def test_a_smaller_model_that_cannot_be_fitted_is_named(monkeypatch):
    def fails(*_: Any, **__: Any) -> None:
        raise DataError("no maximum")

    result = fit("reaction ~ days + (1 + days | subj)", datasets.load("sleepstudy"))
    module = import_module("statsmodels_mixed.fitting.linear.problem")
    monkeypatch.setattr(module, "fit_linear", fails)
    with pytest.raises(DataError, match=r"without days in \(1 \+ days \| subj\): no maximum"):
        ranova(result)


def test_ranova_with_weights_offset_and_known_sigma():
    data = datasets.load("sleepstudy").assign(w=lambda frame: 1.0 + frame["days"] % 3)
    data["off"] = 0.5 * data["days"] ** 2
    options = {"weights": "w", "offset": "off"}
    for how in ({}, {"reml": True}, {"sigma": 30.0}, {"reml": True, "sigma": 30.0}):
        result = fit("reaction ~ days + (1 | subj)", data, options, **how)
        # The mixed model at theta = 0 has the criterion of the model without random effects.
        none = objective(result.model.design, np.zeros(1), **how)
        assert_allclose(ranova(result)["llf"].iloc[1], -none / 2, rtol=1e-12)


def test_drop1_fits_the_model_that_a_formula_without_the_term_would(unbalanced):
    for fixed, without in {
        "a*b + x": {"a:b": "a + b + x", "x": "a*b"},
        "0 + a + b": {"a": "0 + b", "b": "0 + a"},
        "a + a:b": {"a:b": "a"},
    }.items():
        table = drop1(fit(f"y ~ {fixed} + (1 | g)", unbalanced))
        assert list(table.index[1:]) == list(without)
        for name, rest in without.items():
            llf = fit(f"y ~ {rest} + (1 | g)", unbalanced).llf
            assert_allclose(table.loc[name, "llf"], llf, rtol=1e-9)


def test_a_model_without_columns_has_no_terms():
    result = fit("reaction ~ 0 + (1 | subj)", datasets.load("sleepstudy"))
    for typ in (1, 2, 3):
        table = anova(result, typ=typ)
        assert len(table) == 0 and list(table.columns[-2:]) == ["F", "PR(>F)"]
    assert list(drop1(result).index) == ["<none>"]


def test_levels_of_a_factor_leave_an_intercept():
    """As `ranova` of lmerTest."""
    data = datasets.load("machines")
    levels, intercept = (
        smf.mixedlm2(f"score ~ machine + ({term} | worker)", data).fit(reml=True)
        for term in ("0 + machine", "1")
    )
    table = ranova(levels)
    assert list(table.index) == ["<none>", "machine in (0 + machine | worker)"]
    assert_allclose(table["llf"], [levels.llf, intercept.llf], rtol=1e-9)
    assert table["df_diff"].iloc[1] == 5
    beside = smf.mixedlm2("score ~ machine + (0 + machine | worker) + (1 | worker)", data)
    with pytest.warns(MixedModelWarning):
        assert "(0 + machine | worker)" in ranova(beside.fit(reml=True)).index


def test_drop1_of_a_fit_by_reml_is_by_maximum_likelihood():
    """As `drop1` of lme4."""
    with pytest.warns(MixedModelWarning, match="refitted by maximum likelihood"):
        found = drop1(sleep("(1 | subj)", reml=True))
    assert_allclose(found["llf"], drop1(sleep("(1 | subj)"))["llf"], rtol=1e-9)


# Oats without nine rows: `anova` of lmerTest 3.1.3 for lmer(yield ~ fN * Variety + (1 |
# Block/Variety)), with rhoend = 1e-10, by type: denominators and F of fN, Variety and both.
OATS = {
    1: ([35.2838594, 8.7916256, 35.0870750], [28.1011597, 1.6641616, 0.1595944]),
    2: ([35.0178690, 8.7916256, 35.0863376], [28.5842054, 1.6641616, 0.1595944]),
    3: ([35.0310090, 8.8731330, 35.0863376], [28.5808314, 1.7171772, 0.1595944]),
}


@pytest.mark.parametrize("typ", OATS)
def test_bases_of_hypotheses_are_those_of_lmertest(typ):
    left_out = np.array([1, 2, 3, 5, 8, 13, 21, 34, 55]) - 1
    data = pd.DataFrame(load("emmeans")["oats"]).drop(index=left_out)
    data = data.assign(fN=data["nitro"].astype(str)).rename(columns={"yield": "grain"})
    model = smf.mixedlm2("grain ~ fN * Variety + (1 | Block/Variety)", data)
    table = anova(model.fit(reml=True, dof="satterthwaite", ftol_abs=1e-12), typ=typ)
    assert_allclose(table["df_denom"], OATS[typ][0], rtol=1e-6)
    assert_allclose(table["F"], OATS[typ][1], rtol=1e-6)
    single = smf.mixedlm2("grain ~ fN + (1 | Block/Variety)", data)
    table = anova(single.fit(reml=True, dof="satterthwaite", ftol_abs=1e-12), typ=typ)
    assert_allclose(table["df_denom"], [42.0881353], rtol=1e-6)


def test_models_made_from_arrays():
    data = datasets.load("sleepstudy")
    days = data["days"].to_numpy(dtype=float)
    X = np.column_stack([np.ones(len(data)), days])
    y, groups = data["reaction"].to_numpy(), data["subj"].to_numpy()
    for exog_re, random in ((None, "(1 | subj)"), (X, "(days | subj)")):
        ours = LinearMixedModel(y, X, groups, exog_re).fit()
        theirs = sleep(random)
        assert_allclose(anova(ours), anova(theirs), rtol=CODING)
        assert_allclose(drop1(ours)["llf"], drop1(theirs)["llf"], rtol=1e-9)
        assert_allclose(ranova(ours)["llf"], ranova(theirs)["llf"], rtol=1e-9)
