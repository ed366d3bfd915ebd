"""Progress of loops of fits: shown where someone watches, after a second, and logged."""

from __future__ import annotations

import logging
import subprocess
import sys
import types
from functools import cache
from typing import Any

import pytest

import statsmodels_mixed.results.progress as progress
from statsmodels_mixed import OptionError, datasets, mixedlm2
from statsmodels_mixed.results.progress import Progress


@cache
def fit() -> Any:
    return mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


class Bar:
    """A bar that remembers what it was told."""

    made: list[Bar]

    def __init__(self, total: int, initial: int, unit: str, leave: bool = True) -> None:
        self.about = (total, initial, unit, leave)
        self.counts: list[int] = []
        self.closed = False
        Bar.made.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def update(self, count: int) -> None:
        self.counts.append(count)


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    Bar.made = []
    module = types.ModuleType("tqdm.auto")
    module.tqdm = Bar  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return Bar.made


LOOPS = {
    "bootstrap": (lambda **kwds: fit().bootstrap(20, seed=1, **kwds), 20, "fit"),
    "power": (lambda **kwds: fit().power(20, seed=1, **kwds), 20, "fit"),
    "influence": (lambda **kwds: fit().influence("subj", **kwds), 18, "fit"),
    "profile": (lambda **kwds: fit().profile("beta", **kwds), 2, "parameter"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_shows_a_bar_when_asked(name, bars, caplog):
    run, total, unit = LOOPS[name]
    with caplog.at_level(logging.INFO, "statsmodels_mixed"):
        run(progress=True)
    (bar,) = bars
    assert bar.about == (total, 0, unit, True)
    assert sum(bar.counts) == total
    assert bar.closed
    assert f"{name}: {total} {unit}s in " in caplog.text


@pytest.mark.parametrize("name", LOOPS)
def test_none_is_shown_by_itself_where_nobody_watches(name, bars):
    LOOPS[name][0]()
    LOOPS[name][0](progress=False)
    assert bars == []


def test_a_bar_appears_after_a_second_in_terminals(bars, monkeypatch):
    monkeypatch.setattr(progress, "_someone_is_watching", lambda: True)
    clock = iter([0.0, 0.5, 1.5, 2.0, 3.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with Progress("loop", 30, None, done=10) as shown:
        shown.update(5)
        assert bars == []
        shown.update(3)
        shown.update(2)
    (bar,) = bars
    assert bar.about == (30, 15, "fit", False)
    assert bar.counts == [3, 2]
    assert bar.closed


def test_who_is_watching(monkeypatch):
    class Terminal:
        def isatty(self) -> bool:
            return True

    notebook = type("OutStream", (), {"__module__": "ipykernel.iostream"})()
    for stream, expected in (
        (Terminal(), True),
        (notebook, True),
        (None, False),
        (object(), False),
    ):
        monkeypatch.setattr(sys, "stderr", stream)
        assert progress._someone_is_watching() is expected


def test_without_tqdm_there_is_a_bar_for_nobody(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(progress, "_someone_is_watching", lambda: True)
    monkeypatch.setattr(progress, "PATIENCE", -1.0)
    with Progress("loop", 2, None) as shown:
        shown.update(2)
    with pytest.raises(OptionError, match="progress=True needs the package tqdm"):
        fit().influence("subj", progress=True)
    with pytest.raises(OptionError, match="True, False, or None"):
        fit().influence("subj", progress="yes")


def test_fits_are_logged(caplog):
    with caplog.at_level(logging.INFO, "statsmodels_mixed"):
        made = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    (record,) = caplog.records
    assert record.getMessage().startswith("reaction ~ 1 + days + (1 | subj); ML: -2 log-likelihood")
    caplog.clear()
    with caplog.at_level(logging.DEBUG, "statsmodels_mixed"):
        made.model.fit()
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.DEBUG]
    assert len(told) == made.report.evaluations
    assert told[0].startswith(f"evaluation 1: objective {made.fitlog['objective'].iloc[0]:.9g}")


def test_nothing_is_printed_by_default():
    code = """
from statsmodels_mixed import mixedlm2, datasets
import sys
fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
fit.influence("subj"), fit.bootstrap(5, seed=1)
assert "tqdm" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
