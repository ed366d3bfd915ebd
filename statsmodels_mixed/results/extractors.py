"""The extractors of a fitted model: its numbers under the names used for mixed models.

Everything is computed on demand from the frozen estimates and the names in `Layout`;
only `condvar` needs the data.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError
from .layout import Dims, Layout
from .varcorr import GroupCovariance, VarCorr

if TYPE_CHECKING:
    from ..design import Design
    from ..estimates import GeneralizedEstimates, LinearEstimates
    from ..optimize import FitReport

__all__ = ["Extractors"]

Array = NDArray[np.float64]


class Extractors:
    """Named views of a fit, for classes that fill in what the first few methods say."""

    estimates: LinearEstimates | GeneralizedEstimates
    layout: Layout
    cov_params: Callable[[], Array]  # statsmodels has it: covariance of the coefficients

    def _design(self) -> Design:
        """Return the design of the fit, unless the data have been removed."""
        raise NotImplementedError

    @property
    def dof(self) -> int:
        """Number of estimated parameters."""
        raise NotImplementedError

    @property
    def _effects_scale(self) -> float:
        """The s in Cov(b_j) = s^2 T T'."""
        raise NotImplementedError

    @property
    def _residual_sd(self) -> float | None:
        """What stands beside the standard deviations of the random effects, if anything."""
        raise NotImplementedError

    def _conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) by block, each (l, k, k)."""
        raise NotImplementedError

    # The fit as a whole.

    @property
    def report(self) -> FitReport:
        """What happened during the fit."""
        return self.estimates.report

    @property
    def converged(self) -> bool:
        """Whether the fit reached a stationary point."""
        return self.estimates.report.converged

    @property
    def objective(self) -> float:
        """What was minimized: -2 log-likelihood, or the REML criterion of a linear model."""
        return self.estimates.objective

    @property
    def dims(self) -> Dims:
        """Sizes (n, p, q, k): rows, rank of X, random effects, grouping factors."""
        blocks = self.layout.blocks
        rank = len(self.estimates.beta)
        return Dims(self.layout.nobs, rank, self.layout.n_random, len(blocks))

    @property
    def n_dropped(self) -> int:
        """Rows of the data left out because of missing values."""
        return self.layout.n_dropped

    @property
    def columns_dropped(self) -> list[str]:
        """Columns of X left out because they depend linearly on others."""
        kept = set(self.estimates.columns.tolist())
        return [name for i, name in enumerate(self.layout.columns) if i not in kept]

    def issingular(self) -> bool:
        """Return whether some covariance matrix of random effects is singular."""
        return self.estimates.singular

    @property
    def fitlog(self) -> pd.DataFrame:
        """All parameters tried and the objective there, in order."""
        report = self.estimates.report
        frame = pd.DataFrame(report.fitlog_theta, columns=self._searched)
        frame["objective"] = report.fitlog_objective
        return frame

    @property
    def _searched(self) -> list[str]:
        """Names of the parameters over which the objective was minimized."""
        return self.theta_names

    # Likelihood and criteria.

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

    # Fixed effects.

    @property
    def coefnames(self) -> list[str]:
        """Names of all columns of X."""
        return list(self.layout.columns)

    @property
    def fixefnames(self) -> list[str]:
        """Names of the estimable columns of X."""
        return [self.layout.columns[i] for i in self.estimates.columns]

    @property
    def coef(self) -> pd.Series:
        """Coefficients of all columns of X, NaN for dropped ones."""
        return pd.Series(self._spread(self.estimates.beta), index=self.coefnames)

    @property
    def fixef(self) -> pd.Series:
        """Coefficients of the estimable columns of X."""
        return pd.Series(self.estimates.beta, index=self.fixefnames)

    @property
    def stderror(self) -> pd.Series:
        """Standard errors of all coefficients, NaN for dropped columns."""
        errors = np.sqrt(np.diag(self.cov_params()))
        return pd.Series(self._spread(errors), index=self.coefnames)

    @property
    def vcov(self) -> pd.DataFrame:
        """Covariance matrix of all coefficients, NaN for dropped columns."""
        names = self.coefnames
        full = np.full((len(names), len(names)), np.nan)
        columns = self.estimates.columns
        full[np.ix_(columns, columns)] = self.cov_params()
        return pd.DataFrame(full, index=names, columns=names)

    def _spread(self, values: Array) -> Array:
        """Put values of the estimable columns in their places among all columns."""
        full = np.full(len(self.layout.columns), np.nan)
        full[self.estimates.columns] = values
        return full

    # Covariance parameters.

    @property
    def theta(self) -> Array:
        """Covariance parameters: free elements of the factors T, column by column."""
        return self.estimates.theta

    @property
    def theta_names(self) -> list[str]:
        """Names of the covariance parameters."""
        return self.layout.theta_names

    @cached_property
    def varcorr(self) -> VarCorr:
        """Variances, standard deviations and correlations of the random effects."""
        scale = self._effects_scale
        groups = tuple(
            GroupCovariance.from_factor(block.name, block.columns, factor, block.pattern, scale)
            for block, factor in zip(self.layout.blocks, self.estimates.factors, strict=True)
        )
        return VarCorr(groups, self._residual_sd)

    @property
    def cov_re(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Covariance matrix of the random effects of one level.

        A frame when there is one grouping factor, as in statsmodels' `MixedLM`; with
        several a dict of frames by grouping factor.
        """
        frames = {block.name: self.varcorr.covariance(block.name) for block in self.layout.blocks}
        return next(iter(frames.values())) if len(frames) == 1 else frames

    # Random effects.

    def ranef(self, uscale: bool = False) -> dict[str, pd.DataFrame]:
        """Return the conditional modes of the random effects.

        Parameters
        ----------
        uscale : bool
            Give them on the spherical scale u; otherwise b = T u, on that of the linear
            predictor (for a linear model that of the response).

        Returns
        -------
        dict of DataFrame
            By grouping factor: one row per level, one column per random effect.
        """
        modes = self.estimates.u if uscale else self.estimates.b
        return {
            block.name: pd.DataFrame(values, index=block.levels, columns=list(block.columns))
            for block, values in zip(self.layout.blocks, modes, strict=True)
        }

    @property
    def random_effects(self) -> dict[object, pd.Series] | dict[str, dict[object, pd.Series]]:
        """Conditional modes as statsmodels' `MixedLM` gives them: a Series by level.

        With several grouping factors, such a dict for each of them. `ranef` gives
        the same numbers as tables.
        """
        nested = {
            name: {level: frame.iloc[i] for i, level in enumerate(frame.index)}
            for name, frame in self.ranef().items()
        }
        return next(iter(nested.values())) if len(nested) == 1 else nested

    def condvar(self) -> dict[str, Array]:
        """Return the conditional covariance matrices of the random effects given the data.

        Returns
        -------
        dict of ndarray, shape (l, k, k)
            By grouping factor, one matrix per level; the parameters are taken as known.
        """
        matrices = self._conditional_variances()
        return {
            block.name: matrix for block, matrix in zip(self.layout.blocks, matrices, strict=True)
        }

    def _require(self, values: Array) -> Array:
        """Return an array of length n unless `remove_data` has dropped it."""
        if len(values) != self.layout.nobs:
            raise DataError("the data of this result were removed; keep them to ask for this")
        return values
