"""A fitted model -> the document that `summary()` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from ..standard_errors.reference import RESIDUAL_DOF_METHODS
from ..tables.cell_formats import fixed, p_value, plain, significant
from ..tables.document import Document
from ..tables.table import Column, Table
from .layout import BlockLayout, Layout
from .notes import facts

if TYPE_CHECKING:
    from .base import MixedModelResults

__all__ = [
    "coefficient_table",
    "header_table",
    "levels_of_groups",
    "summarize",
    "title",
    "two_columns",
]


def summarize(
    result: MixedModelResults,
    *,
    yname: str | None = None,
    xname: Sequence[str] | None = None,
    title_text: str | None = None,
    alpha: float = 0.05,
    ratio: str | None = None,
) -> Document:
    """Build the summary of a fit.

    Parameters
    ----------
    result : MixedModelResults
        The fit.
    yname : str, optional
        Name to show for the response.
    xname : sequence of str, optional
        Names to show for the estimable coefficients.
    title_text : str, optional
        First line instead of the one that names the kind of fit.
    alpha : float
        The confidence intervals have level 1 - alpha.
    ratio : str, optional
        Show exponentials of the coefficients, under this name.

    Returns
    -------
    Document
        Its tables: the fit as a whole, coefficients, variance components.
    """
    tables = [
        header_table(result, yname=yname),
        coefficient_table(result, xname=xname, alpha=alpha, ratio=ratio),
        result.varcorr.table("Random effects"),
    ]
    if result.varcorr.structures:
        tables.append(result.varcorr.structures_table("Covariance structures"))
    return Document(title_text or title(result), tables, facts(result))


def title(result: MixedModelResults) -> str:
    """Return the line that says how the model was fitted."""
    how = "REML" if result.method == "REML" else "maximum likelihood"
    return f"{result.kind.capitalize()} fit by {how}"


def header_table(result: MixedModelResults, *, yname: str | None = None) -> Table:
    """Return the table about the fit as a whole: names and sizes, criteria."""
    reml = " (REML)" if result.method == "REML" else ""
    four = fixed(4)
    objective = result._objective_name.replace("log-likelihood", "Log-Likelihood")
    own_left, own_right = result._header()
    dof = result.dof_method
    right = [
        (f"Log-Likelihood{reml}:", four(result.llf)),
        (f"{objective}:", four(result.objective)),
        *own_right,
        (f"AIC{reml}:", four(result.aic)),
        (f"AICc{reml}:", four(result.aicc)),
        (f"BIC{reml}:", four(result.bic)),
    ]
    left = [
        ("Dep. Variable:", yname or result.layout.response),
        *own_left,
        ("Method:", result.method),
        *([("Deg. of Freedom:", RESIDUAL_DOF_METHODS[dof])] if dof else []),
        ("No. Observations:", str(result.layout.nobs)),
        *levels_of_groups(result.layout),
        ("Converged:", f"{'yes' if result.converged else 'no'}, {_effort(result)}"),
    ]
    return two_columns(left, right, _formula(result))


def two_columns(
    left: Sequence[tuple[str, str]], right: Sequence[tuple[str, str]], title: str
) -> Table:
    """Return names and values side by side, the shorter side filled up."""
    size = max(len(left), len(right))
    left, right = ([*side, *[("", "")] * (size - len(side))] for side in (left, right))
    columns = (
        Column("name_1", "", align="left"),
        Column("value_1", ""),
        Column("name_2", "", align="left"),
        Column("value_2", ""),
    )
    rows = tuple((*a, *b) for a, b in zip(left, right, strict=True))
    return Table(columns, rows, title, stretch=1)


def levels_of_groups(layout: Layout) -> list[tuple[str, str]]:
    """Return how many levels every grouping factor has, and how they are related."""
    return [(f"Levels of {block.name}:", _levels(block)) for block in layout.blocks]


def _levels(block: BlockLayout) -> str:
    if block.members is not None:
        return str(len(block.members))
    return f"{len(block.levels)}, by {block.related}" if block.related else str(len(block.levels))


def _effort(result: MixedModelResults) -> str:
    count = result.report.evaluations
    return f"{count} evaluation{'' if count == 1 else 's'}"


def _formula(result: MixedModelResults) -> str:
    return str(getattr(result.model, "formula_full", ""))


def coefficient_table(
    result: MixedModelResults,
    *,
    xname: Sequence[str] | None = None,
    alpha: float = 0.05,
    ratio: str | None = None,
) -> Table:
    """Return the table of the estimable coefficients with their intervals.

    With `ratio`, the name of exp(coefficient), estimates and the ends of the intervals are
    exponentials and standard errors follow by the delta method; tests are unchanged.
    """
    names = result.fixefnames
    if xname is not None:
        if len(xname) != len(names):
            raise OptionError(f"xname must have {len(names)} names, one per coefficient.")
        names = list(xname)
    estimate, error = np.asarray(result.params), np.asarray(result.bse)
    interval = np.asarray(result.conf_int(alpha))
    if ratio:
        with np.errstate(over="ignore"):
            estimate, interval = np.exp(estimate), np.exp(interval)
            error = estimate * error
    df = [result._coefficient_df] if result.use_t else []
    values = np.column_stack([estimate, error, result.tvalues, *df, result.pvalues, interval])
    statistic = "t" if result.use_t else "z"
    columns = (
        Column("term", "", plain, "left"),
        Column("coef", ratio or "coef", significant, "point"),
        Column("std_err", "std err", significant, "point"),
        Column("statistic", statistic, fixed(2), "point"),
        *([Column("df", "df", fixed(1), "point")] if df else []),
        Column("p_value", f"P>|{statistic}|", p_value),
        Column("lower", f"[{alpha / 2:g}", significant, "point"),
        Column("upper", f"{1 - alpha / 2:g}]", significant, "point"),
    )
    rows: list[tuple[Any, ...]] = [
        (name, *map(float, row)) for name, row in zip(names, values, strict=True)
    ]
    rows += [(name, "dropped", *[None] * (len(columns) - 2)) for name in result.columns_dropped]
    return Table(columns, tuple(rows), "Fixed effects")
