"""Empirical ("sandwich") covariance of the coefficients of models with correlated residuals.

As in `cluster_robust`, with V_g = L L' and the cluster's rows in the metric of V, X~ = L^-1 X,
e~ = L^-1 e and H = X~ M X~': the scores are X~'(1 - H)^-a e~ with a = 0 for CR0, 1/2 for CR2
(unbiased when V is right) and 1 for CR3 (the jackknife without its factor). The root depends on
L, here the lower Cholesky factor in the order of the visits, as mmrm has it; clubSandwich and
`cluster_robust` take the upper one.
"""

from __future__ import annotations

import numpy as np

from ..fitting.fixed_effects.basis import OnBasis
from ..frame.design import Design
from ..frame.row_groups import RowGroups
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.problem import ResidualProblem
from .cluster_robust import ClusterRobust, correction

__all__ = ["KINDS", "robust_residual"]


KINDS = ("CR0", "CR1", "CR1S", "CR2", "CR3")
POWERS = {"CR2": -0.5, "CR3": -1.0}
# Eigenvalues of 1 - H below this are of directions that the cluster alone determines.
FLAT = 1e-10


def robust_residual(
    design: Design, estimates: ResidualEstimates, clusters: RowGroups, kind: str
) -> ClusterRobust:
    """Compute the covariance of a kind and what its degrees of freedom need.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ResidualEstimates
    clusters : RowGroups
        Rows of different ones are independent.
    kind : {"CR0", "CR1", "CR1S", "CR2", "CR3"}
    """
    problem = ResidualProblem(design, estimates.cells)
    likelihood = problem.likelihood(estimates.reml)
    at = likelihood.model.at(estimates.x)
    solution = likelihood.solve(at)
    assert solution is not None
    basis, M = problem.basis, solution.M / likelihood.square  # and so are all products below
    residual = (problem.residual - basis.Q @ solution.gamma) / likelihood.unit
    whitened = np.empty((len(residual), len(M) + 1))
    Y = np.column_stack([basis.Q, residual])
    for batch in problem.batches:
        factor = np.linalg.cholesky(at.value(batch) / likelihood.square)
        whitened[batch.rows] = np.linalg.solve(factor[batch.pattern], Y[batch.rows])
    count, rank = len(clusters), len(M)
    scores = np.empty((count, rank))
    cross, within = np.empty((2, count, rank, rank))
    for g, rows in enumerate(clusters.rows()):
        # A component's rows are together in a batch, in the order of its places.
        X, e = whitened[rows, :-1], whitened[rows, -1]
        weighted = X
        if kind in POWERS:
            values, vectors = np.linalg.eigh(np.eye(len(X)) - X @ M @ X.T)
            kept = values > FLAT
            power = np.where(kept, np.where(kept, values, 1.0) ** POWERS[kind], 0.0)
            weighted = (vectors * power) @ (vectors.T @ X)
        scores[g] = weighted.T @ e
        cross[g] = X.T @ weighted
        within[g] = weighted.T @ weighted
    meat = scores.T @ scores * correction(kind, count, len(residual), rank)
    return ClusterRobust(
        beta=estimates.beta,
        covariance=likelihood.square * basis.covariance(M @ meat @ M),
        bread=M,
        cross=cross,
        within=within,
        on_basis=OnBasis(basis.inverse, M @ meat @ M, likelihood.square),
        model_based=estimates.on_basis,
    )
