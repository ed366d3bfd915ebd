"""Fits of a model without some rows, exact and cheap.

The structure of the model is analysed once. Rows that are left out get prior weight zero, so
that the cross-products are formed again but nothing else, and fits start at the estimates from
all rows. When the rows that remain do not determine all coefficients well, the model of these
rows alone is fitted instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from .._core import CoreWorkspace, one_blas_thread
from ..approximation import core_model, working_basis
from ..basis import ALIASED, FixedBasis, orthonormal_basis, residual_response
from ..crossprod import core_design
from ..design import Design
from ..errors import CoreError, DataError
from ..estimates import GeneralizedEstimates, LinearEstimates
from ..fit import fit_linear
from ..generalized import fit_generalized
from ..optimize import LARGE_TAIL, FitOptions, minimize
from .parameters import Components

__all__ = ["Deletions", "fits_without"]

Array = NDArray[np.float64]
RowNumbers = NDArray[np.intp]

# Least eigenvalue of the share of Q'WQ = I that the remaining rows have, for Q to serve them.
ENOUGH = 1e-6
# Least eigenvalue of Z'Z, of columns of unit length, for them to be surely independent.
DEPENDENT = 1e-10
# Share of a unit vector in the null space of X from which a coefficient is not estimable.
INESTIMABLE = 1e-7


@dataclass(frozen=True, eq=False)
class Deletions:
    """Fits without each of m cases; NaN where there is no estimate.

    Parameters
    ----------
    beta : ndarray, shape (m, rank)
        Of the coefficients that are estimable from all rows.
    covariance : ndarray, shape (m, rank, rank)
        Theirs, given the covariance parameters.
    theta : ndarray, shape (m, n_theta)
        NaN for all of a block whose random effects the rows that remain cannot all tell.
    sd : ndarray, shape (m, n_sd)
        Standard deviations of the random effects.
    scale : ndarray, shape (m,)
        sigma, or the dispersion of a generalized model.
    objective : ndarray, shape (m,)
    converged : ndarray of bool, shape (m,)
    """

    beta: Array
    covariance: Array
    theta: Array
    sd: Array
    scale: Array
    objective: Array
    converged: NDArray[np.bool_]


@dataclass(frozen=True)
class _Fit:
    """One row of `Deletions`, theta perhaps not rectified."""

    beta: Array
    covariance: Array
    theta: Array
    scale: float
    objective: float
    converged: bool


class _LinearDeleter:
    """Fits a linear model to some of its rows."""

    def __init__(self, design: Design, estimates: LinearEstimates) -> None:
        self.design, self.estimates = design, estimates
        with one_blas_thread():
            self.basis = orthonormal_basis(design.X, design.weights)
        y = design.y if design.offset is None else design.y - design.offset
        self._gamma, self._residual, self._scale = residual_response(y, self.basis, design.weights)
        self._weights = np.ones(len(y)) if design.weights is None else design.weights
        self.root = np.sqrt(self._weights)
        self.core = core_design(design, self.basis.Q)
        self._workspace = CoreWorkspace(self.core, self._residual, self._weights)
        fixed = estimates.sigma / self._scale if estimates.sigma_fixed else 0.0
        self._workspace.set_criterion(estimates.reml, fixed)

    def without(self, rows: RowNumbers) -> _Fit:
        """Fit the model with weight zero for some rows."""
        estimates, basis, scale = self.estimates, self.basis, self._scale
        # what the remaining rows leave of the response: an outlier may have bent all residuals
        gone = basis.Q[rows] * self._weights[rows, None]
        share = np.eye(len(basis.columns)) - gone.T @ basis.Q[rows]
        shift = -np.linalg.solve(share, gone.T @ self._residual[rows])
        weights = self._weights.copy()
        weights[rows] = 0.0
        self._workspace.reweight(self._residual - basis.Q @ shift, weights)
        report = minimize(self._workspace, estimates.theta, FitOptions())
        raw = self._workspace.solution()
        # as in `Crossproducts.constant`, of the rows that remain
        constant = 2.0 * raw.dof * np.log(scale) - np.log(weights[weights > 0]).sum()
        if estimates.reml:
            constant += basis.logdet
        sigma = estimates.sigma
        if not estimates.sigma_fixed:
            sigma = scale * float(np.sqrt(raw.pwrss / raw.dof))
        return _Fit(
            basis.coefficients(self._gamma + scale * (shift + raw.beta)),
            sigma**2 * basis.covariance(raw.xvx_inverse),
            report.end,
            sigma,
            report.objective + float(constant),
            report.converged,
        )

    def alone(self, design: Design) -> tuple[NDArray[np.intp], _Fit]:
        """Fit the model to a design of its own; return the columns that are estimable too."""
        own, given = self.estimates, self.estimates.sigma if self.estimates.sigma_fixed else None
        fit = fit_linear(design, reml=own.reml, sigma=given, start=own.theta)
        covariance = fit.sigma**2 * fit.cov_unscaled
        found = _Fit(
            fit.beta, covariance, fit.theta, fit.sigma, fit.objective, fit.report.converged
        )
        return fit.columns, found


class _GeneralizedDeleter:
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
        middle = self._gamma[: 0 if estimates.fast else None]
        zeta = [np.log(estimates.dispersion)] if estimates.spec.has_dispersion else []
        self._start = np.concatenate([estimates.theta, middle, zeta])

    def without(self, rows: RowNumbers) -> _Fit:
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
        return _Fit(
            basis.coefficients(raw.beta),
            basis.covariance(raw.xvx_inverse),
            report.end[: len(estimates.theta)],
            raw.dispersion,
            report.objective,
            report.converged,
        )

    def alone(self, design: Design) -> tuple[NDArray[np.intp], _Fit]:
        """Fit the model to a design of its own; return the columns that are estimable too."""
        own = self.estimates
        fit = fit_generalized(
            design,
            own.spec,
            n_agq=own.n_agq,
            fast=own.fast,
            hessian=own.hessian,
            start=own.theta,
        )
        found = _Fit(
            fit.beta,
            fit.cov_conditional,
            fit.theta,
            fit.dispersion,
            fit.objective,
            fit.report.converged,
        )
        return fit.columns, found


def fits_without(
    design: Design,
    estimates: LinearEstimates | GeneralizedEstimates,
    cases: Sequence[RowNumbers],
    components: Components,
) -> Deletions:
    """Fit a model without each of several cases.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : LinearEstimates or GeneralizedEstimates
    cases : sequence of ndarray of int
        Numbers of the rows of each case.
    components : Components

    Returns
    -------
    Deletions
        A fit that fails leaves NaN, and so does one in which a grouping factor is left with a
        single level or with a level for each row.
    """
    deleter = (
        _LinearDeleter(design, estimates)
        if isinstance(estimates, LinearEstimates)
        else _GeneralizedDeleter(design, estimates)
    )
    count, rank = len(cases), len(estimates.beta)
    beta, covariance = np.full((count, rank), np.nan), np.full((count, rank, rank), np.nan)
    theta = np.full((count, len(estimates.theta)), np.nan)
    scale, objective = np.full(count, np.nan), np.full(count, np.nan)
    converged = np.zeros(count, dtype=bool)
    large = deleter.core.sizes["tail_size"] >= LARGE_TAIL
    with nullcontext() if large else one_blas_thread():
        sizes = [np.bincount(block.refs, minlength=len(block.levels)) for block in design.blocks]
        for m, rows in enumerate(cases):
            fit = _fit_without(deleter, rows) if _groups_remain(design, sizes, rows) else None
            if fit is not None:
                beta[m], covariance[m], theta[m] = fit.beta, fit.covariance, fit.theta
                scale[m], objective[m], converged[m] = fit.scale, fit.objective, fit.converged
        lost = _lost_effects(design, cases)
    theta = components.rectify(theta)
    linear = isinstance(estimates, LinearEstimates)
    sd = components.deviations(theta, scale if linear else 1.0)
    at = np.array([t for t, _ in components.sd_at])
    block_of = [t for t, _, _ in components.theta_at]
    for t in range(len(design.blocks)):
        theta[np.ix_(lost[:, at == t].any(axis=1), np.equal(block_of, t))] = np.nan
    sd[lost] = np.nan
    return Deletions(beta, covariance, theta, sd, scale, objective, converged)


def _groups_remain(design: Design, sizes: list[NDArray[np.intp]], rows: RowNumbers) -> bool:
    """Tell whether the variances among levels can still be told from everything else."""
    n = len(design.y)
    for block, size in zip(design.blocks, sizes, strict=True):
        touched, counts = np.unique(block.refs[rows], return_counts=True)
        left = len(size) - int(np.sum(counts == size[touched]))
        # a level for each row is refused unless the model had them from the beginning
        if left < 2 or (left == n - len(rows) and len(size) < n):
            return False
    return True


def _lost_effects(design: Design, cases: Sequence[RowNumbers]) -> NDArray[np.bool_]:
    """Tell which random effects the rows without each case say nothing about, (m, n_sd)."""
    parts = []
    for block in design.blocks:
        lost = np.zeros((len(cases), len(block.names)), dtype=bool)
        count, label = connected_components(block.pattern, directed=False)
        # effects that no covariance ties together are told apart one by one
        for columns in (np.flatnonzero(label == c) for c in range(count)):
            z = block.z[:, columns]
            gram = z.T @ z
            for m, rows in enumerate(cases):
                if _least_eigenvalue(gram - z[rows].T @ z[rows], np.diag(gram)) < DEPENDENT:
                    lost[m, columns] = _null_columns(np.delete(z, rows, axis=0))
        parts.append(lost)
    return np.hstack(parts)


def _least_eigenvalue(gram: Array, squares: Array) -> float:
    """Return the least eigenvalue of a Gram matrix of columns divided by the roots of squares."""
    root = np.sqrt(np.where(squares > 0, squares, 1.0))
    return float(np.linalg.eigvalsh(gram / np.outer(root, root))[0])


def _null_columns(matrix: Array) -> NDArray[np.bool_]:
    """Tell for which columns of a matrix the coefficient is not estimable, shape (k,)."""
    lengths = np.linalg.norm(matrix, axis=0)
    R = np.linalg.qr(matrix / np.where(lengths > 0, lengths, 1.0), mode="r")
    _, values, right = np.linalg.svd(R)
    rank = int(np.sum(values > ALIASED * max(values, default=0.0)))
    return np.asarray(np.abs(right[rank:]).max(axis=0, initial=0.0) > INESTIMABLE)


def _fit_without(deleter: _LinearDeleter | _GeneralizedDeleter, rows: RowNumbers) -> _Fit | None:
    """Fit the model to the other rows; None if that fails."""
    removed = deleter.basis.Q[rows] * deleter.root[rows, None]
    share = np.eye(removed.shape[1]) - removed.T @ removed
    enough = not len(share) or np.linalg.eigvalsh(share)[0] >= ENOUGH
    try:
        return deleter.without(rows) if enough else _fit_alone(deleter, rows)
    except (CoreError, DataError):
        return None


def _fit_alone(deleter: _LinearDeleter | _GeneralizedDeleter, rows: RowNumbers) -> _Fit:
    """Fit the model of the other rows; NaN for coefficients that they do not determine."""
    rank = len(deleter.basis.columns)
    part = _without_rows(deleter.design, rows)
    columns, fit = deleter.alone(part)
    lost = _null_columns(part.X[:, deleter.basis.columns])
    kept = np.isin(deleter.basis.columns, columns)
    beta, covariance = np.full(rank, np.nan), np.full((rank, rank), np.nan)
    beta[kept], covariance[np.ix_(kept, kept)] = fit.beta, fit.covariance
    beta[lost] = covariance[lost] = covariance[:, lost] = np.nan
    return replace(fit, beta=beta, covariance=covariance)


def _without_rows(design: Design, rows: RowNumbers) -> Design:
    """Return the design of the other rows; all levels stay."""
    keep = np.ones(len(design.y), dtype=bool)
    keep[rows] = False

    def part(values: Array | None) -> Array | None:
        return None if values is None else values[keep]

    blocks = tuple(
        replace(block, z=block.z[keep], refs=block.refs[keep]) for block in design.blocks
    )
    return replace(
        design,
        y=design.y[keep],
        X=design.X[keep],
        weights=part(design.weights),
        offset=part(design.offset),
        blocks=blocks,
    )
