"""First-order autoregression: correlation rho^d at d steps."""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from .distances import DistanceCorrelation
from .registry import register
from .structure import Parameters

__all__ = ["Autoregressive", "HeterogeneousAutoregressive"]


@register
class Autoregressive(DistanceCorrelation):
    """One standard deviation, and correlation rho^d at d steps."""

    name = "ar1"
    needs = "steps"

    def prepare(self) -> None:
        """Count the steps between all pairs."""
        if self.k < 2:
            raise OptionError(f"{self.name}() needs at least two places.")
        super().prepare()
        if (np.abs(self.distinct - np.rint(self.distinct)) > 1e-6).any():
            raise OptionError(
                f"{self.name}() takes places a whole number of steps apart; ou() takes any."
            )
        self.distinct = np.rint(self.distinct)

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the correlation at one step."""
        return Parameters(("rho",), [0.3], [(-1.0, 1.0)])

    def of_distance(self, d: Array, psi: Array) -> tuple[Array, Array, Array]:
        """Return rho^d and its derivatives."""
        rho = psi[0]
        once, twice = np.maximum(d - 1.0, 0.0), np.maximum(d - 2.0, 0.0)
        first = d * rho**once
        second = d * (d - 1.0) * rho**twice
        return rho**d, first[None], second[None, None]

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start at weak, strong and negative correlation."""
        return [psi, np.array([0.9]), np.array([-0.3])]


@register
class HeterogeneousAutoregressive(Autoregressive):
    """A standard deviation for each place, and correlation rho^d at d steps."""

    name = "har1"
    homogeneous = False

    def __init__(self, nugget: bool = False) -> None:
        super().__init__(nugget=nugget)
