"""A linear fit from its end on, in the principal axes of the effects.

Where effects of a term are large beside the residuals and nearly depend on one another, as the
intercepts and slopes of lines through one point do, the criterion is steep across the direction in
which they vary and flat along it: with standard deviations of 1e4 sigma by 1e8 and more. Steps
in the elements of T lose their digits then. With columns z C in place of z, where C has the
principal axes of Sigma, each element of T has a curvature of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..._core import TermCoordinates
from ..._typing import Array
from ..covariance import components, factors_of, theta_of, triangular_root
from ..crossproduct_criterion import CrossproductCriterion
from ..search.last_steps import last_steps
from ..search.optimize import FitOptions, FitReport
from ..search.runs import DISTINCT, LOWER, descend, logged

__all__ = ["along_axes", "are_steep"]

# Standard deviation along the largest axis, over that along the least one, or over sigma where
# that is more.
STEEP = 30.0
# How often axes are taken anew.
TURNS = 2


def are_steep(factors: Sequence[Array]) -> bool:
    """Return whether the effects of some term vary much more along one axis than along another.

    Parameters
    ----------
    factors : sequence of ndarray, shape (k, k)
        T where the columns of Z have unit mean square.
    """
    values = [np.linalg.svd(T, compute_uv=False) for T in factors if len(T) > 1]
    return any(s[0] > STEEP * max(s[-1], 1.0) for s in values)


def along_axes(
    criterion: CrossproductCriterion, report: FitReport, options: FitOptions
) -> FitReport:
    """Return the report of a fit that goes on in the principal axes, if that ends lower.

    Parameters
    ----------
    criterion : CrossproductCriterion
        Its workspace is not solved at the end afterwards.
    report : FitReport
        Of the fit so far.
    options : FitOptions
    """
    for _ in range(TURNS):
        found = _turned(criterion, report, options)
        if found is report or found.converged:
            return found
        report = found
    return report


def _turned(criterion: CrossproductCriterion, report: FitReport, options: FitOptions) -> FitReport:
    design, patterns = criterion.design, criterion.patterns
    apart = TermCoordinates(design.blocks, design.weights)
    factors = factors_of(apart.inward(report.end), patterns)
    axes = [_axes(z, T, own) for z, T, own in zip(apart.z, factors, patterns, strict=True)]
    blocks = [
        replace(block, z=np.ascontiguousarray(z @ C))
        for block, z, C in zip(design.blocks, apart.z, axes, strict=True)
    ]
    near = CrossproductCriterion.of(
        replace(design, blocks=tuple(blocks)), criterion.reml, criterion.sigma
    )
    start = [triangular_root(np.linalg.solve(C, T)) for C, T in zip(axes, factors, strict=True)]
    with near.workspace.threads:
        near.workspace.set_precision(True)
        run = descend(near.workspace, theta_of(start, patterns), options, near.constant)
        if run is not None and run.converged:
            # In the elements of T as they are differences would step out of the valley.
            run = last_steps(near.workspace, run, near.constant, patterns)
    if run is None:
        return report

    def back(theta: Array) -> Array:
        turned = factors_of(theta, patterns)
        own = [triangular_root(C @ T) for C, T in zip(axes, turned, strict=True)]
        return apart.outward(theta_of(own, patterns))

    workspace = criterion.workspace
    workspace.set_precision(True)
    end = back(run.end)
    value, gradient = workspace.value_and_gradient(end)
    objective = value + criterion.constant
    margin = LOWER if run.converged and not report.converged else -LOWER
    # T of the columns as they are may lack the digits of the end.
    if objective > report.objective + margin or abs(objective - run.objective) > DISTINCT:
        return report
    best = replace(
        run,
        end=end,
        objective=objective,
        gradient=gradient,
        other_optima=tuple(v for v in report.other_optima if v > objective + DISTINCT),
    )
    tried = np.array([back(theta) for theta in run.fitlog_theta])
    return logged(report, best, tried, run.fitlog_objective, run.evaluations)


def _axes(z: Array, T: Array, pattern: NDArray[np.bool_]) -> Array:
    """Return C whose columns are principal axes of T T', where columns of z are as long."""
    size = np.sqrt(np.mean(z**2, axis=0))
    size = np.where(size > 0, size, 1.0)
    C = np.eye(len(T))
    for own in components(pattern):
        left = np.linalg.svd(size[own, None] * T[np.ix_(own, own)])[0]
        C[np.ix_(own, own)] = left / size[own, None]
    return C
