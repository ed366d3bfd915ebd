"""Starts far from a minimum at the end of a range, where few rows may have several minima.

A correlation of one is often a minimum of its own. Others, which may be lower, are found from
other correlations and sizes (multistart, Rinnooy Kan and Timmer 1987). The scatter is the same for
every fit.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from .likelihood import MarginalLikelihood

__all__ = ["other_starts"]


STARTS = 10
# Rows for each parameter from which the likelihood is taken to have one maximum.
MANY_ROWS = 50
# Coordinates of correlations, whose sines they are, between which starts are drawn.
INSIDE = 1.4


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
    if rows > MANY_ROWS * model.size or not _at_edge(likelihood, end):
        return []
    draws = np.random.default_rng(0)
    found = []
    for _ in range(STARTS):
        x = end + draws.normal(size=len(end))
        for part in model.parts:
            at, coordinates = part.parameters, part.free.coordinates
            count = at.stop - at.start
            scaled = end[at] * np.exp(draws.normal(size=count))
            inside = draws.uniform(-INSIDE, INSIDE, count)
            x[at] = np.where(
                coordinates.interval, inside, np.where(coordinates.half != 0, x[at], scaled)
            )
        if likelihood.solve(model.at(x)) is not None:
            found.append(x)
    return found


def _at_edge(likelihood: MarginalLikelihood, end: Array) -> bool:
    """Return whether a correlation is at the end of its range."""
    parts = likelihood.model.parts
    return any(
        part.free.coordinates.at_bounds(part.free.phi(end[part.parameters])).any() for part in parts
    )
