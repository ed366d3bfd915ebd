"""Leverages: how much a fitted value follows its own response."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..fitting.problem import problem_of
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import by_row

__all__ = ["leverage"]

ROUNDING = 1e-11


@own_first
def leverage(result: Any) -> pd.Series:
    """Return the diagonal of the hat matrix.

    With F = [Z Lambda, X] and P the identity for the random effects, zero for the
    coefficients, it is the diagonal of W^(1/2) F (F'WF + P)^-1 F'W^(1/2). W are the prior
    weights of a linear model, and the derivatives of its fitted values in their own responses
    are these leverages exactly, theta being given. For a generalized model W is the expected
    information of the rows at the conditional modes, the working weights of the last weighted
    least squares problem. With correlated residuals the fitted values are C V^-1 y plus
    (1 - C V^-1) X beta, where C is what random effects add to V, and the leverages are their
    derivatives too.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Returns
    -------
    Series, shape (n,)
        Between 0 and 1, but for correlated residuals; the sum lies between the rank of X and that
        plus the number of random effects.

    Raises
    ------
    DataError
        If the data of the fit were removed.

    See Also
    --------
    cooks_distance, residuals

    References
    ----------
    Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1); lme4's
    `hatvalues`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> round(float(fit.leverage().sum()), 2)
    17.83
    """
    result = unwrap(result, correlated=True)
    values = problem_of(result.kept_design(), result.estimates).leverage()
    # A row that is fitted exactly for any response leaves 1 - h = 0 but for rounding.
    return by_row(result, np.where(1.0 - values < ROUNDING, 1.0, values), "leverage")
