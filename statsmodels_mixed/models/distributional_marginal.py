"""Marginal means of the predictor of the mean, in models whose rows have other parameters too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike

from ..errors import OptionError
from ..marginal.emmeans import emmeans as of_predictor
from ..marginal.means import EstimatedMeans
from ..standard_errors.contrast_tests import FixedContrastTests
from ..standard_errors.reference import Reference
from .generalized_results import GeneralizedLinearMixedModelResults

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["emmeans"]


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
    if self._ordered:
        raise OptionError(
            "marginal means are not offered for ordered categories, which have no mean: "
            "predict() of a table of cases has their probabilities."
        )
    return of_predictor(
        _with_joint_covariance(self),
        specs,
        by=by,
        at=at,
        weights=weights,
        type=type,
        level=level,
        offset=offset,
    )


def _with_joint_covariance(fit: DistributionalResults) -> GeneralizedLinearMixedModelResults:
    """Return the part of the mean, with the covariance that its coefficients have beside others."""
    mean = fit._mean_part
    first = len(mean.estimates.theta)
    own = slice(first, first + len(mean.estimates.beta))
    covariance = fit.estimates.covariance[own, own]
    tests = FixedContrastTests(mean.estimates.beta, covariance, float("inf"))
    return mean._referring_to(Reference(tests, None, "hessian", "from the Hessian"))
