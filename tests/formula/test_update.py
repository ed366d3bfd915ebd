"""The formula as written, and models made from it by update: R's rules for the changed text."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import DataError, FormulaError, OptionError, datasets, open, parse
from statsmodels_mixed.formula.update import update

FORMULA = parse("y ~ x + z + x:z + offset(w) + (1 + x | g) + (1 | h)")


# Left: what is asked of the formula above; right: what R's update.formula makes of it.
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (". ~ . - x:z", "y ~ x + z + offset(w) + (1 + x | g) + (1 | h)"),
        ("~ . - z", "y ~ x + x:z + offset(w) + (1 + x | g) + (1 | h)"),
        ("log(.) ~ .", "log(y) ~ x + z + x:z + offset(w) + (1 + x | g) + (1 | h)"),
        (". ~ . - (x | g) + (1 | g)", "y ~ x + z + x:z + offset(w) + (1 | h) + (1 | g)"),
        (". ~ . - (1 + x|g)", "y ~ x + z + x:z + offset(w) + (1 | h)"),
        (". ~ . + (1|k) - (1|h)", "y ~ x + z + x:z + offset(w) + (1 + x | g) + (1 | k)"),
        (". ~ . - 1", "y ~ 0 + x + z + x:z + offset(w) + (1 + x | g) + (1 | h)"),
        (". ~ u + (1 | g)", "y ~ u + (1 | g)"),
        ("k ~ .", "k ~ x + z + x:z + offset(w) + (1 + x | g) + (1 | h)"),
        (". ~ . - offset(w)", "y ~ x + z + x:z + (1 + x | g) + (1 | h)"),
        (". ~ . - z - x:z + np.log(v)", "y ~ x + np.log(v) + offset(w) + (1 + x | g) + (1 | h)"),
        (". ~ . * u - x:z:u", "y ~ x+z+x:z + u + x:u + z:u + offset(w) + (1 + x | g) + (1 | h)"),
        (". ~ . + I(0.5 * u)", "y ~ x + z + x:z + I(0.5 * u) + offset(w) + (1+x | g) + (1 | h)"),
    ],
)
def test_changed_formulas(change, text):
    assert parse(update(FORMULA, change)) == parse(text)


def test_an_intercept_stays_where_it_was():
    formula = parse("y ~ x + (1 | g) + (x | g)")
    assert parse(update(formula, ". ~ . - (1 | g)")) == parse("y ~ x + (0 + x | g)")
    assert parse(update(formula, ". ~ . - (x | g)")) == parse("y ~ x + (1 | g)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (". ~ . - q", "no term q to take away; the terms are x, z, x:z"),
        (". ~ . - (1 | z)", r"there are \(1 \+ x \| g\), \(1 \| h\)"),
        (". ~ . - offset(v)", r"no offset\(v\)"),
        (". - x", "such as '. ~ . - x'"),
        (". ~ . +", "missing"),
    ],
)
def test_changes_that_are_none(change, message):
    with pytest.raises(FormulaError, match=message):
        update(FORMULA, change)


def test_the_formula_as_written():
    sleep = datasets.load("sleepstudy")
    text = "reaction ~ days + (days | subj)"
    fit = smf.mixedlm2(text, sleep).fit()
    formula = fit.model.formula
    assert formula == text and text == formula and hash(formula) == hash(text)
    assert f"{formula}" == str(formula) == text and repr(formula) == repr(text)
    assert "| subj" in formula
    # What other packages search is bar-free.
    assert formula.split("~")[1] == " 1 + days"
    again = smf.mixedlm2(formula, sleep).fit()
    assert_allclose(again.llf, fit.llf)
    wide = smf.mixedlm2("reaction ~ days", sleep, groups="subj").fit()
    assert wide.model.formula == "reaction ~ days + (1 | subj)"
    assert not hasattr(smf.mixedlm2(text, sleep).fit(), "formula")


def test_updated_models_are_those_of_the_changed_formula():
    sleep = datasets.load("sleepstudy")
    fit = smf.mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    one = fit.update(". ~ . - (days | subj) + (1 | subj)").fit()
    other = smf.mixedlm2("reaction ~ days + (1 | subj)", sleep).fit()
    assert_allclose(one.llf, other.llf)
    assert_allclose(fit.model.update("~ . - days").fit().llf, fit.update(". ~ . - days").fit().llf)
    with pytest.raises(FormulaError, match=r"smf\.ols"):
        fit.update(". ~ . - (days | subj)")


def test_rows_and_options_stay():
    cbpp = datasets.load("cbpp")
    cbpp["hours"] = np.linspace(1, 3, len(cbpp))
    cbpp.loc[3, "hours"] = np.nan
    model = smf.mixedglm2(
        "incid / hsz ~ period + hours + (1 | herd)",
        cbpp,
        sm.families.Binomial(sm.families.links.Probit()),
        weights="hsz",
        subset="herd != 'H01'",
        contrasts={"period": "sum"},
    )
    fit = model.update(". ~ . - hours").fit()
    rows = cbpp.dropna().query("herd != 'H01'")
    options = {"weights": "hsz", "contrasts": {"period": "sum"}}
    plain = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", rows, "binomial", link="probit", **options
    ).fit()
    assert_allclose(fit.llf, plain.llf)
    assert list(fit.params.index) == list(plain.params.index)


def test_arrays_of_offsets_and_weights_stay_with_their_rows():
    rng = np.random.default_rng(4)
    n = 90
    data = pd.DataFrame({"g": np.arange(n) % 9, "x": rng.normal(size=n), "z": rng.normal(size=n)})
    data["y"] = data.x + rng.normal(size=9)[data.g] + rng.normal(size=n)
    data.loc[5, "z"] = np.nan
    w, o = rng.uniform(1, 2, n), rng.normal(size=n)
    model = smf.mixedlm2("y ~ x + z + offset(x) + (1 | g)", data, weights=w, offset=o)
    rows = data.assign(w=w, o=o).dropna()
    plain = smf.mixedlm2("y ~ x + offset(x) + (1 | g)", rows, weights="w", offset="o").fit()
    assert_allclose(model.update(". ~ . - z").fit().llf, plain.llf)
    with pytest.raises(OptionError, match="offset= was an array"):
        model.update(". ~ . - z", data, weights=w)
    data["k"] = rng.poisson(np.exp(0.3 * data.x + rng.normal(size=9)[data.g]))
    e = rng.uniform(1, 2, n)
    model = smf.mixedglm2("k ~ x + z + (1 | g)", data, "poisson", exposure=e)
    rows = data.assign(e=e).dropna()
    plain = smf.mixedglm2("k ~ x + (1 | g)", rows, "poisson", exposure="e").fit()
    assert_allclose(model.update(". ~ . - z").fit().llf, plain.llf)
    assert_allclose(model.update(". ~ . - z", data, exposure=e).fit().nobs, n)


def test_other_data_bring_other_columns(tmp_path):
    sleep = datasets.load("sleepstudy")
    sleep["late"] = (sleep["days"] > 4).astype(float)

    def twice(x):
        return 2 * x

    fit = smf.mixedlm2("reaction ~ twice(days) + (1 | subj)", sleep).fit()
    with pytest.raises(DataError, match=r"no column 'late'.*give data= too"):
        fit.update(". ~ . + late")
    bigger = fit.update(". ~ . + late", sleep).fit()
    assert bigger.params.index[-1] == "late"

    def elsewhere():
        return fit.update(". ~ . + late", sleep)  # twice is found where the model was made

    assert_allclose(elsewhere().fit().llf, bigger.llf)


def test_what_cannot_be_updated(tmp_path):
    sleep = datasets.load("sleepstudy")
    text = "reaction ~ days.shift(1) + C(days) + (1 | subj)"
    lagged = smf.mixedlm2(text, sleep)
    with pytest.raises(DataError, match=r"days.shift\(1\) had no value in some rows"):
        lagged.update(". ~ . - C(days)")
    assert lagged.update(". ~ . - C(days)", sleep).nobs == 179
    model = smf.mixedlm2("reaction ~ days + (1 | subj)", sleep, contrasts={"days": "sum"})
    with pytest.raises(OptionError, match="not that of its formula"):
        model.with_response(model.endog * 2).update(". ~ .")
    model.fit().to_dir(tmp_path / "fit")
    with pytest.raises(OptionError, match="contrasts of days were not saved"):
        open(tmp_path / "fit").update(". ~ .")
    fit = open(tmp_path / "fit").update(". ~ .", contrasts={"days": "sum"}).fit()
    assert_allclose(fit.llf, model.fit().llf)
    arrays = type(model)(sleep["reaction"], sleep[["days"]], sleep["subj"])
    with pytest.raises(OptionError, match="no formula"):
        arrays.update(". ~ .")
    with pytest.raises(AttributeError, match="no formula"):
        _ = arrays.formula
