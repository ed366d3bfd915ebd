"""The first row of every level of a column, found while the rows pass by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..frame.table.columns import Values
from ..frame.table.grouping import Refs, factorize

__all__ = ["Met", "MetTogether"]

Codes = NDArray[np.int64]


class Met:
    """The values met so far, numbered in the order of their appearance.

    They are kept in pieces of growing size: two are merged when the later is no longer much
    smaller, so that no value is moved often.
    """

    def __init__(self) -> None:
        self._pieces: list[pd.Index] = []
        self._numbers: list[Codes] = []
        self.count = 0

    def number(self, codes: Refs, values: pd.Index) -> tuple[Codes, NDArray[np.intp]]:
        """Give the rows of a batch the numbers of their values.

        Parameters
        ----------
        codes : ndarray of int, shape (n,)
            Position of the value of every row in `values`.
        values : Index
            Distinct values.

        Returns
        -------
        numbers : ndarray of int, shape (n,)
        first : ndarray of int
            The first row of each value that is new.
        """
        known = np.full(len(values), -1, dtype=np.int64)
        for piece, numbers in zip(self._pieces, self._numbers, strict=True):
            at = piece.get_indexer(values)
            known[at >= 0] = numbers[at[at >= 0]]
        new = known < 0
        first = np.empty(0, dtype=np.intp)
        if new.any():
            rows = np.flatnonzero(new[codes])
            of_new, where = np.unique(codes[rows], return_index=True)
            first = rows[where]
            order = np.argsort(first)
            of_new, first = of_new[order], first[order]
            known[of_new] = self.count + np.arange(len(of_new))
            self._append(values.take(of_new), known[of_new])
        return known[codes], first

    def _append(self, values: pd.Index, numbers: Codes) -> None:
        self.count += len(values)
        self._pieces.append(values)
        self._numbers.append(numbers)
        while len(self._pieces) > 1 and len(self._pieces[-2]) < 2 * len(self._pieces[-1]):
            last, of_last = self._pieces.pop(), self._numbers.pop()
            self._pieces[-1] = self._pieces[-1].append(last)
            self._numbers[-1] = np.concatenate([self._numbers[-1], of_last])


class MetTogether:
    """Combinations of the values of several columns met so far."""

    def __init__(self, columns: int) -> None:
        self._each = [Met() for _ in range(columns)]
        self._pairs = [Met() for _ in range(columns - 1)]

    def first_rows(self, values: Sequence[Values]) -> NDArray[np.intp]:
        """Return the first row of each new combination, and of each new value, in a batch.

        Parameters
        ----------
        values : sequence of ndarray or ExtensionArray, shape (n,)
        """
        numbers, found = None, []
        for at, (met, column) in enumerate(zip(self._each, values, strict=True)):
            own, first = met.number(*factorize(column))
            found.append(first)
            if numbers is None:
                numbers = own
                continue
            codes, pairs = pd.factorize((numbers << 32) | own)
            numbers, first = self._pairs[at - 1].number(codes, pd.Index(pairs))
            found.append(first)
        return np.unique(np.concatenate(found))
