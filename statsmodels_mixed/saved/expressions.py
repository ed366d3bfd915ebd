"""The Python code of a formula that may be saved: arithmetic and functions of a known list.

A saved fit is read on machines of other people. Its formula's code is run when it predicts, so
it may only name columns, numbers and functions that do nothing but compute; this is checked when
a fit is saved and when one is opened.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import patsy
import patsy.builtins
import scipy.special

from ..errors import DataError
from ..frame.matrices.constants import endless_part
from ..frame.matrices.functions import Polynomials

__all__ = [
    "check_code",
    "name_of_function",
    "named_function",
    "names_in",
    "transform_class",
    "transform_name",
]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BUILTINS = frozenset({"abs", "float", "int", "len", "max", "min", "pow", "round", "sum"})

# Functions of NumPy beside its ufuncs.
_NUMPY = _words(
    "abs absolute array asarray ceil clip cumsum diff digitize floor isin linspace max mean median"
    " min nan_to_num percentile polyval quantile round searchsorted select std sum var vander"
    " where zeros_like ones_like float64 int64 pi e inf nan interp heaviside column_stack"
)

# Methods and accessors of columns: those of a pandas Series that compute.
_METHODS = _words(
    "abs add astype between cat clip codes contains cummax cummin cumsum day dayofweek dayofyear dt"
    " diff div dot endswith eq fillna floordiv ge gt hour isin isna isnull le len lower lstrip lt"
    " map max mean median min minute mod month mul ne notna notnull pow quantile quarter rank"
    " replace round rstrip second shift slice startswith std str strip sub sum title to_numpy"
    " truediv upper values var weekday where year days total_seconds"
)

_NODES = (
    ast.Expression,
    ast.Name,
    ast.Load,
    ast.Call,
    ast.keyword,
    ast.Attribute,
    ast.Constant,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Subscript,
    ast.Slice,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
)

_MODULES: dict[str, ModuleType] = {"numpy": np, "math": math, "scipy.special": scipy.special}


def _allowed_in(module: ModuleType, name: str) -> bool:
    if name.startswith("_"):
        return False
    if module is np:
        return name in _NUMPY or isinstance(getattr(np, name, None), np.ufunc)
    found = getattr(module, name, None)
    return isinstance(found, np.ufunc | float) or module is math


def name_of_function(value: Any) -> tuple[str, str] | None:
    """Return module and name of a module or function that may be saved, else None."""
    for module_name, module in _MODULES.items():
        if value is module:
            return module_name, ""
        name = getattr(value, "__name__", "")
        if name and getattr(module, name, None) is value and _allowed_in(module, name):
            return module_name, name
    name = getattr(value, "__name__", "")
    if name in patsy.builtins.__all__ and getattr(patsy.builtins, name) is value:
        return "patsy", name
    return None


def named_function(module_name: str, name: str) -> Any:
    """Undo `name_of_function`.

    Raises
    ------
    DataError
        If it names something that may not be saved.
    """
    if module_name == "patsy" and name in patsy.builtins.__all__:
        return getattr(patsy.builtins, name)
    module = _MODULES.get(module_name)
    if module is not None and not name:
        return module
    if module is not None and _allowed_in(module, name):
        return getattr(module, name)
    raise DataError(f"it names {module_name}.{name}, which a saved formula may not use.")


def _transforms() -> dict[str, type]:
    names = ("center", "standardize", "scale", "bs", "cr", "cc", "te")
    classes = (getattr(patsy, name).__patsy_stateful_transform__ for name in names)
    return {cls.__name__: cls for cls in (*classes, Polynomials)}


_TRANSFORMS = _transforms()


def transform_name(transform: Any) -> str | None:
    """Return the name of a transform of patsy or of this package; None for one of the user's."""
    name = type(transform).__name__
    return name if _TRANSFORMS.get(name) is type(transform) else None


def transform_class(name: str) -> type:
    """Return the class of such a transform by its name."""
    if name not in _TRANSFORMS:
        raise DataError(f"it names the transform {name!r}, which a saved formula may not use.")
    return _TRANSFORMS[name]


def names_in(code: str) -> set[str]:
    """Return the names that code looks up."""
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def check_code(
    code: str,
    columns: Collection[str],
    named: Collection[str],
    modules: Mapping[str, str],
    transforms: Collection[str],
) -> None:
    """Make sure that code only computes.

    Parameters
    ----------
    code : str
        The code that is run.
    columns, named : collection of str
        Columns, and functions, modules and values of the caller, that it may name.
    modules : mapping of str to str
        Those of the names that are modules, and which.
    transforms : collection of str
        Names of stateful transforms.

    Raises
    ------
    DataError
        If it does anything else; the message lacks what it is part of.
    """
    try:
        tree = ast.parse(code, mode="eval")
    except (SyntaxError, ValueError) as error:
        raise DataError("has code that Python cannot parse.") from error
    if endless_part(tree, {*named, *transforms, *_BUILTINS} - set(columns)) is not None:
        raise DataError(
            "makes something very large of constants, which cannot be saved without pickle."
        )
    names = {*columns, *named, *transforms, *_BUILTINS}
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            kind = type(node).__name__
            raise DataError(f"uses {kind}, which cannot be saved without pickle.")
        if isinstance(node, ast.Name) and node.id not in names:
            raise DataError(f"uses {node.id!r}, which cannot be saved without pickle.")
        if isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            if base in transforms:
                wanted = node.attr == "transform"
            elif base in modules:
                wanted = _allowed_in(_MODULES[modules[base]], node.attr)
            else:
                wanted = node.attr in _METHODS
            if not wanted:
                raise DataError(f"uses .{node.attr}, which cannot be saved without pickle.")
