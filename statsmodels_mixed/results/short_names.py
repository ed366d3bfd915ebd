"""The parts of a fit under the names of the literature, as MixedModels.jl has them.

They are the same numbers that statsmodels' names and the extractors give, as plain arrays and
dicts: beta for the coefficients, lambda for the factors T, b = T u for the conditional modes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .._typing import Array
from ..fitting.search.optimize import FitReport
from .base import MixedModelResults

__all__ = ["Deviations", "ShortNames"]


class Deviations(NamedTuple):
    """Standard deviations and correlations of the random effects of one grouping factor.

    Attributes
    ----------
    sigma : dict of str to float
        Standard deviations, by random effect.
    rho : tuple of float
        Correlations: of the second effect with the first, of the third with the first and the
        second, and so on.
    """

    sigma: dict[str, float]
    rho: tuple[float, ...]


class ShortNames(MixedModelResults):
    """Names of one letter, and the Greek ones written out."""

    @property
    def X(self) -> Array:
        """The fixed-effects matrix, shape (n, p)."""
        return self.kept_design().X

    @property
    def y(self) -> Array:
        """The response, shape (n,); for a binomial family proportions."""
        return self.kept_design().y

    @property
    def beta(self) -> Array:
        """Coefficients of the estimable columns of X, shape (rank,)."""
        return self.estimates.beta

    @property
    def betas(self) -> dict[str, float]:
        """Coefficients of all columns of X by name, NaN for dropped ones."""
        return {str(name): float(value) for name, value in self.coef.items()}

    @property
    def corr(self) -> pd.DataFrame:
        """Correlations of the estimated coefficients, NaN for dropped columns."""
        covariance = self.vcov
        errors = np.sqrt(np.diag(covariance))
        return covariance / np.outer(errors, errors)

    @property
    def lambda_(self) -> list[Array]:
        """The factors T of each grouping factor, shape (k, k), lower triangular."""
        return list(self.estimates.factors)

    @property
    def lowerbd(self) -> Array:
        """Lower bounds of theta: 0 on the diagonal of a factor, none below it."""
        bounds = [np.empty(0)]
        for block in self.layout.blocks:
            columns, rows = np.nonzero(block.pattern.T)
            bounds.append(np.where(rows == columns, 0.0, -np.inf))
        return np.concatenate(bounds)

    @property
    def sigmas(self) -> dict[str, dict[str, float]]:
        """Standard deviations of the random effects, by grouping factor and effect."""
        return {name: pair.sigma for name, pair in self.sigmarhos.items()}

    @property
    def sigmarhos(self) -> dict[str, Deviations]:
        """Standard deviations and correlations of the random effects, by grouping factor."""
        found = {}
        for group in self.varcorr.groups:
            deviations = dict(zip(group.columns, map(float, group.std_dev), strict=True))
            below = np.tril_indices(len(group.columns), -1)
            found[group.name] = Deviations(deviations, tuple(map(float, group.correlation[below])))
        return found

    @property
    def b(self) -> list[Array]:
        """Conditional modes of each grouping factor, shape (k, l): a column for each level."""
        return [table.to_numpy().T for table in self.ranef().values()]

    @property
    def u(self) -> list[Array]:
        """Conditional modes on the spherical scale, shape (k, l); b = T u."""
        return [table.to_numpy().T for table in self.ranef(uscale=True).values()]

    @property
    def raneftables(self) -> dict[str, pd.DataFrame]:
        """Conditional modes by grouping factor, the levels in columns of their own."""
        return {name: table.reset_index() for name, table in self.ranef().items()}

    @property
    def optsum(self) -> FitReport:
        """What happened while the objective was minimized, as `report`."""
        return self.report

    @property
    def sdest(self) -> float | None:
        """Residual standard deviation, or the root of the dispersion; None without one."""
        return self._residual_sd

    @property
    def varest(self) -> float | None:
        """Residual variance, or the dispersion; None for a model without one."""
        return None if self._residual_sd is None else self._residual_sd**2
