"""Covariance parameters of all parts on the scale on which they are reported.

These are standard deviations, correlations, ranges and exponents, and ratios of standard
deviations. What is searched are free coordinates x; the Jacobian goes from one to the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array
from ..structures import reported_ranges
from .cells import Cells
from .covariance import ResponseCovariance
from .parameters import own_phi

__all__ = ["NaturalParameters", "natural_parameters", "natural_ranges"]


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

    Values that are beyond the range of numbers are 0 or infinite, and have no derivatives.

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
        found = part.free.structure.natural(own_phi(part, x))
        shown, J = np.array(found.values, dtype=float), np.zeros((len(found.names), model.size))
        J[:, part.parameters] = found.jacobian @ part.L @ part.free.jacobian(x[part.parameters])
        if model.centred is not None and part.block < 0:
            at, log_factor = found.scales, model.centred.slopes @ x[model.gamma]
            J[at, model.gamma] = np.outer(shown[at], model.centred.slopes)
            shown[at], J[at] = _times_exp(log_factor, shown[at], J[at])
        names += [f"{part.name}.{name}" for name in found.names]
        values.append(shown)
        jacobian.append(J)
    spread = cells.dispersion
    if spread is not None:
        shown = spread.centred.inverse @ x[model.gamma]
        J = np.zeros((len(shown), model.size))
        J[:, model.gamma] = spread.centred.inverse
        if spread.ratios:
            shown, J = _times_exp(shown, np.ones(len(shown)), J)
        names += [f"dispersion.{name}" for name in spread.names]
        values.append(shown)
        jacobian.append(J)
    return NaturalParameters(tuple(names), np.concatenate(values), np.vstack(jacobian))


def _times_exp(log_factor: Any, values: Array, J: Array) -> tuple[Array, Array]:
    """Return values and derivatives times exp(log_factor), whose own derivatives are in J."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        factor = np.broadcast_to(np.exp(log_factor), values.shape)
        known = (factor > 0) & np.isfinite(factor)
        return values * factor, np.where(known[:, None], factor[:, None] * J, np.nan)


def natural_ranges(model: ResponseCovariance, cells: Cells) -> list[tuple[float, float]]:
    """Return the least and the greatest value of each parameter that is reported."""
    found: list[tuple[float, float]] = []
    for part in model.parts:
        found += reported_ranges(part.free.structure)
    spread = cells.dispersion
    if spread is not None:
        found += [(0.0 if spread.ratios else -np.inf, np.inf)] * len(spread.names)
    return found
