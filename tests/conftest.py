"""What the tests of all folders share: an option, and fits that many of them look at."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest

import statsmodels_mixed as smm
import statsmodels_mixed._core.minimizer as minimizer
from statsmodels_mixed._core import CoreDesign

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures without a screen

FAMILIES = Path(__file__).parent / "reference" / "families"


def pytest_addoption(parser):
    parser.addoption(
        "--nlopt",
        choices=("c", "python"),
        default="c",
        help="through which interface NLopt runs: its C API, or Python as on Windows",
    )


@pytest.fixture(autouse=True)
def _nlopt_interface(request, monkeypatch):
    if request.config.getoption("--nlopt") == "python":
        monkeypatch.setattr(minimizer, "nlopt_table", lambda: None)


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c():
    """Shells let the processes they start in the background ignore Ctrl-C, which tests send."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def analysed(monkeypatch):
    """How often a structure was analysed, as the length of a list."""
    made = []
    original = CoreDesign.__init__

    def counted(self, *arguments, **options):
        made.append(1)
        original(self, *arguments, **options)

    monkeypatch.setattr(CoreDesign, "__init__", counted)
    return made


# Data and fits of models with several formulas.


@pytest.fixture(scope="module")
def salamanders():
    return pd.read_csv(FAMILIES / "salamanders.csv")


@pytest.fixture(scope="module")
def owls():
    data = pd.read_csv(FAMILIES / "owls.csv")
    return data.assign(cArr=data["ArrivalTime"] - 24)


@pytest.fixture(scope="module")
def wine():
    return pd.read_csv(FAMILIES / "wine.csv")


@pytest.fixture(scope="module")
def inflated(salamanders):
    formula = "count ~ spp + mined + (1 | site)"
    return smm.mixedglm2(formula, salamanders, "nbinom2", zero_inflation="~ mined").fit()


@pytest.fixture(scope="module")
def random_zeros(salamanders):
    formula, zeros = "count ~ mined + (1 | site)", "~ mined + (1 | site)"
    return smm.mixedglm2(formula, salamanders, "poisson", zero_inflation=zeros).fit()
