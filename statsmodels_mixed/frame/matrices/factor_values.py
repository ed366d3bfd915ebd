"""The values of a factor of a formula: numbers or labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from patsy.categorical import C

from ...errors import DataError
from ..table.columns import tidy_values
from ..table.grouping import Refs, factorize

__all__ = ["Labels", "Numbers", "is_box", "read_value"]

Numbers = NDArray[Any]

_Box = type(C(()))  # what patsy's C() returns


@dataclass(frozen=True, eq=False)
class Labels:
    """A categorical value: the level of every row.

    Parameters
    ----------
    codes : ndarray of int32, shape (n,)
        Positions in `levels`, -1 where missing.
    levels : pandas.Index
        The levels that occur, in order.
    declared : tuple or None
        All levels, where the user listed them (``C(x, levels=...)``) or the type
        does (truth values).
    contrast : object
        The patsy contrast asked for by ``C(x, contrast)``, or None.
    """

    codes: Refs
    levels: pd.Index
    declared: tuple[Any, ...] | None = None
    contrast: Any = None

    @property
    def categories(self) -> tuple[Any, ...]:
        """The levels to code."""
        return tuple(self.levels) if self.declared is None else self.declared

    def taking(self, keep: NDArray[np.bool_]) -> Labels:
        """Return the labels of some rows, (n,) mask, with the levels that occur there."""
        used, codes = np.unique(self.codes[keep], return_inverse=True)
        return replace(self, codes=codes.astype(np.int32), levels=self.levels.take(used))


def is_box(value: Any) -> bool:
    """Whether a value is what patsy's ``C()`` returns."""
    return isinstance(value, _Box)


def read_value(value: Any) -> Numbers | Labels:
    """Distinguish numbers from labels in the values of a column or an expression.

    Parameters
    ----------
    value : ndarray, ExtensionArray, Series, DataFrame, patsy categorical box, or sequence
        One value per row. Labels are returned as they are.

    Returns
    -------
    ndarray of numbers, shape (n, c), or Labels

    Raises
    ------
    DataError
        For values that can be neither; the message lacks the name of the factor.
    """
    if isinstance(value, Labels):
        return value
    contrast, declared = getattr(value, "contrast", None), None
    boxed = is_box(value)
    if boxed:
        declared = None if value.levels is None else tuple(value.levels)
        value = value.data
    if isinstance(value, pd.DataFrame):
        value = value.to_numpy()
    elif isinstance(value, pd.Series | ExtensionArray):
        value = tidy_values(pd.Series(value))
    elif not isinstance(value, np.ndarray):
        value = np.asarray(value)
    kind = value.dtype.kind
    if kind in "iuf" and not boxed:
        numbers: Numbers = value if value.ndim == 2 else value.reshape(-1, 1)
        return numbers
    if kind in "cmM" and not boxed:
        what = "complex numbers" if kind == "c" else "dates or times"
        raise DataError(f"holds {what}: turn them into numbers, or into categories with C().")
    if value.ndim != 1:
        raise DataError("holds labels in more than one dimension.")
    if kind == "b" and declared is None:
        declared = (False, True)
    codes, levels = factorize(value)
    return Labels(codes, levels, declared, contrast)
