"""Rows that show how the columns of X depend on one another, found while all rows pass by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..fitting.fixed_effects.basis import orthonormal_basis
from ..frame.matrices.factors import Rows
from ..frame.model_frame import ModelFrame
from ..frame.table.columns import tidy_values

__all__ = ["SpanningRows"]

# A row that is left with this share of its length is no new direction.
ROUNDING = 1e-7


class SpanningRows:
    """As many rows as X has dimensions, of which every other row is a combination.

    Columns that depend on one another in these rows do so in all. The first rows of data that are
    sorted by a factor do not show it.

    Parameters
    ----------
    frame : ModelFrame
        Of the first row of every level.
    X : ndarray, shape (m, p)
        Of its rows.
    """

    def __init__(self, frame: ModelFrame, X: Array) -> None:
        self._shift = X.mean(axis=0)
        self._scale = np.zeros(X.shape[1])
        self._X = X[:0]
        self._kept: list[Rows] = []
        self._complete = False
        self.add(frame.rows, X)

    def add(self, rows: Rows, X: Array) -> None:
        """Keep the rows of a batch that are no combinations of those kept before.

        Parameters
        ----------
        rows : Rows
        X : ndarray, shape (n, p)
        """
        if self._complete:
            return
        found = self._new_directions(X)
        if len(found):
            columns = {name: values.take(found) for name, values in rows.columns.items()}
            self._kept.append(Rows(columns, rows.index.take(found)))
            self._X = np.vstack([self._X, X[found]])
            self._complete = len(orthonormal_basis(self._X, None).columns) == X.shape[1]

    def merge(self, other: SpanningRows) -> None:
        """Keep rows of another part of the data."""
        at = 0
        for rows in other._kept:
            self.add(rows, other._X[at : at + len(rows.index)])
            at += len(rows.index)

    def sample(self, frame: ModelFrame) -> ModelFrame:
        """Return these rows, without random effects.

        Parameters
        ----------
        frame : ModelFrame
            That of the first row of every level, whose rows are taken if they suffice.
        """
        if len(self._kept) < 2:
            return frame
        tables = [pd.DataFrame(dict(rows), columns=list(rows)) for rows in self._kept]
        whole = pd.concat(tables, ignore_index=True)
        columns = {str(name): tidy_values(column) for name, column in whole.items()}
        rows, y = Rows(columns, whole.index), np.zeros(len(whole))
        return replace(frame, rows=rows, y=y, random=(), weights=None, offset=None)

    def _new_directions(self, X: Array) -> NDArray[np.intp]:
        """Return rows whose part beside those kept, and beside one another, is not rounding.

        Columns are shifted and scaled, which changes nothing in [X 1]: dates of one year are far
        from zero and close to each other.
        """
        centered = X - self._shift
        self._scale = np.maximum(self._scale, np.abs(centered).max(axis=0, initial=0))
        unit = np.where(self._scale > 0, self._scale, 1.0)
        beside = np.column_stack([centered / unit, np.ones(len(X))])
        known = np.column_stack([(self._X - self._shift) / unit, np.ones(len(self._X))])
        basis = np.linalg.qr(known.T)[0].T
        left = beside - (beside @ basis.T) @ basis
        lengths = np.linalg.norm(beside, axis=1)
        found: list[int] = []
        for _ in range(beside.shape[1] - len(basis)):
            shares = np.linalg.norm(left, axis=1) / lengths
            longest = int(np.argmax(shares))
            if shares[longest] < ROUNDING:
                break
            found.append(longest)
            direction = left[longest] / np.linalg.norm(left[longest])
            left -= np.outer(left @ direction, direction)
        return np.array(found, dtype=np.intp)
