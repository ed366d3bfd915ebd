"""Starts elsewhere for models with correlated residuals; see `fitting.starts_off_the_edge`."""

from __future__ import annotations

from .._typing import Array
from ..fitting.structured.several_starts import MANY_ROWS
from ..fitting.structured.starts_off_the_edge import is_at_edge, starts_off_the_edge
from .likelihood import MarginalLikelihood

__all__ = ["other_starts"]


def other_starts(
    likelihood: MarginalLikelihood, end: Array, start: Array, subject: str
) -> list[Array]:
    """Return coordinates from which a search may end below a minimum at the end of a range.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    end, start : ndarray
        Coordinates of the minimum, and of where the search began.
    subject : str
        The factor whose levels have independent residuals.

    Returns
    -------
    list of ndarray
        Empty if the minimum is inside all ranges or there are many rows.
    """
    model = likelihood.model
    rows = sum(batch.rows.size for batch in likelihood.batches)
    if rows > MANY_ROWS * model.size:
        return []
    structures = [
        (part.parameters, part.free, subject if part.block < 0 else part.name)
        for part in model.parts
    ]
    if not is_at_edge(structures, end, start):
        return []
    return starts_off_the_edge(
        structures, end, start, lambda x: likelihood.solve(model.at(x)) is not None
    )
