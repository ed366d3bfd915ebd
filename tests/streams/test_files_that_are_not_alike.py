"""Directories whose files differ, are damaged or change: refused by name, or read alike."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.errors import DataError
from statsmodels_mixed.streams.sources import open_source

FORMULA = "y ~ x + a + (1 | g)"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g = rng.integers(0, 12, 400)
    x = rng.normal(size=400)
    y = x + rng.normal(size=12)[g] + rng.normal(size=400)
    return pd.DataFrame({"x": x, "g": g.astype(str), "a": np.tile(list("pq"), 200), "y": y})


def write(folder: Path, *parts: pd.DataFrame | pa.Table) -> Path:
    for number, part in enumerate(parts):
        table = part if isinstance(part, pa.Table) else pa.Table.from_pandas(part)
        pq.write_table(table, folder / f"{number}.parquet", write_page_checksum=True)
    return folder


@pytest.mark.parametrize("column", ["x", "a", "g", "y"])
def test_a_later_file_without_a_column(data, tmp_path, column):
    # Its rows were left out silently: the column was missing in each of them.
    folder = write(tmp_path, data[:200], data[200:].drop(columns=column))
    with pytest.raises(DataError, match=rf"1\.parquet' has no column '{column}'"):
        mixedlm2(FORMULA, folder)


def test_a_column_that_the_model_does_not_use_may_be_missing(data, tmp_path):
    folder = write(tmp_path, data[:200].assign(other=1), data[200:])
    assert mixedlm2(FORMULA, folder).nobs == 400


def test_a_truncated_file_is_not_left_out(data, tmp_path):
    # Half of the rows were lost silently.
    file = write(tmp_path, data[:200], data[200:]) / "1.parquet"
    content = file.read_bytes()
    for kept in (len(content) // 2, 0):
        file.write_bytes(content[:kept])
        with pytest.raises(DataError, match=r"1\.parquet"):
            mixedlm2(FORMULA, tmp_path)


def test_damaged_pages_are_refused_where_the_file_has_checksums(data, tmp_path):
    file = write(tmp_path, data[:200], data[200:]) / "1.parquet"
    content = bytearray(file.read_bytes())
    content[400:600] = bytes(byte ^ 255 for byte in content[400:600])
    file.write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        mixedlm2(FORMULA, tmp_path)


@pytest.mark.parametrize("encoded", [False, True])
def test_text_that_is_not_utf8(data, tmp_path, encoded):
    table = pa.Table.from_pandas(data)
    places = pa.py_buffer(np.arange(0, 801, 2, dtype=np.int32))
    column = pa.Array.from_buffers(
        pa.string(), 400, [None, places, pa.py_buffer(b"\xff\xfe" * 400)]
    )
    column = column.dictionary_encode() if encoded else column
    write(tmp_path, table.set_column(table.schema.get_field_index("g"), "g", column))
    with pytest.raises(DataError, match="'g' holds text that is not UTF-8"):
        mixedlm2(FORMULA, tmp_path)


def test_files_that_change_between_passes(data, tmp_path):
    counts = data.assign(n=np.arange(400) % 3)
    model = mixedglm2("n ~ x + a + (1 | g)", write(tmp_path, counts[:200], counts[200:]), "poisson")
    write(tmp_path, counts[:200], counts[200:300])
    with pytest.raises(DataError, match=r"0\.parquet' has changed since the model was made"):
        model.fit()
    shutil.rmtree(tmp_path)
    with pytest.raises(DataError, match="has changed since"):
        model.fit()


def test_what_is_read_alike(data, tmp_path):
    expected = mixedlm2(FORMULA, data).fit().llf
    halves = data[:200], data[200:]
    same = {
        "order": (halves[0], halves[1][["y", "a", "g", "x"]]),
        "no rows in one": (halves[0], data[:0], halves[1]),
        "dictionaries": tuple(
            half.assign(g=pd.Categorical(half["g"], sorted(set(data["g"]))[::step]))
            for half, step in zip(halves, (1, -1), strict=True)
        ),
        "one dictionary": (halves[0].assign(g=halves[0]["g"].astype("category")), halves[1]),
        "labels that are numbers": (halves[0], halves[1].assign(g=halves[1]["g"].astype(int))),
    }
    for name, parts in same.items():
        folder = tmp_path / name
        folder.mkdir()
        write(folder, *parts)
        (folder / "readme.txt").write_text("not data")
        (folder / "_SUCCESS.parquet").write_bytes(b"")
        assert mixedlm2(FORMULA, folder).fit().llf == pytest.approx(expected, abs=1e-8), name


def test_hive_partitions_are_columns_of_all_files(data, tmp_path):
    for label, part in data.groupby("a"):
        (tmp_path / f"a={label}").mkdir()
        write(tmp_path / f"a={label}", part.drop(columns="a"))
    assert "a" in open_source(tmp_path).names
    found = mixedlm2(FORMULA, tmp_path).fit().llf
    assert found == pytest.approx(mixedlm2(FORMULA, data).fit().llf, abs=1e-8)


def test_identifiers_of_64_bits_some_of_which_are_missing(data, tmp_path):
    # 2^53 + 1 is no floating-point number: they became the same, or Arrow refused them.
    data = data.assign(g=data.g.astype("Int64") + 2**53)
    data.loc[::17, "g"] = pd.NA
    fit = mixedlm2(FORMULA, write(tmp_path, data[:150], data[150:]), batch_rows=40).fit()
    whole = mixedlm2(FORMULA, data).fit()
    assert fit.ranef()["g"].index.tolist() == [2**53 + at for at in range(12)]
    assert fit.objective == pytest.approx(whole.objective, rel=1e-12)


@pytest.mark.parametrize("formula", ["y ~ label + (1 | h)", "y ~ 1 + (1 | label)"])
def test_a_label_that_is_missing_in_a_later_file_is_named(tmp_path, formula):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"y": rng.normal(size=60), "h": np.arange(60) % 6})
    rows["label"] = np.resize(np.array(["a", "b", "c"], dtype=object), 60)
    rows.loc[[40, 45, 50], "label"] = None
    rows[:30].to_parquet(tmp_path / "a.parquet")
    rows[30:].to_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"'label' is missing in 3 rows .first: 40, 45, 50."):
        mixedlm2(formula, tmp_path, missing="none")


@pytest.mark.parametrize("given", ["path", "dataset"])
@pytest.mark.parametrize(
    ("column", "first", "later"),
    [
        ("x", pa.float32(), pa.float64()),  # rounded to single precision, silently
        ("x", pa.int64(), pa.float64()),
        ("x", pa.null(), pa.float64()),
        ("g", pa.null(), pa.string()),
        ("g", pa.string(), pa.large_string()),
        ("g", pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.string())),
        ("g", pa.dictionary(pa.int8(), pa.string()), pa.string()),
        ("g", pa.int32(), pa.int64()),
    ],
    ids=str,
)
def test_files_of_other_types_are_read_as_one_that_holds_both(
    data, tmp_path, given, column, first, later
):
    parts = []
    for rows, kind in ((data[:200], first), (data[200:], later)):
        values = rows[column]
        if pa.types.is_integer(kind):
            values = values.astype(float).round().astype(int)
        made = pa.nulls(200) if pa.types.is_null(kind) else pa.array(values).cast(kind, safe=False)
        table = pa.Table.from_pandas(rows, preserve_index=False)
        parts.append(table.set_column(table.schema.get_field_index(column), column, made))
    kind = {column: float if column == "x" else object}
    whole = pd.concat([part.to_pandas().astype(kind) for part in parts])
    folder = write(tmp_path, *parts)
    streamed = mixedlm2(FORMULA, ds.dataset(folder) if given == "dataset" else folder).fit()
    expected = mixedlm2(FORMULA, whole).fit()
    assert streamed.nobs == expected.nobs
    np.testing.assert_allclose(streamed.params, expected.params, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(streamed.bse, expected.bse, rtol=1e-9)


def test_types_that_do_not_go_together_are_named(data, tmp_path):
    words = data.assign(x="many")
    with pytest.raises(DataError, match=r"'x' is of type double and (large_)?string in the files"):
        mixedlm2(FORMULA, write(tmp_path, data[:200], words[200:]))


def test_columns_that_the_model_does_not_use_may_be_of_any_type(data, tmp_path):
    folder = write(tmp_path, data[:200].assign(other=1), data[200:].assign(other="a"))
    assert mixedlm2(FORMULA, folder).nobs == 400
