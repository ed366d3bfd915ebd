"""Residuals of new rows that are correlated: those of one subject are drawn together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array, Positions
from ..frame.new_data import NewData
from ..prediction.residual_rows import covariances_of_residuals
from ..residual_covariance.covariance import lower_root
from ..residual_covariance.parameters import coordinates_of
from ..residual_covariance.problem import ResidualProblem
from .residual_simulator import DEFINITE
from .simulator import Simulator, Truth
from .streams import stream_length

__all__ = ["correlated_simulator", "factors_beside_residuals"]


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


def _coordinates(problem: ResidualProblem, truth: Truth) -> Array:
    return coordinates_of(problem.model, truth.theta, "theta=", DEFINITE)


def factors_beside_residuals(result: Any, truth: Truth) -> tuple[Array, ...]:
    """Return T of the random effects of each block, Cov(b_j) = T T'.

    Parameters
    ----------
    result : ResidualCovarianceResults
    truth : Truth
        With all covariance parameters.
    """
    problem = ResidualProblem(result.kept_design(), result.estimates.cells)
    at = problem.model.at(_coordinates(problem, truth))
    sizes = [len(block.names) for block in problem.design.blocks]
    return tuple(lower_root(sigma) for sigma in at.block_sigmas(sizes))


def correlated_simulator(
    plain: Simulator, result: Any, truth: Truth, new: NewData, rows: Positions
) -> CorrelatedSimulator:
    """Return what draws new rows with the residuals of a fit in which these are correlated.

    Parameters
    ----------
    plain : Simulator
        Draws their random effects.
    result : ResidualCovarianceResults
    truth : Truth
    new : NewData
    rows : ndarray of int
        The rows of `new` that are drawn; nothing is missing in them.

    Raises
    ------
    DataError
        If a column is missing, a structure has no covariances for a place, or a subject has two
        rows at one place.
    """
    problem = ResidualProblem(result.kept_design(), result.estimates.cells)
    parts = covariances_of_residuals(result, problem, _coordinates(problem, truth), new, rows)
    subjects = tuple((own, np.asarray(np.linalg.cholesky(V), dtype=float)) for own, V in parts)
    return CorrelatedSimulator(
        plain.design, plain.factors, plain.offset, plain.scale, plain.spec, subjects
    )
