"""Fits saved without pickle: what is opened is the fit, and nothing of it is run."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import polars
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.formula import options

import statsmodels_mixed
from statsmodels_mixed import DataError, OptionError, datasets

FAMILIES = sm.families


def own_function(x):
    return x**2


def sleep() -> pd.DataFrame:
    data = datasets.load("sleepstudy")
    rows = np.arange(len(data))
    return data.assign(
        w=1.0 + rows % 3,
        z=0.1 * rows,
        half=pd.Categorical(np.where(data["days"] < 5, "early", "late")),
        text=np.where(rows % 2 == 0, "a", "b"),
        flag=rows % 3 == 0,
        when=pd.Timestamp("2020-02-28", tz="Europe/Berlin") + pd.to_timedelta(rows, "D"),
    )


def contra() -> pd.DataFrame:
    return datasets.load("contra").iloc[:600]


LINEAR = {
    "plain": ("reaction ~ days + (days | subj)", {}),
    "weights and offset": ("reaction ~ days + (1 | subj)", {"weights": "w", "offset": "z"}),
    "contrasts": ("reaction ~ half * text + (1 | subj)", {"contrasts": {"half": "sum"}}),
    "coded": ("reaction ~ C(text, Helmert) + C(days) + (0 + flag || subj)", {}),
    "transforms": (
        "reaction ~ bs(days, df=4) + center(z) + standardize(w) + cr(z, df=3)"
        " + (center(days) | subj)",
        {},
    ),
    "polynomials": ("reaction ~ poly(days, 2) + poly(z, 2, raw=True) + (poly(w, 1) | subj)", {}),
    "numpy": (
        "np.log(reaction) ~ np.sqrt(days) + I(z**2) + log1p(w) + I(shift * z) + (1 | subj)",
        {},
    ),
    "methods": ("reaction ~ days.clip(2, 7) + subj.isin(['S308']) + (1 | subj)", {}),
    "dates": ("reaction ~ when.dt.year + (1 | subj)", {}),
    "nested": ("reaction ~ days + (1 | subj / half)", {}),
    "ML": ("reaction ~ days + (days || subj)", {}),
}


@cache
def linear(name: str):
    log1p, shift = np.log1p, 1.5  # noqa: F841 - the formula finds them here
    formula, given = LINEAR[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm2(formula, sleep(), **given).fit(reml=name != "ML")


GENERALIZED = {
    "logit": ("use ~ age + livch + (1 | dist)", FAMILIES.Binomial(), {}),
    "probit": (
        "use ~ age + (1 | dist)",
        FAMILIES.Binomial(FAMILIES.links.Probit()),
        {"offset": "age"},
    ),
    "poisson": ("n ~ age + (1 | dist)", FAMILIES.Poisson(), {"exposure": "size"}),
    "nbinom": ("n ~ age + (1 | dist)", FAMILIES.NegativeBinomial(alpha=1.0), {}),
    "gamma": ("size ~ urban + (1 | dist)", FAMILIES.Gamma(FAMILIES.links.Log()), {}),
}


@cache
def generalized(name: str):
    formula, family, given = GENERALIZED[name]
    data = counted()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedglm2(formula, data, family, **given).fit()


def counted() -> pd.DataFrame:
    data = contra()
    rows = np.arange(len(data))
    return data.assign(n=(rows * 7 + rows // 9) % 5, size=1.0 + (rows * 3) % 4)


def reopened(fit, tmp_path: Path):
    fit.to_dir(tmp_path / "fit")
    return statsmodels_mixed.open(tmp_path / "fit")


def assert_same(ours, theirs, data) -> None:
    assert str(ours.summary()) == str(theirs.summary())
    pd.testing.assert_series_equal(ours.params, theirs.params)
    pd.testing.assert_frame_equal(ours.cov_params(), theirs.cov_params())
    pd.testing.assert_series_equal(ours.fittedvalues, theirs.fittedvalues)
    for given in ({}, {"exog": data}, {"exog": data.iloc[:7], "re": True}):
        np.testing.assert_array_equal(ours.predict(**given), theirs.predict(**given))
    for name in ("theta", "objective", "llf", "aic", "scale"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    np.testing.assert_array_equal(ours.simulate(2, seed=1), theirs.simulate(2, seed=1))
    np.testing.assert_array_equal(
        ours.bootstrap(3, seed=1).values, theirs.bootstrap(3, seed=1).values
    )
    np.testing.assert_array_equal(ours.model.exog, theirs.model.exog)
    assert repr(ours) == repr(theirs)
    assert repr(ours.model) == repr(theirs.model)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("name", LINEAR)
def test_a_linear_fit_comes_back(name, tmp_path):
    fit = linear(name)
    again = reopened(fit, tmp_path)
    assert_same(again, fit, sleep())
    assert again.model.fit(reml=name != "ML").objective == fit.objective


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize("name", GENERALIZED)
def test_a_generalized_fit_comes_back(name, tmp_path):
    fit = generalized(name)
    again = reopened(fit, tmp_path)
    assert_same(again, fit, counted())


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom_come_back(dof, tmp_path):
    fit = linear("plain").with_inference(dof=dof)
    again = reopened(fit, tmp_path)
    assert str(again.summary()) == str(fit.summary())
    np.testing.assert_array_equal(again.t_test("days = 3").pvalue, fit.t_test("days = 3").pvalue)


def test_clusters_come_back(tmp_path):
    fit = linear("plain").with_inference(cov_type="cluster", cov_kwds={"groups": sleep()["subj"]})
    assert str(reopened(fit, tmp_path).summary()) == str(fit.summary())


def test_a_fit_to_polars_and_one_to_arrays(tmp_path):
    frame = polars.DataFrame(datasets.load("sleepstudy").to_dict("list"))
    fit = smf.mixedlm2("reaction ~ days + (days | subj)", frame).fit()
    again = reopened(fit, tmp_path)
    np.testing.assert_array_equal(again.predict(frame, re=True), fit.predict(frame, re=True))
    data = sleep()
    exog = np.column_stack([np.ones(len(data)), data["days"]])
    model = statsmodels_mixed.LinearMixedModel(data["reaction"].to_numpy(), exog, data["subj"])
    fit = model.fit()
    again = reopened(fit, tmp_path)
    np.testing.assert_array_equal(again.params, fit.params)
    assert str(again.summary()) == str(fit.summary())


@pytest.mark.parametrize(
    "labels",
    [
        pd.array([1, 2, 3], dtype="Int64"),
        pd.array(["x", "y", "z"], dtype="string"),
        pd.Categorical([3, 1, 2], categories=[3, 1, 2], ordered=True),
        pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]),
        pd.period_range("2020", periods=3, freq="Y").astype(str),
        pd.period_range("2020", periods=3, freq="Q"),
        np.array([0.5, 1.5, 2.5]),
        np.array([1, "two", 3.0], dtype=object),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_kind(labels, tmp_path):
    data = sleep()
    data["label"] = labels[np.arange(len(data)) % 3]
    data = data.set_index("when")
    fit = smf.mixedlm2("reaction ~ C(label) + (1 | subj)", data).fit()
    again = reopened(fit, tmp_path)
    np.testing.assert_array_equal(again.predict(data), fit.predict(data))
    assert list(again.params.index) == list(fit.params.index)
    pd.testing.assert_index_equal(again.fittedvalues.index, fit.fittedvalues.index)


@pytest.mark.parametrize("frequency", ["D", "W-SUN", "M", "Q-DEC", "2Q", "Y", "h"])
def test_an_index_of_periods(frequency, tmp_path):
    data = sleep()
    data.index = pd.period_range("2020", periods=len(data), freq=frequency, name="when")
    fit = smf.mixedlm2("reaction ~ days + (1 | subj)", data).fit()
    again = reopened(fit, tmp_path)
    pd.testing.assert_index_equal(again.fittedvalues.index, fit.fittedvalues.index)


def test_a_fit_without_its_data(tmp_path):
    fit = smf.mixedlm2("reaction ~ bs(days, df=4) + (1 | subj)", sleep()).fit()
    fit.remove_data()
    again = reopened(fit, tmp_path)
    np.testing.assert_array_equal(again.predict(sleep(), re=True), fit.predict(sleep(), re=True))
    assert sum(path.stat().st_size for path in (tmp_path / "fit").iterdir()) < 40_000


def test_another_process(tmp_path):
    linear("transforms").to_dir(tmp_path / "one")
    generalized("poisson").to_dir(tmp_path / "two")
    sleep().drop(columns="when").to_parquet(tmp_path / "sleep.parquet")
    program = f"""
