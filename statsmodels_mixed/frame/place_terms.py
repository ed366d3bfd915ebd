"""Terms whose effects are places, or those of several members: how their columns are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from patsy.eval import EvalEnvironment

from ..formula.terms import RandomTerm
from ..structures import kind_of
from .matrices.coding import Matrix
from .matrices.engine import learn
from .matrices.factors import Rows
from .matrices.parts import FormulaPart
from .membership import membership_matrix
from .model_frame import RandomPart, structure_of
from .own_places import has_own_places, own_place_matrix
from .places import PlaceMatrix, place_matrix, refuse_many_places, refuse_many_related

__all__ = ["matrices_with_places", "parts_at_places"]


def matrices_with_places(
    terms: Sequence[RandomTerm],
    matrices: Sequence[Matrix],
    effects: Sequence[FormulaPart],
    rows: Rows,
    coding: Mapping[str, Any],
    names: EvalEnvironment,
) -> list[Matrix]:
    """Return the matrices, with indicators of places where a covariance structure needs these."""
    out = list(matrices)
    for i, term in enumerate(terms):
        if term.grouping.members:
            out[i] = membership_matrix(term.grouping, rows)
            continue
        if term.structure is None:
            continue
        needs = kind_of(term.structure.name).needs
        if needs != "columns":
            # Patsy's, whose factors are plain, for either engine.
            (matrix,) = learn([effects[i]], rows, coding, names)
            out[i] = place_matrix(str(term), matrix, needs, rows)
    return out


def parts_at_places(parts: tuple[RandomPart, ...], rows: Rows, own: bool) -> tuple[RandomPart, ...]:
    """Give levels the places of their own where these are few of many.

    Parameters
    ----------
    parts : tuple of RandomPart
    rows : Rows
        The data.
    own : bool
        Whether that is possible.

    Raises
    ------
    DataError
        If a covariance matrix of all places would be too large.
    """
    if not any(isinstance(matrix, PlaceMatrix) for part in parts for matrix in part.matrices):
        return parts
    return tuple(_at_places(part, rows, own) for part in parts)


def _at_places(part: RandomPart, rows: Rows, own: bool) -> RandomPart:
    matrices = list(part.matrices)
    for i, (term, matrix) in enumerate(zip(part.terms, matrices, strict=True)):
        if not isinstance(matrix, PlaceMatrix):
            continue
        made = None
        if own and has_own_places(matrix, structure_of(term)):
            made = own_place_matrix(matrix, rows, part.refs)
        if made is not None and part.related is not None:
            refuse_many_related(matrix, len(part.levels), part.name)
        elif made is not None:
            matrices[i] = made
        else:
            refuse_many_places(matrix)
    return replace(part, matrices=tuple(matrices))
