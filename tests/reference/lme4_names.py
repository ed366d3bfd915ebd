"""The models of lmm.json in this package's terms: formulas, data, names and labels.

lme4's data sets have other names of columns and levels than the shipped ones, and R
names coefficients otherwise than patsy does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from patsy import Poly, Treatment

from statsmodels_mixed import datasets


@dataclass(frozen=True)
class Model:
    """What to pass to `smf.mixedlm2` for a record."""

    formula: str
    data: Callable[[], pd.DataFrame]
    options: dict[str, Any] = field(default_factory=dict)


def _shipped(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: datasets.load(name)


def _weighted() -> pd.DataFrame:
    """Weights 1 + Days %% 3 in R."""
    return datasets.load("sleepstudy").assign(w=lambda frame: 1.0 + frame["days"] % 3)


def _offset() -> pd.DataFrame:
    """Offset 0.5 * Days^2 in R."""
    return datasets.load("sleepstudy").assign(off=lambda frame: 0.5 * frame["days"] ** 2)


def _pastes_sample() -> pd.DataFrame:
    frame = datasets.load("pastes")
    labels = frame["batch"].astype(str) + ":" + frame["cask"].astype(str)
    return frame.assign(sample=labels.astype("category"))


# The order of the levels of dept in lme4's InstEval; the first is the base of the contrasts.
INSTEVAL_DEPTS = (15, 5, 10, 12, 6, 7, 4, 8, 9, 14, 1, 3, 11, 2)


def _insteval() -> pd.DataFrame:
    frame = datasets.load("insteval")
    order = [f"D{dept:02d}" for dept in INSTEVAL_DEPTS]
    return frame.assign(dept=frame["dept"].cat.reorder_categories(order))


_SLEEP = "reaction ~ 1 + days + (1 + days | subj)"

MODELS = {
    "dyestuff": Model("yield ~ 1 + (1 | batch)", _shipped("dyestuff")),
    "dyestuff2": Model("yield ~ 1 + (1 | batch)", _shipped("dyestuff2")),
    "sleep_int": Model("reaction ~ 1 + days + (1 | subj)", _shipped("sleepstudy")),
    "sleep_slope": Model(_SLEEP, _shipped("sleepstudy")),
    "sleep_zerocorr": Model("reaction ~ 1 + days + (1 + days || subj)", _shipped("sleepstudy")),
    "sleep_weighted": Model(_SLEEP, _weighted, {"weights": "w"}),
    "sleep_offset": Model(_SLEEP, _offset, {"offset": "off"}),
    "sleep_fdays": Model(_SLEEP, _shipped("sleepstudy"), {"contrasts": {"days": Treatment()}}),
    "penicillin": Model("diameter ~ 1 + (1 | plate) + (1 | sample)", _shipped("penicillin")),
    "pastes": Model("strength ~ 1 + (1 | batch / cask)", _shipped("pastes")),
    "pastes_sample": Model("strength ~ 1 + (1 | sample) + (1 | batch)", _pastes_sample),
    "cake": Model(
        "angle ~ recipe * temperature + (1 | recipe:replicate)",
        _shipped("cake"),
        {"contrasts": {"temperature": Poly()}},
    ),
    "cake_temp": Model("angle ~ recipe + temp + (1 | recipe:replicate)", _shipped("cake")),
    "machines_int": Model("score ~ 1 + machine + (1 | worker)", _shipped("machines")),
    "machines_slope": Model("score ~ 1 + machine + (1 + machine | worker)", _shipped("machines")),
    "machines_nested": Model("score ~ 1 + machine + (1 | worker / machine)", _shipped("machines")),
    "oxide": Model("thickness ~ 1 + source + (1 | lot / wafer)", _shipped("oxide")),
    "oxide_int": Model("thickness ~ 1 + (1 | lot / wafer)", _shipped("oxide")),
    "oxide_source": Model(
        "thickness ~ 1 + source + (1 + source | lot) + (1 + source | lot:wafer)",
        _shipped("oxide"),
    ),
    "exam": Model("normexam ~ 1 + standlrt + (1 + standlrt | school)", _shipped("exam")),
    "orthodont": Model("distance ~ 1 + age + (1 + age | subject)", _shipped("orthodont")),
    "rail": Model("travel ~ 1 + (1 | rail)", _shipped("rail")),
    "chem97": Model("score ~ 1 + gcsecnt + (1 | school) + (1 | lea)", _shipped("chem97")),
    "insteval_1": Model("y ~ 1 + service * dept + (1 | s) + (1 | d)", _insteval),
    "insteval_2": Model("y ~ 1 + service + (1 | s) + (1 | d) + (1 | dept)", _insteval),
}

# Grouping factors whose names differ by more than case. lme4 writes the inner factor of a
# nesting first, and numbers the further terms that `||` makes of one.
_GROUPS = {
    "Subject.1": "subj",
    "cask:batch": "batch & cask",
    "recipe:replicate": "recipe & replicate",
    "Machine:Worker": "worker & machine",
    "Wafer:Lot": "lot & wafer",
    "Lot:Wafer": "lot & wafer",
}

_COLUMNS = (
    (r"^\(Intercept\)$", "Intercept"),
    (r"^(recipe|Machine|Source)(\w)$", lambda m: f"{m[1].lower()}[T.{m[2]}]"),
    (r"^service1$", "service[T.Y]"),
    (r"^dept(\d+)$", lambda m: f"dept[T.D{int(m[1]):02d}]"),
    (r"^temperature\.L$", "temperature.Linear"),
    (r"^temperature\.Q$", "temperature.Quadratic"),
    (r"^temperature\.C$", "temperature.Cubic"),
)


def group(record: dict[str, Any], factor: str) -> str:
    """Return our name of a grouping factor of lme4."""
    if record["id"].startswith("sleep") and factor == "Subject":
        return "subj"
    return _GROUPS.get(factor, factor.lower())


def column(name: str) -> str:
    """Return patsy's name of a coefficient of R."""
    return ":".join(_column(part) for part in name.split(":"))


def _column(name: str) -> str:
    for pattern, replacement in _COLUMNS:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name)
    return name.lower()


def level(record: dict[str, Any], factor: str, label: str) -> Any:
    """Return our label of a level of a grouping factor of lme4."""
    if factor in ("cask:batch", "Machine:Worker", "Wafer:Lot"):
        return tuple(reversed(label.split(":")))
    if factor in ("recipe:replicate", "Lot:Wafer"):
        return tuple(label.split(":"))
    if record["id"].startswith("sleep"):
        return f"S{label}"
    if record["id"].startswith("insteval"):
        return {"s": f"S{int(label):04d}", "d": f"I{int(label):04d}", "dept": f"D{int(label):02d}"}[
            factor
        ]
    return label
