"""Every number that a linear fit answers with has the unit and the origin that it should have.

A change of units by a small power of two, or of the origin by a small number, is exact: it shows
by which rule each number changes. The same rule must hold for the largest changes. Numbers
that follow no rule fail, but for those that a shift changes by their meaning, which are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from every_answer import CALLS, NO_NUMBERS, Answers, answers, public_names

from statsmodels_mixed import inference, mixedlm2

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")

SAME = 1e-6
POWERS = np.arange(-8, 9) / 2.0  # of the unit of the response, halves for that of weights

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "slopes": ("y ~ x + f + (x | g)", {}),
    "weights": ("y ~ x + f + (1 | g)", {"weights": "w"}),
    "crossed": ("y ~ x + f + (1 | g) + (1 | h)", {"weights": "v"}),
    "slopes and weights": ("y ~ x + f + (x | g)", {"weights": "w"}),
    "offset": ("y ~ x + f + (1 | h)", {"offset": "o"}),
    "structure": ("y ~ x + f + cs(0 + f | g)", {}),
    "residual": ("y ~ x + f", {"residual": "ar1(t | g)", "weights": "v"}),
    "residual and effects": ("y ~ x + f + (1 | h)", {"residual": "ar1(t | g)", "offset": "o"}),
    "dispersion": ("y ~ x + f + (1 | g)", {"dispersion": "~ f"}),
}
FAST = {"slopes", "weights", "residual"}
NAMES = [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in MODELS]


def _grid(values: np.ndarray) -> np.ndarray:
    """Multiples of 2^-20, which shifts leave exact."""
    return np.round(values * 2.0**20) / 2.0**20


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    g, h = np.repeat(np.arange(8), 8), rng.integers(0, 5, 64)
    x = _grid(rng.normal(size=64) + 0.3 * rng.normal(size=8)[g])
    f = np.array(list("abc"))[rng.integers(0, 3, 64)]
    y = 1 + 0.5 * x + rng.normal(size=8)[g] + 0.7 * rng.normal(size=8)[g] * x
    y = y + 0.8 * rng.normal(size=5)[h] + 0.4 * (f == "b") + rng.normal(size=64)
    return pd.DataFrame(
        {
            "y": _grid(y), "x": x, "f": f, "o": _grid(rng.normal(size=64)),
            "t": np.tile(np.arange(8), 8),
            "g": np.char.add("g", g.astype(str)), "h": np.char.add("h", h.astype(str)),
            "w": 10.0 ** rng.uniform(-6, 6, 64), "v": rng.uniform(0.5, 2, 64),
        }
    )  # fmt: skip


Change = Callable[[pd.DataFrame, float], pd.DataFrame]


def units_of_response(frame: pd.DataFrame, c: float) -> pd.DataFrame:
    return frame.assign(y=frame["y"] * c, o=frame["o"] * c)


def units_of_weights(frame: pd.DataFrame, c: float) -> pd.DataFrame:
    return frame.assign(w=frame["w"] * c, v=frame["v"] * c)


def origin_of_response(frame: pd.DataFrame, c: float) -> pd.DataFrame:
    return frame.assign(y=frame["y"] + c)


def origin_of_covariate(frame: pd.DataFrame, c: float) -> pd.DataFrame:
    return frame.assign(x=frame["x"] + c)


@cache
def said(name: str, change: Change, size: float) -> Answers:
    formula, options = MODELS[name]
    frame = change(data(), size)
    fit = mixedlm2(formula, frame, **options).fit(reml=True)
    assert fit.converged
    return answers(fit, frame)


def usual(name: str) -> Answers:
    return said(name, units_of_response, 1.0)


def _numbers(
    name: str, change: Change, small: float, large: float
) -> Iterator[tuple[str, float, float, float, float]]:
    """The name of each number, its size, and it for no change, a small and a large one."""
    before, near, far = usual(name), said(name, change, small), said(name, change, large)
    assert set(before) == set(near) == set(far)
    for what, values in before.items():
        assert near[what].shape == far[what].shape == values.shape, what
        size = float(np.max(np.abs(values), where=np.isfinite(values), initial=1e-300))
        if "pr(>" in what.lower() or "pvalue" in what:
            size = 1.0
        for one, two, three in zip(values, near[what], far[what], strict=True):
            if np.isfinite(one):
                yield what, size, one, two, three
            else:
                np.testing.assert_equal([two, three], [one, one], what)


def _tolerance(what: str) -> float:
    """Replicates are fitted to what fits ask of themselves, profiles interpolated between points.

    The points of a profile are about 0.6 apart in zeta; shifts move them a little.
    """
    if any(each in what for each in ("profile", "tidy/1", "conf_int/1")):
        return 1e-3
    return 10 * SAME if what.startswith("bootstrap") else SAME


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "large"),
    [(units_of_response, 1e150), (units_of_response, 1e-150), (units_of_weights, 1e6)],
)
def test_units(name: str, change: Change, large: float) -> None:
    """A number is multiplied by a power of the unit, or a logarithm is added."""
    weighted = "weights" in MODELS[name][1]
    if change is units_of_weights and not weighted:
        pytest.skip("the model has no weights")
    if weighted and large > 1e100:
        large = 1e140  # residual variances of rows are sigma^2 over weights of 1e-6
    wrong = []
    for what, size, one, two, three in _numbers(name, change, 4.0, large):
        near = np.abs(two / 4.0**POWERS - one) <= _tolerance(what) * size
        if near.any():
            with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
                off = np.abs(three / np.float64(large) ** POWERS[near] - one) / size
        else:
            slope = (two - one) / np.log(4.0)
            off = np.abs([three - slope * np.log(large) - one]) / max(size, abs(one))
        if not np.nanmin(off, initial=np.inf) <= _tolerance(what):
            wrong.append((what, one, two, three))
    assert not wrong


# What a shift changes by its meaning: the intercept, the level at x = 0, and what is about them.
OF_ORIGIN = {
    origin_of_response: (
        "Pr(>", "/t", "/z", "pvalue", "statistic", "tvalues", "power", "wald_test_terms",
        "coefficient_tests", "joint_tests",
    ),
    origin_of_covariate: (
        "PCA", "b/", "beta", "betas", "bootstrap", "bse", "coef", "cond", "conf_int", "corr",
        "cov_", "denominators", "df_coef", "fixef", "influence", "normalized_cov_params", "params",
        "power", "profile", "pvalues", "random_effects", "ranef", "raneftables", "re_pca", "refit",
        "simulate", "sdest", "sigmarhos", "sigmas", "stderror", "theta", "tidy", "to_dir",
        "tvalues", "u/", "update", "var", "vcov", "vif", "wald_test_terms", "with_inference",
        "objective",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("change", "large"), [(origin_of_response, 2.0**30), (origin_of_covariate, 2.0**23)]
)
def test_origins(name: str, change: Change, large: float) -> None:
    """A number stays, or moves with the response."""
    if change is origin_of_covariate and name == "slopes and weights":
        pytest.skip("a large x times the root of a large weight has lost the digits of x")
    wrong, of_origin = [], OF_ORIGIN[change]
    for what, size, one, two, three in _numbers(name, change, 8.0, large):
        by = [a for a in (0.0, 1.0) if abs(two - 8.0 * a - one) <= _tolerance(what) * size]
        if not by:
            if not any(each in what for each in of_origin):
                wrong.append((what, one, two, three))
            continue
        off = min(abs(three - large * a - one) for a in by) / size
        if not off <= _tolerance(what):
            wrong.append((what, one, two, three))
    assert not wrong


def test_everything_public_is_asked() -> None:
    """A new method or function must be listed, so that it cannot be forgotten."""
    formula, options = MODELS["slopes"]
    fit = mixedlm2(formula, data(), **options).fit(reml=True)
    names = public_names(fit)
    called = {n for n in names if n in inference.__all__ or callable(getattr(fit, n))}
    assert called - set(CALLS) - set(NO_NUMBERS) == set()
    assert set(CALLS) | set(NO_NUMBERS) <= names
    assert not [each for each in usual("slopes") if "is refused" in each]
