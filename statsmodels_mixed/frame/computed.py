"""The factors of a model that are computed by code, and whether each row is computed by itself.

In ``x - x.mean()`` the mean is that of the rows that are given: new data have another than the rows
of the model, and a part of the rows another than all of them.
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from ..errors import DataError, MixedModelWarning, warn_caller
from .matrices.coding import CodedMatrix, Matrix
from .matrices.factor_values import Labels, Numbers, read_value
from .matrices.factors import CodedFactor, Expression, Rows
from .model_frame import ModelFrame

__all__ = [
    "TRIED",
    "are_equal",
    "calls_in",
    "expressions_of",
    "factors_of",
    "functions_in",
    "matrices_of",
    "plain_value",
    "some_rows",
    "value_of",
    "warn_of_whole_columns",
]

# Rows on which expressions are tried.
TRIED = 512


def matrices_of(frame: ModelFrame) -> list[Matrix]:
    """Return all matrices that are made of rows, the response first."""
    assert frame.response is not None
    random = [matrix for part in frame.random for matrix in part.matrices]
    return [frame.response, frame.fixed, *random, *frame.known.values()]


def factors_of(frame: ModelFrame) -> dict[str, CodedFactor]:
    """Return the factors of a model by their labels."""
    coded = (matrix for matrix in matrices_of(frame) if isinstance(matrix, CodedMatrix))
    return {factor.label: factor for matrix in coded for factor in matrix.factors}


def expressions_of(frame: ModelFrame) -> dict[str, CodedFactor]:
    """Return the factors of a model that are computed, by their labels."""
    found = factors_of(frame)
    return {name: each for name, each in found.items() if isinstance(each.source, Expression)}


def value_of(factor: CodedFactor, rows: Rows) -> Numbers | Labels:
    """Return numbers, or labels with their own levels, of a factor that is computed.

    Raises
    ------
    DataError
        If it cannot be computed.
    """
    try:
        return read_value(factor.source.evaluate(rows))
    except DataError as error:
        raise DataError(f"{factor.label!r} {error}") from error


def some_rows(rows: Rows, part: Any) -> Rows:
    """Return some of the rows, by a slice or positions."""
    return Rows({name: each[part] for name, each in rows.columns.items()}, rows.index[part])


def plain_value(value: Numbers | Labels) -> Any:
    """Return the values of a factor as an array, of labels the labels themselves."""
    if isinstance(value, Labels):
        levels: list[Any] = [*value.levels, None]
        return np.array(levels, dtype=object)[value.codes]
    return value


def are_equal(a: Any, b: Any) -> bool:
    """Return whether arrays have the same values, but for rounding."""
    if a.shape != b.shape:
        return False
    if a.dtype == object:
        return bool((a == b).all())
    return bool(np.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True))


def calls_in(code: str) -> list[ast.Call]:
    """Return the calls in the code of an expression."""
    return [node for node in ast.walk(ast.parse(code, mode="eval")) if isinstance(node, ast.Call)]


def functions_in(code: str) -> str:
    """Return the names of the functions that code calls, for messages."""
    names = [ast.unparse(call.func) for call in calls_in(code)]
    inner = [name for name in dict.fromkeys(names) if name not in ("I", "C", "Q")]
    return " or ".join(f"{name}()" for name in inner) or "it"


def warn_of_whole_columns(frame: ModelFrame) -> None:
    """Warn if new rows are given to expressions that look at all of the rows they are given.

    Parameters
    ----------
    frame : ModelFrame
        The model; expressions are tried on halves of its rows. Where a half has no value, as in the
        first row of ``x.shift(1)``, there is nothing to compare.

    Warns
    -----
    MixedModelWarning
        With the expressions.
    """
    needed = [m for m in matrices_of(frame) if m is not frame.response and hasattr(m, "factors")]
    labels = {factor.label for matrix in needed for factor in matrix.factors}
    found = {
        label: factor.source
        for label, factor in expressions_of(frame).items()
        if isinstance(factor.source, Expression) and label in labels
    }
    rows = some_rows(frame.rows, slice(0, TRIED)) if found else frame.rows
    named = [label for label, each in found.items() if _looks_at_others(each, rows)]
    if named:
        functions = functions_in(found[named[0]].factor.code)
        warn_caller(
            f"{', '.join(map(repr, named))} is computed of the new rows, not of those of the fit, "
            f"and {functions} looks at the whole column: write center(x) or standardize(x), which "
            "remember, or compute the column beforehand.",
            MixedModelWarning,
        )


def _looks_at_others(expression: Expression, rows: Rows) -> bool:
    n = len(rows.index)
    try:
        whole = plain_value(read_value(expression.evaluate(rows)))
        for half in (slice(0, (n + 1) // 2), slice(n // 2, n)):
            part = plain_value(read_value(expression.evaluate(some_rows(rows, half))))
            there = part != np.array(None) if part.dtype == object else ~np.isnan(part)
            if part.shape == whole[half].shape and not are_equal(part[there], whole[half][there]):
                return True
    except DataError:  # of names besides columns, which have a value for every row of the model
        return False
    return False
