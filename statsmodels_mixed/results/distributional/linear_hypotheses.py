"""The covariance of the coefficients of all parts, and tests of linear hypotheses on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import ContrastResults

from ..._typing import Array, Numbers
from ...errors import OptionError
from ...fitting.fixed_effects.basis import OnBasis
from ...standard_errors.reference import refuse_none_left
from ..linear_hypotheses import (
    coefficient_positions,
    combinations_of,
    number_of_constraints,
    read_hypotheses,
    square_matrix,
)
from .separation import tests_of_coefficients

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = ["cov_params", "f_test", "t_test", "wald_test"]


def cov_params(
    self: DistributionalFit,
    r_matrix: Any = None,
    column: Any = None,
    scale: float | None = None,
    cov_p: Numbers | None = None,
    other: Any = None,
) -> Any:
    """Return the covariance matrix of `params`, or of combinations of them.

    Parameters
    ----------
    r_matrix, column, scale, cov_p, other
        As in statsmodels: rows of combinations, or positions or names of coefficients, in place
        of all coefficients; `scale` multiplies the covariance.

    Returns
    -------
    DataFrame, ndarray or float
        Labelled where rows and columns are coefficients; a number for one of them. NaN for
        parameters that the data do not determine.

    Raises
    ------
    OptionError
        If options contradict one another, or name or fit no coefficient.

    See Also
    --------
    DistributionalResults.conf_int

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().cov_params().shape
    (2, 2)
    """
    names = self._names
    if column is not None and (r_matrix is not None or cov_p is not None or other is not None):
        raise OptionError("column= goes with no other option of cov_params but scale=.")
    if other is not None and r_matrix is None:
        raise OptionError("other= are combinations beside those of r_matrix=; give that as well.")
    known, factor = _covariance(self, cov_p), 1.0 if scale is None else scale
    if r_matrix is not None:
        rows = combinations_of(r_matrix, names, "r_matrix=")
        others = rows if other is None else combinations_of(other, names, "other=")
        both = known.combined(np.vstack([rows, others])).covariance
        return factor * both[: len(rows), len(rows) :]
    matrix = factor * known.covariance
    kept = coefficient_positions(range(len(names)) if column is None else column, names)
    if np.ndim(kept) == 0:
        return float(matrix[kept, kept])
    labels = [names[at] for at in kept]
    return pd.DataFrame(matrix[np.ix_(kept, kept)], index=labels, columns=labels)


def t_test(
    self: DistributionalFit,
    r_matrix: Any,
    cov_p: Numbers | None = None,
    use_t: bool | None = None,
) -> ContrastResults:
    """Test each of several linear hypotheses on the coefficients of all parts.

    Parameters
    ----------
    r_matrix : array_like, str or tuple
        A row for each hypothesis over `params`, or text about coefficients whose names have no
        blanks, such as ``"x = 1"``.
    cov_p : array_like, optional
        Covariance of `params` to use in place of that of the fit.
    use_t : bool, optional
        Student's t with `df_resid` degrees of freedom rather than the normal distribution.

    Returns
    -------
    ContrastResults
        NaN where the data do not determine a coefficient.

    Raises
    ------
    OptionError
        If the hypotheses cannot be read.

    See Also
    --------
    DistributionalResults.wald_test

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> test = model.fit().t_test("Intercept = 0.5")
    >>> test.effect.round(2), test.pvalue.round(2)
    (array([0.55]), np.float64(0.74))
    """
    rows, values = _read(self, r_matrix)
    tests = tests_of_coefficients(_some(np.asarray(self.params)), _covariance(self, cov_p))
    effect = np.where(tests.known(rows), rows @ tests.beta, np.nan)
    sd = tests.errors(rows)
    with np.errstate(divide="ignore", invalid="ignore"):  # a hypothesis on nothing has no test
        statistic = (effect - values) / sd
    if use_t:
        refuse_none_left(self.df_resid)
        return ContrastResults(effect=effect, t=statistic, sd=sd, df_denom=self.df_resid)
    return ContrastResults(effect=effect, statistic=statistic, sd=sd, distribution="norm")


def wald_test(
    self: DistributionalFit,
    r_matrix: Any,
    cov_p: Numbers | None = None,
    invcov: Numbers | None = None,
    use_f: bool | None = None,
    df_constraints: int | None = None,
    scalar: bool = True,
) -> ContrastResults:
    """Test several linear hypotheses on the coefficients of all parts together.

    Parameters
    ----------
    r_matrix : array_like, str or tuple
        As for `t_test`.
    cov_p, invcov : array_like, optional
        Covariance of `params`, or inverse covariance of the contrasts, to use in place of those
        of the fit.
    use_f : bool, optional
        F, with `df_resid` degrees of freedom in its denominator, rather than chi-squared.
    df_constraints : int, optional
        Number of constraints, if not the rank of their covariance.
    scalar : bool
        Return the statistic as a float and not an array.

    Returns
    -------
    ContrastResults
        Of Wald's chi-squared test or the F test.

    Raises
    ------
    OptionError
        If the hypotheses cannot be read, or the data do not determine a coefficient of them.

    See Also
    --------
    DistributionalResults.t_test, DistributionalResults.compare_lr_test

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> test = model.fit().wald_test([[0, 1, 0, 0], [0, 0, 1, 0]])
    >>> round(test.statistic, 1), test.df_denom
    (50.6, 2)
    """
    rows, values = _read(self, r_matrix)
    tests = tests_of_coefficients(_some(np.asarray(self.params)), _covariance(self, cov_p))
    if not tests.known(rows).all():
        raise OptionError("the hypotheses hold coefficients that the data do not determine.")
    if invcov is None:
        test = tests.f_test(rows, values)
        wald, constraints = test.wald, int(test.df_num)
    else:
        gap = rows @ tests.beta - values
        wald, constraints = (
            float(gap @ square_matrix(invcov, len(rows), "invcov=") @ gap),
            len(rows),
        )
    constraints = number_of_constraints(df_constraints) or constraints
    value = wald / constraints if use_f else wald
    statistic: Any = value if scalar else np.array([[value]])
    if use_f:
        refuse_none_left(self.df_resid)
        return ContrastResults(F=statistic, df_denom=self.df_resid, df_num=constraints)
    return ContrastResults(
        statistic=statistic, df_denom=constraints, distribution="chi2", distargs=(constraints,)
    )


def f_test(
    self: DistributionalFit,
    r_matrix: Any,
    cov_p: Numbers | None = None,
    invcov: Numbers | None = None,
) -> ContrastResults:
    """Test several linear hypotheses together by F with `df_resid` degrees of freedom.

    Parameters
    ----------
    r_matrix, cov_p, invcov
        As for `wald_test`.

    Returns
    -------
    ContrastResults

    Raises
    ------
    OptionError
        As for `wald_test`.

    See Also
    --------
    DistributionalResults.wald_test

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> test = model.fit().f_test([[0, 1, 0, 0], [0, 0, 1, 0]])
    >>> round(float(test.fvalue), 1), test.df_num, test.df_denom
    (25.3, 2, 398)
    """
    return wald_test(self, r_matrix, cov_p, invcov, use_f=True)


def _covariance(fit: DistributionalFit, given: Numbers | None) -> OnBasis:
    """Return the covariance of `params`, that of the fit unless another is given."""
    if given is not None:
        return OnBasis.of_covariance(square_matrix(given, fit._names, "cov_p="))
    return fit._on_basis.taken(fit._order)


def _some(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)


def _read(fit: DistributionalFit, given: Any) -> tuple[Array, Array]:
    names = fit._names
    advice = f"give rows of {len(names)} numbers over {', '.join(names)}"
    rows, values = read_hypotheses(given, [names], advice)
    if not len(rows) or rows.shape[1] != len(names) or not np.isfinite(rows).all():
        raise OptionError(f"the hypotheses make a matrix of shape {rows.shape}: {advice}.")
    return rows, np.asarray(values, dtype=float)
