"""The models of glmm.json in this package's terms: formulas, data, names and labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_mixed import datasets
from statsmodels_mixed.fitting.estimates import GeneralizedEstimates
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.fit import fit_generalized
from statsmodels_mixed.formula import parse
from statsmodels_mixed.frame import build_frame
from statsmodels_mixed.frame.design import Design, build_design


@dataclass(frozen=True)
class Model:
    """A formula, its data and its family."""

    formula: str
    data: Callable[[], pd.DataFrame]
    family: FamilySpec
    options: dict[str, Any] = field(default_factory=dict)


def _shipped(name: str) -> Callable[[], pd.DataFrame]:
    return lambda: datasets.load(name)


def _verbagg() -> pd.DataFrame:
    """In R the first level of mode is want."""
    frame = datasets.load("verbagg")
    return frame.assign(mode=frame["mode"].cat.reorder_categories(["want", "do"]))


def _cbpp_rows() -> pd.DataFrame:
    """A column obs that numbers the rows."""
    return datasets.load("cbpp").assign(obs=lambda frame: np.arange(1, len(frame) + 1))


def _mmec() -> pd.DataFrame:
    return datasets.load("mmec").assign(log_expected=lambda frame: np.log(frame["expected"]))


BINOMIAL = FamilySpec("binomial", "logit")
POISSON = FamilySpec("poisson", "log")
_CONTRA = "use ~ 1 + age + I(age**2) + livch + urban + "
_CBPP = "I(incid / hsz) ~ 1 + period + (1 | herd)"
_TICKS = "ticks ~ 1 + year + cheight + (1 | brood) + (1 | location)"

MODELS = {
    "contra": Model(_CONTRA + "(1 | dist)", _shipped("contra"), BINOMIAL),
    "contra_probit": Model(
        _CONTRA + "(1 | dist)", _shipped("contra"), FamilySpec("binomial", "probit")
    ),
    "contra_slope": Model(_CONTRA + "(1 + urban | dist)", _shipped("contra"), BINOMIAL),
    "cbpp": Model(_CBPP, _shipped("cbpp"), BINOMIAL, {"weights": "hsz"}),
    "cbpp_obs": Model(_CBPP + " + (1 | obs)", _cbpp_rows, BINOMIAL, {"weights": "hsz"}),
    "grouseticks": Model(_TICKS + " + (1 | index)", _shipped("grouseticks"), POISSON),
    "grouseticks_nb2": Model(
        _TICKS, _shipped("grouseticks"), FamilySpec("negative_binomial", "log", 1.0, True)
    ),
    "mmmec": Model("deaths ~ 1 + uvb + (1 | region)", _mmec, POISSON, {"offset": "log_expected"}),
    "gamma_sleep": Model(
        "reaction ~ 1 + days + (1 | subj)",
        _shipped("sleepstudy"),
        FamilySpec("gamma", "log", 1.0, True),
    ),
    "sleep_slope": Model(
        "reaction ~ 1 + days + (1 + days | subj)",
        _shipped("sleepstudy"),
        FamilySpec("gaussian", "identity", 1.0, True),
    ),
    "verbagg": Model(
        "r2 ~ 1 + anger + gender + btype + situ + mode + (1 | subj) + (1 | item)",
        _verbagg,
        BINOMIAL,
    ),
}


def make_design(formula: str, data: pd.DataFrame, **options: Any) -> Design:
    """Return the arrays of a model."""
    return build_design(build_frame(parse(formula), data, **options))


# One model, given to R as successes and failures and as proportions of trials.
MODELS["cbpp_prop"] = MODELS["cbpp"]

# What the formula interface takes, where it differs.
_CALLS = {
    "cbpp": ("incid + I(hsz - incid) ~ 1 + period + (1 | herd)", {}),
    "mmmec": (MODELS["mmmec"].formula, {"exposure": "expected"}),
}
_FAMILIES = {
    ("binomial", "logit"): sm.families.Binomial,
    ("binomial", "probit"): lambda: sm.families.Binomial(sm.families.links.Probit()),
    ("poisson", "log"): sm.families.Poisson,
    ("negative_binomial", "log"): lambda: sm.families.NegativeBinomial(alpha=1.0),
    ("gamma", "log"): lambda: sm.families.Gamma(sm.families.links.Log()),
    ("gaussian", "identity"): sm.families.Gaussian,
}


@cache
def design_of(name: str) -> Design:
    """Return the arrays of a model of `MODELS`."""
    model = MODELS[name]
    return make_design(model.formula, model.data(), **model.options)


@cache
def fit(name: str, **how: Any) -> GeneralizedEstimates:
    """Fit a model of `MODELS`."""
    return fit_generalized(design_of(name), MODELS[name].family, **how)


@cache
def result(name: str, **how: Any) -> Any:
    """Fit a model of `MODELS` by its formula."""
    model = MODELS[name]
    formula, options = _CALLS.get(name, (model.formula, model.options))
    family = _FAMILIES[model.family.family, model.family.link]()
    return smf.mixedglm2(formula, model.data(), family, **options).fit(**how)


_GROUPS = {"district": "dist", "id": "subj", "Subject": "subj"}
_COLUMNS = {"(Intercept)": "Intercept", "I(age^2)": "I(age ** 2)"}
_CATEGORICAL = r"^(livch|urban|period|year|gender|btype|situ|mode)(.+)$"
_LEVELS = {"district": "D{:02d}", "herd": "H{:02d}", "id": "S{:03d}", "Subject": "S{:d}"}


def group(factor: str) -> str:
    """Return our name of a grouping factor of R."""
    return _GROUPS.get(factor, factor.lower())


def column(name: str) -> str:
    """Return patsy's name of a coefficient of R."""
    match = re.match(_CATEGORICAL, name, re.IGNORECASE)
    if match:
        return f"{match[1].lower()}[T.{match[2]}]"
    return _COLUMNS.get(name, name.lower())


def level(factor: str, label: str) -> Any:
    """Return our label of a level of a grouping factor of R."""
    if factor == "obs":
        return int(label)
    return _LEVELS[factor].format(int(label)) if factor in _LEVELS else label
