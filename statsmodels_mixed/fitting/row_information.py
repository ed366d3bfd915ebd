"""What one row tells of its linear predictor: the unit in which changes of that are measured."""

from __future__ import annotations

import numpy as np

from .._core import family_rows
from .._typing import Array
from .families import FamilySpec

__all__ = ["row_unit", "unexplained"]


# Residuals this many times larger than the family says call for larger random effects.
FAR_ABOVE = 10.0


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
    rows = _rows(spec, y, eta, weights, zeta)
    information = float(np.mean(rows["w"]))
    return 1.0 / float(np.sqrt(information)) if 0 < information < np.inf else 1.0


def unexplained(
    spec: FamilySpec,
    y: Array,
    eta: Array,
    weights: Array | None,
    zeta: float,
) -> float:
    """Return how many times larger residuals are than the family says: what random effects explain.

    Parameters
    ----------
    spec, y, eta, weights, zeta
        As for `row_unit`.

    Returns
    -------
    float
        The root mean square of Pearson residuals, where it is far above 1, as it is of counts of
        millions; 1 elsewhere.
    """
    rows = _rows(spec, y, eta, weights, zeta)
    with np.errstate(all="ignore"):
        mean = float(np.mean(rows["l"] ** 2 / rows["w"]))
    return float(np.sqrt(mean)) if FAR_ABOVE**2 < mean < np.inf else 1.0


def _rows(
    spec: FamilySpec, y: Array, eta: Array, weights: Array | None, zeta: float
) -> dict[str, Array]:
    """Return what the core knows of the likelihood of each row."""
    return family_rows(
        spec.family,
        spec.link,
        y,
        eta,
        weights=weights,
        zeta=zeta,
        power=spec.power,
        observed=spec.own,
    )
