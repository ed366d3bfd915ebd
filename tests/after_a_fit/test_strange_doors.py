"""What makes models, and what models, plots and fits of streams offer, called with anything.

Each strange value is taken, or refused in a sentence, as after a fit (`test_strange_options`).
"""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from strange_options import GOOD, calls, calls_of, data, foreign, methods

import statsmodels_mixed
from statsmodels_mixed import (
    LinearMixedModel,
    datasets,
    fulldummy,
    mixedglm2,
    mixedlm2,
    mixedordinal2,
    parse,
    term,
    zerocorr,
)

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.usefixtures("_somewhere")]


@pytest.fixture
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)  # where what is taken for a path may write
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    place = tmp_path_factory.mktemp("streams") / "rows.parquet"
    data().to_parquet(place)
    return str(place)


# What users call first, and what it can take.
DOORS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "mixedlm2": (mixedlm2, ("y ~ x + a + (1 | g)", data())),
    "mixedglm2": (mixedglm2, ("n ~ x + a + (1 | g)", data(), "poisson")),
    "mixedordinal2": (mixedordinal2, ("o ~ x + a + (1 | g)", data())),
    "arrays": (LinearMixedModel, (data()["y"].array, data()[["x"]].to_numpy(), data()["g"].array)),
    "meta": (statsmodels_mixed.meta, (data()["y"].array, np.full(60, 0.5))),
    "parse": (parse, ("y ~ x + (1 | g)",)),
    "term": (term, ("x",)),
    "zerocorr": (zerocorr, (term("x") | term("g"),)),
    "fulldummy": (fulldummy, (term("x"),)),
    "load": (datasets.load, ("sleepstudy",)),
    "open": (statsmodels_mixed.open, ("nowhere",)),
}


@pytest.mark.parametrize("door", DOORS)
def test_doors(door: str) -> None:
    function, good = DOORS[door]
    found = foreign(function, calls_of(function, good, data()))
    assert not found, "\n".join(found[:10])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "good"),
    [(mixedlm2, ("y ~ x + a + (1 | g)",)), (mixedglm2, ("n ~ x + a + (1 | g)", "poisson"))],
)
def test_doors_of_streams(make: Any, good: tuple[Any, ...], path: str) -> None:
    good = (good[0], path, *good[1:])
    found = foreign(make, calls_of(make, good, data()))
    assert not found, "\n".join(found[:10])


MODELS = {
    "linear": lambda _: mixedlm2("y ~ x + a + (1 | g)", data()),
    "residual": lambda _: mixedlm2("y ~ x + a", data(), residual="ar1(t | g)"),
    "counts": lambda _: mixedglm2("n ~ x + a + (1 | g)", data(), "poisson"),
    "ordinal": lambda _: mixedordinal2("o ~ x + a + (1 | g)", data()),
    "zeros": lambda _: mixedglm2("n ~ x + a + (1 | g)", data(), "poisson", zero_inflation="~ 1"),
    "stream": lambda path: mixedlm2("y ~ x + a + (1 | g)", path),
}
# Models that are evaluated at coefficients, too.
_POINT = {name: ([0.5], [0.1, 0.2, 0.3, 0.4]) for name in ("objective", "gradient")}
CALLED = ("objective", "gradient", "predict", "update", "with_response", "kept_design")


@cache
def model_of(kind: str, path: str) -> Any:
    return MODELS[kind](path)


@pytest.mark.parametrize("kind", MODELS)
def test_models(kind: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(kind, path)
    assert set(CALLED) <= set(methods(model))
    approximated = kind in ("counts", "ordinal", "zeros")
    points = _POINT if approximated else {name: ([0.5],) for name in _POINT}
    for name, good in (points | {"predict": ([0.1, 0.2, 0.3, 0.4],)}).items():
        monkeypatch.setitem(GOOD, name, good)
    for name in CALLED:
        found = foreign(getattr(model, name), calls(model, name, data()))
        assert not found, "\n".join(found[:10])


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_fits(kind: str, path: str) -> None:
    model = model_of(kind, path)
    found = foreign(model.fit, calls(model, "fit", data()))
    assert not found, "\n".join(found[:10])


FITS = {
    "stream": lambda path: mixedlm2("y ~ x + a + (1 | g)", path).fit(),
    "streamed counts": lambda path: mixedglm2("n ~ x + a + (1 | g)", path, "poisson").fit(),
    "iterative": lambda _: mixedlm2(
        "y ~ x + a + (1 | g) + (1 | h)", data().assign(h=np.tile(np.arange(6), 10))
    ).fit(solver="iterative"),
}


@cache
def fit_of(kind: str, path: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[kind](path)


def all_of(fit: Any, names: list[str]) -> None:
    for name in names:
        found = foreign(getattr(fit, name), calls(fit, name, data()))
        assert not found, "\n".join([name, *found[:10]])


def test_what_streams_have_of_their_own(path: str) -> None:
    all_of(fit_of("stream", path), ["write_parquet", "update", "get_prediction", "emmeans"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", FITS)
def test_large_fits(kind: str, path: str) -> None:
    fit = fit_of(kind, path)
    all_of(fit, methods(fit))


QUICK_PLOTS = {("linear", name) for name in ("shrinkage", "qq_caterpillar", "simulated_residuals")}


@cache
def plots_of(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MODELS[kind]("").fit().plot


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        pytest.param(kind, name, marks=() if (kind, name) in QUICK_PLOTS else pytest.mark.slow)
        for kind in ("linear", "counts", "residual", "zeros")
        for name in methods(plots_of("linear"))
    ],
)
def test_plots(kind: str, name: str) -> None:
    plots = plots_of(kind)
    found = foreign(getattr(plots, name), calls(plots, name, data()))
    assert not found, "\n".join(found[:10])
