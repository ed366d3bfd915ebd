"""What users try first: names of families, options of other packages, formulas as in R."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import Bernoulli, DataError, FormulaError, OptionError, datasets, open

CONTRA = "use ~ urban + (1 | dist)"


@pytest.fixture(scope="module")
def contra():
    return datasets.load("contra")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    n = 120
    table = pd.DataFrame({"g": np.repeat(list("abcdefgh"), n // 8), "x": rng.normal(size=n)})
    table["y"] = table.x + np.repeat(rng.normal(size=8), n // 8) + rng.normal(size=n)
    table["z"], table["t"] = np.exp(table.x), np.tile(np.arange(n // 8), 8)
    table["trials"] = 10
    effects = np.repeat(rng.normal(size=8), n // 8)
    table["hits"] = rng.binomial(10, 1 / (1 + np.exp(-table.x - effects)))
    return table


def same(one, other):
    assert_allclose(one.llf, other.llf, rtol=1e-10)
    assert_allclose(one.params, other.params, rtol=1e-6, atol=1e-9)


# Families and links.


@pytest.mark.parametrize(
    ("family", "link", "objects"),
    [
        ("binomial", None, sm.families.Binomial()),
        ("Binomial", "probit", sm.families.Binomial(sm.families.links.Probit())),
        (sm.families.Binomial(), "cloglog", sm.families.Binomial(sm.families.links.CLogLog())),
        ("bernoulli", None, sm.families.Binomial()),
        (Bernoulli(), "cauchy", sm.families.Binomial(sm.families.links.Cauchy())),
        ("binomial", sm.families.links.Probit(), sm.families.Binomial(sm.families.links.Probit())),
    ],
)
def test_families_and_links_by_name(contra, family, link, objects):
    named = smf.mixedglm2(CONTRA, contra, family=family, link=link).fit()
    same(named, smf.mixedglm2(CONTRA, contra, objects).fit())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("poisson", "Poisson"),
        ("Negative Binomial", "NegativeBinomial"),
        ("nbinom2", "NegativeBinomial"),
        ("inverse-gaussian", "InverseGaussian"),
        ("normal", "Gaussian"),
        ("Gamma", "Gamma"),
    ],
)
def test_names_are_read_in_any_spelling(data, name, kind):
    counts = data.assign(k=data.hits + 1.0)
    assert type(smf.mixedglm2("k ~ x + (1 | g)", counts, name).family).__name__ == kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "poison"}, "did you mean 'poisson'"),
        ({"family": "binomial", "link": "probut"}, "did you mean 'probit'"),
        ({"family": "poisson", "link": "logit"}, "the family Poisson has no link logit"),
        ({"family": sm.families.Binomial(), "link": sm.families.links.Probit}, "not a class"),
    ],
)
def test_unknown_families_and_links(contra, options, message):
    with pytest.raises(OptionError, match=message):
        smf.mixedglm2(CONTRA, contra, **options)


def test_bernoulli_is_kept_and_takes_no_numbers_of_trials(contra, data, tmp_path):
    fit = smf.mixedglm2(CONTRA, contra, Bernoulli()).fit()
    assert "Bernoulli" in str(fit.summary())
    fit.to_dir(tmp_path / "fit")
    assert type(open(tmp_path / "fit").model.family) is Bernoulli
    with pytest.raises(DataError, match="with numbers of trials the family is binomial"):
        smf.mixedglm2("hits / trials ~ x + (1 | g)", data, "bernoulli", weights="trials")


def test_arrays_take_names_too(contra):
    from statsmodels_mixed import GeneralizedLinearMixedModel

    exog = np.ones((len(contra), 1))
    model = GeneralizedLinearMixedModel(
        contra["use"], exog, contra["dist"], family="binomial", link="probit"
    )
    same(
        model.fit(), smf.mixedglm2("use ~ 1 + (1 | dist)", contra, "binomial", link="probit").fit()
    )


# Options of other packages.


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"REML": True}, "write reml="),
        ({"method": "lbfgs"}, "write optimizer="),
        ({"maxiter": 100}, "write max_eval="),
        ({"disp": False}, "nothing is printed"),
        ({"nAGQ": 5}, "only generalized models"),
        ({"use_t": True}, "write dof="),
        ({"ddf": "Kenward-Roger"}, "dof="),
        ({"max_evals": 3}, "did you mean max_eval="),
        ({"colour": 3}, "it takes reml, sigma, dof"),
    ],
)
def test_options_of_other_packages_are_answered(data, options, message):
    model = smf.mixedlm2("y ~ x + (1 | g)", data)
    with pytest.raises(OptionError, match=message):
        model.fit(**options)


def test_options_of_other_packages_are_answered_for_generalized_models(contra):
    model = smf.mixedglm2(CONTRA, contra, "binomial")
    for options, message in (
        ({"nAGQ": 5}, "write n_agq="),
        ({"REML": False}, "fitted by maximum likelihood"),
        ({"sigma": 1.0}, "only linear models"),
    ):
        with pytest.raises(OptionError, match=message):
            model.fit(**options)
    for options, message in (({"REML": True}, r"fit\(reml="), ({"freq_weights": "n"}, "weights=")):
        with pytest.raises(OptionError, match=message):
            smf.mixedglm2(CONTRA, contra, "binomial", **options)
    with pytest.raises(OptionError, match="mixedglm2 makes models of other families"):
        smf.mixedlm2(CONTRA, contra, family="binomial")


# Groups and columns.


def test_groups_given_as_a_column_keep_its_name(data):
    fit = smf.mixedlm2("y ~ x", data, groups=data["g"]).fit()
    named = smf.mixedlm2("y ~ x + (1 | g)", data).fit()
    same(fit, named)
    assert list(fit.ranef()) == ["g"]
    assert_allclose(fit.predict(data), named.predict(data), rtol=1e-8)
    assert "by g" in repr(fit.influence("g"))
    robust = fit.model.fit(cov_type="cluster", cov_kwds={"groups": "g"})
    other = named.with_inference(cov_type="cluster", cov_kwds={"groups": data["g"]})
    assert_allclose(robust.bse, other.bse, rtol=1e-5)
    assert "by g" in repr(fit.bootstrap(3, kind="cases", seed=1))
    shuffled = data["g"].sample(frac=1, random_state=0)
    same(smf.mixedlm2("y ~ x", data, groups=shuffled).fit(), named)
    same(smf.mixedlm2("y ~ x", data, groups=data["g"].astype("category")).fit(), named)


def test_groups_with_a_name_that_the_data_use_otherwise(data):
    other = pd.Series(np.arange(len(data)) % 6, name="g")
    model = smf.mixedlm2("y ~ x", data, groups=other)
    assert repr(model) == "<LinearMixedModel: y ~ 1 + x + (1 | groups); 120 rows>"
    assert len(model.kept_design().blocks[0].levels) == 6


def test_groups_of_a_polars_table(data):
    table = pl.from_pandas(data)
    fit = smf.mixedlm2("y ~ x", table, groups=table["g"]).fit()
    assert list(fit.ranef()) == ["g"]


def test_levels_of_the_index_are_columns(data):
    plain = smf.mixedlm2("y ~ x + t + (1 | g)", data).fit()
    panel = data.set_index(["g", "t"])
    fit = smf.mixedlm2("y ~ x + t + (1 | g)", panel).fit()
    same(fit, plain)
    assert fit.fittedvalues.index.equals(panel.index)
    assert_allclose(fit.predict(panel.iloc[:7]), plain.predict(data.iloc[:7]))
    same(smf.mixedlm2("y ~ x + t", panel, groups="g").fit(), plain)
    kept = smf.mixedlm2("y ~ x + t + (1 | g)", panel, subset="g != 'a'").fit()
    assert kept.nobs == 105
    # A column goes before a level of the same name.
    both = data.set_index("g", drop=False)
    both["g"] = "only"
    with pytest.raises(DataError, match="single level"):
        smf.mixedlm2("y ~ x + (1 | g)", both)


# Functions of formulas.


@pytest.mark.parametrize(
    ("formula", "python"),
    [
        ("y ~ log(z)", "y ~ np.log(z)"),
        ("y ~ sqrt(z) + exp(x)", "y ~ np.sqrt(z) + np.exp(x)"),
        ("y ~ poly(x, 2)", "y ~ x + I(x**2)"),
        ("y ~ poly(x, 2, raw=True)", "y ~ x + I(x**2)"),
        ("y ~ scale(x)", "y ~ x"),
        ("y ~ factor(t)", "y ~ C(t)"),
    ],
)
def test_functions_need_no_import(data, formula, python):
    one = smf.mixedlm2(f"{formula} + (1 | g)", data).fit()
    other = smf.mixedlm2(f"{python} + (1 | g)", data).fit()
    assert_allclose(one.llf, other.llf, rtol=1e-10)
    assert_allclose(one.predict(data.iloc[:5]), other.predict(data.iloc[:5]), rtol=1e-5)


def test_raw_polynomials_are_powers(data):
    fit = smf.mixedlm2("y ~ poly(x, 3, raw=True) + (1 | g)", data).fit()
    powers = data.x.to_numpy()[:, None] ** np.arange(4)
    assert_allclose(fit.model.exog, powers)


def test_successes_out_of_trials(data):
    one = smf.mixedglm2("cbind(hits, trials - hits) ~ x + (1 | g)", data, "binomial").fit()
    other = smf.mixedglm2("hits / trials ~ x + (1 | g)", data, "binomial", weights="trials").fit()
    same(one, other)


def test_expressions_as_options(data):
    one = smf.mixedlm2("y ~ x + (1 | g)", data, offset="log(z) + 1", weights="trials / 5").fit()
    table = data.assign(o=np.log(data.z) + 1, w=data.trials / 5)
    same(one, smf.mixedlm2("y ~ x + (1 | g)", table, offset="o", weights="w").fit())
    one = smf.mixedglm2("hits ~ x + (1 | g)", data, "poisson", exposure="2 * z").fit()
    table = data.assign(e=2 * data.z)
    same(one, smf.mixedglm2("hits ~ x + (1 | g)", table, "poisson", exposure="e").fit())


@pytest.mark.parametrize(
    ("term", "message"),
    [
        ("I(x^2)", r"I\(x\*\*2\)"),
        ("as.factor(t)", r"factor\(x\)"),
        ("ns(x, 3)", r"cr\(x, df=4\)"),
        ("s(x)", r"bs\(x, df=5\)"),
        ("ifelse(x > 0, 1, 0)", "np.where"),
        ("relevel(g, 'b')", r"Treatment\('level'\)"),
        ("poly(x, 2, raw=TRUE)", "write True"),
        ("x %in% t", "a:b"),
        (".", "write the names of the columns"),
        ("lag(x)", r"shift\(1\)"),
    ],
)
def test_what_only_r_knows_is_answered(data, term, message):
    with pytest.raises((DataError, FormulaError), match=message):
        smf.mixedlm2(f"y ~ {term} + (1 | g)", data)


def test_a_function_of_the_user_keeps_its_meaning(data):
    def s(x):
        return x**3

    fit = smf.mixedlm2("y ~ s(x) + (1 | g)", data).fit()
    assert_allclose(fit.model.exog[:, 1], data.x**3)


def test_a_table_called_as_a_function_does_not_hide_it(data):
    C, log = data, 3  # noqa: F841 - found by the formula
    fit = smf.mixedlm2("y ~ C(t) + log(z) + (1 | g)", data).fit()
    assert fit.dims.p == 16


def test_columns_with_names_of_numbers_and_of_the_intercept(data):
    rng = np.random.default_rng(5)
    odd = data.assign(**{name: rng.normal(size=len(data)) for name in ("Intercept", "inf", "nan")})
    plain = odd.rename(columns={"Intercept": "a", "inf": "b", "nan": "c"})
    one = smf.mixedlm2("y ~ Intercept + inf + nan + (inf | g)", odd).fit()
    same(one, smf.mixedlm2("y ~ a + b + c + (b | g)", plain).fit())
    assert_allclose(one.predict(odd[:4]), one.predict()[:4])


# Expressions without a value in some rows. NumPy warns of logarithms of negative numbers.

invalid = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
zero = pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")


def lagged(data):
    return data.assign(
        before=data.groupby("g")["x"].shift(1),
        root=np.sqrt(data.x.where(data.x > -1) + 1),
        third=pd.cut(data.x, [-1, 0, 1, 9]),
    ).dropna(subset=["before"])


def test_rows_in_which_an_expression_has_no_value_are_dropped_and_counted(data):
    fit = smf.mixedlm2("y ~ x.groupby(g).shift(1) + center(z) + (1 | g)", data).fit()
    same(fit, smf.mixedlm2("y ~ before + center(z) + (1 | g)", lagged(data)).fit())
    assert (fit.nobs, fit.n_dropped) == (112, 8)
    said = "8 rows with missing values left out, 112 used; x.groupby(g).shift(1) has no value in 8"
    assert said in " ".join(str(fit.summary()).split())
    assert fit.fittedvalues.index.equals(lagged(data).index)
    assert_allclose(fit.predict(data).dropna(), fit.predict(), rtol=1e-10)


@invalid
def test_values_of_an_expression_are_those_beside_the_rows_dropped(data):
    # Row 7 is dropped for another reason; the row after it has the value of row 7 all the same.
    fit = smf.mixedlm2("y ~ z.shift(1) + np.sqrt(x + 1) + (1 | g)", data.iloc[:60]).fit()
    table = data.iloc[:60].assign(before=data.z.shift(1), root=np.sqrt(data.x + 1)).dropna()
    same(fit, smf.mixedlm2("y ~ before + root + (1 | g)", table).fit())
    assert fit.nobs == len(table) < 59


@invalid
def test_labels_weights_and_responses_without_a_value(data):
    table = lagged(data).dropna(subset=["third"])
    codes = "pd.cut(x, [-1, 0, 1, 9])"
    fit = smf.mixedlm2(f"y ~ {codes} + (1 | g)", data.loc[lagged(data).index]).fit()
    assert_allclose(fit.llf, smf.mixedlm2("y ~ third + (1 | g)", table).fit().llf, rtol=1e-10)
    fit = smf.mixedlm2("log(y) ~ z + (1 | g)", data, weights="z.shift(1)").fit()
    table = data.assign(w=data.z.shift(1), ly=np.log(data.y)).dropna()
    same(fit, smf.mixedlm2("ly ~ z + (1 | g)", table, weights="w").fit())


@invalid
@zero
def test_other_rules_for_missing_values_keep_their_word(data):
    for missing, message in (("raise", "leave these rows out"), ("none", 'pass missing="drop"')):
        with pytest.raises(DataError, match=message):
            smf.mixedlm2("y ~ x.shift(1) + (1 | g)", data, missing=missing)
        with pytest.raises(DataError, match="has missing values"):
            smf.mixedlm2("y ~ pd.cut(x, [-1, 1]) + (1 | g)", data, missing=missing)
    with pytest.raises(
        DataError, match="no rows are left: of 120 rows, values are missing of 'log"
    ):
        smf.mixedlm2("y ~ log(-z) + (1 | g)", data)
    with pytest.raises(DataError, match="infinite"):
        smf.mixedlm2("y ~ log(0 * z) + (1 | g)", data)


def test_a_fit_with_a_lag_can_be_saved(data, tmp_path):
    fit = smf.mixedlm2("y ~ x.shift(1) + (1 | g)", data).fit()
    fit.to_dir(tmp_path / "fit")
    again = open(tmp_path / "fit")
    assert_allclose(again.anova().to_numpy(), fit.anova().to_numpy())
    assert again.n_dropped == 1


@invalid
def test_formulaic_drops_rows_of_an_expression_too(data, monkeypatch):
    import statsmodels.formula

    table = data.assign(root=np.sqrt(data.x + 1)).dropna()
    plain = smf.mixedlm2("y ~ root + (1 | g)", table).fit()
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", "formulaic")
    same(smf.mixedlm2("y ~ np.sqrt(x + 1) + (1 | g)", data).fit(), plain)
