"""Omega = Lambda'Z'WZ Lambda + I without a factor: one term eliminated, then conjugate gradients.

With L the factors of the first term's blocks, B = Omega_21 L^-T has the pattern of the crossing and
S = Omega_22 - B B' is only ever multiplied with vectors: it is as well conditioned as levels of two
factors are mixed, and conjugate gradients with its diagonal as preconditioner need few steps
(Pandolfi, Papaspiliopoulos and Zanella 2025; Kuendig and Sigrist 2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from ..._typing import Array
from ...errors import CoreError
from ..summed.level_products import LevelProducts, apply_lambda, by_term

__all__ = ["OF_PROBES", "Gradients", "NotPositiveDefinite", "SchurComplement"]


# Residuals of solutions relative to the right-hand side: of the estimates, and of random probes,
# whose Monte Carlo errors are far larger.
TOLERANCE = 1e-10
OF_PROBES = 1e-7
MOST_STEPS = 1000
NO_MAXIMUM = "The equations of the random effects are not those of a maximum."


class NotPositiveDefinite(CoreError):
    """Weights of rows that make no positive definite matrix."""


class Gradients(NamedTuple):
    """What conjugate gradients leave: solutions, and the Lanczos coefficients of each column.

    Parameters
    ----------
    x : ndarray, shape (q, m)
    alpha, beta : ndarray, shape (steps, m)
        Step lengths; NaN after the last step of a column.
    """

    x: Array
    alpha: Array
    beta: Array


def _block_diagonal(blocks: Array) -> sparse.bsr_array:
    count, k, _ = blocks.shape
    return sparse.bsr_array(
        (blocks, np.arange(count), np.arange(count + 1)), shape=(count * k,) * 2
    )


@dataclass(frozen=True)
class SchurComplement:
    """Omega at given factors.

    Parameters
    ----------
    products : LevelProducts
    factors : sequence of ndarray, shape (k, k)
        T of each term in the coordinates of the products.
    root : ndarray, shape (l, k, k)
        L of each level of the first term.
    inverse : ndarray, shape (l, k, k)
        L^-1.
    blocks : list of ndarray, shape (pairs, k_later, k_first)
        Of B, for each crossing with the first term.
    B : csr_array, shape (q2, q1)
    Bt : csr_array, shape (q1, q2)
    others : csr_array, shape (q2, q2)
        Omega_22.
    diagonal : ndarray, shape (q2,)
        Of S.
    """

    products: LevelProducts
    factors: Sequence[Array]
    root: Array
    inverse: Array
    blocks: list[Array]
    B: sparse.csr_array
    Bt: sparse.csr_array
    others: sparse.csr_array
    diagonal: Array

    @classmethod
    def at(cls, products: LevelProducts, factors: Sequence[Array]) -> SchurComplement:
        """Form it.

        Parameters
        ----------
        products : LevelProducts
        factors : sequence of ndarray, shape (k, k)

        Raises
        ------
        NotPositiveDefinite
            If weights of rows are negative.
        """
        T, k = factors[0], products.shapes[0][1]
        try:
            root = np.asarray(np.linalg.cholesky(T.T @ products.own[0] @ T + np.eye(k)))
        except np.linalg.LinAlgError as error:
            raise NotPositiveDefinite(NO_MAXIMUM) from error
        inverse = np.asarray(np.linalg.inv(root), dtype=float)
        head = T @ np.swapaxes(inverse, 1, 2)
        diagonal = [
            _block_diagonal(factor.T @ own @ factor + np.eye(len(factor)))
            for factor, own in zip(factors[1:], products.own[1:], strict=True)
        ]
        blocks, rows = [], []
        grid: list[list[sparse.sparray | None]] = [
            [matrix if i == j else None for j in range(len(diagonal))]
            for i, matrix in enumerate(diagonal)
        ]
        for crossing, sums in zip(products.pattern.crossings, products.crossed, strict=True):
            later, earlier = crossing.later, crossing.earlier
            count = products.shapes[earlier][0]
            left = factors[later].T @ sums
            if earlier == 0:
                blocks.append(left @ head[crossing.levels])
                rows.append(crossing.matrix(blocks[-1], count))
            else:
                between = crossing.matrix(left @ factors[earlier], count)
                grid[later - 1][earlier - 1] = between
                grid[earlier - 1][later - 1] = between.T
        B = rows[0] if len(rows) == 1 else sparse.vstack(rows, format="csr")
        others = sparse.block_array(grid, format="csr")
        d = others.diagonal() - np.bincount(
            np.repeat(np.arange(B.shape[0]), np.diff(B.indptr)), B.data**2, minlength=B.shape[0]
        )
        if not np.all(d > 0):
            raise NotPositiveDefinite(NO_MAXIMUM)
        return cls(products, factors, root, inverse, blocks, B, B.T.tocsr(), others, d)

    def multiply(self, x: Array) -> Array:
        """Return S x for (q2, m)."""
        return np.asarray(self.others @ x - self.B @ (self.Bt @ x))

    def conjugate_gradients(self, right: Array, tolerance: float = TOLERANCE) -> Gradients:
        """Solve S x = right for all columns side by side, preconditioned by the diagonal of S.

        Parameters
        ----------
        right : ndarray, shape (q2, m)
        tolerance : float
            Of the residual, relative to the right-hand side.

        Raises
        ------
        CoreError
            If the residuals do not vanish in a thousand steps, or S is not positive definite.
        """
        d = self.diagonal[:, None]
        x, r = np.zeros_like(right), right.copy()
        z = r / d
        p, rz = z.copy(), np.einsum("ij,ij->j", r, z)
        least = tolerance**2 * rz
        alphas, betas = [], []
        for _ in range(MOST_STEPS):
            going = rz > least
            if not going.any():
                break
            q = self.multiply(p)
            pq = np.einsum("ij,ij->j", p, q)
            if np.any(pq[going] <= 0):
                raise NotPositiveDefinite(NO_MAXIMUM)
            alpha = np.where(going, rz / np.where(going, pq, 1.0), 0.0)
            x += alpha * p
            r -= alpha * q
            z = r / d
            new = np.einsum("ij,ij->j", r, z)
            beta = np.where(going, new / np.where(rz > 0, rz, 1.0), 0.0)
            p = z + beta * p
            alphas.append(np.where(going, alpha, np.nan))
            betas.append(np.where(going, beta, np.nan))
            rz = np.where(going, new, rz)
        else:
            raise CoreError(
                f"Conjugate gradients did not converge in {MOST_STEPS} steps; fit the model with "
                'solver="direct" if it fits in memory.'
            )
        shape = (len(alphas), right.shape[1])
        return Gradients(x, np.reshape(alphas, shape), np.reshape(betas, shape))

    def _levels(self, matrices: Array, x: Array) -> Array:
        levels, k = self.products.shapes[0]
        return np.asarray(matrices @ x.reshape(levels, k, -1)).reshape(x.shape)

    def solve(self, right: Array, tolerance: float = TOLERANCE) -> Array:
        """Return Omega^-1 right for (q, m)."""
        split = self.products.split
        head = self._levels(self.inverse, right[:split])
        tail = self.conjugate_gradients(right[split:] - self.B @ head, tolerance).x
        upper = self._levels(np.swapaxes(self.inverse, 1, 2), head - self.Bt @ tail)
        return np.concatenate([upper, tail])

    def tail_diagonals(self) -> list[Array]:
        """Return the diagonal of S for each term after the first, (l, k)."""
        return by_term(self.diagonal, self.products.shapes[1:])

    def eliminated(self, tail: Array) -> Array:
        """Return Omega_11^-1 Omega_12 times (q2, m)."""
        return self._levels(np.swapaxes(self.inverse, 1, 2), self.Bt @ tail)

    def apply_lambda(self, effects: Array, transposed: bool = False) -> Array:
        """Return Lambda, or its transpose, times (q, m)."""
        return apply_lambda(self.factors, effects, self.products.shapes, transposed=transposed)
