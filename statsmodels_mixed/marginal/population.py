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

from ..fitting.generalized.quadrature import gauss_hermite
from ..standard_errors.choice import population_covariance
from .averaging import Averaging
from .linear_functions import LinearFunctions
from .random_variance import cell_columns, random_variance, residual_variance
from .reference_grid import ReferenceGrid
from .response_scale import ResponseScale

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["population_functions"]


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
    v = np.zeros(len(grid.weight)) + random_variance(result, columns) + residual_variance(result)
    points = min(MOST, int(FEWEST + FOR_VARIANCE * float(v.max(initial=0.0))))
    nodes, logs = gauss_hermite(points)
    share = np.exp(logs)
    eta = cells.estimates[:, None] + np.sqrt(v)[:, None] * nodes
    mu, first = scale.inverse(eta) @ share, scale.slope(eta) @ share
    jacobian = averaging.of(first[:, None] * cells.reduced)
    words = ["Means are over the population of random effects."]
    if result.dof_method is not None:
        words.append("Degrees of freedom: residual.")
    found = population_covariance(result.reference, estimates, result.model.design, columns)
    if found is None:
        covariance = result.reference.tests.covariance_of(jacobian)
        words.append("Their standard errors are given the covariance parameters.")
    else:
        slopes, joint = found
        second = scale.bend(eta) @ share / 2.0
        whole = np.hstack([averaging.of(second[:, None] * slopes), jacobian])
        covariance = joint.combined(whole).covariance
    df = np.inf if result.dof_method is None else float(result.df_resid)
    means = averaging.of(mu)
    functions = LinearFunctions.of_estimates(means, covariance, df, cells.reasons)
    return functions, words
