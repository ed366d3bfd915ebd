"""Means over the population of random effects.

In a cell the linear predictor is normal over the population, with mean eta = x'beta + offset and
variance v = z'Sigma z, and the mean of the response is

    mu = E g(eta + sqrt(v) Z),    d mu = E g' d eta + E g'' dv / 2,

by Gauss-Hermite quadrature; g is the inverse of the link. Means of cells are averaged on the
scale of the response, and have the covariance J C J' with C that of (theta, beta).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..fitting.quadrature import gauss_hermite
from ..standard_errors.choice import covariance_of_parameters
from .averaging import Averaging
from .linear_functions import LinearFunctions
from .random_variance import cell_columns, residual_variance
from .reference_grid import ReferenceGrid
from .response_scale import ResponseScale

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["population_functions"]

Array = NDArray[np.float64]

# Points of the quadrature: more where the variance is large.
FEWEST, FOR_VARIANCE, MOST = 80, 40, 2000


def population_functions(
    result: MixedModelResults, grid: ReferenceGrid, averaging: Averaging, scale: ResponseScale
) -> tuple[LinearFunctions, list[str]]:
    """Return the means, with their covariance, and sentences about them.

    Parameters
    ----------
    result : MixedModelResults
        The fit.
    grid : ReferenceGrid
    averaging : Averaging
        Over the cells.
    scale : ResponseScale
        Its inverse is integrated.
    """
    estimates = result.estimates
    cells = LinearFunctions.of(result, grid.matrix(), grid.offsets)
    columns = cell_columns(grid)
    pairs = list(zip(columns, estimates.factors, strict=True))
    spread = estimates.effects_scale**2
    v = spread * sum((np.square(z @ T).sum(axis=1) for z, T in pairs), np.zeros(len(grid.weight)))
    v = v + residual_variance(result)
    points = min(MOST, int(FEWEST + FOR_VARIANCE * float(v.max(initial=0.0))))
    nodes, logs = gauss_hermite(points)
    share = np.exp(logs)
    eta = cells.estimates[:, None] + np.sqrt(v)[:, None] * nodes
    mu, first = scale.inverse(eta) @ share, scale.slope(eta) @ share
    jacobian = averaging.of(first[:, None] * cells.reduced)
    joint = covariance_of_parameters(result.reference, estimates, result.model.design)
    words = ["Means are over the population of random effects."]
    if result.dof_method is not None:
        words.append("Degrees of freedom: residual.")
    if joint is None:
        covariance = jacobian @ result.reference.tests.covariance @ jacobian.T
        words.append("Their standard errors are given the covariance parameters.")
    else:
        second = scale.bend(eta) @ share / 2.0
        slopes = np.hstack(
            [_variance_slopes(z, T, block.pattern) for (z, T), block in
             zip(pairs, result.layout.blocks, strict=True)]
        )  # fmt: skip
        whole = np.hstack([averaging.of(second[:, None] * spread * slopes), jacobian])
        covariance = whole @ joint @ whole.T
    df = np.inf if result.dof_method is None else float(result.df_resid)
    means = averaging.of(mu)
    found = LinearFunctions.of_estimates(means, covariance, df, cells.reasons)
    return found, words


def _variance_slopes(z: Array, T: Array, pattern: NDArray[np.bool_]) -> Array:
    """Return the derivatives of |T'z|^2 in the free elements of T, column by column."""
    columns, rows = np.nonzero(pattern.T)
    return np.asarray(2.0 * (z @ T)[:, columns] * z[:, rows])
