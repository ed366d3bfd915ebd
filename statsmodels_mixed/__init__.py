"""Linear and generalized linear mixed models for statsmodels.

Importing this package adds ``mixedlm2`` and ``mixedglm2`` to ``statsmodels.formula.api``::

    import statsmodels.api as sm
    import statsmodels.formula.api as smf
    import statsmodels_mixed

    sleep = statsmodels_mixed.datasets.load("sleepstudy")
    print(smf.mixedlm2("reaction ~ days + (days | subj)", sleep).fit().summary())

    contra = statsmodels_mixed.datasets.load("contra")
    model = smf.mixedglm2("use ~ age + urban + (1 | dist)", contra, sm.families.Binomial())
    print(model.fit().summary(exponentiate=True))
"""

from __future__ import annotations

import statsmodels.formula.api as _smf

from . import datasets, errors, inference
from .errors import (
    ConvergenceWarning,
    DataError,
    FormulaError,
    IdentificationWarning,
    MixedModelError,
    MixedModelWarning,
    OptionError,
    RankWarning,
    SeparationWarning,
    SingularFitWarning,
)
from .fitting.optimize import FitOptions, FitReport
from .formula.compose import FormulaTerm, fulldummy, term, zerocorr
from .formula.parse import parse
from .formula.terms import MixedFormula
from .models.generalized import GeneralizedLinearMixedModel
from .models.generalized_results import GeneralizedLinearMixedModelResults
from .models.linear import LinearMixedModel
from .models.linear_results import LinearMixedModelResults
from .results.varcorr import VarCorr
from .saved import open_fit

__all__ = [
    "ConvergenceWarning",
    "DataError",
    "FitOptions",
    "FitReport",
    "FormulaError",
    "FormulaTerm",
    "GeneralizedLinearMixedModel",
    "GeneralizedLinearMixedModelResults",
    "IdentificationWarning",
    "LinearMixedModel",
    "LinearMixedModelResults",
    "MixedFormula",
    "MixedModelError",
    "MixedModelWarning",
    "OptionError",
    "RankWarning",
    "SeparationWarning",
    "SingularFitWarning",
    "VarCorr",
    "datasets",
    "errors",
    "fulldummy",
    "inference",
    "parse",
    "term",
    "zerocorr",
]

# Not in __all__, where it would hide Python's own.
open = open_fit


def _register() -> None:
    """Add the constructors to statsmodels' formula interface, which has no hook for it."""
    for name, model in (
        ("mixedlm2", LinearMixedModel),
        ("mixedglm2", GeneralizedLinearMixedModel),
    ):
        setattr(_smf, name, model.from_formula)
        if name not in _smf.__all__:
            _smf.__all__.append(name)


_register()
