"""What the tests of all folders share: an option, and fits that many of them look at."""

from __future__ import annotations

import os
import signal
import sys

import pytest

import statsmodels_mixed._core.minimizer as minimizer
from statsmodels_mixed._core import CoreDesign

os.environ.setdefault("MPLBACKEND", "Agg")  # pictures without a screen


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
