"""Covariance, p-values and intervals of the coefficients, as statsmodels' results have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit
from statsmodels.base.model import LikelihoodModelResults

from .._typing import Array, Numbers
from ..errors import OptionError
from ..standard_errors.contrast_tests import ContrastTests, FixedContrastTests, two_sided
from ..standard_errors.reference import MODEL_BASED, Reference
from ..standard_errors.undetermined import Undetermined
from .extractors import Extractors
from .linear_hypotheses import coefficient_positions, combinations_of, square_matrix

__all__ = ["CoefficientStatistics"]


class CoefficientStatistics(Extractors, LikelihoodModelResults):  # type: ignore[misc]
    """Statistics of the coefficients, for a class of results that has a `Reference`."""

    undetermined: Undetermined | None
    # What the covariance of the coefficients is unless another is asked for.
    _by_default = "nonrobust"

    @cached_property
    def reference(self) -> Reference:
        """Covariance of the coefficients and the distributions their tests refer to.

        Those of a fit that was asked for no others are made when something needs them.
        """
        known = self.estimates
        tests = FixedContrastTests(
            known.beta, known.cov_conditional, np.inf, on_basis=known.on_basis
        )
        return Reference(self._aware(tests), None, self._by_default, MODEL_BASED)

    @property
    def normalized_cov_params(self) -> Array:
        """Covariance of the coefficients over `scale`, shape (rank, rank)."""
        return np.asarray(self.reference.tests.covariance / self.scale)

    @normalized_cov_params.setter
    def normalized_cov_params(self, value: Any) -> None:
        """Leave it as it is; statsmodels' results begin with none."""

    def _aware(self, tests: ContrastTests) -> ContrastTests:
        """Return tests that know what the data do not determine."""
        return (
            tests if self.undetermined is None else replace(tests, undetermined=self.undetermined)
        )

    def _finite(self, rows: Array) -> NDArray[np.bool_]:
        """Return which combinations of the coefficients have finite estimates, shape (m,)."""
        return np.ones(len(rows), dtype=bool)

    @property
    def _tests(self) -> ContrastTests:
        return self.reference.tests

    def _check_covariance(self) -> None:
        """Raise DataError if elements of the covariance of the coefficients are no doubles."""

    @property
    def cov_type(self) -> str:
        """What the covariance of the coefficients is: model-based, or cluster-robust."""
        return self.reference.cov_type

    @property
    def cov_kwds(self) -> Mapping[str, Any]:
        """The options of `cov_type`: with clusters their labels and the correction."""
        return self.reference.cov_kwds

    @property
    def dof_method(self) -> str | None:
        """Where the degrees of freedom of tests come from; None for normal tests."""
        return self.reference.dof

    @property
    def use_t(self) -> bool:
        """Whether tests are t and F tests: when degrees of freedom were asked for."""
        return self.reference.dof is not None

    @property
    def df_coef(self) -> pd.Series:
        """Degrees of freedom of the t test of each estimable coefficient."""
        return pd.Series(self._coefficient_df, index=self.model.data.param_names)

    @cached_property
    def _coefficient_df(self) -> Array:
        rank = len(self._tests.beta)
        return self._tests.df(np.eye(rank)) if rank else np.empty(0)

    def cov_params(
        self,
        r_matrix: Any = None,
        column: Any = None,
        scale: float | None = None,
        cov_p: Numbers | None = None,
        other: Any = None,
    ) -> Any:
        """Return the covariance of the coefficients, or of combinations of them.

        Parameters
        ----------
        r_matrix, column, scale, cov_p, other
            As in statsmodels: rows of combinations, or positions or names of coefficients, in
            place of all coefficients.

        Returns
        -------
        DataFrame, ndarray or float
            Labelled where rows and columns are coefficients; a number for one of them. NaN where
            a covariance parameter that the data do not determine has a part.

        Raises
        ------
        DataError
            If a variance is beyond the range of doubles.
        OptionError
            If `column` names no coefficient, or combinations or covariances have another shape.

        See Also
        --------
        LinearMixedModelResults.vcov

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.cov_params().round(3)
                   Intercept   days
        Intercept     43.987 -1.370
        days          -1.370  2.257
        """
        self._check_covariance()
        names = self.fixefnames
        if column is not None and (r_matrix is not None or other is not None):
            raise OptionError("column= goes with no combinations in r_matrix= or other=.")
        if other is not None and r_matrix is None:
            raise OptionError("other= are combinations beside those of r_matrix=; give that too.")
        if r_matrix is not None:
            shape = np.shape(r_matrix)
            r_matrix = combinations_of(r_matrix, names, "r_matrix=").reshape(shape)
        if other is not None:
            other = combinations_of(other, names, "other=")
        if cov_p is not None:
            cov_p = square_matrix(cov_p, names, "cov_p=")
        column = coefficient_positions(column, names)
        covariance = LikelihoodModelResults.cov_params(self, r_matrix, column, scale, cov_p, other)
        if r_matrix is not None and scale is None and cov_p is None:
            rows = np.asarray(r_matrix, dtype=float)
            others = None if other is None else np.atleast_2d(np.asarray(other, dtype=float))
            found = self._tests.covariance_of(np.atleast_2d(rows), others)
            covariance = found.reshape(np.shape(covariance))
        if (self.undetermined is None and self._tests.model_based is None) or cov_p is not None:
            return covariance
        identity = np.eye(len(self._tests.beta))
        rows = identity[np.atleast_1d(column)] if column is not None else identity
        rows = rows if r_matrix is None else np.atleast_2d(np.asarray(r_matrix, dtype=float))
        others = rows if other is None else np.atleast_2d(np.asarray(other, dtype=float))
        lost = np.isnan(self._tests.covariance_of(rows, others))
        if self.undetermined is not None:
            lost |= self.undetermined.covariances(rows, others)
            lost |= np.outer(self.undetermined.estimates(rows), np.ones(len(others), dtype=bool))
            lost |= self.undetermined.estimates(others)
        shape = np.shape(covariance)
        return np.where(lost, np.nan, np.reshape(covariance, lost.shape)).reshape(shape)

    @property
    def pvalues(self) -> Array:
        """Two-sided p-values of the hypotheses that coefficients are zero, shape (rank,)."""
        return two_sided(self.tvalues, self._coefficient_df)

    def conf_int(self, alpha: float = 0.05, method: str = "wald") -> Array:
        """Return confidence intervals of the coefficients.

        Parameters
        ----------
        alpha : float
            Intervals have level 1 - alpha.
        method : {"wald", "profile"}
            Estimate plus and minus a multiple of the standard error, with the quantile of
            Student's t when degrees of freedom were asked for; or those values that a
            likelihood-ratio test does not reject (see `profile`).

        Returns
        -------
        ndarray, shape (rank, 2)

        Raises
        ------
        OptionError
            If the method or alpha is not possible.

        See Also
        --------
        LinearMixedModelResults.profile, LinearMixedModelResults.bootstrap

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.conf_int().round(2)
                        0       1
        Intercept  238.41  264.40
        days         7.52   13.41
        >>> fit.conf_int(method="profile").round(2)
                        0       1
        Intercept  237.68  265.13
        days         7.36   13.58
        """
        if not isinstance(alpha, float | np.number) or not 0 < alpha < 1:
            raise OptionError(f"alpha must be between 0 and 1, not {alpha!r}.")
        if method == "profile":
            return self._profile_intervals(alpha)
        if method != "wald":
            raise OptionError(f"method must be wald or profile, not {method!r}.")
        half = stdtrit(self._coefficient_df, 1 - alpha / 2) * self.bse
        return np.column_stack([self.params - half, self.params + half])

    def _profile_intervals(self, alpha: float) -> Array:
        """Return the intervals of likelihood-ratio tests, shape (rank, 2)."""
        raise NotImplementedError

    def coeftable(self, level: float | None = None) -> pd.DataFrame:
        """Return the coefficients with standard errors, tests that they are zero and p-values.

        Parameters
        ----------
        level : float, optional
            Give confidence intervals of this level too, such as 0.95.

        Returns
        -------
        DataFrame
            A row for each column of X, NaN for dropped ones: ``Coef.``, ``Std. Error``, then
            ``z`` and ``Pr(>|z|)``, or ``df``, ``t`` and ``Pr(>|t|)`` when degrees of freedom
            were asked for; with a level ``Lower 95%`` and ``Upper 95%``.

        Raises
        ------
        OptionError
            If the level is not between 0 and 1.

        See Also
        --------
        LinearMixedModelResults.summary

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.coeftable().iloc[:, :3].round(2)
                    Coef.  Std. Error      z
        Intercept  251.41        6.63  37.91
        days        10.47        1.50   6.97
        """
        columns = coefficient_columns(self, level, self._coefficient_df if self.use_t else None)
        spread = {label: self._spread(values) for label, values in columns.items()}
        return pd.DataFrame(spread, index=self.coefnames)


def coefficient_columns(fit: Any, level: float | None, df: Array | None = None) -> dict[str, Any]:
    """Return the columns of a table of coefficients.

    Parameters
    ----------
    fit : results with `params`, `bse`, `tvalues`, `pvalues` and `conf_int`
    level : float or None
        Of confidence intervals; None for a table without them.
    df : ndarray, optional
        Degrees of freedom, where statistics are Student's t.

    Raises
    ------
    OptionError
        If the level is not between 0 and 1.
    """
    statistic = "z" if df is None else "t"
    columns = {
        "Coef.": fit.params,
        "Std. Error": fit.bse,
        **({} if df is None else {"df": df}),
        statistic: fit.tvalues,
        f"Pr(>|{statistic}|)": fit.pvalues,
    }
    if level is not None:
        if not 0 < level < 1:
            raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
        limits = np.asarray(fit.conf_int(1 - level))
        columns |= {f"Lower {100 * level:g}%": limits[:, 0]}
        columns |= {f"Upper {100 * level:g}%": limits[:, 1]}
    return columns
