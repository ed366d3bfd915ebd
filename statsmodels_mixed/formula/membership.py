"""Multiple membership: ``mm(a, b, weights=c(u, v))`` right of a bar.

An observation belongs to several levels at once, to each with a weight: pupils who change school,
papers of several authors. The members are columns of one kind of labels.
"""

from __future__ import annotations

import ast

from ..errors import OptionError
from .terms import Grouping, quote_column
from .tokens import read_column

__all__ = ["is_membership", "read_membership"]


def is_membership(code: str) -> bool:
    """Return whether a grouping factor is written as ``mm(...)``."""
    return code.startswith("mm(")


def read_membership(code: str) -> Grouping:
    """Read ``mm(a, b)`` or ``mm(a, b, weights=c(u, v))``.

    Raises
    ------
    OptionError
        If it is neither.
    """
    call = ast.parse(code, mode="eval").body
    assert isinstance(call, ast.Call)
    members = _columns(call.args, code)
    given = {option.arg: option.value for option in call.keywords}
    weights: tuple[str, ...] = ()
    if set(given) - {"weights"}:
        raise OptionError("mm() has the option weights= only, as in mm(a, b, weights=c(u, v)).")
    if "weights" in given:
        value = given["weights"]
        inside = value.args if isinstance(value, ast.Call) else getattr(value, "elts", None)
        if inside is None or (isinstance(value, ast.Call) and ast.unparse(value.func) != "c"):
            raise OptionError("weights= of mm() are columns, as in mm(a, b, weights=c(u, v)).")
        weights = _columns(inside, code)
        if len(weights) != len(members):
            raise OptionError(f"mm() has {len(members)} members and {len(weights)} weights.")
    if len(members) < 2:
        raise OptionError("mm() takes two columns of members or more; one alone is (1 | a).")
    if len(set(members)) < len(members):
        raise OptionError("mm() has a column of members twice.")
    shown = ", ".join(map(quote_column, members))
    if weights:
        shown += f", weights=c({', '.join(map(quote_column, weights))})"
    return Grouping((f"mm({shown})",), members, weights)


def _columns(nodes: list[ast.expr], code: str) -> tuple[str, ...]:
    names = []
    for node in nodes:
        name = read_column(ast.unparse(node).replace("'", '"'))
        if name is None:
            raise OptionError(f"mm() takes names of columns, not {ast.unparse(node)}.")
        names.append(name)
    return tuple(names)
