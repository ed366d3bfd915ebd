"""Starts far from a minimum at the end of a range, where few rows may have several minima.

A correlation of one is often a minimum of its own, and so are a residual variance of zero and a
range that leaves no correlation. Others, which may be lower, are found from other correlations and
sizes (multistart, Rinnooy Kan and Timmer 1987). The scatter is the same for every fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..._typing import Array
from ...structures import Unconstrained

__all__ = ["is_at_edge", "starts_off_the_edge"]


STARTS = 10
# Coordinates of correlations, whose sines they are, between which starts are drawn.
INSIDE = 1.4


def is_at_edge(free: Unconstrained, x: Array) -> bool:
    """Return whether a parameter of a structure is at the end of its range, or has no effect."""
    reached = free.coordinates.at_bounds(free.phi(x)) != 0
    return bool(reached.any() or free.without_effect(x).any())


def starts_off_the_edge(
    structures: Sequence[tuple[slice, Unconstrained]], end: Array, usable: Callable[[Array], bool]
) -> list[Array]:
    """Return coordinates from which a search may end below a minimum at the end of a range.

    Parameters
    ----------
    structures : sequence of (slice, Unconstrained)
        Each structure, and where its coordinates are.
    end : ndarray, shape (m,)
        Coordinates of the minimum, perhaps with others, which are not at an end.
    usable : callable
        Whether there is an objective at coordinates.
    """
    draws = np.random.default_rng(0)
    middle = end.copy()
    for at, free in structures:
        middle[at] = np.where(free.without_effect(end[at]), free.x(free.start), end[at])
    found = []
    for _ in range(STARTS):
        x = middle + draws.normal(size=len(end))
        for at, free in structures:
            kinds = free.coordinates
            scaled = end[at] * np.exp(draws.normal(size=free.size))
            inside = draws.uniform(-INSIDE, INSIDE, free.size)
            x[at] = np.where(kinds.interval, inside, np.where(kinds.half != 0, x[at], scaled))
        if usable(x):
            found.append(x)
    return found
