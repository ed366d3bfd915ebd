"""What means are asked for: ``"a"``, ``["a", "b"]``, ``"a | b"``, ``"pairwise ~ a | b"``."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ..errors import OptionError
from .contrast_matrices import METHODS

__all__ = ["Specs", "names_of", "read_specs"]


@dataclass(frozen=True)
class Specs:
    """Means that are asked for.

    Parameters
    ----------
    names : tuple of str
        Variables whose values the means are of.
    by : tuple of str
        Variables within whose values they are compared.
    method : str
        Contrasts to show with them; empty for none.
    """

    names: tuple[str, ...]
    by: tuple[str, ...]
    method: str


def names_of(given: str | Sequence[str] | None, option: str) -> list[str]:
    """Return names that a user gave as one or as a list of them."""
    if given is None:
        return []
    names = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(f"{option}= is the name of a variable or a list of names, not {given!r}.")
    return names


def read_specs(
    specs: str | Sequence[str], by: str | Sequence[str] | None, known: Collection[str]
) -> Specs:
    """Read what was asked for.

    Parameters
    ----------
    specs, by
        As `emmeans` has them.
    known : collection of str
        Names of variables: text that is one of them is not taken apart.

    Raises
    ------
    OptionError
        If it cannot be read.
    """
    inner, method = names_of(by, "by"), ""
    if not isinstance(specs, str) or specs in known:
        names = names_of(specs, "specs")
    else:
        left, tilde, right = specs.rpartition("~")
        method = left.strip() if tilde else ""
        if method and method not in METHODS:
            raise OptionError(
                f"the left side of {specs!r} is a kind of contrasts: {', '.join(METHODS)}."
            )
        outer, _, conditions = right.partition("|")
        names = _split(outer, known, specs)
        inner = [*_split(conditions, known, specs), *inner] if conditions.strip() else inner
    names = [] if names == ["1"] else names
    inner = list(dict.fromkeys(inner))
    return Specs(tuple(dict.fromkeys(n for n in names if n not in inner)), tuple(inner), method)


def _split(text: str, known: Collection[str], whole: str) -> list[str]:
    if text.strip() in known:
        return [text.strip()]
    names = [part.strip() for part in re.split(r"[*+:](?![^(]*\))", text)]
    if not all(names):
        raise OptionError(f'{whole!r} cannot be read: write "a", "a * b", "a | b" or "~ a | b".')
    return names
