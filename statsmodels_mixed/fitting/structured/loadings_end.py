"""The end of a search where Sigma = L L' has reduced rank.

Beside a singular Sigma the objective is that of Sigma with a ridge, whose derivatives are quotients
by small diagonal elements of T and have few digits. With loadings L, T = (L, 0) is a factor itself,
and derivatives in it need no division: Newton's steps with them end the search.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._typing import Array
from ...structures.reduced_rank import ReducedRank
from ..covariance import theta_of
from ..search.trust_region import Minimum
from .covariance_model import CovariancePart
from .generalized import StructuredApproximation

__all__ = ["end_at_loadings"]


# Steps with one Hessian, which is made of differences of the gradient this far apart.
STEPS = 3
DIFFERENCE = 1e-4
# Decrease that is promised no more.
NOTHING = 1e-12
# Share of the objective that rounding errors change.
ROUNDING = 1e-12


def end_at_loadings(objective: StructuredApproximation, minimum: Minimum) -> Minimum:
    """Return the minimum after Newton's steps in the loadings, where there are any.

    Parameters
    ----------
    objective : StructuredApproximation
    minimum : Minimum
        Where the search beside the singular Sigma ended.
    """
    parts = [part for part in objective.model.parts if _is_singular(part)]
    if not parts or minimum.status not in ("GTOL_REACHED", "ROUNDOFF_LIMITED"):
        return minimum
    exact = _Exact(objective, parts)
    z = minimum.end
    value, gradient = exact(z)
    hessian = _hessian(exact, z)
    if not (np.isfinite(value) and np.isfinite(hessian).all()):
        return minimum
    if np.linalg.eigvalsh(hessian)[0] <= 0:
        return minimum
    best = minimum
    for _ in range(STEPS):
        promised = 0.5 * float(gradient @ np.linalg.solve(hessian, gradient))
        best = replace(
            best,
            end=z,
            value=value,
            gradient=gradient,
            curvature=hessian,
            decrement=promised,
            converged=minimum.converged or promised < NOTHING,
            status="GTOL_REACHED" if promised < NOTHING else minimum.status,
        )
        if promised < NOTHING:
            break
        z = z - np.linalg.solve(hessian, gradient)
        before = value
        value, gradient = exact(z)
        if not value <= before + ROUNDING * (1.0 + abs(before)):
            break
    return replace(
        best,
        evaluations=minimum.evaluations + len(exact.values),
        points=np.concatenate([minimum.points, exact.points]),
        values=np.concatenate([minimum.values, exact.values]),
    )


def _is_singular(part: CovariancePart) -> bool:
    structure = part.free.structure
    return isinstance(structure, ReducedRank) and structure.width(structure.k) < structure.k


class _Exact:
    """The objective and its gradient in z, T = (L, 0) for the parts of reduced rank."""

    def __init__(self, objective: StructuredApproximation, parts: list[CovariancePart]) -> None:
        self.objective, self.parts = objective, parts
        self.points: list[Array] = []
        self.values: list[float] = []

    def __call__(self, z: Array) -> tuple[float, Array]:
        m = self.objective.model.size
        theta, slopes = self._theta(z[:m])
        value, raw = self.objective.core.value_and_gradient(np.concatenate([theta, z[m:]]))
        self.points.append(z)
        self.values.append(float(value))
        return float(value), np.concatenate([slopes.T @ raw[: len(theta)], raw[len(theta) :]])

    def _theta(self, x: Array) -> tuple[Array, Array]:
        """Return theta and its derivatives in x, shape (n_theta, m)."""
        patterns = self.objective.model.patterns
        _, factors = self.objective.theta(x)
        slopes, _ = self.objective.theta_slopes(x)
        for part in self.parts:
            structure, own = part.free.structure, factors[part.block][part.columns, part.columns]
            assert isinstance(structure, ReducedRank)
            own[...] = 0.0
            own[:, : structure.width(structure.k)] = structure.factor(x[part.phi])
            for i, (row, column) in enumerate(zip(*structure.places(structure.k), strict=True)):
                whole = [np.zeros(pattern.shape) for pattern in patterns]
                whole[part.block][part.columns, part.columns][row, column] = 1.0
                slopes[:, part.phi.start + i] = theta_of(whole, patterns)
        return theta_of(list(factors), patterns), slopes


def _hessian(exact: _Exact, z: Array) -> Array:
    steps = DIFFERENCE * np.eye(len(z))
    H = np.array([exact(z + step)[1] - exact(z - step)[1] for step in steps]) / (2.0 * DIFFERENCE)
    return np.asarray((H + H.T) / 2.0)
