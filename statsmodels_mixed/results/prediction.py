"""Predictions from a fitted mixed model, for its own rows and for new ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError, OptionError
from ..frame.columns import open_table, unknown_columns

if TYPE_CHECKING:
    from statsmodels.base._prediction_inference import PredictionResultsMean

    from ..frame.model_frame import ModelFrame
    from ..models.base import MixedModel
    from .base import MixedModelResults

__all__ = ["fixed_part", "get_prediction", "mean_of", "predict"]

Array = NDArray[np.float64]

NEW_LEVELS = ("error", "population", "missing")
WHICH = ("mean", "linear")


def mean_of(model: MixedModel, linear: Array, which: str) -> Array:
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
    re: bool,
    new_levels: str,
    offset: Any,
    exposure: Any = None,
) -> Array | pd.Series:
    """Predict the response; see the method of the result."""
    linear, labels = _linear(
        result, exog, transform, re=re, new_levels=new_levels, offset=offset, exposure=exposure
    )
    mean = mean_of(result.model, linear, which)
    return mean if labels is None else pd.Series(mean, index=labels)


def _linear(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    *,
    re: bool,
    new_levels: str,
    offset: Any,
    exposure: Any,
) -> tuple[Array, pd.Index | None]:
    """Return the linear predictor, shape (m,), and the labels of its rows."""
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}")
    model = result.model
    if exog is None:
        if offset is not None or exposure is not None:
            name = "exposure" if offset is None else "offset"
            raise OptionError(f"{name}= is for new data; the rows of the fit have theirs")
        fixed = result._require(result.estimates.linear_predictor)
        labels = model.data.row_labels if model.data.labelled else None
        return result._conditional_predictor if re else fixed, labels
    matrix, labels = fixed_part(model, exog, transform)
    linear = model._linear_predictor(
        result.params,
        matrix,
        _new_values(exog, "offset", offset, model.has_offset, model.offset_name),
        _new_values(exog, "exposure", exposure, model.has_exposure, model.exposure_name),
    )
    if re:
        if not transform or model.frame is None:
            raise OptionError(
                "re=True needs a model made from a formula and new data with its columns"
            )
        linear = linear + _random_part(result, model.frame, exog, new_levels)
    return linear, labels


def get_prediction(
    result: MixedModelResults,
    exog: Any,
    transform: bool,
    *,
    which: str = "mean",
    row_labels: Sequence[Any] | None,
    offset: Any,
    exposure: Any = None,
) -> PredictionResultsMean:
    """Predict with standard errors; see the method of the result."""
    from statsmodels.base._prediction_inference import PredictionResultsMean
    from statsmodels.genmod.families.links import Identity

    model = result.model
    linear, labels = _linear(
        result, exog, transform, re=False, new_levels="error", offset=offset, exposure=exposure
    )
    if exog is None:
        matrix, labels = result._design().X, model.data.row_labels
    else:
        matrix, labels = fixed_part(model, exog, transform)
    estimable = matrix[:, result.estimates.columns]
    variance = np.einsum("ij,jk,ik->i", estimable, result.cov_params(), estimable)
    about = {
        "df": result.df_resid,
        "dist": "t" if result.use_t else "norm",
        "row_labels": labels if row_labels is None else row_labels,
    }
    on_link_scale = PredictionResultsMean(linear, variance, link=Identity(), **about)
    if which == "linear" or isinstance(model.link, Identity):
        return on_link_scale
    with np.errstate(all="ignore"):
        slope = model.link.inverse_deriv(linear)
    return PredictionResultsMean(
        mean_of(model, linear, which),
        slope**2 * variance,
        linpred=on_link_scale,
        link=model.link,
        **about,
    )


def fixed_part(
    model: MixedModel, exog: Any, transform: bool = True
) -> tuple[Array, pd.Index | None]:
    """Return the fixed-effects matrix of new data, shape (m, p), and its row labels."""
    if isinstance(exog, pd.Series):
        # One row, unless it is the one column of a matrix.
        one_column = model.frame is None and len(model.layout.columns) == 1
        exog = exog.to_frame() if one_column else exog.to_frame().T.infer_objects()
    labels = exog.index if isinstance(exog, pd.DataFrame) else None
    if transform and model.frame is not None:
        from ..frame.build import fixed_matrix

        return fixed_matrix(model.frame, exog), labels
    matrix = np.asarray(exog, dtype=float)
    width = len(model.layout.columns)
    if matrix.ndim == 1:
        matrix = matrix[:, None] if width == 1 else matrix[None, :]
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise DataError(
            f"new data must have {width} columns, one per coefficient, not shape {matrix.shape}"
        )
    return matrix, labels


def _new_values(exog: Any, option: str, given: Any, needed: bool, name: str | None) -> Array | None:
    """Return offset or exposure of new rows.

    Parameters
    ----------
    exog : table
        The new data.
    option : str
        ``"offset"`` or ``"exposure"``.
    given : array_like, column name or None
        What the caller says.
    needed : bool
        Whether the model has one.
    name : str or None
        The column the model took it from.
    """
    if given is None and not needed:
        return None
    none = {"offset": 0, "exposure": 1}[option]
    absent = DataError(
        f"the model has an {option}: give {option}= for the new rows, {none} for none"
    )
    if given is None and name is None:
        raise absent
    if given is not None and not isinstance(given, str):
        return np.asarray(given, dtype=float)
    if not (isinstance(exog, Mapping | pd.DataFrame) or hasattr(exog, "columns")):
        raise absent
    column: Any = given or name
    table = open_table(exog)
    if column not in table.names:
        raise unknown_columns([column], table.names)
    return np.asarray(table.read([column])[column], dtype=float)


def _random_part(result: MixedModelResults, frame: ModelFrame, exog: Any, new_levels: str) -> Array:
    """Return Z b for new data, shape (m,)."""
    from ..frame.build import random_matrix

    total: Array | float = 0.0
    for i, (block, modes) in enumerate(zip(result.layout.blocks, result.estimates.b, strict=True)):
        z, refs = random_matrix(frame, i, exog)
        unseen = refs < 0
        if unseen.any() and new_levels == "error":
            raise DataError(
                f"{int(unseen.sum())} rows of the new data have levels of {block.name} that the "
                'fit has not seen; pass new_levels="population" or "missing"'
            )
        part = np.einsum("ij,ij->i", z, modes[refs])
        part[unseen] = np.nan if new_levels == "missing" else 0.0
        total = total + part
    return np.asarray(total)
