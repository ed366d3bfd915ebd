"""One column, in any storage -> tidy values: what they are, and which are missing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from ..._typing import Array, Mask, Positions
from ...errors import DataError, told

__all__ = [
    "Values",
    "as_array",
    "as_column",
    "as_numbers",
    "column_squares",
    "complete_values",
    "is_number",
    "is_text",
    "lie_between",
    "missing_rows",
    "surely_finite",
    "take",
    "tidy_values",
    "widened",
]

Values: TypeAlias = np.ndarray[Any, Any] | ExtensionArray

# Elements of matrices whose columns are taken one by one: for these a call costs more than memory.
FEW_ELEMENTS = 4096

_OBJECT_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal"}


def as_array(values: Any, what: str) -> np.ndarray[Any, Any]:
    """Return an array, or of a generator the array of its items.

    Raises
    ------
    DataError
        If rows differ in length; `what` names the values.
    """
    if isinstance(values, Iterator):
        values = list(values)
    if isinstance(values, np.ma.MaskedArray):
        return _without_masked(values)
    try:
        return np.asarray(values)
    except ValueError as error:
        raise DataError(
            f"{what} holds sequences of different length: give one value for each row."
        ) from error


def _without_masked(values: np.ma.MaskedArray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array in which what is masked is missing: NaN, or None beside whole numbers."""
    mask = np.ma.getmaskarray(values)
    if not mask.any():
        return np.asarray(values.data)
    is_float = values.dtype.kind == "f"
    found = np.array(values.data, dtype=values.dtype if is_float else object)
    found[mask] = np.nan if is_float else None
    return found


def as_column(values: Any, index: pd.Index | None, what: str) -> pd.Series:
    """Return values, shape (n,), as a column of their own memory.

    Raises
    ------
    DataError
        If pandas cannot hold them (records, text that is no Unicode); `what` names the values.
    """
    try:
        return pd.Series(values, index=index, copy=True)
    except ValueError as error:
        raise DataError(f"{what} cannot be a column: {told(error)}") from error


def as_numbers(values: Any, what: str) -> NDArray[np.float64]:
    """Return an array of floating-point numbers.

    Raises
    ------
    DataError
        If they are none; `what` names the values.
    """
    array = as_array(values, what)
    if array.dtype.kind in "cmM":
        raise DataError(f"{what} must hold numbers, not {array.dtype}.")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{what} must hold numbers.") from error


def is_number(values: Values) -> bool:
    """Whether tidy values are numbers; truth values are not."""
    return isinstance(values, np.ndarray) and values.dtype.kind in "iuf"


def is_text(values: Values | pd.Index) -> bool:
    """Whether values are strings, or the categories of strings."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.dtype.categories
    if values.dtype == object:
        return bool(pd.api.types.infer_dtype(values, skipna=True) == "string")
    return isinstance(values.dtype, pd.StringDtype)


def tidy_values(series: pd.Series) -> Values:
    """Reduce the many ways of storing a column to a few.

    Numbers become NumPy arrays from any storage (nullable and Arrow types, decimals,
    Python objects), missing ones NaN; truth values become bool arrays unless some are
    missing; text, categoricals and dates stay as they are.

    Parameters
    ----------
    series : pandas.Series
        The column.
    """
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iufb":
            # Half precision cannot be the type of labels, nor of matrices.
            return series.to_numpy(
                dtype=np.float32 if dtype.itemsize == 2 and dtype.kind == "f" else None
            )
        if dtype.kind in "OS":
            return _tidy_objects(series.astype(object))
        return series.array
    if isinstance(dtype, pd.CategoricalDtype):
        return series.array
    if pd.api.types.is_bool_dtype(dtype):
        return series.array if series.hasnans else series.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(dtype):
        if pd.api.types.is_integer_dtype(dtype) and not series.hasnans:
            unsigned = pd.api.types.is_unsigned_integer_dtype(dtype)
            return _signed(series.to_numpy(dtype=np.uint64 if unsigned else np.int64))
        return series.to_numpy(dtype=np.float64, na_value=math.nan)
    return series.array


def _signed(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return whole numbers with a sign, if 64 bits hold them."""
    large = values.dtype == np.uint64 and values.max(initial=0) > np.iinfo(np.int64).max
    return values if large else values.astype(np.int64, copy=False)


