"""Random generalized linear mixed models of every family and link."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from statsmodels_mixed import GeneralizedLinearMixedModel

from .linear_models import choose, draw_rows

sys.path.append(str(Path(__file__).parents[1] / "properties"))
from generalized_cases import KINDS, Kind

__all__ = ["GeneralizedCase", "draw"]

FIXED = {"1": 6, "x": 10, "f": 4, "x + f": 4, "0 + f": 1, "x + twice": 2, "x * f2": 2}
RANDOM = {
    "(1 | g)": 14, "(x | g)": 6, "(x || g)": 3, "(1 | g) + (1 | h)": 6, "(1 | g / h)": 2,
    "(x | g) + (1 | h)": 2, "(0 + x | g)": 1, "(f2 | g)": 2,
}  # fmt: skip


@dataclass(frozen=True)
class GeneralizedCase:
    """A formula, data, family and options of the model and of its fit."""

    formula: str
    data: pd.DataFrame
    kind: Kind
    options: dict[str, Any]
    how: dict[str, Any]

    def model(self) -> Any:
        family = self.kind.object()
        return GeneralizedLinearMixedModel.from_formula(
            self.formula, self.data, family, **self.options
        )

    def fit(self, **more: Any) -> Any:
        return self.model().fit(**{**self.how, **more})

    def __str__(self) -> str:
        name = f"{self.kind.family}-{self.kind.link}{self.kind.power}"
        return f"{self.formula}, {len(self.data)} rows, {name} {self.options} {self.how}"


def _random_part(rng: np.random.Generator, data: pd.DataFrame, size: float) -> np.ndarray:
    eta = np.zeros(len(data))
    x = data["x"].to_numpy()
    x = (x - x.mean()) / (x.std() or 1)
    for name in ("g", "h"):
        levels, codes = np.unique(data[name], return_inverse=True)
        sizes = size * rng.choice([0, 0.1, 0.3, 0.6], size=2)
        b = rng.normal(size=(len(levels), 2)) * sizes
        eta += b[codes, 0] + b[codes, 1] * x
    return eta + 0.3 * size * rng.normal() * x


def draw(seed: int) -> GeneralizedCase:
    """The model of a seed; linear predictors keep to the interval that suits the link."""
    rng = np.random.default_rng([2, seed])
    n = int(rng.integers(*[(8, 16), (16, 50), (50, 120)][rng.choice(3, p=[0.15, 0.6, 0.25])]))
    data, kind = draw_rows(rng, n), KINDS[str(rng.choice(list(KINDS)))]
    middle, width = (kind.low + kind.high) / 2, (kind.high - kind.low) / 2
    eta = np.clip(middle + _random_part(rng, data, width), kind.low, kind.high)
    phi = float(10.0 ** rng.uniform(-1.5, 0.5))
    options: dict[str, Any] = {}
    mu = kind.object(phi).link.inverse(eta)
    if rng.random() < 0.1 and kind.link == "log" and kind.family != "binomial":
        data["e"] = 10.0 ** rng.uniform(-1, 2, n)
        mu, options["exposure"] = mu * data["e"], "e"
    if rng.random() < 0.3 and kind.family == "binomial":
        data["w"] = rng.integers(1, [6, 200][rng.integers(2)], n).astype(float)
        data["y"], options["weights"] = rng.binomial(data["w"].astype(int), mu) / data["w"], "w"
    else:
        data["y"] = kind.draw(rng, np.asarray(mu), phi)
        if rng.random() < 0.2 and kind.family != "binomial":
            data["w"], options["weights"] = 10.0 ** rng.uniform(-1, 1, n), "w"
    formula = f"y ~ {choose(rng, FIXED)} + {choose(rng, RANDOM)}"
    how: dict[str, Any] = {}
    if rng.random() < 0.15:
        how["hessian"] = "observed"
    if rng.random() < 0.1:
        how["fast"] = True
    elif formula.count("|") == 1 and "/" not in formula and rng.random() < 0.3:
        how["n_agq"] = int(rng.choice([2, 3, 5, 9]))
    return GeneralizedCase(formula, data, kind, options, how)
