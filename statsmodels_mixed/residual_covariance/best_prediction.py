"""Numbers predicted from the responses that they are correlated with: kriging with a trend.

A number of the mean x'beta and the variance v that has the covariances c with the responses is
predicted by x'beta + c'V^-1 (y - X beta). That differs from it with the variance
v - c'V^-1 c + d'M d, where d = x - X'V^-1 c and M is the covariance of the estimates of beta
(Cressie 1993, Statistics for spatial data, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._typing import Array, Positions
from ..errors import DataError
from ..fitting.fixed_effects.basis import OnBasis
from ..frame.design import RandomBlock
from .problem import ResidualProblem

__all__ = ["BestPrediction", "EffectsOfRows", "best_prediction", "rows_with_codes"]


class Wanted(Protocol):
    """Numbers that are correlated with the weighted responses."""

    def related_rows(self) -> list[tuple[Positions, Positions]]:
        """Return pairs of numbers and rows that may be correlated; all are in some of the lists."""

    def covariances(self, some: Positions, rows: Positions) -> Array:
        """Return the covariances of some numbers with some weighted responses, shape (k, m)."""


@dataclass(frozen=True, eq=False)
class BestPrediction:
    """What the responses say of m numbers.

    Parameters
    ----------
    shift : ndarray, shape (m,)
        c'V^-1 (y - X beta).
    explained : ndarray, shape (m,)
        c'V^-1 c.
    d : ndarray, shape (m, rank)
        x - X'V^-1 c.
    """

    shift: Array
    explained: Array
    d: Array


def best_prediction(
    problem: ResidualProblem, x: Array, columns: Positions, rest: Array, wanted: Wanted, X: Array
) -> BestPrediction:
    """Predict numbers from the responses.

    Parameters
    ----------
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    columns : ndarray of int, shape (rank,)
        The estimable columns of X.
    rest : ndarray, shape (n,)
        y - X beta.
    wanted : Wanted
    X : ndarray, shape (m, rank)
        Rows x of the numbers.
    """
    design, at = problem.design, problem.model.at(x)
    root = np.ones(len(design.y)) if problem.roots is None else problem.roots
    known = np.column_stack([rest * root, design.X[:, columns] * root[:, None]])
    shift, explained, d = np.zeros(len(X)), np.zeros(len(X)), X.astype(float)
    numbers, components = _pairs(problem, wanted)
    start = 0
    for batch in problem.batches:
        factor = np.linalg.cholesky(at.value(batch))
        for c, rows in enumerate(batch.rows, start):
            some = numbers[slice(*np.searchsorted(components, [c, c + 1]))]
            if not len(some):
                continue
            own = wanted.covariances(some, rows).T
            both = np.column_stack([own, known[rows]])
            half = np.linalg.solve(factor[batch.pattern[c - start]], both)
            half, of_known = half[:, : len(some)], half[:, len(some) :]
            shift[some] += half.T @ of_known[:, 0]
            explained[some] += np.einsum("ij,ij->j", half, half)
            d[some] -= half.T @ of_known[:, 1:]
        start += len(batch.rows)
    return BestPrediction(shift, explained, d)


def _pairs(problem: ResidualProblem, wanted: Wanted) -> tuple[Positions, Positions]:
    """Return numbers and components that may be correlated, in the order of components."""
    component = np.empty(len(problem.design.y), dtype=np.intp)
    start = 0
    for batch in problem.batches:
        component[batch.rows] = start + np.arange(len(batch.rows))[:, None]
        start += len(batch.rows)
    found = [np.column_stack([component[rows], numbers]) for numbers, rows in wanted.related_rows()]
    pairs = np.unique(np.concatenate([np.empty((0, 2), dtype=np.intp), *found]), axis=0)
    return pairs[:, 1], pairs[:, 0]


def rows_with_codes(codes: NDArray[Any], wanted: NDArray[Any]) -> tuple[Positions, Positions]:
    """Return pairs of positions in `wanted` and in `codes` that have one code, first ones only.

    The rows of the fit with one code are of one component, of which the first is enough.
    """
    known, first = np.unique(codes, return_index=True)
    at = np.searchsorted(known, wanted)
    at[at == len(known)] = 0
    same = np.flatnonzero(known[at] == wanted) if len(known) else np.empty(0, dtype=np.intp)
    return same, first[at[same]]


@dataclass(frozen=True, eq=False)
class EffectsOfRows:
    """The random effects z'b of rows, and their covariances with the weighted responses.

    Parameters
    ----------
    problem : ResidualProblem
    z, refs : sequence of ndarray
        Columns (m, k) and levels (m,) of each block; a level of -1 has effects that are
        independent of those of the fit.
    sigmas : list of ndarray, shape (k, k)
    levels : list of ndarray, shape (m, l), or None
        Covariances of the level of each row with all related levels; None for independent ones.
    """

    problem: ResidualProblem
    z: list[Array]
    refs: list[NDArray[Any]]
    sigmas: list[Array]
    levels: list[Array | None]

    @classmethod
    def of(
        cls, problem: ResidualProblem, x: Array, z: list[Array], refs: list[NDArray[Any]]
    ) -> Self:
        """Prepare the effects of rows.

        Raises
        ------
        DataError
            If a level is not among those that are related.
        """
        blocks = problem.design.blocks
        sigmas = problem.model.at(x).block_sigmas([len(block.names) for block in blocks])
        levels = [_related(block, own) for block, own in zip(blocks, refs, strict=True)]
        return cls(problem, problem.changed(z), refs, sigmas, levels)

    @property
    def variance(self) -> Array:
        """The variance z'Sigma z of each row, shape (m,)."""
        total: Array | float = 0.0
        for t, (own, sigma) in enumerate(zip(self.z, self.sigmas, strict=True)):
            variance, levels = np.einsum("ij,jk,ik->i", own, sigma, own), self.levels[t]
            if levels is not None:
                variance = variance * levels[np.arange(len(own)), self.refs[t]]
            total = total + variance
        return np.asarray(total)

    def related_rows(self) -> list[tuple[Positions, Positions]]:
        """See `Wanted`."""
        found = []
        for block, own, levels in zip(
            self.problem.design.blocks, self.refs, self.levels, strict=True
        ):
            if levels is None:
                found.append(rows_with_codes(block.refs, own))
            else:
                present, first = np.unique(block.refs, return_index=True)
                numbers, at = np.nonzero(levels[:, present])
                found.append((numbers, first[at]))
        return found

    def covariances(self, some: Positions, rows: Positions) -> Array:
        """See `Wanted`."""
        total = np.zeros((len(some), len(rows)))
        for t, sigma in enumerate(self.sigmas):
            refs, levels = self.problem.design.blocks[t].refs[rows], self.levels[t]
            if levels is None:
                shared: NDArray[Any] = self.refs[t][some][:, None] == refs
            else:
                shared = levels[some][:, refs]
            total += shared * (self.z[t][some] @ sigma @ self.problem.z[t][rows].T)
        return total

    def error_variances(self, x: Array, columns: Positions, M: OnBasis, X: Array) -> Array:
        """Return the variances of the errors of x'beta + z'b, shape (m,).

        Parameters
        ----------
        x : ndarray
            Coordinates of the covariance parameters.
        columns : ndarray of int, shape (rank,)
        M : OnBasis
            The covariance of the coefficients.
        X : ndarray, shape (m, rank)
        """
        nothing = np.zeros(len(self.problem.design.y))
        found = best_prediction(self.problem, x, columns, nothing, self, X)
        return M.variances(found.d) + np.maximum(self.variance - found.explained, 0.0)


def _related(block: RandomBlock, refs: NDArray[Any]) -> Array | None:
    """Return the covariances of the levels of rows with all levels, if these are related."""
    if block.related is None:
        return None
    if (refs < 0).any():
        raise DataError(
            f"the new data have levels of {block.name!r} that {block.related.option}= does not "
            "have: how they are related is not known."
        )
    units = np.zeros((len(block.related), len(refs)))
    units[refs, np.arange(len(refs))] = 1.0
    return np.asarray(block.related.covariances(units).T)