def widened(values: Values) -> Values:
    """Return tidy numbers of 64 bits with a sign; others as they are.

    Those of fewer bits, or without a sign, begin again at the other end of their range where a sum
    or a product leaves it: x - 5 of uint8, x * x of int8. Their logarithms have few digits.
    """
    if not is_number(values) or values.dtype.itemsize > 8:
        return values
    array = np.asarray(values)
    if array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    signed = _signed(array)
    return signed if signed.dtype == np.int64 else signed.astype(np.float64)


def _tidy_objects(series: pd.Series) -> Values:
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind == "integer":
        return _tidy_whole_numbers(series)
    if kind in _OBJECT_NUMBERS:
        return series.to_numpy(dtype=np.float64, na_value=math.nan)
    if kind == "boolean" and not series.hasnans:
        return series.to_numpy(dtype=bool)
    return series.to_numpy()


def _tidy_whole_numbers(series: pd.Series) -> np.ndarray[Any, Any]:
    """Return Python's whole numbers, which have any number of digits, as those of 64 bits.

    Beyond 64 bits, or with some missing, they are floating-point numbers.
    """
    if not series.hasnans:
        with suppress(OverflowError):
            whole: np.ndarray[Any, Any] = series.to_numpy(dtype=np.int64)
            return whole
    try:
        values: np.ndarray[Any, Any] = series.to_numpy(dtype=np.float64, na_value=math.nan)
    except OverflowError as error:
        raise DataError(
            f"column {series.name!r} holds whole numbers beyond the range of floating-point "
            "numbers: divide them, or make them text if they are labels."
        ) from error
    if len(np.unique(values[~np.isnan(values)])) < series.nunique():
        raise DataError(
            f"column {series.name!r} holds whole numbers whose differences floating-point "
            "numbers lose: subtract the least of them, or make them text if they are labels."
        )
    return values


def surely_finite(values: np.ndarray[Any, Any]) -> bool:
    """Return whether all numbers are finite, False when in doubt.

    One pass over the numbers, without a temporary array, in a function that never warns.
    """
    return math.isfinite(np.vdot(values, values))


def column_squares(values: Array) -> Array:
    """Return the sum of squares of every column, without a warning where it overflows.

    Parameters
    ----------
    values : ndarray, shape (n, k)

    Returns
    -------
    ndarray, shape (k,)
    """
    if values.shape[1] == 1:
        return np.array([np.vdot(values, values)])
    if values.size <= FEW_ELEMENTS:
        return np.array([np.vdot(column, column) for column in values.T], dtype=float)
    squares: Array = np.einsum("ij,ij->j", values, values)
    return squares


def lie_between(values: Array, low: float, high: float) -> bool:
    """Return whether all of a few numbers, shape (k,), lie strictly between two; NaN does not."""
    return all([low < value < high for value in values.tolist()])


def missing_rows(series: pd.Series) -> Mask | None:
    """Which rows of a column are missing (NaN, None, NA, NaT); None when no row is."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iub":
            return None
        if dtype.kind == "f":
            values = series.to_numpy()
            if surely_finite(values):
                return None
            mask = np.isnan(values)
            return mask if mask.any() else None
    if isinstance(dtype, pd.CategoricalDtype):
        mask = series.array.codes < 0
    else:
        mask = series.isna().to_numpy()
    return mask if mask.any() else None


def complete_values(column: pd.Series | Values) -> Values | None:
    """Return tidy values of a column of numbers, categories or text; None for others, or in doubt.

    It is for most columns all that `missing_rows` and `tidy_values` find out. They may be the
    user's own memory.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype):
        if dtype.kind in "iub" or (dtype.kind == "f" and dtype.itemsize > 2):
            values = column.to_numpy() if isinstance(column, pd.Series) else column
            return values if dtype.kind != "f" or surely_finite(values) else None
    elif isinstance(dtype, pd.CategoricalDtype):
        labels: Any = column.array if isinstance(column, pd.Series) else column
        return None if np.count_nonzero(labels.codes < 0) else labels
    elif isinstance(dtype, pd.StringDtype):
        text: Any = column.array if isinstance(column, pd.Series) else column
        return None if np.asarray(text.isna()).any() else text
    return None


def take(series: pd.Series, rows: Positions | Mask | None) -> pd.Series:
    """Return some rows of a column, by position or mask; all of them for None."""
    return series if rows is None else series.iloc[rows]
