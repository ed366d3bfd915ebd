"""A plan for each formula that names nothing but columns, and a `ModelFrame` from it at once.

The response may be one column over another, as proportions of trials are written, and options may
name columns.

What a formula asks of a table (its columns, the bar-free parts, which terms share a grouping
factor) is the same for all tables, and so are its matrices for all columns of the same kinds:
numbers, or labels with the same levels. Both are found out once. A pandas frame whose columns
are numbers, categories and text without missing values then only gives its arrays. Everything else
is for `build_frame`, which makes the same of such a frame, in three times as many steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from patsy.eval import EvalEnvironment, EvalFactor

from .._typing import Array
from ..formula.terms import MixedFormula, RandomTerm, plain_names
from .matrices.coding import CodedMatrix, CodedTerm, ProductColumns
from .matrices.engine import column_kinds, matrices_of_columns, plain_columns
from .matrices.factors import CodedFactor, Expression, Rows
from .matrices.formula_factors import LabelKind
from .matrices.parts import FormulaPart, Quotient, quotient_of, sides_of
from .model_frame import ModelFrame, RandomPart
from .random_parts import levels_of, most_effects_first
from .table.columns import Values, is_number, surely_finite, widened
from .table.index_levels import column_arrays
from .table.selection import check_option, complete_copies, total_offset

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
        The response if it is a column, the fixed part, the effects of each term.
    coded : tuple of str
        The columns that these and the response are made of.
    response : str or Quotient
        The column of the response, or those that it is made of.
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
    response: str | Quotient
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
        own = [self.response] if isinstance(self.response, str) else self.response[1:]
        if any([kinds[self.coded.index(name)] is not None for name in own]):
            return None
        matrices, labels = matrices_of_columns(self.sides, self.coded, kinds)
        if isinstance(self.response, Quotient):
            matrices = (_coded_quotient(self.response), *matrices)
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
    random = formula.random
    if formula.offsets:
        return None
    if any(term.structure or term.grouping.members or term.part for term in random):
        return None
    side, fixed, effects = sides_of(formula, random, False)
    own, others = plain_columns((side,)), plain_columns((fixed, *effects))
    response = own[0] if own and len(own) == 1 else quotient_of(side)
    if others is None or response is None:
        return None
    groups: dict[str, list[int]] = {}
    for at, term in enumerate(random):
        groups.setdefault(term.grouping.name, []).append(at)
    sides: tuple[FormulaPart, ...] = (fixed, *effects)
    if isinstance(response, str):
        sides, own = (side, *sides), (response,)
    else:
        own = response[1:]
    coded = tuple(dict.fromkeys((*own, *others)))
    grouping = [name for term in random for name in term.grouping.columns]
    needed = tuple(dict.fromkeys((*coded, *grouping)))
    return _Plan(needed, sides, coded, response, formula.response_name, groups, random)


def _coded_quotient(response: Quotient) -> CodedMatrix:
    """Return the matrix of a quotient, as patsy would have it."""
    factor, state = EvalFactor(response.code), dict[str, Any]()
    factor.memorize_passes_needed(state, EvalEnvironment([{}]))
    coded = CodedFactor(response.code, Expression(factor, state, response[1:]), None, 1)
    piece = ProductColumns((coded,), (None,), 1)
    name = plain_names(response.code)
    return CodedMatrix((name,), (CodedTerm(name, (piece,)),))


def _response(plan: _Plan, whole: Mapping[str, Values]) -> Array | None:
    """Return the values of the response; None for quotients that are no numbers."""
    if isinstance(plan.response, str):
        return np.array(whole[plan.response], dtype=np.float64)
    above, below = (np.asarray(widened(whole[name])) for name in plan.response[1:])
    with np.errstate(all="ignore"):
        y: Array = above / below
    return y if surely_finite(y) else None


def _numbers(
    given: Mapping[str, str], whole: Mapping[str, Values], index: pd.Index
) -> dict[str, Array] | None:
    """Return the columns that options name; None if one holds no numbers."""
    found = {}
    for option, name in given.items():
        if not is_number(whole[name]):
            return None
        found[option] = np.array(whole[name], dtype=np.float64)
        check_option(option, found[option], index)
    return found


def planned_frame(
    formula: MixedFormula,
    data: pd.DataFrame,
    missing: str,
    columns: Sequence[str] = (),
    given: Mapping[str, Any] | None = None,
    env: EvalEnvironment | Mapping[str, Any] | None = None,
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
    given : mapping of str to object, optional
        Weights, offset and exposure, by their names; only columns are for a plan.
    env : patsy.EvalEnvironment or mapping, optional
        Where names are looked up that are not columns.
    """
    plan = _plan(formula)
    if plan is None or not len(data):
        return None
    options = {option: each for option, each in (given or {}).items() if each is not None}
    if options and not all([isinstance(each, str) for each in options.values()]):
        return None
    if isinstance(plan.response, Quotient) and _is_shadowed(env):
        return None
    arrays = column_arrays(data, dict.fromkeys((*plan.needed, *columns, *options.values())))
    whole = None if arrays is None else complete_copies(arrays)
    if whole is None:
        return None
    rows = Rows(whole, data.index)
    kinds = column_kinds(plan.coded, rows)
    layout = None if kinds is None else plan.layout(kinds)
    if layout is None:
        return None
    y, numbers = _response(plan, whole), _numbers(options, whole, data.index)
    if y is None or numbers is None:
        return None
    for factor, column in layout.labels:
        rows.remember_codes(factor, rows.factorized(column)[0])
    return ModelFrame(
        formula=formula,
        engine="patsy",
        rows=rows,
        n_dropped=0,
        y=y,
        response_name=plan.response_name,
        response_levels=None,
        fixed=layout.fixed,
        random=most_effects_first(
            [part.for_rows(*levels_of(part.factors, rows)) for part in layout.parts]
        ),
        weights=numbers.get("weights"),
        offset=total_offset(numbers.get("offset"), numbers.get("exposure")),
        missing=missing,
        response=layout.response,
    )


def _is_shadowed(env: EvalEnvironment | Mapping[str, Any] | None) -> bool:
    """Whether ``I``, in which quotients are written, is another function than patsy's."""
    names = env.namespace if isinstance(env, EvalEnvironment) else env or {}
    return "I" in names
