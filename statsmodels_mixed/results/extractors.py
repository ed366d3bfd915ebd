"""The extractors of a fitted model: its numbers under the names used for mixed models.

Everything is computed on demand from the frozen estimates and the names in `Layout`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError
from ..standard_errors.undetermined import Undetermined
from .conditional_modes import ConditionalModes
from .criteria import Criteria
from .group_covariance import GroupCovariance
from .layout import BlockLayout, Dims, Layout
from .varcorr import VarCorr

if TYPE_CHECKING:
    from ..fitting.estimates import Estimates
    from ..fitting.search.optimize import FitReport
    from ..frame.design import Design

__all__ = ["Extractors"]


class Extractors(Criteria, ConditionalModes):
    """Named views of a fit, for classes that fill in what the first few methods say."""

    estimates: Estimates
    layout: Layout
    undetermined: Undetermined | None
    cov_params: Callable[[], Array]  # statsmodels has it: covariance of the coefficients

    def kept_design(self) -> Design:
        """Return the design of the fit, unless the data have been removed."""
        raise NotImplementedError

    @property
    def dof(self) -> int:
        """Number of estimated parameters: coefficients, theta, and sigma or the dispersion.

        A sigma that was given does not count.
        """
        estimates = self.estimates
        return len(estimates.beta) + estimates.n_covariance + estimates.scale_estimated

    @property
    def dof_identified(self) -> int:
        """Number of parameters that the data determine, which likelihood-ratio tests count.

        It is `dof` less the dimension of what is not `identified`.
        """
        return self.dof - self.estimates.identification.dimension

    @property
    def _residual_sd(self) -> float | None:
        """Residual standard deviation, if the model has one."""
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
        if len(self.estimates.columns) == len(self.layout.columns):
            return []
        kept = set(self.estimates.columns.tolist())
        return [name for i, name in enumerate(self.layout.columns) if i not in kept]

    def issingular(self) -> bool:
        """Return whether some covariance matrix of random effects is singular.

        Returns
        -------
        bool

        See Also
        --------
        LinearMixedModelResults.re_pca

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.issingular()
        False
        """
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
        """Variances, standard deviations and correlations of the random effects.

        Of parameters that the data do not determine (see `identified`) these are the values at
        which the fit ended; others have the same likelihood.
        """
        scale = self.estimates.effects_scale
        groups = [
            _covariance_of(block, factor, scale)
            for block, factor in zip(self.layout.blocks, self.estimates.factors, strict=True)
        ]
        fit = self.estimates.structured
        if fit is None:
            return VarCorr(tuple(groups), self._residual_sd)
        for part in fit.parts:
            if part.alike and self.layout.blocks[part.block].members is None:
                own = groups[part.block]
                alike = (*own.alike, (part.start, part.stop))
                groups[part.block] = replace(own, alike=alike)
        rows = [(part.group, part.structure, name) for part in fit.parts for name in part.names]
        members = {block.name for block in self.layout.blocks if block.members is not None}
        structures = tuple(
            (*row, float(v))
            for row, v in zip(rows, fit.values, strict=True)
            if row[0] not in members
        )
        return VarCorr(tuple(groups), self._residual_sd, structures)

    @property
    def covariance_structures(self) -> pd.DataFrame:
        """Parameters of the covariance structures of the random effects, on their natural scale.

        One row for each: the grouping factor, the structure, the parameter, the estimate. Empty
        if no term of the model has a structure of its own.
        """
        return self.varcorr.structures_frame()

    def _elements_known(self, block: int) -> NDArray[np.bool_]:
        """Return which covariances of a block the data determine, shape (k, k)."""
        k = len(self.layout.blocks[block].columns)
        known = np.ones((k, k), dtype=bool)
        for element, is_known in self.estimates.identification.elements_known.items():
            if element.block == block:
                for place in element.places:
                    known[place] = is_known
        return known

    def _parameters_known(self) -> NDArray[np.bool_]:
        """Return which theta, and last sigma, depend on what the data determine alone."""
        sigma = self.estimates.identification.sigma_known
        known = []
        for i, block in enumerate(self.layout.blocks):
            elements = self._elements_known(i)
            for column in range(len(block.columns)):
                before = list(range(column + 1))  # what a Cholesky factor is made of so far
                for row in np.flatnonzero(block.pattern[:, column]).tolist():
                    part = elements[np.ix_([*before, row], before)]
                    known.append(bool(sigma and part.all()))
        return np.array([*known, sigma])

    @property
    def identified(self) -> pd.Series:
        """Whether the data determine each covariance parameter, for any response.

        Indexed by kind and name: ``("sd", "subj.days")``, ``("corr", "subj.days.Intercept")``
        and, for models with a residual variance, ``("sigma", "sigma")``. Parameters that are
        not identified have in `varcorr` the values at which the fit ended, and do not count in
        tests (`dof_identified`); `report` says in words what they are confounded with.
        """
        values: dict[tuple[str, str], bool] = {}
        for i, block in enumerate(self.layout.blocks):
            known, names = self._elements_known(i), block.columns
            shared = block.pattern.astype(np.intp) @ block.pattern.T.astype(np.intp)
            for r, name in enumerate(names):
                values["sd", f"{block.name}.{name}"] = bool(known[r, r])
            for s in range(len(names)):
                for r in range(s + 1, len(names)):
                    if shared[r, s]:
                        both = bool(known[r, s] and known[r, r] and known[s, s])
                        values["corr", f"{block.name}.{names[r]}.{names[s]}"] = both
        if self._residual_sd is not None:
            values["sigma", "sigma"] = self.estimates.identification.sigma_known
        index = pd.MultiIndex.from_tuples(list(values), names=["kind", "name"])
        return pd.Series(list(values.values()), index=index, name="identified")

    @property
    def cov_re(self) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """Covariance matrix of the random effects of one level.

        A frame when there is one grouping factor, as in statsmodels' `MixedLM`; with
        several a dict of frames by grouping factor.
        """
        frames = {block.name: self.varcorr.covariance(block.name) for block in self.layout.blocks}
        return next(iter(frames.values())) if len(frames) == 1 else frames

    _without_rows: str

    def _require(self, values: Array) -> Array:
        """Return an array of length n unless `remove_data` has dropped it."""
        if len(values) != self.layout.nobs:
            raise DataError(self._without_rows)
        return values


def _covariance_of(block: BlockLayout, factor: Array, scale: float) -> GroupCovariance:
    columns, pattern = block.columns, block.pattern
    if block.members is not None:  # all alike
        columns, factor, pattern = ("Intercept",), factor[:1, :1], pattern[:1, :1]
    return GroupCovariance.from_factor(block.name, columns, factor, pattern, scale)
