"""Estimated marginal trends: slopes of a covariate, averaged over a reference grid.

The derivative of a row of X in the covariate is that of the polynomial through five points around
its value, which for any model without kinks there is exact to far more digits than a standard
error has. At the ends of the data the points stay inside, where splines are defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Numbers
from ..errors import OptionError
from ..frame.matrices.coding import CodedMatrix
from ..frame.matrices.factors import CodedFactor, Rows
from ..results.base import unwrap
from ..results.own_function import own_first
from .estimated import check_level
from .linear_functions import LinearFunctions
from .means import EstimatedMeans
from .reference_grid import ReferenceGrid
from .request import read_request
from .response_scale import response_scale
from .variables import is_numeric

__all__ = ["emtrends", "slopes_of_rows"]


# Distance of the points, as a share of the range of the covariate.
STEP = 1e-3
POINTS = np.arange(-2.0, 3.0)


@own_first
def emtrends(
    result: Any,
    specs: str | Sequence[str],
    var: str,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    level: float = 0.95,
) -> EstimatedMeans:
    """Estimate marginal trends: the slopes of a covariate.

    They are derivatives of the linear predictor in the covariate, at the values that it has in the
    reference grid (its mean, if `at` says nothing), averaged as `emmeans` averages means.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    specs : str or list of str
        Variables that there are slopes for, as in `emmeans`; ``"1"`` for the average slope.
    var : str
        The covariate; or a function of it as the formula has it, ``"np.log(x)"``: slopes are then
        by that function.
    by, at, weights, level
        As in `emmeans`.

    Returns
    -------
    EstimatedMeans
        Of slopes; `contrasts()` compares them.

    Raises
    ------
    OptionError
        If `var` is no covariate of the fixed part, or what `emmeans` refuses.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    emmeans

    References
    ----------
    Lenth (2016), Journal of Statistical Software 69(1).

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.emtrends("1", "days").to_frame()[["estimate", "std_error"]].round(3)
       estimate  std_error
    0    10.467      1.502
    """
    result = unwrap(result, correlated=True)
    request = read_request(result, specs, by=by, at=at, weights=weights, offset=0.0)
    rows = request.averaging.of(slopes_of_rows(request.grid, var))
    scale = response_scale(result)
    facts = list(request.facts)
    if scale is not None:
        facts.append(f"Trends are on the {scale.name} scale.")
    return EstimatedMeans(
        labels=request.labels,
        by=request.specs.by,
        functions=LinearFunctions.of(result, rows, np.zeros(len(rows))),
        scale=None,
        adjust="none",
        family_size=request.sizes,
        level=check_level(level),
        title=f"Estimated marginal trends of {result.layout.response} in {var}",
        facts=tuple(facts),
        names=request.specs.names,
        averaged=request.averaging.averaged,
        method=request.specs.method,
    )


def slopes_of_rows(grid: ReferenceGrid, var: str) -> Array:
    """Return the derivatives of the rows of X in a covariate, shape (cells, p).

    Parameters
    ----------
    grid : ReferenceGrid
    var : str
        The covariate, or a function of it as the formula has it.

    Raises
    ------
    OptionError
        If it is none.
    """
    function = _function_named(grid, var)
    name = var if function is None else function.source.columns[0]
    found = {v.name: v for v in grid.variables}
    column = found[name].template if name in found else None
    if column is None or not is_numeric(column):
        numbers = [v.name for v in grid.variables if is_numeric(v.template)]
        raise OptionError(
            f"var= is a covariate of the fixed part, one of {', '.join(numbers) or 'none'}, or a "
            f"function of one that is in the formula, not {var!r}."
        )
    values = np.asarray(found[name].values, dtype=float)[grid.codes[name]]
    data = np.asarray(column, dtype=float)
    low, high = float(data.min()), float(data.max())
    h = STEP * ((high - low) or abs(high) or 1.0)
    inside = (values >= low) & (values <= high) & (high - low > 4.0 * h)
    middle = np.where(inside, np.clip(values, low + 2.0 * h, high - 2.0 * h), values)
    shares = _derivative_weights((values - middle) / h) / h
    points = [middle + point * h for point in POINTS]
    total: Array = np.zeros(1)
    for share, at in zip(shares.T, points, strict=True):
        total = total + share[:, None] * grid.matrix(**{name: at})
    # What does not depend on the covariate leaves rounding errors only.
    level = np.abs(grid.matrix(**{name: middle})) / h
    total = np.where(np.abs(total) <= 1e-12 * level, 0.0, total)
    if function is None:
        return total
    slope = sum(
        share * _value(function, grid.data.assign(**{name: at}))
        for share, at in zip(shares.T, points, strict=True)
    )
    return np.asarray(total / np.asarray(slope)[:, None])


def _function_named(grid: ReferenceGrid, var: str) -> CodedFactor | None:
    """Return the factor of the formula that is a function of one covariate, by its name."""
    matrix = grid.frame.fixed
    for factor in matrix.factors if isinstance(matrix, CodedMatrix) else ():
        single = len(factor.source.columns) == 1 and factor.categories is None and factor.width == 1
        if single and factor.label.replace(" ", "") == var.replace(" ", ""):
            return None if factor.label in grid.data.columns else factor
    return None


def _value(function: CodedFactor, data: pd.DataFrame) -> Array:
    rows = Rows({str(name): data[name].to_numpy() for name in data}, data.index)
    return np.asarray(rows.value_of(function), dtype=float)[:, 0]


def _derivative_weights(t: Array) -> Array:
    """Return weights of values at `POINTS` in the derivative of their polynomial at t."""
    powers = np.vander(POINTS, increasing=True)
    degree = np.arange(1, len(POINTS))
    slope = np.column_stack([np.zeros(len(t)), degree * t[:, None] ** (degree - 1.0)])
    return np.asarray(np.linalg.solve(powers.T, slope.T).T)
