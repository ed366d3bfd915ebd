"""Models whose size grows in one direction: rows, levels, effects of a level, columns of X."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["SERIES", "Series"]


@dataclass(frozen=True)
class Series:
    """Models that differ in one size.

    Parameters
    ----------
    title : str
    size : str
        What grows.
    values : tuple of int
        Its values; the last are left out unless the large models are asked for.
    large : int
        How many are large.
    model : callable
        Takes a value; returns a formula, the table, and options of `fit`.
    family : str
        ``"gaussian"`` or ``"poisson"``.
    """

    title: str
    size: str
    values: tuple[int, ...]
    large: int
    model: Callable[[int], tuple[str, pd.DataFrame, dict[str, Any]]]
    family: str = "gaussian"


def _one_factor(rows: int, levels: int) -> pd.DataFrame:
    rng = np.random.default_rng(31)
    g, x = rng.integers(0, levels, rows), rng.normal(size=rows)
    y = 0.5 * x + rng.normal(size=levels)[g] + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def _two_factors(rows: int, first: int, second: int) -> pd.DataFrame:
    rng = np.random.default_rng(32)
    data = _one_factor(rows, first)
    data["h"] = rng.integers(0, second, rows)
    return data.assign(y=data["y"] + 0.5 * rng.normal(size=second)[data["h"]])


def _rows(n: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    return "y ~ x + (1 | g)", _one_factor(n, 1000), {}


def _levels(m: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    return "y ~ x + (1 | g)", _one_factor(1_000_000, m), {}


def _tail(m: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    return "y ~ x + (1 | g) + (1 | h)", _two_factors(200_000, 10_000, m), {}


def _iterative(m: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    return "y ~ x + (1 | g) + (1 | h)", _two_factors(10 * m, m, m), {"solver": "iterative"}


def _effects(k: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    rng = np.random.default_rng(33)
    data = _one_factor(20_000, 400)
    names = [f"z{j}" for j in range(1, k)]
    for name in names:
        data[name] = rng.normal(size=len(data))
        data["y"] += 0.5 * rng.normal(size=400)[data["g"]] * data[name]
    inner = " + ".join(["1", *names])
    return f"y ~ {inner} + ({inner} | g)", data, {}


def _columns(p: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    rng = np.random.default_rng(34)
    data = _one_factor(100_000, 1000)
    more = pd.DataFrame(
        rng.normal(size=(len(data), p - 2)), columns=[f"w{j}" for j in range(p - 2)]
    )
    right = " + ".join(["x", *more.columns])
    return f"y ~ {right} + (1 | g)", pd.concat([data, more], axis=1), {}


def _counts(n: int) -> tuple[str, pd.DataFrame, dict[str, Any]]:
    data = _two_factors(n, 1000, 100)
    eta = 0.4 * data["y"]
    rng = np.random.default_rng(35)
    return "y ~ x + (1 | g) + (1 | h)", data.assign(y=rng.poisson(np.exp(eta))), {}


SERIES = (
    Series("Rows, one factor of 1000 levels", "rows", (10**4, 10**5, 10**6, 10**7), 1, _rows),
    Series("Levels, one factor, 1e6 rows", "levels", (10**3, 10**4, 10**5, 10**6), 1, _levels),
    Series(
        "Levels of the second of two crossed factors, 2e5 rows, 1e4 levels of the first",
        "levels",
        (125, 250, 500, 1000, 2000, 4000),
        1,
        _tail,
    ),
    Series(
        "Levels of both crossed factors, 10 rows a level, solved iteratively",
        "levels",
        (10**3, 10**4, 10**5),
        1,
        _iterative,
    ),
    Series(
        "Effects of a level, k (k + 1) / 2 parameters, 2e4 rows, 400 levels",
        "k",
        (1, 2, 4, 8, 12),
        0,
        _effects,
    ),
    Series("Columns of X, 1e5 rows", "columns", (2, 10, 30, 100), 0, _columns),
    Series(
        "Rows of Poisson counts, crossed factors of 1000 and 100 levels",
        "rows",
        (10**4, 10**5, 10**6),
        1,
        _counts,
        "poisson",
    ),
)
