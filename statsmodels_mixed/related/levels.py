"""The precision of related levels: u ~ N(0, Q^-1) across levels in place of independence."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from .._typing import Array
from ..errors import DataError

__all__ = ["RelatedLevels"]


# Columns of Q^-1 that are solved for at once.
AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class RelatedLevels:
    """Levels of a grouping factor and how they are related.

    Parameters
    ----------
    labels : pandas.Index, shape (l,)
        All levels, those without data included.
    at, row, value : ndarray
        Lower triangle of the precision Q of the levels by columns, as of a `csc_array`: rows
        sorted, the whole diagonal stored.
    option : str
        Where they are from: ``"relationship"``, ``"precision"`` or ``"pedigree"``.
    log_determinant : float, optional
        log|Q| where it is known without a factorization.
    covariance : ndarray, optional
        Elements of Q^-1 at the places of `value`, where they are known without one.
    """

    labels: pd.Index
    at: NDArray[np.integer]
    row: NDArray[np.integer]
    value: Array
    option: str
    log_determinant: float | None = None
    covariance: Array | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        # SuperLU's factorization cannot be copied: it is computed again where it is needed.
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def same(self, other: RelatedLevels | None) -> bool:
        """Whether both have the same levels and precision."""
        return other is self or (
            other is not None
            and self.labels.equals(other.labels)
            and np.array_equal(self.row, other.row)
            and np.array_equal(self.value, other.value)
        )

    @classmethod
    def of_lower(cls, labels: pd.Index, lower: Any, option: str) -> RelatedLevels:
        """Take the lower triangle of Q, a sparse array."""
        lower = lower.tocsc()
        lower.sort_indices()
        return cls(labels, lower.indptr, lower.indices, lower.data, option)

    @classmethod
    def of_precision(cls, labels: pd.Index, Q: Any, option: str, name: str) -> RelatedLevels:
        """Take the precision of levels.

        Parameters
        ----------
        labels : pandas.Index
        Q : sparse array, shape (l, l)
            Symmetric.
        option, name : str
            The option and its key, for messages.

        Raises
        ------
        DataError
            If Q is not symmetric or not positive definite.
        """
        Q = sparse.csc_array(Q, dtype=np.float64)
        where = f"{option}[{name!r}]"
        if not np.isfinite(Q.data).all():
            raise DataError(f"{where} has elements that are not finite.")
        size = float(np.abs(Q.data).max(initial=0.0))
        if abs(Q - Q.T).max() > 1e-8 * size:
            raise DataError(f"{where} is not symmetric.")
        if not (Q.diagonal() > 0).all():
            at = int(np.argmin(Q.diagonal() > 0))
            label = labels.tolist()[at]
            raise DataError(
                f"{where} is not positive definite: its diagonal element of {label!r} is "
                f"{Q.diagonal()[at]:g}."
            )
        related = cls.of_lower(labels, sparse.tril((Q + Q.T) / 2.0), option)
        if related._pivots is None:
            raise DataError(
                f"{where} is not positive definite: no variables have it as the inverse of their "
                "covariance. Add a small number to its diagonal if it is singular."
            )
        return related

    @property
    def lower(self) -> Any:
        """The lower triangle of Q, a sparse array of shape (l, l)."""
        shape = (len(self), len(self))
        return sparse.csc_array((self.value, self.row, self.at), shape=shape)

    @property
    def precision(self) -> Any:
        """Q, a sparse array of shape (l, l)."""
        lower = self.lower
        return sparse.csc_array(lower + sparse.tril(lower, -1).T)

    @cached_property
    def _factored(self) -> Any:
        # Without exchanges of rows, which a positive definite matrix does not need: L D L'.

        return splu(
            self.precision,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )

    @cached_property
    def _pivots(self) -> Array | None:
        """Squares of the diagonal of Q's Cholesky factor; None if it has none."""
        try:
            factored = self._factored
        except RuntimeError:  # a pivot of exactly zero
            return None
        pivots = factored.U.diagonal()
        in_place = np.array_equal(factored.perm_r, factored.perm_c)
        if not in_place or not (pivots > 1e-13 * self.lower.diagonal().max()).all():
            return None
        return np.asarray(pivots)

    @cached_property
    def typical_sd(self) -> float:
        """The standard deviation of levels that are independent and have the same |Q|."""
        if self.log_determinant is not None:
            return float(np.exp(-0.5 * self.log_determinant / len(self)))
        assert self._pivots is not None
        return float(np.exp(-np.mean(np.log(self._pivots)) / 2.0))

    def covariances(self, values: Array) -> Array:
        """Return Q^-1 times values by level, shape (l, ...)."""
        flat = np.ascontiguousarray(values.reshape(len(self), -1))
        return np.asarray(self._factored.solve(flat)).reshape(values.shape)

    def among(self, levels: NDArray[np.integer]) -> Any:
        """Return the covariances Q^-1 of some levels, a sparse array: unconnected ones are 0."""
        parts = []
        for start in range(0, len(levels), AT_ONCE):
            some = levels[start : start + AT_ONCE]
            units = np.zeros((len(self), len(some)))
            units[some, np.arange(len(some))] = 1.0
            parts.append(sparse.csc_array(self._factored.solve(units)[levels]))
        return sparse.csr_array(sparse.hstack(parts))

    def variances(self, levels: NDArray[np.integer]) -> Array:
        """Return the diagonal of Q^-1 at some levels, which may repeat."""
        once, back = np.unique(levels, return_inverse=True)
        found = np.empty(len(once))
        for start in range(0, len(once), AT_ONCE):
            some = once[start : start + AT_ONCE]
            units = np.zeros((len(self), len(some)))
            units[some, np.arange(len(some))] = 1.0
            found[start : start + AT_ONCE] = np.diagonal(self._factored.solve(units)[some])
        return found[back]

    def correlate(self, independent: Array) -> Array:
        """Return variables of precision Q, made of independent ones, shape (..., l, k)."""
        assert self._pivots is not None
        factored = self._factored
        flat = np.moveaxis(independent, -2, 0).reshape(len(self), -1)
        ordered = factored.L @ (np.sqrt(self._pivots)[:, None] * flat)
        # The ordered variables have covariance Q; solving with Q turns it into Q^-1.
        solved = factored.solve(np.ascontiguousarray(ordered[factored.perm_c]))
        shape = (len(self), *np.moveaxis(independent, -2, 0).shape[1:])
        return np.ascontiguousarray(np.moveaxis(solved.reshape(shape), 0, -2))
