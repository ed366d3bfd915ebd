"""Cook's distances from residuals and leverages, without any refit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import OptionError
from ..fitting.problem import problem_of
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import by_row
from .leverage import leverage_and_rest
from .residuals import raw_residuals

__all__ = ["cooks_distance"]


@own_first
def cooks_distance(result: Any) -> pd.Series:
    """Return Cook's distance of every row by the formula of the linear model.

    With Pearson residuals r, leverages h, p coefficients and the dispersion phi (sigma^2 for a
    linear model): (r / (1 - h))^2 h / (phi p). Theta is kept and a change of the conditional
    modes counts like one of the coefficients; `influence` has the exact change of the
    coefficients alone. With correlated residuals it is the exact change of the coefficients
    when the row is left out, the covariance parameters kept: c'M^-1 c / p with their covariance M.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Returns
    -------
    Series, shape (n,)
        NaN where the leverage is 1, and everywhere if covariances of the coefficients depend on
        what the data do not determine.

    Raises
    ------
    OptionError
        If the model has no coefficients.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    influence, leverage

    References
    ----------
    Cook (1977), Technometrics 19, 15-18; lme4's `cooks.distance`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.cooks_distance().nlargest(2).round(2).to_dict()
    {56: 1.06, 59: 0.7}
    """
    result = unwrap(result, correlated=True)
    rank = len(result.estimates.beta)
    if rank == 0:
        raise OptionError("Cook's distance compares coefficients, and this model has none.")
    if result.takes_correlated:
        problem: Any = problem_of(result.kept_design(), result.estimates)
        return by_row(result, problem.deletion_distances() / rank, "cooks_distance")
    h, rest = leverage_and_rest(result)
    rest = np.where(rest > 0, rest, np.nan)
    if result.undetermined is not None and result.undetermined.joint(np.eye(rank)):
        rest[:] = np.nan
    values = (raw_residuals(result, "pearson") / rest) ** 2 * h / (result.scale * rank)
    return by_row(result, values, "cooks_distance")
