"""Variance inflation factors of the fixed effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Positions
from ..comparison.fixed_terms import fixed_terms
from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..results.base import unwrap
from ..results.own_function import own_first
from ..standard_errors.contrast_tests import covariance_root, root_of

__all__ = ["vif"]


@own_first
def vif(result: Any) -> pd.DataFrame:
    """Return how much collinearity inflates the variances of the coefficients, by term.

    With R the correlation matrix of the estimated coefficients without the intercept, R_11 the
    block of a term and R_22 that of all others, the generalized factor is
    ``|R_11| |R_22| / |R|``. For a term with one column that is the diagonal element of R^-1, the
    usual factor. GVIF^(1/(2 df)) is comparable between terms: the factor by which standard
    errors, or the size of a confidence region per dimension, are inflated.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.

    Returns
    -------
    DataFrame
        Columns ``"GVIF"``, ``"df"`` and ``"GVIF^(1/(2 df))"``, a row for each term with
        estimable columns, without the intercept. A model without a formula has a term for each
        column.

    Raises
    ------
    OptionError
        If there are fewer than two terms: nothing can be collinear.
    DataError
        If the model has no formula and the data of the fit were removed.

    See Also
    --------
    LinearMixedModelResults.vcov

    References
    ----------
    Fox and Monette (1992), Journal of the American Statistical Association 87, 178-183;
    `vif` of the R package car.

    Examples
    --------
    >>> contra = datasets.load("contra")
    >>> fit = mixedglm2("use ~ age + urban + (1 | dist)", contra, sm.families.Binomial()).fit()
    >>> fit.vif().round(3)
            GVIF  df  GVIF^(1/(2 df))
    urban  1.001   1              1.0
    age    1.001   1              1.0
    """
    result = unwrap(result, correlated=True)
    column = result.estimates.columns
    places = {}
    for term in fixed_terms(result):
        inside = (column >= term.columns.start) & (column < term.columns.stop)
        if not term.is_intercept and inside.any():
            places[term.name] = np.flatnonzero(inside)
    if len(places) < 2:
        raise OptionError("variance inflation needs two terms or more beside the intercept.")
    others = np.concatenate(list(places.values()))
    root = _root_of_covariance(result.estimates)
    whole = _log_determinant(root, others)
    rows = {}
    for name, own in places.items():
        rest = np.setdiff1d(others, own)
        gvif = float(np.exp(_log_determinant(root, own) + _log_determinant(root, rest) - whole))
        rows[name] = (gvif, len(own), gvif ** (0.5 / len(own)))
    columns = ["GVIF", "df", "GVIF^(1/(2 df))"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.astype({"df": int})


def _root_of_covariance(estimates: Estimates) -> Array:
    """Return C, rows over their lengths, with the covariance of the coefficients D C C' D."""
    known = estimates.on_basis
    if known is None:
        root = covariance_root(np.asarray(estimates.cov_conditional))
    else:
        root = root_of(known)
    return np.asarray(root / np.linalg.norm(root, axis=1, keepdims=True))


def _log_determinant(root: Array, places: Positions) -> float:
    """Return the log determinant of the correlations of some of the coefficients."""
    R = np.linalg.qr(root[places].T, mode="r")
    return float(2.0 * np.log(np.abs(np.diag(R))).sum())
