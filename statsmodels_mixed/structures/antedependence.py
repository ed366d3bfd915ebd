"""Ante-dependence of first order: a correlation for each pair of neighbours.

The correlation of places i < j is rho_i rho_(i + 1) ... rho_(j - 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import OptionError
from .registry import register
from .scaled import Scaled
from .structure import Parameters

__all__ = ["Antedependence", "HeterogeneousAntedependence"]


@register
class Antedependence(Scaled):
    """One standard deviation and a correlation for each pair of neighbours."""

    name = "ad"
    needs = "order"

    between: NDArray[np.bool_]

    def prepare(self) -> None:
        """Find the pairs of neighbours between all pairs of places."""
        if self.k < 2:
            raise OptionError(f"{self.name}() needs at least two places.")
        at = np.argsort(np.argsort(self.positions[:, 0]))
        low, high = np.minimum.outer(at, at), np.maximum.outer(at, at)
        steps = np.arange(self.k - 1)
        self.between = (low[..., None] <= steps) & (steps < high[..., None])

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the correlations of neighbours."""
        names = tuple(f"rho[{step}]" for step in range(1, k))
        return Parameters(names, [0.3] * (k - 1), [(-1.0, 1.0)] * (k - 1))

    def _product(self, psi: Array, without: tuple[int, ...] = ()) -> Array:
        """Return products between places, leaving out `without`; zero for pairs without these."""
        kept = self.between.copy()
        kept[..., list(without)] = False
        product = np.where(kept, psi, 1.0).prod(axis=-1)
        return np.where(self.between[..., list(without)].all(axis=-1), product, 0.0)

    def correlation(self, psi: Array) -> Array:
        """Return R, shape (k, k)."""
        return self._product(psi)

    def correlation_derivatives(self, psi: Array) -> Array:
        """Return dR / dpsi_i."""
        return np.stack([self._product(psi, (i,)) for i in range(len(psi))])

    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return d2R / dpsi_i dpsi_j."""
        m = len(psi)
        out = np.zeros((m, m, self.k, self.k))
        for i in range(m):
            for j in range(i):
                out[i, j] = out[j, i] = self._product(psi, (i, j))
        return out

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start at weak, strong and negative correlation."""
        return [psi, np.full(len(psi), 0.9), np.full(len(psi), -0.3)]


@register
class HeterogeneousAntedependence(Antedependence):
    """A standard deviation for each place and a correlation for each pair of neighbours."""

    name = "had"
    homogeneous = False

    def __init__(self, nugget: bool = False) -> None:
        super().__init__(nugget=nugget)
