"""The second pass: the rows of a linear model become few, which have the same cross-products.

The rows of each combination of levels are rotated to as many as there are columns of random
effects (``csrc/src/cells.c``); what is left has no random effects, and of all combinations
together is rotated to as many rows as there are columns of [X y] (a QR decomposition, of one batch
beneath what the last one left). An orthogonal transformation of the rows changes neither the
likelihood nor anything that is computed from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import available_memory
from .._core.cells import CoreCells
from ..errors import DataError
from ..frame.build import response_values
from ..frame.design import Design, ReducedRows, build_design
from ..frame.expressions import check_expressions, evaluate, total
from ..frame.grouping import find_levels
from ..frame.model_frame import ModelFrame
from .batches import RowBatch
from .learn import Learned
from .sources import TableSource

__all__ = ["Reduction", "design_of_batch", "designs", "reduce_rows"]

Array = NDArray[np.float64]

# Bytes that the model takes for a row that is left, besides its columns.
PER_ROW = 64


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


def designs(
    learned: Learned, source: TableSource, what: str, progress: bool | None
) -> Iterator[Design]:
    """Run through a source by the designs of its batches."""
    for batch in learned.rules.batches(source, what, progress):
        if len(batch.rows.index):
            yield design_of_batch(learned.frame, batch)


@dataclass(frozen=True, eq=False)
class Columns:
    """Where the columns of the random effects are among the distinct ones.

    Parameters
    ----------
    of_block : tuple of ndarray of int, shape (k,)
    first : tuple of (int, int)
        Of each distinct column the block and the column that it is.
    """

    of_block: tuple[NDArray[np.intp], ...]
    first: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, design: Design) -> Columns:
        """Compare the columns of a design: those of one name with the same values are one."""
        first: list[tuple[int, int]] = []
        of_block = []
        for i, block in enumerate(design.blocks):
            found = []
            for j, name in enumerate(block.names):
                same = [
                    at
                    for at, (b, c) in enumerate(first)
                    if design.blocks[b].names[c] == name
                    and np.array_equal(design.blocks[b].z[:, c], block.z[:, j])
                ]
                found.append(same[0] if same else len(first))
                if not same:
                    first.append((i, j))
            of_block.append(np.array(found, dtype=np.intp))
        return cls(tuple(of_block), tuple(first))

    def gather(self, design: Design, out: Array) -> None:
        """Write the distinct columns into `out`, shape (n, columns)."""
        for at, (block, column) in enumerate(self.first):
            out[:, at] = design.blocks[block].z[:, column]


class Reduction:
    """The rows of a linear model while they are reduced.

    Parameters
    ----------
    frame : Design
        Of the first row of every level; says which columns there are.
    """

    def __init__(self, first: Design) -> None:
        self.columns = Columns.of(first)
        k, p = len(self.columns.first), first.X.shape[1]
        self.k, self.p = k, p
        self.cells = CoreCells(len(first.blocks), k, k + p + 2)
        self.rest = np.zeros((0, p + 2))  # [X 1 y] of rows without random effects
        self.n, self.log_weights = 0, 0.0
        self.in_use = np.zeros(k, dtype=np.int64)
        self.least, self.most = np.inf, -np.inf
        self.shift = np.zeros(p + 2)

    def add(self, design: Design) -> None:
        """Take the rows of a design.

        Raises
        ------
        MemoryError
            If there is no memory for all combinations of levels that occur.
        """
        n, k, p = len(design.y), self.k, self.p
        rows = np.empty((n, k + p + 2))
        self.columns.gather(design, rows)
        self.in_use += np.count_nonzero(rows[:, :k], axis=0)
        rows[:, k : k + p] = design.X
        rows[:, k + p] = 1.0
        rows[:, -1] = design.y if design.offset is None else design.y - design.offset
        if not self.n:
            self._choose_shift(rows[:, k:])
        rows[:, k:] -= self.shift
        self.least = min(self.least, float(design.y.min()))
        self.most = max(self.most, float(design.y.max()))
        self.n += n
        if design.weights is not None:
            rows *= np.sqrt(design.weights)[:, None]
            self.log_weights += float(np.log(design.weights).sum())
        keys = np.stack([block.refs for block in design.blocks], axis=1)
        self._refuse_beyond_memory(n)
        self.cells.add(keys, rows)
        self._rotate(rows[:, k:])

    def _choose_shift(self, columns: Array) -> None:
        """Choose what is subtracted from columns, so that sums of squares keep their digits.

        The last column of ones stays, with which all that is subtracted can be added again.
        """
        self.shift = columns.mean(axis=0)
        self.shift[self.p] = 0.0

    def _rotate(self, rows: Array) -> None:
        self.rest = np.asarray(np.linalg.qr(np.vstack([self.rest, rows]), mode="r"))

    def _refuse_beyond_memory(self, more: int) -> None:
        needed = more * self.cells.bytes_each + len(self.cells) * self._later_bytes
        there = available_memory()
        if there is not None and needed > there:
            raise MemoryError(
                f"{len(self.cells)} combinations of levels have occurred in {self.n} rows, and "
                "there is no memory for more: memory grows with the combinations, so leave out a "
                "crossed factor."
            )

    def k_constant(self, design: Design) -> int:
        """Return 1 when the columns of X span a constant, else 0; after `design`."""
        if not self.p:
            return 0
        left: Array = self.ones - design.X @ np.linalg.lstsq(design.X, self.ones, rcond=None)[0]
        return int(np.dot(left, left) < 1e-16 * np.dot(self.ones, self.ones))

    @property
    def _later_bytes(self) -> int:
        """Memory that a combination will take when the model is fitted."""
        columns = 3 * self.p + 2 * self.k * len(self.columns.of_block)
        return int(self.k * (8 * columns + PER_ROW))

    def design(self, first: Design) -> Design:
        """Return rows that stand for all."""
        k, p = self.k, self.p
        keys, kept = self.cells.read()
        kept = kept.reshape(-1, k + p + 2)
        refs = np.repeat(keys, k, axis=0)
        used = kept.any(axis=1)
        rows, refs = kept[used], refs[used]
        rest = np.zeros((p + 2, k + p + 2))
        rest[: len(self.rest), k:] = self.rest
        rows, refs = np.vstack([rows, rest]), np.vstack([refs, np.repeat(refs[:1], p + 2, axis=0)])
        self.ones = rows[:, k + p].copy()
        rows[:, k:] += rows[:, k + p, None] * self.shift
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
            X=np.ascontiguousarray(rows[:, k : k + p]),
            weights=None,
            offset=None,
            blocks=blocks,
            reduced=ReducedRows(
                self.n,
                self.log_weights,
                tuple(self.in_use[columns] for columns in self.columns.of_block),
            ),
        )


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
    first = build_design(learned.frame)
    reduction = Reduction(first)
    for design in designs(learned, source, "cross-products", progress):
        reduction.add(design)
    return reduction.design(first), reduction
