"""A structure without its scale: the first standard deviation is one.

Sigma = sigma^2 R where R has an element 1 in its first corner; sigma^2 can then be profiled out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import OptionError
from .structure import Natural, Parameters, Structure

__all__ = ["Relative"]


class Relative(Structure):
    """R of a structure Sigma = sigma^2 R.

    Parameters
    ----------
    whole : Structure
        Its first parameter is the standard deviation of the first effect, or of all.

    Attributes
    ----------
    whole : Structure

    Raises
    ------
    OptionError
        If it has no such parameter.
    """

    def __init__(self, whole: Structure) -> None:
        self.whole = whole

    @property
    def kind(self) -> str:
        """The name of the structure in formulas."""
        return self.whole.name

    def bind(self, labels: Sequence[str], positions: ArrayLike | None = None) -> Self:
        """Return the relative structure for given effects."""
        out = type(self)(self.whole.bind(labels, positions))
        out.prepare()
        return out

    def prepare(self) -> None:
        """Copy the number, labels and positions of the effects."""
        self.k, self.labels = self.whole.k, self.whole.labels
        self.positions = self.whole.positions
        if 0 not in self.whole.read().scales:
            raise OptionError(
                f"{self.whole.name}() has no standard deviation as its first parameter, so that "
                "its scale cannot be separated."
            )

    def parameters(self, k: int) -> Parameters:
        """Return the parameters but the first; standard deviations are ratios to it."""
        whole = Parameters(*self.whole.parameters(k))
        names, start, bounds, scales, _ = whole
        rest = tuple(at - 1 for at in scales if at)
        return Parameters(
            tuple(names)[1:],
            np.asarray(start, float)[1:],
            np.asarray(bounds, float)[1:],
            rest,
            tuple(at - 1 for at in whole.even_scales if at),
        )

    def full(self, psi: ArrayLike, scale: float = 1.0) -> Array:
        """Return the parameters of the whole structure with sigma = `scale`."""
        phi = np.concatenate([[1.0], np.asarray(psi, dtype=float)])
        at = np.asarray(self.whole.read().scales, dtype=int)
        phi[at] *= scale
        return phi

    def split(self, phi: ArrayLike) -> tuple[float, Array]:
        """Return sigma and the relative parameters of the whole structure's."""
        phi = np.array(phi, dtype=float)
        scale = float(phi[0])
        phi[np.asarray(self.whole.read().scales, dtype=int)] /= scale
        return abs(scale), phi[1:]

    def sigma(self, phi: ArrayLike) -> Array:
        """Return R, shape (k, k)."""
        return self.whole.sigma(self.full(phi))

    def derivatives(self, phi: ArrayLike) -> Array:
        """Return dR / dphi_i, shape (m, k, k)."""
        return self.whole.derivatives(self.full(phi))[1:]

    def second_derivatives(self, phi: ArrayLike) -> Array:
        """Return d2R / dphi_i dphi_j, shape (m, m, k, k)."""
        return self.whole.second_derivatives(self.full(phi))[1:, 1:]

    def natural(self, phi: ArrayLike) -> Natural:
        """Return what is reported at sigma = 1; see `full` for the rest."""
        whole = self.whole.natural(self.full(phi))
        return Natural(whole.names, whole.values, whole.jacobian[:, 1:], whole.scales)

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return relative parameters to start from."""
        return [self.split(phi)[1] for phi in self.whole.starts(sds)]
