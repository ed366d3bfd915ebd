"""Linear mixed models for statsmodels.

Importing this package adds ``mixedlm2`` to ``statsmodels.formula.api``::

    import statsmodels.formula.api as smf
    import statsmodels_mixed

    sleep = statsmodels_mixed.datasets.load("sleepstudy")
    print(smf.mixedlm2("reaction ~ days + (days | subj)", sleep).fit().summary())
"""

from __future__ import annotations

import statsmodels.formula.api as _smf

from . import datasets, errors
from .errors import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    MixedModelError,
    MixedModelWarning,
    OptionError,
    RankWarning,
    SingularFitWarning,
)
from .formula.build import FormulaTerm, fulldummy, term, zerocorr
from .formula.parse import parse
from .models.linear import LinearMixedModel
from .optimize import FitOptions, FitReport
from .results.linear import LinearMixedModelResults
from .results.varcorr import VarCorr
from .terms import MixedFormula

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "FitOptions",
    "FitReport",
    "FormulaError",
    "FormulaTerm",
    "LinearMixedModel",
    "LinearMixedModelResults",
    "MixedFormula",
    "MixedModelError",
    "MixedModelWarning",
    "OptionError",
    "RankWarning",
    "SingularFitWarning",
    "VarCorr",
    "datasets",
    "errors",
    "fulldummy",
    "parse",
    "term",
    "zerocorr",
]


def _register() -> None:
    """Add the constructors to statsmodels' formula interface, which has no hook for it."""
    _smf.mixedlm2 = LinearMixedModel.from_formula
    if "mixedlm2" not in _smf.__all__:
        _smf.__all__.append("mixedlm2")


_register()
