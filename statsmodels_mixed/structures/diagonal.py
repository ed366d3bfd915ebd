"""Independent effects: diag() with a variance for each, homdiag() with one for all."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .registry import register
from .scaled import Scaled
from .structure import Parameters

__all__ = ["Diagonal", "HomogeneousDiagonal"]


@register
class Diagonal(Scaled):
    """Independent effects, a standard deviation for each."""

    name = "diag"
    homogeneous = False
    correlated = False
    linear = True

    def __init__(self, hom: bool | None = None) -> None:
        super().__init__(hom)

    def correlation_parameters(self, k: int) -> Parameters:
        """Return no parameters: correlations are zero."""
        return Parameters((), np.empty(0), np.empty((0, 2)))

    def correlation(self, psi: Array) -> Array:
        """Return the identity."""
        return np.eye(self.k)

    def correlation_derivatives(self, psi: Array) -> Array:
        """Return an empty array, as there are no parameters."""
        return np.empty((0, self.k, self.k))

    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return an empty array, as there are no parameters."""
        return np.empty((0, 0, self.k, self.k))


@register
class HomogeneousDiagonal(Diagonal):
    """Independent effects with one standard deviation."""

    name = "homdiag"
    homogeneous = True

    def __init__(self) -> None:
        super().__init__()
