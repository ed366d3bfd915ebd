"""What random effects add to the variance of the linear predictor in the cells of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.design_checks import refuse_related
from ..frame.new_data import NewData
from .reference_grid import ReferenceGrid
from .variables import is_numeric

if TYPE_CHECKING:
    from ..results.base import MixedModelResults

__all__ = ["cell_columns", "random_variance", "residual_variance"]


def cell_columns(grid: ReferenceGrid) -> list[Array]:
    """Return the columns of the random effects of every block, shape (cells, k).

    Columns of the data that only random effects have are at their mean, labels at the one that
    occurs most often.
    """
    table = grid.frame.table
    data = grid.data.copy()
    needed = (name for part in grid.frame.random for m in part.matrices for name in m.columns)
    for name in dict.fromkeys(needed):
        if name not in data:
            if name not in table:
                raise DataError(
                    f"{name!r} is not in the fixed part, and its rows are not in memory: leave "
                    "population= and bias_adjust= out."
                )
            column = table[name]
            number = is_numeric(column)
            value = column.mean() if number else column.mode().iloc[0]
            data[name] = pd.Series([value] * len(data), dtype=None if number else column.dtype)
    new = NewData.of_table(data, grid.frame)
    return [new.random(i) for i in range(len(grid.frame.random))]


def random_variance(result: MixedModelResults, columns: Sequence[Array]) -> Array | float:
    """Return z'Sigma z summed over all grouping factors, shape (cells,).

    Raises
    ------
    OptionError
        If levels are related, so that their variances differ.
    """
    refuse_related(result.model.sufficient_design(), "an average over random effects")
    total: Array | float = 0.0
    for z, T in zip(columns, result.estimates.factors, strict=True):
        total = total + np.square(z @ T).sum(axis=1)
    return result.estimates.effects_scale**2 * total


def residual_variance(result: MixedModelResults) -> float:
    """Return what a response of a linear model adds to that, sigma^2; else 0.

    Raises
    ------
    OptionError
        If residuals have no common variance.
    """
    if result.takes_correlated:
        raise OptionError(
            "residuals of this model have no common variance, which means of a transformed "
            'response need: leave population= and bias_adjust= out for type="response".'
        )
    return float(result.scale) if result.estimates.linear else 0.0
