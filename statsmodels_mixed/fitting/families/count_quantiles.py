"""Quantiles of mixtures of counts whose distribution functions have no closed form.

Probabilities are summed from the least count that has any until the sum reaches what is asked for.
As many counts are too many where means are large. There the mixture is smooth, and a panel of
counts a, ..., b - 1 is summed by the formula of Euler and Maclaurin for midpoints,

    sum f(k) = int f - (f' / 24 - 7 f''' / 5760) between a - 1/2 and b - 1/2,

with central differences for the derivatives and Gauss and Legendre's rule for the integral. The
panel in which the sum reaches the probability is divided until its counts can be summed one by one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._typing import Array

__all__ = ["count_quantiles"]

Mass = Callable[[Array], Array]

# Counts up to this one, and panels of no more than that, are summed one by one.
SINGLE = 48
# Width of a panel, in units of the spread of the mixture there.
WIDTH = 0.75
MOST_PANELS = 100_000
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
# So that rounding does not pass over a count that reaches a probability.
ROUNDING = 1e-12


def count_quantiles(
    mass: Mass, spread: Mass, first: float, probabilities: tuple[float, ...]
) -> Array:
    """Return the least counts at which a distribution function reaches probabilities.

    Parameters
    ----------
    mass : callable
        Probability of each of some counts, (k,), and what continues it between them.
    spread : callable
        Scale on which that changes about each of some counts.
    first : float
        A count below which there is nothing.
    probabilities : tuple of float

    Returns
    -------
    ndarray, shape (len(probabilities),)
        The last count that there is where all do not come to the probability; NaN where there are
        none, or doubles do not tell counts apart.
    """
    out = np.full(len(probabilities), np.nan)
    wanted = np.array(probabilities) - ROUNDING
    at, total = float(np.floor(first)), 0.0
    before = at, float(SINGLE), 0.0
    for _ in range(MOST_PANELS):
        width = _width(at, spread)
        if not at + width > at:  # beyond whole numbers
            break
        part = _sum(mass, at, at + width)
        reached = np.isnan(out) & (wanted <= total + part)
        for i in np.flatnonzero(reached):
            out[i] = _inside(mass, at, width, wanted[i] - total)
        if total > 0.5 and part < ROUNDING:
            out[np.isnan(out)] = _inside(mass, *before)
        if not (np.isnan(out).any() and np.isfinite(part)):
            break
        before = at, width, part - ROUNDING
        at, total = at + width, total + part
    return out


def _width(at: float, spread: Mass) -> float:
    """Return how many counts the panel has that begins at a count."""
    wide = WIDTH * float(spread(np.array([at + 1.0]))[0])
    return max(float(SINGLE), float(np.floor(min(wide, at / 2.0))))


def _sum(mass: Mass, first: float, last: float) -> float:
    """Return the sum over the counts from the first one to that before the last."""
    if last - first <= SINGLE:
        return float(mass(np.arange(first, last)).sum())
    half = (last - first) / 2.0
    inner = first - 0.5 + half * (1.0 + _NODES)
    ends = np.array([first, last])[:, None] + np.arange(-2.0, 2.0)
    values = mass(np.concatenate([inner, ends.ravel()]))
    before, f, g, after = values[len(inner) :].reshape(2, 4).T
    slope, third = g - f, after - 3.0 * g + 3.0 * f - before
    # The first difference is f' + f''' / 24.
    edge = slope / 24.0 - 17.0 / 5760.0 * third
    return float(half * (_WEIGHTS @ values[: len(inner)]) - (edge[1] - edge[0]))


def _inside(mass: Mass, at: float, width: float, wanted: float) -> float:
    """Return where in a panel the sum from its beginning reaches what is wanted."""
    while width > SINGLE:
        half = np.ceil(width / 2.0)
        part = _sum(mass, at, at + half)
        if part < wanted:
            at, wanted, half = at + half, wanted - part, width - half
        width = half
    sums = np.cumsum(mass(np.arange(at, at + width)))
    return at + min(float(np.searchsorted(sums, wanted)), width - 1.0)
