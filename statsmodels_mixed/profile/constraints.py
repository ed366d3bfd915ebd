"""What a profile holds fixed: a function of the parameters of a model, with derivatives.

The variables x begin with theta in units of its scale; for a linear model log sigma follows
unless sigma is known, for a generalized one coefficients and the log dispersion. A
constraint c(x) = value is kept to exactly by `retract`, which moves x to the nearest handy
point where it holds, so that a search needs to work along it only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._core.constrained import row_angle, row_length_derivatives
from .._typing import Array

__all__ = ["Angle", "Combination", "Constraint", "Element", "Length"]


# Diagonal elements of T up to this are zero.
ZERO = 1e-6


class Constraint(Protocol):
    """A function c of x, from `lower` to `upper`."""

    @property
    def lower(self) -> float:
        """The least value c can have."""

    @property
    def upper(self) -> float:
        """The largest value c can have."""

    def value(self, x: Array) -> float:
        """Return c(x)."""

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian of c; None for a linear c."""

    def retract(self, x: Array, value: float) -> Array:
        """Return a point near x where c is `value`."""

    def at_bound(self, x: Array, gradient: Array) -> int | None:
        """Return an element of x that is at its bound and would leave it, if any."""


@dataclass(frozen=True)
class Element:
    """c(x) = x_i.

    Parameters
    ----------
    at : int
        The i.
    lower : float
        0 for a diagonal element of T, else minus infinity.
    diagonal : int or None
        The diagonal element above x_i in T, never negative: changing the sign of both
        changes no covariance, so that the sign of x_i means something only then.
    """

    at: int
    lower: float
    diagonal: int | None = None
    upper: float = math.inf

    def value(self, x: Array) -> float:
        """Return x_i."""
        return float(x[self.at])

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return the unit vector."""
        gradient = np.zeros(len(x))
        gradient[self.at] = 1.0
        return gradient, None

    def retract(self, x: Array, value: float) -> Array:
        """Put `value` in place of x_i."""
        out = x.copy()
        if self.diagonal is not None:
            out[self.diagonal] = max(out[self.diagonal], 0.0)
        out[self.at] = value
        return out

    def at_bound(self, x: Array, gradient: Array) -> int | None:
        """Return the diagonal element if it is zero and wants to be negative."""
        at = self.diagonal
        if at is None or at == self.at or x[at] > ZERO or gradient[at] < 0:
            return None
        return at


@dataclass(frozen=True, eq=False)
class Combination:
    """c(x) = a'x.

    Parameters
    ----------
    gradient : ndarray, shape (m,)
        The a.
    diagonal : int or None
        The diagonal element above those combined, as for `Element`.
    """

    gradient: Array
    diagonal: int | None = None
    lower: float = -math.inf
    upper: float = math.inf

    def value(self, x: Array) -> float:
        """Return a'x."""
        return float(self.gradient @ x)

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return a."""
        return self.gradient, None

    def retract(self, x: Array, value: float) -> Array:
        """Move along a."""
        a = self.gradient
        if self.diagonal is not None and x[self.diagonal] < 0:
            x = x.copy()
            x[self.diagonal] = 0.0
        return np.asarray(x + a * ((value - float(a @ x)) / float(a @ a)))

    def at_bound(self, x: Array, gradient: Array) -> int | None:
        """Return the diagonal element if it is zero and wants to be negative."""
        at = self.diagonal
        return None if at is None or x[at] > ZERO or gradient[at] < 0 else at


@dataclass(frozen=True, eq=False)
class Length:
    """c(x) = sigma |t|, for a row t = M x of T: the standard deviation of a random effect.

    Parameters
    ----------
    at : tuple of int
        Positions in x of the elements that M multiplies.
    row : ndarray, shape (k, m)
        The M.
    sigma : float or None
        None when log sigma is the last element of x.
    """

    at: tuple[int, ...]
    row: Array
    sigma: float | None
    lower: float = 0.0
    upper: float = math.inf

    @cached_property
    def _back(self) -> Array:
        return np.asarray(np.linalg.pinv(self.row), dtype=float)

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        return np.array(self.at, dtype=np.int32)

    def _parts(self, x: Array) -> tuple[float, float, Array]:
        t = self.row @ x[self._places]
        sigma = math.exp(x[-1]) if self.sigma is None else self.sigma
        return sigma, math.sqrt(float(t @ t)), t

    def value(self, x: Array) -> float:
        """Return the standard deviation."""
        sigma, length, _ = self._parts(x)
        return sigma * length

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian."""
        return row_length_derivatives(x, self._places, self.row, self.sigma)

    def retract(self, x: Array, value: float) -> Array:
        """Stretch the row."""
        sigma, length, t = self._parts(x)
        if length > 0:
            change = t * (value / (sigma * length) - 1.0)
        else:
            change = np.zeros(len(t))
            change[_last(self.row)] = value / sigma
        out = x.copy()
        out[self._places] += self._back @ change
        return out

    def at_bound(self, x: Array, gradient: Array) -> int | None:
        """Return None: the sign of no element matters."""
        return None


@dataclass(frozen=True, eq=False)
class Angle:
    """c(x) = the angle between two rows of T, whose cosine is the correlation.

    Parameters
    ----------
    at : tuple of int
        Positions in x of the elements that both depend on.
    first, second : ndarray, shape (k, m)
        What they are multiplied by; of the first row the last element that the second has is
        zero.
    """

    at: tuple[int, ...]
    first: Array
    second: Array
    lower: float = 0.0
    upper: float = math.pi

    @cached_property
    def _both(self) -> Array:
        return np.vstack([self.first, self.second])

    @cached_property
    def _back(self) -> Array:
        """What the second row changes x by, while the first stays."""
        return np.asarray(np.linalg.pinv(self._both)[:, len(self.first) :], dtype=float)

    @cached_property
    def _places(self) -> NDArray[np.int32]:
        return np.array(self.at, dtype=np.int32)

    def value(self, x: Array) -> float:
        """Return the angle, accurate also near 0 and pi."""
        return row_angle(x, self._places, self._both, derivatives=False)[0]

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian."""
        _, gradient, hessian = row_angle(x, self._places, self._both, derivatives=True)
        return gradient, hessian

    def retract(self, x: Array, value: float) -> Array:
        """Turn the second row in the plane of both."""
        part = x[self._places]
        p, q = self.first @ part, self.second @ part
        u = p / _length(p)
        across = q - (q @ u) * u
        if _length(across) <= 1e-14 * _length(q):
            across = np.zeros(len(q))
            across[_last(self.second)] = 1.0
        turned = _length(q) * (math.cos(value) * u + math.sin(value) * _unit(across))
        out = x.copy()
        out[self._places] += self._back @ (turned - q)
        return out

    def at_bound(self, x: Array, gradient: Array) -> int | None:
        """Return None: the sign of no element matters."""
        return None


def _last(row: Array) -> int:
    """Return the last element of a row that is not always zero."""
    return int(np.flatnonzero(row.any(axis=1))[-1])


def _length(vector: Array) -> float:
    return math.sqrt(float(vector @ vector))


def _unit(vector: Array) -> Array:
    return np.asarray(vector / _length(vector))
