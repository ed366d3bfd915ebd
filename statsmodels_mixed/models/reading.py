"""What users may give: a formula with or without `groups` becomes terms, data have their class."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from numbers import Integral
from typing import Any, TypeVar

from patsy.eval import EvalEnvironment

from ..errors import FormulaError, OptionError
from ..formula.parse import parse
from ..formula.terms import MixedFormula
from ..later import PACKAGE, load
from ..options import described
from .written_formula import WrittenFormula

__all__ = [
    "is_streamed",
    "kind_for",
    "names_for",
    "read_terms",
    "refuse_streams",
    "streaming_options",
]

# Classes of frames that are read by batches, by their package.
_LAZY = {
    ("pyarrow", "Dataset"),
    ("polars", "LazyFrame"),
    ("dask", "DataFrame"),
    (PACKAGE, "TableSource"),
}

Model = TypeVar("Model")


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


def names_for(eval_env: Any, above: int) -> Any:
    """Return where names in formulas that are no columns are looked up.

    Parameters
    ----------
    eval_env : int, EvalEnvironment or mapping
        As the user gave it. A number counts callers of the function that the user called; a
        negative one, which asks for no names, is returned as it is.
    above : int
        How many callers of the function that asks lie before the user.

    Returns
    -------
    EvalEnvironment, mapping or int

    Raises
    ------
    OptionError
        If it is of another kind, or counts more callers than there are.
    """
    usual = eval_env.__class__ is int  # what the others are asked is slow to answer
    if not usual and isinstance(eval_env, EvalEnvironment | Mapping):
        return eval_env
    if not usual and not isinstance(eval_env, Integral):
        raise OptionError(
            "eval_env must be a number of callers, a dict of names or an EvalEnvironment, not "
            f"{described(eval_env)}."
        )
    if eval_env < 0:
        return int(eval_env)
    try:
        return EvalEnvironment.capture(int(eval_env), reference=above + 1)
    except (AttributeError, ValueError) as error:  # patsy looks for locals of a frame past the last
        raise OptionError(
            f"eval_env= counts {described(eval_env)} callers, which is more than there are."
        ) from error


def kind_for(
    kind: type[Model],
    data: Any,
    batch_rows: int | None,
    progress: bool | None,
    *,
    correlated: bool = False,
) -> type[Model]:
    """Return the class of a model of these data.

    Parameters
    ----------
    kind : type
        The class for data in memory; `of_batches` says where that of other data is.
    data : object
        What the user gave.
    batch_rows : int or None
    progress : bool or None
    correlated : bool
        Whether residuals are correlated or of unequal variance.

    Raises
    ------
    OptionError
        If the data are in memory and an option is for others, or the reverse.
    """
    if is_streamed(data):
        if correlated:
            raise OptionError(
                "residual= and dispersion= need all rows in memory, and these data are read by "
                "batches."
            )
        return load(kind.of_batches)  # type: ignore[attr-defined, no-any-return]
    for option in streaming_options(batch_rows, progress):
        raise OptionError(
            f"{option}= is for data that are read by batches: a path, a dataset or a lazy table."
        )
    return getattr(kind, "of_memory", kind)


def refuse_streams(data: Any, what: str) -> None:
    """Refuse what needs rows in memory, of data that are read by batches.

    Raises
    ------
    OptionError
        If they are.
    """
    if is_streamed(data):
        raise OptionError(f"{what} need all rows in memory, and these data are read by batches.")


def is_streamed(data: Any) -> bool:
    """Return whether data are read by batches: a path, a dataset or a lazy table."""
    # Of any object the class can be hashed, which mypy does not take for granted.
    return _is_read_by_batches(type(data))  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _is_read_by_batches(kind: type) -> bool:
    """Return whether objects of a class are paths or lazy tables."""
    if issubclass(kind, str | os.PathLike):
        return True
    kinds = kind.__mro__
    return any((each.__module__.partition(".")[0], each.__name__) in _LAZY for each in kinds)


def streaming_options(batch_rows: int | None, progress: bool | None) -> dict[str, Any]:
    """Return the options that are given."""
    if batch_rows is progress is None:
        return {}
    given = {"batch_rows": batch_rows, "progress": progress}
    return {name: value for name, value in given.items() if value is not None}
