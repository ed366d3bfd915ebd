"""The first pass: what a model has to know of all rows before it can make matrices of some.

A draft from the first batch says which columns and factors there are. Then the first row of each
level of each grouping factor and each categorical factor is kept; the frame of the model is built
from these rows, as from any table, and so has all levels. Transforms that learn from the rows,
such as center(), are shown all of them in batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..errors import DataError, FormulaError, OptionError, UnknownColumnError
from ..formula.terms import MixedFormula
from ..frame.build import build_frame
from ..frame.computed import TRIED, expressions_of, factors_of, some_rows, value_of
from ..frame.matrices.expressions import expressions
from ..frame.matrices.factor_values import Labels
from ..frame.matrices.factors import CodedFactor, Expression
from ..frame.model_frame import ModelFrame
from .batches import (
    RowBatch,
    RowRules,
    head_of,
    open_batch,
)
from .levels import MetTogether
from .partitions import merged
from .rowwise import refuse_whole_column, refuse_whole_subset
from .sources import TableSource

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Learned", "learn_frame"]

# A draft needs rows in which nothing is missing; they are looked for in this many batches at most.
MOST_BATCHES = 64


# Rows kept besides, which show how columns of X depend on one another.
SAMPLED = 2000


@dataclass(frozen=True, eq=False)
class Learned:
    """What the first pass finds.

    Parameters
    ----------
    frame : ModelFrame
        Of the first row of every level.
    rules : RowRules
        How batches are read for it.
    """

    frame: ModelFrame
    rules: RowRules


def learn_frame(
    formula: MixedFormula,
    source: TableSource,
    *,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    subset: Any = None,
    missing: str = "drop",
    progress: bool | None = None,
    **options: Any,
) -> Learned:
    """Learn the frame of a model from data that are read by batches.

    Parameters
    ----------
    formula : MixedFormula
    source : TableSource
    weights, offset, exposure : str, optional
        A column, or an expression.
    subset : str or callable, optional
        A query, or a function of a table, that says of each row by itself whether it is used.
    missing : {"drop", "raise", "none"}
    progress : bool, optional
        See `Progress`.
    options
        Others of `build_frame`.

    Raises
    ------
    DataError
        As `build_frame`; also for expressions that need the whole column.
    OptionError
        For an option that needs an array of all rows.
    """
    given = {"weights": weights, "offset": offset, "exposure": exposure}
    _refuse_arrays(given, subset)
    options = {"engine": "patsy", "missing": missing, "own_places": False, **given, **options}
    draft = _draft(formula, source, subset, options)
    _refuse_membership(formula)
    computed = expressions(formula, given, source.names)
    columns = {o: name for o, name in given.items() if name is not None and o not in computed}
    rules = RowRules(draft, columns, subset, missing)
    _refuse_whole_columns(rules, source)

    if source.partitions is None:
        met = _levels(rules, source, progress)
    else:
        met = merged(source, rules.columns_to_read(source), _levels, rules, partial(_join, rules))
    frame = build_frame(formula, met.table(), **options)
    frame = replace(frame, n_dropped=met.n_dropped, without_value=dict(met.without_value))
    rules = replace(rules, frame=frame)
    _memorize(rules, source, progress)
    return Learned(frame, rules)


def _refuse_arrays(given: Mapping[str, Any], subset: Any) -> None:
    for option, value in given.items():
        if value is not None and not isinstance(value, str):
            raise OptionError(
                f"{option}= must be a column or an expression, since the data are read by batches."
            )
    if subset is not None and not isinstance(subset, str) and not callable(subset):
        raise OptionError(
            "subset= must be a query or a function of a table, since the data are read by batches."
        )


def _refuse_membership(formula: MixedFormula) -> None:
    for term in formula.random:
        if term.grouping.members:
            raise FormulaError(
                f"{term}: multiple membership needs all rows in memory, and these data are read "
                "by batches."
            )


def _draft(
    formula: MixedFormula, source: TableSource, subset: Any, options: Mapping[str, Any]
) -> ModelFrame:
    """Return the frame of the first rows, of as many batches as have complete ones."""
    batches, n_rows = 1, -1
    while True:
        head = head_of(source, batches)
        try:
            return build_frame(formula, head, subset=subset, **options)
        except UnknownColumnError:
            raise
        except DataError:
            if head.n_rows == n_rows or batches >= MOST_BATCHES:
                raise
        batches, n_rows = 4 * batches, head.n_rows


def _refuse_whole_columns(rules: RowRules, source: TableSource) -> None:
    computed = expressions_of(rules.frame)
    if rules.subset is not None:
        head = head_of(source)
        table = pd.DataFrame(head.read(rules.columns_to_read(source)))
        refuse_whole_subset(rules.subset, table)
    if computed:
        rows = some_rows(rules.frame.rows, slice(0, TRIED))
        for factor in computed.values():
            refuse_whole_column(factor, rows)


def _levels(rules: RowRules, source: TableSource, progress: bool | None = False) -> _LevelsMet:
    """Find the first rows of all levels in a source, or in a partition of one."""
    firsts = _FirstRows(rules.frame)
    for batch in rules.batches(source, "levels", progress):
        firsts.look_at(batch)
    return firsts.met


def _join(rules: RowRules, a: _LevelsMet, b: _LevelsMet) -> _LevelsMet:
    """Return what was met in two parts of the rows, the first row of every level again once."""
    firsts = _FirstRows(rules.frame)
    for table in (*a.rows, *b.rows):
        firsts.look_at(rules.take(table, 0))
    return _LevelsMet(
        firsts.met.rows,
        a.n_dropped + b.n_dropped,
        a.without_value + b.without_value,
    )


class _FirstRows:
    """The first row of every level of what has levels."""

    def __init__(self, draft: ModelFrame) -> None:
        groupings = {part.factors: MetTogether(len(part.factors)) for part in draft.random}
        labels = [each for each in factors_of(draft).values() if each.categories is not None]
        for factor in labels:
            if not isinstance(factor.source, Expression):
                groupings.setdefault((factor.source.name,), MetTogether(1))
        self._columns = groupings
        self._computed: list[tuple[CodedFactor, MetTogether]] = [
            (factor, MetTogether(1)) for factor in labels if isinstance(factor.source, Expression)
        ]
        self.met = _LevelsMet()

    def look_at(self, batch: RowBatch) -> None:
        """Keep the first rows of levels that are new."""
        self.met.note(batch)
        if not len(batch.places):
            return
        found = [] if self.met.rows else [np.arange(min(SAMPLED, len(batch.places)))]
        for names, met in self._columns.items():
            found.append(met.first_rows([batch.rows.columns[name] for name in names]))
        for factor, met in self._computed:
            labels = value_of(factor, batch.rows)
            assert isinstance(labels, Labels)
            found.append(met.first_rows([labels.levels.take(labels.codes).array]))
        places = batch.places[np.unique(np.concatenate(found))]
        if len(places):
            self.met.rows.append(batch.table.take(places))


@dataclass(eq=False)
class _LevelsMet:
    """What was met in a part of the rows.

    Parameters
    ----------
    rows : list of pyarrow.Table
        The first row of every level.
    n_dropped : int
    without_value : Counter
        See `ModelFrame`.
    """

    rows: list[pa.Table] = field(default_factory=list)
    n_dropped: int = 0
    without_value: Counter[str] = field(default_factory=Counter)

    def note(self, batch: RowBatch) -> None:
        """Take note of what is missing in a batch."""
        self.n_dropped += batch.n_dropped
        self.without_value.update(batch.without_value)

    def table(self) -> Any:
        """Return the rows that were kept."""
        # Slow to import; the source has imported it already.
        import pyarrow as pa  # noqa: PLC0415

        if not self.rows:
            raise DataError("no rows are left: in each of them something is missing.")
        try:
            table = pa.concat_tables(self.rows, promote_options="permissive").unify_dictionaries()
        except pa.ArrowException as error:
            raise DataError(_types_that_differ(self.rows)) from error
        return open_batch(table.combine_chunks(), 0)


def _types_that_differ(tables: Sequence[pa.Table]) -> str:
    """Return which column is of types that do not go together, in a sentence."""
    kinds = {
        name: list(dict.fromkeys(str(table.schema.field(name).type) for table in tables))
        for name in tables[0].column_names
    }
    name, (first, other, *_) = max(kinds.items(), key=lambda each: len(each[1]))
    return (
        f"column {name!r} is of type {first} in a part of the data and {other} in another: convert "
        "it to one of them."
    )


def _memorize(rules: RowRules, source: TableSource, progress: bool | None) -> None:
    """Show all rows to the transforms that learn from them."""
    learning: list[tuple[Expression, dict[str, Any], int]] = []
    for factor in expressions_of(rules.frame).values():
        source_of = factor.source
        assert isinstance(source_of, Expression)
        if source_of.remembers and not _knows_all(source_of):
            state: dict[str, Any] = {}
            passes = source_of.factor.memorize_passes_needed(state, source_of.state["eval_env"])
            learning.append((source_of, state, passes))
    for at in range(max((passes for _, _, passes in learning), default=0)):
        now = [(each.factor, state) for each, state, passes in learning if at < passes]
        for batch in rules.batches(source, "transforms", progress):
            if not len(batch.rows.index):
                continue
            for inner, state in now:
                inner.memorize_chunk(state, at, batch.rows)
        for inner, state in now:
            inner.memorize_finish(state, at)
    for expression, state, _ in learning:
        expression.state = state


def _knows_all(expression: Expression) -> bool:
    """Return whether all transforms are splines, which were given all that they need."""
    kinds = {type(transform).__name__ for transform in expression.state["transforms"].values()}
    return kinds <= {"BS", "CR", "CC"}
