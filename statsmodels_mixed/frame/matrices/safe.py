"""Formulas that may use no other functions than those named here.

A formula holds Python code, and evaluating it can do anything that Python can. `check_safe` admits
columns, arithmetic, comparisons and the functions named here, and nothing else.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable
from typing import Any

from ...errors import DataError, OptionError
from .constants import endless_part
from .functions import FUNCTIONS
from .parts import FormulaPart, terms

__all__ = ["check_safe"]


_OF_NUMPY = {
    *("abs", "arccos", "arcsin", "arctan", "cbrt", "ceil", "clip", "cos", "cosh", "exp", "expm1"),
    *("floor", "isfinite", "isnan", "log", "log10", "log1p", "log2", "logical_and", "logical_not"),
    *("logical_or", "maximum", "minimum", "power", "round", "sign", "sin", "sinh", "sqrt"),
    *("square", "tan", "tanh", "where"),
}
_OF_PATSY = {
    *("C", "I", "Q", "Treatment", "Sum", "Helmert", "Diff", "Poly", "bs", "cr", "cc", "te"),
    *("center", "scale", "standardize"),
}
_CONSTANTS = ("pi", "e", "inf", "nan")

_CALLED = {*FUNCTIONS, *_OF_PATSY, "abs", "round", "fulldummy"} - {"np"}
_SYNTAX = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.Constant,
    ast.List,
    ast.Tuple,
    ast.keyword,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)


def check_safe(sides: Iterable[FormulaPart], columns: Collection[str], subset: Any) -> None:
    """Make sure that code uses columns and known functions only.

    Parameters
    ----------
    sides : iterable of FormulaPart
        The parts of a formula, and options that are expressions.
    columns : collection of str
        Names that are data.
    subset : object
        The rows to use, as the user gave them.

    Raises
    ------
    DataError
        If code uses anything else.
    OptionError
        If the subset is a query that may call functions.
    """
    if isinstance(subset, str) and any(sign in subset for sign in "@(.["):
        raise OptionError(
            "subset= may only compare columns with numbers where code is not allowed."
        )
    for code in dict.fromkeys(f.code for s in sides for t in terms(s) for f in t.factors):
        _check_code(code, columns)


def _check_code(code: str, columns: Collection[str]) -> None:
    tree = ast.parse(code, mode="eval")
    pending: list[ast.AST] = [tree.body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call) and _is_known(node.func, columns):
            pending += [*node.args, *node.keywords]
            continue
        if isinstance(node, ast.Attribute) and _is_numpy(node, _CONSTANTS, columns):
            continue
        if isinstance(node, ast.Name) and _is_data(node.id, columns):
            continue
        if isinstance(node, _SYNTAX):
            pending += ast.iter_child_nodes(node)
            continue
        raise DataError(
            f"{ast.unparse(node)} in {code} is neither a column nor one of the functions allowed "
            "here (such as np.log, exp, sqrt, C, I, center, standardize, bs, poly): other code "
            'runs only with functions="any", on the command line with --allow-code.'
        )
    endless = endless_part(tree, (_CALLED | _OF_PATSY | {"np"}) - set(columns))
    if endless is not None:
        raise DataError(
            f"{ast.unparse(endless)} in {code} makes something very large of constants: write "
            'its value, or give functions="any", on the command line --allow-code.'
        )


def _is_data(name: str, columns: Collection[str]) -> bool:
    """Whether a name is a column, a contrast, or a column that will be found to be missing."""
    return name in columns or name in _OF_PATSY or not hasattr(builtins, name)


def _is_known(function: ast.expr, columns: Collection[str]) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _CALLED and function.id not in columns
    return isinstance(function, ast.Attribute) and _is_numpy(function, _OF_NUMPY, columns)


def _is_numpy(node: ast.Attribute, names: Collection[str], columns: Collection[str]) -> bool:
    """Whether this is one of some names of NumPy's, written np.name."""
    return (
        isinstance(node.value, ast.Name)
        and node.value.id == "np"
        and "np" not in columns
        and node.attr in names
    )
