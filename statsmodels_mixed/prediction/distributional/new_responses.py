"""What new responses of fits with parameters of rows have beside the uncertainty of their mean."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._typing import Array
from ...errors import DataError, OptionError
from ...fitting.distributional.row_parameters import ZEROS
from ...fitting.families.draws import draw_rows
from ...fitting.generalized.quadrature import gauss_hermite
from ..drawn_responses import DrawnResponses
from ..rows import left_out_variance, open_new_data, rows_to_predict
from ..which_effects import choose_random
from .predict import predictors_of, thresholds_of_rows, weights_of_rows

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit
    from ..results import MixedPrediction

__all__ = ["new_categories", "new_responses"]


# Of the mean of probabilities over a normal linear predictor.
_POINTS = 41


def new_responses(
    fit: DistributionalFit, given: dict[str, Any], linear: MixedPrediction
) -> DrawnResponses | str:
    """Return what intervals of new responses need, or why there are none.

    Parameters
    ----------
    fit : DistributionalResults
    given : dict
        Options of `get_prediction`.
    linear : MixedPrediction
        Of the linear predictor.
    """
    variance = np.square(linear.se_mean)
    asked = {name: value for name, value in given.items() if name != "which"}
    eta, outer, _ = predictors_of(fit, **asked)
    try:
        weights = weights_of_rows(fit, asked["exog"])
        left, of_zeros = (_left_out(fit, asked, zeros, len(eta)) for zeros in (False, True))
    except (DataError, OptionError) as error:
        return str(error)
    spec = fit._spec
    if spec.support == "trials":
        if weights is not None and np.any(np.abs(weights - np.rint(weights)) > 1e-6):
            return "numbers of trials that are not whole have no distribution"
    elif weights is not None and np.any(weights != 1):
        return "weights multiply the likelihood of rows, not their responses"
    outer = np.where(np.isfinite(outer), outer, np.nan)
    known = np.where(np.isnan(outer).any(axis=1), np.nan, 0.0)

    def respond(rng: np.random.Generator, rows: Any, at: Array, zeta: Array) -> Array:
        own = outer[rows]
        own[:, ZEROS] += zeta
        return draw_rows(rng, spec, at, own, None if weights is None else weights[rows])

    return DrawnResponses(eta, variance + left + known, of_zeros, respond)


def new_categories(fit: DistributionalFit, given: dict[str, Any], linear: MixedPrediction) -> Array:
    """Return the probabilities of the categories of new responses, shape (m, categories).

    Parameters
    ----------
    fit : DistributionalResults
        Of ordered categories.
    given : dict
        Options of `get_prediction`.
    linear : MixedPrediction
        Of the linear predictor.
    """
    eta = np.asarray(linear.predicted_mean)
    asked = {name: value for name, value in given.items() if name != "which"}
    spread = np.sqrt(np.square(linear.se_mean) + _left_out(fit, asked, False, len(eta)))
    cuts = thresholds_of_rows(fit, asked["exog"], len(eta))
    nodes, log_weights = gauss_hermite(_POINTS)
    total = sum(
        weight * fit.model._probabilities(eta + node * spread, cuts)
        for node, weight in zip(nodes, np.exp(log_weights), strict=True)
    )
    return np.asarray(total)


def _left_out(fit: DistributionalFit, asked: dict[str, Any], zeros: bool, n: int) -> Array:
    """Return the variance of the random effects of one part that predictions leave out."""
    blocks, part = fit.layout.blocks, copy.copy(fit._mean_part)
    estimates = fit.estimates.conditional
    factors = tuple(
        T if bool(block.part) == zeros else np.zeros_like(T)
        for block, T in zip(blocks, estimates.factors, strict=True)
    )
    part.estimates = replace(estimates, factors=factors)
    new = open_new_data(
        fit.model,
        asked["exog"],
        asked["transform"],
        offset=asked["offset"],
        exposure=asked["exposure"],
    )
    chosen = choose_random(asked["re"], fit.layout, fit.model.frame)
    rows = rows_to_predict(part, new, chosen, asked["new_levels"])
    return np.broadcast_to(left_out_variance(part, rows, np.ones(n)), (n,))
