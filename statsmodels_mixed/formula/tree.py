"""The grammar of a formula: tokens to a tree, and what a tree of terms means.

Operators from loosest to tightest, those of patsy with the bars added:

    ~     |  ||     +  -     *  /     :     **

A bar is read only just inside parentheses, so that ``y ~ x + 1 | g`` is an error and
not one large random-effects term. A sum is a single node however many terms it has:
it is what later stages take apart, and long sums do not deepen the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import NamedTuple

from ..errors import FormulaError
from .tokens import Token, fail, tokenize

__all__ = ["RANDOM", "Expansion", "Node", "expand", "flatten", "read", "show", "walk"]

RANDOM = ("|", "||", "zerocorr", "structure")
_LEVELS = (("+", "-"), ("*", "/"), (":",), ("**",))  # the sum first: level 0
_LEVEL_OF = {"sum": 0} | {kind: level for level, kinds in enumerate(_LEVELS) for kind in kinds}


class Node(NamedTuple):
    """A node of the tree, which covers ``formula[start:end]``, parentheses included.

    `kind` is ``"atom"`` or ``"number"`` (then `text` holds the code), ``"sum"`` (an item of
    it that is subtracted sits in a ``"minus"`` node), ``"zerocorr"``, ``"structure"`` (`text` is
    its call), or an operator.
    """

    kind: str
    text: str
    args: tuple[Node, ...]
    start: int
    end: int


class Expansion(NamedTuple):
    """What a bar-free tree means.

    `intercept` is None where the text says nothing about it. `terms` holds the
    factors of each term in the order written, under their set, by which terms are compared.
    """

    intercept: bool | None
    terms: dict[frozenset[str], tuple[str, ...]]


def read(formula: str) -> tuple[Node, Node]:
    """Read both sides of a formula.

    Raises
    ------
    FormulaError
        For text that is not a two-sided formula; the place is marked.
    """
    parser = _Parser(formula)
    tilde = next((token for token in parser.tokens if token.kind == "~"), None)
    if tilde is None or parser.here is tilde:
        end = tilde.end if tilde else len(formula)
        raise fail("a formula needs a response, as in y ~ 1 + (1 | g).", formula, 0, end)
    left = parser.sum()
    if parser.here is not tilde:
        raise parser.unexpected()
    parser.advance()
    right = parser.sum()
    if parser.here.kind != "end":
        raise parser.unexpected()
    return left, right


def walk(node: Node) -> Iterator[Node]:
    """Yield a node and all nodes below it, in the order written."""
    yield node
    for arg in node.args:
        yield from walk(arg)


def show(node: Node) -> str:
    """Write a bar-free tree as patsy code, with the parentheses it needs."""
    if not node.args:
        return node.text
    if node.kind == "sum":
        items = [
            f"- {_operand(item.args[0], 1)}" if item.kind == "minus" else f"+ {_operand(item, 1)}"
            for item in node.args
        ]
        return " ".join(items).removeprefix("+ ")
    level = _LEVEL_OF[node.kind]
    # A chain of powers gets parentheses: patsy reads it from the left, Python from the right.
    left = _operand(node.args[0], level + (node.kind == "**"))
    right = _operand(node.args[1], level + 1)
    return f"{left} {node.kind} {right}" if level == 1 else f"{left}{node.kind}{right}"


def flatten(node: Node) -> list[Node]:
    """Items of a sum without its 0s and 1s, with inner parentheses dissolved.

    A group that subtracts something keeps its parentheses, because it only subtracts
    from its own terms. Subtraction from nothing is left out.
    """
    if node.kind != "sum":
        return [] if _is_intercept(node) else [node]
    out: list[Node] = []
    for item in node.args:
        negative = item.kind == "minus"
        inner = flatten(item.args[0] if negative else item)
        if not inner or (negative and not out):
            continue
        subtracts = any(part.kind == "minus" for part in inner)
        if not negative and not (out and subtracts):
            out += inner
            continue
        group = inner[0] if len(inner) == 1 else item._replace(kind="sum", args=tuple(inner))
        out.append(item._replace(args=(group,)) if negative else group)
    return out


def expand(node: Node, formula: str) -> Expansion:
    """Work out the terms of a bar-free tree, by patsy's rules.

    Raises
    ------
    FormulaError
        For what no term can be: ``2 * x``, ``1:x``, ``x**y``, a bar among the operands.
    """
    if node.kind == "atom":
        return Expansion(None, {frozenset((node.text,)): (node.text,)})
    if node.kind == "number":
        if _is_intercept(node):
            return Expansion(node.text == "1", {})
        message = f"the number {node.text} is no term; arithmetic is written I(...)."
        raise fail(message, formula, node.start, node.end)
    if node.kind == "sum":
        return _expand_sum(node, formula)
    if node.kind in RANDOM:
        message = "a random-effects term can only be added to the others, with +."
        raise fail(message, formula, node.start, node.end)
    left = _operand_terms(node.args[0], formula)
    if node.kind == "**":
        power = node.args[1]
        if power.kind != "number" or not power.text.isdecimal() or int(power.text) < 1:
            message = "the power of a sum of terms is a positive whole number, as in (a + b)**2."
            raise fail(message, formula, power.start, power.end)
        degrees = range(1, min(int(power.text), len(left)) + 1)
        chosen = (parts for degree in degrees for parts in combinations(left, degree))
        return Expansion(None, _keyed(_interaction(*parts) for parts in chosen))
    right = _operand_terms(node.args[1], formula)
    # Nested in several factors at once means nested in their interaction.
    outer = [_interaction(*left)] if node.kind == "/" else left
    main = {"*": [*left, *right], "/": left, ":": []}[node.kind]
    crossed = [_interaction(a, b) for a in outer for b in right]
    return Expansion(None, _keyed([*main, *crossed]))


def _expand_sum(node: Node, formula: str) -> Expansion:
    """Add and subtract the items from left to right; the last word on the intercept counts."""
    intercept: bool | None = None
    terms: dict[frozenset[str], tuple[str, ...]] = {}
    for item in node.args:
        negative = item.kind == "minus"
        body = item.args[0] if negative else item
        if _is_intercept(body):
            intercept = (body.text == "1") != negative
            continue
        inner = expand(body, formula)
        if negative:
            intercept = False if inner.intercept else intercept
            terms = {key: term for key, term in terms.items() if key not in inner.terms}
        else:
            # A group counts as if written without its parentheses; patsy would overlook a 0 in it.
            intercept = intercept if inner.intercept is None else inner.intercept
            for key, term in inner.terms.items():
                terms.setdefault(key, term)
    return Expansion(intercept, terms)


def _operand_terms(node: Node, formula: str) -> list[tuple[str, ...]]:
    """Terms of an operand of an interaction, where the intercept has no place."""
    expansion = expand(node, formula)
    if expansion.intercept or _is_intercept(node):
        message = "the intercept cannot be part of an interaction."
        raise fail(message, formula, node.start, node.end)
    return list(expansion.terms.values())


def _interaction(*terms: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(factor for term in terms for factor in term))


def _keyed(terms: Iterable[tuple[str, ...]]) -> dict[frozenset[str], tuple[str, ...]]:
    out: dict[frozenset[str], tuple[str, ...]] = {}
    for term in terms:
        out.setdefault(frozenset(term), term)
    return out


def _is_intercept(node: Node) -> bool:
    return node.kind == "number" and node.text in ("0", "1")


def _operand(node: Node, level: int) -> str:
    """Write an operand, in parentheses if it binds less tightly than `level`."""
    text = show(node)
    return f"({text})" if _LEVEL_OF.get(node.kind, len(_LEVELS)) < level else text


class _Parser:
    """Recursive descent over the tokens of one formula; `here` is the next token."""

    def __init__(self, formula: str) -> None:
        self.formula = formula
        self.tokens = tokenize(formula)
        self.at = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def advance(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def sum(self) -> Node:
        items = [self.item(None)]
        while self.here.kind in _LEVELS[0]:
            items.append(self.item(self.advance()))
        if len(items) == 1 and items[0].kind != "minus":
            return items[0]
        return Node("sum", "", tuple(items), items[0].start, items[-1].end)

    def item(self, sign: Token | None) -> Node:
        """Read an item of a sum, after the operator that joins it and any signs of its own."""
        start = self.here.start
        negative = sign is not None and sign.kind == "-"
        signed = False
        while self.here.kind in _LEVELS[0]:
            if self.advance().kind == "-":
                negative, signed = not negative, True
        node = self.binary(1)
        if signed and not _is_intercept(node):
            message = "only 1 and 0 can have a minus sign; arithmetic is written I(-x)."
            raise self.error(message, start, node.end)
        return Node("minus", "", (node,), start, node.end) if negative else node

    def binary(self, level: int) -> Node:
        """Read a chain of operators of one level, which group from the left."""
        if level == len(_LEVELS):
            return self.operand()
        node = self.binary(level + 1)
        while self.here.kind in _LEVELS[level]:
            kind = self.advance().kind
            right = self.binary(level + 1)
            node = Node(kind, "", (node, right), node.start, right.end)
        return node

    def operand(self) -> Node:
        token = self.here
        if token.kind in ("atom", "number"):
            self.advance()
            return Node(token.kind, token.text, (), token.start, token.end)
        if token.kind == "(":
            return self.group()
        if token.kind == "zerocorr":
            self.advance()
            inner = self.group()
            if inner.kind not in ("|", "||"):
                message = "zerocorr takes one random-effects term, as in zerocorr(1 + x | g)."
                raise self.error(message, token.start, inner.end)
            return Node("zerocorr", "", (inner,), token.start, inner.end)
        if token.kind == "structure":
            self.advance()
            inner = self.group()
            if inner.kind != "|":
                message = "a covariance structure takes one bar, as in cs(0 + f | g)."
                raise self.error(message, token.start, inner.end)
            return Node("structure", token.text, (inner,), token.start, inner.end)
        raise self.missing_term()

    def group(self) -> Node:
        """Read what is in parentheses: the only place for a bar."""
        opening = self.advance()
        if self.here.kind in ("|", "||"):
            message = "there is nothing to the left of this bar; an intercept is written (1 | g)."
            raise self.error(message, self.here.start, self.here.end)
        node = self.sum()
        if self.here.kind in ("|", "||"):
            bar = self.advance()
            if self.here.kind == ")":
                message = "the grouping factor to the right of this bar is missing."
                raise self.error(message, bar.start, bar.end)
            node = Node(bar.kind, "", (node, self.sum()), 0, 0)
            if self.here.kind in ("|", "||"):
                message = "a random-effects term has one bar."
                raise self.error(message, self.here.start, self.here.end)
        if self.here.kind == "end":
            raise self.error("( is never closed.", opening.start, opening.end)
        if self.here.kind != ")":
            raise self.unexpected()
        return node._replace(start=opening.start, end=self.advance().end)

    def error(self, message: str, start: int, end: int) -> FormulaError:
        return fail(message, self.formula, start, end)

    def unexpected(self) -> FormulaError:
        """Return the error for a token where an operator should be."""
        token = self.here
        if token.kind == ")":
            message = ") without its opening."
        elif token.kind in ("|", "||"):
            message = "a random-effects term is written in parentheses, as in (1 | g)."
        elif token.kind == "~":
            message = "a formula has one tilde, outside of all parentheses."
        else:
            message = f"an operator is missing before {token.text}."
        return self.error(message, token.start, token.end)

    def missing_term(self) -> FormulaError:
        """Return the error for a token where a term should be."""
        token, before = self.here, self.tokens[self.at - 1] if self.at else None
        if token.kind == "~" and any(earlier.kind == "~" for earlier in self.tokens[: self.at]):
            return self.unexpected()
        if before is not None and token.kind in ("end", ")", "|", "||"):
            if before.kind == "(" and token.kind == ")":
                return self.error("these parentheses are empty", before.start, token.end)
            if before.kind == "(":
                return self.error("( is never closed", before.start, before.end)
            return self.error(f"a term is missing after {before.text}", before.start, before.end)
        if token.kind in ("|", "||", ")"):
            return self.unexpected()
        return self.error(f"a term is missing before {token.text}", token.start, token.end)
