"""Newton's last steps of a small linear model, with the Hessian itself.

The average information (csrc/src/linear/curvature.c) may be far from the Hessian where rows are few
or their weights differ widely. Steps shrink slowly then, and end where estimates are off by more
than a millionth of their standard errors. Differences of gradients give the Hessian, and one or two
steps with it are enough; more where a valley is bent. Zeros of theta stay: they are variances at
the boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreWorkspace
from ..._typing import Array
from .optimize import CONVERGED_DECREMENT, FitReport
from .runs import evaluated, logged
from .steps_of_covariances import CovarianceSteps

__all__ = ["last_steps"]


MOST = 20
# Steps of the differences: of a parameter, and of its unit where it is smaller than that.
SHARE, LEAST = 1e-5, 1e-7
# Lesser curvatures are replaced by this one, where those of single parameters are 1.
FLAT = 1e-8
# A curvature along a change as large as what changes that is none.
LEVEL = 1e-12
# What a step promises must be less than this share of what the one before did.
SHRINKS = 0.1
# A promise that leaves every estimate right to a millionth of its standard error.
ENOUGH = 1e-20
# Changes of the objective that rounding makes, as a share of it. It has twice the digits of a
# double before it becomes one.
ROUNDING = 1e-15
# What a sum of some logarithms may change by at the worst: a step that promises less is taken on
# the word of the gradient, which has all digits where rows are few.
NOISE = 1e-14
# Elements of T that add nothing to any row: they are zeros that rounding left, and coordinates with
# them in proportion would have no scale.
NOTHING = 1e-12
# How often a step that leads up is halved.
HALVINGS = 8


class _Gradients:
    """Gradients in the parameters that are not zero, in units in which z has unit columns."""

    def __init__(self, workspace: CoreWorkspace, end: Array, constant: float) -> None:
        self._workspace, self._constant = workspace, constant
        self._outward = np.array([workspace.from_units(row) for row in np.eye(len(end))]).T
        self._x = workspace.in_units(end)
        self._x[np.abs(self._x) < NOTHING] = 0.0
        self.free = np.flatnonzero(self._x)
        self.start = self._x[self.free]
        self.points: list[Array] = []
        self.values: list[float] = []

    def theta(self, x: Array) -> Array:
        full = self._x.copy()
        full[self.free] = x
        return np.asarray(self._outward @ full)

    def at(self, x: Array) -> tuple[float, Array, Array]:
        """Return the objective, its gradient in theta and that in x; NaN where it has none."""
        theta = self.theta(x)
        value, gradient = evaluated(self._workspace, theta)
        self.points.append(theta)
        self.values.append(value + self._constant)
        return self.values[-1], gradient, (self._outward.T @ gradient)[self.free]

    def steps(self, x: Array, patterns: Sequence[NDArray[np.bool_]]) -> CovarianceSteps:
        """Return coordinates about a point."""
        full = self._x.copy()
        full[self.free] = x
        return CovarianceSteps(full, patterns, self.free)

    def hessian(self, x: Array) -> Array:
        """Return second derivatives, by central differences."""
        steps = np.diag(np.maximum(SHARE * np.abs(x), LEAST))
        rows = [(self.at(x + h)[2] - self.at(x - h)[2]) / (2.0 * h.max()) for h in steps]
        H = np.array(rows)
        return np.asarray((H + H.T) / 2.0)


def last_steps(
    workspace: CoreWorkspace,
    report: FitReport,
    constant: float,
    patterns: Sequence[NDArray[np.bool_]] = (),
) -> FitReport:
    """Return the report of a fit after a few more steps.

    Its end is the one before, with the objective and the gradient of all digits, where the last
    step still promises more than a fit asks for: steps follow directions that the data do not
    determine then, to where no digits of the objective are left.

    Parameters
    ----------
    workspace : CoreWorkspace
        That computes with twice the digits of doubles. Not solved at the end afterwards.
    report : FitReport
        Of a run that converged.
    constant : float
        See `minimize`.
    patterns : sequence of ndarray of bool, shape (k, k)
        Of the factors T, so that their covariances change in proportion along a step; when
        omitted the elements of T do.
    """
    gradients = _Gradients(workspace, report.end, constant)
    best = first = report
    x, promised, lower = gradients.start, np.inf, False
    value, gradient, slope = gradients.at(x)
    for _ in range(MOST if len(x) else 0):
        H = gradients.hessian(x)
        if not np.isfinite(H).all():  # what lies beside the end has no derivatives
            break
        steps = gradients.steps(x, patterns)
        J = steps.jacobian
        step = _newton_step(J.T @ H @ J + steps.bend(slope), J.T @ slope, steps.sizes)
        promise = -0.5 * float(slope @ J @ step)
        if not (lower or promise < SHRINKS * promised):
            break
        end = gradients.theta(x) if promised < np.inf else report.end
        best = replace(best, end=end, objective=value, gradient=gradient, gradient_norm=promise)
        if promised == np.inf:
            first = replace(best, gradient_norm=report.gradient_norm)
        if promise < ENOUGH:
            break
        before, promised = value, promise
        rounding, noise = ROUNDING * (1.0 + abs(before)), NOISE * (1.0 + abs(before))
        slack = noise if promise < noise else rounding
        for share in 0.5 ** np.arange(HALVINGS):
            ahead = steps.at(share * step)
            if ahead is None:
                continue
            value, gradient, slope = gradients.at(ahead)
            if value <= before + slack:
                break
        else:
            break
        x, lower = ahead, value < before - rounding
    if not best.gradient_norm <= CONVERGED_DECREMENT:
        best = first
    points, values = np.array(gradients.points), np.array(gradients.values)
    return logged(report, best, points, values, len(values))


def _newton_step(H: Array, slope: Array, sizes: Array) -> Array:
    """Return a step that descends, that to the minimum of the quadratic model if it has one.

    What does not change the objective stays as it is: its curvature is nothing but rounding, which
    would be scaled to that of the others.
    """
    step = np.zeros(len(slope))
    curved = np.flatnonzero(np.abs(np.diag(H)) * sizes**2 > LEVEL)
    H, slope = H[np.ix_(curved, curved)], slope[curved]
    root = np.sqrt(np.abs(np.diag(H)))
    eigenvalues, vectors = np.linalg.eigh(H / np.outer(root, root))
    curvatures = np.maximum(np.abs(eigenvalues), FLAT)
    step[curved] = -(vectors @ (vectors.T @ (slope / root) / curvatures)) / root
    return step
