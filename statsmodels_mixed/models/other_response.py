"""A model of another response to the same rows."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from .._typing import Array

if TYPE_CHECKING:
    from .base import MixedModel

__all__ = ["of_response", "with_response"]

Model = TypeVar("Model", bound="MixedModel")


def with_response(model: Model, y: Array) -> Model:
    """Return a model of another response.

    Both keep the analysis of their common structure.

    Parameters
    ----------
    model : LinearMixedModel or GeneralizedLinearMixedModel
    y : ndarray, shape (n,)
        The response, in the form of `endog`.

    Returns
    -------
    LinearMixedModel or GeneralizedLinearMixedModel

    Raises
    ------
    DataError
        If the data were removed.

    See Also
    --------
    LinearMixedModelResults.refit

    Examples
    --------
    >>> model = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy"))
    >>> model.with_response(2 * model.endog).fit().params.round(2).to_dict()
    {'Intercept': 502.81, 'days': 20.93}
    """
    if model._structure is None:
        model._structure = model._analyse()
    other = of_response(model, y)
    other.other_response = True
    return other


def of_response(model: Model, y: Array) -> Model:
    """Return a copy with another response."""
    other = copy.copy(model)
    design = replace(model.kept_design(), y=y, response_levels=None)
    rows, frame = model.data.row_labels, model.frame
    frame = None if frame is None else replace(frame, y=y, response_levels=None)
    other._attach(design, rows if model.data.labelled else None, frame, model.layout.n_dropped)
    return other
