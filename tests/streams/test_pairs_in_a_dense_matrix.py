"""Crossed terms whose pairs of levels are too many to keep: sums over rows give the same fits."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.streams import reduce


@pytest.fixture(autouse=True)
def sums_from_the_first_batch_on(monkeypatch):
    monkeypatch.setattr(reduce, "FEW_BYTES", 0)
    monkeypatch.setattr(reduce, "bytes_of_sums", lambda shapes: 0)


def made_data(n: int = 6000) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, h, k = rng.integers(0, 40, n), rng.integers(0, 15, n), rng.integers(0, 6, n)
    data = pd.DataFrame({"g": g, "h": h, "k": np.array(list("abcdef"))[k]})
    data["x"], data["w"] = rng.normal(3, 1, n), rng.uniform(0.5, 2, n)
    data["f"] = pd.Categorical(rng.choice(["low", "mid", "top"], n))
    slopes = 0.4 * rng.normal(size=40)[g] + 0.3 * rng.normal(size=15)[h]
    y = rng.normal(size=40)[g] + rng.normal(size=15)[h] + rng.normal(size=6)[k]
    data["y"] = 100 + y + (0.5 + slopes) * data["x"] + rng.normal(size=n)
    return data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return made_data()


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    where = tmp_path_factory.mktemp("pairs") / "data.parquet"
    pq.write_table(pa.Table.from_pandas(data), where, row_group_size=1700)
    return where


MODELS = {
    "scalar": ("y ~ x + f + (1 | g) + (1 | h)", {}),
    "vector": ("y ~ x + (x | g) + (x | h)", {}),
    "apart, three terms": ("y ~ x + (x || g) + (1 | h) + (1 | k)", {}),
    "weights": ("y ~ x + (x | g) + (0 + x | h) + (1 | k)", {"weights": "w"}),
    "offset": ("y ~ 1 + (1 | g) + (1 | h)", {"offset": "x"}),
    "far from zero": ("y ~ I(x + 1e4) + (I(x + 1e4) | g) + (1 | h)", {}),
    "interaction": ("y ~ x + (1 | g:k) + (1 | h)", {}),
}


@pytest.mark.parametrize(("formula", "options"), MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("reml", [False, True])
def test_a_fit_of_sums_is_that_of_the_rows(formula, options, reml, data, path):
    whole = mixedlm2(formula, data, **options).fit(reml=reml)
    model = mixedlm2(formula, path, batch_rows=1000, **options)
    assert not model.sufficient_design().has_rows
    fit = model.fit(reml=reml)
    assert fit.converged
    assert fit.objective == pytest.approx(whole.objective, rel=1e-12)
    assert fit.sigma == pytest.approx(whole.sigma, rel=1e-6)
    assert np.all(np.abs(fit.params - whole.params) < 1e-5 * whole.bse)
    np.testing.assert_allclose(fit.bse, whole.bse, rtol=1e-5)
    for name, table in whole.ranef(se=True).items():
        other = fit.ranef(se=True)[name]
        assert table.index.equals(other.index)
        sizes = np.abs(table).mean().to_numpy()
        assert np.all(np.abs(other.to_numpy() - table.to_numpy()) < 1e-4 * sizes)
    new = data.head(30)
    np.testing.assert_allclose(
        fit.get_prediction(new, re=True).summary_frame(),
        whole.get_prediction(new, re=True).summary_frame(),
        rtol=1e-5,
    )


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.ConvergenceWarning")
def test_sums_are_exact_beside_a_dense_solution(data, path):
    """Objective and gradient at given parameters, from V = I + Z Z' theta^2 of few rows."""
    few = data.head(400)
    where = path.parent / "few.parquet"
    pq.write_table(pa.Table.from_pandas(few), where)
    theta = np.array([0.7, 1.3])
    model = mixedlm2("y ~ x + (1 | g) + (1 | h)", where, batch_rows=60)
    fit = model.fit(start=theta, max_eval=1)
    Z = [pd.get_dummies(few[name], dtype=float).to_numpy() for name in "gh"]
    V = np.eye(len(few)) + sum(t**2 * z @ z.T for t, z in zip(theta, Z, strict=True))
    X, y = np.column_stack([np.ones(len(few)), few.x]), few.y.to_numpy()
    beta = np.linalg.solve(X.T @ np.linalg.solve(V, X), X.T @ np.linalg.solve(V, y))
    e, n = y - X @ beta, len(few)
    r2 = e @ np.linalg.solve(V, e)
    expected = np.linalg.slogdet(V)[1] + n * (1 + np.log(2 * np.pi * r2 / n))
    assert fit.report.initial_objective == pytest.approx(expected, rel=1e-12)


def test_what_needs_no_rows_works_and_the_rest_is_refused(data, path, tmp_path):
    formula = "y ~ x + f + (1 | g) + (1 | h)"
    whole, fit = mixedlm2(formula, data).fit(), mixedlm2(formula, path, batch_rows=1000).fit()
    lines = zip(str(whole.summary()).splitlines(), str(fit.summary()).splitlines(), strict=True)
    assert all(a == b for a, b in lines if "evaluations" not in a)
    written = pd.read_parquet(fit.write_parquet(tmp_path / "fitted.parquet"))
    np.testing.assert_allclose(written[".fitted"], whole.fittedvalues, rtol=1e-6)
    pd.testing.assert_frame_equal(
        fit.emmeans("f").to_frame(), whole.emmeans("f").to_frame(), rtol=1e-5
    )
    copy = pickle.loads(pickle.dumps(fit))
    assert copy.params.equals(fit.params)
    with pytest.raises(DataError, match="needs all rows"):
        fit.profile()
    with pytest.raises(OptionError, match="only sums are kept"):
        mixedlm2(formula, path).fit(solver="iterative")


def test_no_digits_are_pretended(data, path):
    exact = data.assign(y=data.x + data.g + 1e-7 * data.w)
    where = path.parent / "exact.parquet"
    pq.write_table(pa.Table.from_pandas(exact), where)
    with pytest.raises(DataError, match="no digits"):
        mixedlm2("y ~ x + (1 | g) + (1 | h)", where, batch_rows=1000).fit()


def test_cells_become_sums_when_there_are_many(data, path, monkeypatch):
    """The first rows are kept as combinations of levels, the later ones in sums."""
    monkeypatch.setattr(reduce, "bytes_of_sums", lambda shapes: 90_000)
    formula = "y ~ x + (x | g) + (1 | h)"
    model = mixedlm2(formula, path, batch_rows=300)
    assert not model.sufficient_design().has_rows
    assert model.fit().objective == pytest.approx(
        mixedlm2(formula, data).fit().objective, rel=1e-12
    )


def test_sums_of_partitions_are_merged(data):
    dask = pytest.importorskip("dask.dataframe")
    frame = dask.from_pandas(data, npartitions=5)
    formula = "y ~ x + (x | g) + (1 | h)"
    fit = mixedlm2(formula, frame, batch_rows=500).fit()
    assert not fit.sufficient_design().has_rows
    assert fit.objective == pytest.approx(mixedlm2(formula, data).fit().objective, rel=1e-12)
