"""The p-value of a likelihood-ratio test of nested models, with variances at zero known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..frame.design import Design
from .boundary import chi_bar_squared_sf
from .nesting import foreign_column, zero_covariances

__all__ = ["boundary_pvalue", "fixed_sigma", "nested_pvalue"]


def nested_pvalue(
    restricted: Design, large: Any, statistic: float, df_diff: int, *, sigma: float | None
) -> float:
    """Return the p-value of the mixture, after making sure that the models are nested.

    Parameters
    ----------
    restricted : Design
        The smaller model.
    large : MixedModelResults
        The larger one.
    statistic : float
        Likelihood-ratio statistic.
    df_diff : int
        Difference of the numbers of parameters.
    sigma : float or None
        At what the smaller model fixes the residual standard deviation, if it does.

    Raises
    ------
    OptionError
        If the models are not nested.
    """
    full = large.kept_design()
    advice = "a likelihood-ratio test needs a model that is a special case of the other"
    column = foreign_column(restricted, full)
    if column is not None:
        raise OptionError(
            f"the models are not nested: {column!r} is no combination of the fixed-effects "
            f"columns of the larger model; {advice}."
        )
    if fixed_sigma(large) not in (None, sigma):
        raise OptionError(f"the models are not nested: sigma is fixed in the larger; {advice}.")
    pvalue = boundary_pvalue(restricted, full, large.estimates, statistic, df_diff)
    if pvalue is None:
        raise OptionError(
            "the models are not nested: the larger one has no room for the random effects of "
            f"the smaller; {advice}."
        )
    return pvalue


def fixed_sigma(fit: Any) -> float | None:
    """Return at what a fit has fixed the residual standard deviation, if it has."""
    estimates = fit.estimates
    if fit.takes_correlated:
        return None
    return fit.sigma if estimates.linear and not estimates.scale_estimated else None


def boundary_pvalue(
    restricted: Design, full: Design, estimates: Estimates, statistic: float, df_diff: int
) -> float | None:
    """Return the p-value that knows of variances at zero; None if the models are not nested.

    Parameters
    ----------
    restricted, full : Design
        The models.
    estimates : Estimates
        A fit of either, which says whether there are independent residuals.
    statistic : float
        Likelihood-ratio statistic.
    df_diff : int
        Difference of the numbers of parameters.
    """
    if full.is_structured or restricted.is_structured:
        return np.nan  # a parameter of a variance at zero is not identified: no known mixture
    linear = estimates.linear
    sigma = linear and estimates.scale_estimated
    cones = zero_covariances(restricted, full, residual=linear, sigma=sigma)
    if cones is None:
        return None
    free = df_diff - sum(cone.size * (cone.size + 1) // 2 for cone in cones)
    if df_diff <= 0:
        return np.nan
    if free < 0 or estimates.identification.dimension:
        free, cones = df_diff, ()  # not all parameters of the larger model are identified
    return chi_bar_squared_sf(max(statistic, 0.0), free, cones)
