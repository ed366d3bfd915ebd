"""Rows in which an expression of a formula has no value although the data have: ``x.shift(1)``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..._typing import Mask
from ...errors import DataError
from .coding import CodedMatrix, Matrix
from .factor_values import Labels, read_value
from .factors import CodedFactor, Expression, Rows

__all__ = ["complete_rows", "missing_by_expression", "refuse_missing_labels"]


def missing_by_expression(matrices: Iterable[Matrix], rows: Rows) -> dict[str, Mask]:
    """Find the rows, (n,), in which an expression has no value, by expression.

    Parameters
    ----------
    matrices : iterable of Matrix
        What was learned from the rows.
    rows : Rows
        Rows without missing values in their columns.
    """
    found: dict[str, Mask] = {}
    for matrix in matrices:
        if isinstance(matrix, CodedMatrix):
            for factor in _expressions(matrix):
                values = rows.value_of(factor)
                absent = np.isnan(values) if factor.categories is None else values[:, None] < 0
                found[factor.label] = np.asarray(absent.any(axis=1))
        elif any(not name.isidentifier() for name in matrix.names):
            made = np.empty((len(rows.index), len(matrix.names)))
            matrix.fill(rows, made)
            found |= {n: np.isnan(c) for n, c in zip(matrix.names, made.T, strict=True)}
    return {label: mask for label, mask in found.items() if mask.any()}


def _expressions(matrix: CodedMatrix) -> list[CodedFactor]:
    return [factor for factor in matrix.factors if isinstance(factor.source, Expression)]


def refuse_missing_labels(matrices: Iterable[Matrix], missing: dict[str, Mask]) -> None:
    """Refuse expressions that give no label in some rows; design.py refuses numbers.

    Raises
    ------
    DataError
        With the expression.
    """
    for matrix in matrices:
        for factor in _expressions(matrix) if isinstance(matrix, CodedMatrix) else ():
            if factor.categories is not None and factor.label in missing:
                raise DataError(f"{factor.label!r} has missing values.")


def complete_rows(
    matrices: Iterable[Matrix], rows: Rows, missing: dict[str, Mask], is_part: bool = False
) -> tuple[Rows, Mask]:
    """Return the rows in which all expressions have a value, and which they are, (n,).

    An expression is not computed again with fewer rows at hand: the value of ``x.shift(1)`` stays
    that of the row before in the data. What learns from the rows, such as ``center``, learns from
    those that are left. Of a part of the data, `is_part`, no row may be left.

    Raises
    ------
    DataError
        If no row is left.
    """
    keep = ~np.logical_or.reduce(list(missing.values()))
    if not keep.any() and not is_part:
        shown = ", ".join(f"{label!r} in {mask.sum()}" for label, mask in missing.items())
        raise DataError(f"no rows are left: of {len(keep)} rows, values are missing of {shown}.")
    evaluated = {}
    for matrix in matrices:
        for factor in _expressions(matrix) if isinstance(matrix, CodedMatrix) else ():
            source = factor.source
            assert isinstance(source, Expression)
            if not source.remembers:
                value = read_value(source.evaluate(rows))
                taken = value.taking(keep) if isinstance(value, Labels) else value[keep]
                evaluated[source.factor.code] = taken
    columns = {name: values[keep] for name, values in rows.columns.items()}
    return Rows(columns, rows.index[keep], evaluated), keep
