"""Fitting a model without some of its rows, exact and cheap.

The structure of the model is analysed once. Rows that are left out get prior weight zero, so
that the cross-products are formed again but nothing else, and fits start at the estimates from
all rows. When the rows that remain do not determine all coefficients well, the model of these
rows alone is fitted instead.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace, one_blas_thread
from ..errors import CoreError, DataError
from ..fitting.approximation import core_model, join_parameters, working_basis
from ..fitting.crossprod import core_design, rounding
from ..fitting.estimates import Estimates, GeneralizedEstimates, LinearEstimates
from ..fitting.fixed_basis import ALIASED, FixedBasis, orthonormal_basis, residual_response
from ..fitting.generalized import fit_generalized
from ..fitting.generalized_start import row_unit
from ..fitting.linear import fit_linear
from ..fitting.optimize import FitOptions, minimize
from ..fitting.separation import separation
from ..fitting.warm_start import generalized_theta, inside, inside_theta
from ..frame.design import Design
from ..frame.row_groups import design_of_rows

__all__ = ["DeletedFit", "Deleter", "fit_without", "make_deleter", "null_columns"]

Array = NDArray[np.float64]
RowNumbers = NDArray[np.intp]

# Least eigenvalue of the share of Q'WQ = I that the remaining rows have, for Q to serve them.
ENOUGH = 1e-6
# Share of a unit vector in the null space of X from which a coefficient is not estimable.
INESTIMABLE = 1e-7


@dataclass(frozen=True)
class DeletedFit:
    """The fit to the rows that remain.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
        Of the coefficients that are estimable from all rows; NaN where these rows do not tell.
    covariance : ndarray, shape (rank, rank)
        Theirs, given the covariance parameters.
    theta : ndarray, shape (n_theta,)
        Perhaps not rectified.
    scale : float
        sigma, or the dispersion of a generalized model.
    objective : float
    converged : bool
    """

    beta: Array
    covariance: Array
    theta: Array
    scale: float
    objective: float
    converged: bool


class LinearDeleter:
    """Fits a linear model to some of its rows."""

    def __init__(self, design: Design, estimates: LinearEstimates) -> None:
        self.design, self.estimates = design, estimates
        with one_blas_thread():
            self.basis = orthonormal_basis(design.X, design.weights)
        y = design.y if design.offset is None else design.y - design.offset
        self._gamma, self._residual, self._scale = residual_response(y, self.basis, design.weights)
        self._rounding = rounding(design)
        self._weights = np.ones(len(y)) if design.weights is None else design.weights
        self._log_weights = np.log(self._weights).sum()
        self.root = np.sqrt(self._weights)
        self.core = core_design(design, self.basis.Q, design.weights)
        self._workspace = self._make_workspace()
        usual = self._workspace.identity()
        self._start = inside_theta(estimates.theta, usual, self.core.coordinates)

    def for_thread(self) -> Self:
        """Return a deleter that may work beside this one."""
        other = copy.copy(self)
        other._workspace = self._make_workspace()
        return other

    def _make_workspace(self) -> CoreWorkspace:
        own = self.estimates
        workspace = CoreWorkspace(self.core, self._residual, self._weights)
        workspace.set_criterion(own.reml, own.sigma / self._scale if own.sigma_fixed else 0.0)
        return workspace

    def without(self, rows: RowNumbers) -> DeletedFit:
        """Fit the model with weight zero for some rows."""
        estimates, basis, scale = self.estimates, self.basis, self._scale
        # what the remaining rows leave of the response: an outlier may have bent all residuals
        gone = basis.Q[rows] * self._weights[rows, None]
        share = np.eye(len(basis.columns)) - gone.T @ basis.Q[rows]
        shift = -np.linalg.solve(share, gone.T @ self._residual[rows])
        weights = self._weights.copy()
        weights[rows] = 0.0
        self._workspace.reweight(self._residual - basis.Q @ shift, weights)
        report = minimize(self._workspace, self._start, FitOptions())
        raw = self._workspace.solution()
        # as in `Crossproducts.constant`, of the rows that remain
        log_weights = self._log_weights - np.log(self._weights[rows]).sum()
        constant = 2.0 * raw.dof * np.log(scale) - log_weights
        if estimates.reml:
            constant += basis.logdet
        sigma = estimates.sigma
        if not estimates.sigma_fixed:
            sigma = scale * float(np.sqrt(raw.pwrss / raw.dof))
        return DeletedFit(
            basis.coefficients(self._gamma + scale * (shift + raw.beta)),
            sigma**2 * basis.covariance(raw.xvx_inverse),
            report.end,
            sigma,
            report.objective + float(constant),
            report.converged and sigma > self._rounding,
        )

    def alone(self, design: Design) -> tuple[NDArray[np.intp], DeletedFit]:
        """Fit the model to a design of its own; return the columns that are estimable too."""
        own, given = self.estimates, self.estimates.sigma if self.estimates.sigma_fixed else None
        fit = fit_linear(design, reml=own.reml, sigma=given, start=_own_start(own))
        found = DeletedFit(
            fit.beta, fit.cov_conditional, fit.theta, fit.sigma, fit.objective, fit.report.converged
        )
        return fit.columns, found


class GeneralizedDeleter:
    """Fits a generalized model to some of its rows, by the approximation it was fitted by."""

    def __init__(self, design: Design, estimates: GeneralizedEstimates) -> None:
        self.design, self.estimates = design, estimates
        with one_blas_thread():
            unit = working_basis(design)
        self._basis = unit
        n = len(design.y)
        # Q'Q = I for the share of the rows, as in a linear model without weights
        self.basis = FixedBasis(unit.columns, unit.Q / np.sqrt(n), unit.R * np.sqrt(n))
        self.root = np.ones(n)
        self.core = core_design(design, unit.Q)
        self._weights = np.ones(n) if design.weights is None else design.weights
        self._gamma = unit.R @ estimates.beta
        spec, alpha = estimates.spec, estimates.dispersion
        at = join_parameters(spec, estimates.theta, self._gamma, alpha, fast=estimates.fast)
        unit_eta = row_unit(spec, design.y, estimates.eta, design.weights, float(np.log(alpha)))
        usual = generalized_theta(self.core.coordinates, unit_eta)
        self._start = inside(spec, design.y, at, usual, self.core.coordinates)

    def for_thread(self) -> Self:
        """Return a deleter that may work beside this one."""
        return self

    def without(self, rows: RowNumbers) -> DeletedFit:
        """Fit the model with weight zero for some rows."""
        estimates, basis = self.estimates, self._basis
        weights = self._weights.copy()
        weights[rows] = 0.0
        core = core_model(
            self.core,
            replace(self.design, weights=weights),
            estimates.spec,
            self.design.y,
            n_agq=estimates.n_agq,
            fast=estimates.fast,
            hessian=estimates.hessian,
        )
        if estimates.fast:
            core.set_beta(self._gamma)
        report = minimize(core, self._start, FitOptions())
        raw = core.solution()
        return DeletedFit(
            basis.coefficients(raw.beta),
            basis.covariance(raw.xvx_inverse),
            report.end[: len(estimates.theta)],
            raw.dispersion,
            report.objective,
            report.converged,
        )

    def alone(self, design: Design) -> tuple[NDArray[np.intp], DeletedFit]:
        """Fit the model to a design of its own; return the columns that are estimable too."""
        own = self.estimates
        fit = fit_generalized(
            design,
            own.spec,
            n_agq=own.n_agq,
            fast=own.fast,
            hessian=own.hessian,
            start=_own_start(own),
        )
        found = DeletedFit(
            fit.beta,
            fit.cov_conditional,
            fit.theta,
            fit.dispersion,
            fit.objective,
            fit.report.converged,
        )
        return fit.columns, found


def _own_start(own: LinearEstimates | GeneralizedEstimates) -> Array | None:
    """Return theta, unless it is at a bound."""
    return None if own.singular else own.theta


Deleter = LinearDeleter | GeneralizedDeleter


def make_deleter(design: Design, estimates: Estimates) -> Deleter:
    """Return the deleter of a fit."""
    if isinstance(estimates, LinearEstimates):
        return LinearDeleter(design, estimates)
    assert isinstance(estimates, GeneralizedEstimates)
    return GeneralizedDeleter(design, estimates)


def fit_without(deleter: Deleter, rows: RowNumbers) -> DeletedFit | None:
    """Fit the model to the other rows; None if that fails."""
    removed = deleter.basis.Q[rows] * deleter.root[rows, None]
    share = np.eye(removed.shape[1]) - removed.T @ removed
    enough = not len(share) or np.linalg.eigvalsh(share)[0] >= ENOUGH
    try:
        fit = deleter.without(rows) if enough else _fit_alone(deleter, rows)
    except (CoreError, DataError):
        return None
    return _without_infinite(deleter, rows, fit)


def _without_infinite(deleter: Deleter, rows: RowNumbers, fit: DeletedFit) -> DeletedFit:
    """Return NaN for coefficients without a finite estimate from the other rows."""
    if isinstance(deleter, LinearDeleter):
        return fit
    known = np.flatnonzero(np.isfinite(fit.beta))
    X = np.delete(deleter.design.X, rows, axis=0)[:, deleter.basis.columns[known]]
    y = np.delete(deleter.design.y, rows)
    covariance = fit.covariance[np.ix_(known, known)]
    spec = deleter.estimates.spec
    lost = known[separation(X, y, spec, covariance, converged=fit.converged).found]
    if not len(lost):
        return fit
    beta, covariance = fit.beta.copy(), fit.covariance.copy()
    beta[lost] = covariance[lost] = covariance[:, lost] = np.nan
    return replace(fit, beta=beta, covariance=covariance)


def _fit_alone(deleter: Deleter, rows: RowNumbers) -> DeletedFit:
    """Fit the model of the other rows; NaN for coefficients that they do not determine."""
    rank = len(deleter.basis.columns)
    keep = np.ones(len(deleter.design.y), dtype=bool)
    keep[rows] = False
    part = design_of_rows(deleter.design, keep)
    columns, fit = deleter.alone(part)
    lost = null_columns(part.X[:, deleter.basis.columns])
    kept = np.isin(deleter.basis.columns, columns)
    beta, covariance = np.full(rank, np.nan), np.full((rank, rank), np.nan)
    beta[kept], covariance[np.ix_(kept, kept)] = fit.beta, fit.covariance
    beta[lost] = covariance[lost] = covariance[:, lost] = np.nan
    return replace(fit, beta=beta, covariance=covariance)


def null_columns(matrix: Array) -> NDArray[np.bool_]:
    """Tell for which columns of a matrix the coefficient is not estimable, shape (k,)."""
    lengths = np.linalg.norm(matrix, axis=0)
    R = np.linalg.qr(matrix / np.where(lengths > 0, lengths, 1.0), mode="r")
    _, values, right = np.linalg.svd(R)
    rank = int(np.sum(values > ALIASED * max(values, default=0.0)))
    return np.asarray(np.abs(right[rank:]).max(axis=0, initial=0.0) > INESTIMABLE)
