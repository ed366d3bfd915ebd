"""Which random effects a prediction takes: all, none, or some terms (lme4's re.form)."""

from __future__ import annotations

import re as regex
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import FormulaError, OptionError
from ..formula.parse import parse
from ..formula.terms import Intercept, RandomTerm, plain_names
from ..frame.matrices.parts import FormulaPart, terms
from ..frame.model_frame import ModelFrame, RandomPart
from ..frame.places import OwnPlaceMatrix, PlaceMatrix
from ..options import described
from ..results.layout import Layout
from ..structures import kind_of

__all__ = ["Chosen", "choose_random"]

# For every block which of its k columns take part.
Chosen = tuple[NDArray[np.bool_], ...]
Key = frozenset[str]  # the factors of an effect; none for the intercept


def choose_random(re: Any, layout: Layout, frame: ModelFrame | None) -> Chosen:
    """Find the columns of random effects that `re` names.

    Parameters
    ----------
    re : bool, str or sequence of str
        All, none, grouping factors by name, or terms as in a formula.
    layout : Layout
        Of the fit.
    frame : ModelFrame or None
        None when the model was made from arrays; then terms cannot be written.

    Returns
    -------
    tuple of ndarray of bool, shape (k,)
        One for each block.

    Raises
    ------
    OptionError
        If a term is not in the model; the message lists those that are.
    """
    if isinstance(re, bool | np.bool_):
        return tuple(np.full(len(block.columns), bool(re)) for block in layout.blocks)
    named = [re] if isinstance(re, str) else re
    if not isinstance(named, Sequence) or not all(isinstance(each, str) for each in named):
        raise OptionError(
            "re is True, False, the name of a grouping factor, a list of names, or text of terms "
            f"such as '(1 | g)', not {described(re)}."
        )
    chosen = choose_random(False, layout, frame)
    for text in named:
        if "|" not in text:
            chosen[_named_block(text, layout, frame)][:] = True
        elif frame is None:
            raise OptionError(
                f"re={text!r}: a model made from arrays has no terms; name its grouping factor."
            )
        else:
            _take_terms(text, frame, chosen)
    return chosen


def _unknown(text: str, layout_names: Sequence[str]) -> OptionError:
    return OptionError(f"re={text!r} is not in the model, which has {', '.join(layout_names)}.")


def _named_block(text: str, layout: Layout, frame: ModelFrame | None) -> int:
    names = [block.name for block in layout.blocks]
    if text in names:
        return names.index(text)
    if frame is not None:  # b:a, or a&b, for "a & b"
        factors = {each.strip() for each in regex.split("[&:]", text)}
        for i, part in enumerate(frame.random):
            if set(part.factors) == factors and not part.part:
                return i
    raise _unknown(text, names)


def _take_terms(text: str, frame: ModelFrame, chosen: Chosen) -> None:
    """Mark the columns of terms written as in a formula."""
    written = text.strip().removeprefix("~")
    try:
        formula = parse(f"{frame.formula.response} ~ {written}")
    except FormulaError as error:
        raise OptionError(f"re={text!r} cannot be read: {error.message}") from error
    if formula.fixed != "1":
        raise OptionError(f"re={text!r} holds more than random-effects terms such as (1 | g).")
    shown = [str(term) for part in frame.random for term in part.terms]
    for term in formula.random:
        factors = set(term.grouping.factors)
        same = [set(part.factors) == factors and not part.part for part in frame.random]
        if not any(same):
            raise _unknown(text, shown)
        i = same.index(True)
        for key in _keys(term):
            if key or term.intercept is not Intercept.ELSEWHERE:
                columns = _columns(key, set(_keys(term)), frame.random[i])
                if columns is None:
                    raise _unknown(text, shown)
                chosen[i][columns] = True


def _keys(term: RandomTerm) -> list[Key]:
    """Effects of a term, the intercept among them where an earlier term has it."""
    if term.structure is not None and kind_of(term.structure.name).needs != "columns":
        return [frozenset({term.effects})]
    lead = "0" if term.intercept is Intercept.OMITTED else "1"
    side = FormulaPart(f"{lead} + {term.effects}" if term.effects else lead)
    return [frozenset(plain_names(factor.code) for factor in each.factors) for each in terms(side)]


def _columns(key: Key, together: set[Key], part: RandomPart) -> slice | None:
    """Return the columns of an effect that was written together with others, if it is here.

    How a categorical effect is coded depends on the lower effects (the intercept, main
    effects) beside it. Unless those are the same it is another effect.
    """
    start = 0
    for term, matrix in zip(part.terms, part.matrices, strict=True):
        ours = set(_keys(term))
        if isinstance(matrix, PlaceMatrix | OwnPlaceMatrix):
            if frozenset({term.effects}) == key:
                return slice(start, start + len(matrix.names))
            start += len(matrix.names)
            continue
        for name, columns in matrix.slices.items():
            effect = frozenset() if name == "Intercept" else frozenset(name.split(":"))
            if effect != key:
                continue
            coded = any("[" in column for column in matrix.names[columns])
            if coded and {k for k in ours if k < key} != {k for k in together if k < key}:
                continue
            return slice(start + columns.start, start + columns.stop)
        start += len(matrix.names)
    return None
