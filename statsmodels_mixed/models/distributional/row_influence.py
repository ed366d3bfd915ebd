"""Outlier and influence measures of rows of fits with parameters of rows, by statsmodels' names."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from ..._typing import Array
from ...diagnostics.row_influence import RowInfluence
from ...results.row_labels import row_labels
from .residuals import has_deviance_residuals

if TYPE_CHECKING:
    from .results import DistributionalResults

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
    def resid_studentized(self) -> Array:
        """Pearson residuals over the root of 1 - h, shape (n,)."""
        rest = 1.0 - self.hat_matrix_diag
        return np.asarray(self.resid / np.sqrt(np.where(rest > 0, rest, np.nan)))

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

    @cached_property
    def dffits(self) -> tuple[Array, float]:
        """Changes of the fitted value by its standard error, and a usual bound of them."""
        h = self.hat_matrix_diag
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.asarray(self.resid_studentized_external * np.sqrt(h / (1.0 - h)))
        rank = len(self.results.estimates.conditional.beta)
        return values, float(2.0 * np.sqrt(rank / self.results.nobs))

    @cached_property
    def _deleted(self) -> Any:
        return self.results.influence()

    def summary_frame(self) -> pd.DataFrame:
        """Return a row for each row of the fit, with the columns of `OLSInfluence`.

        Returns
        -------
        DataFrame, shape (n, p + 5)
            With ``dfb_`` before the name of each coefficient of each part.

        See Also
        --------
        RowInfluence.summary_frame

        Examples
        --------
        >>> ticks = datasets.load("grouseticks").head(60)
        >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
        >>> list(model.fit().get_influence().summary_frame())[:3]
        ['dfb_Intercept', 'dfb_zi: Intercept', 'cooks_d']
        """
        table = self._deleted.dfbetas().add_prefix("dfb_")
        table.index = row_labels(self.results._mean_part)
        return table.assign(
            cooks_d=self.cooks_distance[0],
            standard_resid=self.resid_studentized,
            hat_diag=self.hat_matrix_diag,
            dffits=self.dffits[0],
            student_resid=self.resid_studentized_external,
        )


def get_influence(self: DistributionalResults) -> RowInfluenceOfAllParts:
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
    self.leverage()  # refused where there are none
    return RowInfluenceOfAllParts(self)
