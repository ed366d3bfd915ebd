"""The cases bootstrap: replicates are fits to data with levels left out and copied."""

from __future__ import annotations

import _thread
import threading
import time
import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from statsmodels.genmod.families import links

from statsmodels_mixed import MixedModelWarning, datasets
from statsmodels_mixed.bootstrap.cases import CaseRefitter, cases_of
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.inference import Bootstrap, bootstrap
from statsmodels_mixed.simulation.simulator import truth_of
from statsmodels_mixed.simulation.streams import read_seed, stream

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
PROPORTION = "incid / hsz ~ period + (1 | herd)"
BINOMIAL = {"family": sm.families.Binomial(), "weights": "hsz"}
GAMMA = {"family": sm.families.Gamma(links.Log()), "offset": "small"}

# Name: data, formula, options of the model, options of the fit, factor whose levels are drawn,
# and the columns that name its levels; of factors within it, the columns that name theirs.
MODELS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], str, str]] = {
    "dyestuff": ("dyestuff", "yield ~ 1 + (1 | batch)", {}, {}, "batch", "batch"),
    "slope": ("sleepstudy", SLEEP, {}, {}, "subj", "subj"),
    "reml": ("sleepstudy", SLEEP, {}, {"reml": True}, "subj", "subj"),
    "weights": ("sleepstudy", SLEEP, {"weights": "w"}, {}, "subj", "subj"),
    "offset": ("sleepstudy", SLEEP, {"offset": "off"}, {}, "subj", "subj"),
    "sigma": ("sleepstudy", SLEEP, {}, {"sigma": 20.0}, "subj", "subj"),
    "dropped": (
        "sleepstudy",
        SLEEP.replace("1 + days +", "days + twice +"),
        {},
        {},
        "subj",
        "subj",
    ),
    "nested": ("pastes", "strength ~ 1 + (1 | batch / cask)", {}, {}, "batch", "batch"),
    "inner": ("pastes", "strength ~ 1 + (1 | batch / cask)", {}, {}, "batch & cask", "cask"),
    "crossed": (
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        {},
        {},
        "plate",
        "plate",
    ),
    "binomial": ("cbpp", PROPORTION, BINOMIAL, {}, "herd", "herd"),
    "quadrature": ("cbpp", PROPORTION, BINOMIAL, {"n_agq": 5}, "herd", "herd"),
    "gamma": ("sleepstudy", "reaction ~ days + (1 | subj)", GAMMA, {}, "subj", "subj"),
}
LINEAR = [name for name, model in MODELS.items() if "family" not in model[2]]


def data_of(name: str) -> pd.DataFrame:
    data = datasets.load(name)
    if name == "sleepstudy":
        data = data.assign(
            w=1.0 + data["days"] % 3,
            off=0.5 * data["days"] ** 2,
            small=0.01 * data["days"],
            twice=2.0 * data["days"],
        )
    return data


def fit(name: str, data: pd.DataFrame) -> Any:
    _, formula, options, how, _, _ = MODELS[name]
    constructor = smf.mixedglm2 if "family" in options else smf.mixedlm2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        return constructor(formula, data, **options).fit(**how)


@cache
def fitted(name: str) -> Any:
    return fit(name, data_of(MODELS[name][0]))


def drawn_levels(result: Any, n: int, seed: int, by: str) -> np.ndarray:
    """Return the levels of the first replicates of a bootstrap, which share a stream."""
    cases = cases_of(result.kept_design(), by)
    assert n <= cases.stream_length
    return cases.draw(stream(read_seed(seed), 0), n)


def copied(result: Any, name: str, drawn: np.ndarray) -> pd.DataFrame:
    """Return data in which levels are repeated under names of their own."""
    source, _, _, _, by, column = MODELS[name]
    data = data_of(source)
    block = next(block for block in result.kept_design().blocks if block.name == by)
    parts = []
    for copy, level in enumerate(drawn):
        rows = data[block.refs == level]
        parts.append(rows.assign(**{column: f"copy {copy:03}"}))
    return pd.concat(parts, ignore_index=True)


