"""Formulas beside that of the mean, such as ``zero_inflation="~ x + (1 | g)"``, to their terms."""

from __future__ import annotations

from dataclasses import replace

from ..errors import FormulaError
from .parse import parse
from .terms import RandomTerm

__all__ = ["read_part"]


def read_part(option: str, text: str, part: str) -> tuple[str, tuple[RandomTerm, ...]]:
    """Separate the fixed effects of such a formula from its random effects.

    Parameters
    ----------
    option : str
        The option that gave it, for messages.
    text : str
        Such as ``"~ x + (1 | g)"``.
    part : str
        What the random effects belong to, as their names have it: ``"zi"``.

    Returns
    -------
    fixed : str
        The formula without them, ``"~ x"``.
    terms : tuple of RandomTerm

    Raises
    ------
    FormulaError
        If the formula cannot be read, or has an offset.

    Examples
    --------
    >>> read_part("zero_inflation", "~ x + (1 | g)", "zi")[0]
    '~ 1 + x'
    """
    if "|" not in text:
        return text, ()
    whole = f"{option} {text.strip()}"
    formula = parse(whole)
    if formula.offsets:
        at = whole.index("offset")
        raise FormulaError(
            f"{option}= has no offset: offset(...) is of the mean.", whole, at, at + len("offset")
        )
    return f"~ {formula.fixed}", tuple(replace(term, part=part) for term in formula.random)
