"""Fits of ordered categories with covariates about zero, those of the user being anywhere.

Thresholds take the place of an intercept, and a covariate far from zero is close to a multiple of
them: years of mean 2010 leave one of three hundred digits between its slope and the thresholds.
x'beta and all thresholds may be shifted alike, so the fit is that of x - m with the thresholds
tau - m'beta, which are as little correlated with the slopes as can be. The same holds of an offset.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ..families.spec import FamilySpec, family_object
from ..fixed_effects.basis import FixedBasis
from ..generalized.approximation import generalized_structure
from .estimates import DistributionalEstimates
from .row_parameters import RowParameters

__all__ = ["Centered"]

# Means of more standard deviations than these are subtracted: at five of them searches with random
# slopes took half as many evaluations again.
FAR = 2.0


class Centered:
    """A model of ordered categories with other covariates, and the way back.

    Parameters
    ----------
    design : Design
    rows : RowParameters
        The thresholds.
    basis : FixedBasis
        Of X.
    means : ndarray, shape (p,)
        What is subtracted from the columns of X.
    level : float
        What is subtracted from the offset.
    """

    def __init__(
        self, design: Design, rows: RowParameters, basis: FixedBasis, means: Array, level: float
    ) -> None:
        self.means, self._basis, self._rows = means[basis.columns], basis, rows
        self.level = level
        offset = None if design.offset is None else design.offset - level
        self.design = replace(design, X=np.ascontiguousarray(design.X - means), offset=offset)
        self.structure = generalized_structure(self.design)
        # What moves all thresholds by one, in the basis of the thresholds.
        upper = rows.X[0]
        assert upper is not None
        some = np.isfinite(upper).all(axis=1)
        self._all = np.linalg.lstsq(upper[some], np.ones(some.sum()), rcond=None)[0]

    @classmethod
    def of(
        cls, design: Design, spec: FamilySpec, rows: RowParameters, basis: FixedBasis
    ) -> Centered | None:
        """Return the model about the means of covariates, and of an offset, far from zero.

        None if there are none, or if other columns were independent then.
        """
        if spec.family != "ordered":
            return None
        means, deviations = design.X.mean(axis=0), design.X.std(axis=0)
        far = (np.abs(means) > FAR * deviations) & (deviations > 0)
        level = 0.0 if design.offset is None else float(np.mean(design.offset))
        if design.offset is None or abs(level) <= FAR * max(1.0, float(np.std(design.offset))):
            level = 0.0
        if not (far[basis.columns].any() or level):
            return None
        found = cls(design, rows, basis, np.where(far, means, 0.0), level)
        same = np.array_equal(found.structure.basis.columns, basis.columns)
        return found if same else None

    def start(self, rows: RowParameters, gamma: Array) -> tuple[RowParameters, Array]:
        """Return thresholds and coefficients to begin with, in the basis of the other columns.

        Parameters
        ----------
        rows : RowParameters
            Thresholds to begin with beside X.
        gamma : ndarray, shape (rank,)
            Coefficients in the basis of X.
        """
        beta = self._basis.coefficients(gamma)
        start = self.inner(rows.start, beta)
        return replace(rows, start=start), self.structure.basis.R @ beta

    @property
    def shifts(self) -> Array:
        """What each slope adds to the user's coefficients of thresholds, shape (., rank)."""
        return np.outer(self._rows.back @ self._all, self.means)

    @property
    def lifts(self) -> Array:
        """What the level of the offset adds to the user's coefficients of thresholds."""
        return self.level * np.asarray(self._rows.back @ self._all)

    def inner(self, kappa: Array, beta: Array) -> Array:
        """Return the inner thresholds beside covariates about zero for those of the user."""
        return np.asarray(kappa - self._shift(beta) * self._all)

    def _shift(self, beta: Array) -> float:
        """Return by how much all thresholds and linear predictors of the user are larger."""
        return self.level + float(self.means @ beta)

    def back(self, found: DistributionalEstimates) -> DistributionalEstimates:
        """Return the estimates of the model with the user's covariates."""
        own, rows = found.conditional, self._rows
        first, rank = len(own.theta), len(own.beta)
        shift, middle = self._shift(own.beta), slice(first, first + rank)
        assert own.kappa is not None
        inner = own.kappa + shift * self._all
        of_user = rows.back @ self._all
        change = np.eye(len(found.on_basis.inverse))
        change[first + rank :, middle] = self.shifts
        known = found.on_basis.combined(change)
        end = np.concatenate([own.theta, self._basis.R @ own.beta, inner])
        with np.errstate(over="ignore"):  # predictors are as far from zero as columns are
            fitted = np.asarray(family_object(own.spec).link.inverse(own.eta + shift), dtype=float)
        conditional = replace(
            own,
            linear_predictor=own.linear_predictor + shift,
            eta=own.eta + shift,
            fitted=fitted,
            rows=rows,
            kappa=inner,
            report=replace(own.report, end=end),
        )
        return replace(
            found,
            conditional=conditional,
            kappa=found.kappa + shift * of_user,
            outer=rows.values(inner),
            on_basis=known,
            rows=rows,
        )
