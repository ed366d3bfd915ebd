"""Starts far from a minimum at the end of a range, where few rows may have several minima.

A correlation of one is often a minimum of its own, and so is a residual variance of zero. Others,
which may be lower, are found from other correlations and sizes (multistart, Rinnooy Kan and Timmer
1987). The scatter is the same for every fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..._typing import Array
from ...structures import FreeCoordinates

__all__ = ["starts_off_the_edge"]


STARTS = 10
# Coordinates of correlations, whose sines they are, between which starts are drawn.
INSIDE = 1.4


def starts_off_the_edge(
    ranges: Sequence[tuple[slice, FreeCoordinates]], end: Array, usable: Callable[[Array], bool]
) -> list[Array]:
    """Return coordinates from which a search may end below a minimum at the end of a range.

    Parameters
    ----------
    ranges : sequence of (slice, FreeCoordinates)
        The coordinates of each structure, and what they are.
    end : ndarray, shape (m,)
        Coordinates of the minimum, perhaps with others.
    usable : callable
        Whether there is an objective at coordinates.
    """
    draws = np.random.default_rng(0)
    found = []
    for _ in range(STARTS):
        x = end + draws.normal(size=len(end))
        for at, coordinates in ranges:
            count = at.stop - at.start
            scaled = end[at] * np.exp(draws.normal(size=count))
            inside = draws.uniform(-INSIDE, INSIDE, count)
            x[at] = np.where(
                coordinates.interval, inside, np.where(coordinates.half != 0, x[at], scaled)
            )
        if usable(x):
            found.append(x)
    return found
