"""Intervals of coefficients of all parts, Wald's or by the profile likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from scipy.stats import chi2, norm

from ...errors import OptionError
from ...fitting.distributional_profile import profile_limits

if TYPE_CHECKING:
    from .results import DistributionalResults

__all__ = ["conf_int"]


def conf_int(
    self: DistributionalResults, alpha: float = 0.05, method: str = "wald"
) -> pd.DataFrame:
    """Return intervals of the coefficients of all parts.

    Parameters
    ----------
    alpha : float
        The level is ``1 - alpha``.
    method : {"wald", "profile"}
        By standard errors, or where the likelihood, maximized over all other parameters, has
        fallen by half the quantile of chi-squared.

    Returns
    -------
    DataFrame
        Columns 0 and 1, the ends; of profiles NaN for coefficients that the data do not determine,
        infinite where the likelihood never falls so far.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If profiles need data that were removed.

    See Also
    --------
    DistributionalResults.cov_params, DistributionalResults.bootstrap

    References
    ----------
    Venzon and Moolgavkar (1988), Applied Statistics 37, 87-94.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> fit = model.fit()
    >>> fit.conf_int().round(2).loc["zi: Intercept"].tolist()
    [-4.63, -2.33]
    """
    if not 0 < alpha < 1:
        raise OptionError(f"alpha= is a number between 0 and 1, not {alpha!r}.")
    if method == "profile":
        limits = profile_limits(
            self.model.kept_design(), self.estimates, list(self._order), float(chi2.isf(alpha, 1))
        )
        return pd.DataFrame(limits, index=self._names)
    if method != "wald":
        raise OptionError(f"method= is 'wald' or 'profile', not {method!r}.")
    half = norm.isf(alpha / 2) * self.bse
    return pd.DataFrame({0: self.params - half, 1: self.params + half})
