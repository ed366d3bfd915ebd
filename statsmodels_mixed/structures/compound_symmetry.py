"""Compound symmetry: one correlation, at least -1 / (k - 1)."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from .registry import register
from .scaled import Scaled
from .structure import Parameters

__all__ = ["CompoundSymmetry", "HeterogeneousCompoundSymmetry"]


@register
class CompoundSymmetry(Scaled):
    """One standard deviation and one correlation."""

    name = "cs"

    def __init__(self, hom: bool | None = None) -> None:
        super().__init__(hom)

    def prepare(self) -> None:
        """Refuse a single effect."""
        if self.k < 2:
            raise OptionError(f"{self.name}() needs at least two effects to correlate.")
        self.linear = self.hom  # in the variance and the covariance

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the correlation."""
        return Parameters(("rho",), [0.3], [(-1.0 / (k - 1), 1.0)])

    def correlation(self, psi: Array) -> Array:
        """Return ones on the diagonal, rho elsewhere."""
        return np.where(np.eye(self.k) > 0, 1.0, psi[0])

    def correlation_derivatives(self, psi: Array) -> Array:
        """Return zeros on the diagonal, ones elsewhere."""
        return (1.0 - np.eye(self.k))[None]

    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return zeros: R is linear in rho."""
        return np.zeros((1, 1, self.k, self.k))

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start at weak and at strong correlation."""
        return [psi, np.array([0.9])]


@register
class HeterogeneousCompoundSymmetry(CompoundSymmetry):
    """A standard deviation for each effect and one correlation."""

    name = "hcs"
    homogeneous = False

    def __init__(self) -> None:
        super().__init__()
