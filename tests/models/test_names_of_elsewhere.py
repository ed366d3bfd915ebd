"""What users write out of habit is answered with what to write here."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed.errors import DataError, FormulaError, OptionError, UnknownOptionError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    table = datasets.load("sleepstudy")
    tries = {"k": rng.binomial(10, 0.4, len(table)), "n": 10}
    return table.assign(x=rng.uniform(0.5, 2.0, len(table)), **tries)


@pytest.fixture(scope="module")
def fit(data):
    return mixedlm2("reaction ~ days + (days | subj)", data).fit()


@pytest.mark.parametrize(
    ("formula", "options", "error", "message"),
    [
        ("reaction ~ shift(x, 1) + (1 | subj)", {}, DataError, r"write x\.shift\(1\)"),
        ("reaction ~ `x y` + (1 | subj)", {}, FormulaError, r'Q\("x y"\)'),
        ("reaction ~ ` + (1 | subj)", {}, FormulaError, r'Q\("the name"\)'),
        ("reaction ~ x + (1 | subj)", {"weights": "x^2"}, FormulaError, r"written \*\*"),
    ],
)
def test_formulas(data, formula, options, error, message):
    with pytest.raises(error, match=message):
        mixedlm2(formula, data, **options)


def test_trials_of_a_proportion_are_named(data):
    with pytest.raises(DataError, match=r'numbers of trials as weights="n"'):
        mixedglm2("k / n ~ days + (1 | subj)", data, "binomial")
    with pytest.raises(DataError, match=r"numbers of trials as weights="):
        mixedglm2("x ~ days + (1 | subj)", data.assign(x=data["x"] / 2), "binomial")


@pytest.mark.parametrize("name", ["quasipoisson", "Quasi-Binomial"])
def test_families_without_a_likelihood(data, name):
    with pytest.raises(OptionError, match=r"no likelihood .* or \(1 \| row\)"):
        mixedglm2("k ~ days + (1 | subj)", data, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("zip", '"poisson" with zero_inflation='),
        ("zero_inflated_negbinomial", '"negative_binomial" with zero_inflation='),
        ("ziGamma", '"gamma" with hurdle='),
        ("hurdle_lognormal", '"lognormal" with hurdle='),
        ("ordinal", "modelled by mixedordinal2"),
        ("multinomial", "fit each category against one"),
        ("skew_normal", '"student_t" is for numbers with outliers'),
    ],
)
def test_families_of_other_packages(data, name, message):
    with pytest.raises(OptionError, match=message):
        mixedglm2("k ~ days + (1 | subj)", data, name)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("ziformula", 'write zero_inflation="~ x"'),
        ("dispformula", 'write dispersion="~ x"'),
        ("zi", "or hurdle="),
    ],
)
def test_options_of_glmmtmb(data, option, message):
    with pytest.raises(UnknownOptionError, match=message):
        mixedglm2("k ~ days + (1 | subj)", data, "poisson", **{option: "~ 1"})


def test_formulas_that_are_none(data):
    with pytest.raises(OptionError, match='zero_inflation must be a formula such as "~ x" or None'):
        mixedglm2("k ~ days + (1 | subj)", data, "poisson", zero_inflation=True)
    with pytest.raises(OptionError, match='to model: "negative_binomial" has one'):
        mixedglm2("k ~ days + (1 | subj)", data, "poisson", dispersion="~ days")


def test_options_of_a_fit(data):
    model = mixedlm2("reaction ~ days + (1 | subj)", data)
    with pytest.raises(UnknownOptionError, match=r"bootstrap, power, influence and profile"):
        model.fit(progress=True)
    with pytest.raises(UnknownOptionError, match=r"by REML is fit\(reml=True\)"):
        model.fit(method="REML")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resid_pearson", "residuals"),
        ("mle_retvals", "report"),
        ("plot_added_variable", "plot.residuals"),
        ("VarCorr", "write varcorr"),
        ("loglikelihood", "write llf"),
        ("formula", "write model.formula"),
        ("link", "write model.link"),
        ("exog", "write model.exog"),
    ],
)
def test_results(fit, name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(fit, name)


@pytest.mark.parametrize("name", ["summary", "params", "emmeans", "llf", "ranef", "conf_int"])
def test_a_model_that_was_not_fitted(data, fit, name):
    assert hasattr(fit, name)
    for model in (
        fit.model,
        mixedglm2("k + n ~ days + (1 | subj)", data, "binomial"),
        mixedlm2("reaction ~ days", data, residual="ar1(days | subj)"),
    ):
        with pytest.raises(AttributeError, match=rf"has no {name}: its fit has, write fit\(\)"):
            getattr(model, name)
        assert not hasattr(model, "nonsense")


def test_numbers_that_are_text(data):
    text = data.assign(x=data["x"].astype(str))
    with pytest.raises(DataError, match="180 fixed-effects coefficients: x has 179 of them, for"):
        mixedlm2("reaction ~ x + (1 | subj)", text).fit()
    with pytest.raises(DataError, match="4 fixed-effects coefficients; a model needs more rows"):
        mixedlm2("reaction ~ days * k * n + (1 | subj)", text.iloc[[0, 1, 11, 12]]).fit()


def test_marginal_means(fit):
    means = fit.emmeans("1")
    for name in ("pairs", "contrast", "conf_int", "summary", "pvalues", "se"):
        with pytest.raises(AttributeError, match=f"EstimatedMeans has no {name}: "):
            getattr(means, name)
    with pytest.raises(AttributeError, match="no attribute 'estimates'"):
        _ = means.estimates
    assert means.to_latex() == means.as_latex()


def test_coefficients_of_levels_are_tidy(fit):
    table = fit.tidy("ran_coefs")
    wide = table.pivot(index="level", columns="term", values="estimate")
    expected = fit.coef_by_group()["subj"]
    assert_allclose(wide.loc[expected.index, expected.columns], expected)
    assert table["std_error"].isna().all() and set(table["group"]) == {"subj"}
    both = fit.tidy(["fixed", "ran_coefs"], conf_int=False)
    assert both.columns[3] == "level" and "lower" not in both
    assert both["level"].isna().sum() == 2 and len(both) == 2 + 36
    nested = mixedlm2("angle ~ temp + (1 | recipe:replicate)", datasets.load("cake")).fit()
    assert nested.tidy("ran_coefs")["level"].iloc[1] == ("A", "1")


def test_augment_names_what_is_for_new_rows(fit, data):
    new = pd.DataFrame({"days": [1], "subj": ["S308"]})
    with pytest.raises(DataError, match=r"write predict\(data\)"):
        fit.augment(new)
