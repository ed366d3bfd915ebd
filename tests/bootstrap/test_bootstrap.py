"""The parametric bootstrap: replicates are fits, whoever computes them and when."""

from __future__ import annotations

import _thread
import math
import sys
import threading
import time
import types
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import f as f_distribution
from scipy.stats import kstest
from statsmodels.genmod.families import links

from statsmodels_mixed import MixedModelWarning, datasets
from statsmodels_mixed.bootstrap import refitters
from statsmodels_mixed.bootstrap.replicates import shortest_interval
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.linear import refits as linear_refits
from statsmodels_mixed.fitting.refits import Fits
from statsmodels_mixed.inference import Bootstrap, bootstrap, simulate
from statsmodels_mixed.results.parameters import CovarianceParameters
from statsmodels_mixed.simulation.simulator import truth_of

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
PROPORTION = "incid / hsz ~ period + (1 | herd)"
NBINOM = sm.families.NegativeBinomial(alpha=1.0)


def data_of(name: str) -> pd.DataFrame:
    data = datasets.load(name)
    if name == "sleepstudy":
        data = data.assign(w=1.0 + data["days"] % 3, off=0.5 * data["days"] ** 2)
    return data


# Name: data, formula, options of the model, options of the fit.
MODELS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "dyestuff": ("dyestuff", "yield ~ 1 + (1 | batch)", {}, {}),
    "singular": ("dyestuff2", "yield ~ 1 + (1 | batch)", {}, {}),
    "slope": ("sleepstudy", SLEEP, {}, {}),
    "reml": ("sleepstudy", SLEEP, {}, {"reml": True}),
    "weights": ("sleepstudy", SLEEP, {"weights": "w"}, {}),
    "offset": ("sleepstudy", SLEEP, {"offset": "off"}, {}),
    "sigma": ("sleepstudy", SLEEP, {}, {"sigma": 20.0}),
    "crossed": ("penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", {}, {}),
    "binomial": (
        "cbpp",
        PROPORTION,
        {"family": sm.families.Binomial(), "weights": "hsz"},
        {},
    ),
    "quadrature": (
        "cbpp",
        PROPORTION,
        {"family": sm.families.Binomial(), "weights": "hsz"},
        {"n_agq": 7},
    ),
    "fast": (
        "cbpp",
        PROPORTION,
        {"family": sm.families.Binomial(), "weights": "hsz"},
        {"fast": True},
    ),
    "gamma": (
        "sleepstudy",
        "reaction ~ days + (1 | subj)",
        {"family": sm.families.Gamma(links.Log()), "offset": "small"},
        {},
    ),
    "nbinom": ("grouseticks", "ticks ~ year + (1 | brood)", {"family": NBINOM}, {}),
}


def make(name: str, response: np.ndarray | None = None) -> Any:
    """Fit a model, to another response if one is given."""
    source, formula, options, how = MODELS[name]
    data = data_of(source)
    if source == "sleepstudy":
        data = data.assign(small=0.01 * data["days"])
    if response is not None:
        formula = "drawn ~" + formula.partition("~")[2]
        data = data.assign(drawn=response)
    constructor = smf.mixedglm2 if "family" in options else smf.mixedlm2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        return constructor(formula, data, **options).fit(**how)


@cache
def fitted(name: str) -> Any:
    return make(name)


@cache
def replicates(name: str, n: int) -> Bootstrap:
    return bootstrap(fitted(name), n, seed=17)


# Each replicate is a fit to a simulated response.


@pytest.mark.parametrize("name", MODELS)
def test_a_replicate_is_a_fit_to_a_response(name):
    n = 4
    boot = replicates(name, n)
    responses = simulate(fitted(name), n, seed=17)
    frame = boot.frame
    for r in range(n):
        again = make(name, responses[:, r])
        row = frame.loc[r]
        # a warm start and a cold one end at the same optimum, theta to its square root
        assert_allclose(row[("objective", "")], again.objective, rtol=1e-9, atol=1e-7)
        assert_allclose(row["beta"], again.params, rtol=2e-4, atol=2e-4 * again.bse.max())
        assert_allclose(row["se"], again.bse, rtol=1e-3)
        assert_allclose(row["theta"], again.theta, rtol=2e-3, atol=2e-4)
        components = again.varcorr.to_frame()
        within = components[components.index.get_level_values("group") != "Residual"]
        assert_allclose(row["sd"], within["std_dev"], rtol=2e-3, atol=2e-4 * row["sd"].max())
        if "sigma" in frame:
            assert_allclose(row[("sigma", "")], again.sigma, rtol=1e-4)
        if "dispersion" in frame:
            assert_allclose(row[("dispersion", "")], again.dispersion, rtol=1e-3)
        if "corr" in frame:
            assert_allclose(row["corr"], within["corr_1"].dropna(), atol=1e-3)
        assert boot.converged[r] == again.converged
        assert boot.singular[r] == again.issingular()


