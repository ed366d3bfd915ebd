"""A plan for each formula that names nothing but columns, and a `ModelFrame` from it at once.

What a formula asks of a table (its columns, the bar-free parts, which terms share a grouping
factor) is the same for all tables, and so are its matrices for all columns of the same kinds:
numbers, or labels with the same levels. Both are found out once. A pandas frame whose columns
are numbers, categories and text without missing values then only gives its arrays. Everything else
is for `build_frame`, which makes the same of such a frame, in three times as many steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pandas as pd

from ..formula.terms import MixedFormula, RandomTerm
from .matrices.coding import CodedMatrix
from .matrices.engine import column_kinds, columns_without_code, matrices_of_columns, plain_columns
from .matrices.factors import CodedFactor, Rows
from .matrices.formula_factors import LabelKind
from .matrices.parts import FormulaPart, sides_of
from .model_frame import ModelFrame, RandomPart
from .random_parts import levels_of, most_effects_first
from .table.index_levels import column_arrays
from .table.selection import complete_copies

__all__ = ["planned_frame"]

# Formulas, and kinds of columns of one formula, whose plans are kept.
KEPT_PLANS = 128

Kinds: TypeAlias = "tuple[LabelKind | None, ...]"


@dataclass(frozen=True, eq=False)
class _Layout:
    """What columns of certain kinds become.

    Parameters
    ----------
    response, fixed : CodedMatrix
    parts : tuple of RandomPart
        The random effects of each grouping factor, of no rows.
    labels : tuple of (CodedFactor, str)
        The factors that hold labels, and their columns.
    """

    response: CodedMatrix
    fixed: CodedMatrix
    parts: tuple[RandomPart, ...]
    labels: tuple[tuple[CodedFactor, str], ...]


@dataclass(frozen=True, eq=False)
class _Plan:
    """What a formula asks of any table.

    Parameters
    ----------
    needed : tuple of str
        Its columns.
    sides : tuple of FormulaPart
        The response, the fixed part, the effects of each term.
    coded : tuple of str
        The columns that these are made of.
    response : str
        The column of the response.
    response_name : str
    groups : dict of str to list of int
        Positions of the terms with one grouping factor, by its name.
    random : tuple of RandomTerm
    layouts : dict
        By the kinds of the coded columns; None where these are not for a plan.
    """

    needed: tuple[str, ...]
    sides: tuple[FormulaPart, ...]
    coded: tuple[str, ...]
    response: str
    response_name: str
    groups: dict[str, list[int]]
    random: tuple[RandomTerm, ...]
    layouts: dict[Kinds, _Layout | None] = field(default_factory=dict)

    def layout(self, kinds: Kinds) -> _Layout | None:
        """Return what columns of these kinds become; None for a response of labels."""
        if kinds not in self.layouts:
            if len(self.layouts) >= KEPT_PLANS:
                self.layouts.clear()
            self.layouts[kinds] = self._find(kinds)
        return self.layouts[kinds]

    def _find(self, kinds: Kinds) -> _Layout | None:
        if kinds[self.coded.index(self.response)] is not None:
            return None
        matrices, labels = matrices_of_columns(self.sides, self.coded, kinds)
        response, fixed, *effects = matrices
        if not all(matrix.names for matrix in effects):
            return None
        return _Layout(response, fixed, tuple(self._parts(effects)), labels)

    def _parts(self, effects: Sequence[CodedMatrix]) -> Iterator[RandomPart]:
        """Gather the terms of each grouping factor."""
        nowhere, none = np.empty(0, dtype=np.int32), pd.Index([])
        for name, places in self.groups.items():
            terms = tuple([self.random[at] for at in places])
            matrices = tuple([effects[at] for at in places])
            factors = terms[0].grouping.factors
            yield RandomPart(name, factors, terms, matrices, nowhere, none)


@lru_cache(maxsize=KEPT_PLANS)
def _plan(formula: MixedFormula) -> _Plan | None:
    """Return the plan of a formula; None if it has code, structures or multiple membership."""
    needed, random = columns_without_code(formula), formula.random
    if not needed or formula.offsets:
        return None
    if any(term.structure or term.grouping.members or term.part for term in random):
        return None
    response, fixed, effects = sides_of(formula, random, False)
    own = plain_columns((response,))
    if own is None or len(own) != 1:
        return None
    groups: dict[str, list[int]] = {}
    for at, term in enumerate(random):
        groups.setdefault(term.grouping.name, []).append(at)
    sides = (response, fixed, *effects)
    coded = plain_columns(sides)
    assert coded is not None
    return _Plan(needed, sides, coded, own[0], formula.response_name, groups, random)


def planned_frame(
    formula: MixedFormula, data: pd.DataFrame, missing: str, columns: Sequence[str] = ()
) -> ModelFrame | None:
    """Return what `build_frame` makes of all rows of a frame; None if it is not for a plan.

    Parameters
    ----------
    formula : MixedFormula
    data : DataFrame
    missing : str
        What to do with rows of which something is missing; here there are none.
    columns : sequence of str
        Further columns that the model needs.
    """
    plan = _plan(formula)
    if plan is None or not len(data):
        return None
    arrays = column_arrays(data, dict.fromkeys((*plan.needed, *columns)))
    whole = None if arrays is None else complete_copies(arrays)
    if whole is None:
        return None
    rows = Rows(whole, data.index)
    kinds = column_kinds(plan.coded, rows)
    layout = None if kinds is None else plan.layout(kinds)
    if layout is None:
        return None
    for factor, column in layout.labels:
        rows.remember_codes(factor, rows.factorized(column)[0])
    return ModelFrame(
        formula=formula,
        engine="patsy",
        rows=rows,
        n_dropped=0,
        y=np.array(whole[plan.response], dtype=np.float64),
        response_name=plan.response_name,
        response_levels=None,
        fixed=layout.fixed,
        random=most_effects_first(
            [part.for_rows(*levels_of(part.factors, rows)) for part in layout.parts]
        ),
        weights=None,
        offset=None,
        missing=missing,
        response=layout.response,
    )
