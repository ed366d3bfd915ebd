"""The vocabulary of a mixed-model formula: plain values that hold no data.

A formula is read once into a `MixedFormula`; every later stage speaks of its
fixed part as a patsy right-hand side and of each random-effects term as a
`RandomTerm`. All classes are frozen, hashable and comparable, so that a formula
can serve as a cache key and two ways of writing one model compare equal.
"""

from __future__ import annotations

import json
import keyword
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any

__all__ = [
    "Grouping",
    "Intercept",
    "MixedFormula",
    "RandomTerm",
    "StructureCall",
    "plain_names",
    "quote_column",
]

# Shown bare, these would read as Python code and not as a column.
_SHOWN_QUOTED = {"True", "False", "None", "not"}
# Formula languages read these, in any case, as numbers.
_NUMBERS = "nan|inf|infinity"
_SHOWN_PLAIN = "|".join(word for word in keyword.kwlist if word not in _SHOWN_QUOTED)
_QUOTED_KEYWORD = re.compile(rf"""\bQ\((["'])({_SHOWN_PLAIN}|(?i:{_NUMBERS}))\1\)""")
_NUMBER = re.compile(_NUMBERS, re.IGNORECASE)


def quote_column(name: str) -> str:
    """Patsy code for a column: the name itself, or ``Q("...")`` if it would mean something else.

    Quoted are names that Python cannot read, those that read as numbers, such as ``inf``, and
    ``Intercept``, which is the name of another column of the matrix.
    """
    plain = name.isidentifier() and not keyword.iskeyword(name) and name != "Intercept"
    if plain and not _NUMBER.fullmatch(name):
        return name
    return f"Q({json.dumps(name, ensure_ascii=False)})"


@lru_cache(maxsize=512)
def plain_names(text: str) -> str:
    """Show columns named like Python keywords plainly: ``Q("yield")`` becomes ``yield``.

    For labels (response, coefficients, formulas); the result is no longer patsy code.
    """
    return _QUOTED_KEYWORD.sub(r"\2", text) if "Q(" in text else text


class Intercept(Enum):
    """What a random-effects term says about its intercept column.

    `PRESENT`: the term has an intercept column (written or implied).
    `OMITTED`: the term says ``0``: a categorical effect gets all its indicators.
    `ELSEWHERE`: an earlier term with the same grouping holds the intercept, so
    this one gets none and its categorical effects keep their contrast columns.
    """

    PRESENT = "present"
    OMITTED = "omitted"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True)
class Grouping:
    """A grouping factor: one column, or the interaction of several.

    Parameters
    ----------
    factors : tuple of str
        Column names. More than one means that the levels are the observed
        combinations.
    members, weights : tuple of str
        Of multiple membership, whose single factor is the text ``mm(...)``: columns of
        members, and of their weights unless these are equal.

    Examples
    --------
    >>> parse("y ~ x + (1 | a:b)").random[0].grouping.name
    'a & b'
    """

    factors: tuple[str, ...]
    members: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the data."""
        return (*self.members, *self.weights) if self.members else self.factors

    @property
    def optional(self) -> frozenset[str]:
        """Columns that may be missing: all members but the first, and weights."""
        return frozenset((*self.members[1:], *self.weights))

    @property
    def name(self) -> str:
        """The label used in all output, such as ``"batch & cask"``."""
        return " & ".join(self.factors)

    @property
    def code(self) -> str:
        """The name with odd column names quoted, as a formula can hold it."""
        if self.members:
            return self.name
        return " & ".join(plain_names(quote_column(factor)) for factor in self.factors)


@dataclass(frozen=True)
class StructureCall:
    """A covariance structure as a formula names it.

    Parameters
    ----------
    name : str
        Such as ``"ar1"``.
    options : tuple of (str, object)
        Its keyword options in the order written.
    """

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({self.written_options})"

    @property
    def written_options(self) -> str:
        """The options as written, ``"p=1, q=2"``."""
        return ", ".join(f"{name}={value!r}" for name, value in self.options)


@dataclass(frozen=True)
class RandomTerm:
    """One random-effects term, ``(effects | grouping)``.

    Parameters
    ----------
    effects : str
        Left side of the bar as a patsy right-hand side without its intercept
        (``"days"``, ``"days + a:b"``), empty when there are no other effects.
    grouping : Grouping
        Right side of the bar.
    intercept : Intercept
        Whether there is an intercept column.
    correlated : bool
        False under ``zerocorr(...)``: the covariance matrix is diagonal.
    structure : StructureCall or None
        The function around the bar, as in ``ar1(0 + t | g)``.
    part : str
        What the term belongs to if it is not the mean: ``"zi"``, ``"hurdle"``.

    Examples
    --------
    >>> random = parse("y ~ x + (x | g)").random[0]
    >>> random.effects, random.grouping.name, random.correlated
    ('x', 'g', True)
    """

    effects: str
    grouping: Grouping
    intercept: Intercept = Intercept.PRESENT
    correlated: bool = True
    structure: StructureCall | None = None
    part: str = ""

    def __str__(self) -> str:
        lead = {Intercept.PRESENT: "1", Intercept.OMITTED: "0", Intercept.ELSEWHERE: ""}
        parts = [part for part in (lead[self.intercept], self.effects) if part]
        inner = f"{plain_names(' + '.join(parts))} | {self.grouping.code}"
        if self.structure is not None and not self.grouping.members:
            options = self.structure.written_options
            return f"{self.structure.name}({inner}{', ' if options else ''}{options})"
        return f"({inner})" if self.correlated else f"zerocorr({inner})"


@dataclass(frozen=True)
class MixedFormula:
    """A whole formula, read.

    Parameters
    ----------
    response : str
        Left of the tilde, as patsy code.
    fixed : str
        Fixed part of the right side as a patsy right-hand side, such as
        ``"1 + days"``; ``"0"`` when there are no fixed effects.
    random : tuple of RandomTerm
        Random-effects terms in the order written, nesting and ``||`` expanded.
    text : str
        What the user typed; not part of the comparison.
    offsets : tuple of str
        Python code of what ``offset(...)`` adds to the linear predictor.

    Examples
    --------
    >>> formula = parse("yield ~ 1 + (1 | batch)")
    >>> formula.response_name, formula.fixed
    ('yield', '1')
    """

    response: str
    fixed: str
    random: tuple[RandomTerm, ...]
    text: str = field(default="", compare=False)
    offsets: tuple[str, ...] = ()

    def __hash__(self) -> int:
        # Models look up what they know of a formula; its terms are compared, not hashed.
        return hash((self.response, self.fixed, self.offsets))

    def __str__(self) -> str:
        return _written(self)

    @property
    def response_name(self) -> str:
        """The response as tables show it: ``yield`` although patsy needs ``Q("yield")``."""
        return plain_names(self.response)

    @property
    def fixed_formula(self) -> str:
        """The bar-free formula ``"y ~ 1 + x"`` that patsy can read by itself."""
        return f"{self.response} ~ {self.fixed}"


@lru_cache(maxsize=512)
def _written(formula: MixedFormula) -> str:
    known = [f"offset({plain_names(code)})" for code in formula.offsets]
    right = " + ".join([plain_names(formula.fixed), *known, *map(str, formula.random)])
    return f"{formula.response_name} ~ {right}"
