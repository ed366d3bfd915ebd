"""Which rows and columns of a table a model uses: subset, missing values, weights, offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..._frozen import quickly_made
from ..._typing import Array, Mask
from ...errors import DataError
from .alignment import align
from .columns import (
    Values,
    as_array,
    as_column,
    complete_values,
    is_number,
    missing_rows,
    take,
    tidy_values,
)
from .table import DataTable, name_rows, subset_rows

__all__ = ["Selection", "check_option", "complete_copies", "select", "total_offset"]


# The least number of full precision: products with smaller ones lose their digits.
LEAST_WEIGHT = float(np.finfo(float).tiny)


@quickly_made
@dataclass(frozen=True, eq=False)
class Selection:
    """The part of a table that a model uses.

    Parameters
    ----------
    columns : dict of str to ndarray or ExtensionArray, shape (n,)
        Tidy columns, which share no memory with the user's table.
    index : pandas.Index, shape (n,)
        The user's labels of the rows.
    n_dropped : int
        Rows dropped because of missing values.
    weights : ndarray, shape (n,), or None
        As given, for these rows.
    offset : ndarray, shape (n,), or None
        The known part of the linear predictor, that from the exposure included.
    """

    columns: dict[str, Values]
    index: pd.Index
    n_dropped: int
    weights: Array | None
    offset: Array | None


def select(
    table: DataTable,
    names: Sequence[str],
    *,
    weights: Any = None,
    offset: Any = None,
    exposure: Any = None,
    subset: Any = None,
    missing: str = "drop",
    optional: frozenset[str] = frozenset(),
    is_part: bool = False,
) -> Selection:
    """Read the needed columns and settle which rows are used.

    Parameters
    ----------
    table : DataTable
        The user's table.
    names : sequence of str
        Needed columns, all of which exist.
    weights, offset, exposure, subset, missing
        As the user gave them; see `frame.build_frame`.
    optional : frozenset of str
        Columns that may be missing.
    is_part : bool
        Whether the table is a part of the data, in which no row may be left.

    Raises
    ------
    DataError
        If an option does not fit the table, a value is missing under ``"raise"``, a
        weight or an exposure is not positive and finite, or no row is left.
    """
    options = {"weights": weights, "offset": offset, "exposure": exposure}
    options = {option: given for option, given in options.items() if given is not None}
    if not options and subset is None and table.n_rows:
        whole = _complete_columns(table, names)
        if whole is not None:
            return Selection(whole, table.index, 0, None, None)
    asked = [*names, *(name for name in options.values() if isinstance(name, str))]
    columns = table.read(list(dict.fromkeys(asked)))
    extra = {
        option: columns[given] if isinstance(given, str) else _read_option(option, given, table)
        for option, given in options.items()
    }
    index = table.index
    rows = subset_rows(subset, table)
    if rows is not None:
        index = index[rows]
        columns = {name: take(series, rows) for name, series in columns.items()}
        extra = {option: take(series, rows) for option, series in extra.items()}
    if not len(index) and not is_part:
        raise DataError(
            "subset= leaves no rows: choose some that the data have."
            if table.n_rows
            else "the data have no rows."
        )
    n_before = len(index)
    keep = (
        None
        if missing == "none"
        else _complete(
            {name: each for name, each in columns.items() if name not in optional} | extra,
            index,
            missing,
            is_part,
        )
    )
    if keep is not None:
        index = index[keep]
        columns = {name: take(series, keep) for name, series in columns.items()}
        extra = {option: take(series, keep) for option, series in extra.items()}
    shared = rows is None and keep is None
    numbers = {option: _numbers(option, options[option], extra[option]) for option in extra}
    for option, values in numbers.items():
        check_option(option, values, index)
    return Selection(
        # Rows that were picked are a copy; a whole column may be the user's own memory.
        {
            name: tidy_values(series).copy() if shared else tidy_values(series)
            for name, series in columns.items()
        },
        index,
        n_before - len(index),
        numbers.get("weights"),
        total_offset(numbers.get("offset"), numbers.get("exposure")),
    )


def _complete_columns(table: DataTable, names: Sequence[str]) -> dict[str, Values] | None:
    """Read columns none of which can have a missing value; None for others."""
    arrays = None if table.arrays is None else table.arrays(names)
    return complete_copies(table.read(list(dict.fromkeys(names))) if arrays is None else arrays)


def complete_copies(columns: Mapping[str, pd.Series | Values]) -> dict[str, Values] | None:
    """Return copies of columns none of which can have a missing value; None for others.

    Parameters
    ----------
    columns : mapping of str to Series, ndarray or ExtensionArray, shape (n,)
    """
    whole = {}
    for name, column in columns.items():
        values = complete_values(column)
        if values is None:
            return None
        whole[name] = values.copy()
    return whole


def total_offset(offset: Array | None, exposure: Array | None) -> Array | None:
    """Return offset + log(exposure), where either may be absent.

    Parameters
    ----------
    offset, exposure : ndarray, shape (n,), or None
        Exposures are positive.
    """
    if exposure is None:
        return offset
    logarithm: Array = np.log(exposure)
    return logarithm if offset is None else offset + logarithm


def _read_option(option: str, given: Any, table: DataTable) -> pd.Series:
    """Turn an array-like option into a column of the table; a Series is taken by its index."""
    given = align(given, table.index, f"{option}=")
    values = given.to_numpy() if hasattr(given, "to_numpy") else as_array(given, f"{option}=")
    if values.shape != (table.n_rows,):
        raise DataError(
            f"{option}= must have one value for each of the {table.n_rows} rows of the data, "
            f"not shape {values.shape}."
        )
    return as_column(values, table.index, f"{option}=")


def _complete(
    columns: dict[str, pd.Series], index: pd.Index, missing: str, is_part: bool
) -> Mask | None:
    """Which rows have everything; None when all do."""
    found = {name: missing_rows(series) for name, series in columns.items()}
    masks = {name: mask for name, mask in found.items() if mask is not None}
    if not masks:
        return None
    if missing == "raise":
        shown = "; ".join(f"{name!r} in {name_rows(mask, index)}" for name, mask in masks.items())
        raise DataError(f"values are missing: {shown}.")
    keep: Mask = ~np.logical_or.reduce(list(masks.values()))
    if not keep.any() and not is_part:
        shown = ", ".join(f"{name!r} in {mask.sum()}" for name, mask in masks.items())
        raise DataError(f"no rows are left: of {len(index)} rows, values are missing of {shown}.")
    return keep


def _numbers(option: str, given: Any, series: pd.Series) -> Array:
    values = tidy_values(series)
    if not is_number(values):
        column = f" (column {given!r})" if isinstance(given, str) else ""
        kind = "str" if pd.api.types.infer_dtype(series) == "string" else series.dtype
        raise DataError(f"{option}={column} must be numbers, not {kind}.")
    return np.array(values, dtype=np.float64)


def check_option(option: str, values: Array, index: pd.Index) -> None:
    """Refuse weights, offset or exposure, shape (n,), that no model can have.

    Raises
    ------
    DataError
        With the labels of the rows.
    """
    if np.isnan(values).any():
        where = name_rows(np.isnan(values), index)
        raise DataError(f"{option}= is NaN in {where}: leave such rows out with subset=.")
    if option == "weights":
        _check_weights(values, index)
    elif option == "exposure":
        _check_exposure(values, index)
    elif np.isinf(values).any():
        raise DataError(f"the offset is infinite in {name_rows(np.isinf(values), index)}.")


def _check_weights(weights: Array, index: pd.Index) -> None:
    if len(weights) and weights.min() >= LEAST_WEIGHT and weights.max() < np.inf:
        return
    for mask, what in (
        (np.isinf(weights), "are infinite"),
        (weights < 0, "are negative"),
        (weights == 0, "are zero: such rows say nothing, leave them out with subset="),
        (weights < LEAST_WEIGHT, f"are below {LEAST_WEIGHT:.1e}: multiply all by a power of ten"),
    ):
        if mask.any():
            raise DataError(f"in {name_rows(mask, index)} the weights {what}.")


def _check_exposure(exposure: Array, index: pd.Index) -> None:
    bad = (exposure <= 0) | np.isinf(exposure)
    if bad.any():
        raise DataError(
            f"in {name_rows(bad, index)} the exposure is not a positive number: leave such rows "
            "out with subset=."
        )
