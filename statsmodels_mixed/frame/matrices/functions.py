"""The functions of a formula that need no import."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from patsy import stateful_transform
from patsy.categorical import C

from ..._typing import Array
from ...errors import DataError

__all__ = ["FUNCTIONS", "Polynomials"]


class Polynomials:
    """Orthogonal polynomials of a column, as `poly` of R has them; ``raw=True`` gives powers.

    The recurrence of Forsythe (1957), learned from the rows of the fit and used for others.
    """

    def memorize_chunk(self, x: ArrayLike, degree: int = 1, raw: bool = False) -> None:
        """Take the column in; the names of the three methods are patsy's."""
        self._x = np.asarray(x, dtype=float).ravel()
        self._degree = degree

    def memorize_finish(self) -> None:
        """Learn the recurrence from the column."""
        x, degree = self._x, self._degree
        del self._x
        if not isinstance(degree, int) or not 1 <= degree < len(np.unique(x)):
            raise DataError(
                f"poly: the degree is a whole number from 1 to {len(np.unique(x)) - 1}, one less "
                f"than the column has different values, not {degree!r}."
            )
        self._centers: list[float] = []
        self._norms: list[float] = []
        last, this = np.zeros_like(x), np.ones_like(x)
        for _ in range(degree + 1):
            size = float(this @ this)
            self._norms.append(size)
            self._centers.append(float(this @ (x * this)) / size)
            last, this = this, self._next(x, last, this)

    def transform(self, x: ArrayLike, degree: int = 1, raw: bool = False) -> Array:
        """Return the polynomials at x, a column each."""
        values = np.asarray(x, dtype=float).ravel()
        if raw:
            return values[:, None] ** np.arange(1, degree + 1)
        centers, norms = self._centers, self._norms
        self._centers, self._norms = [], []
        last, this = np.zeros_like(values), np.ones_like(values)
        columns = []
        for center, norm in zip(centers, norms, strict=True):
            columns.append(this / np.sqrt(norm))
            self._centers.append(center)
            self._norms.append(norm)
            last, this = this, self._next(values, last, this)
        return np.column_stack(columns[1:])

    def _next(self, x: Array, last: Array, this: Array) -> Array:
        """Return the polynomial of the next degree at x."""
        ratio = self._norms[-1] / self._norms[-2] if len(self._norms) > 1 else 0.0
        return (x - self._centers[-1]) * this - ratio * last


# Names that a formula may use without importing them, unless the caller gave them a meaning.
FUNCTIONS: dict[str, Any] = {name: getattr(np, name) for name in ("log", "log2", "log10", "log1p")}
FUNCTIONS |= {name: getattr(np, name) for name in ("exp", "expm1", "sqrt", "sin", "cos", "tan")}
FUNCTIONS |= {"np": np, "factor": C, "poly": stateful_transform(Polynomials)}
