"""The models statsmodels users construct."""

from .linear import LinearMixedModel

__all__ = ["LinearMixedModel"]
