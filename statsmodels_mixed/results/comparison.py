"""Likelihood-ratio test of two fitted linear mixed models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import chdtrc

from ..errors import OptionError

if TYPE_CHECKING:
    from .linear import LinearMixedModelResults

__all__ = ["LikelihoodRatio", "likelihood_ratio"]


class LikelihoodRatio(NamedTuple):
    """A likelihood-ratio test.

    Attributes
    ----------
    statistic : float
        Difference of the objectives.
    pvalue : float
        Upper tail of the chi-squared distribution with `df_diff` degrees of freedom. It is
        too large when the smaller model puts a variance at zero, the edge of its range.
    df_diff : int
        Difference of the numbers of parameters.
    """

    statistic: float
    pvalue: float
    df_diff: int


def likelihood_ratio(full: Any, restricted: Any) -> LikelihoodRatio:
    """Compare two fits to the same data by their likelihoods.

    Parameters
    ----------
    full : LinearMixedModelResults
        The larger model.
    restricted : LinearMixedModelResults
        A smaller model nested in it. That it is nested is not checked beyond the
        number of parameters.

    Returns
    -------
    LikelihoodRatio
        The test.

    Raises
    ------
    OptionError
        If the likelihoods are not comparable: one fit by ML and the other by REML,
        REML fits with different fixed effects, different data, or no parameter to test.
    """
    full, restricted = _results(full), _results(restricted)
    if full.reml != restricted.reml:
        raise OptionError(
            "one model was fitted by REML and the other by ML; refit both with reml=False"
        )
    a, b = full._design(), restricted._design()
    same_rows = np.array_equal(a.y, b.y) and _equal(a.weights, b.weights)
    if not same_rows or not _equal(a.offset, b.offset):
        raise OptionError(
            "the models were fitted to different data: response, weights, offset and the rows "
            "used must be the same"
        )
    if full.reml and not np.array_equal(a.X, b.X):
        raise OptionError(
            "REML criteria of models with different fixed effects are not comparable; "
            "refit both with reml=False"
        )
    df_diff = full.dof - restricted.dof
    if df_diff <= 0:
        raise OptionError(
            f"the restricted model has {restricted.dof} parameters and the full one {full.dof}; "
            "give the model with fewer parameters as the argument"
        )
    statistic = restricted.objective - full.objective
    return LikelihoodRatio(statistic, float(chdtrc(df_diff, max(statistic, 0.0))), df_diff)


def _results(fit: Any) -> LinearMixedModelResults:
    """Return the results behind statsmodels' wrapper."""
    from .linear import LinearMixedModelResults

    unwrapped = getattr(fit, "_results", fit)
    if not isinstance(unwrapped, LinearMixedModelResults):
        raise OptionError(
            f"a fitted linear mixed model is needed for the comparison, not {type(fit).__name__}"
        )
    return unwrapped


def _equal(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b)
