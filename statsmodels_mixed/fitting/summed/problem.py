"""A linear model of sums over rows, after its fit, as a `FittingProblem`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core import blas_threads
from ..._typing import Array
from ...errors import DataError
from ...frame.design import NEEDS_ROWS
from ..estimates import LinearEstimates
from ..generalized.fixed_effects_only import linear_objective
from ..identification import ALL_IDENTIFIED, Identification
from ..mixed_model_equations import Henderson, WithEquations
from ..separation import NeverSeparated
from .linear import SummedDesign, SummedPoint, fit_summed, summed_point

__all__ = ["SummedProblem"]


class SummedProblem(NeverSeparated, WithEquations):
    """A linear model of sums; the methods are those of `FittingProblem`, as far as sums go.

    Parameters
    ----------
    design : SummedDesign
    estimates : LinearEstimates
    """

    def __init__(self, design: SummedDesign, estimates: LinearEstimates) -> None:
        self.design, self.estimates = design, estimates

    @cached_property
    def _point(self) -> SummedPoint:
        return summed_point(self.design, self.estimates)

    def parameters(self, theta: Array, beta: Array, scale: float) -> Array:
        """Return theta, all that is searched for."""
        return theta

    def fit(self, start: Array | None = None) -> LinearEstimates:
        """Fit the model."""
        return fit_summed(
            self.design, reml=self.estimates.reml, sigma=self.estimates.fixed_sigma, start=start
        )

    def reported(self, theta: Array) -> Array:
        """Return theta."""
        return theta

    def objective_without_random_effects(self) -> float:
        """Return the objective of the linear model."""
        return linear_objective(self.design, self.estimates.reml, self.estimates.fixed_sigma)

    def identification(self) -> Identification:
        """Say that the parameters are determined: different levels meet in most ways."""
        return ALL_IDENTIFIED

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given beta and theta."""
        point, scale = self._point, self.estimates.dispersion
        with blas_threads(self.design.sums.cross.shape[1]):
            blocks = [point.schur.of_first, *point.schur.of_others()]
        given = [scale * (T @ V @ T.T) for T, V in zip(point.factors, blocks, strict=True)]
        return self.design.sums.coordinates.covariances(given)

    def mixed_model_equations(self) -> Henderson:
        """Solve the mixed-model equations at the estimates."""
        point, coordinates = self._point, self.design.sums.coordinates
        products = point.criterion.products
        slopes = point.schur.apply_lambda(point.solved[1][:, :-1])
        return Henderson(
            products.basis.R,
            point.inverse,
            coordinates.slopes(products.by_term(slopes)),
            self.estimates.factors,
            self.estimates.dispersion,
            self._level_covariances,
        )

    def _level_covariances(self, levels: NDArray[np.int32]) -> Array:
        """Return joint covariances over sigma^2 of the effects of levels; zeros for level -1."""
        point = self._point
        found = point.schur.inverse_of(np.maximum(levels, 0))
        start = 0
        for T, ref in zip(point.factors, levels.T, strict=True):
            part = slice(start, start + len(T))
            found[:, part] = T @ found[:, part]
            found[:, :, part] = found[:, :, part] @ T.T
            found[ref < 0, part] = 0.0
            found[ref < 0, :, part] = 0.0
            start += len(T)
        return self.design.sums.coordinates.joint_covariances(found)

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise DataError(NEEDS_ROWS)

    solved_at = of_rows = refits = leverage = variances_of_rows = _refuse
