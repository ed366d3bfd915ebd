"""Starts inside the range of the parameters.

At zero standard deviations and at alpha = 0 the derivatives in theta and in log alpha vanish
for any data. The minimizer leaves zeros of theta, which are saddle points of an even
function; from log alpha near minus infinity there is no way back, as the curvature vanishes
too. Estimates may lie at bounds: before a fit to other data begins at them they are moved inside.
"""

from __future__ import annotations

import numpy as np

from ..._core import TermCoordinates
from ..._typing import Array
from ..families.spec import FamilySpec

__all__ = ["generalized_theta", "inside", "inside_dispersion", "inside_theta", "least_log_alpha"]


# Share of a usual standard deviation below which one counts as zero.
NEAR_ZERO = 0.01
# Share of the variance mu + alpha mu^2 of counts that is the least for alpha to be seen.
OVERDISPERSION = 0.1
# Means below this have no more information on alpha than this one.
LEAST_MEAN = 1e-3


def generalized_theta(coordinates: TermCoordinates, unit: float | Array) -> Array:
    """Return theta for T half as large as what a row can detect.

    Parameters
    ----------
    coordinates : TermCoordinates
        Those of the core.
    unit : float or ndarray, shape (n_theta,)
        The change in the linear predictor that one row can detect.

    Returns
    -------
    ndarray, shape (n_theta,)
    """
    return coordinates.identity(0.5 * unit / coordinates.column_sizes())


def inside_theta(theta: Array, usual: Array, coordinates: TermCoordinates) -> Array:
    """Return theta with no standard deviation near zero.

    Parameters
    ----------
    theta : ndarray, shape (n_theta,)
    usual : ndarray, shape (n_theta,)
        The usual start.
    coordinates : TermCoordinates
        Those of the core, in which the usual start is zero but for the diagonal elements of the
        factors.

    Returns
    -------
    ndarray, shape (n_theta,)
    """
    inner, start = coordinates.inward(theta), np.zeros(len(theta))
    start[coordinates.diagonal] = coordinates.inward(usual)[coordinates.diagonal]
    near = np.abs(inner) < NEAR_ZERO * np.abs(start)
    return coordinates.outward(np.where(near, start, inner)) if near.any() else theta


def least_log_alpha(y: Array) -> float:
    """Return the log alpha of a negative binomial from which its gradient can be seen.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Counts.
    """
    return float(np.log(OVERDISPERSION / max(float(np.mean(y)), LEAST_MEAN)))


def inside_dispersion(spec: FamilySpec, y: Array, start: Array) -> Array:
    """Return parameters of a generalized model, alpha not at zero.

    Parameters
    ----------
    spec, y, start
        As for `inside`.

    Returns
    -------
    ndarray, shape (m,)
    """
    if spec.family != "negative_binomial":
        return start
    return np.append(start[:-1], max(start[-1], least_log_alpha(y)))


def inside(
    spec: FamilySpec, y: Array, start: Array, usual_theta: Array, coordinates: TermCoordinates
) -> Array:
    """Return parameters of a generalized model with none at its bound.

    Parameters
    ----------
    spec : FamilySpec
    y : ndarray, shape (n,)
        The response.
    start : ndarray, shape (m,)
        theta, perhaps coefficients, and log dispersion if there is one.
    usual_theta, coordinates
        As for `inside_theta`.

    Returns
    -------
    ndarray, shape (m,)
    """
    count = len(usual_theta)
    theta = inside_theta(start[:count], usual_theta, coordinates)
    return np.concatenate([theta, inside_dispersion(spec, y, start)[count:]])
