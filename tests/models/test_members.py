"""Every public member of a fit that needs no argument works, or says in a sentence why not.

For models whose residuals or levels are not independent, and for meta-analyses.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import MetaAnalysis, datasets, meta
from statsmodels_mixed.errors import MixedModelError, MixedModelWarning
from statsmodels_mixed.models.linear.results import LinearMixedModelResults
from statsmodels_mixed.models.residual.results import ResidualCovarianceResults
from statsmodels_mixed.plots.fit_plots import FitPlots

pytest.importorskip("matplotlib").use("Agg")


def sleepstudy() -> pd.DataFrame:
    data = datasets.load("sleepstudy").query("days < 4").reset_index(drop=True)
    subj = data["subj"].astype(str)
    return data.assign(subj=subj, other=np.roll(subj, 7), odd=data["days"] % 2 + 1.0)


def sleep(formula: str, **options: Any) -> Callable[[], Any]:
    return lambda: smf.mixedlm2(formula, sleepstudy(), **options).fit()


def with_relatives() -> Any:
    names = sorted(set(sleepstudy()["subj"]))
    related = pd.DataFrame(0.2 + 0.8 * np.eye(len(names)), names, names)
    return sleep("reaction ~ days + (1 | subj)", relationship={"subj": related})()


def with_pedigree() -> Any:
    sires, dams = [0, 0, 0, 1, 3, 1, 4, 3], [0, 0, 0, 0, 2, 2, 5, 6]
    pedigree = pd.DataFrame({"animal": range(1, 9), "sire": sires, "dam": dams})
    gains = np.random.default_rng(1).normal([0, 2, -2, 1, 3], size=(4, 5)).ravel()
    data = pd.DataFrame({"animal": [4, 5, 6, 7, 8] * 4, "sex": [*"MFFMM"] * 4, "gain": gains})
    pedigrees = {"animal": pedigree}
    return smf.mixedlm2("gain ~ sex + (1 | animal)", data, pedigree=pedigrees).fit()


# Berkey et al. (1998), as in the tests of meta-analysis.
TRIALS = pd.DataFrame(
    {
        "trial": np.repeat(range(5), 2),
        "outcome": ["PD", "AL"] * 5,
        "yi": [0.47, -0.32, 0.20, -0.60, 0.40, -0.12, 0.26, -0.31, 0.56, -0.39],
        "vi": [0.0075, 0.0077, 0.0057, 0.0008, 0.0021, 0.0014, 0.0029, 0.0015, 0.0148, 0.0304],
    }
)

CORRELATED: dict[str, Callable[[], Any]] = {
    "repeated measures": sleep("reaction ~ days", residual="ar1(days | subj)"),
    "random effects": sleep("reaction ~ days + (1 | subj)", residual="ar1(days | subj)"),
    "dispersion": sleep("reaction ~ days + (1 | subj)", dispersion="power(odd)"),
}
LINEAR: dict[str, Callable[[], Any]] = {
    "relationship": with_relatives,
    "pedigree": with_pedigree,
    "structure": sleep("reaction ~ days + cs(1 + odd | subj)"),
    "structure of levels": sleep("reaction ~ 1 + ar1(0 + C(days) | subj)"),
    "membership": sleep("reaction ~ days + (1 | mm(subj, other))"),
}
META: dict[str, Callable[[], Any]] = {
    "means": lambda: meta("yi", "vi", data=TRIALS.iloc[::2]),
    "moderators": lambda: meta("yi", "vi", "~ outcome + (1 | trial)", TRIALS),
    "covariances": lambda: meta(
        "yi", V=np.diag(TRIALS["vi"]), formula="~ outcome + (outcome | trial)", data=TRIALS
    ),
}
FITS = CORRELATED | LINEAR | META

# Few replicates: each is a fit.
ARGUMENTS: dict[str, tuple[Any, ...]] = {"bootstrap": (2,), "power": (2,)}


@cache
def fit_of(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        return FITS[kind]()


def members(owner: type) -> list[str]:
    """Return public names; `remove_data` changes the fit."""
    return [name for name in dir(owner) if not name.startswith("_") and name != "remove_data"]


CASES = [
    (kind, name)
    for kinds, owner in (
        (CORRELATED, ResidualCovarianceResults),
        (LINEAR, LinearMixedModelResults),
        (META, MetaAnalysis),
    )
    for kind in kinds
    for name in members(owner)
]


def read(owner: Any, name: str) -> None:
    """Read a member, call it if it needs nothing, print what it gives; or read the refusal."""
    try:
        found = getattr(owner, name)
        if inspect.ismethod(found):
            given = ARGUMENTS.get(name, ())
            try:
                inspect.signature(found).bind(*given)
            except TypeError:
                return  # which needs an argument
            found = found(*given)
        assert repr(found)
    except MixedModelError as error:
        said = str(error)
        assert said.endswith(".") and "\n" not in said and len(said) > 20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_members(kind: str, name: str) -> None:
    read(fit_of(kind), name)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [*CORRELATED, *LINEAR])
@pytest.mark.parametrize("name", members(FitPlots))
def test_plots(kind: str, name: str) -> None:
    import matplotlib.pyplot as plt

    read(fit_of(kind).plot, name)
    plt.close("all")


@pytest.mark.parametrize("kind", LINEAR)
def test_four_plots_check_a_fit(kind: str) -> None:
    figure = fit_of(kind).plot()
    assert len(figure.axes) == 4 and all(axes.has_data() for axes in figure.axes)
