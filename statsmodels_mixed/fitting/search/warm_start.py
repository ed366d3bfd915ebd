"""Starts inside the range of the parameters.

At zero standard deviations and at alpha = 0 the derivatives in theta and in log alpha vanish
for any data. The minimizer leaves zeros of theta, which are saddle points of an even
function; from log alpha near minus infinity there is no way back, as the curvature vanishes
too, nor from the limit of any other dispersion. Estimates may lie at bounds: before a fit to
other data begins at them they are moved inside.
"""

from __future__ import annotations

import numpy as np

from ..._core import TermCoordinates
from ..._typing import Array
from ..families.spec import FamilySpec

__all__ = ["generalized_theta", "inside", "inside_dispersion", "inside_theta", "least_log_alpha"]


# Share of a usual standard deviation below which one counts as zero.
NEAR_ZERO = 0.01
# Share of the variance, as of alpha mu^2 beside mu, that is the least for a dispersion to be seen.
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


def inside_dispersion(
    spec: FamilySpec, y: Array, start: Array, trials: Array | None = None
) -> Array:
    """Return parameters of a generalized model, the dispersion not at a limit of the family.

    See `overdispersion_at_limit` for what it is of.

    Parameters
    ----------
    spec, y, start, trials
        As for `inside`.

    Returns
    -------
    ndarray, shape (m,)
    """
    mean, log_dispersion = max(float(np.mean(y)), LEAST_MEAN), start[-1:]
    match spec.family:
        case "negative_binomial":
            log_dispersion = np.maximum(log_dispersion, least_log_alpha(y))
        case "negative_binomial1":
            log_dispersion = np.maximum(log_dispersion, np.log(OVERDISPERSION))
        case "conway_maxwell_poisson":
            most = np.log((1.0 + mean) / OVERDISPERSION)
            log_dispersion = np.minimum(log_dispersion, most)
        case "beta_binomial" if trials is not None and np.max(trials) > 1:
            most = np.log((float(np.mean(trials)) - 1.0) / OVERDISPERSION)
            log_dispersion = np.minimum(log_dispersion, most)
    return np.append(start[:-1], log_dispersion)


def inside(
    spec: FamilySpec,
    y: Array,
    start: Array,
    usual_theta: Array,
    coordinates: TermCoordinates,
    trials: Array | None = None,
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
    trials : ndarray, shape (n,), optional
        Weights, of which those of binomial families are numbers of trials.

    Returns
    -------
    ndarray, shape (m,)
    """
    count = len(usual_theta)
    theta = inside_theta(start[:count], usual_theta, coordinates)
    return np.concatenate([theta, inside_dispersion(spec, y, start, trials)[count:]])
