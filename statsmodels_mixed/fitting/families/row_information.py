"""What one row tells of its linear predictor: the unit in which changes of that are measured."""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from .spec import FamilySpec

__all__ = ["row_unit"]


def row_unit(spec: FamilySpec, y: Array, eta: Array, weights: Array | None, zeta: float) -> float:
    """Return the change in the linear predictor that one row can detect.

    Parameters
    ----------
    spec : FamilySpec
    y, eta : ndarray, shape (n,)
        Responses, and linear predictors at which they have a likelihood.
    weights : ndarray, shape (n,), or None
    zeta : float
        Log dispersion.

    Returns
    -------
    float
        The inverse root of its mean information; 1 where rows have none.
    """
    rows = spec.rows(
        y,
        eta,
        weights=weights,
        zeta=zeta,
        wanted=("w",),
    )
    information = float(np.mean(rows["w"]))
    return 1.0 / float(np.sqrt(information)) if 0 < information < np.inf else 1.0
