"""The models statsmodels users construct."""

from .generalized import GeneralizedLinearMixedModel
from .linear import LinearMixedModel

__all__ = ["GeneralizedLinearMixedModel", "LinearMixedModel"]
