"""Kinds of values that options have, by the annotations of signatures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any

import numpy as np

__all__ = ["Kind", "are_numbers", "either", "kinds_of"]


@dataclass(frozen=True)
class Kind:
    """Values of one kind.

    Parameters
    ----------
    accepts : callable
        Whether a value is of it.
    words : tuple of str
        What it is called.
    """

    accepts: Callable[[Any], bool]
    words: tuple[str, ...]


def _is_whole(value: Any) -> bool:
    if isinstance(value, Integral | np.bool_):
        return True
    return isinstance(value, Real) and math.isfinite(value) and value == math.floor(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.bool_)


def _is_flag(value: Any) -> bool:
    return isinstance(value, Real | np.bool_) and value in (0, 1)


def are_numbers(value: Any) -> bool:
    """Return whether a value makes an array of real numbers.

    Parameters
    ----------
    value : object
    """
    if isinstance(value, str | bytes | Mapping | Set):
        return False
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O":  # integers beyond 64 bits, columns with missing values
            array = np.asarray(value, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return False
    return array.dtype.kind in "buif"


def _are_values(value: Any) -> bool:
    return value is None or isinstance(value, Mapping) or are_numbers(value)


def _is_sequence(value: Any) -> bool:
    if isinstance(value, str | bytes | Mapping | Set) or getattr(value, "ndim", 1) != 1:
        return False
    return hasattr(value, "__len__") and hasattr(value, "__iter__")


def _are_names(value: Any) -> bool:
    return _is_sequence(value) and all(isinstance(each, str) for each in value)


def _are_pairs(value: Any) -> bool:
    return _is_sequence(value) and all(
        _is_sequence(each) and len(each) == 2 and isinstance(each[0], str) for each in value
    )


def _is_seed(value: Any) -> bool:
    if isinstance(value, np.random.SeedSequence | np.random.Generator) or value is None:
        return True
    each = value if _is_sequence(value) else [value]
    return all(isinstance(one, int | np.integer) and one >= 0 for one in each)


def _instance(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


_NUMBERS = Kind(are_numbers, ("numbers",))
_DICT = Kind(_instance(Mapping), ("a dict",))

# What is taken for an annotation, and how it is called.
_KINDS: dict[str, Kind] = {
    "int": Kind(_is_whole, ("a whole number",)),
    "float": Kind(_is_number, ("a number",)),
    "bool": Kind(_is_flag, ("True", "False")),
    "str": Kind(_instance(str), ("a name",)),
    "Formula": Kind(_instance(str), ('a formula such as "~ x"',)),
    "PathLike[str]": Kind(_instance(PathLike), ("a path",)),
    "Mapping[str, Any]": _DICT,
    "Mapping[str, float]": _DICT,
    "Mapping[str, Numbers]": _DICT,
    "Sequence[str]": Kind(_are_names, ("a list of names",)),
    "Sequence[Any]": Kind(_is_sequence, ("a list",)),
    "Sequence[tuple[str, Any]]": Kind(_are_pairs, ("a list of names with matrices",)),
    "Seed": Kind(_is_seed, ("a whole number >= 0", "a list of these", "a Generator", "None")),
    "Numbers": _NUMBERS,
    "Values": Kind(_are_values, ("numbers", "a dict", "None")),
    "None": Kind(_instance(type(None)), ("None",)),
}


def kinds_of(annotation: str) -> Sequence[Kind]:
    """Return the kinds of an annotation; none where the function itself knows better.

    Parameters
    ----------
    annotation : str
    """
    found = []
    for part in annotation.split(" | "):
        if part in _KINDS:
            found.append(_KINDS[part])
        elif part in _OF_FITS:
            found.append(_of_fits(part))
        else:
            return ()
    return found


# Classes of this package that options can be of: rooms above, known by name.
_OF_FITS = {"Bootstrap": "what bootstrap() returned", "Profile": "what profile() returned"}


def _of_fits(name: str) -> Kind:
    return Kind(
        lambda value: any(each.__name__ == name for each in type(value).__mro__), (_OF_FITS[name],)
    )


def either(words: Sequence[str]) -> str:
    """Return words joined by commas and "or".

    Parameters
    ----------
    words : sequence of str
    """
    return ", ".join(words[:-1]) + ", or " + words[-1] if len(words) > 2 else " or ".join(words)
