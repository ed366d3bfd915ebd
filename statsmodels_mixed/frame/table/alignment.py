"""Series and data frames beside one another: joined by the labels of their index.

Two pandas objects may hold the same rows, or the same coefficients, in another order. They are
matched by label, as pandas matches columns that it puts together; what cannot be matched is
refused. Arrays and lists have no labels and go by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from ...errors import DataError

__all__ = ["align", "align_names", "align_values", "common_index"]


def common_index(values: Iterable[Any]) -> pd.Index | None:
    """Return the index of the first Series or data frame among some, None without any."""
    return next((v.index for v in values if isinstance(v, pd.Series | pd.DataFrame)), None)


def align(given: Any, index: pd.Index | None, what: str, *, within: bool = False) -> Any:
    """Return a Series or data frame in the order of an index, anything else as it is.

    Parameters
    ----------
    given : object
        What the user gave.
    index : Index or None
        Labels of the rows; None if they have none.
    what : str
        What `given` is, for messages: ``"weights="``, ``"column 'x'"``.
    within : bool
        Accept an index with labels besides those of the rows: rows of the data that a fit did
        not use.

    Raises
    ------
    DataError
        If the labels are others than those of the rows, or not unique and in another order.
    """
    if index is None or not isinstance(given, pd.Series | pd.DataFrame):
        return given
    own = given.index
    if own is index or own.equals(index):
        return given
    by_position = "pass its to_numpy() to go by position"
    if len(own) != len(index) and not within:
        raise DataError(f"{what} has {len(own)} values for {len(index)} rows.")
    if not (own.is_unique and index.is_unique):
        raise DataError(
            f"{what} has an index that differs from that of the other data, and labels that occur "
            f"twice cannot be matched: {by_position}."
        )
    places = own.get_indexer(index)
    if (places < 0).any():
        first = index[places < 0][0]
        raise DataError(
            f"the index of {what} lacks labels of the rows it goes with (first: {first!r}): give "
            f"both the same labels, or {by_position}."
        )
    return given.take(places)


def align_values(value: Any, index: pd.Index, code: str) -> Any:
    """Return what code gave in the order of the rows, if it is one labelled value for each.

    Parameters
    ----------
    value : object
    index : Index
        Labels of the rows.
    code : str
        For messages.

    Raises
    ------
    DataError
        As `align` does.
    """
    if not isinstance(value, pd.Series | pd.DataFrame) or len(value) != len(index):
        return value  # its length is judged elsewhere
    return align(value, index, f"{code!r}")


def align_names(given: Any, names: Iterable[Sequence[str]], what: str) -> Any:
    """Return values that are named, one for each coefficient, in the order of the coefficients.

    Parameters
    ----------
    given : object
        What the user gave: a Series of one value each, a data frame with a column for each;
        anything else, and what has numbers for names, is returned as it is.
    names : iterable of sequence of str
        The names, each way that there is to count them: with or without columns that were dropped.
    what : str
        What `given` is, for messages: ``"r_matrix="``.

    Raises
    ------
    DataError
        If as many values have other names.
    """
    if not isinstance(given, pd.Series | pd.DataFrame):
        return given
    own = given.index if isinstance(given, pd.Series) else given.columns
    if pd.api.types.is_numeric_dtype(own.dtype):
        return given
    candidates = [list(each) for each in names if len(each) == len(own)]
    for known in candidates:
        if list(own) == known:
            return given
        if own.is_unique and set(own) == set(known):
            return given[known]
    if not candidates:  # of another length: whoever asked says so
        return given
    other = next((label for label in own if label not in candidates[0]), own[0])
    raise DataError(
        f"{what} has the name {other!r}, which is not one of {', '.join(candidates[0])}: give each "
        "of these once, or pass its to_numpy() to go by position."
    )
