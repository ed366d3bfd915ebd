"""Residuals of new rows that are correlated: those of one subject are drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from .._typing import Array, Mask, Positions
from ..fitting.covariance import lower_root
from ..frame.new_data import NewData
from ..prediction.residual_rows import covariances_of_residuals, rows_with_places
from ..residual_covariance.problem import ResidualProblem
from .residual_simulator import DEFINITE
from .simulator import Simulator, Truth
from .streams import stream_length

__all__ = ["CorrelatedRows"]


@dataclass(frozen=True, eq=False)
class CorrelatedSimulator(Simulator):
    """Draws responses of new rows, less their fixed part.

    Parameters
    ----------
    subjects : tuple of (ndarray of int, ndarray)
        The rows of each subject, and the lower-triangular factor of their covariance.
    """

    subjects: tuple[tuple[Positions, Array], ...] = ()

    @property
    def stream_length(self) -> int:
        """Draws that share a stream."""
        return stream_length(len(self.design.y) + self.n_random, "cases")

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw the next `count` responses of a stream, shape (count, n)."""
        n, q = len(self.design.y), self.n_random
        numbers = rng.standard_normal((count, q + n))
        out = np.empty((count, n))
        for row, noise in zip(out, numbers[:, q:], strict=True):
            for rows, root in self.subjects:
                row[rows] = root @ noise[rows]
        return np.asarray(out + self._random_part(numbers[:, :q]))


@dataclass(frozen=True, eq=False)
class CorrelatedRows:
    """New rows of a fit with correlated residuals, at the parameters that they are drawn from.

    Parameters
    ----------
    result : ResidualCovarianceResults
    problem : ResidualProblem
        Of the fit.
    x : ndarray
        Coordinates of the covariance parameters.
    new : NewData
    table : DataFrame
        The columns that say where the residuals are.
    complete : ndarray of bool
        Rows that have all of them.
    """

    result: Any
    problem: ResidualProblem
    x: Array
    new: NewData
    table: pd.DataFrame
    complete: Mask

    @classmethod
    def of(cls, result: Any, truth: Truth, new: NewData) -> Self:
        """Read new rows.

        Raises
        ------
        DataError
            If a column is missing.
        """
        problem = ResidualProblem(result.kept_design(), result.estimates.cells)
        x = result.estimates.coordinates(problem.model, truth.theta, "theta=", DEFINITE)
        return cls(result, problem, x, new, *rows_with_places(result, new))

    @property
    def factors(self) -> tuple[Array, ...]:
        """T of the random effects of each block, Cov(b_j) = T T'."""
        sizes = [len(block.names) for block in self.problem.design.blocks]
        sigmas = self.problem.model.at(self.x).block_sigmas(sizes)
        back = self.problem.effects_back
        return tuple(back(t, lower_root(sigma).T).T for t, sigma in enumerate(sigmas))

    def simulator(self, plain: Simulator, complete: Mask) -> CorrelatedSimulator:
        """Return what draws rows in which nothing is missing; `plain` draws their random effects.

        Raises
        ------
        DataError
            If a structure has no covariances for a place, or a subject has two rows at one place.
        """
        table, rows = self.table[complete], np.flatnonzero(complete)
        parts = covariances_of_residuals(self.result, self.problem, self.x, self.new, table, rows)
        subjects = tuple((own, np.asarray(np.linalg.cholesky(V), dtype=float)) for own, V in parts)
        return CorrelatedSimulator(
            plain.design, plain.factors, plain.offset, plain.scale, plain.spec, subjects
        )
