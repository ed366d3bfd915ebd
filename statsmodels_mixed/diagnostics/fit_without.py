"""Fitting a model without some of its rows, exact and cheap.

The structure of the model is analysed once. Rows that are left out get prior weight zero, so
that the cross-products are formed again but nothing else, and fits start at the estimates from
all rows. When the rows that remain do not determine all coefficients well, the model of these
rows alone is fitted instead.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import CoreError, DataError
from ..fitting.estimates import Estimates
from ..fitting.fixed_effects.independent_columns import ALIASED
from ..fitting.problem import problem_of
from ..fitting.refits import Refit, RowNumbers
from ..fitting.separation import SolvedRows
from ..frame.design import Design

__all__ = ["Deleter", "fit_without", "null_columns"]


# Least eigenvalue of the share of Q'WQ = I that the remaining rows have, for Q to serve them.
ENOUGH = 1e-6
# Share of a unit vector in the null space of X from which a coefficient is not estimable.
INESTIMABLE = 1e-7


class Deleter:
    """Fits a model to some of its rows; each thread needs its own, by `for_thread`.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : Estimates
    """

    def __init__(self, design: Design, estimates: Estimates) -> None:
        self.problem = problem_of(design, estimates)
        self.refits = self.problem.refits(estimates.theta, estimates.beta, estimates.scale)

    def for_thread(self) -> Deleter:
        """Return a deleter that may work beside this one."""
        other = copy.copy(self)
        other.refits = self.refits.for_thread()
        return other


def fit_without(deleter: Deleter, rows: RowNumbers) -> Refit | None:
    """Fit the model to the other rows; None if that fails."""
    share = deleter.refits.share_without(rows)
    enough = not len(share) or np.linalg.eigvalsh(share)[0] >= ENOUGH
    try:
        fit = deleter.refits.without(rows) if enough else _fit_alone(deleter, rows)
    except (CoreError, DataError):
        return None
    return _without_infinite(deleter, rows, fit)


def _without_infinite(deleter: Deleter, rows: RowNumbers, fit: Refit) -> Refit:
    """Return NaN for coefficients without a finite estimate from the other rows."""
    design, problem = deleter.problem.design, deleter.problem
    if problem.estimates.linear:
        return fit
    known = np.flatnonzero(np.isfinite(fit.beta))
    X = np.delete(design.X, rows, axis=0)[:, deleter.refits.basis.columns[known]]
    y = np.delete(design.y, rows)
    covariance = fit.covariance[np.ix_(known, known)]
    kept = None
    if fit.eta is not None:
        weights = None if design.weights is None else np.delete(design.weights, rows)
        kept = SolvedRows(fit.eta, weights, fit.scale)
    separated = problem.separation(X, y, covariance, converged=fit.converged, rows=kept)
    lost = known[separated.found]
    if not len(lost):
        return replace(fit, eta=None)  # the fits of all cases are kept at once
    beta, covariance = fit.beta.copy(), fit.covariance.copy()
    beta[lost] = covariance[lost] = covariance[:, lost] = np.nan
    return replace(fit, beta=beta, covariance=covariance, gamma=None, inner=None, eta=None)


def _fit_alone(deleter: Deleter, rows: RowNumbers) -> Refit:
    """Fit the model of the other rows; NaN for coefficients that they do not determine."""
    design, own = deleter.problem.design, deleter.problem.estimates
    columns = deleter.refits.basis.columns
    rank = len(columns)
    keep = np.ones(len(design.y), dtype=bool)
    keep[rows] = False
    problem = deleter.problem.of_rows(keep)
    part = problem.design
    alone = problem.fit(None if own.singular else own.theta)
    fit = Refit.of(alone)
    lost = null_columns(part.X[:, columns])
    kept = np.isin(columns, alone.columns)
    beta, covariance = np.full(rank, np.nan), np.full((rank, rank), np.nan)
    beta[kept], covariance[np.ix_(kept, kept)] = fit.beta, fit.covariance
    beta[lost] = covariance[lost] = covariance[:, lost] = np.nan
    return replace(fit, beta=beta, covariance=covariance)


def null_columns(matrix: Array) -> NDArray[np.bool_]:
    """Return for which columns of a matrix the coefficient is not estimable, shape (k,)."""
    lengths = np.linalg.norm(matrix, axis=0)
    R = np.linalg.qr(matrix / np.where(lengths > 0, lengths, 1.0), mode="r")
    _, values, right = np.linalg.svd(R)
    rank = int(np.sum(values > ALIASED * max(values, default=0.0)))
    return np.asarray(np.abs(right[rank:]).max(axis=0, initial=0.0) > INESTIMABLE)
