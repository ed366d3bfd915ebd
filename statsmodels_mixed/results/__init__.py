"""Results of a fit, as statsmodels has them: numbers, tests, tables."""

from .generalized import (
    GeneralizedLinearMixedModelResults,
    GeneralizedLinearMixedModelResultsWrapper,
)
from .linear import LinearMixedModelResults, LinearMixedModelResultsWrapper
from .varcorr import VarCorr

__all__ = [
    "GeneralizedLinearMixedModelResults",
    "GeneralizedLinearMixedModelResultsWrapper",
    "LinearMixedModelResults",
    "LinearMixedModelResultsWrapper",
    "VarCorr",
]
