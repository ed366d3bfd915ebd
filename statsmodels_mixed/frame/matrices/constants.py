"""Arithmetic with constants that would take for ever: ``9**9**9 * x``, ``bs(x, df=10**6)``.

A formula that may run no code can still be given work without end, so the size of what its
constants make is bounded before anything is computed. Columns are arrays of numbers of fixed
width, whose arithmetic costs the same however large they are.
"""

from __future__ import annotations

import ast
from collections.abc import Collection
from math import inf

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
        The smallest such part that comes first.
    """
    for node in ast.iter_child_nodes(tree):
        found = endless_part(node, functions)
        if found is not None:
            return found
    if isinstance(tree, ast.BinOp):
        repeats = _is_sequence(tree.left) or _is_sequence(tree.right)
        return tree if repeats or _bits(tree, functions) > _BITS else None
    if isinstance(tree, ast.Call) and _name(tree.func) in _BASES:
        sizes = [keyword.value for keyword in tree.keywords if keyword.arg in _SIZES]
        sizes += tree.args[_SIZE_POSITION : _SIZE_POSITION + 1]
        return tree if any(_bits(size, functions) > _COLUMNS_BITS for size in sizes) else None
    return None


def _bits(node: ast.AST, functions: Collection[str]) -> float:
    """Return a bound of the bits of the integer that an expression makes, 0 if it makes none."""
    if isinstance(node, ast.Constant):
        return node.value.bit_length() if isinstance(node.value, int) else 0
    if isinstance(node, ast.Name):
        return _NUMBER_BITS if node.id in functions else 0
    if isinstance(node, ast.Attribute):
        return 0
    if isinstance(node, ast.Call):
        return max((_bits(part, functions) for part in node.args), default=0)
    parts = [_bits(part, functions) for part in ast.iter_child_nodes(node)]
    if not isinstance(node, ast.BinOp):
        return max(parts, default=0)
    if _has_columns(node, functions):
        return 0
    left, _, right = parts
    if isinstance(node.op, ast.Pow | ast.LShift):
        exponent = 2.0**right if right <= _COLUMNS_BITS + 1 else inf
        return left * exponent if isinstance(node.op, ast.Pow) else left + exponent
    return left + right + 1


def _has_columns(node: ast.AST, functions: Collection[str]) -> bool:
    """Whether a column is part of it, so that the result is of numbers of fixed width."""
    return any(isinstance(n, ast.Name) and n.id not in functions for n in ast.walk(node))


def _is_sequence(node: ast.AST) -> bool:
    """Whether this is text or a list, which multiplication repeats."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes)
    if isinstance(node, ast.BinOp):
        return _is_sequence(node.left) or _is_sequence(node.right)
    if isinstance(node, ast.BoolOp):
        return any(_is_sequence(value) for value in node.values)
    return isinstance(node, ast.List | ast.Tuple)


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""
