"""No option makes a foreign exception: each strange value is taken, or refused in a sentence."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import statsmodels.api as sm
from strange_options import calls, data, foreign, methods

import statsmodels_mixed
from statsmodels_mixed import mixedglm2, mixedlm2, mixedordinal2

pytestmark = pytest.mark.filterwarnings("ignore")


def saved() -> Any:
    with TemporaryDirectory() as directory:
        fit_of("linear").to_dir(Path(directory) / "fit")
        return statsmodels_mixed.open(Path(directory) / "fit")


POISSON = sm.families.Poisson()
FITS = {
    "linear": lambda: mixedlm2("y ~ x + a + (1 | g)", data()).fit(),
    "residual": lambda: mixedlm2("y ~ x + a", data(), residual="ar1(t | g)").fit(),
    "ordinal": lambda: mixedordinal2("o ~ x + a + (1 | g)", data()).fit(),
    "counts": lambda: mixedglm2("n ~ x + a + (1 | g)", data(), POISSON).fit(),
    "zeros": lambda: mixedglm2("n ~ x + a + (1 | g)", data(), POISSON, zero_inflation="~ 1").fit(),
    "hurdle": lambda: mixedglm2("n ~ x + a + (1 | g)", data(), POISSON, hurdle="~ x").fit(),
    "dispersion": lambda: mixedglm2(
        "n ~ x + a + (1 | g)", data(), "negative_binomial", dispersion="~ x"
    ).fit(),
    "loaded": saved,
}
# What follows a fit.
AFTER = {
    "Bootstrap": lambda fit: fit.bootstrap(5, seed=1),
    "Power": lambda fit: fit.power(5, seed=1),
    "Profile": lambda fit: fit.profile(),
    "EstimatedMeans": lambda fit: fit.emmeans("a"),
    "Contrasts": lambda fit: fit.emmeans("a").contrasts(),
    "SimulatedResiduals": lambda fit: fit.simulated_residuals(20, seed=1),
    "Influence": lambda fit: fit.influence("g"),
    "RowInfluence": lambda fit: fit.get_influence(),
    "VarCorr": lambda fit: fit.varcorr,
}
# The others are walked with the slow tests.
QUICK = ("linear", "residual", "ordinal")


@cache
def fit_of(kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[kind]() if kind in FITS else AFTER[kind](fit_of("linear"))


CASES = [
    pytest.param(kind, name, marks=() if kind in (*QUICK, *AFTER) else pytest.mark.slow)
    for kind in (*FITS, *AFTER)
    for name in methods(fit_of(kind))
]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_strange_options(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where what is taken for a path may write
    owner = fit_of(kind)
    found = foreign(getattr(owner, name), calls(owner, name, data()))
    assert not found, "\n".join(found[:10])
