"""A batch of a table -> the rows of it that a model uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError
from ..frame.computed import expressions_of, factors_of, matrices_of, value_of
from ..frame.matrices.factor_values import Labels
from ..frame.matrices.factors import Expression, Rows
from ..frame.matrices.incomplete import complete_rows
from ..frame.model_frame import ModelFrame
from ..frame.table.selection import select
from ..frame.table.table import DataTable, name_rows, open_table
from ..results.progress import Progress
from .counted_rows import RefusedRows
from .sources import TableSource

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "RowBatch",
    "RowRules",
    "head_of",
    "open_batch",
]


def open_batch(table: pa.Table, start: int) -> DataTable:
    """Open an Arrow table whose first row is number `start` of the data."""
    opened = open_table(table)
    index = pd.RangeIndex(start, start + opened.n_rows)
    return replace(opened, index=index, whole=lambda: opened.whole().set_axis(index))


def head_of(source: TableSource, batches: int = 1) -> DataTable:
    """Open the first batches of a source, of which columns are read when they are asked for."""

    def first(names: Sequence[str]) -> DataTable:
        # Slow to import; a source of batches has imported it already.
        from pyarrow import concat_tables  # noqa: PLC0415

        reading = source.read(names)
        tables = [table for table, _ in zip(reading, range(batches), strict=False)]
        if not tables:
            raise DataError("the data have no rows.")
        return open_table(concat_tables(tables))

    n_rows = _rows_of(first, source.names)
    return DataTable(
        source.names,
        n_rows,
        pd.RangeIndex(n_rows),
        lambda names: first(names).read(names),
        lambda: first(source.names).whole(),
    )


def _rows_of(first: Callable[[Sequence[str]], DataTable], names: Sequence[str]) -> int:
    """Count rows by a column, whichever can be read: the model may not need the others."""
    refused: DataError | None = None
    for name in names:
        try:
            return first([name]).n_rows
        except DataError as error:
            refused = refused or error
    raise refused or DataError("the data have no columns.")


@dataclass(frozen=True, eq=False)
class RowBatch:
    """The rows of a batch that a model uses.

    Parameters
    ----------
    rows : Rows
        Their needed columns.
    places : ndarray of int, shape (n,)
        Where they are in the batch.
    weights, offset : ndarray, shape (n,), or None
        Those that are given, not computed.
    n_dropped : int
        Rows of the batch that are left out because something is missing.
    without_value : dict of str to int
        Rows in which an expression has no value, by expression.
    table : pyarrow.Table
        The batch.
    """

    rows: Rows
    places: NDArray[np.intp]
    weights: Array | None
    offset: Array | None
    n_dropped: int
    without_value: Mapping[str, int]
    table: pa.Table


@dataclass(frozen=True, eq=False)
class RowRules:
    """Which rows and columns of a table a model uses.

    Parameters
    ----------
    frame : ModelFrame
        The model, or a draft of it from some rows: its expressions say where they have no value.
    given : mapping of str to str
        Columns of the weights, the offset and the exposure.
    subset : str, callable or None
        A query, or a function of the table.
    missing : {"drop", "raise", "none"}
        What to do about missing values.
    """

    frame: ModelFrame
    given: Mapping[str, str]
    subset: Any
    missing: str

    @property
    def columns(self) -> list[str]:
        """The needed columns."""
        return list(self.frame.rows.columns)

    def columns_to_read(self, source: TableSource) -> list[str]:
        """Return the columns that have to be read, those of `subset` among them."""
        if self.subset is None:
            return self.columns
        if callable(self.subset):
            return list(source.names)
        named = [name for name in source.names if name in self.subset]
        return list(dict.fromkeys([*self.columns, *named]))

    def batches(
        self, source: TableSource, what: str, progress: bool | None, others: Sequence[str] = ()
    ) -> Iterator[RowBatch]:
        """Run through a source.

        Parameters
        ----------
        source : TableSource
        what : str
            What for, for the log.
        progress : bool or None
            See `Progress`.
        others : sequence of str
            Further columns to read.

        Raises
        ------
        DataError
            As `select`, of all batches, after the last of them.
        """
        names = list(dict.fromkeys([*self.columns_to_read(source), *others]))
        with Progress(what, source.n_rows, progress, unit="row") as bar:
            start, refused = 0, RefusedRows()
            for table in source.read(names):
                try:
                    batch = self.take(table, start)
                except DataError as error:
                    refused.note(error)
                else:
                    yield batch
                start += table.num_rows
                bar.update(table.num_rows)
            refused.refuse()

    def take(self, table: pa.Table, start: int) -> RowBatch:
        """Return the rows of one batch, of which the first is number `start` of the data."""
        used = select(
            open_batch(table, start),
            self.columns,
            weights=self.given.get("weights"),
            offset=self.given.get("offset"),
            exposure=self.given.get("exposure"),
            subset=self.subset,
            missing=self.missing,
            is_part=True,
        )
        rows, n_before = Rows(used.columns, used.index), len(used.index)
        weights, offset = used.weights, used.offset
        if self.missing == "none":
            self._refuse_missing_labels(rows)
        without = self._without_value(rows) if n_before else {}
        if without and self.missing == "drop":
            rows, keep = complete_rows(matrices_of(self.frame), rows, without, is_part=True)
            weights, offset = (None if v is None else v[keep] for v in (weights, offset))
        return RowBatch(
            rows,
            rows.index.to_numpy() - start,
            weights,
            offset,
            used.n_dropped + n_before - len(rows.index),
            {label: int(mask.sum()) for label, mask in without.items()},
            table,
        )

    def _refuse_missing_labels(self, rows: Rows) -> None:
        """Refuse rows without a level; design.py refuses those without a number."""
        labels = [each for each in factors_of(self.frame).values() if each.categories is not None]
        plain = [each.source.name for each in labels if not isinstance(each.source, Expression)]
        for name in dict.fromkeys(
            [*plain, *(f for part in self.frame.random for f in part.factors)]
        ):
            absent = rows.factorized(name)[0] < 0
            if absent.any():
                where = name_rows(absent, rows.index)
                raise DataError(
                    f'{name!r} is missing in {where}: pass missing="drop" to leave such rows out.'
                )

    def _without_value(self, rows: Rows) -> dict[str, NDArray[np.bool_]]:
        """Find the rows, (n,), in which an expression has no value, by expression."""
        found = {}
        for label, factor in expressions_of(self.frame).items():
            value = value_of(factor, rows)
            absent = value.codes[:, None] < 0 if isinstance(value, Labels) else np.isnan(value)
            if absent.any():
                if isinstance(value, Labels) and self.missing != "drop":
                    raise DataError(f"{label!r} has missing values.")
                found[label] = np.asarray(absent.any(axis=1))
        return found
