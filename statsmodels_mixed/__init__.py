"""Linear and generalized linear mixed models for statsmodels.

`mixedlm2` and `mixedglm2` make models from formulas. Importing this package also adds them to
``statsmodels.formula.api``::

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

from importlib.metadata import version as _version

import statsmodels.formula.api as _smf

from . import datasets, errors, families, inference
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
from .fitting.family_names import Bernoulli
from .fitting.optimize import FitOptions, FitReport
from .formula.compose import FormulaTerm, fulldummy, term, zerocorr
from .formula.parse import parse
from .formula.terms import MixedFormula
from .meta_analysis import MetaAnalysis, meta
from .models.distributional import DistributionalMixedModel
from .models.distributional_results import DistributionalResults
from .models.generalized import GeneralizedLinearMixedModel
from .models.generalized_results import (
    GeneralizedLinearMixedModelResults,
    GeneralizedLinearMixedModelResultsWrapper,
)
from .models.linear import LinearMixedModel
from .models.linear_results import LinearMixedModelResults, LinearMixedModelResultsWrapper
from .models.ordinal import OrdinalMixedModel
from .models.other_tables import register_tables as _register_tables
from .models.residual import ResidualCovarianceModel
from .models.residual_results import (
    ResidualCovarianceResults,
    ResidualCovarianceResultsWrapper,
)
from .results.varcorr import VarCorr
from .saved import open_fit

__all__ = [
    "Bernoulli",
    "ConvergenceWarning",
    "DataError",
    "DistributionalMixedModel",
    "DistributionalResults",
    "FitOptions",
    "FitReport",
    "FormulaError",
    "FormulaTerm",
    "GeneralizedLinearMixedModel",
    "GeneralizedLinearMixedModelResults",
    "GeneralizedLinearMixedModelResultsWrapper",
    "IdentificationWarning",
    "LinearMixedModel",
    "LinearMixedModelResults",
    "LinearMixedModelResultsWrapper",
    "MetaAnalysis",
    "MixedFormula",
    "MixedModelError",
    "MixedModelWarning",
    "OptionError",
    "OrdinalMixedModel",
    "RankWarning",
    "ResidualCovarianceModel",
    "ResidualCovarianceResults",
    "ResidualCovarianceResultsWrapper",
    "SeparationWarning",
    "SingularFitWarning",
    "VarCorr",
    "__version__",
    "datasets",
    "errors",
    "families",
    "fulldummy",
    "inference",
    "meta",
    "mixedglm2",
    "mixedlm2",
    "mixedordinal2",
    "parse",
    "term",
    "zerocorr",
]

__version__ = _version("statsmodels_mixed")

mixedlm2 = LinearMixedModel.from_formula
mixedglm2 = GeneralizedLinearMixedModel.from_formula
mixedordinal2 = OrdinalMixedModel.from_formula

# Not in __all__, where it would hide Python's own.
open = open_fit


def _register() -> None:
    """Add the constructors to statsmodels' formula interface, which has no hook for it."""
    for name, constructor in (
        ("mixedlm2", mixedlm2),
        ("mixedglm2", mixedglm2),
        ("mixedordinal2", mixedordinal2),
    ):
        setattr(_smf, name, constructor)
        if name not in _smf.__all__:
            _smf.__all__.append(name)


_register()
_register_tables()
