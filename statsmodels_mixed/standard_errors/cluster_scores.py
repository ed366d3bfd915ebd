"""Cluster-robust covariance of all parameters of a generalized mixed model.

The log-likelihood is a sum over clusters that share no random effect, and so is its gradient;
with s_g the gradient of cluster g and H the Hessian of minus the log-likelihood,

    Cov = H^-1 (sum_g s_g s_g') H^-1

in theta, beta and the log dispersion together (White 1982).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from .._typing import Array
from ..fitting.crossprod import core_design
from ..fitting.estimates import GeneralizedEstimates
from ..fitting.generalized.approximation import (
    core_model,
    join_parameters,
    prepare_at,
    working_basis,
)
from ..frame.design import Design
from ..frame.row_groups import RowGroups, design_of_rows, without_empty_levels
from ..later import load

__all__ = ["scores"]


def scores(design: Design, estimates: GeneralizedEstimates, clusters: RowGroups) -> Array:
    """Return the gradient of the log-likelihood of each cluster at the estimates.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
        The fit.
    clusters : RowGroups

    Returns
    -------
    ndarray, shape (G, m)
        In theta (or free coordinates of covariance structures), beta and, if there is one, the log
        dispersion.
    """
    spec, basis = estimates.spec, working_basis(design)
    gamma = basis.R @ estimates.beta
    at = join_parameters(spec, estimates.theta, gamma, estimates.dispersion)
    beta = slice(estimates.n_covariance, estimates.n_covariance + len(estimates.beta))
    change = np.eye(len(at))
    if estimates.structured is not None:
        change = _by_structures(design, estimates, len(at))
    out = np.empty((len(clusters), change.shape[1]))
    for g, rows in enumerate(clusters.rows()):
        part = design_of_rows(design, rows)
        part = replace(part, blocks=without_empty_levels(part.blocks))
        # The basis of all rows, because a cluster's own columns may depend on one another.
        model = core_model(
            core_design(part, np.ascontiguousarray(basis.Q[rows])),
            part,
            spec,
            part.y,
            n_agq=estimates.n_agq,
            fast=False,
            hessian=estimates.hessian,
        )
        out[g] = -0.5 * model.value_and_gradient(at)[1] @ change
    out[:, beta] = out[:, beta] @ basis.R
    return out


def _by_structures(design: Design, estimates: GeneralizedEstimates, size: int) -> Array:
    """Return the derivatives of theta and all else with respect to z, shape (size, z)."""
    approximation_at = load("fitting.structured.generalized:approximation_at")
    objective, z = approximation_at(
        prepare_at(design, estimates, n_agq=estimates.n_agq), design, estimates
    )
    slopes, _ = objective.theta_slopes(z[: objective.model.size])
    out = np.zeros((size, len(z)))
    ntheta, m = slopes.shape
    out[:ntheta, :m] = slopes
    out[ntheta:, m:] = np.eye(size - ntheta)
    return out
