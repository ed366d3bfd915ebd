"""The functions of a formula that need no import, and formulas that may use no others.

A formula holds Python code, and evaluating it can do anything that Python can. `check_safe` admits
columns, arithmetic, comparisons and the functions named here, and nothing else.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from patsy import stateful_transform
from patsy.categorical import C

from ..._typing import Array
from ...errors import DataError, OptionError
from .parts import FormulaPart, terms

__all__ = ["FUNCTIONS", "check_safe"]


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


class _Poly:
    """Orthogonal polynomials of a column, as `poly` of R has them; ``raw=True`` gives powers.

    The recurrence of Forsythe (1957), learned from the rows of the fit and used for others.
    """

    def memorize_chunk(self, x: ArrayLike, degree: int = 1, raw: bool = False) -> None:
        self._x = np.asarray(x, dtype=float).ravel()
        self._degree = degree

    def memorize_finish(self) -> None:
        x, degree = self._x, self._degree
        del self._x
        if not isinstance(degree, int) or not 1 <= degree < len(np.unique(x)):
            raise DataError(
                f"poly: the degree is a whole number from 1 to {len(np.unique(x)) - 1}, one less "
                f"than the column has different values, not {degree!r}."
            )
        self._centers: list[float] = []
        self._norms: list[float] = []
        last, this = np.zeros_like(x), np.ones_like(x)
        for _ in range(degree + 1):
            size = float(this @ this)
            self._norms.append(size)
            self._centers.append(float(this @ (x * this)) / size)
            last, this = this, self._next(x, last, this)

    def transform(self, x: ArrayLike, degree: int = 1, raw: bool = False) -> Array:
        values = np.asarray(x, dtype=float).ravel()
        if raw:
            return values[:, None] ** np.arange(1, degree + 1)
        centers, norms = self._centers, self._norms
        self._centers, self._norms = [], []
        last, this = np.zeros_like(values), np.ones_like(values)
        columns = []
        for center, norm in zip(centers, norms, strict=True):
            columns.append(this / np.sqrt(norm))
            self._centers.append(center)
            self._norms.append(norm)
            last, this = this, self._next(values, last, this)
        return np.column_stack(columns[1:])

    def _next(self, x: Array, last: Array, this: Array) -> Array:
        """Return the polynomial of the next degree at x."""
        ratio = self._norms[-1] / self._norms[-2] if len(self._norms) > 1 else 0.0
        return (x - self._centers[-1]) * this - ratio * last


# Names that a formula may use without importing them, unless the caller gave them a meaning.
FUNCTIONS: dict[str, Any] = {name: getattr(np, name) for name in ("log", "log2", "log10", "log1p")}
FUNCTIONS |= {name: getattr(np, name) for name in ("exp", "expm1", "sqrt", "sin", "cos", "tan")}
FUNCTIONS |= {"np": np, "factor": C, "poly": stateful_transform(_Poly)}

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
    pending: list[ast.AST] = [ast.parse(code, mode="eval").body]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Call) and _is_known(node.func, columns):
            pending += [*node.args, *node.keywords]
            continue
        if isinstance(node, ast.Attribute) and _is_numpy(node, _CONSTANTS, columns):
            continue
        if isinstance(node, ast.Name) and _is_data(node.id, columns):
            continue
        if isinstance(node, _SYNTAX) and not _is_unbounded(node):
            pending += ast.iter_child_nodes(node)
            continue
        raise DataError(
            f"{ast.unparse(node)} in {code} is neither a column nor one of the functions allowed "
            "here (such as np.log, exp, sqrt, C, I, center, standardize, bs, poly): other code "
            'runs only with functions="any", on the command line with --allow-code.'
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


def _is_unbounded(node: ast.AST) -> bool:
    """Whether this is a power or a shift of constants, or arithmetic with text: 9**9**9."""
    if not isinstance(node, ast.BinOp):
        return False
    if any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) for part in ast.walk(node)
    ):
        return True
    names = any(isinstance(part, ast.Name) for part in ast.walk(node.left))
    return isinstance(node.op, ast.Pow | ast.LShift) and not names and not _is_small(node)


def _is_small(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return all(
        isinstance(s, ast.Constant) and isinstance(s.value, int | float) for s in sides
    ) and (
        abs(node.left.value) <= 10 and abs(node.right.value) <= 10  # type: ignore[attr-defined]
    )
