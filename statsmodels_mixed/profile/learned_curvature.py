"""A deviance whose curvature is known but for some part, which its gradients tell.

The core's curvature of a linear model is the average information, far along a parameter less than
half of the curvature; that of a generalized one leaves out how Omega changes with the third
derivatives of the rows: little for counts, a third for ordered categories. Constrained minima would
be approached by that share a step. What is left out is learned from the gradients at successive
points, by symmetric updates of rank one (Nocedal and Wright 2006, Numerical optimization, section
6.2). Between two points the curvature is the mean of those at both, but for terms of third order.
What was learned far along one parameter says little of where that of the next begins: each
parameter learns for itself.
"""

from __future__ import annotations

import math

import numpy as np

from .._typing import Array
from .constrained_minimum import (
    ConstrainedMinimum,
    Landscape,
    constrained_minimum,
    curvature_sizes,
)
from .constraints import Constraint

__all__ = ["LearnedCurvature"]


# Cosine of a step and of what the gradient has changed unexpectedly from which that is believed.
SECANT = 1e-3
# Steps in units in which curvatures are one after which a gradient has changed by rounding only.
SHORT = 1e-3
# What is left out is below this multiple of the curvatures of single variables.
MOST = 10.0


class LearnedCurvature:
    """A landscape with a curvature that is corrected by the gradients that it has had.

    Parameters
    ----------
    landscape : Landscape
    """

    def __init__(self, landscape: Landscape) -> None:
        self._landscape = landscape
        self._last: tuple[Array, Array, Array] | None = None
        self._left_out: Array | float = 0.0

    def keep_off_zero(self, x: Array) -> Array:
        """Return x, moved off zero where every derivative vanishes for any data."""
        return self._landscape.keep_off_zero(x)

    def value(self, x: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""
        return self._landscape.value(x)

    def constrained_minimum(
        self, constraint: Constraint, value: float, start: Array
    ) -> ConstrainedMinimum | None:
        """Return the minimum where a constraint has a value; None if there is none."""
        found = constrained_minimum(self, constraint, value, start)
        if found is None and not isinstance(self._left_out, float):
            # What was learned elsewhere, or of rounding errors where all is flat, may mislead.
            self._last, self._left_out = None, 0.0
            found = constrained_minimum(self, constraint, value, start)
        return found

    def derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return gradient and approximate Hessian at the x of the last `value`."""
        gradient, curvature = self._landscape.derivatives(x)
        corrected = curvature + self._left_out
        if self._last is not None:
            place, slope, before = self._last
            between = 0.5 * (curvature + before) + self._left_out
            if self._learn(x - place, gradient - slope, curvature.diagonal(), between):
                corrected = curvature + self._left_out
        self._last = x, gradient, curvature
        return gradient, corrected

    def _learn(self, step: Array, change: Array, curvatures: Array, between: Array) -> bool:
        """Update what is left out, so that the Hessian gives the change of the gradient."""
        sizes = curvature_sizes(curvatures)
        moved = math.hypot(*(step * sizes).tolist())
        if moved < SHORT:
            return False
        rest = change - between @ step
        length = math.hypot(*(rest / sizes).tolist()) * moved
        along = float(rest @ step) if length < math.inf else 0.0
        if not abs(along) > SECANT * length:
            return False
        self._left_out = self._left_out + rest[:, None] * (rest / along)
        if not (np.abs(self._left_out) < MOST * sizes[:, None] * sizes).all():
            self._left_out = 0.0  # learned where all was different
        return True
