"""Clusters of rows that are independent of one another, for empirical covariances."""

from __future__ import annotations

from typing import Any

import pandas as pd
from numpy.typing import NDArray

from ...errors import OptionError
from ...frame.design_checks import refuse_related
from ...frame.row_groups import RowGroups, lies_within
from ...results.row_labels import group_rows
from .likelihood import ResidualLikelihood

__all__ = ["independent_clusters"]


def independent_clusters(model: ResidualLikelihood, given: Any) -> RowGroups:
    """Return clusters of rows that are independent of one another; None: the subjects."""
    design, cells = model.kept_design(), model.cells
    refuse_related(design, "a covariance by clusters")
    if given is None:
        if model.residual is None or not model.residual.subject:
            raise OptionError('cov_type="cluster" needs cov_kwds={"groups": ...} here.')
        name = " & ".join(model.residual.subject)
        levels = pd.RangeIndex(cells.n_subjects)
        clusters = RowGroups(name, cells.subject, levels)
    else:
        clusters = group_rows(model, given, "groups")
    if len(clusters) < 2:
        raise OptionError("groups= has a single cluster: two or more are needed.")
    parts: list[NDArray[Any]] = [cells.subject, *(block.refs for block in design.blocks)]
    if not all(lies_within(one, clusters.codes) for one in parts):
        raise OptionError(
            "rows of one subject, or of one level of random effects, are in several clusters "
            "of groups=, which makes these dependent: give clusters that hold them whole."
        )
    return clusters
