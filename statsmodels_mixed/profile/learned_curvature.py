"""A deviance whose curvature is known but for some part, which its gradients tell.

The core's curvature of a linear model is the average information, far along a parameter less than
half of the curvature; that of a generalized one leaves out how Omega changes with the third
derivatives of the rows: little for counts, a third for ordered categories. Constrained minima would
be approached by that share a step. What is left out is learned from the gradients at successive
points (``csrc/src/minimize/learned.c``).
What was learned far along one parameter says little of where that of the next begins: each
parameter learns for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .._core.constrained import CurvatureMemory
from .._typing import Array
from .constrained_minimum import ConstrainedMinimum, Landscape, constrained_minimum
from .constraints import Constraint

__all__ = ["LandscapeWithSaddles", "LearnedCurvature"]


class LandscapeWithSaddles(Landscape, Protocol):
    """A landscape that says where it has saddles."""

    @property
    def saddles(self) -> Sequence[int]:
        """Variables near zero with a negative curvature, at the x of the last `derivatives`."""


class LearnedCurvature:
    """A landscape with a curvature that is corrected by the gradients that it has had.

    Parameters
    ----------
    landscape : LandscapeWithSaddles
    """

    def __init__(self, landscape: LandscapeWithSaddles) -> None:
        self._landscape = landscape
        self._memory: CurvatureMemory | None = None

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
        if found is None and self._memory is not None and self._memory.left_out.any():
            # What was learned elsewhere, or of rounding errors where all is flat, may mislead.
            self._memory = None
            found = constrained_minimum(self, constraint, value, start)
        return found

    def derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return gradient and approximate Hessian at the x of the last `value`."""
        gradient, curvature = self._landscape.derivatives(x)
        if self._memory is None:
            self._memory = CurvatureMemory(len(x))
        learned = self._memory.learned(x, gradient, curvature)
        for i in self._landscape.saddles:
            # To be left, although the curvature was positive elsewhere.
            learned[i, i] = min(learned[i, i], curvature[i, i])
        return gradient, learned
