"""Tests of the terms of fits with parameters of rows: by refits, and Wald's."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import DataError
from ...fitting.distributional.problem import fit_from
from ...fitting.distributional.row_parameters import RowParameters
from ...fitting.fixed_effects.basis import orthonormal_basis
from ..anova import anova as _anova_of
from ..difference_of_minima import difference_of_minima
from ..drop1 import drop1 as _drop1_of
from ..drop1 import ranova as _ranova_of
from ..drop1 import row_of, tail
from ..fixed_terms import scope, terms_effects, terms_of

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["drop1", "ranova", "terms_table"]


def drop1(self: DistributionalFit) -> pd.DataFrame:
    """Test each term of the fixed part of every formula by leaving it out.

    Terms that are part of an interaction stay. Every test is a fit of the model without the
    term.

    Returns
    -------
    DataFrame
        As for other models; terms of other formulas than that of the mean are called
        ``"zi: x"``, ``"hurdle: x"`` and ``"disp: x"``.

    Raises
    ------
    DataError
        If there is no fit without a term, or the data of the fit were removed.

    See Also
    --------
    DistributionalResults.ranova, DistributionalResults.anova

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().drop1()[["npar", "statistic", "df_diff"]].round(1)
            npar  statistic  df_diff
    <none>     5        NaN     <NA>
    year       3       44.9        2
    """
    part = self._with_constant() if self._ordered else self._mean_part
    table = _of_all_parts(self, part, _drop1_of(part))
    rows = list(_without_terms(self))
    if not rows:
        return table
    index = [row.pop("name") for row in rows]
    more = pd.DataFrame(rows, index=index, columns=table.columns).astype({"df_diff": "Int64"})
    return pd.concat([table, more])


def ranova(self: DistributionalFit) -> pd.DataFrame:
    """Test each random-effects term of every formula by leaving it out.

    Returns
    -------
    DataFrame
        As for other models; effects on zeros are called ``"zi: (1 | g)"``.

    Raises
    ------
    DataError
        If there is no fit without an effect, or the data of the fit were removed.

    See Also
    --------
    DistributionalResults.drop1

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().ranova()["statistic"].round(0).tolist()
    [nan, 3293.0]
    """
    return _of_all_parts(self, self._mean_part, _ranova_of(self._mean_part))


def terms_table(
    fit: DistributionalFit, kind: Any, typ: Any, dof: str | None, component: str
) -> pd.DataFrame:
    """Return Wald tests of the terms of one formula.

    Parameters
    ----------
    fit : DistributionalResults
    kind, typ, dof, component
        As in `anova`, which calls the first one `type`.
    """
    part = fit._with_constant() if fit._ordered else fit._component(component)
    return _anova_of(part, type=kind, typ=typ, dof=dof)


def _of_all_parts(fit: DistributionalFit, part: Any, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of fits of a part with the parameters of all parts counted."""
    others = fit.dof - part.dof
    return table.assign(npar=table["npar"] + others, aic=table["aic"] + 2.0 * others)


def _without_terms(fit: DistributionalFit) -> Iterator[dict[str, Any]]:
    """Yield a row for each term that can leave a formula besides that of the mean."""
    design, model = fit.model.kept_design(), fit.model
    assert model.frame is not None
    for name, matrix in model.matrices.items():
        terms = terms_of(matrix)
        effects = list(terms_effects(matrix, model.frame))
        for term in scope(terms):
            others = [F for each, F in zip(terms, effects, strict=True) if each is not term]
            if not others and name != "nominal":
                continue
            F = np.hstack([np.empty((len(design.y), 0)), *others])
            rows, fewer = _rows_without(fit, name, F)
            label = model._place_of(name)[0] + term.name
            try:
                found = fit_from(design, fit.estimates.conditional, rows)
            except DataError as error:
                raise DataError(f"there is no fit without {label}: {error}") from error
            statistic = difference_of_minima(found.objective, fit.estimates.objective)
            yield row_of(label, found.objective, fit.dof - fewer) | {
                "statistic": statistic,
                "df_diff": fewer,
                "pvalue": tail(fewer, statistic),
            }


def _rows_without(
    fit: DistributionalFit, name: str, F: np.ndarray[Any, Any]
) -> tuple[RowParameters, int]:
    """Return parameters of rows of which one has the span of other columns, and how many fewer."""
    model = copy.copy(fit.model)
    kept = orthonormal_basis(F, None).columns
    some = np.ascontiguousarray(F[:, kept]), tuple(f"column {i}" for i in kept)
    model._pieces = {**model._pieces, name: some}
    rows = model._rows(model.kept_design())
    return rows, len(fit.estimates.rows.names) - len(rows.names)
