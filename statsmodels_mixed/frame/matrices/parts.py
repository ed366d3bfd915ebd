"""The bar-free parts of a formula, and what the code of their factors refers to."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from patsy.desc import INTERCEPT, Term
from patsy.eval import EvalFactor

from ...errors import FormulaError
from ...formula.terms import Intercept, MixedFormula, RandomTerm
from ...formula.tokens import python_names
from ...formula.tree import expand, read

__all__ = [
    "Code",
    "FormulaPart",
    "Quotient",
    "codes",
    "quotient_of",
    "read_code",
    "sides_of",
    "terms",
]


class FormulaPart(NamedTuple):
    """One bar-free part of a formula, which makes one matrix.

    Attributes
    ----------
    text : str
        A patsy right-hand side that states its intercept, such as ``"1 + days"``; or
        the response.
    implied : bool
        Code the part as written, then leave out the intercept column.
    response : bool
        Whether this is the left side of the tilde.
    """

    text: str
    implied: bool = False
    response: bool = False


class Quotient(NamedTuple):
    """A column over another one, as proportions of trials are written.

    Attributes
    ----------
    code, numerator, denominator : str
    """

    code: str
    numerator: str
    denominator: str


@dataclass(frozen=True)
class Code:
    """What a piece of Python in a formula refers to.

    Parameters
    ----------
    column : str
        The column, if the code is nothing but its name or ``Q("name")``, perhaps
        inside ``fulldummy``; else empty.
    all_levels : bool
        Whether it is ``fulldummy(column)``.
    names : tuple of str
        Names that are data, unless the caller's environment has them.
    modules : tuple of str
        Names before a dot: modules, unless the data have them.
    """

    column: str
    all_levels: bool
    names: tuple[str, ...]
    modules: tuple[str, ...]


@lru_cache(maxsize=1024)
def read_code(code: str) -> Code:
    """Look at the code of one factor.

    Raises
    ------
    FormulaError
        If ``fulldummy`` is applied to anything but a column.
    """
    if code.isidentifier():
        return Code(code, False, (code,), ())
    names, modules = python_names(code)
    tree = ast.parse(code, mode="eval").body
    all_levels = _called(tree) == "fulldummy"
    if all_levels:
        assert isinstance(tree, ast.Call)
        tree = tree.args[0] if len(tree.args) == 1 and not tree.keywords else tree
    column = ""
    if isinstance(tree, ast.Name) or _called(tree) == "Q":
        column = names[0]
    elif all_levels:
        raise FormulaError(f"fulldummy takes the name of one column, unlike {code}.")
    return Code(column, all_levels, names, modules)


def _called(tree: ast.expr) -> str:
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        return tree.func.id
    return ""


@lru_cache(maxsize=512)
def terms(side: FormulaPart) -> tuple[Term, ...]:
    """Parse one side; cached, since it is needed again and again.

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    # Patsy's own parser calls itself once for every term of a sum, and fails from 500 on.
    expansion = expand(read(f"y ~ {side.text}")[1], side.text)
    lead = [] if side.response or expansion.intercept is False else [INTERCEPT]
    factors = expansion.terms.values()
    return (*lead, *(Term([EvalFactor(code) for code in codes]) for codes in factors))


@lru_cache(maxsize=512)
def quotient_of(side: FormulaPart) -> Quotient | None:
    """Return the quotient of two columns that a side is; None for others."""
    factors = [factor.code for term in terms(side) for factor in term.factors]
    if len(factors) != 1:
        return None
    tree = ast.parse(factors[0], mode="eval").body
    if _called(tree) == "I":
        assert isinstance(tree, ast.Call)
        tree = tree.args[0] if len(tree.args) == 1 and not tree.keywords else tree
    if not (isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div)):
        return None
    left, right = tree.left, tree.right
    if not (isinstance(left, ast.Name) and isinstance(right, ast.Name)):
        return None
    return Quotient(factors[0], left.id, right.id)


def codes(side: FormulaPart) -> tuple[Code, ...]:
    """Look at the factors of one side, each once.

    Raises
    ------
    FormulaError
        If it cannot be read.
    """
    found = (factor.code for term in terms(side) for factor in term.factors)
    return tuple(read_code(code) for code in dict.fromkeys(found))


@lru_cache(maxsize=512)
def sides_of(
    formula: MixedFormula, random: tuple[RandomTerm, ...], implied_intercept: bool
) -> tuple[FormulaPart, FormulaPart, tuple[FormulaPart, ...]]:
    """Bar-free parts of a formula: the response, the fixed part, each term's effects."""
    effects = []
    for term in random:
        lead = "0" if term.intercept is Intercept.OMITTED else "1"
        text = f"{lead} + {term.effects}" if term.effects else lead
        effects.append(FormulaPart(text, implied=term.intercept is Intercept.ELSEWHERE))
    fixed = FormulaPart(formula.fixed)
    if implied_intercept:
        fixed = FormulaPart(f"1{formula.fixed[1:]}", implied=True)  # it begins with "0" or "1"
    return FormulaPart(formula.response, response=True), fixed, tuple(effects)
