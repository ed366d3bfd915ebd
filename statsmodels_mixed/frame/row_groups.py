"""Partitions of the rows of a design, and the design of some of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .._typing import Positions
from .design import Design, RandomBlock

__all__ = ["RowGroups", "design_of_rows", "lies_within", "without_empty_levels"]


@dataclass(frozen=True, eq=False)
class RowGroups:
    """A partition of the rows of a design.

    Parameters
    ----------
    name : str
        What the groups are called.
    codes : ndarray of int, shape (n,)
        Group of each row.
    levels : Index, shape (G,)
        Their labels.
    """

    name: str
    codes: Positions
    levels: pd.Index

    def __len__(self) -> int:
        return len(self.levels)

    @property
    def labels(self) -> pd.Series:
        """Label of each row; of an interaction a tuple."""
        labels = self.levels.take(self.codes)
        if isinstance(labels, pd.MultiIndex):
            labels = labels.to_flat_index()
        return pd.Series(labels, name=self.name)

    def rows(self) -> list[Positions]:
        """Return the rows of each group."""
        order = np.argsort(self.codes, kind="stable")
        return np.split(order, np.searchsorted(self.codes[order], np.arange(1, len(self))))


def lies_within(inner: NDArray[Any], outer: NDArray[Any]) -> bool:
    """Return whether rows, shape (n,), of one group in `inner` are of a single one in `outer`."""
    owner = np.zeros(int(inner.max(initial=-1)) + 1, dtype=outer.dtype)
    owner[inner] = outer
    return bool(np.array_equal(owner[inner], outer))


def design_of_rows(design: Design, rows: Positions | NDArray[np.bool_]) -> Design:
    """Return the design of some rows; all levels stay."""

    def part(values: NDArray[Any] | None) -> Any:
        return None if values is None else values[rows]

    blocks = [b.of_rows(rows, b.refs[rows], b.levels) for b in design.blocks]
    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        weights=part(design.weights),
        offset=part(design.offset),
        blocks=tuple(blocks),
    )


def without_empty_levels(blocks: Sequence[RandomBlock]) -> tuple[RandomBlock, ...]:
    """Return blocks without the levels that have no row; related levels stay."""
    kept = []
    for block in blocks:
        if block.related is not None:
            kept.append(block)
            continue
        present, refs = np.unique(block.refs, return_inverse=True)
        block = replace(block, refs=refs.astype(np.int32), levels=block.levels.take(present))
        kept.append(block.at_places_of(present) if block.own_places else block)
    return tuple(kept)