import sys, pandas as pd, statsmodels_mixed
fit = statsmodels_mixed.open({str(tmp_path / "one")!r})
new = pd.read_parquet({str(tmp_path / "sleep.parquet")!r})
print(repr(float(fit.predict(new, re=True).sum())))
print(repr(float(fit.bootstrap(2, seed=3).values.sum())))
two = statsmodels_mixed.open({str(tmp_path / "two")!r})
print(repr(float(two.predict().sum())))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    one = linear("transforms")
    wanted = [
        float(one.predict(sleep(), re=True).sum()),
        float(one.bootstrap(2, seed=3).values.sum()),
        float(generalized("poisson").predict().sum()),
    ]
    assert [float(word) for word in done.stdout.split()] == pytest.approx(wanted, rel=1e-13)


# --- what cannot be saved


def test_a_function_of_the_users_is_named_when_the_fit_is_saved(tmp_path):
    fit = smf.mixedlm2("reaction ~ own_function(days) + (1 | subj)", sleep()).fit()
    message = r"the term 'own_function\(days\)' uses 'own_function', a function of your own"
    with pytest.raises(DataError, match=message):
        fit.to_dir(tmp_path / "fit")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "term",
    ["np.vectorize(abs)(days)", "days.apply(abs)", "days.pipe(abs)", "abs(days.__abs__())"],
)
def test_code_that_does_more_than_compute(term, tmp_path):
    fit = smf.mixedlm2(f"reaction ~ {term} + (1 | subj)", sleep()).fit()
    with pytest.raises(DataError, match=r"the term '.* cannot be saved without pickle"):
        fit.to_dir(tmp_path / "fit")