def test_every_kind_of_parameter_has_its_columns():
    assert list(replicates("slope", 4).frame.columns) == [
        ("objective", ""),
        ("sigma", ""),
        ("beta", "Intercept"),
        ("beta", "days"),
        ("se", "Intercept"),
        ("se", "days"),
        ("theta", "subj.Intercept"),
        ("theta", "subj.days.Intercept"),
        ("theta", "subj.days"),
        ("sd", "subj.Intercept"),
        ("sd", "subj.days"),
        ("corr", "subj.days.Intercept"),
    ]
    kinds = {name: set(replicates(name, 4).frame.columns.get_level_values(0)) for name in MODELS}
    assert "dispersion" in kinds["gamma"] and "sigma" not in kinds["gamma"]
    assert "dispersion" not in kinds["binomial"]
    assert (replicates("sigma", 4).frame["sigma"] == 20.0).all()


# Theory of a balanced one-way layout: 6 batches of 5.


def test_replicates_have_the_distribution_of_a_balanced_layout():
    result = fitted("dyestuff")
    boot = replicates("dyestuff", 2000)
    sd = float(result.varcorr.std_dev("batch").iloc[0])
    mean_square = result.scale + 5 * sd**2
    estimates = boot.frame[("beta", "Intercept")]
    assert kstest((estimates - 1527.5) / math.sqrt(mean_square / 30), "norm").pvalue > 1e-3
    # singular if the mean square between batches, by 5/6, is less than that within
    chance = float(f_distribution.cdf(6 / 5 * result.scale / mean_square, 5, 24))
    error = math.sqrt(chance * (1 - chance) / 2000)
    assert abs(boot.share_singular - chance) < 4 * error
    # otherwise sigma^2 is the mean square within batches
    inner = ~boot.singular
    se = boot.frame[("se", "Intercept")][inner]
    between = boot.frame[("sd", "batch.Intercept")][inner] ** 2 * 5
    assert_allclose(se**2 * 30, boot.frame["sigma"][inner] ** 2 + between, rtol=1e-6)


def test_hypothesized_parameters_are_those_drawn_from():
    truth = {"beta": [0.0, 5.0], "theta": [0.5, 0.0, 0.1], "sigma": 10.0}
    boot = bootstrap(fitted("slope"), 200, seed=3, **truth)
    center = boot.frame["beta"].mean()
    error = boot.frame["beta"].std() / math.sqrt(200)
    assert np.all(np.abs(center - [0.0, 5.0]) < 5 * error)
    assert abs(boot.frame["sigma"].mean() - 10.0) < 0.3
    # the estimates shown are those of the fit all the same
    assert_allclose(boot.conf_int(kinds="beta")["estimate"], fitted("slope").params)
    # replicates vary about the truth as the estimate does about its own (Davison and Hinkley 1997)
    lower, upper = np.quantile(boot.frame["beta"]["days"], [0.025, 0.975], method="weibull")
    moved = fitted("slope").params["days"] + 5.0
    basic = boot.conf_int(method="basic").loc[("beta", "days"), ["lower", "upper"]]
    assert_allclose(basic.astype(float), [moved - upper, moved - lower])


def test_random_effects_can_be_kept():
    boot = bootstrap(fitted("slope"), 300, seed=3, re="conditional")
    free = replicates("slope", 300)
    assert boot.frame["beta"]["days"].std() < 0.6 * free.frame["beta"]["days"].std()


@pytest.mark.parametrize(
    "family",
    [sm.families.Gaussian(), sm.families.Gamma(links.Identity())],
    ids=lambda family: type(family).__name__,
)
def test_units_of_the_response_do_not_matter(family):
    data = datasets.load("sleepstudy")
    boots = []
    for scale in (1.0, 1e-4, 1e4):
        scaled = data.assign(reaction=scale * data["reaction"])
        model = smf.mixedglm2("reaction ~ days + (1 | subj)", scaled, family=family)
        boots.append(bootstrap(model.fit(), 40, seed=8))
        assert boots[-1].converged.all()
        mine, first = boots[-1].frame, boots[0].frame
        assert_allclose(mine["beta"], scale * first["beta"], rtol=1e-3)
        assert_allclose(mine["sd"], scale * first["sd"], rtol=1e-2)


