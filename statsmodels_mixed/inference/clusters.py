"""Clusters: sets of rows that are independent of one another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..design import Design
from ..errors import OptionError

if TYPE_CHECKING:
    from ..models.base import MixedModel

__all__ = ["Clusters", "find_clusters", "row_labels", "rows_of"]

Positions = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Clusters:
    """A partition of the rows of a design.

    Parameters
    ----------
    name : str
        What the clusters are called.
    codes : ndarray of int, shape (n,)
        Cluster of each row.
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
        """Label of each row."""
        return pd.Series(self.levels.take(self.codes), name=self.name)

    def rows(self) -> list[Positions]:
        """Return the rows of each cluster."""
        order = np.argsort(self.codes, kind="stable")
        starts = np.searchsorted(self.codes[order], np.arange(1, len(self)))
        return np.split(order, starts)


def row_labels(model: MixedModel, given: Any, option: str) -> tuple[str, pd.Series]:
    """Return a name and the labels that an option gives to the rows of a model.

    Parameters
    ----------
    model : MixedModel
        With its data.
    given : str, Series or array_like, shape (n,)
        A grouping factor, a column of the formula, labels by the index of the data, or one
        label for each row that the model uses.
    option : str
        For messages.

    Raises
    ------
    OptionError
        If there is no such column, or the labels do not fit the rows.
    """
    design, index = model._kept_design(), model.data.row_labels
    if isinstance(given, str):
        for block in design.blocks:
            if block.name == given:
                return given, pd.Series(block.levels.take(block.refs).to_numpy())
        table = None if model.frame is None else model.frame.table
        if table is None or given not in table:
            known = [block.name for block in design.blocks]
            known += [] if table is None else [name for name in table if name not in known]
            raise OptionError(
                f"{option}={given!r} is no column of the model ({', '.join(known)}): give the "
                "labels themselves, such as data[column]"
            )
        return given, table[given].reset_index(drop=True)
    n = len(design.y)
    name = str(getattr(given, "name", None) or option)
    if isinstance(given, pd.Series) and index is not None and len(given) != n:
        if not given.index.is_unique:
            raise OptionError(f"the index of {option}= has labels twice: rows cannot be told")
        given = given.reindex(index)
    labels = pd.Series(given.array if isinstance(given, pd.Series) else list(given))
    if len(labels) != n:
        raise OptionError(
            f"{option}= must have one label for each of the {n} rows used, not {len(labels)}"
        )
    return name, labels


def find_clusters(model: MixedModel, given: Any, option: str = "groups") -> Clusters:
    """Read clusters and make sure that rows of different ones share no random effect.

    Parameters
    ----------
    model, given, option
        As for `row_labels`.

    Raises
    ------
    OptionError
        If a label is missing, there is a single cluster, or some level of a grouping factor
        occurs in several clusters.
    """
    name, labels = row_labels(model, given, option)
    if labels.isna().any():
        raise OptionError(f"{option}= has missing labels: leave these rows out with subset=")
    codes, levels = pd.factorize(labels, sort=False)
    clusters = Clusters(name, codes, pd.Index(levels))
    if len(clusters) < 2:
        raise OptionError(f"{option}= has a single cluster: two or more are needed")
    for block in model._kept_design().blocks:
        owner = np.empty(len(block.levels), dtype=np.intp)
        owner[block.refs] = codes
        if not np.array_equal(owner[block.refs], codes):
            raise OptionError(
                f"levels of {block.name!r} occur in several clusters of {option}=, which makes "
                "these dependent: give clusters that hold every level of every grouping factor "
                "whole"
            )
    return clusters


def rows_of(design: Design, rows: Positions) -> Design:
    """Return the design of some rows only, with the levels that occur in them."""
    blocks = []
    for block in design.blocks:
        present, refs = np.unique(block.refs[rows], return_inverse=True)
        levels = block.levels.take(present)
        blocks.append(replace(block, z=block.z[rows], refs=refs.astype(np.int32), levels=levels))
    return replace(
        design,
        y=design.y[rows],
        X=design.X[rows],
        weights=None if design.weights is None else design.weights[rows],
        offset=None if design.offset is None else design.offset[rows],
        blocks=tuple(blocks),
    )
