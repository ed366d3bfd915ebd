"""Generalized models of data that are read by batches: the fits are those of the data in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest
import statsmodels.api as sm

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.errors import DataError, OptionError

FAMILIES = sm.families


def _table(n: int = 600) -> pd.DataFrame:
    """Rows with crossed and nested factors, in no order of their levels."""
    rng = np.random.default_rng(20)
    g, h = rng.integers(25, size=n), rng.integers(12, size=n)
    x = rng.normal(size=n)
    f = rng.choice(["a", "b", "c"], size=n)
    eta = 0.4 + 0.3 * x + 0.5 * (f == "b") + 0.6 * rng.normal(size=25)[g]
    eta += 0.4 * rng.normal(size=12)[h] + 0.3 * rng.normal(size=25)[g] * x
    trials = rng.integers(1, 8, size=n)
    mean = np.exp(eta)
    table = {
        "g": [f"g{each:02d}" for each in g],
        "h": h,
        "f": f,
        "x": x,
        "log_t": rng.normal(scale=0.3, size=n),
        "w": rng.integers(1, 4, size=n).astype(float),
        "trials": trials.astype(float),
        "count": rng.poisson(mean),
        "many": rng.negative_binomial(3, 3 / (3 + mean)),
        "size": rng.gamma(2.0, mean / 2.0),
        "normal": eta + rng.normal(size=n),
        "hit": (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int),
    }
    hits = rng.binomial(trials, 1 / (1 + np.exp(-eta)))
    table["hits"], table["misses"] = hits, trials - hits
    table["share"] = hits / trials
    return pd.DataFrame(table)


TABLE = _table()
GAMMA = FAMILIES.Gamma(FAMILIES.links.Log())
PROBIT = FAMILIES.Binomial(FAMILIES.links.Probit())
CLOGLOG = FAMILIES.Binomial(FAMILIES.links.CLogLog())
MODELS = {
    "scalar": ("count ~ x + f + (1 | g)", "poisson", {}, {}),
    "crossed": ("hit ~ x + f + (1 | g) + (1 | h)", "binomial", {}, {}),
    "nested": ("count ~ x + (1 | h/g)", "poisson", {}, {}),
    "slopes": ("count ~ x + (x | g) + (1 | h)", "poisson", {}, {}),
    "three factors": ("hit ~ x + (1 | g) + (1 | h) + (0 + x | f)", "binomial", {}, {}),
    "zero correlation": ("count ~ x + (x || g)", "poisson", {}, {}),
    "offset": ("count ~ x + (1 | g) + (1 | h)", "poisson", {"offset": "log_t"}, {}),
    "exposure": ("count ~ x + (1 | g)", "poisson", {"exposure": "w"}, {}),
    "weights": ("count ~ x + (1 | g)", "poisson", {"weights": "w"}, {}),
    "trials": ("share ~ x + (x | g)", "binomial", {"weights": "trials"}, {}),
    "two columns": ("hits + misses ~ x + (1 | g) + (1 | h)", "binomial", {}, {}),
    "dispersion": ("size ~ x + (1 | g) + (1 | h)", GAMMA, {}, {}),
    "observed": ("size ~ x + (x | g)", GAMMA, {"weights": "w"}, {"hessian": "observed"}),
    "alpha": ("many ~ x + (1 | g) + (1 | h)", "negative_binomial", {}, {}),
    "normal": ("normal ~ x + (x | g)", "gaussian", {}, {}),
    "other weights": ("hit ~ x + (1 | g) + (1 | h)", PROBIT, {}, {}),
    "skewed": ("hit ~ x + (1 | g) + (1 | h)", CLOGLOG, {}, {"hessian": "observed"}),
    "fast": ("hit ~ x + f + (1 | g) + (1 | h)", "binomial", {}, {"fast": True}),
    "fast with dispersion": ("size ~ x + (x | g)", GAMMA, {}, {"fast": True}),
    "transforms": ("count ~ center(x) + C(f, Sum) + (1 | g)", "poisson", {}, {}),
    "far from zero": ("count ~ z + (z | g)", "poisson", {}, {}),
}


def _streamed(table: pd.DataFrame) -> pyarrow.dataset.Dataset:
    return pyarrow.dataset.dataset(pa.Table.from_pandas(table, preserve_index=False))


def _both(formula, family, table=TABLE, making=None, fitting=None, batch_rows=211):
    making, fitting = making or {}, fitting or {}
    memory = mixedglm2(formula, table, family, **making).fit(**fitting)
    model = mixedglm2(formula, _streamed(table), family, batch_rows=batch_rows, **making)
    return memory, model.fit(**fitting)


@pytest.mark.parametrize("name", MODELS)
def test_fits_are_those_of_memory(name):
    formula, family, making, fitting = MODELS[name]
    table = TABLE.assign(z=TABLE["x"] + 30.0)
    memory, streamed = _both(formula, family, table, making, fitting)
    assert abs(streamed.objective - memory.objective) < 1e-10 * abs(memory.objective)
    assert streamed.converged
    np.testing.assert_allclose(streamed.params, memory.params, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(streamed.bse, memory.bse, rtol=1e-5)
    np.testing.assert_allclose(streamed.theta, memory.theta, rtol=1e-4, atol=1e-5)
    assert abs(streamed.deviance - memory.deviance) < 1e-5 * abs(memory.deviance)
    assert abs(streamed.dispersion - memory.dispersion) < 1e-5 * memory.dispersion
    assert streamed.report.evaluations == memory.report.evaluations


NEW = {"x": [0.0, 1.0], "f": ["a", "b"], "g": ["g01", "new"], "h": [1, 2], "w": [1.0, 2.0]}
FOLLOWS = {
    "tidy": lambda fit: fit.tidy(),
    "glance": lambda fit: fit.glance(),
    "modes with errors": lambda fit: fit.ranef(se=True)["g"],
    "conditional variances": lambda fit: fit.condvar()["g"].reshape(-1, 4),
    "anova": lambda fit: fit.anova(),
    "prediction": lambda fit: fit.get_prediction(
        NEW, re=True, new_levels="population"
    ).summary_frame(),
    "marginal means": lambda fit: fit.emmeans("f", at={"x": [0.5, 1]}).to_frame(),
    "pairs": lambda fit: fit.t_test_pairwise("f").result_frame,
    "joint tests": lambda fit: fit.joint_tests(),
    "errors of the whole Hessian": lambda fit: fit.with_inference(cov_type="hessian").tidy(),
    "components": lambda fit: fit.varcorr.to_frame(),
}


@pytest.fixture(scope="module")
def fits():
    return _both("count ~ x + f + (x | g) + (1 | h)", "poisson", batch_rows=250)


def _numbers(table) -> np.ndarray:
    table = pd.DataFrame(table).select_dtypes("number")
    return table.to_numpy(dtype=float, na_value=np.nan)


@pytest.mark.parametrize("what", FOLLOWS)
def test_what_needs_no_rows_is_that_of_memory(what, fits):
    whole, streamed = (FOLLOWS[what](fit) for fit in fits)
    np.testing.assert_allclose(_numbers(streamed), _numbers(whole), rtol=1e-6, atol=1e-9)


def test_the_summary_is_the_same(fits):
    assert str(fits[1].summary()) == str(fits[0].summary())
    assert str(fits[1].check()) == str(fits[0].check())


def test_the_rows_pass_by_a_few_times_for_an_evaluation():
    fit = mixedglm2("hit ~ x + (1 | g)", _streamed(TABLE), "binomial").fit()
    assert 3 * fit.report.evaluations < fit.passes < 6 * fit.report.evaluations


def test_models_are_compared(fits):
    smaller = [fit.update(". ~ . - (1 | h)").fit() for fit in fits]
    ours, theirs = (fit.compare_lr_test(less) for fit, less in zip(fits, smaller, strict=True))
    assert ours == pytest.approx(theirs, rel=1e-7)
    with pytest.raises(OptionError, match="data in memory"):
        fits[1].compare_lr_test(smaller[0])


@pytest.mark.parametrize("name", ["slopes", "trials", "observed", "other weights"])
def test_values_of_rows_are_written(name, tmp_path):
    formula, family, making, fitting = MODELS[name]
    memory, streamed = _both(formula, family, TABLE, making, fitting, batch_rows=250)
    table = pd.read_parquet(streamed.write_parquet(tmp_path / "rows.parquet", leverage=True))
    np.testing.assert_array_equal(table[".row"], np.arange(len(TABLE)))
    np.testing.assert_allclose(table[".fitted"], memory.fittedvalues, rtol=1e-4)
    np.testing.assert_allclose(table[".fixed"], memory.predict(), rtol=1e-4)
    np.testing.assert_allclose(table[".resid"], memory.resid, atol=1e-3)
    np.testing.assert_allclose(table[".hat"], memory.leverage(), rtol=1e-3)


def test_text_labels_and_missing_values():
    table = TABLE.assign(
        answer=np.where(TABLE["hit"] == 1, "yes", "no"), x=TABLE["x"].where(TABLE["x"] < 2.0)
    )
    memory, streamed = _both("answer ~ x + (1 | g)", "binomial", table)
    assert streamed.n_dropped == memory.n_dropped > 0
    assert streamed.objective == pytest.approx(memory.objective, rel=1e-12)
    assert streamed.model.success == "yes"


def test_dependent_columns_are_dropped():
    with pytest.warns(match="rank deficient"):
        memory, streamed = _both("count ~ x + I(2 * x) + f + (1 | g)", "poisson")
    assert streamed.columns_dropped == memory.columns_dropped == ["I(2 * x)"]
    assert streamed.objective == pytest.approx(memory.objective, rel=1e-12)


def test_a_suspicion_of_separation_is_said():
    table = TABLE.assign(z=TABLE["hit"] * (np.arange(len(TABLE)) % 2))
    fit = mixedglm2("hit ~ x + z + (1 | g)", _streamed(table), "binomial").fit()
    assert "the standard errors of z are so large" in str(fit.summary())


def test_other_sources_give_the_same_fit(fits, tmp_path):
    formula = "count ~ x + f + (x | g) + (1 | h)"
    TABLE.to_parquet(tmp_path / "rows.parquet", row_group_size=200)
    polars = pytest.importorskip("polars")
    for data in (tmp_path / "rows.parquet", polars.from_pandas(TABLE).lazy()):
        fit = mixedglm2(formula, data, "poisson", batch_rows=250).fit()
        assert fit.objective == pytest.approx(fits[0].objective, rel=1e-12)


def test_what_needs_rows_is_refused(fits):
    for what in ("resid", "fittedvalues", "resid_pearson"):
        with pytest.raises(DataError, match="write_parquet"):
            getattr(fits[1], what)
    for method in ("augment", "leverage", "simulate", "predict", "profile", "influence", "r2"):
        with pytest.raises(DataError, match="read by batches"):
            getattr(fits[1], method)()
    for method in ("drop1", "ranova"):
        with pytest.raises(DataError, match="read by batches"):
            getattr(fits[1], method)()


REFUSED = {
    "quadrature": ({}, {"n_agq": 5}, "n_agq=5 needs all rows"),
    "iterative": ({}, {"solver": "iterative"}, "solver="),
    "link": ({"family": sm.families.Poisson(sm.families.links.Sqrt())}, {}, "sqrt|power"),
    "own family": ({"family": "nbinom1"}, {}, "needs all rows"),
    "information": ({}, {"hessian": "exact"}, "'expected' or 'observed'"),
    "clusters": ({}, {"cov_type": "cluster", "cov_kwds": {"groups": "g"}}, "read by batches"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_options_that_need_rows_are_refused(what):
    making, fitting, message = REFUSED[what]
    making = {"family": "poisson", **making}
    with pytest.raises((OptionError, DataError), match=message):
        mixedglm2("count ~ x + (1 | g)", _streamed(TABLE), **making).fit(**fitting)


def test_responses_outside_of_the_family_are_refused():
    data = _streamed(TABLE.assign(zero=0, one=1))
    for formula, family, message in (
        ("normal ~ x + (1 | g)", "poisson", "is negative"),
        ("zero ~ x + (1 | g)", "poisson", "is 0 in every row"),
        ("one ~ x + (1 | g)", "binomial", "is 1 in every row"),
        ("share ~ x + (1 | g)", "binomial", "neither 0 nor 1"),
    ):
        with pytest.raises(DataError, match=message):
            mixedglm2(formula, data, family, batch_rows=100)
    with pytest.raises(OptionError, match="formulas for zeros"):
        mixedglm2("count ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1")
    with pytest.raises(OptionError, match="batch_rows="):
        mixedglm2("count ~ x + (1 | g)", TABLE, "poisson", batch_rows=100)


def test_a_file_that_has_changed_is_noticed(tmp_path):
    path = tmp_path / "rows.parquet"
    TABLE.to_parquet(path)
    model = mixedglm2("count ~ x + (1 | g)", path, "poisson")
    TABLE.assign(g="other").to_parquet(path)
    with pytest.raises(DataError, match="has changed since"):
        model.fit()


@pytest.mark.parametrize("passes", [0, 12, 20])
def test_what_a_batch_raises_ends_the_fit(passes):
    """In the passes for the start, and in those of C."""
    model = mixedglm2("count ~ x + (1 | g)", _streamed(TABLE), "poisson")
    source, left = model.outline.source, [passes]

    def read(names):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return source.read(names)

    model.outline.source = replace(source, read=read)
    with pytest.raises(KeyboardInterrupt):
        model.fit()
    model.outline.source = source
    assert model.fit().converged