# Streams and threads.


@pytest.mark.parametrize("name", ["dyestuff", "slope", "quadrature"])
def test_threads_do_not_matter(name):
    n = 200 if name != "quadrature" else 70
    runs = [bootstrap(fitted(name), n, seed=5, threads=threads) for threads in (1, 2, 5)]
    for run in runs[1:]:
        assert_array_equal(run.values, runs[0].values)
        assert_array_equal(run.number, np.arange(n))
        assert_array_equal(run.converged, runs[0].converged)
    fewer = bootstrap(fitted(name), 67, seed=5)
    assert_array_equal(fewer.values, runs[0].values[:67])
    assert not np.array_equal(bootstrap(fitted(name), 67, seed=6).values, fewer.values)


def test_the_seed_is_kept():
    boot = bootstrap(fitted("dyestuff"), 10)
    assert_array_equal(bootstrap(fitted("dyestuff"), 10, seed=boot.seed).values, boot.values)


# Intervals.


def test_intervals_are_order_statistics():
    boot = replicates("slope", 199)
    values = np.sort(boot.frame[("beta", "days")])
    estimate = fitted("slope").params["days"]
    lower, upper = values[4], values[194]  # (199 + 1) 0.025 = 5 and 195, from 1

    def interval(method: str) -> list[float]:
        table = boot.conf_int(0.05, method, "beta")
        return table.loc[("beta", "days"), ["lower", "upper"]].tolist()

    assert_allclose(interval("percentile"), [lower, upper])
    assert_allclose(interval("basic"), [2 * estimate - upper, 2 * estimate - lower])
    assert_allclose(interval("equal-tail"), np.quantile(values, [0.025, 0.975]))
    inside = math.ceil(0.95 * 199)
    widths = [(values[i + inside - 1] - values[i], i) for i in range(199 - inside + 1)]
    first = min(widths)[1]
    assert_allclose(interval("shortest"), [values[first], values[first + inside - 1]])


def test_the_shortest_interval_is_the_leftmost_of_equals():
    values = np.array([0.0, 1.0, 2.0, 3.0, 10.0])
    assert shortest_interval(values, 0.6) == (0.0, 2.0)
    assert shortest_interval(values, 0.8) == (0.0, 3.0)
    assert shortest_interval(np.arange(20.0), 0.95) == (0.0, 18.0)
    assert shortest_interval(values, 0.01) == (0.0, 0.0)


def test_correlations_that_are_not_defined_are_left_out():
    boot = bootstrap(fitted("slope"), 60, seed=2, theta=[0.0, 0.0, 0.0])
    undefined = boot.frame["sd"].eq(0).any(axis=1)
    assert undefined.any()
    assert_array_equal(boot.frame["corr"].isna().to_numpy()[:, 0], undefined)
    row = boot.conf_int(kinds="corr").iloc[0]
    assert row["replicates"] == 60 - undefined.sum()
    assert -1 <= row["lower"] <= row["upper"] <= 1


def test_the_table_of_intervals():
    table = replicates("slope", 199).conf_int(kinds=["sd", "beta"])
    assert list(table.columns) == ["estimate", "lower", "upper", "replicates"]
    assert list(table.index) == [
        ("sd", "subj.Intercept"),
        ("sd", "subj.days"),
        ("beta", "Intercept"),
        ("beta", "days"),
    ]
    assert_allclose(table.loc["sd", "estimate"], fitted("slope").varcorr.std_dev("subj"))
    assert (table["lower"] < table["upper"]).all()
    with pytest.raises(OptionError, match="method must be one of percentile"):
        replicates("slope", 199).conf_int(method="bca")
    with pytest.raises(OptionError, match="no 'dispersion' here; choose from beta, sigma"):
        replicates("slope", 199).conf_int(kinds="dispersion")
    with pytest.raises(OptionError, match="alpha must be between"):
        replicates("slope", 199).conf_int(alpha=5)


# Files.


