"""Parameters of the structures of V, and the free coordinates in which they are searched.

Standard deviations of residuals are parameters where the columns of the dispersion are zero, and
may be searched elsewhere: they are multiplied by one factor (see `Centred`).
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from .covariance import Part, ResponseCovariance

__all__ = [
    "coordinates_inside",
    "coordinates_of",
    "in_other_model",
    "own_phi",
    "parameter_names",
    "phi_of",
    "sigma_of",
    "slopes_of",
]


def phi_of(model: ResponseCovariance, x: Array) -> Array:
    """Return the parameters of all structures and of the dispersion at coordinates x.

    Standard deviations are infinite or zero where they are beyond the range of numbers.
    """
    parts = [_rectified(part, own_phi(part, x)) for part in model.parts]
    phi = np.concatenate([*parts, x[model.gamma]])
    if model.centred is None:
        return phi
    phi[model.gamma] = model.centred.inverse @ x[model.gamma]
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        phi[_scales(model)] *= np.exp(model.centred.slopes @ x[model.gamma])
    return phi


def own_phi(part: Part, x: Array) -> Array:
    """Return the parameters of a structure at coordinates x, of the user's columns."""
    phi = part.free.phi(x[part.parameters])
    return phi if part.C is None else part.L @ phi


def sigma_of(model: ResponseCovariance, part: Part, x: Array) -> Array:
    """Return Sigma of a part; that of residuals where the columns of the dispersion are zero."""
    sigma = part.free.sigma(x[part.parameters])
    if part.C is not None:
        sigma = part.C @ sigma @ part.C.T
    if model.centred is None or part.block >= 0:
        return sigma
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(sigma * np.exp(2.0 * (model.centred.slopes @ x[model.gamma])))


def _scales(model: ResponseCovariance) -> Array:
    """Return where the standard deviations of residuals are among the parameters."""
    found = [
        part.parameters.start + np.asarray(part.free.structure.read().scales, dtype=int)
        for part in model.residuals
    ]
    return np.concatenate(found)


def _rectified(part: Part, phi: Array) -> Array:
    """Return parameters of the same Sigma, with standard deviations that are not negative."""
    structure, out = part.free.structure, phi.copy()
    scales = np.asarray(structure.read().scales, dtype=int)
    if structure.name == "us":  # whose parameters are the columns of T
        columns, rows = np.triu_indices(structure.k)
        signs = np.where(phi[rows == columns] < 0, -1.0, 1.0)
        return np.asarray(out * signs[columns])
    out[scales] = np.abs(out[scales])
    return out


def coordinates_of(model: ResponseCovariance, phi: Array, name: str, inside: float = 0.0) -> Array:
    """Return the coordinates of parameters that were given under a name.

    Those at the ends of their ranges are moved inside by this share of an interval.

    Raises
    ------
    OptionError
        If these are not one finite number for each, or give no finite standard deviations.
    """
    if phi.shape != (model.size,) or not np.isfinite(phi).all():
        raise OptionError(f"{name} must be {model.size} finite numbers, as theta_names says.")
    phi = phi.copy()
    for part in model.effects:
        if part.C is not None:
            phi[part.parameters] = np.linalg.solve(part.L, phi[part.parameters])
    if model.centred is not None:
        with np.errstate(all="ignore"):
            phi[_scales(model)] *= np.exp(model.centred.middle @ phi[model.gamma])
        phi[model.gamma] = model.centred.R @ phi[model.gamma]
        if not np.isfinite(phi).all():
            raise OptionError(
                f"{name} gives residuals standard deviations that are no numbers where the columns "
                "of dispersion= have their means: subtract these from them."
            )
    return _coordinates(model, phi, inside)


def coordinates_inside(model: ResponseCovariance, x: Array, inside: float) -> Array:
    """Return coordinates with parameters moved inside their ranges; see `coordinates_of`."""
    parts = [part.free.phi(x[part.parameters]) for part in model.parts]
    return _coordinates(model, np.concatenate([*parts, x[model.gamma]]), inside)


def in_other_model(model: ResponseCovariance, x: Array, other: ResponseCovariance) -> Array:
    """Return the coordinates of the same V in a model that differs in the middle of columns."""
    if model.centred is None or other.centred is None:
        return x
    gamma = model.centred.inverse @ x[model.gamma]
    parts = [part.free.phi(x[part.parameters]) for part in model.parts]
    phi = np.concatenate([*parts, other.centred.R @ gamma])
    phi[_scales(model)] *= np.exp((other.centred.middle - model.centred.middle) @ gamma)
    return _coordinates(other, phi, 0.0)


def _coordinates(model: ResponseCovariance, phi: Array, inside: float) -> Array:
    parts = [part.free.x(phi[part.parameters], inside) for part in model.parts]
    return np.concatenate([*parts, phi[model.gamma]])


def slopes_of(model: ResponseCovariance, x: Array) -> Array:
    """Return the derivatives of the parameters with respect to coordinates, shape (m, m)."""
    slopes = [part.free.coordinates.slopes(x[part.parameters])[0] for part in model.parts]
    J = np.diag(np.concatenate([*slopes, np.ones(model.gamma.stop - model.gamma.start)]))
    for part in model.effects:
        J[part.parameters, part.parameters] = part.L @ J[part.parameters, part.parameters]
    if model.centred is not None:
        scales, phi = _scales(model), phi_of(model, x)
        J[scales] *= np.exp(model.centred.slopes @ x[model.gamma])
        J[scales, model.gamma] = np.outer(phi[scales], model.centred.slopes)
        J[model.gamma, model.gamma] = model.centred.inverse
    return J


def parameter_names(model: ResponseCovariance, dispersion: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all covariance parameters."""
    names = [
        f"{part.name}.{name}" for part in model.parts for name in part.free.structure.read().names
    ]
    return (*names, *(f"dispersion.{name}" for name in dispersion))
