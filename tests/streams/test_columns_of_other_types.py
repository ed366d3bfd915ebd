"""Columns, datasets and lazy frames of kinds that not all readers have."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError

FORMULA = "y ~ x + a + (1 | g)"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = rng.integers(0, 12, 300)
    x = rng.normal(size=300)
    y = x + rng.normal(size=12)[g] + rng.normal(size=300)
    return pd.DataFrame({"x": x, "g": g.astype(str), "a": np.tile(list("pqr"), 100), "y": y})


def with_column(data: pd.DataFrame, name: str, values: pa.Array) -> pa.Table:
    table = pa.Table.from_pandas(data)
    return table.set_column(table.schema.get_field_index(name), name, values)


def check(source, whole: pd.DataFrame) -> None:
    streamed = mixedlm2(FORMULA, source, batch_rows=40).fit()
    expected = mixedlm2(FORMULA, whole).fit()
    assert streamed.nobs == expected.nobs
    np.testing.assert_allclose(streamed.params, expected.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(streamed.bse, expected.bse, rtol=1e-9)


@pytest.mark.skipif(int(pa.__version__.split(".")[0]) < 20, reason="Arrow casts no views before")
@pytest.mark.parametrize("name", ["a", "g"])
@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()], ids=str)
def test_views(data, name, kind):
    column = pa.array(data[name].to_list(), pa.string()).cast(kind)
    whole = data
    if kind == pa.binary_view():
        whole = data.assign(**{name: [each.encode() for each in data[name]]})
    check(ds.dataset(with_column(data, name, column)), whole)


def test_run_lengths(data):
    column = pc.run_end_encode(pa.array(data.x))
    check(ds.dataset(with_column(data, "x", column)), data)


@pytest.mark.parametrize("streamed", [True, False])
def test_a_column_that_pandas_cannot_hold_is_named(data, streamed):
    twice = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(300) % 3, pa.int8()), pa.array(["p", "q", "p"])
    )
    table = with_column(data, "a", twice)
    with pytest.raises(DataError, match=r"'a' is of a type that pandas cannot hold .*unique"):
        mixedlm2(FORMULA, ds.dataset(table) if streamed else table)


def test_a_first_column_that_cannot_be_read_and_is_not_used(data):
    places = pa.py_buffer(np.arange(0, 601, 2, dtype=np.int32))
    junk = pa.Array.from_buffers(pa.string(), 300, [None, places, pa.py_buffer(b"\xff\xfe" * 300)])
    table = pa.Table.from_pandas(data)
    check(ds.dataset(table.add_column(0, "junk", junk)), data)


@pytest.mark.parametrize("hive", [False, True])
def test_datasets_with_a_filter(data, tmp_path, hive):
    """Arrow gives no fragments of a dataset of several files that is filtered."""
    table = pa.Table.from_pandas(data)
    if hive:
        pq.write_to_dataset(table, tmp_path, partition_cols=["a"])
        whole = ds.dataset(tmp_path, partitioning="hive")
    else:
        pq.write_table(table[:100], tmp_path / "0.parquet")
        pq.write_table(table[100:], tmp_path / "1.parquet")
        whole = ds.dataset(tmp_path)
    check(whole.filter(pc.field("x") > -0.5), data[data.x > -0.5])
    with pytest.raises(DataError, match=r"No match for FieldRef.Name.nope"):
        mixedlm2(FORMULA, whole.filter(pc.field("nope") > 0))


def test_datasets_with_a_filter_of_files_with_other_types(data, tmp_path):
    for number, kind in enumerate((np.float32, np.float64)):
        data[number * 150 :][:150].astype({"x": kind}).to_parquet(tmp_path / f"{number}.parquet")
    filtered = ds.dataset(tmp_path).filter(pc.field("y") > -9)
    with pytest.raises(DataError, match=r"'x' is of type float and double .* schema="):
        mixedlm2(FORMULA, filtered)


def test_queries_of_polars_that_fail(data):
    pl = pytest.importorskip("polars", reason="needs polars")
    lazy = pl.from_pandas(data).lazy()
    with pytest.raises(DataError, match=r"cannot be read: conversion .* failed in column 'a'"):
        mixedlm2(FORMULA, lazy.with_columns(x=pl.col("a").cast(pl.Float64)))
    with pytest.raises(DataError, match=r'cannot be read: unable to find column "nope"'):
        mixedlm2(FORMULA, lazy.select("nope"))


def test_whole_numbers_of_128_bits_of_polars(data):
    pl = pytest.importorskip("polars", minversion="1.20", reason="needs polars with Int128")
    data = data.assign(g=data.g.astype(int))
    check(pl.from_pandas(data).lazy().with_columns(pl.col("g").cast(pl.Int128)), data)


def dask_frame(parts: list[pd.DataFrame]):
    dd = pytest.importorskip("dask.dataframe", reason="needs dask")
    return dd.from_map(lambda at: parts[at], range(len(parts)), meta=parts[0][:0])


def test_partitions_of_sparse_columns_and_with_labels_that_are_columns(data):
    sparse = data.assign(x=pd.arrays.SparseArray(np.where(data.x > 0, data.x, 0.0)))
    check(dask_frame([sparse[:100], sparse[100:]]), sparse)
    labelled = data.set_index("g")
    check(dask_frame([labelled[:100], labelled[100:]]), data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda first, second: (first.assign(g=first.g.astype(int)), second),
            r"'g' is of type int64 in a part of the data and (large_)?string in another",
        ),
        (
            lambda *parts: tuple(each.assign(x=1j) for each in parts),
            "'x', of type complex128, cannot be read by batches: turn it into numbers",
        ),
        (
            lambda *parts: tuple(pd.concat([each, each[["y"]]], axis=1) for each in parts),
            "more than one column is called 'y': rename them",
        ),
        (
            lambda first, second: (first, second.drop(columns="x")),
            r"the data cannot be read: .*'x'.* not in index",
        ),
    ],
)
def test_partitions_that_cannot_be_read(data, change, message):
    parts = change(data[:100], data[100:])
    with pytest.raises(DataError, match=message):
        mixedlm2(FORMULA, dask_frame(parts))


def test_partitions_whose_making_fails(data):
    dd = pytest.importorskip("dask.dataframe", reason="needs dask")

    def part(number: int) -> pd.DataFrame:
        if number:
            raise RuntimeError("no such disk")
        return data

    with pytest.raises(DataError, match=r"the data cannot be read: no such disk\."):
        mixedlm2(FORMULA, dd.from_map(part, range(2), meta=data[:0]))


def test_polars_whose_batches_end_without_a_word_where_a_query_fails(data, monkeypatch):
    pl = pytest.importorskip("polars", reason="needs polars")
    monkeypatch.setattr(pl, "__version__", "1.36.1")
    with pytest.raises(DataError, match="lose rows where a query fails: update polars"):
        mixedlm2(FORMULA, pl.from_pandas(data).lazy())
