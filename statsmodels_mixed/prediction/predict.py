"""Predictions from a fitted mixed model, for its own rows and for new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.genmod.families.links import Identity, Power

from ..errors import DataError, OptionError
from ..fitting.problem import problem_of
from ..frame.design import Design
from ..standard_errors.contrast_tests import FixedDenominators
from ..standard_errors.undetermined import DIFFERENT
from .results import MixedPrediction, NewResponses
from .rows import (
    NEW_LEVELS,
    PredictionRows,
    as_table,
    fixed_part,
    left_out_variance,
    new_rows,
    new_values,
    rows_of_fit,
)
from .which_effects import Chosen, choose_random

if TYPE_CHECKING:
    from ..results.base import MixedModelResults
    from ..results.fitted_model import FittedModel
    from .results import MixedPrediction, NewResponses

__all__ = ["fixed_part", "get_prediction", "mean_of", "predict"]

Array = NDArray[np.float64]

WHICH = ("mean", "linear")
# A number of trials this far from a whole number cannot be drawn.
_WHOLE = 1e-6


def mean_of(model: FittedModel, linear: Array, which: str) -> Array:
    """Return what is asked for of a linear predictor, shape (m,): itself or the mean."""
    if which not in WHICH:
        raise OptionError(f"which must be one of {', '.join(WHICH)}, not {which!r}")
    if which == "linear":
        return linear
    with np.errstate(all="ignore"):
        return np.asarray(model.link.inverse(linear), dtype=float)


def predict(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    *,
    which: str = "mean",
    re: bool | str | Sequence[str],
    new_levels: str,
    offset: Any,
    exposure: Any = None,
) -> Array | pd.Series:
    """Predict the response; see the method of the result."""
    chosen = choose_random(re, result.layout, result.model.frame)
    rows = _rows(result, exog, transform, chosen, new_levels, offset, exposure)
    if exog is None and all(mask.all() for mask in chosen):
        linear = result._conditional_predictor
    else:
        linear = rows.linear(result.estimates.b)
    linear = np.where(_unknown_means(result, rows), np.nan, linear)
    mean = mean_of(result.model, linear, which)
    return mean if rows.labels is None else pd.Series(mean, index=rows.labels)


def _rows(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    chosen: Chosen,
    new_levels: str,
    offset: Any,
    exposure: Any,
) -> PredictionRows:
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}")
    if exog is not None:
        return new_rows(result, exog, transform, chosen, new_levels, offset, exposure)
    if offset is not None or exposure is not None:
        name = "exposure" if offset is None else "offset"
        raise OptionError(f"{name}= is for new data; the rows of the fit have theirs")
    return rows_of_fit(result, chosen)


def get_prediction(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    *,
    which: str = "mean",
    re: bool | str | Sequence[str],
    new_levels: str,
    row_labels: Sequence[Any] | None,
    offset: Any,
    exposure: Any = None,
    weights: Any = None,
) -> MixedPrediction:
    """Predict with standard errors; see the method of the result."""
    model = result.model
    exog = None if exog is None else as_table(model, exog)
    chosen = choose_random(re, result.layout, model.frame)
    rows = _rows(result, exog, transform, chosen, new_levels, offset, exposure)
    linear = rows.linear(result.estimates.b)
    unknown = _unknown_means(result, rows)
    linear = np.where(unknown, np.nan, linear)
    mean = mean_of(model, linear, which)
    variance = _variance(result, rows, chosen, of_fit=exog is None)
    variance = np.where(np.isnan(linear), np.nan, variance)
    new = _new_responses(result, exog, transform, chosen, rows, linear, variance, weights)
    power = model.link.power if isinstance(model.link, Power) else None
    same = power == 1  # the identity is a power too
    if row_labels is not None and len(row_labels) != len(linear):
        raise OptionError(
            f"row_labels= has {len(row_labels)} labels for {len(linear)} predicted rows"
        )
    about: dict[str, Any] = {
        "df": _degrees(result, rows, chosen),
        "df_new": float(result.df_resid) if result.dof_method == "residual" else np.inf,
        "dist": "t" if result.use_t else "norm",
        "row_labels": _row_labels(result, exog, rows) if row_labels is None else row_labels,
    }
    scale_of_eta = "a new response is not on the scale of the linear predictor: take which='mean'"
    on_link_scale = MixedPrediction(
        linear,
        variance,
        linear=None,
        link=Identity(),
        one_signed=False,
        new=new if same else scale_of_eta,
        **about,
    )
    if which == "linear" or same:
        return on_link_scale
    with np.errstate(all="ignore"):
        slope = model.link.inverse_deriv(linear)
    return MixedPrediction(
        mean,
        slope**2 * variance,
        linear=on_link_scale,
        link=model.link,
        one_signed=power is not None,
        new=new,
        **about,
    )


def _unknown_means(result: MixedModelResults, rows: PredictionRows) -> NDArray[np.bool_]:
    """Tell which linear predictors change along flat directions, shape (m,)."""
    unknown = np.zeros(len(rows.X), dtype=bool)
    if result.undetermined is None:
        return unknown
    X = rows.X[:, result.estimates.columns]
    for pair in result.undetermined.pairs:
        here, there = (
            rows.linear(each.b) - rows.fixed + X @ each.beta for each in (pair.here, pair.there)
        )
        sizes = [np.abs(b).max(initial=0.0) for b in (*pair.here.b, *pair.there.b)]
        unknown |= np.abs(there - here) > DIFFERENT * (result._effects_scale + max(sizes))
    return unknown


def _degrees(result: MixedModelResults, rows: PredictionRows, chosen: Chosen) -> Array | float:
    """Return degrees of freedom of (estimate - truth) / standard error; inf where normal."""
    if isinstance(result._tests, FixedDenominators):
        return result._tests.degrees
    if any(mask.any() for mask in chosen):
        return np.inf  # no method is about coefficients and random effects together
    df = np.full(len(rows.X), np.nan)
    df[rows.complete] = result._tests.df(rows.X[rows.complete][:, result.estimates.columns])
    return df


def _row_labels(result: MixedModelResults, exog: Any, rows: PredictionRows) -> Any:
    return result.model.data.row_labels if exog is None else rows.labels


def _variance(
    result: MixedModelResults, rows: PredictionRows, chosen: Chosen, *, of_fit: bool
) -> Array:
    """Return the variances of the linear predictors, shape (m,); NaN where there is none."""
    estimates = result.estimates
    X = rows.X[:, estimates.columns]
    if not any(mask.any() for mask in chosen):
        result._check_covariance()
        variance = np.einsum("ij,jk,ik->i", X, result._tests.covariance, X)
        if result.undetermined is not None:
            known = np.isfinite(X).all(axis=1)
            variance[known] = np.where(result.undetermined.tests(X[known]), np.nan, variance[known])
        return np.asarray(variance)
    design = result._design()
    if result.undetermined is not None:
        return _compared_variances(result, rows, X)
    if of_fit and all(mask.all() for mask in chosen):
        return problem_of(design, estimates).variances_of_rows()
    return _joint_variances(design, estimates, rows, X)


def _joint_variances(design: Design, estimates: Any, rows: PredictionRows, X: Array) -> Array:
    """Return variances of X beta + Z b, coefficients and modes together."""
    keep = rows.complete
    variance = np.full(len(X), np.nan)
    if keep.any():
        variance[keep] = (
            problem_of(design, estimates)
            .mixed_model_equations()
            .variances(X[keep], [z[keep] for z in rows.z], [refs[keep] for refs in rows.refs])
        )
    return variance


def _compared_variances(result: MixedModelResults, rows: PredictionRows, X: Array) -> Array:
    """Return the same, NaN where they change along flat directions."""
    assert result.undetermined is not None
    design = result._design()
    variance = _joint_variances(design, result.estimates, rows, X)
    for pair in result.undetermined.pairs:
        here, there = (_joint_variances(design, each, rows, X) for each in (pair.here, pair.there))
        with np.errstate(invalid="ignore"):
            variance[np.abs(there - here) > DIFFERENT * here] = np.nan
    return variance


def _new_responses(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    chosen: Chosen,
    rows: PredictionRows,
    linear: Array,
    variance: Array,
    weights: Any,
) -> NewResponses | str:
    """Return what intervals of new responses need, or why there are none."""
    model, estimates, m = result.model, result.estimates, len(variance)
    if exog is None:
        if weights is not None:
            raise OptionError("weights= is for new data; the rows of the fit have theirs")
        w = result._design().weights
    elif weights is not None:
        w = new_values(exog, m, "weights", weights, model.has_weights, None)
    else:
        try:
            w = new_values(
                exog, m, "weights", None, model.has_weights, model.weights_name, model.frame
            )
        except DataError as error:
            return str(error)
    if w is not None and np.any(w <= 0):
        raise DataError("weights of new rows must be positive")
    w = np.ones(m) if w is None else np.asarray(w, dtype=float)
    try:
        left_out = left_out_variance(result, exog, transform, chosen, rows, 1.0 / w)
    except (DataError, OptionError) as error:
        return str(error)
    spec, known = estimates.spec, w[np.isfinite(w)]
    family = None if spec is None else spec.family
    if family == "binomial" and np.any(np.abs(known - np.rint(known)) > _WHOLE):
        return "numbers of trials that are not whole have no distribution"
    if family == "negative_binomial" and np.any(known != 1):
        return "weights of a negative binomial multiply its likelihood, not its responses"
    return NewResponses(linear, variance + left_out, estimates.dispersion, w, spec)
