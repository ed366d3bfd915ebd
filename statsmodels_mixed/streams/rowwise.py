"""Which expressions are computed row by row, so that batches of rows do for all of them."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pandas as pd

from ..errors import DataError
from ..frame.computed import (
    TRIED,
    are_equal,
    calls_in,
    functions_in,
    plain_value,
    some_rows,
    value_of,
)
from ..frame.matrices.factors import CodedFactor, Expression, Rows

__all__ = ["refuse_whole_column", "refuse_whole_subset"]

# Transforms of patsy that keep the whole column, and what gives them what they learn from it.
_SPLINES = {
    "bs": {"knots", "lower_bound", "upper_bound"},
    "cr": {"knots", "lower_bound", "upper_bound"},
    "cc": {"knots", "lower_bound", "upper_bound"},
}


def refuse_whole_column(factor: CodedFactor, rows: Rows) -> None:
    """Refuse an expression whose value in a row depends on which other rows are there.

    Parameters
    ----------
    factor : CodedFactor
        A factor that is computed.
    rows : Rows
        Some rows; it is computed of all of them, and of parts, and compared.

    Raises
    ------
    DataError
        With the expression and the functions in it.
    """
    assert isinstance(factor.source, Expression)
    _refuse_splines(factor.label, factor.source.factor.code)
    whole = plain_value(value_of(factor, rows))
    for part in _parts(len(rows.index)):
        try:
            same = are_equal(plain_value(value_of(factor, some_rows(rows, part))), whole[part])
        except DataError:
            same = False
        if not same:
            raise DataError(
                f"{factor.label!r} cannot be computed from a part of the rows, since "
                f"{functions_in(factor.source.factor.code)} looks at the whole column: compute it "
                "beforehand, as a column of the data."
            )


def refuse_whole_subset(subset: Any, table: pd.DataFrame) -> None:
    """Refuse a subset that depends on which other rows are there.

    Raises
    ------
    DataError
        If it does.
    """

    def chosen(part: pd.DataFrame) -> Any:
        return np.asarray(part.eval(subset) if isinstance(subset, str) else subset(part))

    table = table.iloc[:TRIED]
    whole = chosen(table)
    for part in _parts(len(table)):
        some = chosen(table.iloc[part])
        if whole.dtype != bool or len(whole) != len(table) or not are_equal(some, whole[part]):
            raise DataError(
                "subset= must say of every row by itself whether it is used, since the data are "
                "read by batches: give a condition on columns."
            )


def _parts(n: int) -> list[Any]:
    """Return halves, and single rows, of n rows."""
    singles = [slice(i, i + 1) for i in np.unique(np.linspace(0, n - 1, 5).astype(int))]
    return [slice(0, (n + 1) // 2), slice(n // 2, n), *singles]


def _refuse_splines(label: str, code: str) -> None:
    for call in calls_in(code):
        name = ast.unparse(call.func)
        if name == "te":
            raise DataError(f"{label!r}: te() keeps whole columns, which are not in memory.")
        needed = _SPLINES.get(name)
        given = {keyword.arg for keyword in call.keywords}
        if needed is None or (needed <= given and not {"df", "constraints"} & given):
            continue
        raise DataError(
            f"{label!r}: {name}() takes its knots from the whole column, which is not in memory: "
            "give knots=, lower_bound= and upper_bound=, without df= and constraints=."
        )
