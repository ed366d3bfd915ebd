"""The rows of a fit: their labels, and the groups that an option puts them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..errors import DataError, OptionError
from ..frame.design_checks import refuse_related
from ..frame.row_groups import RowGroups, lies_within
from ..frame.table.alignment import align
from ..frame.table.columns import as_array, as_column, tidy_values
from ..frame.table.grouping import factorize
from .fitted_model import FittedModel

if TYPE_CHECKING:
    from .base import MixedModelResults

__all__ = ["by_row", "find_clusters", "group_rows", "row_labels"]


def row_labels(result: MixedModelResults) -> pd.Index:
    """Return the user's labels of the rows of a fit; numbers from 0 if they have none."""
    labels: pd.Index | None = result.model.data.row_labels
    return pd.RangeIndex(result.layout.nobs) if labels is None else labels


def by_row(result: MixedModelResults, values: NDArray[Any], name: str) -> pd.Series:
    """Return values of the rows, shape (n,), with their labels."""
    return pd.Series(values, index=row_labels(result), name=name)


def group_rows(model: FittedModel, given: str | ArrayLike, option: str) -> RowGroups:
    """Read how an option groups the rows of a model.

    Parameters
    ----------
    model : FittedModel
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
    design = model.kept_design()
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
                "labels themselves, such as data[column]."
            )
        name, labels = given, table[given]
    else:
        name = str(getattr(given, "name", None) or option)
        labels = _labels(given, len(design.y), model.data.row_labels, option)
    try:
        codes, levels = factorize(tidy_values(labels))
    except DataError as error:
        raise OptionError(f"{option}= {error}") from error
    if np.any(codes < 0):
        count = int(np.sum(codes < 0))
        raise OptionError(f"{option}= has missing labels in {count} rows: give all rows a label.")
    return RowGroups(name, codes.astype(np.intp), pd.Index(levels, name=name))


def _labels(given: Any, n: int, index: pd.Index | None, option: str) -> pd.Series:
    """Return labels of n rows, shape (n,)."""
    given = align(given, index, f"{option}=", within=True)
    labels = given if isinstance(given, pd.Series) else as_array(given, f"{option}=")
    shape = labels.shape
    if shape != (n,):
        raise OptionError(
            f"{option}= must have one label for each of the {n} rows used, not shape {shape}."
        )
    return as_column(getattr(labels, "array", labels), None, f"{option}=")


def find_clusters(model: FittedModel, given: Any, option: str = "groups") -> RowGroups:
    """Read clusters and make sure that rows of different ones share no random effect.

    Parameters
    ----------
    model, given, option
        As for `group_rows`.

    Raises
    ------
    OptionError
        If a label is missing, there is a single cluster, levels are related, or some level of a
        grouping factor occurs in several clusters.
    """
    refuse_related(model.kept_design(), "a covariance by clusters")
    clusters = group_rows(model, given, option)
    if len(clusters) < 2:
        raise OptionError(f"{option}= has a single cluster: two or more are needed.")
    for block in model.kept_design().blocks:
        if not lies_within(block.refs, clusters.codes):
            raise OptionError(
                f"levels of {block.name!r} occur in several clusters of {option}=, which makes "
                "these dependent: give clusters that hold every level of every grouping factor "
                "whole."
            )
    return clusters
