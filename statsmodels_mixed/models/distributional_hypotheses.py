"""Tests of linear hypotheses on the coefficients of all parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.contrast import ContrastResults

from .._typing import Array
from ..errors import OptionError
from ..results.linear_hypotheses import read_hypotheses
from ..standard_errors.contrast_tests import FixedContrastTests

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["t_test", "wald_test"]


def t_test(self: DistributionalResults, r_matrix: Any) -> ContrastResults:
    """Test each of several linear hypotheses on the coefficients of all parts.

    Parameters
    ----------
    r_matrix : array_like, str or tuple
        A row for each hypothesis over `params`, or text about coefficients whose names have no
        blanks, such as ``"x = 1"``.

    Returns
    -------
    ContrastResults
        Of normal tests, by the standard errors of the fit; NaN where the data do not determine
        a coefficient.

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
    effect = rows @ _some(np.asarray(self.params))
    variance = np.einsum("mi,ij,mj->m", rows, _some(np.asarray(self.cov_params())), rows)
    unknown = _unknown(self, rows)
    effect = np.where(unknown, np.nan, effect)
    sd = np.where(unknown, np.nan, np.sqrt(variance))
    statistic = (effect - values) / sd
    return ContrastResults(
        effect=effect,
        statistic=statistic,
        sd=sd,
        distribution="norm",
    )


def wald_test(
    self: DistributionalResults, r_matrix: Any, *, scalar: bool = True
) -> ContrastResults:
    """Test several linear hypotheses on the coefficients of all parts together.

    Parameters
    ----------
    r_matrix : array_like, str or tuple
        As for `t_test`.
    scalar : bool
        Return the statistic as a float and not an array.

    Returns
    -------
    ContrastResults
        Of Wald's chi-squared test.

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
    if _unknown(self, rows).any():
        raise OptionError("the hypotheses hold coefficients that the data do not determine.")
    beta, covariance = _some(np.asarray(self.params)), _some(np.asarray(self.cov_params()))
    test = FixedContrastTests(beta, covariance, float("inf")).f_test(rows, values)
    statistic: Any = test.wald if scalar else np.array([[test.wald]])
    return ContrastResults(
        statistic=statistic, df_denom=test.df_num, distribution="chi2", distargs=(test.df_num,)
    )


def _some(values: Array) -> Array:
    return np.where(np.isfinite(values), values, 0.0)


def _unknown(fit: DistributionalResults, rows: Array) -> NDArray[np.bool_]:
    """Return which hypotheses hold a coefficient that has no standard error."""
    return np.asarray((rows[:, ~np.isfinite(np.asarray(fit.bse))] != 0).any(axis=1))


def _read(fit: DistributionalResults, given: Any) -> tuple[Array, Array]:
    names = fit._names
    try:
        rows, values = read_hypotheses(given, [names])
    except Exception as error:  # what patsy and formulaic raise has no class in common
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise OptionError(
            f"the hypotheses cannot be read ({reason}): give rows of {len(names)} numbers over "
            f"{', '.join(names)}."
        ) from error
    if not len(rows) or rows.shape[1] != len(names) or not np.isfinite(rows).all():
        raise OptionError(
            f"the hypotheses make a matrix of shape {rows.shape}: give rows of {len(names)} "
            f"numbers over {', '.join(names)}."
        )
    return rows, np.asarray(values, dtype=float)
