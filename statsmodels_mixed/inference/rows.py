"""Labels for what has one value for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["by_row", "row_labels"]


def row_labels(result: MixedModelResults) -> pd.Index:
    """Return the user's labels of the rows of a fit; numbers from 0 if they have none."""
    labels: pd.Index | None = result.model.data.row_labels
    return pd.RangeIndex(result.layout.nobs) if labels is None else labels


def by_row(result: MixedModelResults, values: NDArray[Any], name: str) -> pd.Series:
    """Return values of the rows, shape (n,), with their labels."""
    return pd.Series(values, index=row_labels(result), name=name)
