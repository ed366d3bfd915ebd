"""Clusters: groups of rows that are independent of one another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import OptionError
from .rows import RowGroups, group_rows, lies_within

if TYPE_CHECKING:
    from ..models.base import MixedModel

__all__ = ["find_clusters"]


def find_clusters(model: MixedModel, given: Any, option: str = "groups") -> RowGroups:
    """Read clusters and make sure that rows of different ones share no random effect.

    Parameters
    ----------
    model, given, option
        As for `group_rows`.

    Raises
    ------
    OptionError
        If a label is missing, there is a single cluster, or some level of a grouping factor
        occurs in several clusters.
    """
    clusters = group_rows(model, given, option)
    if len(clusters) < 2:
        raise OptionError(f"{option}= has a single cluster: two or more are needed")
    for block in model._kept_design().blocks:
        if not lies_within(block.refs, clusters.codes):
            raise OptionError(
                f"levels of {block.name!r} occur in several clusters of {option}=, which makes "
                "these dependent: give clusters that hold every level of every grouping factor "
                "whole"
            )
    return clusters
