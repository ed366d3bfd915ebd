"""Terms + table -> `ModelFrame`."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula
from patsy.eval import EvalEnvironment

from .._typing import Array, Mask
from ..errors import OptionError
from ..formula.terms import MixedFormula, RandomTerm
from ..later import load
from ..related import read_related
from .matrices.coding import Matrix, response_values
from .matrices.engine import columns_without_code, learn, read_contrasts
from .matrices.expressions import IN_FORMULA, expressions, total
from .matrices.expressions import check_expressions as check_computed
from .matrices.expressions import learn as learn_expressions
from .matrices.factors import Rows
from .matrices.names import check_functions, complete, unknown_names
from .matrices.parts import FormulaPart, codes, sides_of
from .model_frame import ModelFrame, RandomPart
from .plan import planned_frame
from .random_parts import most_effects_first, random_parts
from .table.selection import Selection, select
from .table.table import open_table

__all__ = ["ModelFrame", "RandomPart", "build_frame"]

Learner = Callable[
    [Sequence[FormulaPart], Rows, Mapping[str, Any], EvalEnvironment], tuple[Matrix, ...]
]

_ENGINES = ("patsy", "formulaic")
# The options with random effects of their own, by what names of the effects begin with.
_OPTIONS = {"zi": "zero_inflation", "hurdle": "hurdle"}


def build_frame(
    formula: MixedFormula,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    contrasts: Mapping[str, Any] | None = None,
    subset: Any = None,
    missing: str = "drop",
    engine: str | None = None,
    env: EvalEnvironment | Mapping[str, Any] | None = None,
    safe: bool = False,
    columns: Sequence[str] = (),
    other_random: Sequence[RandomTerm] = (),
    relationship: Any = None,
    precision: Any = None,
    pedigree: Any = None,
    implied_intercept: bool = False,
    own_places: bool = True,
) -> ModelFrame:
    """Match a formula with a table.

    Parameters
    ----------
    formula : MixedFormula
        The model.
    data : DataFrame, pyarrow.Table, mapping of str to array_like, or structured array
        The table; only the columns the model needs are read.
    weights, offset, exposure : str or array_like, optional
        A column, or one number for each row of `data`. The logarithm of the exposure is
        added to the offset.
    contrasts : mapping, optional
        Coding of columns in all effects; see `engine.read_contrasts`.
    subset : str, callable or array_like, optional
        The rows to use; see `columns.subset_rows`.
    missing : {"drop", "raise", "none"}
        What to do with rows where a needed column, the weights, the offset or the
        exposure are missing. ``"none"`` drops none and looks at the matrices only: NaN there,
        in the weights, the offset or the exposure is an error.
    engine : {"patsy", "formulaic"}, optional
        Formula engine; by default the one statsmodels is set to.
    env : patsy.EvalEnvironment or mapping, optional
        Where names are looked up that are not columns, and not functions of `FUNCTIONS`.
    safe : bool
        Allow columns and the functions that `check_safe` knows, and no other code.
    columns : sequence of str
        Further columns that the model needs.
    other_random : sequence of RandomTerm
        Random effects of other parts of the model than its mean.
    relationship, precision, pedigree : optional
        How levels of grouping factors are related; see `related.read_related`.
    implied_intercept : bool
        Code the fixed part as beside an intercept, whether it has one or not, and leave the
        column of the intercept out.
    own_places : bool
        Whether the effects of a level may be those at its own places alone, where these are few
        of many.

    Raises
    ------
    DataError
        For unknown columns (all listed), missing values that may not be dropped, no rows
        left, weights that are negative, zero or not finite, terms that cannot be computed.
    OptionError
        For an option that does not exist or does not apply.
    """
    engine = _check_options(missing, engine)
    given = {"weights": weights, "offset": offset, "exposure": exposure}
    nothing_given = (
        contrasts is subset is None
        and relationship is precision is pedigree is None
        and not (other_random or implied_intercept)
    )
    if nothing_given and engine == "patsy" and isinstance(data, pd.DataFrame):
        planned = planned_frame(formula, data, missing, columns, given, env)
        if planned is not None:
            return planned
    names = env if isinstance(env, EvalEnvironment) else EvalEnvironment([env or {}])
    table = open_table(data)
    random = (*formula.random, *other_random)
    response, fixed, effects = sides_of(formula, random, implied_intercept)
    sides = (response, fixed, *effects)
    computed = expressions(formula, given, table.names)
    given = {option: None if option in computed else each for option, each in given.items()}
    if safe:
        load("frame.matrices.safe:check_safe")([*sides, *computed.values()], table.names, subset)
    extra = [*columns, *[name for name in given.values() if isinstance(name, str)]]
    needed = None
    if engine == "patsy" and not computed and not other_random:
        needed = _plain_columns(formula, extra, table.names)
    has_code = needed is None
    if needed is None:
        options = {name: option for option, name in given.items() if isinstance(name, str)}
        needed = _needed_columns(
            formula,
            random,
            _asked(sides, random, computed),
            {**options, **dict.fromkeys(columns, "")},
            table.names,
            names,
        )
        check_functions(sides, table.names, names)
        names = complete(names)
    coding = _read_contrasts(contrasts, sides, needed)
    used = select(
        table,
        needed,
        **given,
        subset=subset,
        missing=missing,
        optional=frozenset().union(*[term.grouping.optional for term in random]),
    )
    found = _Parts(engine, sides, computed, coding, names).learn(used, missing, has_code)
    left, right, *coded = found.made
    matrices: Sequence[Matrix] = coded
    special = any([term.structure is not None or term.grouping.members for term in random])
    if special:  # few models have such terms
        made = load("frame.place_terms:matrices_with_places")
        matrices = made(random, coded, effects, found.rows, coding, names)
    y, levels = response_values(left, found.rows)
    parts = _relate(random_parts(random, matrices, found.rows), relationship, precision, pedigree)
    if special:
        at_places = load("frame.place_terms:parts_at_places")
        parts = most_effects_first(at_places(parts, found.rows, own_places))
    return ModelFrame(
        formula=formula,
        engine=engine,
        rows=found.rows,
        n_dropped=used.n_dropped + len(used.index) - len(found.rows.index),
        y=y,
        response_name=formula.response_name,
        response_levels=levels,
        response=left,
        fixed=right,
        random=parts,
        weights=found.weights,
        offset=found.offset,
        missing=missing,
        known=found.known,
        without_value=found.without_value,
    )


def _check_options(missing: str, engine: str | None) -> str:
    """Return the engine; refuse options that do not exist."""
    if missing not in ("drop", "raise", "none"):
        raise OptionError(f"missing= is 'drop', 'raise' or 'none', not {missing!r}.")
    engine = engine or str(statsmodels.formula.options.formula_engine)
    if engine not in _ENGINES:
        raise OptionError(f"engine= is {' or '.join(map(repr, _ENGINES))}, not {engine!r}.")
    return engine


@dataclass(eq=False)
class _Learned:
    """What was learned from rows that have all values: matrices, and numbers of options."""

    rows: Rows
    made: tuple[Matrix, ...]
    known: dict[str, Matrix]
    weights: Array | None
    offset: Array | None
    without_value: dict[str, int]


@dataclass(eq=False)
class _Parts:
    """The bar-free parts of a formula, the options to be computed, and how both are coded."""

    engine: str
    sides: Sequence[FormulaPart]
    computed: Mapping[str, FormulaPart]
    coding: Mapping[str, Any]
    names: EvalEnvironment

    def learn(self, used: Selection, missing: str, has_code: bool) -> _Learned:
        """Learn from the rows; where code gives no value, from those in which it gives one."""
        rows, weights, offset = Rows(used.columns, used.index), used.weights, used.offset
        made, known, values = self._learn_from(rows)
        absent: dict[str, Mask] = {}
        if has_code:
            absent = load("frame.matrices.incomplete:missing_by_expression")(
                [*made, *known.values()], rows
            )
        if absent and missing != "drop":
            load("frame.matrices.incomplete:refuse_missing_labels")(made, absent)
        elif absent:
            complete_rows = load("frame.matrices.incomplete:complete_rows")
            rows, keep = complete_rows([*made, *known.values()], rows, absent)
            weights, offset = (None if v is None else v[keep] for v in (weights, offset))
            made, known, values = self._learn_from(rows)
        check_computed(values, rows.index)
        return _Learned(
            rows,
            made,
            known,
            values.get("weights", weights),
            total(offset, values),
            {label: int(mask.sum()) for label, mask in absent.items()},
        )

    def _learn_from(
        self, rows: Rows
    ) -> tuple[tuple[Matrix, ...], dict[str, Matrix], dict[str, Array]]:
        learner: Learner = learn
        if self.engine == "formulaic":
            learner = load("frame.matrices.engine_formulaic:learn")
        made = learner(self.sides, rows, self.coding, self.names)
        return made, *learn_expressions(self.computed, rows, self.names)


def _plain_columns(
    formula: MixedFormula, extra: Sequence[str], known: Sequence[str]
) -> list[str] | None:
    """Columns a model needs whose formula names only columns; None if it may have code."""
    plain = columns_without_code(formula)
    needed = list(dict.fromkeys((*plain, *extra)))
    return needed if plain and all([name in known for name in needed]) else None


def _asked(
    sides: Sequence[FormulaPart],
    random: Sequence[RandomTerm],
    computed: Mapping[str, FormulaPart],
) -> list[tuple[FormulaPart, str]]:
    """Return all parts with code, each with the option that gave it, empty for the formula."""
    options = ["", "", *[_OPTIONS.get(term.part, "") for term in random]]
    of_options = [("" if name == IN_FORMULA else name) for name in computed]
    return list(zip((*sides, *computed.values()), (*options, *of_options), strict=True))


def _needed_columns(
    formula: MixedFormula,
    random: Sequence[RandomTerm],
    asked: Sequence[tuple[FormulaPart, str]],
    extra: Mapping[str, str],
    known: Collection[str],
    env: EvalEnvironment,
) -> list[str]:
    """Columns a model needs; a name that is no column must be known to the environment.

    What asks for them comes with its option, empty for the formula; a column that several ask
    for is of the first.
    """
    outside = env.namespace
    needed: dict[str, None] = {}
    unknown: dict[str, str] = {}
    for code, option in ((code, option) for side, option in asked for code in codes(side)):
        for name in code.names:
            if name in known:
                needed[name] = None
            elif name not in outside and not hasattr(builtins, name):
                unknown.setdefault(name, option)
        needed.update((name, None) for name in code.modules if name in known)
    of_terms = [
        (name, _OPTIONS.get(term.part, "")) for term in random for name in term.grouping.columns
    ]
    for name, option in (*of_terms, *extra.items()):
        if name in known:
            needed[name] = None
        else:
            unknown.setdefault(name, option)
    if unknown:
        raise unknown_names(unknown, known, formula.text)
    return list(needed)


def _read_contrasts(
    contrasts: Mapping[str, Any] | None, sides: Sequence[FormulaPart], needed: Collection[str]
) -> dict[str, Any]:
    if contrasts is None or (isinstance(contrasts, Mapping) and not contrasts):
        return {}
    effects = (side for side in sides if not side.response)
    factors = {code.column for side in effects for code in codes(side)} - {""}
    return read_contrasts(contrasts, factors, needed)


def _relate(
    parts: tuple[RandomPart, ...], relationship: Any, precision: Any, pedigree: Any
) -> tuple[RandomPart, ...]:
    """Give related levels to the parts that have them; then all these are levels."""
    levels = {part.name: part.levels for part in parts}
    found = read_related(relationship, precision, pedigree, levels)
    if not found:
        return parts
    out = []
    for part in parts:
        related = found.get(part.name)
        if related is not None:
            where = related.labels.get_indexer(part.levels).astype(np.int32)
            labels = related.labels.rename(part.levels.name)
            part = replace(part, refs=where[part.refs], levels=labels, related=related)
        out.append(part)
    return most_effects_first(out)
