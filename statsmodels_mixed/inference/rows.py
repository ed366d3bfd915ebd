"""Rows of a fit: their labels, sets of them, and the design of some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..design import Design, RandomBlock
from ..errors import OptionError
from ..frame.alignment import align

if TYPE_CHECKING:
    from ..models.base import MixedModel
    from ..results.base import MixedModelResults

__all__ = [
    "RowGroups",
    "by_row",
    "design_of_rows",
    "group_rows",
    "lies_within",
    "row_labels",
    "without_empty_levels",
]

Positions = NDArray[np.intp]


def row_labels(result: MixedModelResults) -> pd.Index:
    """Return the user's labels of the rows of a fit; numbers from 0 if they have none."""
    labels: pd.Index | None = result.model.data.row_labels
    return pd.RangeIndex(result.layout.nobs) if labels is None else labels


def by_row(result: MixedModelResults, values: NDArray[Any], name: str) -> pd.Series:
    """Return values of the rows, shape (n,), with their labels."""
    return pd.Series(values, index=row_labels(result), name=name)


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


def group_rows(model: MixedModel, given: str | ArrayLike, option: str) -> RowGroups:
    """Read how an option groups the rows of a model.

    Parameters
    ----------
    model : MixedModel
        With its data.
    given : str, Series or array_like, shape (n,)
        A grouping factor, a column of the formula, or one label for each row that the model
        uses; a Series is taken by its index.
    option : str
        For messages.

    Raises
    ------
    OptionError
        If there is no such column, labels are missing or do not go with the rows.
    """
    design = model._kept_design()
    if isinstance(given, str):
        for block in design.blocks:
            if block.name == given:
                return RowGroups(given, block.refs.astype(np.intp), block.levels)
        table = None if model.frame is None else model.frame.table
        if table is None or given not in table:
            known = [block.name for block in design.blocks]
            known += [] if table is None else [name for name in table if name not in known]
            raise OptionError(
                f"{option}={given!r} is no column of the model ({', '.join(known)}): give the "
                "labels themselves, such as data[column]"
            )
        name, labels = given, table[given]
    else:
        name = str(getattr(given, "name", None) or option)
        labels = _labels(given, len(design.y), model.data.row_labels, option)
    codes, levels = pd.factorize(labels, sort=True)
    if np.any(codes < 0):
        count = int(np.sum(codes < 0))
        raise OptionError(f"{option}= has missing labels in {count} rows: give all rows a label")
    return RowGroups(name, codes, pd.Index(levels, name=name))


def _labels(given: Any, n: int, index: pd.Index | None, option: str) -> pd.Series:
    """Return labels of n rows, shape (n,)."""
    given = align(given, index, f"{option}=", within=True)
    if np.ndim(given) != 1 or len(given) != n:
        shape = np.shape(given)
        raise OptionError(
            f"{option}= must have one label for each of the {n} rows used, not shape {shape}"
        )
    return pd.Series(given.array if isinstance(given, pd.Series) else np.asarray(given))


def lies_within(inner: NDArray[Any], outer: NDArray[Any]) -> bool:
    """Tell whether rows, shape (n,), of one group in `inner` are of a single one in `outer`."""
    owner = np.zeros(int(inner.max(initial=-1)) + 1, dtype=outer.dtype)
    owner[inner] = outer
    return bool(np.array_equal(owner[inner], outer))


def design_of_rows(design: Design, rows: Positions | NDArray[np.bool_]) -> Design:
    """Return the design of some rows; all levels stay."""

    def part(values: NDArray[Any] | None) -> Any:
        return None if values is None else values[rows]

    blocks = [replace(b, z=b.z[rows], refs=b.refs[rows]) for b in design.blocks]
    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        weights=part(design.weights),
        offset=part(design.offset),
        blocks=tuple(blocks),
    )


def without_empty_levels(blocks: Sequence[RandomBlock]) -> tuple[RandomBlock, ...]:
    """Return blocks without the levels that have no row."""
    kept = []
    for block in blocks:
        present, refs = np.unique(block.refs, return_inverse=True)
        kept.append(replace(block, refs=refs.astype(np.int32), levels=block.levels.take(present)))
    return tuple(kept)
