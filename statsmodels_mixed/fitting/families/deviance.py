"""Deviances of counts and proportions without cancellation.

With d = y - mu the parts of -2 log-likelihood relative to the saturated model are

    Poisson            2 (y log(y / mu) - d)
    negative binomial  2 (y log(y / mu) - (y + 1/alpha) log(1 + alpha d / (1 + alpha mu)))
    binomial           2 (y log(y / mu) + (1 - y) log((1 - y) / (1 - mu)))

of which the second tends to the first as alpha goes to 0. Written by log1p their errors are
rounding errors of d, not of the counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._typing import Array
from ...errors import NotOfferedError
from .spec import FamilySpec, family_object

__all__ = ["deviance_residuals"]

# Relative residuals below this have a series of ten terms.
SMALL = 0.01


def deviance_residuals(
    spec: FamilySpec, y: Array, mu: Array, dispersion: float, weights: Any
) -> Array:
    """Return signed roots of the parts of the deviance, without the dispersion phi.

    Parameters
    ----------
    spec : FamilySpec
    y, mu : ndarray, shape (n,)
        Responses and means.
    dispersion : float
        alpha of the negative binomial; no other has a part.
    weights : ndarray, shape (n,), or 1

    Returns
    -------
    ndarray, shape (n,)
    """
    if spec.own:
        raise NotOfferedError(
            f"the family {spec.family} has no deviance residuals: take resid_pearson, or "
            "simulated residuals."
        )
    d = y - mu
    match spec.family:
        case "poisson":
            part = _excess(y, mu)
        case "negative_binomial":
            part = _gain(y, mu) - _gamma_part(y, mu, dispersion)
        case "binomial":
            part = _excess(y, mu) + _excess(1.0 - y, 1.0 - mu)
        case _:
            family = family_object(spec, dispersion)
            return np.asarray(family.resid_dev(y, mu, var_weights=weights), dtype=float)
    return np.asarray(np.sign(d) * np.sqrt(2.0 * weights * np.maximum(part, 0.0)))


def _excess(y: Array, mu: Array) -> Array:
    """Return y log(y / mu) - (y - mu) with the digits of (y - mu)^2, which it is near y = mu."""
    t = np.where(y > 0, (mu - y) / np.where(y > 0, y, 1.0), 0.0)
    near = np.abs(t) < SMALL
    small = np.where(near, t, 0.0)
    series = np.polyval([(-1.0) ** k / k for k in range(10, 1, -1)], small) * small**2
    with np.errstate(divide="ignore"):
        apart = np.where(near, series, t - np.log1p(np.where(near, 0.0, t)))
    return np.where(y > 0, y * apart, mu)


def _gain(y: Array, mu: Array) -> Array:
    """Return y log(y / mu), 0 where y is."""
    share = np.where(y > 0, (mu - y) / np.where(y > 0, y, 1.0), 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(-y * np.log1p(share))


def _gamma_part(y: Array, mu: Array, alpha: float) -> Array:
    """Return (y + 1/alpha) log(1 + alpha d / (1 + alpha mu)), d as alpha goes to 0."""
    x = (y - mu) / (1.0 + alpha * mu)
    change = np.log1p(alpha * x)
    return np.asarray(y * change + (change / alpha if alpha > 0 else x))