def assert_is_fit(row: pd.Series, again: Any) -> None:
    assert_allclose(row[("objective", "")], again.objective, rtol=1e-9, atol=1e-7)
    assert_allclose(row["beta"], again.params, rtol=2e-4, atol=2e-4 * again.bse.max())
    assert_allclose(row["theta"], again.theta, rtol=2e-3, atol=1e-3)
    covariance = getattr(again.estimates, "cov_conditional", None)
    se = again.bse if covariance is None else np.sqrt(np.diag(covariance))
    assert_allclose(row["se"], np.asarray(se)[again.estimates.columns], rtol=2e-3)
    if "sigma" in row:
        assert_allclose(row[("sigma", "")], again.sigma, rtol=1e-4)
    if "dispersion" in row:
        assert_allclose(row[("dispersion", "")], again.dispersion, rtol=1e-3)


@pytest.mark.parametrize("name", MODELS)
def test_a_replicate_is_a_fit_to_copied_data(name):
    result, by, n = fitted(name), MODELS[name][4], 4
    boot = bootstrap(result, n, kind="cases", by=by, seed=23)
    for r, drawn in enumerate(drawn_levels(result, n, 23, by)):
        again = fit(name, copied(result, name, drawn))
        assert_is_fit(boot.frame.loc[r], again)
        assert boot.converged[r] == again.converged
        assert boot.singular[r] == again.issingular()
    assert len(np.unique(boot.values[:, 0])) == n


@pytest.mark.parametrize("name", MODELS)
def test_every_level_once_is_the_fit(name):
    result = fitted(name)
    cases = cases_of(result.kept_design(), MODELS[name][4])
    order = np.random.default_rng(1).permutation(len(cases.count))
    refitter = CaseRefitter(cases, result.estimates, truth_of(result.estimates))
    fits = refitter.fitter()(order[None, :], np.zeros(1, dtype=np.int32))
    assert_allclose(fits.objective, result.objective, rtol=1e-10)
    assert_allclose(fits.beta[0], result.estimates.beta, rtol=1e-5, atol=1e-5 * result.bse.max())
    assert_allclose(fits.theta[0], result.theta, rtol=1e-3, atol=1e-4)
    assert fits.converged.all()


def test_coefficients_of_a_balanced_layout_are_means_of_the_levels_drawn():
    result = fitted("dyestuff")
    boot = bootstrap(result, 4, kind="cases", seed=7)
    data = datasets.load("dyestuff")
    means = data.groupby("batch", observed=True)["yield"].mean().to_numpy()
    drawn = drawn_levels(result, 4, 7, "batch")
    assert_allclose(boot.frame[("beta", "Intercept")], means[drawn].mean(axis=1), rtol=1e-9)


def test_levels_are_drawn_evenly_and_independently():
    cases = cases_of(fitted("slope").kept_design(), None)
    drawn = cases.draw(np.random.default_rng(3), 4000)
    assert drawn.shape == (4000, 18)
    expected = 4000.0
    counts = np.bincount(drawn.ravel(), minlength=18)
    assert np.sum((counts - expected) ** 2) / expected < 42.0  # chi-squared, 17 df: p = 7e-4
    pairs = np.bincount(18 * drawn[:, 0] + drawn[:, 1], minlength=18 * 18)
    expected = 4000 / 18**2
    assert np.sum((pairs - expected) ** 2) / expected < 410.0  # 323 df: p = 8e-4


def test_levels_within_another_factor_are_drawn_from_within_it():
    result = fitted("inner")
    cases = cases_of(result.kept_design(), "batch & cask")
    batch = np.repeat(np.arange(10), 3)  # three casks in each, in their order
    drawn = cases.draw(np.random.default_rng(5), 50)
    for one in drawn:
        assert_array_equal(np.sort(batch[one]), batch)
    assert len({tuple(np.sort(one)) for one in drawn}) == 50
    sample = cases.sample(drawn[0])
    casks, batches = sample.blocks
    assert len(casks.levels) == 30 and len(batches.levels) == 10
    assert len(np.unique(casks.refs)) == 30


def test_copies_of_a_level_have_inner_levels_of_their_own():
    cases = cases_of(fitted("nested").kept_design(), None)
    assert cases.by == "batch"
    sample = cases.sample(np.zeros(10, dtype=np.intp))
    casks, batches = sample.blocks
    assert len(np.unique(casks.refs)) == len(casks.levels) == 30
    assert len(np.unique(batches.refs)) == len(batches.levels) == 10
    assert_array_equal(np.unique(batches.refs[np.argsort(casks.refs)], return_counts=True)[1], 6)


