"""The columns of a pandas frame and the named levels of its index, which are columns too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ...errors import DataError
from .columns import Values

__all__ = ["column_arrays", "column_names", "read_pandas"]

# What pandas itself takes the columns of a frame with; a Series takes thirty times as long.
_PANDAS_ARRAY = getattr(pd.DataFrame, "_get_column_array", None)


def column_names(data: pd.DataFrame) -> pd.Index:
    """Return the names of the columns, and of the levels of the index that are no column."""
    levels = [name for name in data.index.names if name is not None and name not in data.columns]
    return data.columns.append(pd.Index(levels)) if levels else data.columns


def read_pandas(data: pd.DataFrame, names: Sequence[str]) -> dict[str, pd.Series]:
    """Return columns and levels of the index by name; all exist.

    Raises
    ------
    DataError
        If a name is that of several columns.
    """
    known = data.columns
    series = {name: data[name] if name in known else _level(data.index, name) for name in names}
    twice = [name for name, column in series.items() if column.ndim != 1]
    if twice:
        raise DataError(
            f"more than one column is called {', '.join(map(repr, twice))}: rename them."
        )
    return series


def column_arrays(data: pd.DataFrame, names: Iterable[str]) -> dict[str, Values] | None:
    """Return columns by name as pandas stores them, which is the user's memory.

    None where a name is that of several columns or of a level of the index, or where this pandas
    makes no columns without labels.
    """
    if _PANDAS_ARRAY is None:
        return None
    place = data.columns.get_loc
    arrays = {}
    for name in names:
        try:
            at = place(name)
        except KeyError:
            return None
        if at.__class__ is not int:
            return None
        arrays[name] = _PANDAS_ARRAY(data, at)
    return arrays


def _level(index: pd.Index, name: str) -> pd.Series:
    return pd.Series(index.get_level_values(name), index=index, name=name)
