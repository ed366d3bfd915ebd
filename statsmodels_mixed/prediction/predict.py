"""Predictions from a fitted mixed model, for its own rows and for new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.genmod.families.links import Identity, Power

from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.problem import problem_of
from ..frame.design import Design
from ..frame.new_data import NewData
from ..later import load
from ..standard_errors.contrast_tests import FixedContrastTests
from ..standard_errors.undetermined import DIFFERENT
from .results import MixedPrediction, NewResponses
from .rows import (
    PredictionRows,
    check_positive,
    left_out_variance,
    rows_to_predict,
)
from .which_effects import choose_random

if TYPE_CHECKING:
    from ..results.base import MixedModelResults
    from ..results.fitted_model import FittedModel

__all__ = ["get_prediction", "mean_of", "predict"]


WHICH = ("mean", "linear")
# A number of trials this far from a whole number cannot be drawn.
_WHOLE = 1e-6


def mean_of(model: FittedModel, linear: Array, which: str) -> Array:
    """Return what is asked for of a linear predictor, shape (m,): itself or the mean."""
    if which not in WHICH:
        raise OptionError(f"which must be one of {', '.join(WHICH)}, not {which!r}.")
    if which == "linear":
        return linear
    with np.errstate(all="ignore"):
        return np.asarray(model.link.inverse(linear), dtype=float)


def predict(
    result: MixedModelResults,
    new: NewData | None,
    *,
    which: str = "mean",
    re: bool | str | Sequence[str],
    new_levels: str,
) -> Array | pd.Series:
    """Predict the response for new data, or the rows of the fit; see the method of the result."""
    chosen = choose_random(re, result.layout, result.model.frame)
    rows = rows_to_predict(result, new, chosen, new_levels)
    if new is None and rows.all_random:
        linear = result._conditional_predictor
    else:
        linear = rows.linear(result.estimates.b)
    linear = np.where(_unknown_means(result, rows), np.nan, linear)
    mean = mean_of(result.model, linear, which)
    return mean if rows.labels is None else pd.Series(mean, index=rows.labels)


def get_prediction(
    result: MixedModelResults,
    new: NewData | None,
    *,
    which: str = "mean",
    re: bool | str | Sequence[str],
    new_levels: str,
    row_labels: Sequence[Any] | None,
) -> MixedPrediction:
    """Predict with standard errors; see the method of the result."""
    model = result.model
    chosen = choose_random(re, result.layout, model.frame)
    rows = rows_to_predict(result, new, chosen, new_levels)
    linear = rows.linear(result.estimates.b)
    unknown = _unknown_means(result, rows)
    linear = np.where(unknown, np.nan, linear)
    mean = mean_of(model, linear, which)
    variance = _variance(result, rows)
    variance = np.where(np.isnan(linear) | (variance < 0), np.nan, variance)
    responses = _new_responses(result, rows, linear, variance)
    power = model.link.power if isinstance(model.link, Power) else None
    same = power == 1  # the identity is a power too
    if row_labels is not None and len(row_labels) != len(linear):
        raise OptionError(
            f"row_labels= has {len(row_labels)} labels for {len(linear)} predicted rows."
        )
    about: dict[str, Any] = {
        "df": _degrees(result, rows),
        "df_new": float(result.df_resid) if result.dof_method == "residual" else np.inf,
        "dist": "t" if result.use_t else "norm",
        "row_labels": _row_labels(result, rows) if row_labels is None else row_labels,
    }
    scale_of_eta = "a new response is not on the scale of the linear predictor: take which='mean'"
    on_link_scale = MixedPrediction(
        linear,
        variance,
        linear=None,
        link=Identity(),
        one_signed=False,
        new=responses if same else scale_of_eta,
        **about,
    )
    if which == "linear" or same:
        return on_link_scale
    with np.errstate(all="ignore"):
        slope = model.link.inverse_deriv(linear)
    return MixedPrediction(
        mean,
        (slope * np.sqrt(variance)) ** 2,
        linear=on_link_scale,
        link=model.link,
        one_signed=power is not None,
        new=responses,
        **about,
    )


def _unknown_means(result: MixedModelResults, rows: PredictionRows) -> NDArray[np.bool_]:
    """Return which linear predictors change along flat directions, shape (m,)."""
    unknown = np.zeros(len(rows.X), dtype=bool)
    if result.undetermined is None:
        return unknown
    X = rows.X[:, result.estimates.columns]
    for pair in result.undetermined.pairs:
        here, there = (
            rows.linear(each.b) - rows.fixed + X @ each.beta for each in (pair.here, pair.there)
        )
        sizes = [np.abs(b).max(initial=0.0) for b in (*pair.here.b, *pair.there.b)]
        unknown |= np.abs(there - here) > DIFFERENT * (result.estimates.effects_scale + max(sizes))
    return unknown


def _degrees(result: MixedModelResults, rows: PredictionRows) -> Array | float:
    """Return degrees of freedom of (estimate - truth) / standard error; inf where normal."""
    if isinstance(result._tests, FixedContrastTests):
        return result._tests.degrees
    if rows.some_random:
        return np.inf  # No method covers coefficients and random effects together.
    df = np.full(len(rows.X), np.nan)
    df[rows.complete] = result._tests.df(rows.X[rows.complete][:, result.estimates.columns])
    return df


def _row_labels(result: MixedModelResults, rows: PredictionRows) -> Any:
    return result.model.data.row_labels if rows.new is None else rows.labels


def _variance(result: MixedModelResults, rows: PredictionRows) -> Array:
    """Return the variances of the linear predictors, shape (m,); NaN where there is none."""
    estimates = result.estimates
    X = rows.X[:, estimates.columns]
    if not rows.some_random:
        result._check_covariance()
        variance = result._tests.variances(X)
        if result.undetermined is not None:
            known = np.isfinite(X).all(axis=1)
            variance[known] = np.where(result.undetermined.tests(X[known]), np.nan, variance[known])
        return np.asarray(variance)
    design = result.sufficient_design()
    if result.undetermined is not None:
        return _compared_variances(result, rows, X)
    if rows.new is None and rows.all_random:
        return problem_of(design, estimates).variances_of_rows()
    return _joint_variances(design, estimates, rows, X)


def _joint_variances(design: Design, estimates: Any, rows: PredictionRows, X: Array) -> Array:
    """Return variances of X beta + Z b, coefficients and modes together."""
    keep = rows.complete
    variance = np.full(len(X), np.nan)
    if keep.any():
        variance[keep] = problem_of(design, estimates).error_variances(
            X[keep], [z[keep] for z in rows.z], [refs[keep] for refs in rows.refs]
        )
        if rows.kriged is not None:
            variance[keep] += rows.kriged[keep]
    return variance


def _compared_variances(result: MixedModelResults, rows: PredictionRows, X: Array) -> Array:
    """Return the same, NaN where they change along flat directions."""
    assert result.undetermined is not None
    design = result.sufficient_design()
    variance = _joint_variances(design, result.estimates, rows, X)
    for pair in result.undetermined.pairs:
        here, there = (_joint_variances(design, each, rows, X) for each in (pair.here, pair.there))
        with np.errstate(invalid="ignore"):
            variance[np.abs(there - here) > DIFFERENT * here] = np.nan
    return variance


def _new_responses(
    result: MixedModelResults, rows: PredictionRows, linear: Array, variance: Array
) -> NewResponses | str:
    """Return what intervals of new responses need, or why there are none."""
    estimates = result.estimates
    try:
        w = _weights(result, rows)
    except DataError as error:
        if rows.new is not None and rows.new.given.get("weights") is not None:
            raise
        return str(error).removesuffix(".")
    check_positive(w)
    try:
        left_out = left_out_variance(result, rows, 1.0 / w)
    except (DataError, OptionError) as error:
        return str(error).removesuffix(".")
    spec, known = estimates.spec, w[np.isfinite(w)]
    if spec is None:
        return NewResponses(linear, variance + left_out, estimates.dispersion, w, spec)
    if spec.support == "trials" and np.any(np.abs(known - np.rint(known)) > _WHOLE):
        return "numbers of trials that are not whole have no distribution"
    if spec.copies and np.any(known != 1):
        kind = spec.family.replace("_", " ")
        return f"weights of a {kind} multiply its likelihood, not its responses"
    return NewResponses(linear, variance + left_out, estimates.dispersion, w, spec)


def _weights(result: MixedModelResults, rows: PredictionRows) -> Array:
    """Return what a dispersion is divided by in each row, shape (m,): weights, ones without any.

    Residuals of unequal variances have a dispersion of one.
    """
    if result.takes_correlated:
        found: Array = load("prediction.residual_rows:variances_of_residuals")(result, rows.new)
        return 1.0 / found
    if rows.new is None:
        w = result.kept_design().weights
    else:
        w = rows.new.values_of(result.model.sources.weights)
    return np.ones(len(rows.X)) if w is None else np.asarray(w, dtype=float)
