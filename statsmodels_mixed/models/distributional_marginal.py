"""Marginal means of the predictor of the mean, in models whose rows have other parameters too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..marginal.emmeans import emmeans as of_predictor
from ..marginal.joint_tests import joint_tests as of_terms
from ..marginal.means import EstimatedMeans

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["emmeans", "joint_tests"]


def emmeans(
    self: DistributionalResults,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | ArrayLike = "equal",
    type: str = "link",
    level: float = 0.95,
    offset: float | None = None,
) -> EstimatedMeans:
    """Compute marginal means of the predictor of the mean, without the part of zeros.

    Parameters
    ----------
    specs : str or list of str
        The variables whose means are asked for.
    by, at, weights, level, offset : optional
        As for other models.
    type : {"link", "response"}
        The scale of the linear predictor, or its inverse link: the mean without the part of zeros,
        of a truncated distribution that before truncation.

    Returns
    -------
    EstimatedMeans
        With standard errors from the Hessian of all parameters.

    Raises
    ------
    OptionError
        As for other models, and for ordered categories.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.predict

    References
    ----------
    Searle, Speed and Milliken (1980), The American Statistician 34, 216-221.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().emmeans("year").to_frame()[["year", "estimate", "std_error"]].round(2)
      year  estimate  std_error
    0   95      0.40       0.24
    1   96      1.72       0.20
    2   97     -0.52       0.25
    """
    _refuse_categories(self)
    return of_predictor(
        self._mean_part,
        specs,
        by=by,
        at=at,
        weights=weights,
        type=type,
        level=level,
        offset=offset,
    )


def joint_tests(
    self: DistributionalResults,
    by: str | Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: str | ArrayLike = "equal",
) -> pd.DataFrame:
    """Test the effects of factors on the predictor of the mean.

    Parameters
    ----------
    by, at, weights : optional
        As for other models.

    Returns
    -------
    DataFrame
        As for other models; Wald's chi-squared is `df_num` times the statistic.

    Raises
    ------
    OptionError, DataError
        As for `emmeans`.

    See Also
    --------
    DistributionalResults.emmeans

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().joint_tests()[["term", "df_num", "statistic"]].round(1)
       term  df_num  statistic
    0  year       2       25.3
    """
    _refuse_categories(self)
    return of_terms(self._mean_part, by, at=at, weights=weights)


def _refuse_categories(fit: DistributionalResults) -> None:
    if fit._ordered:
        raise OptionError(
            "marginal means are not offered for ordered categories, which have no mean: "
            "predict() of a table of cases has their probabilities."
        )