def assert_same(ours: Bootstrap, theirs: Bootstrap) -> None:
    pd.testing.assert_frame_equal(ours.frame, theirs.frame, check_exact=True)
    pd.testing.assert_frame_equal(ours.conf_int(), theirs.conf_int(), check_exact=True)
    assert_array_equal(ours.singular, theirs.singular)
    assert_array_equal(ours.converged, theirs.converged)
    assert (ours.requested, repr(ours)) == (theirs.requested, repr(theirs))
    assert ours.seed.entropy == theirs.seed.entropy


@pytest.mark.parametrize("name", ["slope", "crossed", "binomial", "gamma"])
def test_replicates_come_back_from_a_file(name, tmp_path):
    boot = replicates(name, 4)
    boot.save(tmp_path / "boot.arrow")
    assert_same(Bootstrap.restore(tmp_path / "boot.arrow"), boot)
    assert list(tmp_path.iterdir()) == [tmp_path / "boot.arrow"]


def test_the_file_is_one_that_others_can_read(tmp_path):
    boot = bootstrap(fitted("slope"), 100, seed=1, path=tmp_path / "boot.arrow")
    with pa.ipc.open_stream(tmp_path / "boot.arrow") as stream:
        table = stream.read_pandas().sort_values("replicate")
    assert_array_equal(table["beta.days"], boot.frame[("beta", "days")])
    assert_array_equal(table["theta.subj.days.Intercept"], boot.frame["theta"].iloc[:, 1])


def test_a_large_seed_survives(tmp_path):
    seed = np.random.SeedSequence(2**127 + 5, spawn_key=(3, 2**40))
    boot = bootstrap(fitted("dyestuff"), 5, seed=seed)
    boot.save(tmp_path / "boot.arrow")
    again = Bootstrap.restore(tmp_path / "boot.arrow")
    assert_array_equal(bootstrap(fitted("dyestuff"), 5, seed=again.seed).values, boot.values)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.77, 0.999, 1.0])
def test_a_run_that_was_killed_goes_on(share, tmp_path):
    whole = bootstrap(fitted("slope"), 300, seed=9, path=tmp_path / "whole.arrow", threads=1)
    content = (tmp_path / "whole.arrow").read_bytes()
    header = len(content) - sum(_batch_sizes(tmp_path / "whole.arrow"))
    cut = header + round(share * (len(content) - header))
    path = tmp_path / "cut.arrow"
    path.write_bytes(content[:cut])
    kept = Bootstrap.restore(path)
    assert len(kept) <= len(whole)
    assert repr(kept).startswith(f"<Bootstrap: {SLEEP}; {len(kept)} ")
    assert_same(bootstrap(fitted("slope"), 300, path=path), whole)
    assert_same(Bootstrap.restore(path), whole)
    # and further than was asked for at first
    more = bootstrap(fitted("slope"), 330, path=path)
    assert_array_equal(more.values[:300], whole.values)
    assert_same(Bootstrap.restore(path), bootstrap(fitted("slope"), 330, seed=9))


def _batch_sizes(path: Path) -> list[int]:
    """Return the number of bytes of each batch of a file."""
    source = pa.BufferReader(path.read_bytes())
    stream = pa.ipc.open_stream(source)
    ends = [source.tell()]
    for _ in stream:
        ends.append(source.tell())
    return list(np.diff(ends))


def test_fewer_replicates_than_a_file_has_are_its_first(tmp_path):
    path = tmp_path / "boot.arrow"
    boot = bootstrap(fitted("dyestuff"), 100, seed=4, path=path)
    before = path.read_bytes()
    assert_array_equal(bootstrap(fitted("dyestuff"), 30, path=path).values, boot.values[:30])
    assert path.read_bytes() == before


def test_replicates_of_something_else_are_not_taken_over(tmp_path):
    path = tmp_path / "boot.arrow"
    boot = bootstrap(fitted("slope"), 10, seed=4, path=path)
    with pytest.raises(OptionError, match="drawn with another seed"):
        bootstrap(fitted("slope"), 20, seed=5, path=path)
    with pytest.raises(OptionError, match="another model, other data or another criterion"):
        bootstrap(fitted("reml"), 20, path=path)
    with pytest.raises(OptionError, match="other parameters"):
        bootstrap(fitted("slope"), 20, sigma=1.0, resume=boot)
    with pytest.raises(OptionError, match='drawn with re="new"'):
        bootstrap(fitted("slope"), 20, re="conditional", resume=boot)
    with pytest.raises(OptionError, match="path= or resume=, not both"):
        bootstrap(fitted("slope"), 20, path=path, resume=boot)
    assert len(Bootstrap.restore(path)) == 10


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.arrow"
    text.write_text("no replicates")
    with pytest.raises(DataError, match="is no Arrow stream"):
        Bootstrap.restore(text)
    other = tmp_path / "other.arrow"
    with pa.ipc.new_stream(other, pa.schema([("a", pa.int64())])):
        pass
    with pytest.raises(DataError, match="holds no bootstrap replicates"):
        bootstrap(fitted("slope"), 20, path=other)


