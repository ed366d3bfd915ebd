"""Arithmetic with constants that would take for ever: ``9**9**9 * x``, ``bs(x, df=10**6)``.

A formula that may run no code can still be given work without end, so the size of what its
constants make is bounded before anything is computed. Columns are arrays of numbers of fixed
width, whose arithmetic costs the same however large they are.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence
from math import inf
from typing import NamedTuple

__all__ = ["endless_part"]

# The bits of the largest integer that constants may make, and those of the number of columns that
# a basis of splines may have: more than 2047.
_BITS = 4096
_COLUMNS_BITS = 11

# The bits of a number that an expression only names.
_NUMBER_BITS = 64

_BASES = frozenset({"bs", "cr", "cc", "te", "poly"})
_SIZES = frozenset({"df", "degree"})
_SIZE_POSITION = 1


class _Made(NamedTuple):
    """What an expression makes.

    Attributes
    ----------
    bits : float
        A bound of the bits of the integer that it is, 0 if it is none.
    has_columns : bool
        Whether a column is part of it, so that the result is of numbers of fixed width.
    is_sequence : bool
        Whether it is text or a list, which multiplication repeats.
    """

    bits: float
    has_columns: bool
    is_sequence: bool = False


def endless_part(tree: ast.AST, functions: Collection[str]) -> ast.AST | None:
    """Return a part of an expression whose constants make something too large, if there is one.

    Parameters
    ----------
    tree : ast.AST
        A parsed expression.
    functions : collection of str
        Names that are functions, contrasts or numbers; the others are columns.

    Returns
    -------
    ast.AST or None
        Such a part with no other in it.
    """
    made: dict[ast.AST, _Made] = {}
    for node in _parts_first(tree):
        parts = [made[part] for part in ast.iter_child_nodes(node)]
        made[node] = own = _made(node, parts, functions)
        if isinstance(node, ast.BinOp) and (own.is_sequence or own.bits > _BITS):
            return node
        if isinstance(node, ast.Call) and _name(node.func) in _BASES:
            sizes = [keyword.value for keyword in node.keywords if keyword.arg in _SIZES]
            sizes += node.args[_SIZE_POSITION : _SIZE_POSITION + 1]
            if any(made[size].bits > _COLUMNS_BITS for size in sizes):
                return node
    return None


def _parts_first(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes of a tree, each after its parts, however deep they are nested."""
    order, pending = [], [tree]
    while pending:
        node = pending.pop()
        order.append(node)
        pending += ast.iter_child_nodes(node)
    return order[::-1]


def _made(node: ast.AST, parts: Sequence[_Made], functions: Collection[str]) -> _Made:
    """Return what a node makes of what its parts make."""
    has_columns = any(part.has_columns for part in parts)
    most = max((part.bits for part in parts), default=0)
    if isinstance(node, ast.Constant):
        bits = node.value.bit_length() if isinstance(node.value, int) else 0
        return _Made(bits, False, isinstance(node.value, str | bytes))
    if isinstance(node, ast.Name):
        is_column = node.id not in functions
        return _Made(0 if is_column else _NUMBER_BITS, is_column)
    if isinstance(node, ast.Attribute):
        return _Made(0, has_columns)
    if isinstance(node, ast.Call):
        of_arguments = parts[1 : 1 + len(node.args)]  # after the function
        return _Made(max((part.bits for part in of_arguments), default=0), has_columns)
    if isinstance(node, ast.BinOp):
        left, _, right = parts
        repeats = left.is_sequence or right.is_sequence
        return _Made(
            0 if has_columns else _bits(node.op, left.bits, right.bits), has_columns, repeats
        )
    if isinstance(node, ast.BoolOp):
        return _Made(most, has_columns, any(part.is_sequence for part in parts))
    return _Made(most, has_columns, isinstance(node, ast.List | ast.Tuple))


def _bits(operator: ast.operator, left: float, right: float) -> float:
    """Return a bound of the bits of the result of arithmetic with integers of these."""
    if isinstance(operator, ast.Pow | ast.LShift):
        exponent = 2.0**right if right <= _COLUMNS_BITS + 1 else inf
        return left * exponent if isinstance(operator, ast.Pow) else left + exponent
    return left + right + 1


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""
