"""Fits by REML, refitted by maximum likelihood to be compared.

REML criteria of models with different fixed effects are of different data.
"""

from __future__ import annotations

import warnings
from typing import Any

from ..errors import MixedModelWarning
from ..results.base import unwrap

__all__ = ["by_maximum_likelihood"]


def by_maximum_likelihood(fit: Any) -> Any:
    """Return a fit, or if it is by REML the fit of its model by maximum likelihood."""
    if not fit.estimates.reml:
        return fit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)  # what is to be known is in the fit
        return unwrap(fit.model.fit(**{**fit._fit_options(), "reml": False}), correlated=True)
