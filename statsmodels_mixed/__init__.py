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
from typing import TYPE_CHECKING

from .later import attributes
from .registers import register

if TYPE_CHECKING:
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
    from .fitting.families.names import Bernoulli
    from .fitting.search.optimize import FitOptions, FitReport
    from .formula.compose import FormulaTerm, fulldummy, term, zerocorr
    from .formula.parse import parse
    from .formula.terms import MixedFormula
    from .meta_analysis.meta import meta
    from .meta_analysis.results import MetaAnalysis
    from .models.distributional.model import DistributionalMixedModel
    from .models.distributional.ordinal import OrdinalMixedModel, mixedordinal2
    from .models.distributional.results import DistributionalResults
    from .models.generalized.model import GeneralizedLinearMixedModel
    from .models.generalized.results import (
        GeneralizedLinearMixedModelResults,
        GeneralizedLinearMixedModelResultsWrapper,
    )
    from .models.linear.model import LinearMixedModel
    from .models.linear.results import LinearMixedModelResults, LinearMixedModelResultsWrapper
    from .models.residual.model import ResidualCovarianceModel
    from .models.residual.results import (
        ResidualCovarianceResults,
        ResidualCovarianceResultsWrapper,
    )
    from .results.varcorr import VarCorr
    from .saved import open_fit as open  # noqa: F401 - not in __all__, it would hide Python's own

    mixedlm2 = LinearMixedModel.from_formula
    mixedglm2 = GeneralizedLinearMixedModel.from_formula
else:
    __getattr__, __dir__ = attributes(
        __name__,
        "datasets:",
        "errors:",
        "families:",
        "inference:",
        "errors:ConvergenceWarning",
        "errors:DataError",
        "errors:FormulaError",
        "errors:IdentificationWarning",
        "errors:MixedModelError",
        "errors:MixedModelWarning",
        "errors:OptionError",
        "errors:RankWarning",
        "errors:SeparationWarning",
        "errors:SingularFitWarning",
        "fitting.families.names:Bernoulli",
        "fitting.search.optimize:FitOptions",
        "fitting.search.optimize:FitReport",
        "formula.compose:FormulaTerm",
        "formula.compose:fulldummy",
        "formula.compose:term",
        "formula.compose:zerocorr",
        "formula.parse:parse",
        "formula.terms:MixedFormula",
        "meta_analysis.results:MetaAnalysis",
        "meta_analysis.meta:meta",
        "models.distributional.model:DistributionalMixedModel",
        "models.distributional.results:DistributionalResults",
        "models.generalized.model:GeneralizedLinearMixedModel",
        "models.generalized.results:GeneralizedLinearMixedModelResults",
        "models.generalized.results:GeneralizedLinearMixedModelResultsWrapper",
        "models.linear.model:LinearMixedModel",
        "models.linear.results:LinearMixedModelResults",
        "models.linear.results:LinearMixedModelResultsWrapper",
        "models.distributional.ordinal:OrdinalMixedModel",
        "models.distributional.ordinal:mixedordinal2",
        "models.residual.model:ResidualCovarianceModel",
        "models.residual.results:ResidualCovarianceResults",
        "models.residual.results:ResidualCovarianceResultsWrapper",
        "results.varcorr:VarCorr",
        open="saved:open_fit",
        mixedlm2="models.linear.model:LinearMixedModel.from_formula",
        mixedglm2="models.generalized.model:GeneralizedLinearMixedModel.from_formula",
    )

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

register()
