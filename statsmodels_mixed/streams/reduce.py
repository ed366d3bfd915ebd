"""The second pass: the rows of a linear model become few, which have the same cross-products.

The rows of each combination of levels are rotated to as many as there are columns of random
effects (``csrc/src/linear/cells.c``); what is left has no random effects, and of all combinations
together is rotated to as many rows as there are columns of [X y] (a QR decomposition, of one batch
beneath what the last one left). An orthogonal transformation of the rows changes neither the
likelihood nor anything that is computed from it.

Where sums over rows in a dense matrix take less memory than the combinations that occur, they are
kept from then on (`fitting/summed/level_sums.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .._core import TermCoordinates, available_memory
from .._core.cells import CoreCells
from .._typing import Array
from ..errors import DataError
from ..fitting.summed.level_sums import LevelSums, bytes_of_sums
from ..fitting.summed.linear import SummedDesign
from ..frame.design import Design, ReducedRows, build_design
from ..frame.matrices.coding import response_values
from ..frame.matrices.expressions import check_expressions, evaluate, total
from ..frame.matrices.factors import Rows
from ..frame.model_frame import ModelFrame
from ..frame.table.grouping import find_levels
from .batches import RowBatch
from .counted_rows import CountedRows, check_all
from .describe import Described
from .distinct_columns import Columns
from .learn import Learned
from .partitions import merged
from .sources import BATCH_ROWS, TableSource

__all__ = ["Reduction", "design_of_batch", "each_design", "first_design", "reduce_rows"]


# Bytes that the model takes for a row that is left, besides its columns.
PER_ROW = 64
# Rows of combinations that take less than this are kept even where sums would take less: more can
# be done with them.
FEW_BYTES = 1 << 28


def design_of_batch(frame: ModelFrame, batch: RowBatch) -> Design:
    """Make the matrices of the rows of a batch.

    Raises
    ------
    DataError
        As `build_design`; also for levels that the first pass has not met.
    """
    rows = batch.rows
    values = {option: evaluate(matrix, rows) for option, matrix in frame.known.items()}
    check_expressions(values, rows.index)
    assert frame.response is not None
    parts = []
    for part in frame.random:
        refs = find_levels([rows.columns[name] for name in part.factors], part.levels)
        if refs.min() < 0:
            raise DataError(f"{part.name!r} has other levels now: the data have changed.")
        parts.append(replace(part, refs=refs))
    return build_design(
        replace(
            frame,
            rows=rows,
            y=response_values(frame.response, rows)[0],
            random=tuple(parts),
            weights=values.get("weights", batch.weights),
            offset=total(batch.offset, values),
        )
    )


def each_design(
    learned: Learned,
    source: TableSource,
    what: str,
    progress: bool | None,
    process: Callable[[Rows, Design], None],
) -> None:
    """Process the designs of all batches that have rows that the model uses.

    Parameters
    ----------
    learned : Learned
    source : TableSource
    what : str
        What for, for the log.
    progress : bool or None
        See `Progress`.
    process : callable
        Takes the rows of a batch and their design.

    Raises
    ------
    DataError
        If rows of any are refused, with the number of all of them.
    """

    def look_at(batch: RowBatch) -> None:
        if len(batch.rows.index):
            process(batch.rows, design_of_batch(learned.frame, batch))

    check_all(learned.rules.batches(source, what, progress), look_at)


def first_design(learned: Learned, source: TableSource) -> Design:
    """Return the design of the rows that were kept of a source.

    Parameters
    ----------
    learned : Learned
    source : TableSource
        Where rows of these are refused, all of its batches are looked at for the same.

    Raises
    ------
    DataError
        As `build_design`.
    """
    try:
        return build_design(learned.frame)
    except DataError as error:
        if source.partitions is not None or not CountedRows(str(error)).is_about_rows:
            raise
        each_design(learned, source, "cross-products", False, lambda rows, design: None)
        raise


def _beside(design: Design) -> Array:
    """Return [X 1 y] of the rows of a design."""
    y = design.y_less_offset
    return np.column_stack([design.X, np.ones(len(y)), y])


class Reduction:
    """The rows of a linear model while they are reduced; a part of them can be sent and merged.

    Parameters
    ----------
    frame : ModelFrame
        Of the first row of every level; says which columns there are.
    """

    def __init__(self, frame: ModelFrame) -> None:
        first = build_design(frame)
        self.columns = Columns.of(first)
        k, p = len(self.columns.first), first.X.shape[1]
        self.k, self.p = k, p
        self.described = Described(frame, first)
        self.cells = CoreCells(len(first.blocks), k, k + p + 2)
        self.rest = np.zeros((0, p + 2))  # [X 1 y] of rows without random effects
        self.unweighted: Array | None = None  # the triangle of [X 1], where rows have weights
        self.n, self.log_weights = 0, 0.0
        self.in_use = np.zeros(k, dtype=np.int64)
        self.least, self.most = np.inf, -np.inf
        self.largest_offset = 0.0
        self.weights = np.array([np.inf, -np.inf])  # the least and the largest
        # What is subtracted from columns, so that sums of squares keep their digits. The column of
        # ones stays, with which all that is subtracted can be added again.
        self.shift = _beside(first).mean(axis=0)
        self.shift[p] = 0.0
        self.sums: LevelSums | None = None  # in place of the cells, when there are too many
        self.shapes = tuple((len(each.levels), each.z.shape[1]) for each in first.blocks)
        summable = len(first.blocks) > 1 and not (first.is_structured or first.is_related)
        self.bytes_of_sums = bytes_of_sums(self.shapes) if summable else None
        self.coordinates = _coordinates(first)
        self.z = np.zeros((0, k))  # the triangle of the columns of random effects

    def add(self, design: Design) -> None:
        """Take the rows of a design.

        Raises
        ------
        MemoryError
            If there is no memory for all combinations of levels that occur.
        """
        n, k = len(design.y), self.k
        self._make_room(n)
        rows = np.empty((n, k + self.p + 2))
        self.columns.gather(design, rows)
        self.in_use += np.count_nonzero(rows[:, :k], axis=0)
        rows[:, k:] = _beside(design) - self.shift
        self.least = min(self.least, float(design.y.min()))
        self.most = max(self.most, float(design.y.max()))
        self.n += n
        if design.offset is not None:
            self.largest_offset = max(self.largest_offset, float(np.abs(design.offset).max()))
        if design.weights is not None:
            self._note_weights(np.array([design.weights.min(), design.weights.max()]))
            self._take_unweighted(rows[:, k : k + self.p + 1])
            rows *= np.sqrt(design.weights)[:, None]
            self.log_weights += float(np.log(design.weights).sum())
        keys = np.stack([block.refs for block in design.blocks], axis=1)
        self._take(keys, rows)

    def _note_weights(self, ends: Array) -> None:
        self.weights = np.array([min(self.weights[0], ends[0]), max(self.weights[1], ends[1])])

    def _take_unweighted(self, rows: Array) -> None:
        before = np.zeros((0, self.p + 1)) if self.unweighted is None else self.unweighted
        self.unweighted = _triangle(before, rows)

    def _take(self, keys: NDArray[np.int32], rows: Array) -> None:
        """Take rows [z X 1 y] of levels; what is left of them stays in `rows`."""
        if self.sums is None:
            self.cells.add(keys, rows)
        else:
            z = rows[:, : self.k]
            self.sums.add(keys, [z[:, at] for at in self.columns.of_block], rows[:, self.k :])
            self.z = _triangle(self.z, z)
        self.rest = _triangle(self.rest, rows[:, self.k :])

    def _take_sums(self) -> None:
        """Keep sums in place of cells."""
        needed, there = self.bytes_of_sums, available_memory()
        if needed is None or (there is not None and needed > there):
            self._refuse()
        self.sums = LevelSums(self.shapes, self.coordinates, self.p + 2)
        cells, self.cells = self.cells, CoreCells(len(self.shapes), self.k, self.k + self.p + 2)
        self._take_cells(cells)

    def _take_cells(self, cells: CoreCells) -> None:
        keys, rows = cells.read()
        keys = np.repeat(keys, self.k, axis=0)
        rows = rows.reshape(-1, rows.shape[2])
        for start in range(0, len(rows), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            self._take(keys[part], rows[part])

    def merge(self, other: Reduction) -> Reduction:
        """Take what other rows of the model were reduced to; return this."""
        if other.sums is not None:
            if self.sums is None:
                self._take_sums()
            assert self.sums is not None
            self.sums.merge(other.sums)
            self.z = _triangle(self.z, other.z)
        self._take_cells(other.cells)
        self.rest = _triangle(self.rest, other.rest)
        self._make_room(0)
        self.described.merge(other.described)
        if other.unweighted is not None:
            self._take_unweighted(other.unweighted)
        self._note_weights(other.weights)
        self.largest_offset = max(self.largest_offset, other.largest_offset)
        self.n += other.n
        self.log_weights += other.log_weights
        self.in_use += other.in_use
        self.least, self.most = min(self.least, other.least), max(self.most, other.most)
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Read out the cells, whose memory is that of C."""
        return {**vars(self), "cells": self.cells.read()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put them back."""
        vars(self).update(state)
        keys, rows = state["cells"]
        self.cells = CoreCells(keys.shape[1], self.k, rows.shape[2])
        self.cells.add(np.repeat(keys, self.k, axis=0), rows.reshape(-1, rows.shape[2]))

    def _make_room(self, more: int) -> None:
        """Keep sums when they need less memory, and refuse what needs more than there is."""
        if self.sums is not None:
            return
        later = len(self.cells) * self._later_bytes
        ours = len(self.cells) * self.cells.bytes_each + later
        if self.bytes_of_sums is not None and ours > max(FEW_BYTES, self.bytes_of_sums):
            self._take_sums()
            return
        there = available_memory()
        if there is not None and more * self.cells.bytes_each + later > there:
            self._refuse()

    def _refuse(self) -> NoReturn:
        raise MemoryError(
            f"{len(self.cells)} combinations of levels have occurred in {self.n} rows, and "
            "there is no memory for more: memory grows with the combinations, so leave out a "
            "crossed factor."
        )

    @property
    def _later_bytes(self) -> int:
        """Memory that a combination will take when the model is fitted."""
        columns = 3 * self.p + 2 * self.k * len(self.columns.of_block)
        return int(self.k * (8 * columns + PER_ROW))

    def design(self, first: Design) -> Design:
        """Return rows that stand for all, or sums over all."""
        return self._few_rows(first) if self.sums is None else self._summed(first, self.sums)

    def root(self, design: Design) -> Array:
        """Return R of the QR decomposition of X, (p, p), of all rows without their weights.

        Parameters
        ----------
        design : Design
            The rows that stand for all.
        """
        if self.unweighted is None:
            return _triangle(design.X)
        X, ones = self.unweighted[:, : self.p], self.unweighted[:, self.p]
        return _triangle(X + np.outer(ones, self.shift[: self.p]))

    def _summed(self, first: Design, sums: LevelSums) -> Design:
        size, p = max(self.p + 2, self.k), self.p
        rest, z = _padded(self.rest, size), _padded(self.z, size)
        beside = np.zeros((len(sums.beside), size))
        beside[:, : p + 2] = sums.on_basis(rest[: p + 2])
        ones = rest[:, p].copy()
        rest += ones[:, None] * self.shift
        X = np.ascontiguousarray(rest[:, :p])
        blocks = tuple(
            replace(
                block,
                z=np.ascontiguousarray(z[:, columns]),
                refs=np.zeros(size, dtype=np.int32),
            )
            for block, columns in zip(first.blocks, self.columns.of_block, strict=True)
        )
        inward = sums.coordinates.columns_inward([block.z for block in blocks])
        return SummedDesign(
            np.ascontiguousarray(rest[:, -1]),
            X,
            None,
            None,
            blocks,
            first.response_name,
            first.x_names,
            first.response_levels,
            self._reduced_rows(X, ones),
            sums=sums,
            beside=beside,
            sizes=tuple(
                block.level_sd * np.sqrt(np.einsum("ij,ij->j", each, each) / self.n)
                for each, block in zip(inward, blocks, strict=True)
            ),
        )

    def _reduced_rows(self, X: Array, ones: Array) -> ReducedRows:
        in_use = tuple(self.in_use[columns] for columns in self.columns.of_block)
        return ReducedRows(self.n, self.log_weights, in_use, _spans(X, ones))

    def _few_rows(self, first: Design) -> Design:
        k, p = self.k, self.p
        keys, kept = self.cells.read()
        kept = kept.reshape(-1, k + p + 2)
        refs = np.repeat(keys, k, axis=0)
        used = kept.any(axis=1)
        rows, refs = kept[used], refs[used]
        rest = np.zeros((p + 2, k + p + 2))
        rest[: len(self.rest), k:] = self.rest
        rows, refs = np.vstack([rows, rest]), np.vstack([refs, np.repeat(refs[:1], p + 2, axis=0)])
        ones = rows[:, k + p].copy()
        rows[:, k:] += ones[:, None] * self.shift
        X = np.ascontiguousarray(rows[:, k : k + p])
        blocks = tuple(
            replace(
                block,
                z=np.ascontiguousarray(rows[:, columns]),
                refs=np.ascontiguousarray(refs[:, at]),
            )
            for at, (block, columns) in enumerate(
                zip(first.blocks, self.columns.of_block, strict=True)
            )
        )
        return replace(
            first,
            y=np.ascontiguousarray(rows[:, -1]),
            X=X,
            weights=None,
            offset=None,
            blocks=blocks,
            reduced=self._reduced_rows(X, ones),
        )


def _coordinates(first: Design) -> TermCoordinates:
    """Return coordinates for the columns of random effects."""
    terms = []
    for block in first.blocks:
        R = np.linalg.qr(block.z, mode="r")
        terms.append(replace(block, z=R * np.sqrt(len(R) / len(block.z))))
    return TermCoordinates(terms)


def _triangle(*rows: Array) -> Array:
    """Return R of the QR decomposition of rows beneath one another."""
    return np.asarray(np.linalg.qr(np.vstack(rows), mode="r"))


def _padded(values: Array, size: int) -> Array:
    return np.concatenate([values, np.zeros((size - len(values), values.shape[1]))])


def _spans(X: Array, ones: Array) -> int:
    """Return 1 when the columns of X span what a column of ones became, else 0."""
    if not X.shape[1]:
        return 0
    left: Array = ones - X @ np.linalg.lstsq(X, ones, rcond=None)[0]
    return int(np.dot(left, left) < 1e-16 * np.dot(ones, ones))


def reduce_rows(
    learned: Learned, source: TableSource, progress: bool | None = None
) -> tuple[Design, Any]:
    """Reduce the rows of a source.

    Parameters
    ----------
    learned : Learned
        What the first pass found.
    source : TableSource
    progress : bool, optional
        See `Progress`.

    Returns
    -------
    design : Design
        With few rows.
    reduction : Reduction

    Raises
    ------
    DataError
        As `build_design`, of a batch.
    MemoryError
        If too many combinations of levels occur.
    """
    first = first_design(learned, source)
    if source.partitions is None:
        reduction = _reduced(learned, source, progress)
    else:
        names = learned.rules.columns_to_read(source)
        reduction = merged(source, names, _reduced, learned, Reduction.merge)
    return reduction.design(first), reduction


def _reduced(learned: Learned, source: TableSource, progress: bool | None = False) -> Reduction:
    """Reduce the rows of a source, or of a partition of one."""
    reduction = Reduction(learned.frame)

    def add(rows: Rows, design: Design) -> None:
        reduction.add(design)
        reduction.described.add(rows, design)

    each_design(learned, source, "cross-products", progress, add)
    return reduction
