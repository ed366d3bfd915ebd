"""Formulas put together by a program instead of typed.

A formula for variables that are only known at run time::

    terms = sum(term(name) for name in [1, "a", "b"])
    group = term("g")
    term("y").follows(terms + (terms | group))      # y ~ 1 + a + b + (1 + a + b | g)

The operators are those of a formula, and Python decides how tightly they bind: ``*``
and ``/`` before ``+``, but ``&`` only after it. So an interaction in a sum needs
parentheses, ``a + (b & c)``, and so does a random-effects term.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import FormulaError
from ..options import answering, described
from .parse import parse
from .terms import MixedFormula, quote_column

__all__ = ["FormulaTerm", "expression", "fulldummy", "term", "zerocorr"]

_BAR, _SUM, _PRODUCT, _INTERACTION, _POWER, _ATOM = range(6)


@dataclass(frozen=True)
class FormulaTerm:
    """A piece of a formula; made by `term` or `expression` and combined by operators.

    ``a + b``, ``a - b``, ``a * b``, ``a / b``, ``a & b`` and ``a ** 2`` mean what they
    mean in a formula; ``a | g`` is the random-effects term ``(a | g)``.

    Parameters
    ----------
    text : str
        The piece as written in a formula.
    level : int
        How tightly its outermost operator binds, from 0 for a bar.

    Examples
    --------
    >>> y, days, subj = term("reaction"), term("days"), term("subj")
    >>> print(y.follows(days, term(1) + days | subj))
    reaction ~ 1 + days + (1 + days | subj)
    """

    text: str
    level: int = _ATOM

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def _join(self, operator: str, other: FormulaTerm, level: int) -> FormulaTerm:
        if not isinstance(other, FormulaTerm):
            raise TypeError(f"terms combine with terms only: write term({other!r}).")
        return FormulaTerm(f"{self._at(level)}{operator}{other._at(level + 1)}", level)

    def _at(self, level: int) -> str:
        """Write as an operand of an operator of this level."""
        return self.text if self.level >= level else f"({self.text})"

    def __add__(self, other: FormulaTerm) -> FormulaTerm:
        """Add terms."""
        return self._join(" + ", other, _SUM)

    def __radd__(self, other: int) -> FormulaTerm:
        """Add to the 0 that `sum` starts from."""
        # sum() starts from the number 0, which therefore cannot mean "no intercept" here.
        if other != 0:
            raise TypeError(f"terms combine with terms only: write term({other!r}).")
        return self

    def __sub__(self, other: FormulaTerm) -> FormulaTerm:
        """Leave terms out, as in ``a * b - a``."""
        return self._join(" - ", other, _SUM)

    def __mul__(self, other: FormulaTerm) -> FormulaTerm:
        """Take both main effects and their interaction."""
        return self._join(" * ", other, _PRODUCT)

    def __truediv__(self, other: FormulaTerm) -> FormulaTerm:
        """Nest `other` in this factor."""
        return self._join(" / ", other, _PRODUCT)

    def __and__(self, other: FormulaTerm) -> FormulaTerm:
        """Take the interaction alone."""
        return self._join(":", other, _INTERACTION)

    def __pow__(self, power: int) -> FormulaTerm:
        """Take all interactions of up to `power` terms of a sum."""
        return FormulaTerm(f"{self._at(_POWER)}**{int(power)}", _POWER)

    def __or__(self, group: FormulaTerm) -> FormulaTerm:
        """Make these effects random by the levels of `group`."""
        return self._join(" | ", group, _BAR)

    def follows(self, *terms: FormulaTerm) -> MixedFormula:
        """Make the formula with this response and the sum of these terms.

        Parameters
        ----------
        *terms : FormulaTerm
            Terms of the fixed part, and random-effects terms.

        Returns
        -------
        MixedFormula
            Equal to what `parse` returns for the same formula typed.

        Raises
        ------
        FormulaError
            When the terms make no mixed-model formula; the error shows their text.

        See Also
        --------
        parse

        Examples
        --------
        >>> print(term("y").follows(term("x"), term(1) | term("g")))
        y ~ 1 + x + (1 | g)
        """
        right = sum(terms)
        if not isinstance(right, FormulaTerm):
            raise FormulaError("a formula needs terms, such as term(1) | term('g').")
        return parse(f"{self._at(_SUM)} ~ {right._at(_SUM)}")


@answering({})
def term(name: str | int) -> FormulaTerm:
    """Return the term of one column, or 1 or 0 for an intercept or none.

    Parameters
    ----------
    name : str or int
        A column name, taken literally however odd; 1; or 0.

    Returns
    -------
    FormulaTerm
        To be combined with others by operators.

    Raises
    ------
    FormulaError
        For other numbers.

    See Also
    --------
    parse, zerocorr, fulldummy

    Examples
    --------
    >>> term("days") & term("subj")
    FormulaTerm(text='days:subj', level=3)
    """
    if isinstance(name, str):
        return FormulaTerm(quote_column(name))
    if name not in (0, 1):
        raise FormulaError(f"term({name!r}): a term is a column name, 1 or 0.")
    return FormulaTerm(str(int(name)))


@answering({})
def expression(text: str) -> FormulaTerm:
    """Return a term written as in a formula, such as ``"np.log(x)"`` or ``"a*b"``."""
    return FormulaTerm(text, _SUM)


@answering({})
def zerocorr(random: FormulaTerm) -> FormulaTerm:
    """Make the random effects of a term uncorrelated.

    Parameters
    ----------
    random : FormulaTerm
        A random-effects term, ``term(1) + x | g``.

    Returns
    -------
    FormulaTerm
        It has a diagonal covariance matrix.

    Raises
    ------
    FormulaError
        If it is no random-effects term.

    See Also
    --------
    term, fulldummy

    Examples
    --------
    >>> zerocorr(term(1) + term("x") | term("g"))
    FormulaTerm(text='zerocorr(1 + x | g)', level=5)
    """
    if not isinstance(random, FormulaTerm) or random.level != _BAR:
        shown = random if isinstance(random, FormulaTerm) else described(random)
        raise FormulaError(
            "zerocorr() takes a random-effects term, such as zerocorr(term(1) + x | group), not "
            f"{shown}."
        )
    return FormulaTerm(f"zerocorr({random.text})")


@answering({})
def fulldummy(factor: FormulaTerm) -> FormulaTerm:
    """Code a categorical effect by all its indicators.

    Parameters
    ----------
    factor : FormulaTerm
        The categorical column.

    Returns
    -------
    FormulaTerm
        To be used left of a bar, ``fulldummy(f) | g``.

    Raises
    ------
    FormulaError
        If it is no term.

    See Also
    --------
    term, zerocorr

    Examples
    --------
    >>> fulldummy(term("f")) | term("g")
    FormulaTerm(text='fulldummy(f) | g', level=0)
    """
    if not isinstance(factor, FormulaTerm):
        raise FormulaError(f"fulldummy() takes a term: write fulldummy(term({described(factor)})).")
    return FormulaTerm(f"fulldummy({factor.text})")
