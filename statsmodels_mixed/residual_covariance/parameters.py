"""Parameters of the structures of V, and the free coordinates in which they are searched."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from .covariance import Part, ResponseCovariance

__all__ = ["coordinates_of", "parameter_names", "phi_of", "slopes_of"]


def phi_of(model: ResponseCovariance, x: Array) -> Array:
    """Return the parameters of all structures and of the dispersion at coordinates x."""
    parts = [_rectified(part, part.free.phi(x[part.parameters])) for part in model.parts]
    return np.concatenate([*parts, x[model.gamma]])


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
    """
    if phi.shape != (model.size,) or not np.isfinite(phi).all():
        raise OptionError(f"{name} must be {model.size} finite numbers, as theta_names says.")
    parts = [part.free.x(phi[part.parameters], inside) for part in model.parts]
    return np.concatenate([*parts, phi[model.gamma]])


def slopes_of(model: ResponseCovariance, x: Array) -> Array:
    """Return the derivative of each parameter with respect to its coordinate."""
    slopes = [part.free.coordinates.slopes(x[part.parameters])[0] for part in model.parts]
    return np.concatenate([*slopes, np.ones(model.gamma.stop - model.gamma.start)])


def parameter_names(model: ResponseCovariance, dispersion: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of all covariance parameters."""
    names = [
        f"{part.name}.{name}" for part in model.parts for name in part.free.structure.read().names
    ]
    return (*names, *(f"dispersion.{name}" for name in dispersion))
