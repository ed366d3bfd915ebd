"""The idiom of `smf.mixedlm`: translated into terms, and the same likelihood as `MixedLM`."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed
from statsmodels_mixed import (
    DataError,
    FormulaError,
    LinearMixedModel,
    OptionError,
    datasets,
    parse,
)
from statsmodels_mixed.frame.table.table import open_table
from statsmodels_mixed.models.mixedlm_arguments import attach_groups, translate

TABLE = {
    "y": [1.0, 2.0],
    "x": [0.5, 1.5],
    "g": ["a", "b"],
    "h": ["u", "v"],
    "k": [1, 2],
    "flag": [True, False],
    "a b": ["p", "q"],
}


@pytest.mark.parametrize(
    ("options", "same"),
    [
        ({}, "y ~ x + (1 | g)"),
        ({"re_formula": "1"}, "y ~ x + (1 | g)"),
        ({"re_formula": "~x"}, "y ~ x + (1 + x | g)"),
        ({"re_formula": "1 + x"}, "y ~ x + (1 + x | g)"),
        ({"re_formula": "0 + x"}, "y ~ x + (0 + x | g)"),
        ({"vc_formula": {}}, "y ~ x + (1 | g)"),
        ({"vc_formula": {"a": "0 + C(h)"}}, "y ~ x + (1 | g & h)"),
        ({"vc_formula": {"a": "0 + h"}}, "y ~ x + (1 | g & h)"),
        ({"vc_formula": {"a": "0 + flag"}}, "y ~ x + (1 | g & flag)"),
        ({"vc_formula": {"a": "0 + C(k)"}}, "y ~ x + (1 | g & k)"),
        ({"vc_formula": {"a": "0 + k"}}, "y ~ x + (0 + k | g)"),
        ({"vc_formula": {"a": "1"}}, "y ~ x + (1 | g)"),
        ({"vc_formula": {"a": "0 + C(h):x"}}, "y ~ x + (0 + x | g & h)"),
        ({"vc_formula": {"a": "0 + C(h):C(k)"}}, "y ~ x + (1 | g & h & k)"),
        ({"vc_formula": {"a": "0 + np.log(x)"}}, "y ~ x + (0 + np.log(x) | g)"),
        ({"vc_formula": {"a": '0 + Q("a b")'}}, 'y ~ x + (1 | g & Q("a b"))'),
        (
            {"re_formula": "1", "vc_formula": {"a": "0 + C(h)", "b": "0 + x"}},
            "y ~ x + (1 | g) + (1 | g & h) + (0 + x | g)",
        ),
    ],
)
def test_translation(options, same):
    assert translate("y ~ x", TABLE, "g", **options) == parse(same)


@pytest.mark.parametrize(
    ("formula", "options", "message"),
    [
        ("y ~ x + (1 | h)", {}, "given twice"),
        ("y ~ x", {"vc_formula": {"a": "C(h)"}}, "'0 \\+ C\\(f\\)'"),
        ("y ~ x", {"vc_formula": {"a": "0 + x + k"}}, "one common variance"),
        ("y ~ x", {"vc_formula": {"a": "0 + C(h, Sum)"}}, "more than a column"),
        ("y ~ x", {"vc_formula": {"a": "0 + C(np.sign(x))"}}, "more than a column"),
        ("y ~ x", {"re_formula": "y ~ x"}, "one-sided"),
        (parse("y ~ x + (1 | g)"), {}, "text of a formula"),
    ],
)
def test_what_cannot_be_translated_is_refused(formula, options, message):
    with pytest.raises(OptionError, match=message):
        translate(formula, TABLE, "g", **options)


def test_an_effect_given_twice_for_one_group_is_refused():
    with pytest.raises(FormulaError, match="twice"):
        translate("y ~ x", TABLE, "g", re_formula="1", vc_formula={"a": "1"})


def test_a_mistake_is_shown_in_what_the_user_wrote():
    with pytest.raises(FormulaError) as caught:
        translate("y ~ x +* k", TABLE, "g")
    assert caught.value.formula == "y ~ x +* k"
    assert caught.value.start == "y ~ x +* k".index("*")


@pytest.mark.parametrize("make", [pd.DataFrame, dict, pa.table])
def test_groups_given_as_an_array_become_a_column(make):
    table = make({"y": [1.0, 2.0, 3.0]})
    extended, name = attach_groups(table, ["a", "b", "a"])
    assert name == "groups"
    assert extended.read(["groups"])["groups"].tolist() == ["a", "b", "a"]
    assert extended.whole()["groups"].tolist() == ["a", "b", "a"]
    assert "groups" not in open_table(table).names


@pytest.mark.parametrize("groups", ["subj", list("abbabb") * 30], ids=["column", "array"])
def test_columns_that_can_be_read_once_with_groups(groups):
    data = datasets.load("sleepstudy")
    once = {name: iter(data[name].tolist()) for name in data}
    options = {"re_formula": "1", "vc_formula": {"v": "0 + days"}}
    model = LinearMixedModel.from_formula("reaction ~ days", once, groups, **options)
    expected = LinearMixedModel.from_formula("reaction ~ days", data, groups, **options)
    for block, same in zip(model.design.blocks, expected.design.blocks, strict=True):
        np.testing.assert_array_equal(block.z, same.z)
        np.testing.assert_array_equal(block.refs, same.refs)


def test_groups_given_as_a_series_keep_its_name_and_go_by_label():
    table = pd.DataFrame({"y": [1.0, 2.0]}, index=[7, 8])
    extended, name = attach_groups(table, pd.Series(["b", "a"], index=[8, 7], name="team"))
    assert name == "team"
    assert extended.read(["team"])["team"].tolist() == ["a", "b"]


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="3 rows"):
        attach_groups({"y": [1.0, 2.0, 3.0]}, ["a", "b"])
    with pytest.raises(DataError, match="no column 'subject'"):
        attach_groups({"y": [1.0]}, "subject")
    with pytest.raises(OptionError, match="already have"):
        attach_groups({"y": [1.0], "groups": [1]}, np.array(["a"]))


def test_random_effects_formulas_need_groups():
    with pytest.raises(OptionError, match="need groups="):
        smf.mixedlm2("y ~ x", TABLE, re_formula="x")


# statsmodels' own MixedLM is the independent answer; it stops early, hence the tolerance.
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"re_formula": "1", "vc_formula": {"machine": "0 + C(machine)"}},
    ],
)
@pytest.mark.parametrize("reml", [False, True])
def test_likelihood_of_mixedlm(options, reml):
    data = statsmodels_mixed.datasets.load("machines")
    ours = smf.mixedlm2("score ~ machine", data, groups="worker", **options).fit(reml=reml)
    theirs = smf.mixedlm("score ~ machine", data, groups="worker", **options).fit(reml=reml)
    assert ours.llf == pytest.approx(theirs.llf, abs=1e-5)
    np.testing.assert_allclose(ours.params, theirs.fe_params, rtol=1e-5)


def test_labels_reused_within_groups_are_told_apart():
    # Casks are a, b, c in every batch: the component is that of casks within batches.
    data = statsmodels_mixed.datasets.load("pastes")
    options = {"re_formula": "1", "vc_formula": {"cask": "0 + C(cask)"}}
    old = smf.mixedlm2("strength ~ 1", data, groups="batch", **options)
    new = smf.mixedlm2("strength ~ 1 + (1 | batch/cask)", data)
    assert old.formula_full == "strength ~ 1 + (1 | batch) + (1 | batch & cask)"
    assert old.fit().objective == pytest.approx(new.fit().objective, abs=1e-9)
