"""Any table -> the few columns a model needs, tidy and row by row.

A table is pandas, polars, pyarrow, a dict of arrays or a structured array. Only
the columns asked for are read, and none is copied that need not be.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from ..._frozen import quickly_made
from ..._typing import Mask, Positions
from ...errors import DataError, UnknownColumnError, told
from .alignment import align, common_index
from .columns import Values, as_array, as_column
from .index_levels import column_arrays, column_names, read_pandas

__all__ = [
    "DataTable",
    "name_rows",
    "open_table",
    "read_columns",
    "subset_rows",
    "unknown_columns",
    "whole_numbers_with_missing",
]


@quickly_made
@dataclass(frozen=True)
class DataTable:
    """A table whose columns are read on demand.

    Parameters
    ----------
    names : sequence of str
        Its columns.
    n_rows : int
        Its rows.
    index : pandas.Index
        Their labels: the user's own for pandas, else 0, 1, ...
    read : callable
        Maps column names to pandas series, one for each name.
    whole : callable
        The whole table as a pandas frame, for a subset written as a query.
    arrays : callable, optional
        Maps column names to the arrays of columns, without labels, where that is quicker; to None
        for names that it does not know.
    """

    names: Sequence[str]
    n_rows: int
    index: pd.Index
    read: Callable[[Sequence[str]], dict[str, pd.Series]]
    whole: Callable[[], pd.DataFrame]
    arrays: Callable[[Sequence[str]], dict[str, Values] | None] | None = None

    def with_column(self, name: str, column: pd.Series) -> DataTable:
        """Return this table with another column, which has its index."""

        def read(names: Sequence[str]) -> dict[str, pd.Series]:
            found = self.read([each for each in names if each != name])
            return {each: column if each == name else found[each] for each in names}

        def whole() -> pd.DataFrame:
            return self.whole().assign(**{name: column.array})

        return DataTable([*self.names, name], self.n_rows, self.index, read, whole)


def open_table(data: Any) -> DataTable:
    """Look at a table without reading it.

    Parameters
    ----------
    data : DataFrame, pyarrow.Table, mapping of str to array_like, or structured array
        A data frame of any library narwhals knows, in memory, or batches of Arrow. A `DataTable` is
        open already.

    Raises
    ------
    DataError
        If `data` is none of these, or the arrays of a mapping differ in length.
    """
    if isinstance(data, DataTable):
        return data
    if isinstance(data, pd.DataFrame):
        return _open_pandas(data)
    if isinstance(data, Mapping):
        return _open_mapping(data)
    if isinstance(data, np.ndarray) and data.dtype.names is not None:
        return _open_mapping({name: data[name] for name in data.dtype.names})
    return _open_native(data)


def _open_pandas(data: pd.DataFrame) -> DataTable:
    return DataTable(
        column_names(data),
        len(data),
        data.index,
        partial(read_pandas, data),
        lambda: data,
        partial(column_arrays, data),
    )


def _open_mapping(data: Mapping[str, Any]) -> DataTable:
    data = {name: _sized(name, values) for name, values in data.items()}
    lengths = {str(name): len(values) for name, values in data.items()}
    if len(set(lengths.values())) > 1:
        shown = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise DataError(f"the columns of the data differ in length: {shown}.")
    n_rows = next(iter(lengths.values()), 0)
    # Series are put in the order of the first one, as arrays are.
    labels = common_index(data.values())
    index = pd.RangeIndex(n_rows) if labels is None else labels

    def read(names: Sequence[str]) -> dict[str, pd.Series]:
        series = {}
        for name in names:
            values = align(data[name], index, f"column {name!r}")
            if hasattr(values, "to_pandas"):
                whole = whole_numbers_with_missing(values)
                values = values if whole is None else whole
            if isinstance(values, pd.Series | pd.Index):
                values = values.array
            elif not isinstance(values, ExtensionArray):
                values = _one_dimension(name, values)
            series[name] = as_column(values, index, f"column {name!r}")
        return series

    return DataTable(list(data), n_rows, index, read, lambda: pd.DataFrame(read(list(data))))


def _sized(name: Any, values: Any) -> Any:
    """Return a value of a mapping with its length: a generator as a list, a scalar as one row."""
    array = isinstance(values, np.ndarray)
    if isinstance(values, str | bytes) or (array and values.ndim == 0):
        return [values]
    if not hasattr(values, "__iter__"):
        return [values]
    if isinstance(values, pd.DataFrame):
        raise DataError(f"column {name!r} is a data frame: give one of its columns.")
    return values if hasattr(values, "__len__") else list(values)


def _one_dimension(name: Any, values: Any) -> np.ndarray[Any, Any]:
    array = as_array(values, f"column {name!r}")
    if array.ndim != 1:
        raise DataError(f"column {name!r} has {array.ndim} dimensions, not one.")
    return array


def _open_native(data: Any) -> DataTable:
    try:
        frame = nw.from_native(_arrow_table(data), eager_only=True)
    except TypeError as error:
        what = f"{type(data).__module__}.{type(data).__qualname__}"
        if isinstance(data, str | os.PathLike):
            what = f"the path {str(data)!r}: files are read by mixedlm2 and mixedglm2, by batches"
        raise DataError(
            f"data must be a data frame or a dict of arrays, not {what}"
            + (": call its collect() first." if hasattr(data, "collect") else ".")
        ) from error

    def read(names: Sequence[str]) -> dict[str, pd.Series]:
        part = frame.select(list(names))
        converted = _as_pandas(part)
        series = {}
        for name in names:
            whole = whole_numbers_with_missing(part[name])
            series[name] = converted[name] if whole is None else whole
        if frame.implementation.is_polars():
            # The categories of polars' Categorical come in the order of their first
            # appearance anywhere in the process: sorting makes the coding reproducible.
            for name in names:
                if part.schema[name] == nw.Categorical:
                    levels = sorted(series[name].cat.categories)
                    series[name] = series[name].cat.reorder_categories(levels)
        return series

    index = pd.RangeIndex(len(frame))
    return DataTable(frame.columns, len(frame), index, read, frame.to_pandas)


def _as_pandas(part: nw.DataFrame[Any]) -> pd.DataFrame:
    """Return columns as a pandas frame; refuse by name what pandas cannot hold."""
    try:
        return part.to_pandas()
    except Exception:  # of as many kinds as there are libraries
        for name in part.columns:
            try:
                part.select([name]).to_pandas()
            except Exception as error:  # as above, of this column alone
                raise DataError(
                    f"{name!r} is of a type that pandas cannot hold ({told(error).rstrip('.')}): "
                    "give one number or text for each row."
                ) from error
        raise


def whole_numbers_with_missing(column: Any) -> pd.Series | None:
    """Return whole numbers of polars or pyarrow as such where some are missing; None for others.

    Floating-point numbers, which pandas and NumPy make of them, have not all the digits of
    identifiers.
    """
    series = nw.from_native(column, series_only=True, pass_through=True)
    if not (isinstance(series, nw.Series) and series.dtype.is_integer() and series.null_count()):
        return None
    values, missing = series.fill_null(0).to_numpy(), series.is_null().to_numpy()
    return pd.Series(pd.arrays.IntegerArray(np.array(values), np.array(missing)))


def _arrow_table(data: Any) -> Any:
    """Return what has the C interface of Arrow, and is no data frame, as a table."""
    if not (hasattr(data, "__arrow_c_array__") or hasattr(data, "__arrow_c_stream__")):
        return data
    if nw.dependencies.is_into_dataframe(data):
        return data
    import pyarrow as pa  # noqa: PLC0415 - slow to import

    try:
        return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError):
        return data  # which is no table, and told so


def read_columns(table: DataTable, names: Sequence[str]) -> dict[str, pd.Series]:
    """Read columns after making sure that all exist.

    Raises
    ------
    DataError
        For columns the table lacks; all are listed.
    """
    unknown = [name for name in dict.fromkeys(names) if name not in table.names]
    if unknown:
        raise unknown_columns(unknown, table.names)
    return table.read(list(dict.fromkeys(names)))


def subset_rows(subset: Any, table: DataTable) -> Positions | None:
    """Turn ``subset=`` into row positions.

    Parameters
    ----------
    subset : None, str, callable or array_like
        A query such as ``"age > 3"``, a function of the pandas frame, a boolean mask,
        or labels of the index, as ``.loc`` understands them.
    table : DataTable
        The table whose rows are chosen.

    Raises
    ------
    DataError
        If it does not fit the table.
    """
    if subset is None:
        return None
    positions = pd.Series(np.arange(table.n_rows, dtype=np.intp), index=table.index, copy=False)
    try:
        if isinstance(subset, str):
            subset = table.whole().eval(subset)
        elif callable(subset):
            subset = subset(table.whole())
        if not isinstance(subset, pd.Series | pd.Index | slice | list):
            subset = np.asarray(subset)
        if isinstance(subset, np.ndarray) and subset.ndim != 1:
            raise DataError("subset= must be one-dimensional: a mask or labels of rows.")
        chosen: Positions = positions.loc[subset].to_numpy()
    except DataError:
        raise
    except KeyError as error:
        raise DataError(
            "subset= is neither a mask, a value True or False for each row, nor labels that the "
            "index of the data has."
        ) from error
    except Exception as error:  # a query may fail in any way its author can think of
        raise DataError(f"subset= does not fit the data: {told(error)}") from error
    return chosen


def unknown_columns(
    missing: Iterable[str], names: Iterable[Any], options: Mapping[str, str] | None = None
) -> UnknownColumnError:
    """One error that names every column the data lack, with the nearest existing ones.

    Parameters
    ----------
    missing : iterable of str
    names : iterable
        The columns that the data have.
    options : mapping of str to str, optional
        The option, by the column that only it asks for.
    """
    known = [name for name in names if isinstance(name, str)]
    lower = {name.lower(): name for name in known}
    shown = []
    for name in missing:
        near = difflib.get_close_matches(name.lower(), lower, n=1)
        option = (options or {}).get(name, "")
        where = f" of {option}=" if option else ""
        hint = f" (did you mean {lower[near[0]]!r}?)" if near else ""
        shown.append(f"{name!r}{where}{hint}")
    noun = "column" if len(shown) == 1 else "columns"
    return UnknownColumnError(f"the data have no {noun} {', '.join(shown)}.")


def name_rows(mask: Mask, index: pd.Index) -> str:
    """Say which rows: ``"3 rows (first: 4, 7, 9)"``, by the labels of the user's index."""
    hits = np.flatnonzero(mask)
    first = ", ".join(str(label) for label in index[hits[:3]])
    return f"{len(hits)} {'row' if len(hits) == 1 else 'rows'} (first: {first})"
