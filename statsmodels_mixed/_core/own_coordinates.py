"""The objective of a generalized model in the coordinates of the core: see `TermCoordinates`.

Derivatives by differences keep their digits there, where elements of theta of (1 + x | g) in the
user's columns are nearly dependent if x is far from zero.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .generalized import CoreGeneralized

__all__ = ["OwnCoordinates"]


class OwnCoordinates:
    """What a core has, of parameters in its coordinates.

    Parameters
    ----------
    core : CoreGeneralized
    """

    def __init__(self, core: CoreGeneralized) -> None:
        self._core = core
        self.value_and_gradient = core._value_and_gradient
        self.parameter_sizes, self.curvature = core._scale, core._curvature

    def inward(self, parameters: Array) -> Array:
        """Return parameters in these coordinates."""
        return self._core._inward(parameters)

    def outward(self) -> Array:
        """Return what takes parameters in these coordinates to those of the user, shape (m, m)."""
        unit = np.eye(self._core.nparameters)
        return self._core.design.coordinates.outward(unit).T
