"""A formula's text to its terms: what belongs to the fixed part, what to which grouping.

`parse` is the way in. It never sees data: that a column exists, or is categorical, is
for a later stage to find out. The result holds the fixed part and the effects of each
random-effects term as bar-free patsy code, and spells out all shorthands:

    cs(0 + f | a/b)       ->  cs(0 + f | a) + cs(0 + f | a & b)
    (x || g)              ->  (1 | g) + (0 + x | g)
    (x | a/b)             ->  (x | a) + (x | a & b)
    zerocorr(x | a/b)     ->  zerocorr(x | a) + zerocorr(x | a & b)
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache

from ..errors import OptionError
from ..options import answering
from ..structures.registry import make
from .membership import is_membership, read_membership
from .terms import Grouping, Intercept, MixedFormula, RandomTerm, StructureCall
from .tokens import atoms, call_of, fail, python_names, read_column
from .tree import RANDOM, Node, expand, flatten, read, show, walk

__all__ = ["parse", "variables"]

_INTERCEPT: frozenset[str] = frozenset()


@answering({})
@lru_cache(maxsize=512)
def parse(text: str) -> MixedFormula:
    """Read a mixed-model formula.

    Parameters
    ----------
    text : str
        Such as ``"y ~ 1 + x + (1 + x | g)"``. Either side of a bar is patsy's formula
        language, in which ``a & b`` may be written for ``a:b`` and ``^`` for ``**``.
        Random-effects terms are ``(effects | g)``; ``(effects || g)`` makes one
        uncorrelated term of each effect and ``zerocorr(effects | g)`` a diagonal
        covariance matrix. Other covariance structures are functions around a bar too, with
        options as keywords: ``cs(0 + f | g)``, ``ar1(0 + t | g, hom=False)``. ``g`` is a
        column, an interaction ``a:b`` of columns, or nested columns ``a/b``.

    Returns
    -------
    MixedFormula
        The fixed part always states its intercept. A random-effects term that says
        nothing about its intercept has one, unless an earlier term with the same
        grouping factor has it.

    Raises
    ------
    FormulaError
        When the text cannot be read, lacks a response, or names a variable on both sides of a
        bar or an effect twice for one grouping factor. The error marks the place.

    See Also
    --------
    term

    Examples
    --------
    >>> print(parse("y ~ x + (x || g)"))
    y ~ 1 + x + (1 | g) + (0 + x | g)
    >>> [str(random.grouping.name) for random in parse("y ~ x + (1 | a / b)").random]
    ['a', 'a & b']
    """
    try:
        return _formula(text)
    except RecursionError:
        raise fail("this formula is nested too deeply.", text, 0, len(text)) from None


def _formula(text: str) -> MixedFormula:
    left, right = read(text)
    bar_free, random = _split(right)
    for node in (left, *random):
        _refuse_offset(node, text)
    bar_free, offsets = _take_offsets(bar_free, text)
    response, fixed = _response(left, text), _fixed(bar_free, text)
    seen: dict[frozenset[str], _Seen] = {}
    terms = [term for node in random for term in _random_terms(node, text, seen)]
    return MixedFormula(response, fixed, tuple(terms), text, offsets)


@lru_cache(maxsize=512)
def variables(part: MixedFormula | str, *, attributes: bool = False) -> tuple[str, ...]:
    """Names of data columns that a formula may use, each once, in the order written.

    Parameters
    ----------
    part : MixedFormula or str
        A whole formula, or the bar-free code of one part of it: its `response`, its
        `fixed`, the `effects` of a term.
    attributes : bool
        Return instead the names that only the data can distinguish from modules and
        patsy's own objects: ``np`` in ``np.log(x)``, but also ``x`` in ``x.shift(1)``.

    Returns
    -------
    tuple of str
        Names of called functions are never among them. Names of the user's own Python
        variables may be, as in ``I(x / scale)``.
    """
    if isinstance(part, str):
        names = [python_names(atom)[attributes] for atom in atoms(part)]
        return _unique(name for some in names for name in some)
    codes = [part.response, part.fixed, *(term.effects for term in part.random), *part.offsets]
    names = [variables(code, attributes=attributes) for code in codes]
    if not attributes:
        names += [term.grouping.factors for term in part.random]
    return _unique(name for some in names for name in some)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _split(node: Node) -> tuple[Node | None, list[Node]]:
    """Separate a sum into its bar-free items and its random-effects terms."""
    if node.kind in RANDOM:
        return None, [node]
    if node.kind != "sum":
        return node, []
    parts = [_split(item) for item in node.args]
    kept = tuple(fixed for fixed, _ in parts if fixed is not None)
    random = [term for _, terms in parts for term in terms]
    return (node._replace(args=kept) if kept else None), random


def _take_offsets(node: Node | None, text: str) -> tuple[Node | None, tuple[str, ...]]:
    """Take the items ``offset(...)`` out of a sum; return the rest and the code inside them."""
    if node is None:
        return None, ()
    items = node.args if node.kind == "sum" else (node,)
    kept = tuple(item for item in items if call_of(item.text, "offset") is None)
    for item in kept:
        _refuse_offset(item, text)
    if len(kept) == len(items):
        return node, ()
    codes = []
    for item in items:
        inside = call_of(item.text, "offset")
        if inside is not None:
            if len(inside) != 1:
                message = "offset takes one column or expression, as in offset(np.log(h))."
                raise fail(message, text, item.start, item.end)
            codes.append(inside[0])
    return (node._replace(args=kept) if kept else None), tuple(codes)


def _refuse_offset(node: Node, text: str) -> None:
    for part in walk(node):
        if call_of(part.text, "offset") is not None:
            message = (
                "offset(...) is added to the fixed effects, as in y ~ x + offset(z) + (1 | g)."
            )
            raise fail(message, text, part.start, part.end)


def _response(node: Node, text: str) -> str:
    """Patsy code of the left side: one column, or two, ``successes + failures``."""
    for part in walk(node):
        if part.kind in RANDOM or part.kind == ":":
            message = "left of the tilde the response alone is allowed, a column or an expression."
            raise fail(message, text, part.start, part.end)
    if node.kind != "sum" or all(item.kind == "minus" for item in node.args[1:]):
        return _response_column(node, text)
    # As statsmodels has it: y1 + y2 are two columns, never the sum of one.
    names_column = [any(part.kind == "atom" for part in walk(item)) for item in node.args]
    if len(node.args) > 2 or not all(names_column):
        message = (
            "the response is one column, or the two columns successes + failures; a sum of "
            "columns is written I(a + b)."
        )
        raise fail(message, text, node.start, node.end)
    return " + ".join(_response_column(item, text) for item in node.args)


def _response_column(node: Node, text: str) -> str:
    """Patsy code of one column: arithmetic is wrapped in ``I``."""
    if node.kind == "atom":
        pair = call_of(node.text, "cbind")
        if pair is not None:  # as R has it
            if len(pair) != 2:
                message = "cbind takes two columns, as in cbind(successes, failures)."
                raise fail(message, text, node.start, node.end)
            return " + ".join(code if read_column(code) else f"I({code})" for code in pair)
        return node.text
    if all(part.kind != "atom" for part in walk(node)):
        raise fail("the response has to name a column.", text, node.start, node.end)
    return atoms(f"I({show(node)})")[0]  # spaced as patsy does


def _fixed(node: Node | None, text: str) -> str:
    if node is None:
        return "1"
    for part in walk(node):
        if part.text.startswith("fulldummy("):
            message = "fulldummy belongs in a random-effects term; the fixed effects use contrasts."
            raise fail(message, text, part.start, part.end)
    lead = "0" if expand(node, text).intercept is False else "1"
    return _sum_code(lead, flatten(node))


def _sum_code(lead: str, items: list[Node]) -> str:
    """Write items of a sum after `lead` (if any), which takes the place of an intercept."""
    if lead:
        items = [Node("number", lead, (), 0, 0), *items]
    return show(Node("sum", "", tuple(items), 0, 0))


class _Seen:
    """What earlier terms said about a grouping factor, whose parts they wrote in this order."""

    def __init__(self, factors: tuple[str, ...]) -> None:
        known = is_membership(factors[0])
        self.grouping = read_membership(factors[0]) if known else Grouping(factors)
        self.terms: set[frozenset[str]] = set()


def _random_terms(node: Node, text: str, seen: dict[frozenset[str], _Seen]) -> Iterable[RandomTerm]:
    """Spell out one random-effects term, in the light of the terms before it."""
    correlated = node.kind != "zerocorr"
    bar = node.args[0] if node.kind in ("zerocorr", "structure") else node
    structure, places = _structure(node, text)
    left, right = bar.args
    for side in bar.args:
        inner = next((part for part in walk(side) if part.kind in RANDOM), None)
        if inner is not None:
            message = "a random-effects term inside another one."
            raise fail(message, text, inner.start, inner.end)
    written = expand(left, text)
    effects = _sum_code("", flatten(left)) if written.terms else ""
    for factors in _groupings(right, text):
        _check_sides(effects, factors, node, text)
        earlier = seen.setdefault(frozenset(factors), _Seen(factors))
        intercept = _intercept(False if places else written.intercept, earlier)
        new = dict(written.terms)
        if places:  # t as a place is not the effect t
            new = {frozenset((node.text, *key)): term for key, term in new.items()}
        if intercept is Intercept.PRESENT:
            new = {_INTERCEPT: (), **new}
        if not new:
            message = "this random-effects term has no effects."
            raise fail(message, text, node.start, node.end)
        _check_repeated(new, earlier, node, text)
        earlier.terms.update(new)
        if earlier.grouping.members:
            if effects or structure is not None:
                message = "mm() has a random intercept alone, as in (1 | mm(a, b))."
                raise fail(message, text, node.start, node.end)
            alike = StructureCall("homdiag")
            yield RandomTerm("", earlier.grouping, intercept, structure=alike)
            continue
        if bar.kind == "|":
            yield RandomTerm(effects, earlier.grouping, intercept, correlated, structure)
            continue
        for key, term in new.items():
            alone = Intercept.OMITTED if key else Intercept.PRESENT
            yield RandomTerm(":".join(term), earlier.grouping, alone, correlated)


def _intercept(written: bool | None, earlier: _Seen) -> Intercept:
    """Return what a term says of its intercept, or leaves to the terms before it."""
    if written is not None:
        return Intercept.PRESENT if written else Intercept.OMITTED
    return Intercept.ELSEWHERE if _INTERCEPT in earlier.terms else Intercept.PRESENT


def _structure(node: Node, text: str) -> tuple[StructureCall | None, bool]:
    """Return the covariance structure of a term, and whether its left side means places."""
    if node.kind != "structure":
        return None, False
    try:
        call = ast.parse(node.text, mode="eval").body
        assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.args or any(option.arg is None for option in call.keywords):
            raise OptionError(f"options of {call.func.id}() are given by name, as in hom=True.")
        values = ((str(one.arg), ast.literal_eval(one.value)) for one in call.keywords)
        structure = StructureCall(call.func.id, tuple(values))
        hash(structure)
        needs = make(structure.name, **dict(structure.options)).needs
    except (SyntaxError, ValueError, TypeError) as error:  # OptionError is a ValueError
        known = error if isinstance(error, OptionError) else None
        message = str(known or f"the options in {node.text} are numbers, texts, True or False.")
        raise fail(message, text, node.start, node.end) from None
    left = node.args[0].args[0]
    if needs != "columns" and expand(left, text).intercept:
        message = f"left of the bar of {structure.name}() are places, as in 0 + t; leave 1 out."
        raise fail(message, text, node.start, node.end)
    return structure, needs != "columns"


def _check_repeated(
    new: dict[frozenset[str], tuple[str, ...]], earlier: _Seen, node: Node, text: str
) -> None:
    """Refuse an effect that an earlier term has for the same grouping factor."""
    for key in new:
        if key in earlier.terms:
            what = f"the effect {':'.join(new[key])}" if key else "the intercept"
            message = (
                f"{what} appears twice for the grouping factor {earlier.grouping.name}, and "
                "the two cannot be distinguished; leave one out (an intercept with 0 + ...)."
            )
            raise fail(message, text, node.start, node.end)


def _check_sides(effects: str, factors: tuple[str, ...], node: Node, text: str) -> None:
    both = [name for name in variables(effects) if name in factors]
    if both:
        message = f"the variable {both[0]} appears on both sides of a bar."
        raise fail(message, text, node.start, node.end)


def _groupings(node: Node, text: str) -> list[tuple[str, ...]]:
    """List the grouping factors right of a bar, each as a tuple of columns."""
    if node.kind == "atom" and is_membership(node.text):
        try:
            return [read_membership(node.text).factors]
        except OptionError as error:
            raise fail(str(error), text, node.start, node.end) from None
    if node.kind == "atom":
        names = python_names(node.text)[0]
        if len(names) == 1 and (node.text.isidentifier() or node.text.startswith("Q(")):
            return [names]
        message = (
            f"a grouping factor is a column and always categorical: write the name of a column "
            f"in place of {node.text}."
        )
        raise fail(message, text, node.start, node.end)
    if node.kind not in (":", "/"):
        message = (
            "a grouping factor is a column g, an interaction a:b or nested columns a/b; "
            "several of them need several terms, as in (1 | g) + (1 | h)."
        )
        raise fail(message, text, node.start, node.end)
    outer, inner = (_groupings(arg, text) for arg in node.args)
    if node.kind == ":" and len(outer) + len(inner) > 2:
        message = "nesting inside an interaction of grouping factors; write the terms out."
        raise fail(message, text, node.start, node.end)
    crossed = [outer[-1] + factors for factors in inner]
    if any(len(set(factors)) < len(factors) for factors in crossed):
        message = "the same column twice in one grouping factor."
        raise fail(message, text, node.start, node.end)
    return crossed if node.kind == ":" else outer + crossed
