"""Unstructured: any covariance matrix, as Sigma = T T' with T lower triangular.

The parameters are the elements of T, column by column; reported are standard deviations and
correlations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from .factored import Factored
from .registry import register
from .sds_correlations import sds_and_correlations
from .structure import Natural, Parameters

__all__ = ["Unstructured"]


@register
class Unstructured(Factored):
    """Any covariance matrix."""

    name = "us"
    linear = True

    def width(self, k: int) -> int:
        """Return k: T is square."""
        return k

    def parameters(self, k: int) -> Parameters:
        """Return the elements of T."""
        rows, columns = self.places(k)
        names = tuple(f"T[{r + 1},{c + 1}]" for r, c in zip(rows, columns, strict=True))
        limits = [(-np.inf, np.inf)] * len(names)
        return Parameters(names, (rows == columns).astype(float), limits, tuple(range(len(names))))

    def natural(self, phi: ArrayLike) -> Natural:
        """Return standard deviations and correlations."""
        return sds_and_correlations(self.sigma(phi), self.derivatives(phi), self.labels)

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return a diagonal T."""
        T = np.diag(np.asarray(sds, dtype=float))
        return [T[self.places(self.k)]]
