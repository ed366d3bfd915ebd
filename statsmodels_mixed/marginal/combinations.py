"""The combinations of levels that marginal means are averaged over, as a table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .averaging import average_over
from .request import Request

__all__ = ["SHOW_LEVELS", "combinations"]

# How the R package emmeans asks for this table, in place of weights.
SHOW_LEVELS = "show.levels"


def combinations(request: Request) -> pd.DataFrame:
    """Return the combinations in the order in which `weights` has a number for each.

    Parameters
    ----------
    request : Request
        What means were asked for.

    Returns
    -------
    DataFrame
        The factors, of which the first varies fastest, and `rows`: how many rows of the data
        have each combination.
    """
    grid, averaged = request.grid, request.averaging.averaged
    found = average_over(grid.codes, grid.weight, averaged, "equal", {})
    # Cells that differ in the values of covariates only have the same rows.
    others = [v for v in grid.variables if not v.is_factor and v.name not in averaged]
    rows = found.weight / np.prod([float(len(v.values)) for v in others])
    table = grid.values(found).assign(rows=rows.astype(int))
    nested = any(name in grid.nesting for name in averaged)
    return table[table["rows"] > 0].reset_index(drop=True) if nested else table
