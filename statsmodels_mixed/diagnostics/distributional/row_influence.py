"""Outlier and influence measures of rows of fits with parameters of rows, by statsmodels' names."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import f as f_distribution

from ..._typing import Array
from ..row_influence import RowInfluence
from .leverage import design_of_means
from .residuals import has_deviance_residuals

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["RowInfluenceOfAllParts", "get_influence"]


class RowInfluenceOfAllParts(RowInfluence):
    """Measures of the rows of a fit, with the coefficients of all of its parts.

    `dfbeta`, `dfbetas` and `cooks_distance` fit the model again without each row; everything else
    needs no refit.

    Parameters
    ----------
    results : DistributionalResults
        The fit, with its data.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> rows = model.fit().get_influence()
    >>> rows.hat_matrix_diag.shape
    (403,)
    """

    @cached_property
    def _rest(self) -> Array:
        return 1.0 - self.hat_matrix_diag

    @cached_property
    def resid_studentized(self) -> Array:
        """Pearson residuals over the root of 1 - h, shape (n,)."""
        return np.asarray(self.resid / np.sqrt(np.where(self._rest > 0, self._rest, np.nan)))

    @cached_property
    def resid_studentized_external(self) -> Array:
        """Williams' likelihood residuals sign(p) sqrt(d^2 + p^2 h / (1 - h)), shape (n,).

        Where there are no deviance residuals, d is the Pearson residual p.
        """
        h, p = self.hat_matrix_diag, self.resid
        d = p
        if has_deviance_residuals(self.results):
            d = np.asarray(self.results.residuals("deviance"))
        with np.errstate(divide="ignore"):
            odds = np.where(h < 1.0, h / (1.0 - h), np.nan)
        return np.asarray(np.sign(p) * np.sqrt(d**2 + p**2 * odds))

    @cached_property
    def cooks_distance(self) -> tuple[Array, Array]:
        """Cook's distances of all coefficients by refits, and their p-values in an F distribution.

        The distribution has as many degrees of freedom as there are coefficients, and `df_resid`.
        """
        values = self._deleted.cooks_distance().to_numpy()
        return values, np.asarray(
            f_distribution.sf(values, len(self.results.params), self.results.df_resid)
        )


def get_influence(self: DistributionalFit) -> RowInfluenceOfAllParts:
    """Return outlier and influence measures of rows, as statsmodels' plots ask for them.

    Returns
    -------
    RowInfluenceOfAllParts

    Raises
    ------
    OptionError
        For ordered categories, which have no leverages.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.influence, DistributionalResults.leverage

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().get_influence()
    <RowInfluence: 403 rows>
    """
    design_of_means(self)
    return RowInfluenceOfAllParts(self)
