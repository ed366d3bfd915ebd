"""Estimates of the part of the mean that know the other parameters of the rows."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..._typing import Array
from ..estimates import GeneralizedEstimates
from ..fixed_effects.basis import OnBasis
from .row_parameters import RowParameters

__all__ = ["ConditionalEstimates"]


_NOTHING = RowParameters(0, (None,) * 4, np.zeros(4), np.empty(0), (), np.empty((0, 0)))


@dataclass(frozen=True)
class ConditionalEstimates(GeneralizedEstimates):
    """What `GeneralizedEstimates` has, and what else the likelihood of the rows depends on.

    Parameters
    ----------
    rows : RowParameters
    kappa : ndarray, shape (K,)
        Their coefficients, in the basis of `rows`.
    joint : OnBasis or None
        Covariance of theta and beta, from the Hessian in all parameters.
    """

    rows: RowParameters = _NOTHING
    kappa: Array = field(default_factory=lambda: np.empty(0))
    joint: OnBasis | None = None
