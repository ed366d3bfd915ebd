"""Responses with correlated residuals: Z b + e of each component of rows, from its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._typing import Array
from ..frame.design import Design
from ..residual_covariance.components import Batch
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.problem import ResidualProblem
from .simulator import Simulator, Truth
from .streams import stream_length

__all__ = ["ResidualSimulator", "residual_simulator"]


# Share of their intervals that parameters at an end are moved inside: covariances have a factor.
DEFINITE = 1e-9


@dataclass(frozen=True, eq=False)
class ResidualSimulator(Simulator):
    """Draws responses of one design, less their fixed part.

    Parameters
    ----------
    batches : tuple of Batch
        The components of the rows.
    roots : tuple of ndarray, shape (P, m, m)
        Lower-triangular factors of the covariance of each pattern.
    """

    batches: tuple[Batch, ...] = ()
    roots: tuple[Array, ...] = ()

    @property
    def stream_length(self) -> int:
        """Draws that share a stream."""
        return stream_length(len(self.design.y), "cases")

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw the next `count` responses of a stream, shape (count, n)."""
        out = np.empty((count, len(self.design.y)))
        for row in out:
            noise = rng.standard_normal(len(row))
            for batch, root in zip(self.batches, self.roots, strict=True):
                each = root[batch.pattern] @ noise[batch.rows][:, :, None]
                row[batch.rows] = each[:, :, 0]
        return np.asarray(out * self.scale + self.offset)


def residual_simulator(
    design: Design, estimates: ResidualEstimates, truth: Truth, re: str
) -> ResidualSimulator:
    """Prepare the drawing of responses whose residuals are correlated.

    See `simulators.simulator_of` for the parameters.
    """
    problem = ResidualProblem(design, estimates.cells)
    at = problem.model.at(estimates.coordinates(problem.model, truth.theta, "theta=", DEFINITE))
    covariance = at.value if re == "new" else at.residual
    kept = estimates.fitted - estimates.linear_predictor
    return ResidualSimulator(
        design,
        None,
        np.zeros_like(kept) if re == "new" else kept,
        1.0 if problem.roots is None else 1.0 / problem.roots,
        None,
        problem.batches,
        tuple(np.asarray(np.linalg.cholesky(covariance(batch))) for batch in problem.batches),
    )
