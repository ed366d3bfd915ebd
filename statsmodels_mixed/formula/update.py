"""A formula changed by a second one in which a dot has the place of the old terms: R's update.

y ~ x + z + (1 | g)     . ~ . - x               y ~ 1 + z + (1 | g)
y ~ x + z + (1 | g)     log(.) ~ . + (0 + x | g)   log(y) ~ 1 + x + z + (1 | g) + (0 + x | g)
y ~ x + z + (1 | g)     . ~ x:. - (1 | g) + (1 | h)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..errors import FormulaError
from .parse import parse
from .terms import Intercept, MixedFormula, RandomTerm
from .tokens import call_of
from .tree import RANDOM, Node, expand, read

__all__ = ["update"]

# A dot by itself: no decimal point, no attribute.
_DOT = re.compile(r"(?<![\w.)\]\"'])\.(?![\w.])")
_OLD = "terms_of_before_"


@dataclass
class _Right:
    """The right side, as it is put together."""

    intercept: bool = True
    fixed: dict[frozenset[str], tuple[str, ...]] = field(default_factory=dict)
    offsets: list[str] = field(default_factory=list)
    random: list[RandomTerm] = field(default_factory=list)

    def __str__(self) -> str:
        fixed = [":".join(term) for term in self.fixed.values()]
        known = [f"offset({code})" for code in self.offsets]
        random = [_written(term, self.random) for term in self.random]
        return " + ".join([str(int(self.intercept)), *fixed, *known, *random])


def update(formula: MixedFormula, change: str) -> str:
    """Return the text of a changed formula.

    Parameters
    ----------
    formula : MixedFormula
        The formula to change.
    change : str
        Such as ``". ~ . - x"`` or ``"~ . + (1 | h)"``. A dot left of the tilde is the response,
        on its right the whole right side; inside an interaction or a power it is the fixed
        effects, and the rest stays. Without a left side the response stays.

    Returns
    -------
    str
        With the intercept stated and all shorthands spelled out.

    Raises
    ------
    FormulaError
        If the change cannot be read, or takes away what the formula does not have.
    """
    if not isinstance(change, str) or "~" not in change:
        raise FormulaError(f"a formula is changed by one such as '. ~ . - x', not {change!r}.")
    left, _, right = change.partition("~")
    right = _DOT.sub(_OLD, right)
    made = _Right()
    for negative, node in _items(right):
        _apply(made, formula, negative, node, right)
    return f"{_response(left.strip(), formula.response)} ~ {made}"


def _response(left: str, old: str) -> str:
    """Return the left side with the response in place of dots."""
    if left in ("", "."):
        return old
    return _DOT.sub(old if " " not in old or old.endswith(")") else f"({old})", left)


def _items(right: str) -> Iterator[tuple[bool, Node]]:
    """Yield the items of the right side, and whether they are taken away."""
    node = read(f"y ~ {right}")[1]
    for item in node.args if node.kind == "sum" else (node,):
        negative = item.kind == "minus"
        yield negative, item.args[0] if negative else item


def _apply(made: _Right, old: MixedFormula, negative: bool, node: Node, right: str) -> None:
    text = f"y ~ {right}"[node.start : node.end]
    offset = call_of(node.text, "offset")
    if node.kind in RANDOM:
        for term in parse(f"y ~ 1 + {text}").random:
            _change_random(made, negative, term)
    elif offset is not None:
        _change_list(made.offsets, negative, offset[0], "offset")
    elif node.text == _OLD:
        _change_fixed(made, negative, old.fixed)
        _change_rest(made, negative, old)
    else:
        inner = re.sub(r"^[01] \+ |^[01]$", "", old.fixed)
        _change_fixed(made, negative, text.replace(_OLD, f"({inner})"))
        if _OLD in text and not negative:
            _change_rest(made, negative, old)


def _change_rest(made: _Right, negative: bool, old: MixedFormula) -> None:
    """Add or take away all that is no fixed effect."""
    for code in old.offsets:
        if negative or code not in made.offsets:
            _change_list(made.offsets, negative, code, "offset")
    for term in old.random:
        _change_random(made, negative, term)


def _change_fixed(made: _Right, negative: bool, text: str) -> None:
    change = expand(read(f"y ~ {text}")[1], text)
    if negative:
        if change.terms and not any(key in made.fixed for key in change.terms):
            there = ", ".join(":".join(term) for term in made.fixed.values()) or "none"
            raise FormulaError(f"there is no term {text} to take away; the terms are {there}.")
        made.intercept = made.intercept if change.intercept is None else not change.intercept
        made.fixed = {key: term for key, term in made.fixed.items() if key not in change.terms}
        return
    made.intercept = made.intercept if change.intercept is None else change.intercept
    for key, term in change.terms.items():
        made.fixed.setdefault(key, term)


def _change_list(found: list[str], negative: bool, code: str, what: str) -> None:
    if not negative:
        found.append(code)
    elif code in found:
        found.remove(code)
    else:
        raise FormulaError(f"there is no {what}({code}) to take away.")


def _change_random(made: _Right, negative: bool, term: RandomTerm) -> None:
    same = [one for one in made.random if _matches(one, term)]
    if not negative:
        if not same:
            made.random.append(term)
    elif same:
        made.random.remove(same[0])
    else:
        there = ", ".join(map(str, made.random)) or "none"
        raise FormulaError(f"there is no term {term} to take away; there are {there}.")


def _matches(one: RandomTerm, other: RandomTerm) -> bool:
    """Return whether two terms are written alike, an implied intercept included."""
    return one == other or (
        Intercept.OMITTED not in (one.intercept, other.intercept)
        and str(one).replace("(1 + ", "(") == str(other).replace("(1 + ", "(")
    )


def _written(term: RandomTerm, terms: list[RandomTerm]) -> str:
    """Write a term; one whose intercept was that of another term gets none without it."""
    present = any(
        one.grouping == term.grouping and one.intercept is Intercept.PRESENT for one in terms
    )
    if term.intercept is Intercept.ELSEWHERE and not present:
        term = replace(term, intercept=Intercept.OMITTED)
    return str(term)
