"""What a result may touch of the model it was fitted from."""

from __future__ import annotations

from typing import Any, Protocol, Self

import pandas as pd
from numpy.typing import ArrayLike

from .._typing import Array
from ..frame.design import Design
from ..frame.model_frame import ModelFrame, RowSample, RowSummary
from ..frame.table.sources import Sources
from .layout import Layout

__all__ = ["FittedModel", "ModelData"]


class ModelData(Protocol):
    """Names and labels as statsmodels asks a model's `data` for them."""

    row_labels: pd.Index | None
    param_names: list[str]
    cov_names: list[str]
    xnames: list[str]


class FittedModel(Protocol):
    """The model behind a result, linear or generalized.

    Attributes
    ----------
    design : Design or None
        None once the data were removed.
    frame : ModelFrame or None
        None for a model made from arrays.
    layout : Layout
        Names and sizes, which remain without data.
    data : ModelData
    link : object
        With `inverse` and `inverse_deriv`, as the links of statsmodels.
    k_constant : int
    sources : Sources
        Where offset, exposure and weights come from.
    """

    design: Design | None
    frame: ModelFrame | None
    data: Any
    link: Any
    sources: Sources
    layout: Layout

    @property
    def sample(self) -> RowSample | None:
        """Of data that were read by batches some rows; else None."""
        ...

    @property
    def described(self) -> RowSummary | None:
        """Of data that were read by batches combinations of levels and means; else None."""
        ...

    @property
    def k_constant(self) -> int:
        """1 when the columns of X span a constant, else 0."""
        ...

    def kept_design(self) -> Design:
        """Return the design; a DataError once the data were removed."""
        ...

    @property
    def sufficient(self) -> Design | None:
        """Arrays with the same likelihood, perhaps of few rows that stand for many."""
        ...

    def sufficient_design(self) -> Design:
        """Return these; a DataError once the data were removed."""
        ...

    def with_response(self, y: ArrayLike) -> Self:
        """Return the model of another response, shape (n,)."""
        ...

    def update(self, formula: str, data: Any = None, **options: Any) -> Self:
        """Return a model with a changed formula, other data or other options."""
        ...

    def without_data(self) -> Self:
        """Return a copy without data."""
        ...

    def _seen_with(self, dof: str | None) -> Self:
        """Return the model as other packages see it behind a result with such a dof=."""
        ...

    def _linear_predictor(
        self, params: ArrayLike, exog: ArrayLike | None, offset: Any, exposure: Any = None
    ) -> Array: ...
