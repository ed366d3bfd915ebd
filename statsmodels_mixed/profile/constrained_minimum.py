"""The deviance of a linear model as a function of theta and sigma, and minima on it.

The deviance is d(theta, sigma) = L(theta) + n log(2 pi sigma^2) + r2(theta) / sigma^2. The core
gives it, its gradient and its curvature in theta and log sigma (``csrc/src/linear/log_sigma.c``),
and the steps of its minimization along a constraint (``csrc/src/minimize/constrained.c``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace
from .._core.constrained import (
    AlongConstraint,
    ConstrainedStep,
    constrained_step,
    curvature_sizes,
    derivatives_log_sigma,
)
from .._typing import Array
from ..errors import CoreError
from .constraints import Constraint

__all__ = [
    "ConstrainedMinimum",
    "Landscape",
    "Surface",
    "constrained_minimum",
    "keep_off_zero",
]


# Elements of the diagonals of T are kept this far from zero, where every derivative
# vanishes for any data.
NEAR_ZERO = 1e-7
# A minimum is good enough when the quadratic model promises less than this; what it
# promises is taken into account all the same.
PROMISE = 1e-6
# Curvatures below this share count as flat, and as negative likewise: of the largest in units in
# which those of single variables are one.
FLAT = 1e-6
# Relative length of a step that is believed without an evaluation.
NEAR = 1e-2
STEP_LIMIT = 2.0
LARGEST_LOG = 300.0
# Regular minima take less than 30 evaluations from their neighbours.
MAX_STEPS = 100
MAX_EVALUATIONS = 200


class Landscape(Protocol):
    """A deviance as a function of some variables x, evaluated one point at a time."""

    def keep_off_zero(self, x: Array) -> Array:
        """Return x, moved off zero where every derivative vanishes for any data."""

    def value(self, x: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""

    def derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return gradient and approximate Hessian at the x of the last `value`."""


