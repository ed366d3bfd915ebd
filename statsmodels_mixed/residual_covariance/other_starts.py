"""Starts elsewhere for models with correlated residuals; see `fitting.starts_off_the_edge`."""

from __future__ import annotations

from .._typing import Array
from ..fitting.structured.several_starts import MANY_ROWS
from ..fitting.structured.starts_off_the_edge import is_at_edge, starts_off_the_edge
from .likelihood import MarginalLikelihood

__all__ = ["other_starts"]


def other_starts(likelihood: MarginalLikelihood, end: Array) -> list[Array]:
    """Return coordinates from which a search may end below a minimum at the end of a range.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    end : ndarray
        Coordinates of the minimum.

    Returns
    -------
    list of ndarray
        Empty if the minimum is inside all ranges or there are many rows.
    """
    model = likelihood.model
    rows = sum(batch.rows.size for batch in likelihood.batches)
    structures = [(part.parameters, part.free) for part in model.parts]
    at_edge = any(is_at_edge(free, end[at]) for at, free in structures)
    if rows > MANY_ROWS * model.size or not at_edge:
        return []
    return starts_off_the_edge(structures, end, lambda x: likelihood.solve(model.at(x)) is not None)
