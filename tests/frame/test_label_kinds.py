"""Kinds of columns of labels: the same for equal levels, other for levels that look alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed.frame.matrices.formula_factors import label_kind
from statsmodels_mixed.frame.table.columns import complete_values, missing_rows, tidy_values


def test_equal_levels_have_one_kind():
    one, other = label_kind(pd.Index(["a", "b"])), label_kind(pd.Index(["a", "b"]))
    assert one == other and hash(one) == hash(other)
    assert label_kind(pd.Index(["a", "c"])) != one


def test_levels_that_are_equal_numbers_of_other_types_have_other_kinds():
    kinds = [
        label_kind(pd.Index([0, 1])),
        label_kind(pd.Index([0.0, 1.0])),
        label_kind(pd.Index([False, True])),
    ]
    assert len(set(kinds)) == 3


def test_levels_that_look_the_same_or_are_many_have_none():
    assert label_kind(pd.Index([1, "1"], dtype=object)) is None
    assert label_kind(pd.Index(range(1000))) is None


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1.0, 2.0]),
        pd.Series([1, 2], dtype="int16"),
        pd.Series([True, False]),
        pd.Series(["b", "a"], dtype="category"),
        pd.Series([1.0, np.nan]),
        pd.Series([1.0, np.inf]),
        pd.Series([1e200, 1.0]),
        pd.Series(["a", None], dtype="category"),
        pd.Series(["a", "b"]),
        pd.Series(["a", "b"], dtype="string"),
        pd.Series(["a", None], dtype="string"),
        pd.Series([1, 2], dtype="Int64"),
        pd.Series([1, "a"], dtype=object),
        pd.Series([1, 2], dtype="float16"),
        pd.Series(pd.to_datetime(["2020-01-01", None])),
    ],
)
def test_complete_values_are_the_tidy_ones_of_columns_without_missing_rows(column):
    values = complete_values(column)
    if values is None:
        return
    assert missing_rows(column) is None
    tidy = tidy_values(column)
    assert type(values) is type(tidy) and values.dtype == tidy.dtype
    assert list(values) == list(tidy)


def test_complete_values_are_found_of_what_most_columns_are():
    text = pd.Series(["a"], dtype="string")
    for column in (pd.Series([1.0]), pd.Series([1]), pd.Series(["a"], dtype="category"), text):
        assert complete_values(column) is not None
