"""Results of a fit, as statsmodels has them: numbers, tests, tables."""

from .linear import LinearMixedModelResults, LinearMixedModelResultsWrapper
from .varcorr import VarCorr

__all__ = ["LinearMixedModelResults", "LinearMixedModelResultsWrapper", "VarCorr"]
