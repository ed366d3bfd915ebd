"""What users may give as a formula, with or without `groups`, becomes terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FormulaError, OptionError
from ..formula.parse import parse
from ..formula.terms import MixedFormula
from ..later import load
from .written_formula import WrittenFormula

__all__ = ["read_terms"]


def read_terms(
    formula: str | MixedFormula,
    data: Any,
    groups: Any,
    re_formula: str | None,
    vc_formula: Mapping[str, str] | None,
    *,
    bars: bool,
) -> tuple[MixedFormula, Any]:
    """Return the terms of a model and the table that they are about.

    Parameters
    ----------
    formula, data, groups, re_formula, vc_formula
        As in `LinearMixedModel.from_formula`.
    bars : bool
        Whether a formula without random effects is refused.

    Returns
    -------
    terms : MixedFormula
    data : table
        With the column of groups, if they were an array.

    Raises
    ------
    FormulaError
        If the formula cannot be read, or has no random effects.
    OptionError
        If it is no formula, or the options do not go together.
    """
    formula = str(formula) if isinstance(formula, WrittenFormula) else formula
    if not isinstance(formula, str | MixedFormula):
        raise OptionError(f"a formula is text or made by term(), not {type(formula).__name__}.")
    if groups is not None:
        data, column = load("models.mixedlm_arguments:attach_groups")(data, groups)
        terms = load("models.mixedlm_arguments:translate")(
            formula, data, column, re_formula, vc_formula
        )
    elif re_formula is not None or vc_formula is not None:
        raise OptionError("re_formula= and vc_formula= need groups=, the column of groups.")
    else:
        terms = parse(formula) if isinstance(formula, str) else formula
    if bars and not terms.random:
        right = terms.text.partition("~")[2].strip()
        end = len(terms.text)
        raise FormulaError(
            "there is no random-effects term such as (1 | g); a model without one is "
            "fitted by smf.ols, or by smf.wls if it has weights; for correlated residuals "
            'give residual=, such as "us(visit | subject)".',
            terms.text,
            end - len(right),
            end,
        )
    return terms, data
