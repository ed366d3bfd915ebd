"""A model of another response to the same rows."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.table.alignment import align
from ..frame.table.columns import as_numbers
from ..options import answering

if TYPE_CHECKING:
    from .base import MixedModel

__all__ = ["of_response", "one_response", "with_response"]

Model = TypeVar("Model", bound="MixedModel")


@answering({})
def with_response(model: Model, y: ArrayLike) -> Model:
    """Return a model of another response.

    Both keep the analysis of their common structure.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
    y : array_like, shape (n,)
        The response, in the form of `endog`; a Series goes by the labels of its rows.

    Returns
    -------
    LinearMixedModel or GeneralizedLinearMixedModel

    Raises
    ------
    OptionError
        If y has not one finite number for each row.
    DataError
        If the data were removed, y has labels of other rows, or no such model can have it.

    See Also
    --------
    LinearMixedModelResults.refit

    Examples
    --------
    >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
    >>> model.with_response(2 * model.endog).fit().params.round(2).to_dict()
    {'Intercept': 502.81, 'days': 20.93}
    """
    values = _numbers(model, y)
    if model._shares_analysis and model._structure is None:
        model._structure = model._analyse(model.sufficient_design())
    return of_response(model, values)


def one_response(model: MixedModel, y: Any) -> Any:
    """Return one response, as `simulate` gives it, in the order of the rows of a model.

    Parameters
    ----------
    model : MixedModel
    y : array_like, shape (n,) or (n, 1)
        A Series or data frame goes by the labels of its rows.

    Raises
    ------
    OptionError
        If there are several columns.
    DataError
        If the labels are those of other rows.
    """
    y = align(y, model.data.row_labels, "y", within=True)
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if len(shape) != 2:
        return y
    if shape[1] != 1:
        raise OptionError(
            f"y has {shape[1]} columns, and one response is fitted at a time: choose a column."
        )
    return y.iloc[:, 0] if hasattr(y, "iloc") else y[:, 0]


def _numbers(model: MixedModel, y: Any) -> Array:
    """Return one finite number for each row of a model, in memory of their own."""
    n = len(model.kept_design().y)
    y = one_response(model, y)
    try:
        values = as_numbers(y, "y").copy()
    except DataError:
        values = np.empty(0)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise OptionError(
            f"y must hold a finite number for each of the {n} rows used, as simulate gives them: "
            "0 and 1 for two labels."
        )
    return values


def of_response(model: Model, y: Array, levels: tuple[Any, ...] | None = None) -> Model:
    """Return a copy with another response: numbers, or codes of categories."""
    other = copy.copy(model)
    design = replace(model.kept_design(), y=y, response_levels=levels)
    rows, frame = model.data.row_labels, model.frame
    frame = None if frame is None else replace(frame, y=y, response_levels=levels)
    other._attach(design, rows if model.data.labelled else None, frame, model.layout.n_dropped)
    other.other_response = True
    return other
