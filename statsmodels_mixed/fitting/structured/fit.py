"""The parameters of the covariance structures of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array

__all__ = ["ReportedPart", "StructuredFit"]


@dataclass(frozen=True)
class ReportedPart:
    """What is said of the structure of one term.

    Parameters
    ----------
    block : int
        Its grouping factor's number.
    group : str
        Its name.
    structure : str
        ``"ar1"``.
    start, stop : int
        Its effects among those of the factor.
    alike : bool
        Whether these are places that all have one variance.
    names : tuple of str
        Names of its parameters, ``"rho"``.
    parameters : tuple of int
        Where its parameters begin and end among those of the model.
    """

    block: int
    group: str
    structure: str
    start: int
    stop: int
    alike: bool
    names: tuple[str, ...]
    parameters: tuple[int, int]


@dataclass(frozen=True, eq=False)
class StructuredFit:
    """The parameters of the structures of a fit.

    Parameters
    ----------
    parts : tuple of ReportedPart
    values : ndarray, shape (r,)
    scales : ndarray of bool, shape (r,)
        Which of them are standard deviations.
    phi : ndarray, shape (m,)
        The parameters of the structures, on their natural scale.
    z : ndarray, shape (m,) or (m + 1,)
        Their free coordinates and, unless it was given, log sigma^2.
    gradient : ndarray, shape (m,) or (m + 1,)
        Of the objective in `z`.
    at_bounds : tuple of str
        A sentence for each parameter that is at the end of its range.
    """

    parts: tuple[ReportedPart, ...]
    values: Array
    scales: NDArray[np.bool_]
    phi: Array
    z: Array
    gradient: Array
    at_bounds: tuple[str, ...]

    def phi_of(self, block: int, columns: slice) -> Array:
        """Return the parameters of the structure of some columns of a grouping factor."""
        (part,) = [p for p in self.parts if p.block == block and p.start == columns.start]
        return self.phi[slice(*part.parameters)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that is reported: ``"subj.ar1.rho"``."""
        return tuple(
            f"{part.group}.{part.structure}.{name}" for part in self.parts for name in part.names
        )
