"""Columns of pandas frames as plain arrays: the same model as from their Series."""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError
from statsmodels_mixed.frame.table import index_levels
from statsmodels_mixed.frame.table.index_levels import column_arrays, read_pandas


@pytest.fixture
def data():
    rng = np.random.default_rng(3)
    n = 24
    return pd.DataFrame(
        {
            "y": rng.normal(size=n),
            "x": rng.normal(size=n).astype("float32"),
            "k": rng.integers(0, 3, n),
            "flag": rng.random(n) < 0.5,
            "c": pd.Categorical(np.tile(["b", "a", "c"], 8), categories=["c", "b", "a", "unused"]),
            "text": np.tile(["u", "v", "w", "t"], 6),
            "when": pd.date_range("2026-01-01", periods=n),
        }
    )


def test_arrays_are_the_values_of_the_columns(data):
    names = list(data.columns)
    arrays, series = column_arrays(data, names), read_pandas(data, names)
    assert list(arrays) == names
    for name in names:
        assert pd.Series(arrays[name], index=data.index).equals(series[name]), name


def test_names_that_are_no_single_column_are_left_to_the_series(data):
    assert column_arrays(data.set_index("k"), ["y", "k"]) is None
    assert column_arrays(pd.concat([data, data[["y"]]], axis=1), ["y"]) is None
    with pytest.raises(DataError, match="more than one column is called 'y'"):
        mixedlm2("y ~ x + (1 | text)", pd.concat([data, data[["y"]]], axis=1))


@pytest.mark.parametrize(
    "formula",
    ["y ~ x + flag + (1 | text)", "y ~ c + k + (1 + x | text)", "y ~ x + (1 | c) + (1 | c:text)"],
)
def test_a_pandas_without_them_gives_the_same_model(data, formula, monkeypatch):
    own = mixedlm2(formula, data)
    monkeypatch.setattr(index_levels, "_PANDAS_ARRAY", None)
    other = mixedlm2(formula, data)
    assert np.array_equal(own.endog, other.endog)
    assert np.array_equal(own.exog, other.exog)
    for one, two in zip(own.design.blocks, other.design.blocks, strict=True):
        assert np.array_equal(one.z, two.z)
        assert np.array_equal(one.refs, two.refs)
        assert one.levels.equals(two.levels)


def test_the_model_shares_no_memory_with_the_data(data):
    model = mixedlm2("y ~ x + c + (1 | text)", data)
    response, columns = model.endog.copy(), model.exog.copy()
    data["y"] = 0.0
    data["x"] = 0.0
    data["c"] = data["c"].cat.rename_categories({"b": "z"})
    assert np.array_equal(model.endog, response)
    assert np.array_equal(model.exog, columns)
    assert list(model.frame.rows.columns["c"].categories[:2]) == ["c", "b"]
