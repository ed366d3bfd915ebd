"""The Hessian of a likelihood of rows with parameters, where a fit ended.

It is twice that of -log-likelihood, by differences of the gradient. Directions in which there is no
information are left out: those of single covariance parameters, and any of the coefficients.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreGeneralized
from ..._core.own_coordinates import OwnCoordinates
from ..._typing import Array
from ...errors import CoreError

__all__ = ["covariance_at", "curvature_of"]


# Step of the central differences of the gradient, in units of each parameter's size.
_DIFFERENCE = 1e-4
# Curvature relative to what is expected of it that may be the error of the difference.
_FAINT = 1e-3
# How many times as long a step tells.
_WIDER = 10.0
# Curvature of a parameter that data say nothing of, relative to the largest.
_FLAT = 1e-10
# The same relative to what is expected of it: an end that is off by the root of a fit's tolerance
# leaves a few millionths along a circle on which the objective is level.
_UNSEEN = 1e-5
# An eigenvalue of the Hessian with a diagonal of ones, and a share of coefficients in a direction
# of covariance parameters, that are rounding errors.
_LEVEL = 1e-6
# Elements of directions, in units of the coefficients, that are rounding errors.
_MIXED = 1e-8
# Information on a coefficient that is none: an error of 100 or more of its units.
_NO_INFORMATION = 1e-4
# Information in one direction, and the share of it up to which rounding hides that in others; steps
# along these.
_MUCH, _HIDDEN, _ALONG = 1e6, 1e-5, 1e-2


def covariance_at(
    core: CoreGeneralized, center: Array, regular: bool, first: int, spread: Array
) -> tuple[Array, Array, float]:
    """Return a root of the covariance of all parameters, and how well the data tell them apart.

    Parameters
    ----------
    core : CoreGeneralized
    center : ndarray, shape (m,)
        The end of a fit, at which the core is solved afterwards.
    regular : bool
        Whether no variance is zero.
    first : int
        Where the coefficients begin.
    spread : ndarray, shape (m - first,)
        Standard deviation of what random effects add to the predictor of each coefficient. That of
        an intercept among groups is as uncertain as they differ, however much each row tells.

    Returns
    -------
    root : ndarray, shape (m, m)
        C with the covariance C C', twice the inverse Hessian of the objective; NaN if there is
        none.
    lost : ndarray, shape (m, k)
        Directions that the data do not determine.
    least : float
        Least eigenvalue of the Hessian with a diagonal of ones, in the other directions; 0 if
        there is no covariance.
    """
    own = OwnCoordinates(core)
    root, lost, least = _root(own, own.inward(center), regular, first, spread)
    core.value_and_gradient(center)
    outward = own.outward()
    return outward @ root, outward @ lost, least


def _root(
    core: OwnCoordinates, center: Array, regular: bool, first: int, spread: Array
) -> tuple[Array, Array, float]:
    """Return what `covariance_at` does, of parameters in the coordinates of the core."""
    size = core.parameter_sizes()  # units of the response are theirs
    widest = np.append(np.zeros(first), spread)
    if regular:
        with suppress(CoreError):  # which leaves the sizes as wide as they are
            expected = np.sqrt(np.maximum(np.diag(core.curvature()), 0.0))
            widest = widest / np.maximum(widest * expected, 1.0)
            size = size / np.maximum(size * expected, 1.0)
    H, steps = np.empty((len(center), len(center))), _DIFFERENCE * size
    for i, step in enumerate(steps):
        H[i] = _change_of_gradient(core, center, i, step)
        if abs(H[i, i]) * size[i] ** 2 < _FAINT:  # less rounding, and by Richardson less of step^2
            wider = max(_WIDER * step, _ALONG * widest[i])
            once, twice = (
                _change_of_gradient(core, center, i, times * wider) for times in (1.0, 2.0)
            )
            H[i], steps[i] = (4.0 * once - twice) / 3.0, wider
    H = _symmetric(H, steps, size) / 2.0
    nothing = np.full(H.shape, np.nan), np.empty((len(H), 0)), 0.0
    if not np.all(np.isfinite(H)):
        return nothing
    units = np.append(size[:first], np.hypot(size[first:], spread))
    H = _with_little_known_directions(core, center, H, first, units)
    kept, lost = _determined(H, first, units)
    part = kept.T @ H @ kept
    # Nothing may be left, as where no count is zero and the rest is constant.
    if np.diag(part).min(initial=np.inf) <= 0:
        return nothing
    scale = np.sqrt(np.diag(part))
    part /= np.outer(scale, scale)
    values, vectors = np.linalg.eigh(part)
    # Two names of one grouping factor have a sum of variances, and nothing else moves.
    of_effects = np.any(kept[:first] != 0.0, axis=0)
    level = (values < _LEVEL) & (np.sum(vectors[~of_effects] ** 2, axis=0) < _LEVEL)
    if level.any():
        along = kept @ (vectors[:, level] / scale[:, None])
        along[first:] = 0.0
        lost = np.hstack([lost, along / np.linalg.norm(along, axis=0)])
        values, vectors = values[~level], vectors[:, ~level]
    least = float(values.min(initial=1.0))
    if least <= 0:
        return nothing
    root = np.zeros(H.shape)  # along directions that are lost there is nothing
    root[:, : len(values)] = kept @ (vectors / scale[:, None]) / np.sqrt(values)
    return root, lost, least


def _symmetric(H: Array, steps: Array, size: Array) -> Array:
    """Return the mean of differences and their transpose, those with less rounding counting more.

    Rounding of an element of the gradient is a share of the information that rows have, the inverse
    square of its size.
    """
    digits = steps / size**2
    with np.errstate(over="ignore"):
        share = 1.0 / (1.0 + (digits / digits[:, None]) ** 2)
    return np.asarray(share * H + (share * H).T)


def curvature_of(core: CoreGeneralized, center: Array, free: NDArray[np.intp]) -> tuple[Array, int]:
    """Return the Hessian of the objective in some parameters, roughly.

    Parameters
    ----------
    core : CoreGeneralized
    center : ndarray, shape (m,)
    free : ndarray, shape (k,)
        The parameters.

    Returns
    -------
    H : ndarray, shape (k, k)
    evaluations : int
        How many that took.
    """
    size = core.parameter_sizes()
    rows = [_change_of_gradient(core, center, i, _DIFFERENCE * size[i])[free] for i in free]
    H = np.array(rows)
    return (H + H.T) / 2.0, 2 * len(free)


def _change_of_gradient(
    core: CoreGeneralized | OwnCoordinates, center: Array, i: int, step: float
) -> Array:
    """Return the derivative of the gradient in parameter i, by a central difference."""
    shift = np.zeros(len(center))
    shift[i] = step
    _, above = core.value_and_gradient(center + shift)
    _, below = core.value_and_gradient(center - shift)
    return np.asarray((above - below) / (2.0 * step))


def _with_little_known_directions(
    core: OwnCoordinates, center: Array, H: Array, first: int, units: Array
) -> Array:
    """Return the Hessian with what steps along directions tell that have far less information.

    A step along one parameter is as long as the best known direction in it allows. Where counts of
    1e9 tell slopes, what the differences of few groups say of an intercept is lost in rounding.
    """
    unit = units[first:]
    values, V = np.linalg.eigh(H[first:, first:] * np.outer(unit, unit))
    most = values.max(initial=0.0)
    hidden = np.flatnonzero(values < _HIDDEN * most)
    if not len(hidden) or not most > _MUCH:
        return H
    changed = H.copy()
    scaled = np.diag(values)
    for k in hidden:
        length = _ALONG / np.sqrt(max(values[k], 1.0))
        move = np.append(np.zeros(first), length * unit * V[:, k])
        ends = [core.value_and_gradient(center + sign * move)[1] for sign in (1.0, -1.0)]
        change = (ends[0] - ends[1]) / (4.0 * length)
        scaled[k] = scaled[:, k] = V.T @ (unit * change[first:])
        # The same of covariance parameters, whose part of H is by steps of their own.
        along = V[:, k] * unit
        mixed = H[:first, first:] @ along
        changed[:first, first:] += np.outer(change[:first] - mixed, V[:, k] / unit)
    if not np.isfinite(changed).all() or not np.isfinite(scaled).all():
        return H
    changed[first:, :first] = changed[:first, first:].T
    changed[first:, first:] = (V @ scaled @ V.T) / np.outer(unit, unit)
    return changed


def _determined(H: Array, first: int, size: Array) -> tuple[Array, Array]:
    """Return directions in which there is information, and those without.

    Along directions of the coefficients, in units of each, a mean or a probability that is 0 leaves
    none; they are not those of single coefficients.
    """
    unit = size[first:]
    values, vectors = np.linalg.eigh(H[first:, first:] * np.outer(unit, unit))
    flat = values < _NO_INFORMATION
    # As correlations of effects that no level has together; compared with the expected curvature.
    own = np.abs(np.diag(H)) * size**2
    nothing = own <= max(_FLAT * own.max(initial=0.0), _UNSEEN)
    whole = np.eye(len(H))
    if flat.any():
        # Units may be far apart: what rounding mixes in of others would be all there is.
        directions = unit[:, None] * np.where(np.abs(vectors) < _MIXED, 0.0, vectors)
        whole[first:, first:] = directions / np.linalg.norm(directions, axis=0)
    lost = np.concatenate([nothing[:first], flat])
    return whole[:, ~lost], whole[:, lost]
