"""Intervals for new responses whose distribution is drawn from rather than inverted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .._typing import Array

__all__ = ["DrawnResponses"]


# Draws for each row: they miss a tail probability of 0.025 by a standard error of 0.0016.
_DRAWS = 10_000
# Numbers that are drawn at once.
_AT_ONCE = 1_000_000


@dataclass(frozen=True, eq=False)
class DrawnResponses:
    """New responses in predicted rows, given normal predictors.

    Parameters
    ----------
    linear, variance : ndarray, shape (m,)
        Of the linear predictor of the mean: its prediction, and the variance of that with the
        variance of random effects that it leaves out.
    zeros : ndarray, shape (m,)
        Variance of the logit of zeros that random effects leave, which are independent of those
        of the mean.
    respond : callable
        Draws responses given rows, linear predictors, and what is added to logits of zeros.
    """

    linear: Array
    variance: Array
    zeros: Array
    respond: Callable[[np.random.Generator, Array, Array, Array], Array]

    def quantiles(self, levels: tuple[float, float]) -> Array:
        """Return sample quantiles, shape (m, 2); NaN where there is no prediction.

        The same rows have the same draws, so that intervals can be repeated.
        """
        out = np.full((len(self.linear), 2), np.nan)
        known = np.flatnonzero(np.isfinite(self.linear + self.variance + self.zeros))
        rng = np.random.default_rng(0)
        size = max(1, _AT_ONCE // _DRAWS)
        for first in range(0, len(known), size):
            rows = known[first : first + size]
            shape = (len(rows), _DRAWS)
            spread = np.sqrt(self.variance[rows, None])
            eta = self.linear[rows, None] + spread * rng.standard_normal(shape)
            zeta = np.sqrt(self.zeros[rows, None]) * rng.standard_normal(shape)
            drawn = self.respond(rng, np.repeat(rows, _DRAWS), eta.ravel(), zeta.ravel())
            found = np.quantile(drawn.reshape(shape), levels, axis=1, method="inverted_cdf")
            out[rows] = found.T
        return out
