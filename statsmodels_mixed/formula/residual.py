"""The text of `residual=` and `dispersion=`: syntax only, no data.

``us(visit | subject, by=arm)``: a kind of covariance, where its rows are, whose rows they are,
and what has covariances of its own. ``~ arm``, ``power(x)``, ``exp(x)``: what the standard
deviation of a row depends on.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from ..errors import FormulaError

__all__ = ["DispersionTerm", "ResidualTerm", "parse_dispersion", "parse_residual"]

EXAMPLE = 'residual= is such as "us(visit | subject)", "ar1(time | subject)" or "us(v | s, by=arm)"'
DISPERSION = 'dispersion= is "~ arm", a formula of the logarithm, "power(x)" or "exp(x)"'


@dataclass(frozen=True)
class ResidualTerm:
    """A covariance of residuals, read.

    Parameters
    ----------
    kind : str
        The name of the structure.
    places : tuple of str
        Columns left of the bar: visits, times or coordinates; none for rows without a place.
    subject : tuple of str
        Columns right of the bar; rows that differ in one are independent. None: all rows are
        of one subject.
    by : str or None
        Column whose levels have covariances of their own.
    options : tuple of (str, value)
        Options of the structure.
    text : str
        What the user typed.

    Examples
    --------
    >>> from statsmodels_mixed.formula.residual import parse_residual
    >>> term = parse_residual("us(visit | subject, by=arm)")
    >>> term.kind, term.places, term.subject, term.by
    ('us', ('visit',), ('subject',), 'arm')
    """

    kind: str
    places: tuple[str, ...]
    subject: tuple[str, ...]
    by: str | None
    options: tuple[tuple[str, Any], ...]
    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it needs."""
        return (*self.places, *self.subject, *([self.by] if self.by else []))


@dataclass(frozen=True)
class DispersionTerm:
    """What the residual standard deviation of a row depends on, read.

    Parameters
    ----------
    kind : {"formula", "power", "exp"}
    code : str
        The formula of log(sd), or the column.
    text : str
        What the user typed.
    """

    kind: str
    code: str
    text: str


def parse_residual(text: Any) -> ResidualTerm:
    """Read `residual=`.

    Raises
    ------
    FormulaError
        If it is not a structure around one bar.
    """
    if not isinstance(text, str):
        raise FormulaError(f"{EXAMPLE}, not {text!r}.")
    kind, call = _call(text, EXAMPLE)
    if len(call.args) != 1 or not isinstance(call.args[0], ast.BinOp):
        raise FormulaError(f"{EXAMPLE}: {text!r} has not one bar.")
    bar = call.args[0]
    if not isinstance(bar.op, ast.BitOr):
        raise FormulaError(f"{EXAMPLE}: {text!r} has not one bar.")
    options, by = [], None
    for keyword in call.keywords:
        if keyword.arg == "by":
            (by,) = _columns(keyword.value, text) or (None,)
            continue
        try:
            options.append((str(keyword.arg), ast.literal_eval(keyword.value)))
        except ValueError as error:
            message = f"the option {keyword.arg}= in {text!r} is no plain value."
            raise FormulaError(message) from error
    places = _columns(bar.left, text)
    subject = _columns(bar.right, text)
    return ResidualTerm(kind, places, subject, by, tuple(options), text)


def parse_dispersion(text: Any) -> DispersionTerm:
    """Read `dispersion=`.

    Raises
    ------
    FormulaError
        If it is neither a formula nor a function of a column.
    """
    if not isinstance(text, str) or not text.strip():
        raise FormulaError(f"{DISPERSION}, not {text!r}.")
    if text.strip().startswith("~"):
        code = text.strip()[1:].strip()
        if not code or "|" in code or "~" in code:
            raise FormulaError(f"{DISPERSION}, not {text!r}.")
        return DispersionTerm("formula", code, text)
    kind, call = _call(text, DISPERSION)
    names = [name for arg in call.args for name in _columns(arg, text)]
    if kind not in ("power", "exp") or len(names) != 1 or call.keywords:
        raise FormulaError(f"{DISPERSION}, not {text!r}.")
    return DispersionTerm(kind, names[0], text)


def _call(text: str, example: str) -> tuple[str, ast.Call]:
    """Return the name of the function that a text calls, and the call."""
    try:
        node = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise FormulaError(f"{example}, not {text!r}.") from error
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        raise FormulaError(f"{example}, not {text!r}.")
    return node.func.id, node


def _columns(node: ast.expr, text: str) -> tuple[str, ...]:
    """Return the columns in a sum or a nesting; 0 and 1 are none."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Div):
        return (*_columns(node.left, text), *_columns(node.right, text))
    if isinstance(node, ast.Constant) and node.value in (0, 1):
        return ()
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Q":
        inner = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        if len(inner) == 1 and isinstance(inner[0], str):
            return (inner[0],)
    raise FormulaError(
        f"{ast.unparse(node)!r} in {text!r} is no column: compute it in the table first."
    )
