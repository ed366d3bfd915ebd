"""Steps along which covariance matrices change in proportion, and not their factors.

Where T_11 is small beside the rest of T the criterion hardly knows how the other rows are divided
among its columns: a valley of constant T T', that is a circle in the elements of T. With

    T(S) = T chol(I + S),  T(S) T(S)' = T T' + T S T',

S symmetric, the valley is straight. To second order chol(I + S) = I + P - half(P P'), where P =
half(S) is the lower triangle of S with half of its diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ..covariance import factors_of, theta_of

__all__ = ["CovarianceSteps"]


def _half(S: Array) -> Array:
    return np.asarray(np.tril(S, -1) + np.diag(np.diag(S)) / 2.0)


class CovarianceSteps:
    """Coordinates s of elements of T about a point, one for each that is free.

    Those of a T with correlations and without zeros are elements of S, others are themselves.

    Parameters
    ----------
    x : ndarray, shape (n_theta,)
        Elements of all T.
    patterns : sequence of ndarray of bool, shape (k, k)
        None for steps in the elements themselves.
    free : ndarray of int, optional
        Elements that change; those that are not zero when omitted.

    Attributes
    ----------
    jacobian : ndarray, shape (free, free)
        Derivatives of the elements.
    sizes : ndarray, shape (free,)
        Changes of s that are as large as what changes.
    """

    def __init__(
        self,
        x: Array,
        patterns: Sequence[NDArray[np.bool_]],
        free: NDArray[np.intp] | None = None,
    ) -> None:
        self._x, self._patterns = x, patterns
        self._free = np.flatnonzero(x) if free is None else free
        self._factors = factors_of(x, patterns)
        self._curved = [
            len(T) > 1
            and bool(T[np.tri(len(T), dtype=bool)].all())
            and bool(pattern[np.tri(len(T), dtype=bool)].all())
            for T, pattern in zip(self._factors, patterns, strict=True)
        ]
        if not any(self._curved):
            self.jacobian, self.sizes = np.eye(len(self._free)), np.abs(x[self._free])
            return
        proportions = [
            np.full(T.shape, curved) for T, curved in zip(self._factors, self._curved, strict=True)
        ]
        self.sizes = np.where(theta_of(proportions, patterns), 1.0, np.abs(x))[self._free]
        units = [self._parts(row) for row in np.eye(len(x))[self._free]]
        self._directions = [
            [_half(S) if curved else S for S, curved in zip(parts, self._curved, strict=True)]
            for parts in units
        ]
        self.jacobian = np.array([self._moved(parts)[self._free] for parts in self._directions]).T

    def _parts(self, s: Array) -> list[Array]:
        """Return S of each curved block, symmetric, and the changes of other T."""
        found = factors_of(s, self._patterns)
        return [
            L + np.tril(L, -1).T if curved else L
            for L, curved in zip(found, self._curved, strict=True)
        ]

    def _moved(self, parts: Sequence[Array]) -> Array:
        """Return what T L of curved blocks, and L of others, are as elements."""
        moved = [
            T @ L if curved else L
            for T, L, curved in zip(self._factors, parts, self._curved, strict=True)
        ]
        return theta_of(moved, self._patterns)

    def bend(self, slope: Array) -> Array:
        """Return what the bend of the steps adds to the Hessian in s.

        Parameters
        ----------
        slope : ndarray, shape (free,)
            The gradient in the elements.
        """
        bend = np.zeros(2 * self.jacobian.shape[:1])
        if not any(self._curved):
            return bend
        for i, one in enumerate(self._directions):
            for j, two in enumerate(self._directions[: i + 1]):
                parts = [
                    -_half(P @ Q.T + Q @ P.T) if curved else np.zeros_like(P)
                    for P, Q, curved in zip(one, two, self._curved, strict=True)
                ]
                bend[i, j] = bend[j, i] = slope @ self._moved(parts)[self._free]
        return bend

    def at(self, s: Array) -> Array | None:
        """Return the elements, shape (free,), after a step; None where it leaves the cone."""
        if not any(self._curved):
            return self._x[self._free] + s
        full = np.zeros(len(self._x))
        full[self._free] = s
        factors = []
        for T, S, curved in zip(self._factors, self._parts(full), self._curved, strict=True):
            if not curved:
                factors.append(T + S)
                continue
            try:
                factors.append(T @ np.linalg.cholesky(np.eye(len(T)) + S))
            except np.linalg.LinAlgError:
                return None
        return theta_of(factors, self._patterns)[self._free]
