"""Estimated marginal trends: slopes of a covariate, averaged over a reference grid.

The derivative of a row of X in the covariate is that of the polynomial through five points around
its value, which for any model without kinks there is exact to far more digits than a standard
error has. At the ends of the data the points stay inside, where splines are defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import OptionError
from ..results.base import unwrap
from .estimated import check_level
from .linear_functions import LinearFunctions
from .means import EstimatedMeans
from .reference_grid import ReferenceGrid
from .request import read_request
from .response_scale import response_scale
from .variables import is_number

__all__ = ["emtrends"]

Array = NDArray[np.float64]

# Distance of the points, as a share of the range of the covariate.
STEP = 1e-3
POINTS = np.arange(-2.0, 3.0)


def emtrends(
    result: Any,
    specs: str | Sequence[str],
    var: str,
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | ArrayLike = "equal",
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
        The covariate.
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
    result = unwrap(result)
    request = read_request(result, specs, by=by, at=at, weights=weights, offset=0.0)
    rows = request.averaging.of(_slopes(request.grid, var))
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


def _slopes(grid: ReferenceGrid, var: str) -> Array:
    """Return the derivatives of the rows of X in a covariate, shape (cells, p)."""
    found = {v.name: v for v in grid.variables}
    column = found[var].template if var in found else None
    if column is None or not is_number(column):
        numbers = [v.name for v in grid.variables if is_number(v.template)]
        raise OptionError(
            f"var= is a covariate of the fixed part, one of {', '.join(numbers) or 'none'}, not "
            f"{var!r}."
        )
    values = np.asarray(found[var].values, dtype=float)[grid.codes[var]]
    data = np.asarray(column, dtype=float)
    low, high = float(data.min()), float(data.max())
    h = STEP * ((high - low) or abs(high) or 1.0)
    inside = (values >= low) & (values <= high) & (high - low > 4.0 * h)
    middle = np.where(inside, np.clip(values, low + 2.0 * h, high - 2.0 * h), values)
    shares = _derivative_weights((values - middle) / h) / h
    total = np.zeros(1)
    for i, point in enumerate(POINTS):
        total = total + shares[:, i, None] * grid.matrix(**{var: middle + point * h})
    # What does not depend on the covariate leaves rounding errors only.
    level = np.abs(grid.matrix(**{var: middle})) / h
    return np.where(np.abs(total) <= 1e-12 * level, 0.0, total)


def _derivative_weights(t: Array) -> Array:
    """Return weights of values at `POINTS` in the derivative of their polynomial at t."""
    powers = np.vander(POINTS, increasing=True)
    degree = np.arange(1, len(POINTS))
    slope = np.column_stack([np.zeros(len(t)), degree * t[:, None] ** (degree - 1.0)])
    return np.asarray(np.linalg.solve(powers.T, slope.T).T)
