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
    def _places(self) -> NDArray[np.intp]:
        return np.array(self.at, dtype=np.intp)

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
        sigma, length, t = self._parts(x)
        n, at = len(x), self._places
        unit = self.row.T @ (t / length)
        gradient, hessian = np.zeros(n), np.zeros((n, n))
        gradient[at] = sigma * unit
        hessian[at[:, None], at] = sigma / length * (self.row.T @ self.row - unit[:, None] * unit)
        if self.sigma is None:
            gradient[-1] = hessian[-1, -1] = sigma * length
            hessian[at, -1] = hessian[-1, at] = sigma * unit
        return gradient, hessian

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
        return np.asarray(np.linalg.pinv(self._both), dtype=float)

    @cached_property
    def _places(self) -> NDArray[np.intp]:
        return np.array(self.at, dtype=np.intp)

    def _rows(self, x: Array) -> tuple[Array, Array]:
        part = x[self._places]
        return self.first @ part, self.second @ part

    def value(self, x: Array) -> float:
        """Return the angle, accurate also near 0 and pi."""
        p, q = self._rows(x)
        u, v = p / _length(p), q / _length(q)
        return 2.0 * math.atan2(_length(u - v), _length(u + v))

    def derivatives(self, x: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian.

        With t_p the unit vector at right angles to p, in the plane of both, pointing away
        from q, and Q the projection off that plane: the gradient in p is t_p / |p|, the
        Hessian (cot(c) Q - t_p u_p' - u_p t_p') / |p|^2, and the mixed one
        -Q / (|p| |q| sin(c)).
        """
        p, q = self._rows(x)
        a, b = _length(p), _length(q)
        angle = self.value(x)
        sine, cosine = math.sin(angle), math.cos(angle)
        u, v = p / a, q / b
        away_p, away_q = _unit(cosine * u - v), _unit(cosine * v - u)
        off = np.eye(len(p)) - u[:, None] * u - away_p[:, None] * away_p
        k, n = len(p), len(x)
        gradient, hessian = np.zeros(n), np.zeros((n, n))
        joint = np.zeros((2 * k, 2 * k))
        joint[:k, :k] = (cosine / sine * off - _symmetric(away_p, u)) / a**2
        joint[k:, k:] = (cosine / sine * off - _symmetric(away_q, v)) / b**2
        joint[:k, k:] = joint[k:, :k] = -off / (a * b * sine)
        at = self._places
        gradient[at] = self._both.T @ np.concatenate([away_p / a, away_q / b])
        hessian[at[:, None], at] = self._both.T @ joint @ self._both
        return gradient, hessian

    def retract(self, x: Array, value: float) -> Array:
        """Turn the second row in the plane of both."""
        p, q = self._rows(x)
        u = p / _length(p)
        across = q - (q @ u) * u
        if _length(across) <= 1e-14 * _length(q):
            across = np.zeros(len(q))
            across[_last(self.second)] = 1.0
        turned = _length(q) * (math.cos(value) * u + math.sin(value) * _unit(across))
        out = x.copy()
        out[self._places] += self._back @ np.concatenate([np.zeros(len(p)), turned - q])
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


def _symmetric(a: Array, b: Array) -> Array:
    outer = a[:, None] * b
    return np.asarray(outer + outer.T)
