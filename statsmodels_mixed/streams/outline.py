"""The second pass of a generalized model: what is known of all rows before it is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Array
from ..errors import DataError
from ..fitting.families.response import prepare_response, refuse_certain
from ..fitting.families.spec import FamilySpec
from ..fitting.streamed.generalized import StreamedRows
from ..fitting.streamed.problem import StreamedDesign
from ..frame.design import Design, ReducedRows
from ..frame.design_checks import check_varying_response
from ..frame.matrices.factors import Rows
from .counted_rows import CountedRows
from .describe import Described
from .learn import Learned
from .levels import Met
from .reduce import design_of_batch, each_design, first_design
from .sources import TableSource

__all__ = ["Outline", "designs"]


def designs(
    learned: Learned,
    source: TableSource,
    spec: FamilySpec,
    what: str,
    progress: bool | None,
    weighted: bool = True,
) -> Iterator[Design]:
    """Run through the rows of a generalized model.

    Parameters
    ----------
    learned : Learned
        What the first pass found.
    source : TableSource
    spec : FamilySpec
    what : str
        What for, for the log.
    progress : bool or None
        See `Progress`.
    weighted : bool
        Whether weights are of use: those of ones are none.

    Raises
    ------
    DataError
        As `build_design` and `prepare_response`, of a batch.
    """
    for batch in learned.rules.batches(source, what, progress):
        if not len(batch.rows.index):
            continue
        design = design_of_batch(learned.frame, batch)
        design, _ = prepare_response(design, spec, batch.rows.index, is_part=True)
        yield design if weighted else replace(design, weights=None)


class Outline:
    """Sums, triangles and pairs of levels of the rows of a generalized model.

    Parameters
    ----------
    learned : Learned
        What the first pass found.
    source : TableSource
    spec : FamilySpec
    progress : bool, optional
        See `Progress`.
    """

    def __init__(
        self,
        learned: Learned,
        source: TableSource,
        spec: FamilySpec,
        progress: bool | None = None,
    ) -> None:
        self.learned, self.source, self.spec = learned, source, spec
        self.first = first_design(learned, source)
        blocks = self.first.blocks
        self.described = Described(learned.frame, self.first)
        self._odd: CountedRows | None = None
        self.n, self.largest = 0, 0
        self.log_weights, self.weights_differ = 0.0, False
        self.least, self.most = np.inf, -np.inf
        self.squares = 0.0
        self.lowest = np.full(self.first.X.shape[1], np.inf)
        self.highest = -self.lowest
        self._XR = np.empty((0, self.first.X.shape[1] + 1))
        self._z = [np.empty((0, block.z.shape[1])) for block in blocks]
        self._in_use = [np.zeros(block.z.shape[1], dtype=np.int64) for block in blocks]
        self._met = {pair: Met() for pair in combinations(range(len(blocks)), 2)}
        self._pairs: list[NDArray[np.int32]] = []
        each_design(learned, source, "pairs of levels", progress, self._add)

    @property
    def root(self) -> Array:
        """R of the QR decomposition of X, (p, p), of all rows without their weights."""
        return np.asarray(np.linalg.qr(self._XR[:, :-1], mode="r"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the response of some rows, as `prepare_response` says it."""
        return () if self._odd is None else (str(self._odd),)

    def _add(self, rows: Rows, design: Design) -> None:
        self._note(design, rows.index)
        self.described.add(rows, design)

    def _note(self, given: Design, index: pd.Index) -> None:
        """Take note of the rows of a batch."""
        design, notes = prepare_response(given, self.spec, index, is_part=True)
        for note in notes:
            if self._odd is None:
                self._odd = CountedRows(note)
            else:
                self._odd.add(note)
        n = len(design.y)
        self.n += n
        self.largest = max(self.largest, n)
        self.least = min(self.least, float(design.y.min()))
        self.most = max(self.most, float(design.y.max()))
        self.squares += float(design.y @ design.y)
        if design.weights is not None:
            self.log_weights += float(np.log(design.weights).sum())
            binomial = self.spec.family == "binomial"
            self.weights_differ |= not binomial or bool((design.weights != 1).any())
        self.lowest = np.minimum(self.lowest, design.X.min(axis=0))
        self.highest = np.maximum(self.highest, design.X.max(axis=0))
        self._XR = _stacked(self._XR, np.column_stack([design.X, np.ones(n)]))
        for at, block in enumerate(design.blocks):
            self._z[at] = _stacked(self._z[at], block.z)
            self._in_use[at] += np.count_nonzero(block.z, axis=0)
        self._note_pairs(design)

    def _note_pairs(self, design: Design) -> None:
        """Keep levels of rows with a pair of levels that is new."""
        refs = [block.refs for block in design.blocks]
        found = []
        for (a, b), met in self._met.items():
            codes, keys = pd.factorize((refs[a].astype(np.int64) << 32) | refs[b])
            found.append(met.number(codes, pd.Index(keys))[1])
        if found:
            rows = np.unique(np.concatenate(found))
            self._pairs.append(np.stack([each[rows] for each in refs], axis=1))

    def design(self) -> StreamedDesign:
        """Return the names and sizes of the model.

        Raises
        ------
        DataError
            If no model can be fitted to the response.
        """
        if not self.n:
            raise DataError("no rows are left: in each of them something is missing.")
        extremes = np.array([self.least, self.most])
        name = self.first.response_name
        if self.spec.family == "binomial":
            refuse_certain(extremes, name)
        elif self.spec.support in ("counts", "positive counts"):
            prepare_response(replace(self.first, y=extremes, weights=None), self.spec)
        else:
            check_varying_response(replace(self.first, y=extremes))
        X = self._XR[:, :-1]
        left = self._XR[:, -1] - X @ np.linalg.lstsq(X, self._XR[:, -1], rcond=None)[0]
        constant = int(X.shape[1] > 0 and float(left @ left) < 1e-16 * self.n)
        reduced = ReducedRows(self.n, self.log_weights, tuple(self._in_use), constant)
        size = max(len(X), *map(len, self._z))
        blocks = tuple(
            replace(block, z=_padded(z, size), refs=np.zeros(size, dtype=np.int32))
            for block, z in zip(self.first.blocks, self._z, strict=True)
        )
        return StreamedDesign(
            _padded(np.sqrt([self.squares]), size),
            _padded(X, size),
            None,
            None,
            blocks,
            name,
            self.first.x_names,
            self.first.response_levels,
            reduced,
        )

    def rows(self, progress: bool | None = None) -> StreamedRows:
        """Return what a fit needs."""
        weighted = self.weights_differ

        def batches() -> Iterator[Design]:
            return designs(self.learned, self.source, self.spec, "rows", progress, weighted)

        blocks = self.first.blocks
        if len(blocks) == 1:
            pairs = np.arange(len(blocks[0].levels), dtype=np.int32)[:, None]
        else:
            pairs = np.concatenate(self._pairs)
        return StreamedRows(
            batches, self.n, self.largest, weighted, self._XR[:, :-1], tuple(self._z), pairs
        )


def _padded(values: Array, size: int) -> Array:
    """Return values with rows of zeros beneath."""
    return np.concatenate([values, np.zeros((size - len(values), *values.shape[1:]))])


def _stacked(triangle: Array, rows: Array) -> Array:
    """Return a triangle with the cross-products of another and of rows beneath it."""
    return np.asarray(np.linalg.qr(np.vstack([triangle, rows]), mode="r"))
