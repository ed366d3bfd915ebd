"""A model like another one, with a changed formula, other data or other options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from patsy.eval import EvalEnvironment

from ..errors import DataError, OptionError, UnknownColumnError
from ..formula.update import update
from ..frame.matrices.coding import CodedMatrix
from ..frame.matrices.expressions import IN_FORMULA, evaluate
from ..frame.matrices.factors import Expression

if TYPE_CHECKING:
    from ..frame.model_frame import ModelFrame
    from .base import MixedModel

__all__ = ["updated"]


def updated(
    model: MixedModel, change: str, data: Any, env: EvalEnvironment, options: Mapping[str, Any]
) -> Any:
    """Return a model like this one; see `MixedModel.update`."""
    frame = model.frame
    if frame is None:
        raise OptionError("a model made from arrays has no formula to update.")
    text = update(frame.formula, change)
    own = {"functions": model.functions, "missing": frame.missing, **model._own_options()}
    if data is None and model.source is not None:
        data, own["subset"] = model.source, model.subset
    if data is None:
        own |= _options_of_rows(model, frame, options)
    else:
        own |= _options_of_columns(model, frame, options)
    if model.coded_columns and "contrasts" not in options:
        if model.given_contrasts is None:
            shown = ", ".join(model.coded_columns)
            raise OptionError(f"the contrasts of {shown} were not saved: give contrasts=.")
        own["contrasts"] = model.given_contrasts
    env = env.with_outer_namespace(_names(frame))
    table = _own_rows(model, frame) if data is None else data
    try:
        return type(model).from_formula(text, table, **{**own, "eval_env": env, **options})
    except UnknownColumnError as error:
        if data is not None:
            raise
        told = str(error).rstrip(".")
        raise DataError(f"{told}: the model keeps only what it uses, give data= too.") from error


def _own_rows(model: MixedModel, frame: ModelFrame) -> pd.DataFrame:
    """Return the columns and rows that a model has kept."""
    model.kept_design()
    if model.other_response:
        raise OptionError("the response of this model is not that of its formula: give data=.")
    if frame.rows.evaluated:
        looked = ", ".join(frame.without_value)
        raise DataError(
            f"{looked} had no value in some rows, which the model does not keep: give data=."
        )
    return frame.table


def _options_of_rows(
    model: MixedModel, frame: ModelFrame, changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return weights, offset and exposure for the rows of a model."""
    sources = model.sources
    column = sources.weights.column
    own: dict[str, Any] = {"weights": frame.weights if column is None else column}
    both = (sources.offset, sources.exposure)
    if all(source.column is not None or not source.needed for source in both):
        own |= {source.option: source.column for source in both}
    else:  # of arrays the sum is known, on the scale of the offset
        if both[0].needed and both[1].needed and ("offset" in changed) != ("exposure" in changed):
            raise OptionError("offset= and exposure= can only be changed together here.")
        offset = frame.offset
        if offset is not None and IN_FORMULA in frame.known:
            offset = offset - evaluate(frame.known[IN_FORMULA], frame.rows)
        if "exposure" not in changed:
            own["offset"] = offset
    return {name: value for name, value in own.items() if value is not None}


def _options_of_columns(
    model: MixedModel, frame: ModelFrame, changed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the columns from which new data have weights, offset and exposure."""
    sources = model.sources
    needed = {"offset": sources.offset.needed, "exposure": sources.exposure.needed}
    needed["weights"] = frame.weights is not None or (
        model.source is not None and sources.weights.needed
    )
    own = {}
    for option, is_needed in needed.items():
        column = getattr(sources, option).column
        if is_needed and option not in changed:
            if column is None:
                raise OptionError(
                    f"{option}= was an array for other rows: give {option}= for the new data."
                )
            own[option] = column
    return own


def _names(frame: ModelFrame) -> dict[str, Any]:
    """Return what the names in the code of a formula meant when the model was made."""
    found: dict[str, Any] = {}
    for expression in _expressions(frame):
        for namespace in expression.state["eval_env"]._namespaces:
            found.update(namespace)
    return found


def _expressions(frame: ModelFrame) -> Iterator[Expression]:
    random = [matrix for part in frame.random for matrix in part.matrices]
    for matrix in [frame.fixed, *random, *frame.known.values()]:
        if isinstance(matrix, CodedMatrix):
            for factor in matrix.factors:
                if isinstance(factor.source, Expression):
                    yield factor.source
