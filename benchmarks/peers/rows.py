"""The models that all programs fit: name, formula in lme4's words, data, family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from statsmodels_mixed import datasets

__all__ = ["ROWS", "Row"]

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
CONTRA = "use ~ 1 + age + age2 + urban + livch + (1 | dist)"
OWLS = "SiblingNegotiation ~ FoodTreatment + cArr + SexParent + offset(logBroodSize) + (1 | Nest)"
FAMILIES = Path(__file__).resolve().parents[2] / "tests" / "reference" / "families"


@dataclass(frozen=True)
class Row:
    """One model.

    Parameters
    ----------
    name, formula : str
    data : callable
        Makes the table; a response of a generalized model is 0 or 1, or a count.
    family : str
        ``"gaussian"``, ``"binomial"``, or with a log link ``"poisson"``, ``"gamma"`` or
        ``"nbinom2"``, whose standard errors are then those of the Hessian.
    nagq : int
    large : bool
        Left out unless asked for.
    zeros : str
        Formula of zero inflation; none by default.
    bars : dict
        By program, how many times our time its time shall be at least.
    answer, within : float
        -2 log-likelihood of other programs at the same model, and how near ours must be: of glmm
        0.6.2, for families and zeros that it does not have of glmmTMB 1.1.5. Where lme4 and glmmTMB
        are in the table of docs/benchmarks.md as well, they are within 1e-3 of it.
    """

    name: str
    formula: str
    data: Callable[[], pd.DataFrame]
    family: str = "gaussian"
    nagq: int = 1
    large: bool = False
    zeros: str = ""
    bars: dict[str, float] = field(default_factory=dict)
    answer: float = field(kw_only=True)
    within: float = 1e-4


def _loaded(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: datasets.load(name)


def _of_families(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: pd.read_csv(FAMILIES / f"{name}.csv")


def _contra() -> pd.DataFrame:
    data = datasets.load("contra")
    yes = data["use"] == data["use"].cat.categories[1]
    return data.assign(use=yes.astype(float), age2=data["age"] ** 2)


def _verbagg() -> pd.DataFrame:
    data = datasets.load("verbagg")
    return data.assign(r2=(data["r2"] == data["r2"].cat.categories[1]).astype(float))


def _cbpp() -> pd.DataFrame:
    """One row for each animal."""
    data = datasets.load("cbpp")
    size = data["hsz"].to_numpy()
    rows = data.loc[data.index.repeat(size)].reset_index(drop=True)
    order = np.concatenate([np.arange(n) for n in size])
    return rows.assign(ill=(order < rows["incid"]).astype(float))


def _gamma() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    g = np.repeat(np.arange(40), 25)
    x = rng.normal(size=g.size)
    mean = np.exp(1 + 0.3 * x + 0.4 * rng.normal(size=40)[g])
    return pd.DataFrame({"y": rng.gamma(3, mean / 3), "x": x, "g": g})


def crossed(rows: int, levels: tuple[int, int], long_tail: bool = False) -> pd.DataFrame:
    """Two crossed factors; with a long tail, a few levels have most of the rows.

    Parameters
    ----------
    rows : int
    levels : tuple of int
    long_tail : bool
    """
    rng = np.random.default_rng(21)
    data = {"x": rng.normal(size=rows)}
    y = 0.5 * data["x"] + rng.normal(size=rows)
    for name, count, power in zip("ab", levels, (0.6, 0.8), strict=True):
        share = np.arange(1, count + 1) ** -(power if long_tail else 0.0)
        data[name] = rng.choice(count, rows, p=share / share.sum())
        y += 0.6 * rng.normal(size=count)[data[name]]
    return pd.DataFrame({"y": y, **data})


def _slope(rows: int, levels: int) -> pd.DataFrame:
    rng = np.random.default_rng(22)
    g, x = rng.integers(0, levels, rows), rng.normal(size=rows)
    effects = rng.normal(size=(levels, 2)) * [0.7, 0.3]
    y = 1 + 0.5 * x + effects[g, 0] + effects[g, 1] * x + rng.normal(size=rows)
    return pd.DataFrame({"y": y, "x": x, "g": g})


def _nested(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(23)
    inner = rng.integers(0, rows // 20, rows)
    outer = inner // 10
    x = rng.normal(size=rows)
    y = x + rng.normal(size=rows)
    y += rng.normal(size=rows // 20)[inner] + rng.normal(size=rows // 200 + 1)[outer]
    return pd.DataFrame({"y": y, "x": x, "outer": outer, "inner": inner})


def _counts(rows: int, family: str) -> pd.DataFrame:
    data = crossed(rows, (2000, 200)).rename(columns={"y": "eta"})
    rng, eta = np.random.default_rng(24), data.pop("eta") * 0.4
    y = (
        rng.poisson(np.exp(eta))
        if family == "poisson"
        else rng.random(rows) < 1 / (1 + np.exp(-eta))
    )
    return data.assign(y=y.astype(float))


ROWS = (
    Row("dyestuff", "yield ~ 1 + (1 | batch)", _loaded("dyestuff"), answer=327.32706),
    Row("sleepstudy", SLEEP, _loaded("sleepstudy"), answer=1751.939344),
    Row(
        "penicillin",
        "diameter ~ 1 + (1 | plate) + (1 | sample)",
        _loaded("penicillin"),
        answer=332.188349,
    ),
    Row(
        "pastes",
        "strength ~ 1 + (1 | batch) + (1 | batch:cask)",
        _loaded("pastes"),
        answer=247.994466,
    ),
    Row(
        "machines",
        "score ~ 1 + machine + (1 + machine | worker)",
        _loaded("machines"),
        answer=216.417827,
    ),
    Row(
        "insteval", "y ~ 1 + service + (1 | s) + (1 | d)", _loaded("insteval"), answer=237730.615359
    ),
    Row(
        "crossed 1e5",
        "y ~ 1 + x + (1 | a) + (1 | b)",
        lambda: crossed(100_000, (5000, 500)),
        answer=296137.79336,
    ),
    Row("slope 1e5", "y ~ 1 + x + (1 + x | g)", lambda: _slope(100_000, 5000), answer=300428.35408),
    Row(
        "nested 1e5",
        "y ~ 1 + x + (1 | outer) + (1 | inner)",
        lambda: _nested(100_000),
        answer=300489.592058,
    ),
    Row("cbpp", "ill ~ 1 + period + (1 | herd)", _cbpp, "binomial", answer=555.003883),
    Row("contra", CONTRA, _contra, "binomial", answer=2372.728582),
    Row("contra, 9 points", CONTRA, _contra, "binomial", nagq=9, answer=2372.458885),
    Row(
        "verbagg",
        "r2 ~ 1 + anger + gender + btype + situ + (1 | subj) + (1 | item)",
        _verbagg,
        "binomial",
        answer=8151.39972,
    ),
    # The default takes the expected curvature in Laplace's approximation, glmm the observed one.
    Row("gamma", "y ~ 1 + x + (1 | g)", _gamma, "gamma", answer=3532.535693, within=0.05),
    Row(
        "poisson 1e5",
        "y ~ 1 + x + (1 | a) + (1 | b)",
        lambda: _counts(100_000, "poisson"),
        "poisson",
        answer=283815.698456,
    ),
    Row(
        "salamanders, zeros",
        "count ~ spp * mined + (1 | site)",
        _of_families("salamanders"),
        "nbinom2",
        zeros="~ mined",
        bars={"glmmTMB": 5.0},
        answer=1627.074123,
    ),
    Row(
        "owls, zeros",
        OWLS,
        lambda: _of_families("owls")().eval("cArr = ArrivalTime - 24"),
        "poisson",
        zeros="~ 1",
        bars={"glmmTMB": 5.0},
        answer=4003.328236,
    ),
    Row(
        "epil2",
        "y ~ Base * trt + Age + Visit + (Visit | subject)",
        _of_families("epil2"),
        "nbinom2",
        bars={"glmmTMB": 5.0},
        answer=1249.101106,
    ),
    Row(
        "bernoulli 1e5",
        "y ~ 1 + x + (1 | a)",
        lambda: _counts(100_000, "binomial"),
        "binomial",
        answer=137586.061736,
    ),
    Row(
        "crossed 1e6",
        "y ~ 1 + x + (1 | a) + (1 | b)",
        lambda: crossed(1_000_000, (10_000, 2000)),
        large=True,
        answer=2884786.873989,
    ),
    Row(
        "ratings 1e6",
        "y ~ 1 + x + (1 | a) + (1 | b)",
        lambda: crossed(1_000_000, (6000, 3500), long_tail=True),
        large=True,
        answer=2875589.659523,
    ),
    Row(
        "poisson 1e6",
        "y ~ 1 + x + (1 | a) + (1 | b)",
        lambda: _counts(1_000_000, "poisson"),
        "poisson",
        large=True,
        answer=2843434.519448,
    ),
    Row(
        "bernoulli 1e6",
        "y ~ 1 + x + (1 | a)",
        lambda: _counts(1_000_000, "binomial"),
        "binomial",
        large=True,
        answer=1369305.840563,
    ),
    Row(
        "slope 1e6",
        "y ~ 1 + x + (1 + x | g)",
        lambda: _slope(1_000_000, 50_000),
        large=True,
        answer=3003677.635916,
    ),
    Row(
        "nested 1e6",
        "y ~ 1 + x + (1 | outer) + (1 | inner)",
        lambda: _nested(1_000_000),
        large=True,
        answer=3001203.375278,
    ),
)
