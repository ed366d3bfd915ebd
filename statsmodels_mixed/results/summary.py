"""A fitted model -> the document that `summary()` returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import OptionError
from .document import Document
from .facts import facts
from .tables import Column, Table, fixed, p_value, plain, significant

if TYPE_CHECKING:
    from .linear import LinearMixedModelResults

__all__ = ["coefficient_table", "header_table", "summarize", "title"]


def summarize(
    result: LinearMixedModelResults,
    *,
    yname: str | None = None,
    xname: Sequence[str] | None = None,
    title_text: str | None = None,
    alpha: float = 0.05,
) -> Document:
    """Build the summary of a linear mixed model.

    Parameters
    ----------
    result : LinearMixedModelResults
        The fit.
    yname : str, optional
        Name to show for the response.
    xname : sequence of str, optional
        Names to show for the estimable coefficients.
    title_text : str, optional
        First line instead of the one that tells the kind of fit.
    alpha : float
        The confidence intervals have level 1 - alpha.

    Returns
    -------
    Document
        Its tables: the fit as a whole, coefficients, variance components.
    """
    tables = [
        header_table(result, yname=yname),
        coefficient_table(result, xname=xname, alpha=alpha),
        result.varcorr.table("Random effects"),
    ]
    return Document(title_text or title(result), tables, facts(result))


def title(result: LinearMixedModelResults) -> str:
    """Return the line that tells how the model was fitted."""
    how = "REML" if result.reml else "maximum likelihood"
    return f"Linear mixed model fit by {how}"


def header_table(result: LinearMixedModelResults, *, yname: str | None = None) -> Table:
    """Return the table about the fit as a whole: names and sizes, criteria."""
    reml = " (REML)" if result.reml else ""
    four = fixed(4)
    right = [
        (f"Log-Likelihood{reml}:", four(result.llf)),
        ("REML criterion:" if result.reml else "-2 Log-Likelihood:", four(result.objective)),
        (f"AIC{reml}:", four(result.aic)),
        (f"AICc{reml}:", four(result.aicc)),
        (f"BIC{reml}:", four(result.bic)),
    ]
    left = [
        ("Dep. Variable:", yname or result.layout.response),
        ("Method:", result.method),
        ("No. Observations:", str(result.layout.nobs)),
        *((f"Levels of {block.name}:", str(len(block.levels))) for block in result.layout.blocks),
        ("Converged:", f"{'yes' if result.converged else 'no'}, {_effort(result)}"),
    ]
    right += [("", "")] * (len(left) - len(right))
    left += [("", "")] * (len(right) - len(left))
    columns = (
        Column("name_1", "", align="left"),
        Column("value_1", ""),
        Column("name_2", "", align="left"),
        Column("value_2", ""),
    )
    rows = tuple((*a, *b) for a, b in zip(left, right, strict=True))
    return Table(columns, rows, _formula(result), stretch=1)


def _effort(result: LinearMixedModelResults) -> str:
    count = result.report.evaluations
    return f"{count} evaluation{'' if count == 1 else 's'}"


def _formula(result: LinearMixedModelResults) -> str:
    return str(getattr(result.model, "formula_full", ""))


def coefficient_table(
    result: LinearMixedModelResults,
    *,
    xname: Sequence[str] | None = None,
    alpha: float = 0.05,
) -> Table:
    """Return the table of the estimable coefficients with their intervals."""
    names = result.fixefnames
    if xname is not None:
        if len(xname) != len(names):
            raise OptionError(f"xname must have {len(names)} names, one per coefficient")
        names = list(xname)
    interval = np.asarray(result.conf_int(alpha))
    values = np.column_stack([result.params, result.bse, result.tvalues, result.pvalues, interval])
    statistic = "t" if result.use_t else "z"
    columns = (
        Column("term", "", plain, "left"),
        Column("coef", "coef", significant, "point"),
        Column("std_err", "std err", significant, "point"),
        Column("statistic", statistic, fixed(2), "point"),
        Column("p_value", f"P>|{statistic}|", p_value),
        Column("lower", f"[{alpha / 2:g}", significant, "point"),
        Column("upper", f"{1 - alpha / 2:g}]", significant, "point"),
    )
    rows: list[tuple[Any, ...]] = [
        (name, *map(float, row)) for name, row in zip(names, values, strict=True)
    ]
    rows += [(name, "dropped", *[None] * 5) for name in result.columns_dropped]
    return Table(columns, tuple(rows), "Fixed effects")
