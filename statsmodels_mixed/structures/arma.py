"""Autoregressive moving averages: y_t = sum phi_i y_(t - i) + e_t + sum theta_j e_(t - j).

The parameters are partial autocorrelations of the two parts, between -1 and 1, for which the
process is stationary and invertible; phi and theta are reported. The autocovariances solve the
linear equations gamma_h - sum_i phi_i gamma_|h - i| = sum_(j >= h) theta_j psi_(j - h).
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..errors import OptionError
from .jets import Jet, jet_variables, solve_jet, stack
from .last_result import last_result
from .partial import autoregressive_coefficients
from .registry import register
from .scaled import Scaled
from .structure import Parameters
from .toeplitz import by_lag

__all__ = ["AutoregressiveMovingAverage"]


# Partial autocorrelations closer to one belong to processes without a variance.
UNIT_ROOT = 1.0 - 1e-6


def _order(value: object, option: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise OptionError(f"arma({option}=) is a whole number, not {value!r}.")
    return int(value)


@register
class AutoregressiveMovingAverage(Scaled):
    """The stationary process of orders p and q, with one standard deviation.

    Parameters
    ----------
    p, q : int
        Orders of the autoregression and of the moving average.
    hom : bool
        One standard deviation for all places.
    nugget : bool
        With a nugget.
    """

    name = "arma"
    needs = "steps"
    of_pairs = True

    lags: NDArray[np.intp]

    def __init__(
        self, p: int = 1, q: int = 1, hom: bool | None = None, nugget: bool = False
    ) -> None:
        super().__init__(hom, nugget)
        self.p, self.q = _order(p, "p"), _order(q, "q")
        if self.p + self.q == 0:
            raise OptionError("arma() needs p= or q= above zero.")

    def prepare(self) -> None:
        """Count the steps between all pairs."""
        if self.k < 2:
            raise OptionError("arma() needs at least two places.")
        at = self.positions[..., 0]
        apart = np.abs(at[..., :, None] - at[..., None, :])
        if (np.abs(apart - np.rint(apart)) > 1e-6).any():
            raise OptionError("arma() takes places a whole number of steps apart; ou() takes any.")
        self.lags = np.rint(apart).astype(np.intp)

    def correlation_parameters(self, k: int) -> Parameters:
        """Return the partial autocorrelations of both parts."""
        names = [f"partial_ar[{i}]" for i in range(1, self.p + 1)]
        names += [f"partial_ma[{j}]" for j in range(1, self.q + 1)]
        limits = [(-UNIT_ROOT, UNIT_ROOT)] * self.p + [(-1.0, 1.0)] * self.q
        start = [0.3] * min(self.p, 1) + [0.0] * max(self.p - 1, 0)
        start += [0.1] * min(self.q, 1) + [0.0] * max(self.q - 1, 0)
        return Parameters(tuple(names), start, limits)

    def _coefficients(self, psi: Array) -> tuple[list[Jet], list[Jet]]:
        jets = jet_variables(psi)
        return autoregressive_coefficients(jets[: self.p]), [
            -one for one in autoregressive_coefficients(jets[self.p :])
        ]

    def _autocorrelations(self, psi: Array) -> list[Jet]:
        """Return the autocorrelations up to the largest lag."""
        ar, ma = self._coefficients(psi)
        m = len(psi)
        zero = Jet(np.zeros(()), np.zeros(m), np.zeros((m, m)))
        moving = [zero + 1.0, *ma]
        weights: list[Jet] = []  # of the moving average of infinite order
        for j in range(self.q + 1):
            weights.append(
                sum((ar[i] * weights[j - 1 - i] for i in range(min(self.p, j))), moving[j])
            )
        size = max(self.p, self.q) + 1
        matrix = [[zero + float(h == g) for g in range(size)] for h in range(size)]
        for h in range(size):
            for i, coefficient in enumerate(ar, start=1):
                matrix[h][abs(h - i)] = matrix[h][abs(h - i)] - coefficient
        right = [
            sum((moving[j] * weights[j - h] for j in range(h, self.q + 1)), zero)
            for h in range(size)
        ]
        first = solve_jet(stack([stack(row) for row in matrix]), stack(right))
        covariances = [first[h] for h in range(size)]
        for h in range(size, int(self.lags.max()) + 1):
            covariances.append(sum((ar[i] * covariances[h - 1 - i] for i in range(self.p)), zero))
        return [one / covariances[0] for one in covariances[1:]]

    @last_result
    def _matrices(self, psi: Array) -> tuple[Array, Array, Array]:
        return by_lag(self.lags, stack(self._autocorrelations(psi)))

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
        """Return the coefficients phi and theta."""
        ar, ma = self._coefficients(psi)
        jet = stack([*ar, *ma])
        names = [f"phi[{i}]" for i in range(1, self.p + 1)]
        names += [f"theta[{j}]" for j in range(1, self.q + 1)]
        return tuple(names), jet.value, jet.gradient.T

    def correlation_starts(self, psi: Array) -> list[Array]:
        """Start with weak, strong and negative dependence."""
        if not self.p:
            return [psi, -psi]
        high, low = psi.copy(), psi.copy()
        high[0], low[0] = 0.85, -0.3
        return [psi, high, low]

    def at(self, positions: ArrayLike) -> Self:
        """Return the structure at other places."""
        if not self.hom:
            raise OptionError(
                "arma(hom=False) has no standard deviation for places that are not in the data."
            )
        places = np.asarray(positions, dtype=float)
        return self.bind([str(i) for i in range(len(places))], places)
