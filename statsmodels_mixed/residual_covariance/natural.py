"""Covariance parameters of all parts on the scale on which they are reported.

These are standard deviations, correlations, ranges and exponents, and ratios of standard
deviations. What is searched are free coordinates x; the Jacobian goes from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..structures import reported_ranges
from .cells import Cells
from .covariance import ResponseCovariance
from .parameters import coordinates_of

__all__ = ["NaturalParameters", "natural_parameters", "natural_ranges", "reported"]


@dataclass(frozen=True, eq=False)
class NaturalParameters:
    """What is reported of V at given coordinates.

    Parameters
    ----------
    names : tuple of str, length r
        Such as ``"Residual.sd"`` and ``"subj.rho[days,Intercept]"``.
    values : ndarray, shape (r,)
    jacobian : ndarray, shape (r, m)
        Derivatives with respect to the coordinates.
    """

    names: tuple[str, ...]
    values: Array
    jacobian: Array


def natural_parameters(model: ResponseCovariance, cells: Cells, x: Array) -> NaturalParameters:
    """Return names, values and derivatives of what is reported.

    Parameters
    ----------
    model : ResponseCovariance
    cells : Cells
        Say what the dispersion depends on.
    x : ndarray, shape (m,)
    """
    names: list[str] = []
    values, jacobian = [], []
    for part in model.parts:
        own = x[part.parameters]
        found = part.free.structure.natural(part.free.phi(own))
        J = np.zeros((len(found.names), model.size))
        J[:, part.parameters] = found.jacobian @ part.free.jacobian(own)
        names += [f"{part.name}.{name}" for name in found.names]
        values.append(np.asarray(found.values, dtype=float))
        jacobian.append(J)
    spread = cells.dispersion
    if spread is not None:
        gamma = x[model.gamma]
        shown = np.exp(gamma) if spread.ratios else gamma
        J = np.zeros((len(gamma), model.size))
        J[:, model.gamma] = np.diag(shown if spread.ratios else np.ones(len(gamma)))
        names += [f"dispersion.{name}" for name in spread.names]
        values.append(shown)
        jacobian.append(J)
    return NaturalParameters(tuple(names), np.concatenate(values), np.vstack(jacobian))


def natural_ranges(model: ResponseCovariance, cells: Cells) -> list[tuple[float, float]]:
    """Return the least and the greatest value of each parameter that is reported."""
    found: list[tuple[float, float]] = []
    for part in model.parts:
        found += reported_ranges(part.free.structure)
    spread = cells.dispersion
    if spread is not None:
        found += [(0.0 if spread.ratios else -np.inf, np.inf)] * len(spread.names)
    return found


def reported(model: ResponseCovariance, cells: Cells, theta: Array) -> Array:
    """Return covariance parameters as they are reported, of those of the structures."""
    return natural_parameters(model, cells, coordinates_of(model, theta, "theta=")).values