# Interruptions.


def interrupt_in(patch: Any, piece: int) -> None:
    """Let Ctrl-C come in the middle of the work on a piece, which then ends early."""
    original = linear_refits._fit_each
    lock, count = threading.Lock(), 0

    def fit_each(workspace: Any, responses: np.ndarray, start: np.ndarray, stop: Any) -> Any:
        nonlocal count
        with lock:
            count += 1
            here = count == piece
        if not here:
            return original(workspace, responses, start, stop)
        some = original(workspace, responses[:20], start, stop)
        _thread.interrupt_main()
        while not stop[0]:
            time.sleep(1e-3)
        return some

    patch.setattr(linear_refits, "_fit_each", fit_each)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("piece", [1, 2, 4])
def test_ctrl_c_returns_what_is_done(piece, threads, monkeypatch, tmp_path):
    whole = bootstrap(fitted("slope"), 300, seed=9)
    path = tmp_path / "boot.arrow"
    with monkeypatch.context() as patch:
        interrupt_in(patch, piece)
        some = bootstrap(fitted("slope"), 300, seed=9, path=path, threads=threads)
    assert 20 <= len(some) < 300
    assert some.requested == 300
    assert_array_equal(some.values, whole.values[some.number])
    assert "of 300 replicates" in repr(some)
    assert_same(Bootstrap.restore(path), some)
    # nothing is computed again, and nothing is lost
    assert_same(bootstrap(fitted("slope"), 300, resume=some), whole)
    assert_same(bootstrap(fitted("slope"), 300, path=path), whole)


def test_a_flag_ends_the_work_on_a_piece():
    result = fitted("slope")
    design, estimates = result.model.design, result.estimates
    truth = truth_of(estimates)
    refitter = refitters.ResponseRefitter(
        design, estimates, truth, CovarianceParameters.of(result.layout)
    )
    rows, converged = refitter.worker()(np.ones((3, 180)), np.ones(1, dtype=np.int32))
    assert rows.shape == (0, 9)
    assert converged.shape == (0,)


def test_an_error_in_a_thread_comes_through(monkeypatch):
    def fail(*_: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(linear_refits, "_fit_each", fail)
    with pytest.raises(MemoryError, match="no room"):
        bootstrap(fitted("slope"), 300, seed=9, threads=2)


# Options.


def test_a_progress_bar_is_shown_when_asked_for(monkeypatch):
    shown: list[Any] = []

    class Bar:
        def __init__(self, total: int, initial: int, unit: str) -> None:
            shown.append((total, initial))

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            shown.append("closed")

        def update(self, count: int) -> None:
            shown.append(count)

    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    start = bootstrap(fitted("dyestuff"), 30, seed=1)
    assert shown == []
    bootstrap(fitted("dyestuff"), 100, resume=start, progress=True)
    assert shown[0] == (100, 30)
    assert sum(shown[1:-1]) == 70
    assert shown[-1] == "closed"
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(OptionError, match="progress=True needs the package tqdm"):
        bootstrap(fitted("dyestuff"), 10, progress=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0 is not possible; give a number of replicates"),
        ({"n": 10.5}, "n must be a whole number, not 10.5"),
        ({"threads": 0}, "threads=0 is not possible"),
        ({"threads": True}, "threads=True is not possible"),
        ({"re": "none"}, 're must be "new" or "conditional"'),
        ({"sigma": -1.0}, r"sigma=-1\.0 is not possible"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        bootstrap(fitted("slope"), **{"n": 10, **arguments})


def test_a_result_without_data_is_refused():
    result = make("slope")
    result.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        bootstrap(result, 10)


def test_a_variance_of_which_rounding_leaves_nothing_has_no_error():
    # As that of a replicate whose counts are zero in all rows of a level.
    fits = Fits.unknown(3, 2, 1)
    fits.covariance[:] = np.diag([4.0, -1e-18])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows = refitters._rows(fits)
    assert_array_equal(rows.se, [[2.0, np.nan]] * 3)
