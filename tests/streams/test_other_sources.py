"""Lazy frames of polars and dask: the same fits, and workers that are lost."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from killed_workers import fit_with_deaths

from statsmodels_mixed import mixedlm2


def part(seed: int, n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 25, n), rng.integers(0, 6, n)
    a, b = np.random.default_rng(1).normal(size=(2, 25))
    data = pd.DataFrame({"g": g, "h": np.array(list("uvwxyz"))[h], "x": rng.normal(2, 1, n)})
    data["y"] = 1 + data.x / 2 + a[g] + 0.4 * b[g] * data.x + 0.3 * h + rng.normal(size=n)
    data.loc[rng.integers(0, n, 20), "x"] = np.nan
    return data


PARTS = 6
FORMULA = "y ~ center(x) + I(x > 2) + (1 + x | g) + (1 | h)"


@pytest.fixture(scope="module")
def whole() -> pd.DataFrame:
    return pd.concat([part(seed) for seed in range(PARTS)], ignore_index=True)


@pytest.fixture(scope="module")
def fit(whole):
    return mixedlm2(FORMULA, whole).fit(reml=True)


def check(streamed, fit) -> None:
    assert streamed.nobs == fit.nobs
    assert streamed.layout.n_dropped == fit.layout.n_dropped
    assert streamed.objective == pytest.approx(fit.objective, rel=1e-11)
    assert np.abs((streamed.params - fit.params) / fit.bse).max() < 1e-8
    np.testing.assert_allclose(streamed.bse, fit.bse, rtol=1e-8)
    assert streamed.summary().as_text() == fit.summary().as_text()


def test_polars(whole, fit):
    pl = pytest.importorskip("polars", reason="needs polars")
    lazy = pl.from_pandas(whole).lazy()
    check(mixedlm2(FORMULA, lazy, batch_rows=500).fit(reml=True), fit)
    # Categories of polars have no order of their own.
    lazy = lazy.with_columns(pl.col("h").cast(pl.Categorical))
    check(mixedlm2(FORMULA, lazy, batch_rows=500).fit(reml=True), fit)


def test_dask_by_threads(whole, fit, tmp_path):
    dd = pytest.importorskip("dask.dataframe", reason="needs dask")
    frame = dd.from_map(part, range(PARTS))
    streamed = mixedlm2(FORMULA, frame, batch_rows=250).fit(reml=True)
    check(streamed, fit)
    plain = "y ~ h + x + (1 | g)"
    ours, theirs = (
        mixedlm2(plain, each).fit().emmeans("h", weights="proportional").to_frame()
        for each in (frame, whole)
    )
    np.testing.assert_allclose(ours["estimate"], theirs["estimate"], rtol=1e-9)
    streamed.write_parquet(tmp_path / "out.parquet", columns=[])
    written = pd.read_parquet(tmp_path / "out.parquet")
    np.testing.assert_allclose(written[".resid"], fit.resid, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs signals")
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_costs_a_retry(fit, tmp_path):
    marks = tmp_path / "marks"
    streamed = fit_with_deaths(
        part,
        PARTS,
        marks,
        victim=3,
        times=(2, 4),
        fit=lambda frame: mixedlm2(FORMULA, frame).fit(reml=True),
    )
    assert os.path.getsize(marks) >= 4
    check(streamed, fit)


def test_an_arrow_table_without_rows_is_said_to_have_none():
    import pyarrow.dataset as ds

    from statsmodels_mixed.errors import DataError

    empty = ds.dataset(pa.table({"y": pa.array([], pa.float64()), "g": pa.array([], pa.int64())}))
    with pytest.raises(DataError, match="no rows"):
        mixedlm2("y ~ 1 + (1 | g)", empty)
