"""Tests and intervals of the coefficients, as statsmodels' results have them.

Statsmodels refers every contrast of a fit to the same distribution. Here each contrast has
degrees of freedom of its own, when they were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit
from statsmodels.base.model import LikelihoodModelResults
from statsmodels.stats.contrast import ContrastResults

from ..errors import OptionError
from ..standard_errors.contrast_tests import ContrastTests, FixedContrastTests, FTest, two_sided
from ..standard_errors.reference import Reference
from ..standard_errors.undetermined import Undetermined
from .extractors import Extractors
from .linear_hypotheses import coefficient_positions, known_only, read_hypotheses
from .notes import warn_no_distribution, warn_not_estimable
from .term_tests import wald_test_terms

if TYPE_CHECKING:
    from statsmodels.stats.contrast import WaldTestResults

__all__ = ["Testing"]

Array = NDArray[np.float64]


class Testing(Extractors, LikelihoodModelResults):  # type: ignore[misc]
    """Tests of the coefficients, for a class of results that has a `Reference`."""

    reference: Reference
    undetermined: Undetermined | None

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
        cov_p: ArrayLike | None = None,
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
            If `column` names no coefficient.

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
        column = coefficient_positions(column, self.fixefnames)
        covariance = LikelihoodModelResults.cov_params(self, r_matrix, column, scale, cov_p, other)
        if self.undetermined is None or cov_p is not None:
            return covariance
        identity = np.eye(len(self._tests.beta))
        rows = identity[np.atleast_1d(column)] if column is not None else identity
        rows = rows if r_matrix is None else np.atleast_2d(np.asarray(r_matrix, dtype=float))
        others = rows if other is None else np.atleast_2d(np.asarray(other, dtype=float))
        changes = self.undetermined.covariances(rows, others)
        changes |= np.outer(self.undetermined.estimates(rows), np.ones(len(others), dtype=bool))
        changes |= self.undetermined.estimates(others)
        shape = np.shape(covariance)
        return np.where(changes, np.nan, np.reshape(covariance, changes.shape)).reshape(shape)

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
        statistic = "t" if self.use_t else "z"
        columns = {
            "Coef.": self.params,
            "Std. Error": self.bse,
            **({"df": self._coefficient_df} if self.use_t else {}),
            statistic: self.tvalues,
            f"Pr(>|{statistic}|)": self.pvalues,
        }
        if level is not None:
            if not 0 < level < 1:
                raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
            limits = np.asarray(self.conf_int(1 - level))
            columns |= {f"Lower {100 * level:g}%": limits[:, 0]}
            columns |= {f"Upper {100 * level:g}%": limits[:, 1]}
        spread = {label: self._spread(values) for label, values in columns.items()}
        return pd.DataFrame(spread, index=self.coefnames)

    def t_test(
        self, r_matrix: Any, cov_p: ArrayLike | None = None, use_t: bool | None = None
    ) -> ContrastResults:
        """Test each of several linear hypotheses on the coefficients.

        Parameters
        ----------
        r_matrix : array_like, str or tuple
            A row for each hypothesis over the estimable coefficients, or text such as
            ``"days = 10"``.
        cov_p : array_like, shape (rank, rank), optional
            Covariance of the coefficients to use in place of that of the fit. Degrees of
            freedom are then `df_resid`.
        use_t : bool, optional
            Student's t rather than the normal distribution; by default when degrees of
            freedom were asked for in the fit.

        Returns
        -------
        ContrastResults
            With `statistic`, `pvalue`, `conf_int()`, `summary_frame()`; `df_denom` has the
            degrees of freedom of each hypothesis.

        Raises
        ------
        OptionError
            If the hypotheses cannot be read.

        See Also
        --------
        LinearMixedModelResults.wald_test

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.t_test("days = 10").effect.round(3), fit.t_test("days = 10").pvalue.round(3)
        (array([10.467]), np.float64(0.756))
        """
        rows, values, known = self._constraints(r_matrix)
        plain = super().t_test((rows, values), cov_p=cov_p, use_t=use_t)
        effect, statistic, error = (
            known_only(known, part) for part in (plain.effect, plain.statistic, plain.sd)
        )
        if plain.distribution != "t":
            return ContrastResults(
                effect=effect, statistic=statistic, sd=error, distribution="norm"
            )
        df = plain.df_denom
        if cov_p is None and self.dof_method is not None:
            df = self._tests.df(rows).reshape(np.shape(plain.tvalue))
        return ContrastResults(effect=effect, t=statistic, sd=error, df_denom=df)

    def wald_test(
        self,
        r_matrix: Any,
        cov_p: ArrayLike | None = None,
        invcov: ArrayLike | None = None,
        use_f: bool | None = None,
        df_constraints: int | None = None,
        scalar: bool = True,
    ) -> ContrastResults:
        """Test several linear hypotheses on the coefficients together.

        Parameters
        ----------
        r_matrix : array_like, str or tuple
            As for `t_test`.
        cov_p, invcov : array_like, optional
            Covariance of the coefficients, or inverse covariance of the contrasts, to use in
            place of those of the fit. Degrees of freedom are then `df_resid`.
        use_f : bool, optional
            F rather than chi-squared; by default when degrees of freedom were asked for in
            the fit.
        df_constraints : int, optional
            Number of constraints, if not the rank of their covariance.
        scalar : bool
            Return the statistic as a float and not an array.

        Returns
        -------
        ContrastResults
            With `statistic`, `pvalue`, `df_num` and `df_denom`.

        Raises
        ------
        OptionError
            If the hypotheses cannot be read, or contradict one another.

        See Also
        --------
        LinearMixedModelResults.t_test, LinearMixedModelResults.wald_test_terms

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> test = fit.wald_test("days = 10, Intercept = 250")
        >>> round(test.statistic, 3), round(float(test.pvalue), 3)
        (0.163, 0.922)
        """
        rows, values, known = self._constraints(r_matrix)
        use_f = self.use_t if use_f is None else use_f
        if cov_p is not None or invcov is not None or df_constraints is not None:
            return super().wald_test(
                (rows, values),
                cov_p=cov_p,
                invcov=invcov,
                use_f=use_f,
                df_constraints=df_constraints,
                scalar=scalar,
            )
        tests = self._tests
        if use_f and self.dof_method is None:
            plain = FixedContrastTests(tests.beta, tests.covariance, float(self.df_resid))
            tests = self._aware(plain)
        test = FTest(np.nan, len(rows), np.nan, np.nan, np.nan, np.nan)
        if known.all():
            test = tests.f_test(rows, values)
            if use_f and self.dof_method == "kenward-roger":
                warn_no_distribution(["the hypotheses"], [test])
        value = test.statistic if use_f else test.wald
        statistic: Any = value if scalar else np.array([[value]])
        if use_f:
            return ContrastResults(F=statistic, df_denom=test.df_denom, df_num=test.df_num)
        return ContrastResults(
            statistic=statistic, df_denom=test.df_num, distribution="chi2", distargs=(test.df_num,)
        )

    def _constraints(self, r_matrix: Any) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Read linear hypotheses.

        Returns
        -------
        rows : ndarray, shape (m, rank)
        values : ndarray, shape (m,)
        known : ndarray of bool, shape (m,)
            False for combinations of the coefficients of all columns of X that are not
            estimable, of which the user is warned.
        """
        self._check_covariance()
        names = self.model.data.cov_names
        if not names:
            raise OptionError("there is nothing to test: the model has no coefficients.")
        advice = f"give text about {', '.join(names)}, or rows of {len(names)} numbers"
        try:
            rows, values = read_hypotheses(r_matrix, [names, self.coefnames])
        except Exception as error:  # what patsy and formulaic raise has no class in common
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise OptionError(f"the hypotheses cannot be read ({reason}): {advice}.") from error
        kept, known = self._of_estimable(rows)
        if not len(rows) or kept.shape[1] != len(names) or not np.isfinite(rows).all():
            raise OptionError(f"the hypotheses make a matrix of shape {rows.shape}: {advice}.")
        if not known.all():
            warn_not_estimable(int(np.sum(~known)), "hypothesis")
        return kept, values, known & self._finite(kept)

    def _of_estimable(self, rows: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Return combinations of estimable coefficients, and which of the given ones they are.

        Rows over the coefficients of all columns of X are recognized by their length.
        """
        estimability = self.model.data.estimability
        if estimability is None or rows.shape[1] != len(self.coefnames):
            return rows, np.ones(len(rows), dtype=bool)
        return rows[:, estimability.kept], estimability.holds(rows)

    def wald_test_terms(
        self,
        skip_single: bool = False,
        extra_constraints: Sequence[tuple[str, Any]] = (),
        combine_terms: Sequence[str] = (),
        scalar: bool = True,
    ) -> WaldTestResults:
        """Test of each term of the fixed part that all its estimable coefficients are zero.

        Parameters
        ----------
        skip_single : bool
            Leave terms with a single column out.
        extra_constraints : sequence of (name, matrix)
            Further tests.
        combine_terms : sequence of str
            Each gives one joint test of all terms whose name contains it.
        scalar : bool
            Whether statistics are floats and not arrays.

        Returns
        -------
        WaldTestResults
            Its `table` has one row per test.

        See Also
        --------
        LinearMixedModelResults.anova

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> fit.wald_test_terms().table["statistic"].round(2)
        Intercept    1436.89
        days           48.55
        Name: statistic, dtype: float64
        """
        return wald_test_terms(self, skip_single, extra_constraints, combine_terms, scalar)
