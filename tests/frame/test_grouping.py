from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.frame.table.grouping import cross, factorize, find_levels


def by_hand(values):
    """Levels and codes by the definition."""
    levels = sorted({value for value in values if pd.notna(value)})
    return [levels.index(v) if pd.notna(v) else -1 for v in values], levels


# Before pandas 3 there was no type "str".
TEXT = "str" if int(pd.__version__.split(".")[0]) >= 3 else "string"

VALUES = {
    "int": np.array([5, 3, 5, 9]),
    "int8 over its range": np.array([-128, 127, 0, -128], dtype=np.int8),
    "wide int": np.array([10**15, -(10**15), 3, 3]),
    "huge uint": np.array([2**64 - 1, 2**64 - 2, 2**64 - 1], dtype=np.uint64),
    "float": np.array([2.0, np.nan, 1.0, 2.0]),
    "bool": np.array([True, False, True]),
    "object": np.array(["b", None, "a"], dtype=object),
    "str": pd.array(["b", None, "a"], dtype=TEXT),
    "dates": pd.array(pd.to_datetime(["2021-01-02", "2021-01-01", "2021-01-02"])),
}


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_levels_are_the_sorted_values_that_occur(values):
    codes, levels = factorize(values)
    expected_codes, expected_levels = by_hand(list(values))
    assert codes.dtype == np.int32
    assert codes.tolist() == expected_codes
    assert levels.tolist() == expected_levels


def test_levels_of_a_categorical_keep_its_order_and_lose_what_does_not_occur():
    values = pd.Categorical(["lo", "hi", None, "lo"], categories=["hi", "none", "lo"])
    codes, levels = factorize(values)
    assert levels.tolist() == ["hi", "lo"]
    assert codes.tolist() == [1, 0, -1, 1]


def test_values_that_cannot_be_compared_still_have_a_fixed_order():
    codes, levels = factorize(np.array(["a", 1, 2, "a"], dtype=object))
    assert levels.tolist() == [1, 2, "a"]
    assert codes.tolist() == [2, 0, 1, 2]


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(1)
    values = rng.integers(0, 50, 200)
    order = rng.permutation(200)
    codes, levels = factorize(values)
    permuted, same = factorize(values[order])
    assert levels.equals(same)
    np.testing.assert_array_equal(permuted, codes[order])


@pytest.mark.parametrize("scale", [1, 10**6])
def test_an_interaction_has_the_observed_combinations_in_order(scale):
    rng = np.random.default_rng(2)
    parts = [rng.integers(0, 4, 60), rng.integers(0, 3, 60) * scale, rng.integers(0, 2, 60)]
    coded = [factorize(part) for part in parts]
    named = [levels.rename(name) for (_, levels), name in zip(coded, "abc", strict=True)]
    refs, levels = cross([codes for codes, _ in coded], named)
    rows = list(zip(*(part.tolist() for part in parts), strict=True))
    observed = sorted(set(rows))
    assert levels.tolist() == observed
    assert list(levels.names) == ["a", "b", "c"]
    assert refs.dtype == np.int32
    assert refs.tolist() == [observed.index(row) for row in rows]


def test_an_interaction_with_many_possible_combinations():
    a = np.arange(3000)
    codes = [a.astype(np.int32), a[::-1].astype(np.int32)]
    refs, levels = cross(codes, [pd.Index(a), pd.Index(a)])
    assert refs.tolist() == a.tolist()
    assert levels.tolist() == [(i, 2999 - i) for i in range(3000)]


def test_levels_are_found_again():
    _, levels = factorize(np.array([5, 3, 9]))
    assert find_levels([np.array([9, 4, 5, 9])], levels).tolist() == [2, -1, 1, 2]
    _, text = factorize(np.array(["u", "v"], dtype=object))
    assert find_levels([np.array(["v", None, "w"], dtype=object)], text).tolist() == [1, -1, -1]


def test_combinations_are_found_again():
    levels = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 2), ("c", 1)])
    first = np.array(["b", "a", "b", "z", "c", "a"], dtype=object)
    second = np.array([2, 1, 1, 1, 7, 2])
    assert find_levels([first, second], levels).tolist() == [2, 0, -1, -1, -1, 1]


def test_combinations_of_three_are_found_again():
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(rng.integers(0, 5, (40, 3)))
    levels = pd.MultiIndex.from_frame(rows.drop_duplicates().sort_values([0, 1, 2]))
    new = rng.integers(0, 6, (200, 3))
    known = {row: i for i, row in enumerate(levels)}
    expected = [known.get(tuple(row), -1) for row in new.tolist()]
    assert find_levels(list(new.T), levels).tolist() == expected


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_no_labels(value):
    # They were a level like any other.
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": [1.0, 1.0, value, 2.0]})
    with pytest.raises(DataError, match=r"g.*infinite values, which are no labels"):
        mixedlm2("y ~ 1 + (1 | g)", data)


@pytest.mark.parametrize("value", [3, "nonsense", [1]])
def test_related_levels_that_are_not_by_name(value):
    data = pd.DataFrame({"y": [1.0, 2.0, 4.0, 3.0], "g": [1, 1, 2, 2]})
    with pytest.raises(OptionError, match="relationship= names grouping factors, as"):
        mixedlm2("y ~ 1 + (1 | g)", data, relationship=value)
