"""Omega = Lambda'Z'WZ Lambda + I of crossed terms whose levels meet nearly everywhere.

The first term is eliminated level by level, from a dense matrix of its pairs with all others, in
blocks of rows that stay in the caches:

    K = A_22 - A_21 Lambda_1 Omega_11^-1 Lambda_1'A_12,      S = Lambda_2'K Lambda_2 + I,

and diagonal blocks of Omega^-1 are those of S^-1, and F + F Lambda_1'A_12 P A_21 Lambda_1 F with
F = Omega_11^-1 and P = Lambda_2 S^-1 Lambda_2'. Nothing of the size of A_12 is made beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas, lapack

from ..._typing import Array
from ...errors import CoreError
from .level_products import apply_lambda
from .level_sums import LevelSums

__all__ = ["DenseSchur", "ExactTraces", "solved"]

# Numbers in a block of rows.
BLOCK = 1 << 19


class ExactTraces(NamedTuple):
    """What the objective and its gradient need of Omega^-1; see `TraceEstimates`.

    Parameters
    ----------
    logdet : ndarray, shape (1,)
    blocks : list of ndarray, shape (1, k, k)
    """

    logdet: Array
    blocks: list[Array]


class DenseSchur:
    """Omega at given factors, eliminated.

    Parameters
    ----------
    sums : LevelSums
    factors : sequence of ndarray, shape (k, k)
        T of each term in the coordinates of the sums.

    Raises
    ------
    CoreError
        If rounding errors make it not positive definite.
    """

    def __init__(self, sums: LevelSums, factors: Sequence[Array]) -> None:
        self.sums, self.factors = sums, factors
        T, k = factors[0], sums.shapes[0][1]
        self.root = np.asarray(np.linalg.cholesky(T.T @ sums.own[0] @ T + np.eye(k)))
        self.inverse = np.asarray(np.linalg.inv(self.root), dtype=float)
        self.split = int(sums.starts[1])
        size = sums.cross.shape[1]
        gram = np.zeros((size, size), order="F")
        for _, rows in self._blocks():
            gram = blas.dsyrk(1.0, rows.reshape(-1, size).T, beta=1.0, c=gram, overwrite_c=1)
        gram = sums.tail() - np.triu(gram) - np.triu(gram, 1).T
        half = self._lambda_of_tail(gram, transposed=True)
        S = self._lambda_of_tail(half.T, transposed=True)
        S.flat[:: size + 1] += 1.0
        self.factor, info = lapack.dpotrf(S, lower=1, overwrite_a=1)
        if info:
            raise CoreError("The equations of the random effects are not positive definite.")

    def _lambda_of_tail(self, effects: Array, transposed: bool = False) -> Array:
        shapes = self.sums.shapes[1:]
        return apply_lambda(self.factors[1:], effects, shapes, transposed=transposed)

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        """Run through L^-1 Lambda_1'A_12 by levels of the first term, (levels, k, q2)."""
        sums, (levels, k) = self.sums, self.sums.shapes[0]
        cross = sums.cross.reshape(levels, k, -1)
        left = self.inverse @ self.factors[0].T
        step = max(1, BLOCK // (k * cross.shape[2]))
        for start in range(0, levels, step):
            part = slice(start, start + step)
            yield part, left[part] * cross[part] if k == 1 else left[part] @ cross[part]

    def apply_lambda(self, effects: Array, transposed: bool = False) -> Array:
        """Return Lambda, or its transpose, times (q, m)."""
        return apply_lambda(self.factors, effects, self.sums.shapes, transposed=transposed)

    def _of_levels(self, matrices: Array, x: Array) -> Array:
        levels, k = self.sums.shapes[0]
        return np.asarray(matrices @ x.reshape(levels, k, -1)).reshape(x.shape)

    def solve(self, right: Array) -> Array:
        """Return Omega^-1 right for (q, m)."""
        cross, T, upward = self.sums.cross, self.factors[0], np.swapaxes(self.inverse, 1, 2)
        head = self._of_levels(self.inverse, right[: self.split])
        met = cross.T @ self._of_levels(T @ upward, head)
        rest = right[self.split :] - self._lambda_of_tail(met, transposed=True)
        tail = lapack.dpotrs(self.factor, rest, lower=1)[0]
        met = cross @ self._lambda_of_tail(tail)
        upper = self._of_levels(upward, head - self._of_levels(self.inverse @ T.T, met))
        return np.concatenate([upper, tail])

    @cached_property
    def tail_inverse(self) -> Array:
        """S^-1."""
        lower = np.tril(lapack.dpotri(self.factor, lower=1)[0])
        return np.asarray(lower + np.tril(lower, -1).T)

    @cached_property
    def _between(self) -> Array:
        """P = Lambda_2 S^-1 Lambda_2'."""
        return self._lambda_of_tail(self._lambda_of_tail(self.tail_inverse).T)

    @cached_property
    def of_first(self) -> Array:
        """Diagonal blocks of Omega^-1 for the levels of the first term, (l, k, k)."""
        levels, k = self.sums.shapes[0]
        inner = np.empty((levels, k, k))
        for part, rows in self._blocks():
            moved = (rows.reshape(-1, rows.shape[2]) @ self._between).reshape(rows.shape)
            inner[part] = np.einsum("jrq,jcq->jrc", moved, rows)
        inner += np.eye(k)
        return np.asarray(np.swapaxes(self.inverse, 1, 2) @ inner @ self.inverse)

    def of_others(self) -> list[Array]:
        """Return diagonal blocks of Omega^-1 for the levels of the other terms, (l, k, k)."""
        out, at = [], 0
        for levels, k in self.sums.shapes[1:]:
            rows = at + np.arange(levels * k).reshape(levels, k)
            out.append(self.tail_inverse[rows[:, :, None], rows[:, None, :]])
            at += levels * k
        return out

    def traces(self) -> ExactTraces:
        """Return log|Omega| and the sums of the diagonal blocks of its inverse."""
        logs = np.log(np.diagonal(self.root, axis1=1, axis2=2)).sum()
        logs += np.log(self.factor.diagonal()).sum()
        blocks = [each.sum(axis=0)[None] for each in (self.of_first, *self.of_others())]
        return ExactTraces(np.array([2.0 * logs]), blocks)

    def inverse_of(self, levels: NDArray[np.int32]) -> Array:
        """Return the rows and columns of Omega^-1 for levels that meet in rows, (m, K, K).

        Parameters
        ----------
        levels : ndarray of int32, shape (m, terms)
            A level of each term.
        """
        shapes, starts = self.sums.shapes, self.sums.starts
        k = shapes[0][1]
        tail = np.concatenate(
            [
                levels[:, at, None] * own + np.arange(own) + starts[at] - self.split
                for at, (_, own) in enumerate(shapes)
                if at
            ],
            axis=1,
        )
        first = levels[:, 0]
        size = k + tail.shape[1]
        out = np.empty((len(levels), size, size))
        out[:, :k, :k] = self.of_first[first]
        out[:, k:, k:] = self.tail_inverse[tail[:, :, None], tail[:, None, :]]
        # -F Lambda_1'A_12 Lambda_2 S^-1 for these columns of S^-1
        columns = self._lambda_of_tail(self.tail_inverse)
        cross = self.sums.cross.reshape(*shapes[0], -1)
        left = np.swapaxes(self.inverse, 1, 2) @ self.inverse @ self.factors[0].T
        for row, (level, places) in enumerate(zip(first, tail, strict=True)):
            between = -left[level] @ (cross[level] @ columns[:, places])
            out[row, :k, k:] = between
            out[row, k:, :k] = between.T
        return out


def solved(sums: LevelSums, factors: Sequence[Array]) -> DenseSchur:
    """Return Omega at these factors, eliminated; what was solved last is remembered."""
    last = sums.solved
    if last is None or not all(map(np.array_equal, last.factors, factors)):
        sums.solved = None  # its memory goes before more is taken
        last = sums.solved = DenseSchur(sums, factors)
    assert isinstance(last, DenseSchur)
    return last