def test_formulaic_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(options, "formula_engine", "formulaic")
    fit = smf.mixedlm2("reaction ~ days + (1 | subj)", sleep()).fit()
    with pytest.raises(DataError, match="was read by formulaic"):
        fit.to_dir(tmp_path / "fit")


def test_other_things_at_the_path_are_kept(tmp_path):
    (tmp_path / "fit").mkdir()
    (tmp_path / "fit" / "thesis.txt").write_text("precious")
    with pytest.raises(OptionError, match="exists and is no saved fit"):
        linear("plain").to_dir(tmp_path / "fit")
    assert (tmp_path / "fit" / "thesis.txt").read_text() == "precious"
    linear("plain").to_dir(tmp_path / "other")
    linear("ML").to_dir(tmp_path / "other")  # a saved fit is replaced
    assert statsmodels_mixed.open(tmp_path / "other").method == "ML"


# --- damage and malice


@pytest.fixture
def saved(tmp_path) -> Path:
    linear("transforms").to_dir(tmp_path / "fit")
    return tmp_path / "fit"


@pytest.mark.parametrize("name", ["manifest.json", "objects.json", "arrays.arrow"])
def test_damaged_files(saved, name):
    content = (saved / name).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(30):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        (saved / name).write_bytes(flipped)
        try:
            statsmodels_mixed.open(saved)
        except DataError as error:
            assert "\n" not in str(error)
        else:  # white space of the manifest
            assert name == "manifest.json"
            assert json.loads(flipped) == json.loads(content)
    for damaged in (content[: len(content) // 2], b"", content + b"garbage"):
        (saved / name).write_bytes(damaged)
        with pytest.raises(DataError):
            statsmodels_mixed.open(saved)
    (saved / name).unlink()
    with pytest.raises(DataError):
        statsmodels_mixed.open(saved)


def test_no_fit_and_a_file_of_another_fit(saved, tmp_path):
    with pytest.raises(DataError, match="is no saved fit"):
        statsmodels_mixed.open(tmp_path / "nothing")
    linear("plain").to_dir(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "arrays.arrow", saved / "arrays.arrow")
    with pytest.raises(DataError, match=r"damaged: arrays.arrow has another checksum"):
        statsmodels_mixed.open(saved)


def rewrite(saved: Path, change) -> None:
    """Change the tree of a saved fit and make the checksums right, as an attacker would."""
    tree = json.loads((saved / "objects.json").read_text())
    change(tree["objects"])
    text = json.dumps(tree).encode()
    (saved / "objects.json").write_bytes(text)
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest["sha256"]
    manifest["files"]["objects.json"] = sha256(text).hexdigest()
    seal(saved, manifest)


def seal(saved: Path, manifest) -> None:
    manifest["sha256"] = sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    (saved / "manifest.json").write_text(json.dumps(manifest))


def test_a_version_from_the_future(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    del manifest["sha256"]
    seal(saved, {**manifest, "version": 99})
    with pytest.raises(DataError, match="has version 99 of the format; this package reads"):
        statsmodels_mixed.open(saved)


def expression(objects):
    return next(node for node in objects if "expression" in node)


EVIL = {
    "endless": lambda objects: expression(objects).update(code="9**9**9**9 * days"),
    "number": lambda objects: expression(objects).update(
        code="k**k**k * days", names={"k": {"value": 99}}
    ),
    "code": lambda objects: expression(objects).update(code="__import__('os').system('true')"),
    "attribute": lambda objects: expression(objects).update(code="days.to_pickle('x')"),
    "function": lambda objects: expression(objects)["names"].update(
        f={"function": ["os", "system"]}
    ),
    "numpy": lambda objects: expression(objects)["names"].update(f={"function": ["numpy", "load"]}),
    "transform": lambda objects: expression(objects)["transforms"].update(f=["Popen", {"v": None}]),
    "class": lambda objects: objects[0].update({"class": ["subprocess", "Popen"]}),
    "own class": lambda objects: objects[0].update(
        {"class": ["statsmodels_mixed.models.linear.results", "FixedContrastTests"]}
    ),
    "cut": lambda objects: objects.__delitem__(slice(5, None)),
}


@pytest.mark.parametrize("kind", EVIL)
def test_files_that_would_run_code_are_refused(saved, kind, monkeypatch):
    rewrite(saved, EVIL[kind])
    ran = []
    monkeypatch.setattr("os.system", ran.append)
    with pytest.raises(DataError, match=r"^the saved fit .* (cannot be opened|is damaged): "):
        statsmodels_mixed.open(saved)
    assert ran == []
