"""New rows for a fitted model: opened once, with all that a prediction needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array, Mask
from ..errors import DataError
from .matrices.coding import CodedMatrix, Matrix
from .matrices.factors import Rows
from .membership import MembershipMatrix
from .model_frame import ModelFrame, RandomPart
from .table.alignment import align, align_names
from .table.columns import Values, as_numbers, is_text, missing_rows, take, tidy_values
from .table.grouping import Refs, cross, factorize, find_levels
from .table.sources import Source
from .table.table import DataTable, open_table, read_columns

__all__ = ["NewData", "NewLevels"]


@dataclass(frozen=True, eq=False)
class NewLevels:
    """Levels of one grouping factor in new rows.

    Parameters
    ----------
    part : RandomPart
        The grouping factor and the levels that the fit has seen.
    values : list of ndarray or ExtensionArray, shape (m,)
        The columns of the factor in the new rows.
    """

    part: RandomPart
    values: list[Values]

    @cached_property
    def known(self) -> Refs:
        """Level of every row in the fit, (m,); -1 if it is missing or new."""
        return find_levels(self.values, self.part.levels)

    @cached_property
    def own(self) -> tuple[Refs, pd.Index]:
        """Level of every row in the new data, (m,), -1 if it is missing; and their labels."""
        found = [factorize(each) for each in self.values]
        if len(found) == 1:
            return found[0]
        complete = np.logical_and.reduce([codes >= 0 for codes, _ in found])
        codes = np.full(len(complete), -1, dtype=np.int32)
        factors = self.part.factors
        named = [index.rename(name) for (_, index), name in zip(found, factors, strict=True)]
        codes[complete], levels = cross([each[complete] for each, _ in found], named)
        return codes, levels

    @property
    def missing(self) -> Mask:
        """Rows without a level, (m,)."""
        return self.own[0] < 0

    @property
    def unseen(self) -> Mask:
        """Rows with a level that the fit has not seen, (m,)."""
        return (self.known < 0) & ~self.missing

    def refuse_unseen(self, choices: str) -> None:
        """Refuse new levels; `choices` says what else new_levels= can be.

        Raises
        ------
        DataError
            If there are any.
        """
        count = int(self.unseen.sum())
        if count:
            codes, levels = self.own
            first = levels[codes[self.unseen][0]]
            rows = "row of the new data has" if count == 1 else "rows of the new data have"
            raise DataError(
                f"{count} {rows} levels of {self.part.name} that the fit has not seen (first: "
                f"{first}); pass new_levels={choices}."
            )


@dataclass(frozen=True, eq=False)
class NewData:
    """New rows, read through the formula of a model or given as its fixed-effects matrix.

    Parameters
    ----------
    n_rows : int
        Number of rows, m.
    table : Table or None
        Their columns; None for a matrix without names of columns.
    frame : ModelFrame or None
        The model whose formula reads the table; its categories, contrasts and the memory of
        its transforms are used. None if `matrix` is given.
    matrix : ndarray, shape (m, p), or None
        The fixed-effects matrix.
    labels : Index or None
        Labels of the rows, if the data are a pandas frame.
    given : mapping of str to object
        Offset, exposure and weights of these rows, as the user gave them.
    """

    n_rows: int
    table: DataTable | None
    frame: ModelFrame | None
    matrix: Array | None
    labels: pd.Index | None
    given: Mapping[str, Any]

    @classmethod
    def of_table(cls, data: Any, frame: ModelFrame, **given: Any) -> NewData:
        """Open a table that goes through a formula.

        Parameters
        ----------
        data : DataFrame, pyarrow.Table, mapping, structured array, or Series
            A table with the columns of the formula; a Series is one row.
        frame : ModelFrame
            The model.
        **given
            Offset, exposure and weights of the rows: array_like or a column of the table.

        Raises
        ------
        DataError
            If `data` is no table.
        """
        if isinstance(data, pd.Series):
            data = _as_row(data)
        table = open_table(data)
        return cls(table.n_rows, table, frame, None, _labels(data), given)

    @classmethod
    def of_matrix(cls, data: Any, names: Sequence[str], **given: Any) -> NewData:
        """Take a fixed-effects matrix.

        Parameters
        ----------
        data : array_like or DataFrame, shape (m, p)
            One row may be (p,), a single column (m,). A data frame may have its columns in any
            order.
        names : sequence of str
            Columns of the model, p.
        **given
            As for `of_table`.

        Raises
        ------
        DataError
            If the number of columns is another, or they have the names of others.
        """
        width = len(names)
        if isinstance(data, pd.Series):
            data = data.to_frame(names[0]) if width == 1 else _as_row(data)
        data = align_names(data, [names], "the new data")
        matrix = as_numbers(data, "the new data")
        if matrix.ndim == 1:
            matrix = matrix[:, None] if width == 1 else matrix[None, :]
        if matrix.ndim != 2 or matrix.shape[1] != width:
            raise DataError(
                f"new data must have {width} columns, one per coefficient, not shape "
                f"{matrix.shape}."
            )
        table = open_table(data) if hasattr(data, "columns") else None
        return cls(len(matrix), table, None, matrix, _labels(data), given)

    def fixed(self) -> Array:
        """Return the fixed-effects matrix, shape (m, p).

        Rows in which a needed column is missing are NaN.

        Raises
        ------
        DataError
            For unknown columns, a level the model has not seen, labels in place of numbers.
        """
        if self.frame is None:
            assert self.matrix is not None
            return self.matrix
        return self._made([self.frame.fixed])

    def column(self, name: str, what: str) -> Array:
        """Return a column of numbers, shape (m,); `what` names them in messages.

        Raises
        ------
        DataError
            If there is none of this name, or it does not hold numbers.
        """
        return as_numbers(tidy_values(read_columns(self._table, [name])[name]), what)

    def computed(self, option: str) -> Array:
        """Compute weights, offset, exposure or ``offset(...)`` of the formula, shape (m,)."""
        return np.asarray(self._made([self._frame.known[option]]).sum(axis=1))

    def values_of(self, source: Source) -> Array | None:
        """Return the offset, exposure or weights of the rows, shape (m,).

        Parameters
        ----------
        source : Source
            Where the model has its own from.

        Returns
        -------
        ndarray or None
            What the user gave for these rows, else what is found where the model has its own
            from; None if the model has none.

        Raises
        ------
        DataError
            If the model has one and these rows do not, or not one value for every row.
        """
        option, given = source.option, self.given.get(source.option)
        if given is None:
            if not source.needed:
                return None
            given = source.column
        if given is not None and not isinstance(given, str):
            return self._broadcast(option, given)
        if given is None or self.table is None:
            raise DataError(source.request)
        if self.frame is not None and option in self.frame.known and given == source.column:
            return self.computed(option)
        return self.column(given, f"{option}={given!r}")

    def _broadcast(self, option: str, given: Any) -> Array:
        labels = None if self.table is None else self.table.index
        values = as_numbers(align(given, labels, f"{option}="), f"{option}=")
        if values.shape not in ((), (self.n_rows,)):
            raise DataError(f"{option}= has shape {values.shape} for {self.n_rows} new rows.")
        return np.broadcast_to(values, (self.n_rows,))

    def made(self, matrix: Matrix) -> Array:
        """Return any matrix of the rows; those in which a column is missing are NaN."""
        return self._made([matrix])

    def random(
        self,
        block: int,
        wanted: Mask | None = None,
        instead: Mapping[Matrix, Matrix] | None = None,
    ) -> Array:
        """Return the columns of the effects of one grouping factor, shape (m, k).

        The column of the grouping factor is not needed.

        Parameters
        ----------
        block : int
            Position of the grouping factor in `ModelFrame.random`, which is the order of the
            blocks of the design.
        wanted : ndarray of bool, shape (k,), optional
            Columns to make; the others are zero and their data are not needed.
        instead : mapping, optional
            Matrices that take the place of those of the model, for the same columns.

        Returns
        -------
        ndarray
            Wanted columns are NaN in rows in which a column of the data is missing.

        Raises
        ------
        DataError
            As `fixed`.
        """
        part = self._frame.random[block]
        wanted = np.ones(len(part.names), dtype=bool) if wanted is None else wanted
        matrices: list[Matrix] = []
        positions, start = [np.empty(0, dtype=np.intp)], 0
        for matrix in part.matrices:
            stop = start + len(matrix.names)
            where = np.arange(start, stop)
            if wanted[start:stop].any():
                if isinstance(matrix, CodedMatrix):
                    matrix, inner = matrix.keeping(wanted[start:stop])
                    where = where[inner]
                matrices.append((instead or {}).get(matrix, matrix))
                positions.append(where)
            start = stop
        z = np.zeros((self.n_rows, len(part.names)))
        z[:, np.concatenate(positions)] = self._made(matrices)
        z[:, ~wanted] = 0.0
        return z

    def levels(self, block: int) -> NewLevels:
        """Return the levels of one grouping factor.

        Raises
        ------
        DataError
            For unknown columns; also if a grouping factor of numbers is now text or the
            reverse, where every level would look new.
        """
        part = self._frame.random[block]
        if part.terms[0].grouping.members:
            return NewLevels(part, [np.full(self.n_rows, part.name, dtype=object)])
        columns = read_columns(self._table, part.factors)
        values = [tidy_values(columns[name]) for name in part.factors]
        labels = part.levels.levels if isinstance(part.levels, pd.MultiIndex) else [part.levels]
        for name, new, known in zip(part.factors, values, labels, strict=True):
            if is_text(new) != is_text(known) and not pd.isna(new).all():
                raise DataError(
                    f"the grouping factor {name!r} holds {'text' if is_text(new) else 'no text'}, "
                    "unlike in the data of the model: no level would be found again."
                )
        return NewLevels(part, values)

    @property
    def _frame(self) -> ModelFrame:
        assert self.frame is not None
        return self.frame

    @property
    def _table(self) -> DataTable:
        assert self.table is not None
        return self.table

    def _made(self, matrices: Sequence[Matrix]) -> Array:
        """Return matrices side by side; rows in which a column is missing are NaN."""
        names = dict.fromkeys(name for matrix in matrices for name in matrix.columns)
        columns, index = read_columns(self._table, list(names)), self._table.index
        optional = frozenset().union(
            *(each.optional for each in matrices if isinstance(each, MembershipMatrix))
        )
        needed = [series for name, series in columns.items() if name not in optional]
        masks = [mask for mask in map(missing_rows, needed) if mask is not None]
        keep = ~np.logical_or.reduce(masks) if masks else None
        part = index if keep is None else index[keep]
        rows = Rows(
            {name: tidy_values(take(series, keep)) for name, series in columns.items()}, part
        )
        made = np.empty((len(part), sum(len(each.names) for each in matrices)))
        start = 0
        for each in matrices:
            each.fill(rows, made[:, start : start + len(each.names)])
            start += len(each.names)
        if keep is None:
            return made
        whole = np.full((len(index), made.shape[1]), np.nan)
        whole[keep] = made
        return whole


def _as_row(data: pd.Series) -> pd.DataFrame:
    return data.to_frame().T.infer_objects()


def _labels(data: Any) -> pd.Index | None:
    return data.index if isinstance(data, pd.DataFrame) else None
