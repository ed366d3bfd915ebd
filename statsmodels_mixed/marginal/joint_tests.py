"""Tests that effects of factors on marginal means are zero: an analysis of variance of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from .._typing import Array, Numbers
from ..errors import OptionError
from ..results.base import unwrap
from ..results.own_function import own_first
from .averaging import WEIGHTS
from .contrasts import make_contrasts
from .estimated import Estimated, groups_of
from .linear_functions import LinearFunctions
from .nesting import with_outer
from .reference_grid import ReferenceGrid, reference_grid
from .specs import names_of

__all__ = ["joint_tests"]


# A direction of the contrasts below this share of the largest is a rounding error.
DEPENDENT = 1e-7

# The row of a table for what belongs to no single term.
CONFOUNDED = "(confounded)"


@own_first
def joint_tests(
    result: Any,
    by: str | Sequence[str] | None = None,
    *,
    at: Mapping[str, Any] | None = None,
    weights: str | Numbers = "equal",
) -> pd.DataFrame:
    """Test the effects of factors, and their interactions, on the marginal means.

    Every test is of all (interaction) contrasts of the means of one combination of factors that a
    term of the model has. In models of factors with no empty cells these are tests of
    type III. Covariates with more than two values are at their mean plus and minus 1, so that they
    have an effect; other tests are then those of means at the mean of the covariate. A factor that
    is nested in another is tested within it, under the names of both.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    by : str or list of str, optional
        Variables within whose values to test: simple effects.
    at, weights
        As in `emmeans`.

    Returns
    -------
    DataFrame
        A row for each `term`, within values of `by`: `df_num`, the number of independent estimable
        contrasts, `df_denom`, the least of their degrees of freedom, `statistic` (F; Wald's
        chi-squared is `df_num` times that), `pvalue`, and a `note` where contrasts are not
        estimable. Where cells of the grid have no data, differences between cells may be
        estimable that belong to no single term: the row ``"(confounded)"`` tests these.

    Raises
    ------
    OptionError
        If there is nothing to test, or what `emmeans` refuses.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    emmeans, anova

    References
    ----------
    Lenth (2016), Journal of Statistical Software 69(1).

    Examples
    --------
    >>> machines = datasets.load("machines")
    >>> fit = mixedlm2("score ~ machine + (1 | worker)", machines).fit(dof="satterthwaite")
    >>> fit.joint_tests().drop(columns="note").round(2)
          term  df_num  df_denom  statistic  pvalue
    0  machine       2      48.0      91.62     0.0
    """
    result = unwrap(result, correlated=True)
    if isinstance(weights, str) and weights not in WEIGHTS:
        raise OptionError(f"weights= is one of {', '.join(WEIGHTS)} or numbers, not {weights!r}.")
    grid = reference_grid(result, at, spread=1.0)
    inner = grid.named(names_of(by, "by"))
    factors = [v.name for v in grid.variables if len(v.values) > 1 and v.name not in inner]
    # An effect of a nested factor is one within those that it is nested in, whether its terms name
    # them or not.
    terms = [frozenset(with_outer(tuple(term), grid.nesting)) for term in grid.terms]
    effects = [
        chosen
        for size in range(1, len(factors) + 1)
        for chosen in combinations(factors, size)
        if any(term.issuperset(chosen) for term in terms) and _complete(chosen, inner, grid)
    ]
    if not effects:
        raise OptionError("there is no effect to test: no variable has two values in the grid.")
    X = grid.matrix()
    table, parts = [], []
    for chosen in effects:
        for values, functions in _contrasts(result, grid, X, chosen, inner, weights):
            table.append({**values, "term": ":".join(chosen), **_joint_test(functions)})
            parts.append((tuple(values.values()), functions))
    if any(row["note"] for row in table):
        for values, functions in _contrasts(result, grid, X, tuple(factors), inner, None):
            own = [part for place, part in parts if place == tuple(values.values())]
            rest = _remaining_test(functions, own)
            table += [{**values, "term": CONFOUNDED, **rest}] if rest["df_num"] else []
    columns = [*inner, "term", "df_num", "df_denom", "statistic", "pvalue", "note"]
    return pd.DataFrame(table, columns=columns)


def _complete(chosen: Sequence[str], inner: Sequence[str], grid: ReferenceGrid) -> bool:
    """Return whether what factors of an effect are nested in is there as well."""
    outer = {n for name in chosen for n in grid.nesting.get(name, ())}
    return outer <= {*chosen, *inner}


def _contrasts(
    result: Any,
    grid: ReferenceGrid,
    X: Array,
    chosen: tuple[str, ...],
    inner: list[str],
    weights: str | Numbers | None,
) -> list[tuple[dict[str, Any], LinearFunctions]]:
    """Return the contrasts of an effect within each combination of values of `inner`.

    Without weights they are the differences between the cells of the grid.
    """
    averaging = grid.average([*chosen, *inner], "equal" if weights is None else weights)
    functions = LinearFunctions.of(result, averaging.of(X), np.zeros(len(averaging.weight)))
    labels = grid.values(averaging)
    nested = [n for name in chosen for n in grid.nesting.get(name, ()) if n in chosen]
    within = list(inner) if weights is None else list(dict.fromkeys([*inner, *nested]))
    names = [*(name for name in chosen if name not in within), *within]
    sizes = tuple(len(rows) for rows in groups_of(labels, within))
    means = Estimated(labels[names], tuple(within), functions, None, "none", sizes, 0.95, "", ())
    interaction = weights is not None and len(names) - len(within) > 1
    method: Any = ["consec"] if interaction else "consec"
    contrasts = make_contrasts(
        means, names, method, by=within, adjust="none", level=0.95, scale=None
    )
    found = []
    for rows in groups_of(contrasts.labels, inner):
        values = {name: contrasts.labels[name].iloc[rows[0]] for name in inner}
        found.append((values, contrasts.functions.taken(rows)))
    return found


def _joint_test(functions: LinearFunctions) -> dict[str, Any]:
    """Test that all functions are zero, as far as they are estimable."""
    L, tests = functions.reduce(_orthonormal(functions.estimable_rows())), functions.tests
    note = "" if functions.known.all() else "some contrasts are not estimable"
    if not len(L) or not tests.known(L).all():
        return _row(len(L), note=note)
    return _row(len(L), float(np.min(tests.df(L))), tests.f_test(L).wald, note)


def _remaining_test(functions: LinearFunctions, own: list[LinearFunctions]) -> dict[str, Any]:
    """Test what functions can estimate beyond what their parts have in them.

    It is the difference of Wald's chi-squared of both, as in the R package emmeans.
    """
    tests = functions.tests
    whole = functions.reduce(_orthonormal(functions.estimable_rows()))
    rows = [part.estimable_rows() for part in own]
    parts = functions.reduce(_orthonormal(np.concatenate(rows)))
    rank = len(whole) - len(parts)
    if rank <= 0 or not tests.known(whole).all():
        return _row(max(rank, 0))
    of_parts = tests.f_test(parts).wald if len(parts) else 0.0
    wald = tests.f_test(whole).wald - of_parts
    return _row(rank, float(np.min(tests.df(whole))), wald)


def _row(rank: int, df: float = np.nan, wald: float = np.nan, note: str = "") -> dict[str, Any]:
    """Return the cells of a test by Wald's chi-squared."""
    F = wald / rank if rank else np.nan
    tail = chdtrc(rank, wald) if np.isinf(df) else fdtrc(rank, df, F)
    return {
        "df_num": rank,
        "df_denom": df,
        "statistic": F,
        "pvalue": float(tail),
        "note": note,
    }


def _orthonormal(rows: Array) -> Array:
    """Return an orthonormal basis of the space of rows, each built on those before it."""
    basis: list[Array] = []
    for row in rows:
        rest = row
        for _ in range(2):
            for each in basis:
                rest = rest - (each @ rest) * each
        length = float(np.linalg.norm(rest))
        if length > DEPENDENT * np.linalg.norm(row):
            basis.append(rest / length)
    return np.array(basis).reshape(len(basis), rows.shape[1])
