"""Cluster-robust covariance of all parameters of a model whose rows have parameters of their own.

The covariance is that of `cluster_scores`, with the coefficients of the other parts in the place of
the dispersion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._typing import Array
from ..fitting.crossprod import core_design
from ..fitting.distributional.estimates import DistributionalEstimates
from ..fitting.distributional.likelihood import model_of_rows
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.generalized.approximation import working_basis
from ..frame.design import Design
from ..frame.row_groups import RowGroups, design_of_rows, without_empty_levels
from .cluster_robust import correction, sandwich
from .contrast_tests import NOTHING_LEFT

__all__ = ["cluster_covariance", "row_parameter_scores"]


def row_parameter_scores(
    design: Design, estimates: DistributionalEstimates, clusters: RowGroups
) -> Array:
    """Return the gradient of the log-likelihood of each cluster, shape (G, m).

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : DistributionalEstimates
    clusters : RowGroups

    Returns
    -------
    ndarray
        In theta, beta and the coefficients of the other parts, as users see them.
    """
    mean, parts, basis = estimates.conditional, estimates.rows, working_basis(design)
    kappa = np.linalg.solve(parts.back, estimates.kappa) if len(estimates.kappa) else np.empty(0)
    at = np.concatenate([mean.theta, basis.R @ mean.beta, kappa])
    first, last = len(mean.theta), len(mean.theta) + len(mean.beta)
    out = np.empty((len(clusters), len(at)))
    for g, kept in enumerate(clusters.rows()):
        part = design_of_rows(design, kept)
        part = replace(part, blocks=without_empty_levels(part.blocks))
        made = core_design(part, np.ascontiguousarray(basis.Q[kept]))
        core = model_of_rows(made, part, mean.spec, parts.of(kept), mean.n_agq)
        out[g] = -0.5 * core.value_and_gradient(at)[1]
    out[:, first:last] = out[:, first:last] @ basis.R
    if len(kappa):
        out[:, last:] = np.linalg.solve(parts.back.T, out[:, last:].T).T
    return out


def cluster_covariance(
    design: Design, estimates: DistributionalEstimates, clusters: RowGroups, kind: str
) -> OnBasis:
    """Return the covariance of theta, beta and the coefficients of the other parts.

    Parameters
    ----------
    design, estimates, clusters
        As for `row_parameter_scores`.
    kind : {"CR0", "CR1", "CR1S"}

    Returns
    -------
    OnBasis
        None of parameters that the data, or the clusters, do not determine.
    """
    bread = estimates.on_basis
    gradients = row_parameter_scores(design, estimates, clusters)
    rank = len(estimates.conditional.beta)
    factor = correction(kind, len(clusters), len(design.y), rank)
    robust = sandwich(bread, gradients, factor)
    # Nothing is left of the variance of what one cluster alone determines.
    model, left = np.diag(bread.covariance), np.diag(robust.covariance)
    return robust.without(left <= NOTHING_LEFT * model)
