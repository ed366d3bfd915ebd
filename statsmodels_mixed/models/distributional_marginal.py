"""Marginal means of the predictor of the mean, in models whose rows have other parameters too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..errors import OptionError
from ..fitting.row_parameters import threshold_matrix
from ..marginal.emmeans import TYPES
from ..marginal.emmeans import emmeans as of_predictor
from ..marginal.joint_tests import joint_tests as of_terms
from ..marginal.means import EstimatedMeans
from ..marginal.ordered import Cuts, ordered_means
from ..marginal.response_scale import response_scale

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults
    from .ordinal import OrdinalMixedModel

__all__ = ["emmeans", "joint_tests"]


def emmeans(
    self: DistributionalResults,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | ArrayLike = "equal",
    type: str = "link",
    mode: str | None = None,
    level: float = 0.95,
    offset: float | None = None,
) -> EstimatedMeans:
    """Compute marginal means of the predictor of the mean, or of ordered categories.

    Parameters
    ----------
    specs : str or list of str
        The variables whose means are asked for.
    by, at, weights, level, offset : optional
        As for other models.
    type : {"link", "response"}
        The scale of the linear predictor, or its inverse link: the mean without the part of zeros,
        of a truncated distribution that before truncation. Of ordered categories ``"response"``
        are their probabilities.
    mode : str, optional
        For ordered categories: ``"latent"`` (the default), means of the latent variable less the
        mean of the thresholds; ``"linear.predictor"``, thresholds less the linear predictor;
        ``"cum.prob"`` and ``"exc.prob"``, probabilities up to a cut and beyond it; ``"prob"``,
        those of the categories; or ``"mean.class"``, the mean of their numbers. `specs` and `by`
        may then name the response, ``"temp | rating"``, or ``"cut"``. All but the first two are
        averaged as probabilities.

    Returns
    -------
    EstimatedMeans
        With standard errors from the Hessian of all parameters.

    Raises
    ------
    OptionError
        As for other models, and if `mode` is not possible.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.predict

    References
    ----------
    Searle, Speed and Milliken (1980), The American Statistician 34, 216-221; the R package emmeans
    for models of ordinal.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().emmeans("year").to_frame()[["year", "estimate", "std_error"]].round(2)
      year  estimate  std_error
    0   95      0.40       0.24
    1   96      1.72       0.20
    2   97     -0.52       0.25
    >>> ticks["many"] = pd.cut(ticks["ticks"], [-1, 0, 5, 100], labels=["no", "few", "many"])
    >>> fit = mixedordinal2("many ~ year + (1 | brood)", ticks).fit()
    >>> fit.emmeans("year | many", mode="prob").to_frame().head(3)[["year", "estimate"]].round(2)
      year  estimate
    0   95      0.26
    1   96      0.02
    2   97      0.62
    """
    if not self._ordered:
        if mode is not None:
            raise OptionError("mode= is for ordered categories.")
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
    if type not in TYPES:
        raise OptionError(f"type= is one of {', '.join(TYPES)}, not {type!r}.")
    return ordered_means(
        self._mean_part,
        _cuts(self),
        specs,
        by=by,
        at=at,
        weights=weights,
        type=type,
        mode=mode or ("latent" if type == "link" else "prob"),
        level=level,
        offset=offset,
    )


def _cuts(fit: DistributionalResults) -> Cuts:
    """Return the thresholds of a fit, with the covariance of all coefficients."""
    model = cast("OrdinalMixedModel", fit.model)
    J, _ = threshold_matrix(model.categories, model.threshold)
    scale = response_scale(fit._mean_part)
    assert scale is not None
    named = replace(scale, name=model.link_name)
    order = fit._order  # thresholds, then the coefficients of the mean
    covariance = fit._covariance[np.ix_(order, order)]
    return Cuts(J, fit.estimates.kappa, covariance, named, model.categories)


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
    return of_terms(self._mean_part, by, at=at, weights=weights)
