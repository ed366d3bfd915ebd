"""Names that are loaded when they are first asked for.

To import a module takes about a millisecond, and most programs use few of those of this package.
`import statsmodels_mixed` therefore loads almost nothing; a fit loads what a fit needs; and what
follows a fit is loaded by its first call. A place is written as entry points write it, below
this package: ``"comparison.drop1:ranova"``. There are three ways to name one.

- `attributes` makes the functions ``__getattr__`` and ``__dir__`` of a module (PEP 562).
- `Method` stands in the body of a class until it is asked for, and is then replaced by the
  function. What users, `help` and `inspect` see is the function itself.
- `load` is for a line of code that few fits reach.

Beside each, ``if TYPE_CHECKING:`` imports the same, for type checkers and editors. That both say
the same, and that these places lie below, is tested with the other imports.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

__all__ = ["PACKAGE", "Method", "attributes", "load"]

PACKAGE = __name__.rpartition(".")[0]


def load(place: str) -> Any:
    """Return what a place names.

    Parameters
    ----------
    place : str
        Such as ``"models.linear.model:LinearMixedModel"``; with no name after the colon the
        module.

    Returns
    -------
    object
    """
    return resolve_name(f"{PACKAGE}.{place}")


def attributes(
    module: str, *places: str, **renamed: str
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions ``__getattr__`` and ``__dir__`` of a module.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    places : str
        What it offers under the last name of each place.
    renamed : str
        Places by the name under which the module offers them.
    """
    known = {place.replace(":", ".").rstrip(".").rpartition(".")[2]: place for place in places}
    known |= renamed

    def look_up(name: str) -> Any:
        if name not in known:
            raise AttributeError(f"module {module!r} has no attribute {name!r}.", name=name)
        found = load(known[name])
        # The next time Python finds it without asking.
        setattr(sys.modules[module], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *known})

    return look_up, names


class Method:
    """A function that becomes a method of a class when it is first asked for.

    Parameters
    ----------
    place : str
        The place of the function.
    decorator : callable, optional
        What the method has around the function.
    """

    def __init__(self, place: str, decorator: Callable[[Any], Any] | None = None) -> None:
        self.place, self.decorator = place, decorator

    def __set_name__(self, owner: type, name: str) -> None:
        """Note where the function will go."""
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        """Put the function in this one's place, and return what the class then has."""
        function = load(self.place)
        if self.decorator is not None:
            function = self.decorator(function)
        setattr(self.owner, self.name, function)
        return function if instance is None else function.__get__(instance, owner)
