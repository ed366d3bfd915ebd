"""The likelihood of a fit and what is made of it: criteria of information."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ..errors import OptionError
from ..options import ChecksOptions
from .layout import Layout

if TYPE_CHECKING:
    from ..fitting.estimates import Estimates

__all__ = ["Criteria"]


class Criteria(ChecksOptions):
    """Likelihood, degrees of freedom and criteria, for classes that hold estimates."""

    estimates: Estimates
    layout: Layout

    @property
    def dof(self) -> int:
        """Number of estimated parameters."""
        raise NotImplementedError

    @property
    def llf(self) -> float:
        """Log-likelihood; the restricted one after a fit by REML."""
        return -self.estimates.objective / 2

    @property
    def nobs(self) -> int:
        """Number of rows used."""
        return self.layout.nobs

    @property
    def df_modelwc(self) -> int:
        """Number of estimated parameters, as `dof`."""
        return self.dof

    @property
    def df_resid(self) -> int:
        """Rows minus estimated parameters."""
        return self.layout.nobs - self.dof

    @property
    def aic(self) -> float:
        """Akaike's criterion, -2 llf + 2 dof."""
        return self.estimates.objective + 2 * self.dof

    @property
    def aicc(self) -> float:
        """Akaike's criterion with the correction for small samples."""
        k, room = self.dof, self.layout.nobs - self.dof - 1
        return self.aic + 2 * k * (k + 1) / room if room > 0 else math.inf

    @property
    def bic(self) -> float:
        """Schwarz' criterion, -2 llf + dof log(nobs)."""
        return self.estimates.objective + self.dof * math.log(self.layout.nobs)

    @property
    def hqic(self) -> float:
        """Hannan and Quinn's criterion, -2 llf + 2 dof log(log(nobs))."""
        return self.estimates.objective + 2 * self.dof * math.log(math.log(self.layout.nobs))

    def info_criteria(self, crit: str) -> float:
        """Return an information criterion by its name.

        Parameters
        ----------
        crit : {"aic", "aicc", "bic", "hqic"}

        Returns
        -------
        float

        Raises
        ------
        OptionError
            For another name.

        See Also
        --------
        LinearMixedModelResults.summary

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> round(fit.info_criteria("bic"), 3)
        1783.097
        """
        known = {"aic": self.aic, "aicc": self.aicc, "bic": self.bic, "hqic": self.hqic}
        if str(crit).lower() not in known:
            raise OptionError(f"crit={crit!r} is no criterion; choose from {', '.join(known)}.")
        return known[crit.lower()]
