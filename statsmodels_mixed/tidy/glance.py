"""A fit in one row."""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..results.base import unwrap
from ..results.own_function import own_first

__all__ = ["glance"]


@own_first
def glance(result: Any) -> pd.DataFrame:
    """Return the sizes and criteria of a fit in one row; rows of several fits stack.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.

    Returns
    -------
    DataFrame
        With the columns ``nobs``, ``groups`` (the number of levels; with several grouping
        factors text such as ``"plate 24, sample 6"``), ``sigma`` (NaN for a model without one),
        ``llf``, ``aic``, ``aicc``, ``bic``, ``objective``, ``df_resid``, ``converged`` and
        ``singular``.

    Raises
    ------
    OptionError
        If `result` is not a fitted mixed model.

    See Also
    --------
    LinearMixedModelResults.tidy, LinearMixedModelResults.augment

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.glance().iloc[:, :5].round(2)
       nobs  groups  sigma     llf      aic
    0   180      18  25.59 -875.97  1763.94
    """
    result = unwrap(result, correlated=True)
    levels = {block.name: len(block.levels) for block in result.layout.blocks}
    if result.takes_correlated:
        levels = result._groups
    several = ", ".join(f"{name} {count}" for name, count in levels.items())
    sd = result.sigma if result.takes_correlated else result._residual_sd
    row = {
        "nobs": result.nobs,
        "groups": several if len(levels) > 1 else next(iter(levels.values()), result.nobs),
        "sigma": float("nan") if sd is None else sd,
        "llf": result.llf,
        "aic": result.aic,
        "aicc": result.aicc,
        "bic": result.bic,
        "objective": result.objective,
        "df_resid": result.df_resid,
        "converged": result.converged,
        "singular": result.issingular(),
    }
    return pd.DataFrame([row])
