"""Estimates of a likelihood of rows at the end of a search, in columns of the user."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..._typing import Array
from ...errors import CoreError
from ...frame.design import Design
from ..covariance import canonical, factors_of, is_singular, theta_of
from ..families.spec import family_object
from ..fixed_effects.basis import OnBasis
from ..search.optimize import FitReport
from .conditional_estimates import ConditionalEstimates
from .estimates import DistributionalEstimates
from .hessian import covariance_at
from .likelihood import RowLikelihood

__all__ = ["EstimatesAt", "estimates_at"]


class EstimatesAt(NamedTuple):
    """Estimates at the end of a search, and what its Hessian shows.

    Attributes
    ----------
    estimates : DistributionalEstimates
    least : float
        The least eigenvalue of the Hessian, with a diagonal of ones.
    ends : bool
        Whether some coefficients have no finite estimate.
    """

    estimates: DistributionalEstimates
    least: float
    ends: bool


def estimates_at(likelihood: RowLikelihood, report: FitReport) -> EstimatesAt:
    """Solve a likelihood at the end of a search, and read its estimates.

    Parameters
    ----------
    likelihood : RowLikelihood
    report : FitReport

    Raises
    ------
    CoreError
        If conditional modes are not found there again.
    """
    problem, design, spec, rows = (
        likelihood.problem,
        likelihood.design,
        likelihood.spec,
        likelihood.rows,
    )
    core, basis, ntheta, patterns = problem.core, problem.basis, problem.ntheta, likelihood.patterns
    factors = canonical(factors_of(report.end[:ntheta], patterns), patterns)
    theta = theta_of(factors, patterns)
    end = np.concatenate([theta, report.end[ntheta:]])
    if np.isnan(core.value_and_gradient(end)[0]):
        raise CoreError("Conditional modes at the end of the search cannot be found again.")
    solution = core.solution()
    middle = ntheta + len(basis.columns)
    known, lost, least = _covariance(likelihood, factors, end)
    mixed_up = _mixed_up(design, lost[:ntheta])
    if mixed_up:
        report = replace(report, not_identified=mixed_up)
    kappa = end[middle:]
    linear = basis.Q @ solution.beta
    if design.offset is not None:
        linear = linear + design.offset
    outer = rows.values(kappa)
    with np.errstate(all="ignore"):
        fitted = np.asarray(family_object(spec).link.inverse(solution.eta), dtype=float)
    conditional = ConditionalEstimates(
        spec=spec,
        n_agq=likelihood.n_agq,
        fast=False,
        hessian="observed",
        theta=theta,
        factors=factors,
        columns=basis.columns,
        beta=basis.coefficients(solution.beta),
        cov_conditional=known.taken(slice(ntheta, middle)).covariance,
        dispersion=float(np.exp(outer[0, 0])) if spec.has_dispersion else 1.0,
        objective=report.objective,
        deviance=np.nan,
        logdet_omega=solution.logdet_omega,
        u=core.design.by_term(solution.u),
        b=core.design.by_term(solution.b),
        linear_predictor=linear,
        eta=solution.eta,
        fitted=fitted,
        singular=is_singular(factors_of(core.in_units(theta) / likelihood.units, patterns)),
        pirls_steps=solution.pirls_steps,
        several_modes=False,
        report=report,
        rows=rows,
        kappa=kappa,
        on_basis=known.taken(slice(ntheta, middle)),
        joint=known.taken(slice(middle)),
    )
    estimates = DistributionalEstimates(
        conditional, rows.back @ kappa, outer, known, rows, solution.zeros
    )
    return EstimatesAt(estimates, least, bool(np.any(lost[ntheta:])))


def _covariance(
    likelihood: RowLikelihood, factors: Sequence[Array], end: Array
) -> tuple[OnBasis, Array, float]:
    """Return the covariance of theta, beta and kappa, what is lost, and the least eigenvalue.

    Parameters
    ----------
    likelihood : RowLikelihood
        Solved at the end.
    factors : sequence of ndarray, shape (k, k)
    end : ndarray, shape (m,)
        In working coefficients.
    """
    basis, ntheta = likelihood.problem.basis, likelihood.problem.ntheta
    rank = len(basis.columns)
    regular = all(np.all(np.diag(T) != 0) for T in factors)
    spread = np.zeros(len(end) - ntheta)
    spread[:rank] = _deviation_of_effects(likelihood.design, factors)
    root, lost, least = covariance_at(likelihood.core, end, regular, ntheta, spread)
    change = np.eye(len(end))
    change[ntheta : ntheta + rank, ntheta : ntheta + rank] = np.linalg.inv(basis.R)
    change[ntheta + rank :, ntheta + rank :] = likelihood.rows.back
    # Columns far from zero have an intercept in very different units.
    rows_of_change = np.abs(change).max(axis=1, keepdims=True)
    unknown = (np.abs(change @ lost) > 1e-6 * rows_of_change).any(axis=1)
    return OnBasis.of_root(change @ root).without(unknown), lost, least


def _mixed_up(design: Design, lost: Array) -> tuple[str, ...]:
    """Name the grouping factors whose parameters have a direction that the data do not determine.

    Parameters
    ----------
    design : Design
    lost : ndarray, shape (n_theta, k)
        Directions; those of single parameters, which are at an end, are no matter of others.
    """
    several = lost[:, np.count_nonzero(np.abs(lost) > 1e-3, axis=0) > 1]
    touched = np.abs(several).max(axis=1, initial=0.0) > 1e-3
    names, at = [], 0
    for block in design.blocks:
        size = int(np.count_nonzero(block.pattern))
        if touched[at : at + size].any():
            names.append(block.name)
        at += size
    if not names:
        return ()
    return (f"the data do not distinguish covariance parameters of {' and '.join(names)}",)


def _deviation_of_effects(design: Design, factors: Sequence[Array]) -> float:
    """Return the standard deviation of what the random effects of the mean add to a typical row."""
    parts = [
        np.mean(np.square(block.z @ T).sum(axis=1))
        for block, T in zip(design.blocks, factors, strict=True)
        if not block.part
    ]
    return math.sqrt(sum(parts))
