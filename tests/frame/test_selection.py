from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed.errors import DataError
from statsmodels_mixed.frame.table.selection import select
from statsmodels_mixed.frame.table.table import open_table

DATA = pd.DataFrame(
    {
        "y": [1.0, 2.0, np.nan, 4.0, 5.0],
        "x": [1, 2, 3, 4, 5],
        "g": ["a", "b", "a", None, "b"],
        "unused": [np.nan] * 5,
        "w": [1.0, 2.0, 1.0, 2.0, 4.0],
    },
    index=list("pqrst"),
)


def pick(**options):
    return select(open_table(DATA), ["y", "x", "g"], **options)


def test_rows_with_missing_values_of_needed_columns_are_dropped_and_counted():
    used = pick()
    assert used.index.tolist() == ["p", "q", "t"]
    assert used.n_dropped == 2
    assert list(used.columns) == ["y", "x", "g"]
    assert used.columns["x"].tolist() == [1, 2, 5]


def test_nothing_is_dropped_when_nothing_is_missing_and_the_columns_are_our_own():
    used = select(open_table(DATA), ["x"])
    assert used.n_dropped == 0
    assert not np.shares_memory(used.columns["x"], DATA["x"].to_numpy())


def test_missing_values_may_be_an_error():
    message = r"missing: 'y' in 1 row \(first: r\); 'g' in 1 row \(first: s\)"
    with pytest.raises(DataError, match=message):
        pick(missing="raise")


def test_missing_values_may_pass():
    used = pick(missing="none")
    assert used.n_dropped == 0
    assert np.isnan(used.columns["y"][2])


def test_rows_outside_of_the_subset_are_not_counted_as_dropped():
    used = pick(subset=["p", "q", "r"])
    assert used.index.tolist() == ["p", "q"]
    assert used.n_dropped == 1


def test_the_logarithm_of_the_exposure_joins_the_offset():
    kept = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(pick(exposure="w").offset, np.log(kept))
    both = pick(exposure="w", offset=np.arange(5.0))
    np.testing.assert_allclose(both.offset, np.log(kept) + np.array([0, 1, 4]))
    assert pick(offset="w").offset.tolist() == kept.tolist()
    holes = pick(exposure=[1.0, np.nan, 1.0, 1.0, 3.0])
    assert holes.index.tolist() == ["p", "t"]


@pytest.mark.parametrize(
    "weights", ["w", DATA["w"].tolist(), DATA["w"].to_numpy(), DATA["w"][::-1]]
)
def test_weights_follow_the_rows(weights):
    used = pick(weights=weights, offset=np.arange(5.0), subset=["p", "t", "q", "r"])
    assert used.index.tolist() == ["p", "t", "q"]
    assert used.weights.tolist() == [1.0, 4.0, 2.0]
    assert used.offset.tolist() == [0.0, 4.0, 1.0]
    assert ("w" in used.columns) == isinstance(weights, str)


def test_a_missing_weight_or_offset_drops_its_row():
    used = pick(weights=[np.nan, 1, 1, 1, 1], offset=[0, np.nan, 0, 0, 0])
    assert used.index.tolist() == ["t"]
    assert used.n_dropped == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": [1, -1, 1, 1, 1]}, r"in 1 row \(first: q\) the weights are negative"),
        ({"weights": [1, 0, 1, 1, 0]}, r"in 2 rows \(first: q, t\) .* zero.*subset="),
        ({"weights": [1, np.inf, 1, 1, 1]}, "the weights are infinite"),
        ({"weights": [1, 1e-310, 1, 1, 1]}, r"\(first: q\) .* below 2.2e-308: multiply all by a"),
        (
            {"exposure": [1, 0, -1, 1, np.inf]},
            r"in 2 rows \(first: q, t\) the exposure is not a pos",
        ),
        ({"exposure": [1, 2]}, "exposure= must have one value for each of the 5 rows"),
        ({"weights": [1, 2]}, "one value for each of the 5 rows of the data, not shape"),
        ({"weights": 2.0}, "one value for each of the 5 rows"),
        ({"weights": "g"}, r"weights= \(column 'g'\) must be numbers"),
        ({"offset": list("abcde")}, "offset= must be numbers"),
        ({"offset": [1, np.inf, 1, 1, 1]}, r"the offset is infinite in 1 row \(first: q\)"),
        ({"subset": [False] * 5}, "subset= leaves no rows"),
        ({"subset": ["r", "s"]}, "of 2 rows, values are missing of 'y' in 1, 'g' in 1"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(DataError, match=message):
        pick(**options)


def test_no_data():
    with pytest.raises(DataError, match="the data have no rows"):
        select(open_table(DATA.iloc[:0]), ["y"])
