"""Frames made by a plan: what the long way makes, and nothing for columns that are not for one."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError
from statsmodels_mixed.formula.parse import parse
from statsmodels_mixed.frame import build
from statsmodels_mixed.frame.matrices import factors
from statsmodels_mixed.frame.matrices.coding import response_values
from statsmodels_mixed.frame.matrices.factors import Rows
from statsmodels_mixed.frame.plan import planned_frame


@pytest.fixture
def data():
    rng = np.random.default_rng(11)
    n = 48
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "count": rng.integers(0, 9, n),
            "x": rng.normal(size=n),
            "c": pd.Categorical(np.tile(["b", "a", "c"], 16), categories=["c", "b", "a", "no"]),
            "g": pd.Categorical(np.tile(["u", "v", "w", "t"], 12)),
            "h": np.repeat(np.arange(12), 4),
            "t": pd.array(np.tile(["so", "la", "mi"], 16), dtype="string"),
            "s": pd.array(np.repeat(["n", "m", "k", "l"], 12), dtype="string"),
        },
        index=np.arange(n)[::-1],
    )


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ 1 + (1 | g)",
        "count ~ x + c + (x | h) + (1 | g)",
        "y ~ c * x + (1 | g) + (1 | g:h)",
        "y ~ x + (0 + c | h)",
        "y ~ x + (x || h) + (1 | c)",
        "y ~ 0 + c + (1 | h)",
        "y ~ t * x + (1 | s)",
        "y ~ x + (0 + t | h) + (1 | s:t)",
    ],
)
@pytest.mark.parametrize("missing", ["drop", "raise", "none"])
def test_a_plan_makes_what_the_long_way_makes(data, formula, missing, monkeypatch):
    assert planned_frame(parse(formula), data, missing) is not None
    own = mixedlm2(formula, data, missing=missing)
    monkeypatch.setattr(build, "planned_frame", lambda *_: None)
    other = mixedlm2(formula, data, missing=missing)
    compare(own, other, missing)


def compare(own, other, missing):
    assert own.frame.index.equals(other.frame.index)
    assert (own.frame.response_name, own.frame.missing) == (other.frame.response_name, missing)
    assert own.frame.x_names == other.frame.x_names
    assert own.frame.term_slices == other.frame.term_slices
    assert own.frame.table.equals(other.frame.table)
    assert np.array_equal(own.endog, other.endog)
    assert np.array_equal(own.exog, other.exog)
    assert len(own.design.blocks) == len(other.design.blocks)
    for one, two in zip(own.design.blocks, other.design.blocks, strict=True):
        assert (one.name, one.names, one.terms) == (two.name, two.names, two.terms)
        assert np.array_equal(one.z, two.z)
        assert np.array_equal(one.refs, two.refs)
        assert one.levels.equals(two.levels)
        assert one.levels.names == two.levels.names
        assert np.array_equal(one.pattern, two.pattern)


@pytest.mark.parametrize("formula", ["count / n ~ c + (1 | g)", "I(count / n) ~ x + (x | h)"])
@pytest.mark.parametrize("kind", ["int64", "uint8", "float32"])
def test_quotients_are_for_a_plan(data, formula, kind, monkeypatch):
    data = data.assign(n=data["count"] + 3).astype({"count": kind, "n": kind})
    given = {"weights": "n", "offset": "x", "exposure": "n"}
    frame = planned_frame(parse(formula), data, "drop", (), given)
    assert frame is not None
    assert np.array_equal(frame.y, data["count"].to_numpy(float) / data["n"].to_numpy(float))
    assert np.array_equal(frame.weights, data["n"])
    assert_allclose(frame.offset, data["x"] + np.log(data["n"].to_numpy(float)), rtol=1e-15)
    new = Rows({name: data[name].to_numpy()[::-1] for name in ("count", "n")}, data.index[::-1])
    assert np.array_equal(response_values(frame.response, new)[0], frame.y[::-1])
    frame.response.fill(pickle.loads(pickle.dumps(new)), out := np.empty((len(data), 1)))
    assert np.array_equal(out[:, 0], frame.y[::-1])
    own = mixedlm2(formula, data, weights="n", offset="x")
    monkeypatch.setattr(build, "planned_frame", lambda *_: None)
    other = mixedlm2(formula, data, weights="n", offset="x")
    compare(own, other, "drop")
    assert np.array_equal(own.frame.weights, other.frame.weights)
    assert np.array_equal(own.frame.offset, other.frame.offset)
    assert own.frame.response.names == other.frame.response.names
    assert own.frame.response.slices == other.frame.response.slices
    assert own.frame.response.columns == other.frame.response.columns


def test_quotients_of_other_things_are_not_for_a_plan(data):
    weights = {"weights": "count"}
    for formula, columns, given, env in (
        ("count / x ~ c + (1 | g)", data.assign(x=data["count"] * 0), {}, {}),
        ("count / c ~ x + (1 | g)", data, {}, {}),
        ("count / 3 ~ x + (1 | g)", data, {}, {}),
        ("I(count / h + 1) ~ x + (1 | g)", data, {}, {}),
        ("count / h ~ x + (1 | g)", data.assign(h=data["h"] + 1), {}, {"I": abs}),
        ("y ~ x + (1 | g)", data, {"weights": data["x"]}, {}),
        ("y ~ x + (1 | g)", data, {"weights": "absent"}, {}),
        ("y ~ x + (1 | g)", data, {"offset": "g"}, {}),
        ("y ~ x + (1 | g)", data.assign(count=np.nan), weights, {}),
    ):
        assert planned_frame(parse(formula), columns, "drop", (), given, env) is None
    with pytest.raises(DataError, match="the weights are zero"):
        mixedlm2("y ~ x + (1 | g)", data, weights="count")
    rows = data[data["count"] > 0]
    changed = mixedlm2(
        "count / h ~ x + (1 | g)", rows.assign(h=rows["h"] + 1), eval_env={"I": np.log}
    )
    assert_allclose(changed.endog, np.log(rows["count"] / (rows["h"] + 1)), rtol=1e-14)


def test_levels_that_change_change_the_plan(data):
    formula = "y ~ c + (1 | g)"
    assert mixedlm2(formula, data).exog_names == ["Intercept", "c[T.b]", "c[T.a]"]
    renamed = data.assign(c=data["c"].cat.rename_categories({"c": "z", "a": "q"}))
    assert mixedlm2(formula, renamed).exog_names == ["Intercept", "c[T.b]", "c[T.q]"]
    numbers = data.assign(c=data["x"])
    assert mixedlm2(formula, numbers).exog_names == ["Intercept", "c"]


@pytest.mark.parametrize(
    ("formula", "change"),
    [
        ("y ~ np.exp(x) + (1 | g)", {}),
        ("y ~ x + offset(x) + (1 | g)", {}),
        ("c ~ x + (1 | g)", {}),
        ("y ~ x + (1 | g)", {"x": lambda d: d["x"].where(d["h"] > 2)}),
        ("y ~ x + (1 | g)", {"g": lambda d: d["g"].where(d["h"] > 2)}),
        ("y ~ x + (1 | g)", {"g": lambda d: d["g"].astype(object)}),
        ("y ~ x + (1 | s)", {"s": lambda d: d["s"].where(d["h"] > 2)}),
        ("y ~ x + (1 | g)", {"x": lambda d: d["x"].astype("Float64")}),
    ],
)
def test_other_columns_and_formulas_are_not_for_a_plan(data, formula, change):
    assert planned_frame(parse(formula), data.assign(**change), "drop") is None


def test_columns_that_are_not_for_a_plan_are_answered_as_ever(data):
    with pytest.raises(DataError, match="'absent'"):
        mixedlm2("y ~ absent + (1 | g)", data)
    with pytest.raises(DataError, match="no rows"):
        mixedlm2("y ~ x + (1 | g)", data.iloc[:0])
    few = mixedlm2("y ~ x + (1 | g)", data.assign(x=data["x"].where(data["h"] > 2)))
    assert few.frame.n_dropped == 12


def test_further_columns_are_part_of_a_plan(data):
    """As those of residuals, of which each column of labels is read once."""
    frame = planned_frame(parse("y ~ t"), data, "drop", ["s", "t", "h"])
    assert frame is not None
    assert list(frame.rows.columns) == ["y", "t", "s", "h"]
    assert planned_frame(parse("y ~ t"), data, "drop", ["absent"]) is None
    assert planned_frame(parse("y ~ t"), data.assign(h=np.nan), "drop", ["h"]) is None


def test_labels_of_fixed_effects_and_residuals_are_found_once(data, monkeypatch):
    read = []
    whole = factors.factorize

    def counted(values):
        read.append(len(values))
        return whole(values)

    monkeypatch.setattr(factors, "factorize", counted)
    rows = data.drop_duplicates(["h", "t"])
    model = mixedlm2("y ~ t", rows, residual="us(t | h)")
    assert len(read) == 2
    assert model.cells.structures[0].labels == ("la", "mi", "so")
    assert np.array_equal(model.cells.subject, rows["h"])
