"""Henderson's mixed-model equations: what is uncertain about beta and b together, given theta.

The inverse of their matrix is the covariance over sigma^2 of (beta^ - beta, b^ - b), in which
b is random (Henderson 1975, Biometrics 31, 423-447). Its pieces are M = (X'V^-1 X)^-1, the
blocks of Lambda Omega^-1 Lambda' for the levels of a row, and the derivatives of b^ by beta;
the arithmetic is in C (``csrc/src/linear/joint.c``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .._core import one_blas_thread
from .._typing import Array

__all__ = ["FEWEST_DIGITS", "FEW_DIGITS", "Henderson", "WithEquations"]


# Variances of rows lose all digits where sigma is a smaller share of the response's.
FEWEST_DIGITS = 3e-8
# Below this share too few are left unless each row is computed by itself.
FEW_DIGITS = 1e-3
Levels = NDArray[np.int32]

# Numbers in the largest temporary array.
_ROOM = 2_000_000


@dataclass(frozen=True, eq=False)
class Henderson:
    """The inverse of the mixed-model equations of a fit, by its pieces.

    Parameters
    ----------
    R : ndarray, shape (rank, rank)
        X = Q R; the pieces refer to the columns of Q.
    M : ndarray, shape (rank, rank)
        (Q'V^-1 Q)^-1.
    slopes : tuple of ndarray, shape (l, k, rank)
        Minus the derivative of the conditional modes of each block by the coefficients of Q.
    factors : tuple of ndarray, shape (k, k)
        T of each block.
    scale : float
        sigma^2, or 1 where the weights of the rows hold the dispersion.
    covariances : callable
        From levels (m, blocks) of int32, -1 for none, to the joint covariances over `scale`
        of their random effects, (m, K, K).
    changes : sequence of ndarray, shape (k, k), or None
        For each block C of the columns z C that the pieces refer to.
    exactly : callable, optional
        From levels (m, blocks), columns z (m, K) and rows of Q (m, rank) to variances over
        `scale`, where sums of the pieces have lost too many digits.
    """

    R: Array
    M: Array
    slopes: tuple[Array, ...]
    factors: tuple[Array, ...]
    scale: float
    covariances: Callable[[Levels], Array]
    changes: Sequence[Array | None] = ()
    exactly: Callable[[Levels, Array, Array], Array] | None = None

    def variances(self, X: Array, z: Sequence[Array], refs: Sequence[Levels]) -> Array:
        """Return Var(x'(beta^ - beta) + z'(b^ - b)) of rows.

        Parameters
        ----------
        X : ndarray, shape (m, rank)
            Estimable columns.
        z : sequence of ndarray, shape (m, k)
            Columns of each block; zero where a random effect has no part in the mean.
        refs : sequence of ndarray of int32, shape (m,)
            Level of every row. -1 for a level the fit has not seen, whose b has mean 0 and
            covariance T T' times the scale, independent of all else.

        Returns
        -------
        ndarray, shape (m,)
        """
        if self.changes:
            z = [part if C is None else part @ C for part, C in zip(z, self.changes, strict=True)]
        if self.exactly is not None:
            return self.scale * self._exact(self.exactly, X, z, np.column_stack(refs))
        joined = np.hstack(z)
        rank, widths = len(self.M), [part.shape[1] for part in z]
        K = joined.shape[1]
        # Rows with common levels share a block; sorted by the first block last, as C has it
        # cheapest. Ranks in place of levels keep the keys far from overflow.
        levels = np.column_stack([ref.astype(np.int32) for ref in refs])
        which = np.zeros(len(levels), dtype=np.int64)
        for i in (*range(1, len(refs)), 0):
            key = which * (len(self.slopes[i]) + 1) + levels[:, i] + 1
            _, first_row, which = np.unique(key, return_index=True, return_inverse=True)
        distinct = levels[first_row]
        order = np.argsort(which, kind="stable")
        fixed = self._on_basis(X)
        out = np.empty(len(X))
        step = max(1, _ROOM // max(K * K, K * rank))
        for at in range(0, len(order), step):
            rows = order[at : at + step]
            first = which[rows[0]]
            blocks = self.covariances(distinct[first : which[rows[-1]] + 1])
            part = joined[rows]
            total = np.einsum("ri,rij,rj->r", part, blocks[which[rows] - first], part)
            x, start = fixed[rows].copy(), 0
            for slopes, T, ref, width in zip(self.slopes, self.factors, refs, widths, strict=True):
                own, ref = part[:, start : start + width], ref[rows]
                start += width
                known = ref >= 0
                x[known] -= np.einsum("rk,rkp->rp", own[known], slopes[ref[known]])
                new = own[~known] @ T
                total[~known] += np.einsum("rk,rk->r", new, new)
            out[rows] = total + np.einsum("rp,pq,rq->r", x, self.M, x)
        return self.scale * out

    def _exact(
        self,
        exactly: Callable[[Levels, Array, Array], Array],
        X: Array,
        z: Sequence[Array],
        levels: Levels,
    ) -> Array:
        """Return variances over the scale, each by itself."""
        total = exactly(levels, np.hstack(z), self._on_basis(X))
        for own, T, ref in zip(z, self.factors, levels.T, strict=True):
            new = own[ref < 0] @ T
            total[ref < 0] += np.einsum("rk,rk->r", new, new)
        return total

    def _on_basis(self, X: Array) -> Array:
        with one_blas_thread():
            return solve_triangular(self.R, X.T, trans="T").T if len(self.M) else X


class WithEquations:
    """What a fitting problem answers by the mixed-model equations; see `FittingProblem`."""

    def mixed_model_equations(self) -> Henderson:
        """Solve the equations at the estimates."""
        raise NotImplementedError

    def error_variances(self, X: Array, z: Sequence[Array], refs: Sequence[Levels]) -> Array:
        """Return Var(x'(beta^ - beta) + z'(b^ - b)) of rows; see `Henderson.variances`."""
        return self.mixed_model_equations().variances(X, z, refs)
