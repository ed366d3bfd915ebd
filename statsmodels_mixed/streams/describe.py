"""What marginal means and tests of terms ask of the rows: counts, means, and how columns depend."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import DataError
from ..frame.computed import factors_of
from ..frame.design import Design
from ..frame.matrices.factors import Expression, Rows
from ..frame.model_frame import ModelFrame, RowSummary
from ..frame.table.columns import Values, is_number, tidy_values
from ..frame.table.grouping import find_levels
from .spanning_rows import SpanningRows

__all__ = ["Described"]

# Combinations of levels of the fixed part that are counted.
MOST_CELLS = 1_000_000
# Numbers with no more values than these are counted by their values, as an indicator is.
FEW = 2


class Described:
    """Counts and means of the columns of the fixed part, while the rows pass by.

    Parameters
    ----------
    frame : ModelFrame
        Of the first row of every level.
    first : Design
        Its matrices.
    """

    def __init__(self, frame: ModelFrame, first: Design) -> None:
        self.spanning = SpanningRows(frame, first.X)
        coded = factors_of(frame)
        labels = [each for each in coded.values() if each.categories is not None]
        fixed = set(frame.fixed.columns)
        # The columns that labels are computed from: C(k) needs all values of k.
        self.computed = {
            name: each.label
            for each in labels
            if isinstance(each.source, Expression)
            for name in each.source.columns
            if name in fixed
        }
        self.levels: dict[str, pd.Index] = {}
        self.sums: dict[str, float] = {}
        for name in frame.fixed.columns:
            values = frame.rows.columns[name]
            few = np.unique(values) if is_number(values) else np.empty(0)
            if not is_number(values):
                self.levels[name] = frame.rows.factorized(name)[1]
            elif name in self.computed:
                self.levels[name] = pd.Index(few)  # each is the first row of a label, or too many
            elif len(few) <= FEW:
                self.levels[name] = pd.Index([])  # they are found while the rows pass by
            if is_number(values):
                self.sums[name] = 0.0
        sizes = [(len(levels) or FEW) + 1 for levels in self.levels.values()]
        self.too_many = float(np.prod([float(size) for size in sizes])) > MOST_CELLS
        self.counts = np.zeros(1 if self.too_many else sizes, dtype=np.int64)
        self.n, self.offset = 0, 0.0

    def add(self, rows: Rows, design: Design) -> None:
        """Count the rows of a batch; values that are no level have the last place."""
        n = len(rows.index)
        self.n += n
        self.spanning.add(rows, design.X)
        if design.offset is not None:
            self.offset += float(design.offset.sum())
        for name in self.sums:
            self.sums[name] += float(np.sum(rows.columns[name], dtype=float))
        if self.too_many:
            return
        place: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
        for name, size in zip(self.levels, self.counts.shape, strict=True):
            values = rows.columns[name]
            if name in self.sums and name not in self.computed:
                self._meet(name, pd.Index(np.unique(values)))
            refs = find_levels([values], self.levels[name])
            place = place * size + np.where(refs < 0, size - 1, refs)
        self.counts += np.bincount(place, minlength=self.counts.size).reshape(self.counts.shape)

    def _meet(self, name: str, values: pd.Index) -> None:
        """Give the first values of a number a place."""
        known = self.levels[name]
        new = values.difference(known)[: FEW - len(known)]
        self.levels[name] = known.append(new) if len(known) else new

    def merge(self, other: Described) -> None:
        """Add what was counted in other rows."""
        self.n += other.n
        self.spanning.merge(other.spanning)
        self.offset += other.offset
        counts = other.counts
        for at, (name, theirs) in enumerate(other.levels.items()):
            if name in self.sums and name not in self.computed and not self.too_many:
                self._meet(name, theirs)
                places = self.levels[name].get_indexer(theirs)
                moved = np.zeros_like(counts)
                for slot, place in enumerate([*places, *[FEW] * (FEW + 1 - len(places))]):
                    np.moveaxis(moved, at, 0)[place] += np.moveaxis(counts, at, 0)[slot]
                counts = moved
        self.counts = self.counts + counts
        self.sums = {name: total + other.sums[name] for name, total in self.sums.items()}

    def summary(self, frame: ModelFrame) -> RowSummary:
        """Return a row for each combination of levels that occurs, numbers at their means.

        Raises
        ------
        DataError
            If levels are computed from numbers of many values, or have too many combinations.
        """
        if self.too_many:
            self._refuse("the combinations of levels")
        counts, levels = self.counts, dict(self.levels)
        for at, name in reversed(list(enumerate(self.levels))):
            if counts.take(-1, axis=at).any():  # it has more values than in the first rows
                if name in self.computed:
                    self._refuse(repr(self.computed[name]))
                counts, _ = counts.sum(axis=at), levels.pop(name)
        kept = np.nonzero(np.atleast_1d(counts))
        size = len(kept[0])
        means = {each: total / self.n for each, total in self.sums.items() if each not in levels}
        columns: dict[str, Values] = {}
        for name, values in frame.rows.columns.items():
            if name in levels:
                taken = levels[name].take(kept[list(levels).index(name)])
                same = isinstance(values, pd.Categorical)
                columns[name] = pd.Categorical(taken, dtype=values.dtype) if same else taken.array
            elif name in means:
                columns[name] = np.full(size, means[name])
        columns = {name: tidy_values(pd.Series(each)) for name, each in columns.items()}
        rows = Rows(columns, pd.RangeIndex(size))
        weights = np.atleast_1d(counts)[kept].astype(float)
        return RowSummary(replace(frame, rows=rows), weights, means, self.offset / self.n)

    @staticmethod
    def _refuse(what: str) -> NoReturn:
        raise DataError(
            f"{what} cannot be counted while the data are read by batches: marginal means need "
            "labels that are columns of the data, with fewer combinations than a million."
        )
