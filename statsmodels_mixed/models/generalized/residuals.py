"""Residuals of a generalized fit, as the results of statsmodels' `GLM` name them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._typing import Array
from ...fitting.families.deviance import deviance_residuals
from ...options import ChecksOptions

if TYPE_CHECKING:
    from ...frame.design import Design

__all__ = ["Residuals"]


class Residuals(ChecksOptions):
    """The residuals of a class that has `family`, `fittedvalues`, `resid` and `kept_design`.

    All are given the random effects at their conditional modes.
    """

    family: Any
    fittedvalues: Array
    resid: Array
    estimates: Any
    kept_design: Callable[[], Design]

    @property
    def resid_response(self) -> Array:
        """Response minus fitted mean, shape (n,); for a binomial family of proportions."""
        return self.resid

    @property
    def resid_pearson(self) -> Array:
        """Residuals over the standard deviation of the family, shape (n,).

        The dispersion is left out, as statsmodels does it, of families that statsmodels has.
        """
        spec = self.estimates.spec
        if spec.own and spec.support == "trials":  # n has a part beside that of a weight
            return np.asarray(self.resid / self.family.spread(self.fittedvalues, self._weights))
        spread = np.sqrt(self.family.variance(self.fittedvalues))
        return np.asarray(np.sqrt(self._weights) * self.resid / spread)

    @property
    def resid_deviance(self) -> Array:
        """Signed square roots of the contributions to the deviance given b, shape (n,)."""
        y, mu = self.kept_design().y, self.fittedvalues
        spec, dispersion = self.estimates.spec, self.estimates.dispersion
        return deviance_residuals(spec, y, mu, dispersion, self._weights)

    @property
    def _weights(self) -> Array | float:
        weights = self.kept_design().weights
        return 1.0 if weights is None else weights
