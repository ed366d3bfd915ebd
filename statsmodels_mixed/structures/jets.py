"""Numbers that carry their first and second derivatives: forward differentiation.

A `Jet` is the value of a function at m variables together with its gradient and Hessian there.
Kinds whose correlations come from a recursion are written in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array

__all__ = ["Jet", "extended", "jet_variables", "solve_jet", "spread", "stack"]


def _outer(left: Array, right: Array) -> Array:
    """Symmetric part of a product of gradients, shape (m, m, ...)."""
    product = left[:, None] * right[None, :]
    return product + product.swapaxes(0, 1)


@dataclass(frozen=True)
class Jet:
    """A value, its gradient and its Hessian.

    Parameters
    ----------
    value : ndarray, shape (...)
    gradient : ndarray, shape (m, ...)
    hessian : ndarray, shape (m, m, ...)
    """

    value: Array
    gradient: Array
    hessian: Array

    def __add__(self, other: Jet | float) -> Jet:
        if isinstance(other, Jet):
            return Jet(
                self.value + other.value,
                self.gradient + other.gradient,
                self.hessian + other.hessian,
            )
        return Jet(self.value + other, self.gradient, self.hessian)

    __radd__ = __add__

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.gradient, -self.hessian)

    def __sub__(self, other: Jet | float) -> Jet:
        return self + (-other)

    def __rsub__(self, other: float) -> Jet:
        return -self + other

    def __mul__(self, other: Jet | float) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value * other, self.gradient * other, self.hessian * other)
        return Jet(
            self.value * other.value,
            self.value * other.gradient + other.value * self.gradient,
            self.value * other.hessian
            + other.value * self.hessian
            + _outer(self.gradient, other.gradient),
        )

    __rmul__ = __mul__

    def __truediv__(self, other: Jet) -> Jet:
        inverse = 1.0 / other.value
        slope, curvature = -(inverse**2), 2.0 * inverse**3
        reciprocal = Jet(
            inverse,
            slope * other.gradient,
            slope * other.hessian + curvature * _outer(other.gradient, other.gradient) / 2.0,
        )
        return self * reciprocal

    def sum(self) -> Jet:
        """Return the sum of the elements of a vector."""
        return Jet(self.value.sum(), self.gradient.sum(axis=-1), self.hessian.sum(axis=-1))

    def __getitem__(self, index: object) -> Jet:
        at = index if isinstance(index, tuple) else (index,)
        every = slice(None)
        return Jet(self.value[at], self.gradient[(every, *at)], self.hessian[(every, every, *at)])


def jet_variables(values: Array) -> list[Jet]:
    """Return the variables themselves, each a scalar jet."""
    m = len(values)
    unit, zero = np.eye(m), np.zeros((m, m))
    return [Jet(np.asarray(values[i], float), unit[i], zero) for i in range(m)]


def spread(jet: Jet, n: int) -> Jet:
    """Return a vector of n elements that are all the scalar `jet`."""
    m = len(jet.gradient)
    return Jet(
        np.broadcast_to(jet.value, n),
        np.broadcast_to(jet.gradient[:, None], (m, n)),
        np.broadcast_to(jet.hessian[:, :, None], (m, m, n)),
    )


def extended(vector: Jet, scalar: Jet) -> Jet:
    """Return a vector with a scalar behind its elements."""
    return Jet(
        np.append(vector.value, scalar.value),
        np.concatenate([vector.gradient, scalar.gradient[:, None]], axis=-1),
        np.concatenate([vector.hessian, scalar.hessian[:, :, None]], axis=-1),
    )


def stack(jets: list[Jet]) -> Jet:
    """Join jets of equal shape along a new first axis."""
    return Jet(
        np.stack([jet.value for jet in jets]),
        np.stack([jet.gradient for jet in jets], axis=1),
        np.stack([jet.hessian for jet in jets], axis=2),
    )


def solve_jet(matrix: Jet, right: Jet) -> Jet:
    """Solve linear equations; `matrix` has values (n, n), `right` (n,)."""
    inverse = np.linalg.inv(matrix.value)
    value = inverse @ right.value
    gradient = (right.gradient - matrix.gradient @ value) @ inverse.T
    cross = np.einsum("irc,jc->ijr", matrix.gradient, gradient)
    rest = right.hessian - matrix.hessian @ value - cross - cross.swapaxes(0, 1)
    return Jet(value, gradient, rest @ inverse.T)
