"""Fits of ordered categories with covariates about zero, those of the user being anywhere.

Thresholds take the place of an intercept, and a covariate far from zero is close to a multiple of
them: years of mean 2010 leave one of three hundred digits between its slope and the thresholds.
x'beta and all thresholds may be shifted alike, so the fit is that of x - m with the thresholds
tau - m'beta, which are as little correlated with the slopes as can be.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..._typing import Array
from ..families.spec import family_object
from ..fixed_basis import FixedBasis, orthonormal_basis

if TYPE_CHECKING:
    from ...frame.design import Design
    from .fit import DistributionalEstimates
    from .row_parameters import RowParameters

__all__ = ["Centered"]

# Means of more standard deviations than these are subtracted.
FAR = 10.0


class Centered:
    """A model of ordered categories with other covariates, and the way back.

    Parameters
    ----------
    design : Design
    rows : RowParameters
        The thresholds.
    basis : FixedBasis
        Of X.
    """

    def __init__(self, design: Design, rows: RowParameters, basis: FixedBasis) -> None:
        X = design.X
        means, deviations = X.mean(axis=0), X.std(axis=0)
        far = (np.abs(means) > FAR * deviations) & (deviations > 0)
        self.means = np.where(far, means, 0.0)[basis.columns]
        self._basis, self._rows = basis, rows
        self.design = replace(design, X=np.ascontiguousarray(X - np.where(far, means, 0.0)))
        # What moves all thresholds by one, in the basis of the thresholds.
        upper, lower = rows.X[0], rows.X[1]
        assert upper is not None
        assert lower is not None
        some = np.isfinite(upper).all(axis=1)
        self._all = np.linalg.lstsq(upper[some], np.ones(some.sum()), rcond=None)[0]

    @property
    def is_needed(self) -> bool:
        """Whether covariates are far from zero, and remain as many when they are not."""
        if not self.means.any():
            return False
        columns = orthonormal_basis(self.design.X, None).columns
        return np.array_equal(columns, self._basis.columns)

    def start(
        self, rows: RowParameters, gamma: Array, basis: FixedBasis
    ) -> tuple[RowParameters, Array]:
        """Return thresholds and coefficients to begin with, in the basis of the other columns.

        Parameters
        ----------
        rows : RowParameters
            Thresholds to begin with beside X.
        gamma : ndarray, shape (rank,)
            Coefficients in the basis of X.
        basis : FixedBasis
            Of the other columns.
        """
        beta = self._basis.coefficients(gamma)
        start = rows.start - float(self.means @ beta) * self._all
        return replace(rows, start=start), basis.R @ beta

    def back(self, found: DistributionalEstimates) -> DistributionalEstimates:
        """Return the estimates of the model with the user's covariates."""
        own, rows = found.conditional, self._rows
        first, rank = len(own.theta), len(own.beta)
        shift, middle = float(self.means @ own.beta), slice(first, first + rank)
        assert own.kappa is not None
        inner = own.kappa + shift * self._all
        of_user = rows.back @ self._all
        change = np.eye(len(found.covariance))
        change[first + rank :, middle] = np.outer(of_user, self.means)
        unknown = np.isnan(np.diag(found.covariance))
        known = np.where(np.isnan(found.covariance), 0.0, found.covariance)
        covariance = change @ known @ change.T
        unknown = (np.abs(change) @ unknown) > 0
        covariance[unknown] = covariance[:, unknown] = np.nan
        end = np.concatenate([own.theta, self._basis.R @ own.beta, inner])
        conditional = replace(
            own,
            linear_predictor=own.linear_predictor + shift,
            eta=own.eta + shift,
            fitted=np.asarray(family_object(own.spec).link.inverse(own.eta + shift), dtype=float),
            rows=rows,
            kappa=inner,
            report=replace(own.report, end=end),
        )
        return replace(
            found,
            conditional=conditional,
            kappa=found.kappa + shift * of_user,
            outer=rows.values(inner),
            covariance=covariance,
            rows=rows,
        )
