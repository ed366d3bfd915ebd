"""The objects of a fit as JSON, and back.

Objects are numbered and written once each, with their class and attributes, so that what is
shared stays shared. A class is one of a list; an object is made without calling anything of it,
and its attributes are put in place.
"""

from __future__ import annotations

import re
from enum import Enum
from importlib import import_module
from typing import Any

from patsy.eval import EvalEnvironment, EvalFactor
from scipy.stats import cauchy, logistic, norm

from ..errors import DataError
from ..frame.matrices.engine_formulaic import FormulaicMatrix
from ..frame.matrices.factors import CodedFactor, Expression, Rows
from ..results.base import MixedModelResults
from ..structures import Structure, kind_of, known
from .expressions import (
    check_code,
    name_of_function,
    named_function,
    names_in,
    transform_class,
    transform_name,
)
from .scalars import Arrays, decode_plain, encode_plain

__all__ = ["Reader", "Writer"]

# Modules whose classes may be saved: of this package but its core, whose objects own memory of C,
# and families of statsmodels.
_OWN = re.compile(r"statsmodels_mixed(\.[a-z][a-z0-9_]*)+")
_FAMILIES = tuple(f"statsmodels.genmod.families.{name}" for name in ("family", "links", "varfuncs"))

# Distributions of links that are quantile functions.
_DISTRIBUTIONS = {"norm": norm, "cauchy": cauchy, "logistic": logistic}

# The class of what statsmodels calls the data of a model, by name: its room is above this one.
_DATA = "MixedData"
_FRAME = "ModelFrame"

# What is computed again when it is needed.
_LEFT_OUT = frozenset(
    {"_structure", "_cache", "owners", "_series", "_labels", "_values", "given_contrasts"}
    | {"_factored", "_pivots"}
)


def _class(module: str, name: str) -> type:
    if _OWN.fullmatch(module) or module in _FAMILIES:
        try:
            found = getattr(import_module(module), name, None)
        except ImportError:
            found = None
        pickled = found in (Expression, FormulaicMatrix)  # made otherwise, or not at all
        if isinstance(found, type) and found.__module__ == module and not pickled:
            return found
    raise DataError(f"it has an object of the class {module}.{name}, which is not among a fit's.")


def _registered(value: Any) -> str | None:
    """Return the name of a structure of a user's own, under which it is registered."""
    kind = type(value)
    if not isinstance(value, Structure) or _OWN.fullmatch(kind.__module__):
        return None
    return kind.name if kind.name in known() and kind_of(kind.name) is kind else None


def _structure(name: str) -> type[Structure]:
    """Return the registered class of a structure of a user's own."""
    if name not in known():
        raise DataError(
            f"it has the covariance structure {name}(), which is not of this package: define it "
            "and call statsmodels_mixed.structures.register before."
        )
    return kind_of(name)


