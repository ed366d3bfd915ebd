"""The likelihood-ratio statistic, by how much a larger model fits better than one in it."""

from __future__ import annotations

__all__ = ["difference_of_minima"]

# Differences of minima up to this, and this share of an objective, are taken for zero.
SETTLED = 1e-6
ROUNDING = 1e-11


def difference_of_minima(restricted: float, full: float) -> float:
    """Return the objective of the smaller model less that of the larger.

    Where the larger model is at an edge that makes it the smaller one, they differ only by where
    two searches ended: that is zero. A difference below that says that the larger model
    was not fitted to its minimum, and is returned as it is.

    Parameters
    ----------
    restricted, full : float
        The minima of -2 log-likelihood, or of REML criteria.
    """
    difference = restricted - full
    return 0.0 if abs(difference) <= SETTLED + ROUNDING * abs(full) else difference
