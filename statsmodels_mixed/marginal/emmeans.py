"""Estimated marginal means: averages of predictions over a reference grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
import pandas as pd

from .._typing import Numbers
from ..errors import OptionError
from ..results.base import unwrap
from ..results.own_function import own_first
from .combinations import SHOW_LEVELS, combinations
from .estimated import check_level
from .linear_functions import LinearFunctions
from .means import EstimatedMeans
from .population import population_functions
from .random_variance import cell_columns, random_variance, residual_variance
from .request import read_request
from .response_scale import response_scale

__all__ = ["emmeans"]

TYPES = ("link", "response")


# Two return types: the means, or a table of what they would be averaged over.
@overload
def emmeans(
    result: Any,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: Literal["show.levels"],
) -> pd.DataFrame: ...


@overload
def emmeans(
    result: Any,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    type: str = "link",
    bias_adjust: bool = False,
    level: float = 0.95,
    population: bool = False,
    offset: float | None = None,
) -> EstimatedMeans: ...


@own_first
def emmeans(
    result: Any,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None = None,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
    type: str = "link",
    bias_adjust: bool = False,
    level: float = 0.95,
    population: bool = False,
    offset: float | None = None,
) -> EstimatedMeans | pd.DataFrame:
    """Estimate marginal means.

    They are predictions of a reference grid, averaged: all combinations of the levels of the
    factors of the fixed part, with covariates at their means (those with no more than two values at
    both), as the R package emmeans has them. Random effects are zero. Standard errors and degrees
    of freedom are those of the fit: `with_inference` and `fit(dof=...)` change them.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    specs : str or list of str
        Variables that there are means of: ``"a"``, ``["a", "b"]``, ``"a * b"``; ``"a | b"`` for
        those of a within the levels of b; ``"pairwise ~ a | b"`` to show contrasts as well;
        ``"1"`` for the mean of all.
    by : str or list of str, optional
        Variables within whose values means are compared.
    at : mapping, optional
        Values of variables in the grid: some levels of a factor, any numbers for a covariate,
        or a function of its column such as ``np.median``.
    weights : str or array_like
        How to average over other factors. ``"equal"``; ``"proportional"``, by the rows that
        have a combination of levels; ``"outer"``, by the product of the margins of these;
        ``"cells"``, by the rows of each cell; ``"flat"``, equally over the cells with rows; or
        a weight for each combination of levels, of which the first factor varies fastest:
        ``"show.levels"`` returns these combinations in place of means.
    type : {"link", "response"}
        The scale of the linear predictor, or back to that of the response by the inverse of the
        link, or of the transformation of the response of a linear model (``np.log(y) ~ ...``).
    bias_adjust : bool
        Adjust what comes back from the link for random effects not being zero: to second order,
        with their total variance (and that of the residual for a transformed response).
    level : float
        Of the intervals.
    population : bool
        Means over the population of random effects: the inverse of the link is integrated over
        their distribution, and cells are averaged on the scale of the response. Standard errors
        account for the covariance parameters where the likelihood has a regular maximum.
    offset : float, optional
        Offset of every cell; by default the mean of the offset of the rows (log exposure
        included). Where `at` has values of a variable in ``offset(...)`` of the formula, the
        offset is computed of them.

    Returns
    -------
    EstimatedMeans
        Prints as a table; `to_frame()`, `contrasts()`. For ``weights="show.levels"`` a
        DataFrame of the combinations that are averaged over, with their numbers of `rows`.

    Raises
    ------
    OptionError
        If a variable is not in the fixed part, an option does not exist, or the model was made
        from arrays.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    emtrends, joint_tests, with_inference

    References
    ----------
    Searle, Speed and Milliken (1980), The American Statistician 34, 216-221. Lenth (2016), Journal
    of Statistical Software 69(1).

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> fit = mixedlm2("score ~ machine + (1 | worker)", machines).fit(dof="satterthwaite")
    >>> fit.emmeans("machine").to_frame()[["machine", "estimate", "std_error", "df"]].round(2)
      machine  estimate  std_error    df
    0       A     52.36       2.05  7.15
    1       B     60.32       2.05  7.15
    2       C     66.27       2.05  7.15
    """
    result = unwrap(result, correlated=True)
    if type not in TYPES:
        raise OptionError(f"type= is one of {', '.join(TYPES)}, not {type!r}.")
    shown = isinstance(weights, str) and weights == SHOW_LEVELS
    weights = "equal" if shown else weights
    request = read_request(result, specs, by=by, at=at, weights=weights, offset=offset)
    if shown:
        return combinations(request)
    grid, averaging, facts = request.grid, request.averaging, list(request.facts)
    scale = response_scale(result)
    if bias_adjust and (scale is None or type != "response" or population):
        raise OptionError(
            'bias_adjust= is for type="response" of a model with a link or a transformed response.'
        )
    if population and scale is not None:
        functions, words = population_functions(result, grid, averaging, scale)
        facts = [line for line in facts if not line.startswith("Degrees of freedom")] + words
        scale = None
    else:
        functions = LinearFunctions.of(
            result, averaging.of(grid.matrix()), averaging.of(grid.offsets)
        )
        if scale is not None and type == "link":
            facts.append(f"Means are on the {scale.name} scale.")
        elif scale is not None:
            facts.append(
                f"Means are back from the {scale.name} scale, on which they have their intervals."
            )
        elif type == "response" and result.estimates.linear:
            response = result.layout.response
            if "(" in response and not response.startswith("Q("):
                facts.append(f"Means are of {response}: its inverse is not known.")
        if bias_adjust and scale is not None:
            variance = random_variance(result, cell_columns(grid)) + residual_variance(result)
            cells = np.broadcast_to(variance, len(grid.weight))
            scale = scale.adjusted(np.sqrt(averaging.of(cells)))
            facts.append("They are adjusted for bias, to second order.")
    return EstimatedMeans(
        labels=request.labels,
        by=request.specs.by,
        functions=functions,
        scale=scale if type == "response" else None,
        adjust="none",
        family_size=request.sizes,
        level=check_level(level),
        title=f"Estimated marginal means of {result.layout.response}",
        facts=tuple(facts),
        names=request.specs.names,
        averaged=averaging.averaged,
        method=request.specs.method,
    )