class Writer:
    """Encodes objects; arrays go to `arrays`, objects to `objects`."""

    def __init__(self) -> None:
        self.arrays = Arrays()
        self.objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # as long as they live, no other object has their id

    def encode(self, value: Any) -> Any:
        """Return JSON for a value.

        Raises
        ------
        DataError
            If it cannot be saved; the message names what it belongs to where that is known.
        """
        shared = hasattr(value, "flags") or hasattr(value, "__dict__")
        if not shared or isinstance(value, Enum):
            plain = encode_plain(value, self.arrays, self.encode)
            return self._enum(value) if plain is None else plain
        if id(value) not in self._numbers:
            number = self._numbers[id(value)] = len(self.objects)
            self._kept.append(value)
            self.objects.append(None)
            plain = encode_plain(value, self.arrays, self.encode)
            self.objects[number] = self._object(value) if plain is None else plain
        return {"is": self._numbers[id(value)]}

    def _enum(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, Enum) and _OWN.fullmatch(kind.__module__):
            return {"enum": [kind.__module__, kind.__name__, value.name]}
        if (
            isinstance(value, tuple)
            and hasattr(value, "_fields")
            and _OWN.fullmatch(kind.__module__)
        ):
            return {"named": [kind.__module__, kind.__name__], "of": self.encode(tuple(value))}
        raise DataError(f"a {kind.__module__}.{kind.__name__} cannot be saved.")

    def _object(self, value: Any) -> Any:
        kind = type(value)
        if isinstance(value, Expression):
            return self._expression(value)
        if isinstance(value, FormulaicMatrix):
            raise DataError(
                "a model whose formula was read by formulaic cannot be saved without pickle: set "
                'statsmodels.formula.options.formula_engine = "patsy" and fit it again.'
            )
        for name, distribution in _DISTRIBUTIONS.items():
            if type(value) is type(distribution):
                return {"distribution": name}
        own = _registered(value)
        try:
            if own is None and _class(kind.__module__, kind.__name__) is not kind:
                raise DataError("another class of that name.")
        except DataError as error:
            raise DataError(
                f"an object of the class {kind.__module__}.{kind.__name__} cannot be saved "
                "without pickle: only classes of this package and of statsmodels' families can."
            ) from error
        state = {k: v for k, v in vars(value).items() if k not in _LEFT_OUT}
        if kind.__name__ == _DATA:
            state.pop("frame", None)  # a table made of the rows of the frame
        if kind.__name__ == _FRAME:
            state.pop("table", None)  # likewise
        try:
            content = {name: self.encode(item) for name, item in state.items()}
        except DataError as error:
            if isinstance(value, CodedFactor):
                raise DataError(f"the term {value.label!r} {error}") from error
            raise
        if own is not None:
            return {"structure": own, "state": content}
        return {"class": [kind.__module__, kind.__name__], "state": content}

    def _expression(self, value: Expression) -> Any:
        code = value.state["eval_code"]
        namespace = value.state["eval_env"].namespace
        names: dict[str, Any] = {}
        modules: dict[str, str] = {}
        transforms = {}
        for name, transform in value.state["transforms"].items():
            known = transform_name(transform)
            if known is None:
                raise DataError(
                    f"uses the transform {type(transform).__name__!r}, which is neither "
                    "patsy's nor of this package and cannot be saved without pickle."
                )
            transforms[name] = [known, self.encode(vars(transform))]
        for name in sorted(names_in(code)):
            if name in value.columns or name in transforms or name not in namespace:
                continue
            found = namespace[name]
            function = name_of_function(found)
            if function is not None:
                names[name] = {"function": list(function)}
                if not function[1]:
                    modules[name] = function[0]
            elif callable(found) or hasattr(found, "__loader__"):
                raise DataError(
                    f"uses {name!r}, a function of your own, which cannot be saved without "
                    "pickle: compute the column before the model is made."
                )
            else:
                names[name] = {"value": self.encode(found)}
        check_code(code, value.columns, names, modules, transforms)
        return {
            "expression": value.factor.code,
            "code": code,
            "columns": list(value.columns),
            "flags": int(value.state["eval_env"].flags),
            "names": names,
            "transforms": transforms,
        }


class Reader:
    """Makes the objects again that a `Writer` wrote."""

    def __init__(self, objects: list[Any], arrays: Arrays) -> None:
        self.nodes = objects
        self.arrays = arrays
        self._made: dict[int, Any] = {}

    def decode(self, node: Any) -> Any:
        """Undo `Writer.encode`."""
        if "is" in node:
            return self._numbered(node["is"])
        if "enum" in node:
            module, name, member = node["enum"]
            kind = _class(module, name)
            if not issubclass(kind, Enum):
                raise DataError(f"{module}.{name} has no members.")
            return kind[member]
        return self._plain(node)

    def _plain(self, node: Any) -> Any:
        if "named" in node:
            kind: Any = _class(*node["named"])
            return kind._make(self.decode(node["of"]))
        return decode_plain(node, self.arrays, self.decode)

    def _numbered(self, number: int) -> Any:
        if number not in self._made:
            node = self.nodes[number]
            if "class" in node or "structure" in node:
                own = "structure" in node
                kind = _structure(node["structure"]) if own else _class(*node["class"])
                made: Any = object.__new__(kind)
                self._made[number] = made
                state = {name: self.decode(item) for name, item in node["state"].items()}
                if isinstance(made, Rows):
                    made.__setstate__(state)
                else:
                    made.__dict__.update(state)
                    if isinstance(made, MixedModelResults) or type(made).__name__ == _DATA:
                        made.__dict__["_cache"] = {}
            elif "distribution" in node:
                self._made[number] = _DISTRIBUTIONS[node["distribution"]]
            elif "expression" in node:
                self._made[number] = self._expression(node)
            else:
                self._made[number] = self._plain(node)
        return self._made[number]

    def _expression(self, node: Any) -> Expression:
        names: dict[str, Any] = {}
        modules: dict[str, str] = {}
        for name, content in node["names"].items():
            if "function" in content:
                module, function = content["function"]
                names[name] = named_function(module, function)
                if not function:
                    modules[name] = module
            else:
                names[name] = self.decode(content["value"])
        transforms: dict[str, Any] = {}
        for name, (transform, content) in node["transforms"].items():
            transforms[name] = object.__new__(transform_class(transform))
            transforms[name].__dict__.update(self.decode(content))
        check_code(node["code"], node["columns"], names, modules, transforms)
        made = object.__new__(Expression)
        made.factor = EvalFactor(node["expression"])
        made.columns = tuple(node["columns"])
        made.state = {
            "eval_code": node["code"],
            "eval_env": EvalEnvironment([names], node["flags"]),
            "transforms": transforms,
        }
        return made
