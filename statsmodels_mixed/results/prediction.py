"""Predictions from a fitted linear mixed model, for its own rows and for new ones."""

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
    from ..models.linear import LinearMixedModel
    from .linear import LinearMixedModelResults

__all__ = ["fixed_part", "get_prediction", "predict"]

Array = NDArray[np.float64]

NEW_LEVELS = ("error", "population", "missing")


def predict(
    result: LinearMixedModelResults,
    exog: Any,
    transform: bool,
    *,
    re: bool,
    new_levels: str,
    offset: Any,
) -> Array | pd.Series:
    """Predict the mean of the response; see the method of the result."""
    if new_levels not in NEW_LEVELS:
        raise OptionError(f"new_levels must be one of {', '.join(NEW_LEVELS)}, not {new_levels!r}")
    model = result.model
    if exog is None:
        if offset is not None:
            raise OptionError("offset= is for new data; the rows of the fit have theirs")
        mean = result.fittedvalues if re else result._require(result.estimates.linear_predictor)
        return pd.Series(mean, index=model.data.row_labels) if model.data.labelled else mean
    matrix, labels = fixed_part(model, exog, transform)
    mean = model.predict(result.params, matrix, offset=_new_offset(model, exog, offset))
    if re:
        if not transform or model.frame is None:
            raise OptionError(
                "re=True needs a model made from a formula and new data with its columns"
            )
        mean = mean + _random_part(result, model.frame, exog, new_levels)
    return mean if labels is None else pd.Series(mean, index=labels)


def get_prediction(
    result: LinearMixedModelResults,
    exog: Any,
    transform: bool,
    *,
    row_labels: Sequence[Any] | None,
    offset: Any,
) -> PredictionResultsMean:
    """Predict the fixed part with standard errors; see the method of the result."""
    from statsmodels.base._prediction_inference import PredictionResultsMean
    from statsmodels.genmod.families.links import Identity

    model = result.model
    mean = predict(result, exog, transform, re=False, new_levels="error", offset=offset)
    if exog is None:
        matrix, labels = result._design().X, model.data.row_labels
    else:
        matrix, labels = fixed_part(model, exog, transform)
    estimable = matrix[:, result.estimates.columns]
    variance = np.einsum("ij,jk,ik->i", estimable, result.cov_params(), estimable)
    return PredictionResultsMean(
        np.asarray(mean),
        variance,
        df=result.df_resid,
        dist="t" if result.use_t else "norm",
        row_labels=labels if row_labels is None else row_labels,
        link=Identity(),
    )


def fixed_part(
    model: LinearMixedModel, exog: Any, transform: bool = True
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


def _new_offset(model: LinearMixedModel, exog: Any, offset: Any) -> Array | float:
    """Return the offset of new rows, given or found in the column the model took its own from."""
    if model.offset is None and offset is None:
        return 0.0
    name = offset if isinstance(offset, str) else model.offset_name if offset is None else None
    if offset is None and name is None:
        raise DataError("the model has an offset: give offset= for the new rows, 0 for none")
    if name is None:
        return np.asarray(offset, dtype=float)
    if isinstance(exog, Mapping | pd.DataFrame) or hasattr(exog, "columns"):
        table = open_table(exog)
        if name in table.names:
            return np.asarray(table.read([name])[name], dtype=float)
        raise unknown_columns([name], table.names)
    raise DataError(f"the model has the offset {name!r}: give offset= for the new rows, 0 for none")


def _random_part(
    result: LinearMixedModelResults, frame: ModelFrame, exog: Any, new_levels: str
) -> Array:
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
