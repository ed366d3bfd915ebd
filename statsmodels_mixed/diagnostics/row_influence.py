"""Outlier and influence measures of rows under the names of statsmodels' `OLSInfluence`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution

from .._typing import Array
from ..fitting.problem import problem_of
from ..options import ChecksOptions
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import row_labels
from .cooks_distance import cooks_distance
from .influence import Influence, influence
from .leverage import leverage, leverage_and_rest
from .residuals import raw_residuals, residuals

__all__ = ["RowInfluence", "get_influence"]


@dataclass(frozen=True, eq=False)
class RowInfluence(ChecksOptions):
    """Measures of the rows of a fit, as statsmodels' `OLSInfluence` names them.

    Leverages and residuals are those with the random effects at their conditional modes, so
    that leverages add up to more than the number of coefficients. `dfbeta` and `dfbetas` fit
    the model again without each row; everything else needs no refit and keeps the covariance
    parameters, of correlated residuals but for the scale of V.

    Parameters
    ----------
    results : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> rows = fit.get_influence()
    >>> round(float(rows.hat_matrix_diag.max()), 3), int(rows.cooks_distance[0].argmax())
    (0.107, 56)
    """

    results: Any

    def __repr__(self) -> str:
        return f"<RowInfluence: {self.results.nobs} rows>"

    @cached_property
    def hat_matrix_diag(self) -> Array:
        """Leverages, shape (n,)."""
        return np.asarray(leverage(self.results))

    @cached_property
    def _rest(self) -> Array:
        """What leverages leave of 1, shape (n,)."""
        return leverage_and_rest(self.results)[1]

    @cached_property
    def resid(self) -> Array:
        """Pearson residuals, shape (n,)."""
        if self._correlated is not None:
            return np.asarray(self.results.residuals("pearson"))
        return raw_residuals(self.results, "pearson")

    @cached_property
    def resid_studentized(self) -> Array:
        """Pearson residuals over their standard deviations, shape (n,)."""
        return np.asarray(self.results.residuals("pearson", standardized=True))

    @property
    def resid_studentized_internal(self) -> Array:
        """The same as `resid_studentized`."""
        return self.resid_studentized

    @cached_property
    def resid_studentized_external(self) -> Array:
        """Residuals over their standard deviations as estimated without the row, shape (n,).

        For a linear model exact given theta: without the row the penalized sum of squares is
        smaller by r^2 / (1 - h). For a generalized one Williams' likelihood residuals, as R's
        `rstudent`. With correlated residuals the differences of rows from their predictions by
        all other rows, over their standard deviations (Haslett and Hayes 1998).
        """
        if not self.results.estimates.linear:
            return np.asarray(residuals(self.results, "likelihood", scaled=True))
        return np.asarray(self._of_deletion * self._scale_without)

    @cached_property
    def _correlated(self) -> Any:
        """The fit solved again where residuals are correlated, else None."""
        if not getattr(self.results, "takes_correlated", False):  # fits of several parts have none
            return None
        return problem_of(self.results.kept_design(), self.results.estimates)

    @cached_property
    def _of_deletion(self) -> Array:
        """Of a linear model the standardized residuals that rows have when left out, shape (n,)."""
        correlated = self._correlated
        if correlated is None:
            return self.resid_studentized
        return np.asarray(correlated.deletion_residuals())

    @cached_property
    def _scale_without(self) -> Array:
        """Of a linear model sigma over that without each row, given theta, shape (n,)."""
        estimates, inside = self.results.estimates, self._of_deletion
        # The scale of V is among the parameters of correlated residuals.
        if not estimates.scale_estimated and self._correlated is None:
            return np.ones_like(inside)
        count = self.results.nobs - (len(estimates.beta) if estimates.reml else 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt((count - 1.0) / (count - inside**2)))

    @cached_property
    def cooks_distance(self) -> tuple[Array, Array]:
        """Cook's distances, and their p-values in an F distribution, as statsmodels has them."""
        values = cooks_distance(self.results).to_numpy()
        rank = len(self.results.estimates.beta)
        return values, np.asarray(f_distribution.sf(values, rank, self.results.df_resid))

    @property
    def dffits(self) -> tuple[Array, float]:
        """Changes of the fitted value by its standard error, and a usual bound of them.

        With correlated residuals of the coefficients by their covariance, which is the same
        where residuals are independent.
        """
        rank = len(self.results.beta)
        if self._correlated is not None:
            sizes = np.sqrt(self._correlated.deletion_distances()) * self._scale_without
            values = np.copysign(sizes, self._of_deletion)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                odds = self.hat_matrix_diag / self._rest
                values = np.asarray(self.resid_studentized_external * np.sqrt(odds))
        return values, float(2.0 * np.sqrt(rank / self.results.nobs))

    @cached_property
    def _deleted(self) -> Influence:
        return influence(self.results)

    @property
    def dfbeta(self) -> Array:
        """Coefficients less those without each row, shape (n, p): the model is refitted."""
        return np.asarray(self._deleted.dfbeta())

    @property
    def dfbetas(self) -> Array:
        """`dfbeta` over the standard errors without each row, shape (n, p)."""
        return np.asarray(self._deleted.dfbetas())

    def summary_frame(self) -> pd.DataFrame:
        """Return a row for each row of the fit, with the columns of `OLSInfluence`.

        Returns
        -------
        DataFrame, shape (n, p + 5)

        See Also
        --------
        Influence.summary_frame

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> list(fit.get_influence().summary_frame())[:4]
        ['dfb_Intercept', 'dfb_days', 'cooks_d', 'standard_resid']
        """
        table = self._deleted.dfbetas().add_prefix("dfb_")
        table.index = row_labels(self.results)
        return table.assign(
            cooks_d=self.cooks_distance[0],
            standard_resid=self.resid_studentized,
            hat_diag=self.hat_matrix_diag,
            dffits=self.dffits[0],
            student_resid=self.resid_studentized_external,
        )


@own_first
def get_influence(result: Any) -> RowInfluence:
    """Return outlier and influence measures of rows, as statsmodels' plots ask for them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Returns
    -------
    RowInfluence

    Raises
    ------
    DataError
        If the data of the fit were removed.

    See Also
    --------
    influence, leverage, cooks_distance

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.get_influence()
    <RowInfluence: 180 rows>
    """
    result = unwrap(result, correlated=True)
    result.kept_design()
    return RowInfluence(result)
