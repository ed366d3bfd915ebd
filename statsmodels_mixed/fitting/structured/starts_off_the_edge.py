"""Starts far from a minimum at the end of a range, where few rows may have several minima.

A correlation of one is often a minimum of its own, and so are a residual variance of zero, a range
that leaves no correlation, and effects that others of the same levels take over. Others, which may
be lower, are found from other correlations and sizes (multistart, Rinnooy Kan and Timmer 1987). The
scatter is the same for every fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...structures import Unconstrained

__all__ = ["is_at_edge", "starts_off_the_edge"]

# A structure, where its coordinates are, and the factor whose levels its effects are of.
Placed: TypeAlias = "tuple[slice, Unconstrained, str]"


STARTS = 10
# Coordinates of correlations, whose sines they are, between which starts are drawn.
INSIDE = 1.4


# A standard deviation below this share of its size at the start is none.
NO_EFFECT = 1e-3


def is_at_edge(structures: Sequence[Placed], end: Array, start: Array) -> bool:
    """Return whether a minimum is at the end of a range.

    Parameters
    ----------
    structures : sequence of (slice, Unconstrained, str)
    end, start : ndarray, shape (m,)
        Coordinates of the minimum, and of where the search began.
    """
    correlated = Counter(group for _, free, group in structures if free.size > len(_scales(free)))
    for at, free, group in structures:
        reached = free.coordinates.at_bounds(free.phi(end[at])) != 0
        if (reached | free.without_effect(end[at])).any():
            return True
        others = correlated[group] - (free.size > len(_scales(free)))
        if others and _vanished(free, end[at], start[at]).any():
            return True
    return False


def _scales(free: Unconstrained) -> list[int]:
    """Return which coordinates are standard deviations that may be zero."""
    return list(free.structure.read().even_scales)


def _vanished(free: Unconstrained, x: Array, start: Array) -> NDArray[np.bool_]:
    """Return which of the coordinates are standard deviations that have become zero."""
    scales = np.zeros(free.size, dtype=bool)
    scales[_scales(free)] = True
    return scales & (np.abs(x) < NO_EFFECT * np.abs(start))


def starts_off_the_edge(
    structures: Sequence[Placed],
    end: Array,
    start: Array,
    usable: Callable[[Array], bool],
) -> list[Array]:
    """Return coordinates from which a search may end below a minimum at the end of a range.

    Parameters
    ----------
    structures : sequence of (slice, Unconstrained, str)
    end : ndarray, shape (m,)
        Coordinates of the minimum, perhaps with others, which are not at an end.
    start : ndarray, shape (m,)
        Where the search began: there are effects that have vanished.
    usable : callable
        Whether there is an objective at coordinates.
    """
    draws = np.random.default_rng(0)
    middle = end.copy()
    for at, free, _ in structures:
        middle[at] = np.where(free.without_effect(end[at]), free.x(free.start), end[at])
        middle[at] = np.where(_vanished(free, end[at], start[at]), start[at], middle[at])
    found = []
    for _ in range(STARTS):
        x = middle + draws.normal(size=len(end))
        for at, free, _ in structures:
            kinds = free.coordinates
            scaled = middle[at] * np.exp(draws.normal(size=free.size))
            inside = draws.uniform(-INSIDE, INSIDE, free.size)
            x[at] = np.where(kinds.interval, inside, np.where(kinds.half != 0, x[at], scaled))
        if usable(x):
            found.append(x)
    return found
