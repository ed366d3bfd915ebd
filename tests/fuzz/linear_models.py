"""Random linear mixed models, hostile ones among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_mixed import LinearMixedModel

__all__ = ["LinearCase", "draw", "draw_rows"]

FIXED = {
    "1": 8, "x": 10, "f": 4, "x + f": 6, "x * f": 2, "0 + f": 2, "x + x2": 4,
    "x + twice": 2, "x + constant": 1, "0 + x": 1, "f * f2": 2,
}  # fmt: skip
RANDOM = {
    "(1 | g)": 10, "(x | g)": 8, "(x || g)": 4, "(0 + x | g)": 2, "(1 | g) + (1 | h)": 6,
    "(1 | g / h)": 3, "(x | g) + (1 | h)": 3, "(1 | g) + (0 + x | h)": 2, "(f | g)": 3,
    "(x + x2 | g)": 3, "(x + x2 || g)": 1, "(x | g) + (x | h)": 1, "(x | g) + (x2 || h)": 1,
}  # fmt: skip


@dataclass(frozen=True)
class LinearCase:
    """A formula, data, and options of the model and of its fit."""

    formula: str
    data: pd.DataFrame
    options: dict[str, Any]
    how: dict[str, Any]

    def model(self) -> Any:
        return LinearMixedModel.from_formula(self.formula, self.data, **self.options)

    def fit(self, **more: Any) -> Any:
        return self.model().fit(**{**self.how, **more})

    def __str__(self) -> str:
        return f"{self.formula}, {len(self.data)} rows, {self.options} {self.how}"


def choose(rng: np.random.Generator, weights: dict[str, int]) -> str:
    """A key of a dictionary of weights."""
    p = np.array(list(weights.values()), float)
    return str(rng.choice(list(weights), p=p / p.sum()))


def labels(rng: np.random.Generator, n: int, levels: int) -> np.ndarray:
    """Levels of the rows: balanced, or some with many rows and some with few."""
    if rng.random() < 0.5:
        return rng.permutation(np.arange(n) % levels)
    return rng.choice(levels, size=n, p=rng.dirichlet(np.full(levels, 2.0)))


def draw_rows(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Groupings g and h, numbers x and x2, factors f and f2, copies and constants."""
    x = rng.normal(size=n) if rng.random() < 0.7 else rng.integers(0, 4, n).astype(float)
    g = labels(rng, n, int(rng.integers(2, max(3, n // 2))))
    few = int(rng.integers(2, 5))
    return pd.DataFrame(
        {
            "g": np.char.add("g", g.astype(str)),
            "h": np.char.add("h", labels(rng, n, int(rng.integers(2, max(3, n // 3)))).astype(str)),
            "x": x * 10.0 ** rng.choice([0, 0, 0, -2, 2]) + rng.choice([0, 0, 0, 10]),
            "x2": rng.normal(size=n),
            "f": np.array(list("abcd"))[labels(rng, n, few)],
            "f2": np.array(list("uv"))[rng.integers(0, 2, n)],
            "twice": 2 * x + 1,
            "constant": 3.0,
        }
    )


def effects(rng: np.random.Generator, data: pd.DataFrame, name: str) -> np.ndarray:
    """Intercepts and slopes in x of the levels of a grouping, for every row."""
    levels, codes = np.unique(data[name], return_inverse=True)
    sizes = rng.choice([0, 0.1, 1, 1, 10], size=2)
    b = rng.normal(size=(len(levels), 2)) * sizes
    x = data["x"].to_numpy()
    return np.asarray(b[codes, 0] + b[codes, 1] * x / (x.std() or 1))


def draw_weights(rng: np.random.Generator, n: int) -> np.ndarray:
    """Prior weights, up to twelve orders apart."""
    kind = rng.integers(4)
    if kind == 0:
        return rng.integers(1, 5, n).astype(float)
    return 10.0 ** rng.uniform(-1, 1, n) ** [1, 1, 3, 1][kind] * (
        10.0 ** rng.uniform(-6, 6, n) if kind == 3 else 1.0
    )


def draw(seed: int) -> LinearCase:
    """The model of a seed."""
    rng = np.random.default_rng([1, seed])
    n = int(rng.integers(*[(5, 13), (12, 41), (40, 91)][rng.choice(3, p=[0.2, 0.6, 0.2])]))
    data = draw_rows(rng, n)
    if rng.random() < 0.08:  # copies of rows
        data = data.iloc[rng.integers(0, n, n)].reset_index(drop=True)
    fixed, random = choose(rng, FIXED), choose(rng, RANDOM)
    noise = 10.0 ** rng.choice([0, 0, 0, -1, 1])
    y = data["x2"] + effects(rng, data, "g") + effects(rng, data, "h")
    y = y + noise * rng.normal(size=n)
    data["y"] = np.round(y) if rng.random() < 0.1 else y
    if rng.random() < 0.04:  # copies with their responses
        data = data.iloc[rng.integers(0, n, n)].reset_index(drop=True)
    options: dict[str, Any] = {}
    if rng.random() < 0.35:
        data["w"] = draw_weights(rng, n)
        options["weights"] = "w"
    if rng.random() < 0.15:
        data["o"] = rng.normal(size=n)
        options["offset"] = "o"
    how: dict[str, Any] = {"reml": bool(rng.random() < 0.5)}
    if rng.random() < 0.1:
        how["sigma"] = float(noise * 10.0 ** rng.uniform(-1, 1))
    return LinearCase(f"y ~ {fixed} + {random}", data, options, how)