class Surface:
    """The deviance of a linear model at points x = (theta in units of its scale, log sigma).

    Parameters
    ----------
    workspace : CoreWorkspace
        Its criterion is changed by every evaluation.
    diagonal : ndarray of int
        Positions in theta of the diagonal elements of T.
    sigma : float or None
        Known residual standard deviation, which is then no variable.
    """

    saddles: Sequence[int] = ()

    def __init__(
        self, workspace: CoreWorkspace, diagonal: NDArray[np.intp], sigma: float | None
    ) -> None:
        self.workspace = workspace
        self.scale = workspace.theta_scale()
        self.sigma = sigma
        self._diagonal = diagonal
        self._nt = workspace.design.ntheta
        self._units = self.scale if sigma is not None else np.append(self.scale, 1.0)
        self._outer = np.outer(self._units, self._units)

    def point(self, theta: Array, sigma: float) -> Array:
        """Return the x of theta and sigma."""
        tau = [] if self.sigma is not None else [math.log(sigma)]
        return np.concatenate([theta / self.scale, tau])

    def parameters(self, x: Array) -> tuple[Array, float]:
        """Return the theta and the sigma of x."""
        sigma = math.exp(x[-1]) if self.sigma is None else self.sigma
        return x[: self._nt] * self.scale, sigma

    def keep_off_zero(self, x: Array) -> Array:
        """Return x with no diagonal element of T at zero."""
        return keep_off_zero(x, self._diagonal)

    def value(self, x: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""
        if self.sigma is None and not abs(x[-1]) < LARGEST_LOG:
            return math.nan
        theta, sigma = self.parameters(x)
        self.workspace.set_criterion(False, sigma)
        return self.workspace.value(theta)

    def derivatives(self, x: Array) -> tuple[Array, Array]:
        """Return gradient and approximate Hessian at the x of the last `value`."""
        if self.sigma is None:
            gradient, hessian = derivatives_log_sigma(self.workspace)
        else:
            gradient, hessian = self.workspace.gradient(), self.workspace.curvature()
        return gradient * self._units, hessian * self._outer


def keep_off_zero(x: Array, diagonal: NDArray[np.intp]) -> Array:
    """Return x with none of the elements at `diagonal` at zero."""
    part = x[diagonal]
    near = np.abs(part) < NEAR_ZERO
    if np.count_nonzero(near):
        x = x.copy()
        x[diagonal[near]] = np.where(part[near] < 0, -NEAR_ZERO, NEAR_ZERO)
    return x


@dataclass(frozen=True, eq=False)
class ConstrainedMinimum:
    """A constrained minimum of the deviance, with what is needed to go on from it.

    Parameters
    ----------
    x : ndarray, shape (m,)
    value : float
        The deviance there.
    slope, bend : float
        First and second derivative of the minimum in the value of the constraint; NaN for a second
        that is not known.
    tangent : ndarray, shape (m,)
        Derivative of x in the value of the constraint.
    evaluations : int
        What it took to find it.
    """

    x: Array
    value: float
    slope: float
    bend: float
    tangent: Array
    evaluations: int = 1


def constrained_minimum(
    surface: Landscape, constraint: Constraint, value: float, start: Array
) -> ConstrainedMinimum | None:
    """Minimize the deviance where a constraint has a given value.

    Newton steps along the constraint, each followed by a retraction onto it, with line
    search; saddle points are left along the direction of negative curvature.

    Parameters
    ----------
    surface : Landscape
    constraint : Constraint
    value : float
    start : ndarray, shape (m,)

    Returns
    -------
    Minimum or None
        None if no minimum was found.
    """
    surface = _Counted(surface)
    x = surface.keep_off_zero(constraint.retract(start, value))
    f = surface.value(x)
    if math.isnan(f):
        return None
    for _ in range(MAX_STEPS):
        if surface.evaluations > MAX_EVALUATIONS:
            return None
        try:
            local = _Local(surface, constraint, x)
        except (CoreError, np.linalg.LinAlgError):
            return None
        if local.promise <= PROMISE:
            moved = _leave_saddle(surface, constraint, value, x, f, local)
            if moved is None:
                return local.minimum(f, surface.evaluations)
        else:
            moved = _line_search(surface, constraint, value, x, f, local)
            if moved is None:
                found = local.promise <= 1e3 * PROMISE
                return local.minimum(f, surface.evaluations) if found else None
        x, f = moved
    return None


class _Counted:
    """A landscape that counts its evaluations."""

    def __init__(self, landscape: Landscape) -> None:
        self.evaluations = 0
        self._landscape = landscape
        self.keep_off_zero, self.derivatives = landscape.keep_off_zero, landscape.derivatives

    def value(self, x: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""
        self.evaluations += 1
        return self._landscape.value(x)


class _Local:
    """The quadratic model of the deviance along a constraint, at one point."""

    def __init__(self, surface: Landscape, constraint: Constraint, x: Array) -> None:
        self.x = x
        g, H = surface.derivatives(x)
        a, bent = constraint.derivatives(x)
        self._a, self._g = a, g
        bound = constraint.at_bound(x, g)
        found = constrained_step(g, H, a, bent, -1 if bound is None else bound, FLAT)
        self.negative, self.worst = 0.0, a
        if isinstance(found, ConstrainedStep):
            self._H, self.step, self._along, self.decrease = found
        else:
            self._leave_flat(found, x)
        self.promise = 0.5 * self.decrease

    def _leave_flat(self, found: AlongConstraint, x: Array) -> None:
        """Take the step for curvatures of the other sign where they are negative, or flat."""
        self._H, basis, reduced, down = found
        sizes = curvature_sizes(reduced)
        values, vectors = np.linalg.eigh(reduced / np.outer(sizes, sizes))
        largest = float(np.abs(values).max())
        least = FLAT * largest if largest > 0 else 1.0
        vectors = vectors / sizes[:, None]
        if values[0] < -least:
            worst = basis @ vectors[:, 0]
            length = max(1.0, _relative(worst, x))
            self.negative, self.worst = float(-values[0]) / length**2, worst / length
        solved = (vectors / np.maximum(np.abs(values), least)) @ (vectors.T @ down)
        self.step = basis @ solved[:, 0]
        self.decrease = float(down[:, 0] @ solved[:, 0])
        self._along = self._a / float(self._a @ self._a) + basis @ solved[:, 1]

    def minimum(self, value: float, evaluations: int) -> ConstrainedMinimum:
        """Return the minimum of the model, if that is near enough for the model to hold."""
        step, promise = self.step, self.promise
        if _relative(step, self.x) > NEAR:
            step, promise = np.zeros_like(step), 0.0
        square = float(self._a @ self._a)
        slope = float(self._a @ (self._g + self._H @ step)) / square
        bend = float(self._a @ (self._H @ self._along)) / square
        x, value = self.x + step, value - promise
        return ConstrainedMinimum(x, value, slope, bend, self._along, evaluations)


def _relative(step: Array, x: Array) -> float:
    """Return the largest element of a step, each relative to that of x; of few, without NumPy."""
    shares = [abs(s) / (1.0 + abs(e)) for s, e in zip(step.tolist(), x.tolist(), strict=True)]
    return math.nan if any(map(math.isnan, shares)) else max(shares, default=0.0)


def _line_search(
    surface: Landscape, constraint: Constraint, value: float, x: Array, f: float, local: _Local
) -> tuple[Array, float] | None:
    """Return a better point along the step and the deviance there; None if there is none."""
    longest = _relative(local.step, x)
    length = min(1.0, STEP_LIMIT / longest)
    rounding = 1e-14 * (1.0 + abs(f))
    for _ in range(40):
        trial = surface.keep_off_zero(constraint.retract(x + length * local.step, value))
        there = surface.value(trial)
        if there <= f - 1e-4 * length * local.decrease + rounding:
            return trial, there
        best = 0.0
        if math.isfinite(there):
            excess = there - f + local.decrease * length
            best = 0.5 * local.decrease * length**2 / excess
        length = min(max(best, 0.1 * length), 0.5 * length)
    return None


def _leave_saddle(
    surface: Landscape, constraint: Constraint, value: float, x: Array, f: float, local: _Local
) -> tuple[Array, float] | None:
    """Look both ways along the direction of negative curvature, if there is one."""
    size = 1.0 if local.negative else 0.0
    while size > 1e-4:
        for sign in (1.0, -1.0):
            trial = constraint.retract(x + sign * size * local.worst, value)
            trial = surface.keep_off_zero(trial)
            there = surface.value(trial)
            if there < f - 1e-3 * local.negative * size**2 - 1e-14 * (1.0 + abs(f)):
                return trial, there
        size *= 0.25
    if local.negative:
        surface.value(x)
    return None
