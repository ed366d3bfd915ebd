"""Reduced rank: Sigma = L L' with d columns of loadings, zero above the diagonal."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import OptionError
from .factored import Factored
from .registry import register
from .structure import Natural, Parameters

__all__ = ["ReducedRank"]


# Scattered starts of loadings.
_SCATTERED = 6


@register
class ReducedRank(Factored):
    """Effects that are combinations of d independent ones.

    Parameters
    ----------
    d : int
        The rank, 2 if not given.
    """

    name = "rr"
    definite = False

    def __init__(self, d: int = 2) -> None:
        if isinstance(d, bool) or not isinstance(d, int | np.integer) or d < 1:
            raise OptionError(f"rr(d=) is a whole number above zero, not {d!r}.")
        self.d = int(d)

    def prepare(self) -> None:
        """Refuse a rank above the number of effects."""
        if self.d > self.k:
            raise OptionError(f"rr(d={self.d}) has more dimensions than its {self.k} effects.")

    def width(self, k: int) -> int:
        """Return the rank."""
        return self.d

    def parameters(self, k: int) -> Parameters:
        """Return the loadings, column by column."""
        rows, columns = self.places(k)
        labels = self.labels if len(self.labels) == k else [str(i) for i in range(k)]
        names = tuple(f"loading[{labels[r]},{c + 1}]" for r, c in zip(rows, columns, strict=True))
        start = np.where(rows == columns, 1.0, 0.3)
        return Parameters(names, start, [(-np.inf, np.inf)] * len(names), tuple(range(len(names))))

    def natural(self, phi: ArrayLike) -> Natural:
        """Return the loadings, with the sign that makes the first of each column positive."""
        L = self.factor(phi)
        _, columns = self.places(self.k)
        signs = np.where(np.diag(L[: self.d]) < 0, -1.0, 1.0)[columns]
        names = tuple(self.read().names)
        values = np.asarray(phi, dtype=float) * signs
        return Natural(names, values, np.diag(signs), np.ones(len(values), dtype=bool))

    def starts(self, sds: ArrayLike) -> list[Array]:
        """Return loadings in proportion to the standard deviations, of several signs.

        With more dimensions than one likelihoods have several maxima, as in factor analysis: then
        some start at scattered loadings as well.
        """
        sds = np.asarray(sds, dtype=float)
        rows, columns = self.places(self.k)
        even = np.asarray(self.read().start)
        turned = np.where(rows == columns, 1.0, np.where(rows % 2, -0.3, 0.3))
        starts = [even * sds[rows], turned * sds[rows]]
        if self.d > 1:
            scattered = np.random.default_rng(0).standard_normal((_SCATTERED, len(rows)))
            starts += list(scattered * sds[rows] / np.sqrt(self.d))
        return starts
