"""No option makes a foreign exception: each strange value is taken, or refused in a sentence."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from strange_options import calls, methods

import statsmodels_mixed
from statsmodels_mixed import mixedglm2, mixedlm2, mixedordinal2
from statsmodels_mixed.errors import MixedModelError, UnknownOptionError

pytestmark = pytest.mark.filterwarnings("ignore")


@cache
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(10), 6)
    table = pd.DataFrame({"g": g, "x": rng.normal(size=60), "a": np.tile(list("pqr"), 20)})
    eta = 0.4 * table["x"] + rng.normal(size=10)[g]
    table["t"] = np.tile(np.arange(6.0), 10)
    table["y"] = eta + rng.normal(size=60)
    table["n"] = np.where(rng.uniform(size=60) < 0.2, 0, rng.poisson(np.exp(0.5 + 0.5 * eta)))
    table["o"] = np.digitize(table["y"], [-1.0, 0.0, 1.0])
    return table


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
    owner, foreign = fit_of(kind), []
    for option, given in calls(owner, name, data()):
        try:
            repr(getattr(owner, name)(**given))
        except UnknownOptionError as error:
            assert option == "misspelt" and "misspelt=" in str(error)
        except MixedModelError as error:
            if not str(error).rstrip().endswith((".", "^", "?")):
                foreign.append(f"{option}={given[option]!r}: {error}")
        except Exception as error:  # which is what this looks for
            foreign.append(f"{option}={given[option]!r}: {type(error).__name__}: {error}")
        else:
            assert option != "misspelt", f"{name} takes any name"
    assert not foreign, "\n".join(foreign[:10])