def test_copies_of_a_level_share_those_of_a_crossed_factor():
    design = fitted("crossed").kept_design()
    sample = cases_of(design, "plate").sample(np.zeros(24, dtype=np.intp))
    plates, samples = sample.blocks
    assert len(np.unique(plates.refs)) == 24
    assert_array_equal(np.bincount(samples.refs), np.full(6, 24))


# Samples that lose a column of X.


def groups(first: int) -> pd.DataFrame:
    """Subjects of three kinds, `first` of the first kind."""
    rng = np.random.default_rng(11)
    kinds = ["a"] * first + ["b"] * 5 + ["c"] * 5
    rows = [
        {"g": f"s{i:02}", "kind": kind, "x": x, "y": effect + x + rng.normal()}
        for i, kind in enumerate(kinds)
        for effect in [rng.normal() + 2.0 * (kind == "b")]
        for x in rng.normal(size=6)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("family", [None, sm.families.Gaussian()])
def test_a_coefficient_that_a_sample_cannot_tell_is_nan(family):
    constructor = smf.mixedlm2 if family is None else smf.mixedglm2
    options = {} if family is None else {"family": family}
    data = groups(1)
    result = constructor("y ~ x + kind + (1 | g)", data, **options).fit()
    cases = cases_of(result.kept_design(), None)
    refitter = CaseRefitter(cases, result.estimates, truth_of(result.estimates))
    names = [str(level) for level in result.kept_design().blocks[0].levels]
    without_a = [i for i, name in enumerate(names) if name != "s00"] + [1]
    without_c = [i for i in range(11) if i < 6] + [1, 2, 3, 4, 5]
    draws = np.array([without_a, without_c])
    fits = refitter.fitter()(draws, np.zeros(1, dtype=np.int32))
    # Intercept, kind[T.b], kind[T.c], x
    at = {name: i for i, name in enumerate(result.params.index)}
    lost = {name: np.isnan(fits.beta[:, i]).tolist() for name, i in at.items()}
    b, c = (next(name for name in at if name.endswith(f"{one}]")) for one in "bc")
    # without the reference level no difference from it has its meaning, nor the intercept
    assert lost == {"Intercept": [True, False], b: [True, False], c: [True, True], "x": [False] * 2}
    for r, drawn in enumerate(draws):
        rows = [data[data["g"] == names[i]].assign(g=f"c{k:02}") for k, i in enumerate(drawn)]
        again = constructor("y ~ x + kind + (1 | g)", pd.concat(rows), **options).fit()
        assert_allclose(fits.objective[r], again.objective, rtol=1e-9)
        known = [name for name in at if not lost[name][r]]
        assert_allclose(fits.beta[r, [at[k] for k in known]], again.params[known], rtol=1e-4)
        unknown = np.isnan(fits.beta[r])
        assert_array_equal(np.isnan(fits.covariance[r]), unknown[:, None] | unknown)
    boot = bootstrap(result, 60, kind="cases", seed=2)
    count = boot.conf_int(kinds="beta")["replicates"]
    assert count[("beta", "x")] == 60
    assert 0 < count[("beta", "Intercept")] < 60
    assert_array_equal(boot.frame["beta"].isna(), boot.frame["se"].isna())


def test_a_sample_that_cannot_be_fitted_is_nan():
    # of one subject drawn twice the covariate is the response, and nothing is left to fit
    data = pd.DataFrame({"g": ["a"] * 4 + ["b"] * 4, "x": [1.0, 2, 3, 5, 1, 4, 2, 0]})
    data["y"] = data["x"] + [0.0, 0, 0, 0, 1, -1, 2, 1.5]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        result = smf.mixedlm2("y ~ x + (1 | g)", data).fit()
    boot = bootstrap(result, 40, kind="cases", seed=1)
    drawn = [
        one
        for number in range(10)
        for one in cases_of(result.kept_design(), None).draw(stream(read_seed(1), number), 4)
    ]
    assert_array_equal(np.isnan(boot.values).all(axis=1), [not one.any() for one in drawn])
    assert not boot.converged[np.isnan(boot.values).all(axis=1)].any()
    assert np.isnan(boot.values).any() and not np.isnan(boot.values).all()


# Streams, files, options.


@pytest.mark.parametrize("name", ["slope", "nested", "binomial"])
def test_threads_do_not_matter(name):
    runs = [
        bootstrap(fitted(name), 30, kind="cases", seed=5, threads=threads) for threads in (1, 2, 5)
    ]
    for run in runs[1:]:
        assert_array_equal(run.values, runs[0].values)
        assert_array_equal(run.converged, runs[0].converged)
    fewer = bootstrap(fitted(name), 13, kind="cases", seed=5)
    assert_array_equal(fewer.values, runs[0].values[:13])


def test_a_run_is_saved_and_goes_on(tmp_path):
    whole = bootstrap(fitted("slope"), 30, kind="cases", seed=9)
    path = tmp_path / "cases.arrow"
    bootstrap(fitted("slope"), 11, kind="cases", seed=9, path=path)
    kept = Bootstrap.restore(path)
    assert kept.recipe.kind == "cases" and kept.recipe.by == "subj"
    assert "11 replicates of cases by subj" in repr(kept)
    more = bootstrap(fitted("slope"), 30, kind="cases", path=path)
    assert_array_equal(more.values, whole.values)
    assert_array_equal(Bootstrap.restore(path).values, whole.values)
    with pytest.raises(OptionError, match='drawn with kind="cases"; run this'):
        bootstrap(fitted("slope"), 30, path=path)
    parametric = bootstrap(fitted("slope"), 5, seed=9)
    assert parametric.recipe.kind == "parametric"
    with pytest.raises(OptionError, match='drawn with kind="parametric"'):
        bootstrap(fitted("slope"), 30, kind="cases", resume=parametric)
    inner = bootstrap(fitted("nested"), 5, kind="cases", by="batch & cask")
    with pytest.raises(OptionError, match='drawn with by="batch & cask"'):
        bootstrap(fitted("nested"), 30, kind="cases", resume=inner)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_returns_what_is_done(threads, monkeypatch):
    whole = bootstrap(fitted("slope"), 40, kind="cases", seed=9)
    original, lock, count = CaseRefitter._fit, threading.Lock(), 0

    def interrupted(self: CaseRefitter, *arguments: Any) -> None:
        nonlocal count
        original(self, *arguments)
        with lock:
            count += 1
            here = count == 10
        if here:
            _thread.interrupt_main()
        if count >= 10:
            time.sleep(0.1)

    with monkeypatch.context() as patch:
        patch.setattr(CaseRefitter, "_fit", interrupted)
        some = bootstrap(fitted("slope"), 40, kind="cases", seed=9, threads=threads)
    assert 8 <= len(some) < 40
    assert_array_equal(some.values, whole.values[some.number])
    again = bootstrap(fitted("slope"), 40, kind="cases", resume=some)
    assert_array_equal(again.values, whole.values)


def test_the_factor_is_named_when_none_contains_all_others():
    with pytest.raises(OptionError, match=r"contains all others \('plate', 'sample'\).*by="):
        bootstrap(fitted("crossed"), 5, kind="cases")
    with pytest.raises(OptionError, match="by='subject' is no grouping factor of the model"):
        bootstrap(fitted("slope"), 5, kind="cases", by="subject")


@pytest.mark.parametrize(
    "option",
    [
        {"re": "new"},
        {"beta": [0.0, 1.0]},
        {"theta": [1.0, 0.0, 0.1]},
        {"sigma": 2.0},
        {"dispersion": 1.0},
    ],
    ids=lambda option: next(iter(option)),
)
def test_options_of_the_other_kind_are_refused(option):
    name = next(iter(option))
    with pytest.raises(OptionError, match=f'{name}= cannot be used with kind="cases"'):
        bootstrap(fitted("slope"), 5, kind="cases", **option)


def test_impossible_kinds_are_refused():
    with pytest.raises(OptionError, match='kind must be "parametric" or "cases"'):
        bootstrap(fitted("slope"), 5, kind="residual")
    with pytest.raises(OptionError, match='by= is for kind="cases"'):
        bootstrap(fitted("slope"), 5, by="subj")
    result = fit("slope", data_of("sleepstudy"))
    result.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        bootstrap(result, 10, kind="cases")
