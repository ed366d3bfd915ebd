"""Sizes and criteria of a fit with parameters of rows in one row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["glance"]


def glance(self: DistributionalFit) -> pd.DataFrame:
    """Return the sizes and criteria of the fit in one row.

    Returns
    -------
    DataFrame
        With the columns ``nobs``, ``groups``, ``dispersion`` (NaN where rows have their own),
        ``llf``, ``aic``, ``aicc``, ``bic``, ``objective``, ``npar``, ``df_resid``, ``converged``
        and ``singular``.

    See Also
    --------
    DistributionalResults.tidy

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().glance()[["nobs", "groups", "npar"]]
       nobs  groups  npar
    0   403     118     3
    """
    levels = {block.name: len(block.levels) for block in self.model.layout.blocks}
    several = ", ".join(f"{name} {count}" for name, count in levels.items())
    one = isinstance(self.dispersion, float) and self._spec.has_dispersion
    row = {
        "nobs": self.nobs,
        "groups": several if len(levels) > 1 else next(iter(levels.values())),
        "dispersion": self.dispersion if one else np.nan,
        "llf": self.llf,
        "aic": self.aic,
        "aicc": self.aicc,
        "bic": self.bic,
        "objective": -2.0 * self.llf,
        "npar": self.dof,
        "df_resid": self.df_resid,
        "converged": self.converged,
        "singular": self.estimates.conditional.singular,
    }
    return pd.DataFrame([row])
