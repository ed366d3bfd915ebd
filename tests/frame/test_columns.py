from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from statsmodels_mixed.errors import DataError
from statsmodels_mixed.frame.table.columns import is_number, is_text, missing_rows, tidy_values
from statsmodels_mixed.frame.table.selection import select
from statsmodels_mixed.frame.table.table import (
    open_table,
    read_columns,
    subset_rows,
    unknown_columns,
)

CONTENT = {"x": [1.5, 2.5, 3.5], "n": [3, 1, 2], "f": ["b", "a", "b"]}


def as_polars() -> object:
    return pytest.importorskip("polars").DataFrame(CONTENT)


def as_structured() -> np.ndarray:
    rows = list(zip(*CONTENT.values(), strict=True))
    return np.array(rows, dtype=[("x", float), ("n", int), ("f", "U1")])


class CapsuleOfArrow:
    """A table of a library that this package does not know, with the C interface of Arrow."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def test_arrays_of_arrow_are_no_tables():
    with pytest.raises(DataError, match="must be a data frame or a dict of arrays"):
        open_table(pa.array([1.0, 2.0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame(CONTENT),
        lambda: pa.table(CONTENT),
        lambda: pa.RecordBatch.from_pydict(CONTENT),
        lambda: pa.table(CONTENT).to_reader(),
        lambda: CapsuleOfArrow(pa.table(CONTENT)),
        lambda: CONTENT,
        lambda: {name: np.array(values) for name, values in CONTENT.items()},
        lambda: {name: pd.Series(values) for name, values in CONTENT.items()},
        as_structured,
        as_polars,
    ],
    ids=[
        "pandas",
        "pyarrow",
        "batch",
        "batches",
        "capsule",
        "lists",
        "arrays",
        "series",
        "structured",
        "polars",
    ],
)
def test_every_kind_of_table_gives_the_same_columns(make):
    table = open_table(make())
    assert table.n_rows == 3
    assert list(table.names) == ["x", "n", "f"]
    assert list(table.index) == [0, 1, 2]
    columns = table.read(["n", "f", "x"])
    assert list(columns) == ["n", "f", "x"]
    for name, series in columns.items():
        assert series.tolist() == CONTENT[name]


def test_pandas_keeps_its_own_index():
    assert open_table(pd.DataFrame(CONTENT, index=list("pqr"))).index.tolist() == list("pqr")


def test_columns_not_asked_for_are_not_touched():
    class Untouchable(dict):
        def __getitem__(self, name):
            assert name != "trap"
            return super().__getitem__(name)

    table = open_table(Untouchable(x=[1.0], trap=[2.0]))
    assert table.read(["x"])["x"].tolist() == [1.0]


def test_later_changes_of_the_data_do_not_reach_us():
    array, frame = np.array([1.0, 2.0]), pd.DataFrame({"x": [1.0, 2.0]})
    kept = [select(open_table(table), ["x"]).columns["x"] for table in ({"x": array}, frame)]
    array[0] = 99
    frame.loc[0, "x"] = 99
    assert [series.tolist() for series in kept] == [[1.0, 2.0]] * 2


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": [1, 2], "y": [1]}, "'x' has 2, 'y' has 1"),
        ([1, 2, 3], "not builtins.list"),
        (pd.DataFrame([[1, 2]], columns=["x", "x"]), "more than one column is called 'x'"),
        ({"x": np.ones((2, 2))}, "'x' has 2 dimensions"),
    ],
)
def test_tables_that_cannot_be_used(data, message):
    with pytest.raises(DataError, match=message):
        open_table(data).read(["x"])


def test_a_lazy_frame_is_asked_for_its_rows():
    polars = pytest.importorskip("polars")
    with pytest.raises(DataError, match=r"collect\(\)"):
        open_table(polars.LazyFrame(CONTENT))


def test_polars_categories_are_sorted_but_those_of_an_enum_are_not():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(
        {
            "c": polars.Series(["z", "a", "z"], dtype=polars.Categorical),
            "e": polars.Series(["z", "a", "z"], dtype=polars.Enum(["z", "a"])),
        }
    )
    columns = open_table(frame).read(["c", "e"])
    assert list(columns["c"].cat.categories) == ["a", "z"]
    assert list(columns["e"].cat.categories) == ["z", "a"]


NUMBERS = [
    pd.Series([1, 2]),
    pd.Series([1.0, np.nan]),
    pd.Series([1, None], dtype="Int64"),
    pd.Series([1, 2], dtype="Int8"),
    pd.Series([1.5, None], dtype="Float64"),
    pd.Series([1, None], dtype=pd.ArrowDtype(pa.int32())),
    pd.Series([Decimal("1.5"), None], dtype=object),
    pd.Series([1, 2.5], dtype=object),
    pd.Series([1, None], dtype=object),
]


@pytest.mark.parametrize("series", NUMBERS, ids=lambda s: f"{s.dtype}-{s.iloc[1]}")
def test_all_numbers_become_numpy_numbers(series):
    values = tidy_values(series)
    assert is_number(values)
    expected = [float(value) if pd.notna(value) else np.nan for value in series]
    np.testing.assert_array_equal(values.astype(float), expected)


@pytest.mark.parametrize(
    "series",
    [
        pd.Series([True, False]),
        pd.Series([True, False], dtype="boolean"),
        pd.Series([True, False], dtype=object),
        pd.Series([True, False], dtype=pd.ArrowDtype(pa.bool_())),
    ],
    ids=lambda s: str(s.dtype),
)
def test_truth_values_become_bool(series):
    values = tidy_values(series)
    assert values.dtype == bool
    assert values.tolist() == [True, False]
    assert not is_number(values)


@pytest.mark.parametrize("dtype", ["str", object, "category", "string"])
def test_text_is_recognized(dtype):
    assert is_text(tidy_values(pd.Series(["a", "b"], dtype=dtype)))
    assert not is_text(tidy_values(pd.Series([1, 2], dtype="category")))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Series([1.0, np.nan, np.inf]), [False, True, False]),
        (pd.Series([np.inf, -np.inf, 1.0]), None),
        (pd.Series([1, 2, 3]), None),
        (pd.Series(["a", None, "b"]), [False, True, False]),
        (pd.Series(["a", None, "b"], dtype=object), [False, True, False]),
        (pd.Series(["a", None, "b"], dtype="category"), [False, True, False]),
        (pd.Series([1, None, 2], dtype="Int64"), [False, True, False]),
        (pd.Series(pd.to_datetime(["2020-01-01", None, "2020-01-02"])), [False, True, False]),
        (pd.Series(["a", "b", "c"]), None),
    ],
)
def test_missing_rows(values, expected):
    found = missing_rows(values)
    assert (None if found is None else found.tolist()) == expected


@pytest.mark.parametrize(
    "subset",
    [
        [False, True, True, False],
        np.array([False, True, True, False]),
        pd.Series([True, False, False, True], index=list("dcba"))[::-1].map(lambda v: not v),
        ["b", "c"],
        slice("b", "c"),
        "x > 1 and x < 4",
        lambda frame: frame.x.between(2, 3),
    ],
    ids=["mask", "array", "aligned", "labels", "slice", "query", "callable"],
)
def test_a_subset_chooses_rows_as_loc_does(subset):
    table = open_table(pd.DataFrame({"x": [1, 2, 3, 4]}, index=list("abcd")))
    assert subset_rows(subset, table).tolist() == [1, 2]


@pytest.mark.parametrize("subset", [[True], ["z"], "nonsense > 1", np.ones((2, 2), dtype=bool)])
def test_a_subset_that_does_not_fit(subset):
    table = open_table(pd.DataFrame({"x": [1, 2]}, index=list("ab")))
    with pytest.raises(DataError, match="subset="):
        subset_rows(subset, table)


def test_unknown_columns_are_all_named_with_the_nearest_known():
    error = unknown_columns(["Days", "zzz"], ["days", "subj"])
    assert str(error) == "the data have no columns 'Days' (did you mean 'days'?), 'zzz'."
    with pytest.raises(DataError, match="no column 'w'"):
        read_columns(open_table({"x": [1]}), ["x", "w"])


IDENTIFIERS = 10**18 + np.arange(4)  # floating-point numbers of this size are 128 apart


@pytest.mark.parametrize("kind", ["polars", "pyarrow", "mapping of polars", "mapping of pyarrow"])
def test_identifiers_keep_their_digits_where_some_are_missing(kind):
    content = [*map(int, IDENTIFIERS), None]
    if "polars" in kind:
        table = pytest.importorskip("polars").DataFrame({"g": content})
    else:
        table = pa.table({"g": content})
    if "mapping" in kind:
        table = {"g": table["g"]}
    column = read_columns(open_table(table), ["g"])["g"]
    assert missing_rows(column).tolist() == [False] * 4 + [True]
    assert tidy_values(column[:4]).tolist() == list(map(int, IDENTIFIERS))


def test_whole_numbers_of_python_that_floating_point_numbers_cannot_tell_apart_are_refused():
    apart = pd.Series([10**25, 2 * 10**25], dtype=object)
    assert tidy_values(apart).tolist() == [1e25, 2e25]
    with pytest.raises(DataError, match="'g' holds whole numbers whose differences floating-"):
        tidy_values(pd.Series([10**25, 10**25 + 1], dtype=object, name="g"))


@pytest.mark.parametrize("values", [[0, 3, 0, 2], [True, False, False, True], [0.0, 1.5, 0.0, 2.0]])
def test_sparse_columns(values):
    sparse = pd.Series(pd.arrays.SparseArray(values))
    assert tidy_values(sparse).tolist() == values
    assert type(tidy_values(sparse)) is np.ndarray


def test_unsigned_numbers_of_any_storage_have_a_sign_if_they_fit():
    assert tidy_values(pd.Series([1, 2], dtype="UInt64")).dtype == np.int64
    large = pd.Series([1, 2**63], dtype="UInt64")
    assert tidy_values(large).tolist() == [1, 2**63]


@pytest.mark.parametrize(
    "values", [[1.5, 2.5, 3.5], [10**18, 10**18 + 1, 10**18 + 2], ["a", "b", "c"]]
)
def test_what_is_masked_is_missing(values):
    masked = np.ma.array(values, mask=[False, True, False])
    column = read_columns(open_table({"x": masked}), ["x"])["x"]
    assert missing_rows(column).tolist() == [False, True, False]
    assert tidy_values(column[[0, 2]]).tolist() == [values[0], values[2]]
    used = select(
        open_table({"y": [1.0, 2.0, 3.0]}),
        ["y"],
        weights=np.ma.array([1.0, 9.0, 2.0], mask=[0, 1, 0]),
    )
    assert used.weights.tolist() == [1.0, 2.0]
