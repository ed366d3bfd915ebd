"""Toeplitz: a correlation for each lag.

The parameters are partial autocorrelations, between -1 and 1: these are all positive definite
Toeplitz matrices and no others. What is reported are the correlations by lag.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import OptionError
from .jets import Jet, jet_variables
from .last_result import last_result
from .partial import autocorrelations
from .registry import register
from .scaled import Scaled
from .structure import Parameters

__all__ = ["HeterogeneousToeplitz", "Toeplitz", "by_lag"]


def by_lag(lags: NDArray[np.intp], jet: Jet) -> tuple[Array, Array, Array]:
    """Return R with derivatives from correlations at lags 1, 2, ..., given the lags, (k, k)."""
    m = jet.gradient.shape[0]
    value = np.concatenate([[1.0], jet.value])
    first = np.concatenate([np.zeros((m, 1)), jet.gradient], axis=1)
    second = np.concatenate([np.zeros((m, m, 1)), jet.hessian], axis=2)
    return value[lags], first[:, lags], second[:, :, lags]


@register
class Toeplitz(Scaled):
    """One standard deviation and a correlation for each lag."""

    name = "toep"
    needs = "order"

    lags: NDArray[np.intp]

    def prepare(self) -> None:
        """Compute the lags."""
        if self.k < 2:
            raise OptionError(f"{self.name}() needs at least two places.")
        at = np.argsort(np.argsort(self.positions[:, 0]))
        self.lags = np.abs(at[:, None] - at[None, :])
        self.linear = self.hom  # in the variance and the covariances by lag

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the partial autocorrelations."""
        names = tuple(f"partial[{lag}]" for lag in range(1, k))
        return Parameters(names, [0.3] + [0.0] * (k - 2), [(-1.0, 1.0)] * (k - 1))

    @last_result
    def _matrices(self, psi: Array) -> tuple[Array, Array, Array]:
        return by_lag(self.lags, autocorrelations(jet_variables(psi)))

    def correlation(self, psi: Array) -> Array:
        """Return R, shape (k, k)."""
        return self._matrices(psi)[0]

    def correlation_derivatives(self, psi: Array) -> Array:
        """Return dR / dpsi_i."""
        return self._matrices(psi)[1]

    def correlation_second_derivatives(self, psi: Array) -> Array:
        """Return d2R / dpsi_i dpsi_j."""
        return self._matrices(psi)[2]

    def natural_correlations(self, psi: Array) -> tuple[tuple[str, ...], Array, Array]:
        """Return the correlations by lag."""
        jet = autocorrelations(jet_variables(psi))
        return tuple(f"rho[{lag}]" for lag in range(1, self.k)), jet.value, jet.gradient.T

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start at weak, strong and negative correlation."""
        high, low = np.zeros(len(psi)), np.zeros(len(psi))
        high[0], low[0] = 0.9, -0.3
        return [psi, high, low]


@register
class HeterogeneousToeplitz(Toeplitz):
    """A standard deviation for each place and a correlation for each lag."""

    name = "htoep"
    homogeneous = False

    def __init__(self, nugget: bool = False) -> None:
        super().__init__(nugget=nugget)
