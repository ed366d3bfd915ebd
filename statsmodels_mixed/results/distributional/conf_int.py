"""Intervals of coefficients of all parts, Wald's or by the profile likelihood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from scipy.stats import norm

from ...errors import OptionError

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = ["conf_int"]


def conf_int(self: DistributionalFit, alpha: float = 0.05, method: str = "wald") -> pd.DataFrame:
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
        infinite where the likelihood never falls so far, as on one side of a probability of zeros
        that was estimated as none.

    Raises
    ------
    OptionError
        If an option is not possible.
    DataError
        If profiles need data that were removed, or the fit has not converged.

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
        limits = self._profile_of_coefficients(alpha).reindex(self._names)
        return limits.set_axis([0, 1], axis=1).rename_axis(index=None)
    if method != "wald":
        raise OptionError(f"method= is 'wald' or 'profile', not {method!r}.")
    half = norm.isf(alpha / 2) * self.bse
    return pd.DataFrame({0: self.params - half, 1: self.params + half})
