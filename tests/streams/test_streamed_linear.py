"""Linear models of data that are read by batches: the fits of the same data in memory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed.errors import DataError, OptionError, UnknownColumnError


def made_data(n: int = 3000, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 40, n), rng.integers(0, 8, n)
    data = pd.DataFrame(
        {
            "g": g,
            "h": np.array(list("abcdefgh"))[h],
            "x": rng.normal(3, 1, n),
            "f": pd.Categorical(rng.choice(["low", "mid", "top"], n), ["top", "low", "mid"]),
            "w": rng.uniform(0.5, 2, n),
            "flag": rng.integers(0, 2, n).astype(bool),
        }
    )
    a, b, c = rng.normal(size=40), rng.normal(size=40), rng.normal(size=8)
    data["y"] = 1 + data.x / 2 + a[g] + 0.4 * b[g] * data.x + c[h] + rng.normal(size=n)
    return data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return made_data()


@pytest.fixture(scope="module")
def path(data, tmp_path_factory):
    where = tmp_path_factory.mktemp("streams") / "data.parquet"
    pq.write_table(pa.Table.from_pandas(data), where, row_group_size=700)
    return where


def same_fit(streamed, whole, digits: float = 1e-10) -> None:
    assert streamed.nobs == whole.nobs
    assert streamed.objective == pytest.approx(whole.objective, rel=digits)
    assert list(streamed.params.index) == list(whole.params.index)
    off = np.abs(streamed.params - whole.params) / whole.bse
    assert off.max() < 1e-8
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-8)
    np.testing.assert_allclose(streamed.theta, whole.theta, rtol=1e-7, atol=1e-8)
    assert streamed.sigma == pytest.approx(whole.sigma, rel=1e-9)
    assert streamed.converged == whole.converged
    for name, table in whole.ranef().items():
        assert table.index.equals(streamed.ranef()[name].index)
        np.testing.assert_allclose(streamed.ranef()[name], table, rtol=1e-6, atol=1e-7)


MODELS = {
    "scalar": "y ~ x + (1 | g)",
    "vector": "y ~ x * f + (1 + x | g)",
    "crossed": "y ~ x + f + (1 + x | g) + (1 | h)",
    "apart": "y ~ x + (1 + x || g)",
    "nested": "y ~ x + (1 | h / g)",
    "interaction": "y ~ flag + (1 | g:h) + (0 + x | h)",
    "categorical effects": "y ~ x + (0 + f | g)",
    "expressions": "np.log(y + 50) ~ np.exp(-x) + C(g > 20) + (1 | h)",
    "transforms": "y ~ center(x) + I(x ** 2) + standardize(w) + (center(x) | g)",
    "spline": "y ~ bs(x, knots=[2, 4], lower_bound=-2, upper_bound=8) + (1 | g)",
    "offset": "y ~ x + offset(w / 2) + (1 | g)",
    "structure": "y ~ x + cs(0 + f | g)",
    "aliased": "y ~ x + I(2 * x) + f + (1 | g)",
    "no intercept": "y ~ 0 + x + (1 | g)",
}


@pytest.mark.parametrize("formula", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("reml", [False, True])
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.RankWarning")
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
def test_a_streamed_fit_is_that_of_the_data_in_memory(formula, reml, data, path):
    whole = mixedlm2(formula, data).fit(reml=reml)
    streamed = mixedlm2(formula, path, batch_rows=450).fit(reml=reml)
    same_fit(streamed, whole)
    assert streamed.report.evaluations == whole.report.evaluations
    assert streamed.summary().as_text() == whole.summary().as_text()


def test_weights_and_offsets_are_columns_or_expressions(data, path):
    options = {"weights": "w * 2", "offset": "x"}
    whole = mixedlm2("y ~ f + (1 | g)", data, **options).fit()
    same_fit(mixedlm2("y ~ f + (1 | g)", path, **options, batch_rows=999).fit(), whole)
    options = {"weights": "w", "subset": "x > 2.5"}
    whole = mixedlm2("y ~ f + (1 | g)", data, **options).fit()
    streamed = mixedlm2("y ~ f + (1 | g)", path, **options, batch_rows=999).fit()
    same_fit(streamed, whole)
    new = data.head(20)
    np.testing.assert_allclose(
        streamed.get_prediction(new).summary_frame(),
        whole.get_prediction(new).summary_frame(),
        rtol=1e-8,
    )


@pytest.mark.filterwarnings("ignore:invalid value")
def test_missing_values_are_left_out_and_counted(data, tmp_path):
    data = data.astype({"g": "Int64"}).copy()
    data.loc[data.index % 11 == 0, "x"] = np.nan
    data.loc[data.index % 13 == 0, "g"] = pd.NA
    data.loc[data.g == 7, "y"] = np.nan  # a level without rows
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "some.parquet")
    table = pq.read_table(tmp_path / "some.parquet")
    formula = "y ~ np.log(x) + (1 | g)"  # has no value where x is negative
    whole = mixedlm2(formula, table).fit()
    streamed = mixedlm2(formula, tmp_path / "some.parquet", batch_rows=100).fit()
    same_fit(streamed, whole)
    assert streamed.layout.n_dropped == whole.layout.n_dropped
    assert streamed.summary().as_text() == whole.summary().as_text()


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.SingularFitWarning")
def test_labels_of_levels_that_come_late_are_in_their_order(tmp_path):
    data = made_data().sort_values(["h", "g"], ascending=False)
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "sorted.parquet")
    formula = "y ~ h + C(g) + (1 | h:g)"
    whole = mixedlm2(formula, data).fit()
    same_fit(mixedlm2(formula, tmp_path / "sorted.parquet", batch_rows=64).fit(), whole)


def test_a_large_mean_costs_no_digits(tmp_path):
    data = made_data()
    data["y"] += 1e9
    data["x"] += 1e6
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "large.parquet")
    whole = mixedlm2("y ~ x + (1 | g)", data).fit()
    streamed = mixedlm2("y ~ x + (1 | g)", tmp_path / "large.parquet", batch_rows=100).fit()
    assert streamed.objective == pytest.approx(whole.objective, rel=1e-9)
    assert streamed.sigma == pytest.approx(whole.sigma, rel=1e-8)
    assert streamed.params["x"] == pytest.approx(whole.params["x"], abs=1e-6 * whole.bse["x"])


def test_hardly_any_residual_is_computed_with_twice_the_digits(tmp_path):
    data = made_data()
    rng = np.random.default_rng(3)
    data["y"] = data.x + rng.normal(size=40)[data.g] + 1e-5 * rng.normal(size=len(data))
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "small.parquet")
    whole = mixedlm2("y ~ x + (1 | g)", data).fit()
    streamed = mixedlm2("y ~ x + (1 | g)", tmp_path / "small.parquet", batch_rows=256).fit()
    assert streamed.objective == pytest.approx(whole.objective, rel=1e-9)
    assert streamed.sigma == pytest.approx(whole.sigma, rel=1e-7)


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom_need_no_rows(dof, data, path):
    formula = "y ~ x + f + (1 + x | g)"
    whole = mixedlm2(formula, data).fit(reml=True, dof=dof)
    streamed = mixedlm2(formula, path, batch_rows=1000).fit(reml=True, dof=dof)
    np.testing.assert_allclose(streamed.pvalues, whole.pvalues, rtol=1e-6)
    np.testing.assert_allclose(streamed.bse, whole.bse, rtol=1e-9)


def test_kinds_of_sources(data, path, tmp_path):
    whole = mixedlm2("y ~ x + f + (1 | h)", data).fit()
    table = pa.Table.from_pandas(data)
    ds.write_dataset(
        table, tmp_path / "folder", format="parquet", max_rows_per_file=800, max_rows_per_group=800
    )
    plain = data.drop(columns="f").assign(f=data.f.astype(str))
    plain.to_csv(tmp_path / "data.csv", index=False)
    plain.to_feather(tmp_path / "data.arrow")
    for source in (ds.dataset(table), str(path), tmp_path / "folder"):
        same_fit(mixedlm2("y ~ x + f + (1 | h)", source, batch_rows=500).fit(), whole)
    whole = mixedlm2("y ~ x + f + (1 | h)", plain).fit()
    for source in (tmp_path / "data.csv", tmp_path / "data.arrow"):
        same_fit(mixedlm2("y ~ x + f + (1 | h)", source).fit(), whole)


def test_groups_as_statsmodels_takes_them(data, path):
    whole = mixedlm2("y ~ x", data, groups="g", re_formula="~x").fit()
    same_fit(mixedlm2("y ~ x", path, groups="g", re_formula="~x").fit(), whole)


def test_the_model_says_what_it_is(path):
    model = mixedlm2("y ~ x + (1 | g)", path)
    assert repr(model) == "<StreamedLinearMixedModel: y ~ 1 + x + (1 | g); 3000 rows>"
    assert model.objective([0.7]) == pytest.approx(
        mixedlm2("y ~ x + (1 | g)", made_data()).objective([0.7])
    )


WHOLE_COLUMNS = {
    "x - np.mean(x)": r"np\.mean\(\) looks at the whole column",
    "x.shift(1)": r"'x\.shift\(1\)' cannot be computed.*x\.shift\(\)",
    "x.rank()": r"x\.rank\(\)",
    "pd.cut(x, 3)": r"pd\.cut\(\)",
    "bs(x, df=4)": r"bs\(\) takes its knots from the whole column.*knots=",
    "cr(x, df=4)": r"cr\(\) takes its knots",
}


@pytest.mark.parametrize("code", WHOLE_COLUMNS)
def test_functions_of_a_whole_column_are_named(code, path):
    with pytest.raises(DataError, match=WHOLE_COLUMNS[code]):
        mixedlm2(f"y ~ I({code}) + (1 | g)" if "-" in code else f"y ~ {code} + (1 | g)", path)


def test_what_is_not_possible_is_said_first(data, path, tmp_path):
    with pytest.raises(DataError, match="no file or directory"):
        mixedlm2("y ~ x + (1 | g)", "nowhere.parquet")
    (tmp_path / "note.txt").write_text("nothing")
    with pytest.raises(DataError, match="can be read"):
        mixedlm2("y ~ x + (1 | g)", tmp_path / "note.txt")
    with pytest.raises(UnknownColumnError, match="'z'"):
        mixedlm2("y ~ z + (1 | g)", path)
    with pytest.raises(OptionError, match="weights= must be a column"):
        mixedlm2("y ~ x + (1 | g)", path, weights=data.w)
    with pytest.raises(OptionError, match="subset= must be a query"):
        mixedlm2("y ~ x + (1 | g)", path, subset=data.x > 1)
    with pytest.raises(DataError, match="by itself"):
        mixedlm2("y ~ x + (1 | g)", path, subset="x > x.mean()")
    with pytest.raises(OptionError, match="batch_rows= is for data"):
        mixedlm2("y ~ x + (1 | g)", data, batch_rows=100)
    with pytest.raises(OptionError, match="positive number"):
        mixedlm2("y ~ x + (1 | g)", path, batch_rows=0)
    with pytest.raises(OptionError, match="residual="):
        mixedlm2("y ~ x", path, residual="ar1(x | g)")
    with pytest.raises(DataError, match="holds labels"):
        mixedlm2("h ~ x + (1 | g)", path)
    with pytest.raises(DataError, match="is constant"):
        mixedlm2("I(0 * y) ~ x + (1 | g)", path)
    with pytest.raises(DataError, match="as many levels as there are rows"):
        mixedlm2("y ~ x + (1 | w)", path).fit()


def test_what_needs_rows_names_the_file_that_has_them(path):
    fit = mixedlm2("y ~ x + (1 | g)", path).fit()
    for needed in ("resid", "fittedvalues"):
        with pytest.raises(DataError, match="write_parquet"):
            getattr(fit, needed)
    for method in ("augment", "leverage", "simulate", "predict", "cooks_distance"):
        with pytest.raises(DataError, match="write_parquet"):
            getattr(fit, method)()


def test_values_of_rows_go_to_a_file(data, path, tmp_path):
    data = data.copy()
    data.loc[data.index % 10 == 3, "x"] = np.nan
    pq.write_table(pa.Table.from_pandas(data), tmp_path / "in.parquet")
    formula = "y ~ x + f + offset(w) + (1 + x | g) + (1 | h)"
    whole = mixedlm2(formula, data, weights="w").fit().augment()
    fit = mixedlm2(formula, tmp_path / "in.parquet", weights="w", batch_rows=640).fit()
    out = tmp_path / "out.parquet"
    assert fit.write_parquet(out, columns=["g", "flag"], leverage=True) == out
    written = pd.read_parquet(out)
    assert list(written) == ["g", "flag", ".row", ".fitted", ".fixed", ".resid", ".hat"]
    assert (written[".row"] == whole.index).all()
    assert (written.flag.to_numpy() == data.flag[whole.index]).all()
    for name in (".fitted", ".fixed", ".resid", ".hat"):
        np.testing.assert_allclose(written[name], whole[name], rtol=1e-7, atol=1e-9)
    assert list(tmp_path.glob(".*")) == []


def test_a_file_appears_when_it_is_complete(path, tmp_path, monkeypatch):
    fit = mixedlm2("y ~ x + (1 | g)", path, batch_rows=500).fit()
    out = tmp_path / "out.parquet"
    out.write_text("before")
    with pytest.raises(UnknownColumnError, match="'q'"):
        fit.write_parquet(out, columns=["q"])

    def fails(*args, **kwargs):
        raise RuntimeError("in the middle")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fails)
    with pytest.raises(RuntimeError, match="in the middle"):
        fit.write_parquet(out)
    assert [each.name for each in tmp_path.iterdir()] == ["out.parquet"]
    assert out.read_text() == "before"


def test_a_classic(tmp_path):
    # lme4's documentation: fm1 <- lmer(Reaction ~ Days + (Days | Subject), sleepstudy)
    pq.write_table(pa.Table.from_pandas(datasets.load("sleepstudy")), tmp_path / "sleep.parquet")
    fit = mixedlm2("reaction ~ days + (days | subj)", tmp_path / "sleep.parquet").fit(reml=True)
    assert fit.objective == pytest.approx(1743.6283, abs=1e-4)
    assert fit.params.to_numpy() == pytest.approx([251.405, 10.467], abs=1e-3)
    assert fit.bse.to_numpy() == pytest.approx([6.825, 1.546], abs=1e-3)


def test_memory_that_runs_out_is_said_before_it_does(path, monkeypatch):
    monkeypatch.setattr("statsmodels_mixed.streams.reduce.available_memory", lambda: 1000)
    with pytest.raises(MemoryError, match="0 combinations of levels have occurred in 0 rows"):
        mixedlm2("y ~ x + (1 | g) + (1 | h)", path)


def test_the_iterative_solver_takes_the_same_rows(data, path):
    formula = "y ~ x + (1 + x | g) + (1 | h)"
    whole = mixedlm2(formula, data).fit(solver="iterative", seed=3)
    streamed = mixedlm2(formula, path, batch_rows=800).fit(solver="iterative", seed=3)
    assert streamed.params["x"] == pytest.approx(whole.params["x"], abs=1e-5 * whole.bse["x"])
    np.testing.assert_allclose(streamed.theta, whole.theta, rtol=1e-5)


def test_a_bar_for_each_pass(path, capsys):
    mixedlm2("y ~ center(x) + (1 | g)", path, progress=True)
    assert capsys.readouterr().err.count("3000/3000") >= 3
