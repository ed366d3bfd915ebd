"""Traces with V^-1 for Kenward and Roger's method by one orthogonal factorization.

Where sigma is small beside the random effects V^-1 is small in the directions of these, and what
is computed of V^-1 = I - ... has lost its digits. With Lambda the T of all levels, and

    [Z Lambda  X]   [Q_1  Q_x] [R  .  ]
    [   I      0] = [Q_2  P_x] [0  R_x]

for rows times the roots of their weights, orthonormal columns on the right say without any
differences that

    (X R_x^-1)'V^-1 (X R_x^-1) = I,      H = Lambda'Z'V^-1 X R_x^-1 = -P_x,
    S = Lambda'Z'V^-1 Z Lambda = I - Q_2 Q_2'.

Kenward and Roger's method does not notice a change of parameters: here they are the elements of
Phi in Sigma = T Phi T', at Phi = I.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr, solve_triangular

from .._typing import Array
from ..fitting.covariance import CovarianceElement, components, elements_of
from ..fitting.inner_products import sparse_columns
from ..frame.design import Design
from .kenward_roger_traces import Traces

__all__ = ["is_affordable", "spherical_traces"]


# Multiplications of the factorization, about a second.
MOST_WORK = 4e9
# A random effect without variance is given this standard deviation, over that of the mean of the
# rows of a level: what it changes is the square of this.
NO_VARIANCE = 1e-4


def is_affordable(design: Design) -> bool:
    """Return whether the factorization takes a second at most."""
    q = sum(block.z.shape[1] * len(block.levels) for block in design.blocks)
    members = any(block.members is not None for block in design.blocks)
    return not members and (design.nobs + q) * (q + design.X.shape[1]) ** 2 <= MOST_WORK


def spherical_traces(
    design: Design, X: Array, factors: tuple[Array, ...], *, elements_of_sigma: bool
) -> tuple[Traces, Array]:
    """Compute the traces of a linear mixed model.

    Parameters
    ----------
    design : Design
        Only its random effects and weights are used.
    X : ndarray, shape (n, r)
        Independent fixed-effects columns.
    factors : tuple of ndarray, shape (k, k)
        T of each block.
    elements_of_sigma : bool
        Whether the parameters are to be the elements of Sigma, not those of Phi.

    Returns
    -------
    Traces
        Of X times the next matrix.
    ndarray, shape (r, r)
        R_x^-1.
    """
    blocks, r = design.blocks, X.shape[1]
    roots = np.ones(len(X)) if design.weights is None else np.sqrt(design.weights)
    Z = [sparse_columns(block).toarray() * roots[:, None] for block in blocks]
    patterns = [block.pattern for block in blocks]
    factors = tuple(map(_of_full_rank, factors, Z, patterns))
    parts = [
        (z.reshape(len(z), -1, len(T)) @ T).reshape(z.shape)
        for z, T in zip(Z, factors, strict=True)
    ]
    q = sum(part.shape[1] for part in parts)
    top = np.hstack([*parts, X * roots[:, None]])
    Q, R = qr(np.vstack([top, np.eye(q, q + r)]), mode="economic", overwrite_a=True)
    low = Q[len(X) :]
    spherical = _Spherical(
        [(len(block.levels), len(block.names)) for block in blocks],
        -low[:, q:],
        np.eye(q) - low[:, :q] @ low[:, :q].T,
    )
    elements = elements_of(patterns)
    sums = spherical.traces(elements)
    if elements_of_sigma:
        sums = sums.in_others(_phi_of_sigma(elements, factors))
    return sums, np.asarray(solve_triangular(R[q:, q:], np.eye(r)))


def _of_full_rank(T: Array, z: Array, pattern: NDArray[np.bool_]) -> Array:
    """Return T with T T' = Sigma, and some variance in directions that have none.

    Directions are orthogonal where columns of Z are as long as each other.
    """
    levels = z.shape[1] // len(T)
    sizes = np.sqrt(np.sum(z.reshape(len(z), -1, len(T)) ** 2, axis=(0, 1)) / levels)
    sizes = np.where(sizes > 0, sizes, 1.0)
    out = np.zeros_like(T)
    for own in components(pattern):
        left, values, _ = np.linalg.svd(sizes[own, None] * T[np.ix_(own, own)])
        out[np.ix_(own, own)] = left * np.maximum(values, NO_VARIANCE) / sizes[own, None]
    return out


@dataclass(frozen=True)
class _Spherical:
    """H and S of all levels.

    Parameters
    ----------
    sizes : list of (int, int)
        Levels and columns of each block.
    H : ndarray, shape (q, r)
    S : ndarray, shape (q, q)
    """

    sizes: list[tuple[int, int]]
    H: Array
    S: Array

    def traces(self, elements: list[CovarianceElement]) -> Traces:
        """Return the sums over all levels for the elements."""
        r = self.H.shape[1]
        EH = [self._times(element, self.H) for element in elements]
        solved = [self.S @ each for each in EH]
        second = [[one.T @ other for other in solved] for one in EH]
        return Traces(
            elements,
            np.eye(r),
            np.array([self.H.T @ each for each in EH]),
            np.array(second),
            self._single(elements),
            self._double(elements),
        )

    def _slices(self) -> list[slice]:
        ends = np.cumsum([0, *(levels * k for levels, k in self.sizes)]).tolist()
        return [slice(*pair) for pair in pairwise(ends)]

    def _times(self, element: CovarianceElement, values: Array) -> Array:
        """Return E_e times an array, shape (q, c)."""
        out = np.zeros_like(values)
        (levels, k), at = self.sizes[element.block], self._slices()[element.block]
        into, taken = (v[at].reshape(levels, k, -1) for v in (out, values))
        for row, column in element.places:
            into[:, row] += taken[:, column]
        return out

    def _single(self, elements: list[CovarianceElement]) -> Array:
        """Return tr(S E_e) of every element."""
        sums = []
        for (levels, k), at in zip(self.sizes, self._slices(), strict=True):
            own = self.S[at, at].reshape(levels, k, levels, k)
            sums.append(np.einsum("isiu->su", own))
        return np.array([sum(sums[e.block][place] for place in e.places) for e in elements])

    def _double(self, elements: list[CovarianceElement]) -> Array:
        """Return tr(S E_e S E_f) of every pair of elements."""
        products, slices = {}, self._slices()
        for b, (m, k) in enumerate(self.sizes):
            for c, (n, w) in enumerate(self.sizes):
                part = self.S[slices[b], slices[c]].reshape(m, k, n, w)
                flat = part.transpose(1, 3, 0, 2).reshape(k * w, -1)
                products[b, c] = (flat @ flat.T).reshape(k, w, k, w)
        return np.array(
            [
                [
                    sum(
                        products[e.block, f.block][s, u, r, v]
                        for r, s in e.places
                        for u, v in f.places
                    )
                    for f in elements
                ]
                for e in elements
            ]
        )


def _phi_of_sigma(elements: list[CovarianceElement], factors: tuple[Array, ...]) -> Array:
    """Return the derivatives of the elements of Phi in those of Sigma, a row for each of these."""
    out = np.zeros((len(elements), len(elements)))
    for i, e in enumerate(elements):
        T = factors[e.block]
        E = np.zeros_like(T)
        for place in e.places:
            E[place] = 1.0
        Phi = np.linalg.solve(T, np.linalg.solve(T, E).T)
        for j, f in enumerate(elements):
            if f.block == e.block:
                out[i, j] = Phi[f.row, f.column]
    return out
