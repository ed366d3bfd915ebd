"""What the names in a formula mean that are no columns, and what to write for those of R."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping

import patsy.builtins
from patsy.eval import EvalEnvironment

from ...errors import DataError
from ..table.table import unknown_columns
from .functions import FUNCTIONS
from .parts import FormulaPart, terms

__all__ = ["check_functions", "complete", "unknown_names"]

_OF_PATSY = {name: getattr(patsy.builtins, name) for name in patsy.builtins.__all__}

# What to write for functions of R, by their names there.
_FUNCTIONS_OF_R = {
    "ln": "log(x)",
    "s": "bs(x, df=5) or cr(x, df=5), a spline without penalty",
    "ns": "cr(x, df=4), a natural cubic spline",
    "rcs": "cr(x, df=4), a natural cubic spline",
    "cut": "pd.cut(x, 3) with pandas imported as pd",
    "relevel": "C(x, Treatment('level'))",
    "interaction": "a:b",
    "ordered": "C(x, Poly)",
    "ifelse": "np.where(condition, a, b)",
    "pmin": "np.minimum(a, b)",
    "pmax": "np.maximum(a, b)",
    "lag": "x.shift(1) of rows in order, within groups x.groupby(g).shift(1)",
    "shift": "x.shift(1) of rows in order, within groups x.groupby(g).shift(1)",
    "lead": "x.shift(-1) of rows in order, within groups x.groupby(g).shift(-1)",
    "diff": "x.diff() of rows in order, within groups x.groupby(g).diff()",
    "paste": "a:b",
    "nchar": "x.str.len()",
    "is": "np.isnan(x)",
    "cs": "bs(x, df=5)",
    "logit": "log(x / (1 - x))",
    "qlogis": "log(x / (1 - x))",
    "plogis": "1 / (1 + exp(-x))",
    "polym": "poly(x, 2)",
    "cbind": "successes + failures left of the tilde",
    "as": "factor(x) for categories; numbers are read as numbers",
}
_CONSTANTS_OF_R = {"TRUE": "True", "FALSE": "False", "T": "True", "F": "False", "NULL": "None"}
_METHOD_OF_R = re.compile(r"\b(as|is)\s*\.\s*(\w+)\s*\(")


# Functions by names that a caller may have given to something else.
_KNOWN = {name: f for name, f in {**_OF_PATSY, **FUNCTIONS}.items() if name != "np"}


def complete(names: EvalEnvironment) -> EvalEnvironment:
    """Add the functions that need no import.

    A function of the caller's keeps its meaning. A table that the caller calls ``C`` does not
    hide the function that formulas are full of.
    """
    own = names.namespace
    taken = {name for space in names._namespaces for name in _KNOWN.keys() & space.keys()}
    hidden = {name: _KNOWN[name] for name in sorted(taken) if not callable(own[name])}
    if hidden:
        names = EvalEnvironment([hidden, *names._namespaces], names.flags)
    return names.with_outer_namespace(FUNCTIONS)


def check_functions(
    sides: Iterable[FormulaPart], columns: Collection[str], names: EvalEnvironment
) -> None:
    """Refuse functions of R that are none here.

    Parameters
    ----------
    sides : iterable of FormulaPart
        The parts of a formula.
    columns : collection of str
        Columns of the data.
    names : EvalEnvironment
        The caller's names.

    Raises
    ------
    DataError
        With what to write for a function of R.
    """
    own = names.namespace
    for code in dict.fromkeys(f.code for s in sides for t in terms(s) for f in t.factors):
        for name in _called(code):
            if name in _FUNCTIONS_OF_R and name not in columns and not callable(own.get(name)):
                raise DataError(f"{name}() is no function here: write {_FUNCTIONS_OF_R[name]}.")


def _called(code: str) -> list[str]:
    if "(" not in code:
        return []
    calls = [node for node in ast.walk(ast.parse(code, mode="eval")) if isinstance(node, ast.Call)]
    return [call.func.id for call in calls if isinstance(call.func, ast.Name)]


def unknown_names(unknown: Mapping[str, str], columns: Collection[str], text: str) -> DataError:
    """Return the error for names that are neither columns nor known to Python.

    Parameters
    ----------
    unknown : mapping of str to str
        The option that each is from, empty for those of the formula.
    columns : collection of str
        Columns of the data.
    text : str
        The formula.
    """
    for name in unknown:
        if name in _CONSTANTS_OF_R:
            return DataError(f"{name} is no column: write {_CONSTANTS_OF_R[name]}, as in Python.")
    method = _METHOD_OF_R.search(text)
    if method and method[1] in unknown:
        advice = _FUNCTIONS_OF_R[method[1]]
        return DataError(f"{method[1]}.{method[2]}() is no function here: write {advice}.")
    if "in" in unknown and re.search(r"%\s*in\s*%", text):
        return DataError("%in% is not read: write a:b for a nested in b.")
    return unknown_columns(unknown, columns, unknown)
