"""The fits of the page "Model constructors", and how to compare with what it prints.

The page's fits stop a little before the optimum, at which lme4 at tight tolerances (lmm.json)
and this package agree; what the page prints beyond the precision of its own fit cannot be
compared. `UNCONVERGED` says where that is.
"""

from __future__ import annotations

import re
import warnings
from functools import cache
from typing import Any

import pandas as pd
import statsmodels.formula.api as smf
from patsy import Treatment

from statsmodels_mixed import IdentificationWarning, SingularFitWarning, datasets

from . import load

PAGE = load("model_constructors")
VALUES = PAGE["values"]
FITS = {fit["name"]: fit for fit in PAGE["fits"]}

# One row per subject and day makes sigma unidentified in these fits, and their optimizer
# stopped above the optimum: their variance components are one point on a ridge.
NOT_IDENTIFIED = ("categorical", "categorical, separate terms", "categorical, fulldummy")
# Here sigma is not identified either: only sigma^2 plus the variance of each day is.
ONLY_SUMS = "categorical, zerocorr of fulldummy"
COMPARED = [name for name in FITS if name not in (*NOT_IDENTIFIED, ONLY_SUMS)]

# Relative error of the variance components that the page prints, where it shows in them;
# `test_page_stopped_above_the_optimum` checks that these are errors of the page.
UNCONVERGED = {
    "fm1": 1e-7,
    "fm1reml": 3e-6,
    "fm2": 1e-5,
    "fm3": 2e-5,
    "fm4": 2e-5,
    "fm4r": 3e-6,
    "fm4a": 3e-5,
    "fm4b": 3e-5,
    "fm2zerocorr": 2e-5,
    "separate terms": 2e-5,
    "categorical, zerocorr": 2e-4,
    "categorical, separate zerocorr": 2e-4,
    ONLY_SUMS: 7e-4,
}


def data_of(name: str) -> pd.DataFrame:
    data = datasets.load(FITS[name]["data"])
    if FITS[name]["data"] == "pastes":
        labels = data["cask"].astype(str) + "&" + data["batch"].astype(str)
        data["sample"] = labels.astype("category")
    return data


@cache
def fit(name: str) -> Any:
    page = FITS[name]
    options = {"contrasts": {"days": Treatment()}} if page["categorical_days"] else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", IdentificationWarning)
        model = smf.mixedlm2(page["formula"], data_of(name), **options)
        return model.fit(reml=page["reml"])


def half_unit(printed: str) -> float:
    """Half a unit of the last digit printed."""
    _, _, decimals = printed.partition(".")
    return 0.5 * 10.0 ** -len(decimals)


def assert_printed(value: float, printed: str, error: float = 0.0) -> None:
    """Check that `value` rounds to `printed`, which itself may have a relative error."""
    # The last summand allows for rounding in a value that lies on a tie.
    allowed = half_unit(printed) + (error + 1e-10) * abs(value)
    assert abs(value - float(printed)) <= allowed, f"{value!r} where the page has {printed}"


def patsy_name(name: str, full: bool = False) -> str:
    """Return patsy's name of a coefficient, `full` where each level has an indicator."""
    code = r"\1[\2]" if full else r"\1[T.\2]"
    name = name.replace("(Intercept)", "Intercept").replace(" & ", ":")
    return re.sub(r"(\w+): (\w+)", code, name)
