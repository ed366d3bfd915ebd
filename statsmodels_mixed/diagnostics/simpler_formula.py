"""Simpler formulas to suggest: random effects left out, correlations fixed at zero."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

from ..formula.terms import Intercept, MixedFormula, RandomTerm
from ..frame.model_frame import RandomPart

__all__ = ["as_fixed", "intercepts_only", "without_correlations", "without_effects"]


def _parts(result: Any) -> tuple[MixedFormula, tuple[RandomPart, ...]] | None:
    frame = result.model.frame
    return None if frame is None else (frame.formula, frame.random)


def _changed(formula: MixedFormula, random: dict[RandomTerm, RandomTerm | None]) -> str | None:
    """Return the formula with terms replaced, None for left out; None if no term is left."""
    kept = []
    for term in formula.random:
        changed = random.get(term, term)
        if changed is not None:
            kept.append(changed)
    return str(replace(formula, random=tuple(kept))) if kept else None


def without_correlations(result: Any, block: int) -> str | None:
    """Return the formula with the correlations of a grouping factor fixed at zero.

    None if there are none, or the model has no formula.
    """
    parts = _parts(result)
    if parts is None:
        return None
    formula, random = parts
    terms = [
        term
        for term, matrix in zip(random[block].terms, random[block].matrices, strict=True)
        if term.correlated and term.structure is None and len(matrix.names) > 1
    ]
    if not terms:
        return None
    return _changed(formula, {term: replace(term, correlated=False) for term in terms})


def without_effects(result: Any, block: int, lost: Collection[int]) -> str | None:
    """Return the formula without some random effects of a grouping factor.

    None if no random effect is left, the columns of an effect are not all among those to
    leave out, or the model has no formula.
    """
    parts = _parts(result)
    if parts is None:
        return None
    formula, random = parts
    changes: dict[RandomTerm, RandomTerm | None] = {}
    start = 0
    for term, matrix in zip(random[block].terms, random[block].matrices, strict=True):
        here = {i - start for i in lost if start <= i < start + len(matrix.names)}
        start += len(matrix.names)
        if not here:
            continue
        if len(here) == len(matrix.names):
            changes[term] = None
            continue
        changed = _without(term, matrix.slices, here)
        if changed is None:
            return None
        changes[term] = changed
    return _changed(formula, changes)


def _without(term: RandomTerm, slices: dict[str, slice], lost: set[int]) -> RandomTerm | None:
    """Return a term without columns that make up whole effects; None if they do not."""
    if term.structure is not None:
        return None  # which depends on all of its effects
    effects = _split(term.effects)
    names = {name.replace(" ", ""): set(range(at.start, at.stop)) for name, at in slices.items()}
    gone = {name for name, columns in names.items() if columns <= lost}
    if set().union(*(names[name] for name in gone)) != lost:
        return None
    kept = [effect for effect in effects if effect.replace(" ", "") not in gone]
    found = len(effects) - len(kept) + ("Intercept" in gone)
    if found != len(gone):
        return None
    intercept = term.intercept
    if "Intercept" in gone:
        if any(len(columns) > 1 for columns in names.values()):
            return None  # indicators would be coded otherwise without an intercept
        intercept = Intercept.OMITTED
    left = len(slices) - len(gone)
    correlated = term.correlated or left == 1  # one effect has no correlations to fix
    return replace(term, effects=" + ".join(kept), intercept=intercept, correlated=correlated)


def _split(effects: str) -> list[str]:
    """Split a sum at the plus signs outside of parentheses."""
    parts, depth = [""], 0
    for character in effects:
        depth += (character in "([{") - (character in ")]}")
        if character == "+" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def intercepts_only(result: Any, block: int) -> str | None:
    """Return the formula with a random intercept alone for a grouping factor.

    None if that is what there is, or the model has no formula.
    """
    parts = _parts(result)
    if parts is None or len(result.layout.blocks[block].columns) < 2:
        return None
    formula, random = parts
    first, *others = random[block].terms
    changes: dict[RandomTerm, RandomTerm | None] = dict.fromkeys(others)
    changes[first] = RandomTerm("", first.grouping)
    return _changed(formula, changes)


def as_fixed(result: Any, block: int) -> str | None:
    """Return the formula with a grouping factor of random intercepts as a fixed effect.

    None if it has other random effects or is an interaction, is the only one, or the model has
    no formula.
    """
    parts = _parts(result)
    if parts is None:
        return None
    formula, random = parts
    part = random[block]
    if part.names != ("Intercept",) or len(part.factors) != 1:
        return None
    fixed = f"{formula.fixed} + C({part.terms[0].grouping.code})"
    return _changed(replace(formula, fixed=fixed), dict.fromkeys(part.terms))
