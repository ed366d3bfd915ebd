"""Tests of linear hypotheses on the coefficients, as statsmodels' results have them.

Statsmodels refers every contrast of a fit to the same distribution. Here each contrast has
degrees of freedom of its own, when they were asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.contrast import ContrastResults

from .._typing import Array, Numbers
from ..errors import OptionError
from ..standard_errors.contrast_tests import FixedContrastTests, FTest
from ..standard_errors.reference import KENWARD_ROGER
from .coefficient_statistics import CoefficientStatistics
from .linear_hypotheses import (
    known_only,
    number_of_constraints,
    read_hypotheses,
    square_matrix,
)
from .notes import warn_no_distribution, warn_not_estimable
from .term_tests import wald_test_terms

if TYPE_CHECKING:
    from statsmodels.stats.contrast import WaldTestResults

__all__ = ["Testing"]


class Testing(CoefficientStatistics):
    """Tests of linear hypotheses on the coefficients."""

    def t_test(
        self, r_matrix: Any, cov_p: Numbers | None = None, use_t: bool | None = None
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
        if cov_p is not None:
            cov_p = square_matrix(cov_p, self.model.data.cov_names, "cov_p=")
        use_t = None if use_t is None else bool(use_t)
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
        cov_p: Numbers | None = None,
        invcov: Numbers | None = None,
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
            if cov_p is not None:
                cov_p = square_matrix(cov_p, self.model.data.cov_names, "cov_p=")
            if invcov is not None:
                invcov = square_matrix(invcov, len(rows), "invcov=")
            return super().wald_test(
                (rows, values),
                cov_p=cov_p,
                invcov=invcov,
                use_f=use_f,
                df_constraints=number_of_constraints(df_constraints),
                scalar=scalar,
            )
        tests = self._tests
        if use_f and self.dof_method is None:
            tests = self._aware(FixedContrastTests.of(tests, float(self.df_resid)))
        test = FTest(np.nan, len(rows), np.nan, np.nan, np.nan, np.nan)
        if known.all():
            test = tests.f_test(rows, values)
            if use_f and self.dof_method in KENWARD_ROGER:
                warn_no_distribution(["the hypotheses"], [test])
        value = test.statistic if use_f else test.wald
        statistic: Any = value if scalar else np.array([[value]])
        if use_f:
            return ContrastResults(F=statistic, df_denom=test.df_denom, df_num=test.df_num)
        return ContrastResults(
            statistic=statistic, df_denom=test.df_num, distribution="chi2", distargs=(test.df_num,)
        )

    def f_test(
        self, r_matrix: Any, cov_p: Numbers | None = None, invcov: Numbers | None = None
    ) -> ContrastResults:
        """Test several linear hypotheses on the coefficients together by F.

        Parameters
        ----------
        r_matrix, cov_p, invcov
            As for `wald_test`.

        Returns
        -------
        ContrastResults
            With `fvalue`, `pvalue`, `df_num` and `df_denom`.

        Raises
        ------
        OptionError
            As for `wald_test`.

        See Also
        --------
        LinearMixedModelResults.wald_test

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> test = fit.f_test("days = 10, Intercept = 250")
        >>> round(float(test.fvalue), 4), test.df_num
        (0.0814, 2)
        """
        return self.wald_test(r_matrix, cov_p=cov_p, invcov=invcov, use_f=True)

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
        rows, values = read_hypotheses(r_matrix, [names, self.coefnames], advice)
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
