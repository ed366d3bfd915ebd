"""A linear model with correlated residuals to be profiled.

Covariance parameters are profiled on the scale on which they are reported: c(x) is one of them as a
function of the coordinates x, which are in units of their standard errors here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import CoreError
from ..fitting.trust_region import minimize_newton
from ..frame.design import Design
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.fit import search
from ..residual_covariance.likelihood import BestCoefficients, MarginalLikelihood
from ..residual_covariance.natural import natural_parameters, natural_ranges
from ..residual_covariance.problem import ResidualProblem
from .constrained_minimum import ConstrainedMinimum
from .optima import Optima
from .targets import State, Target, constrained, linear

__all__ = ["ResidualModel"]

Array = NDArray[np.float64]

# Newton steps with which a parameter is brought to a value, and how near that is.
MOST_STEPS = 50
NEAR = 1e-12
# Step of differences of Jacobians, in units of standard errors.
STEP = 1e-4


class ResidualLandscape:
    """The deviance as a function of scaled coordinates z = x / unit.

    Parameters
    ----------
    likelihood : MarginalLikelihood
    unit : ndarray, shape (m,)
    """

    def __init__(self, likelihood: MarginalLikelihood, unit: Array) -> None:
        self._likelihood, self._unit = likelihood, unit
        self._last: tuple[Array, Array] | None = None

    def keep_off_zero(self, z: Array) -> Array:
        """Return z: derivatives vanish where a variance is zero, and searches end there."""
        return z

    def value(self, z: Array) -> float:
        """Return the deviance; NaN where it cannot be evaluated."""
        if not np.isfinite(z).all():
            return math.nan
        value, gradient, hessian = self._likelihood(z * self._unit)
        self._last = gradient * self._unit, hessian * np.outer(self._unit, self._unit)
        return value if np.isfinite(value) else math.nan

    def derivatives(self, z: Array) -> tuple[Array, Array]:
        """Return gradient and Hessian at the z of the last `value`."""
        if self._last is None:
            raise CoreError("the deviance has not been evaluated.")
        return self._last


@dataclass(frozen=True, eq=False)
class Reported:
    """c(z): one of the parameters that are reported, over its size.

    Parameters
    ----------
    problem : ResidualProblem
    at : int
        Its number.
    size : float
    unit : ndarray, shape (m,)
    lower, upper : float
    """

    problem: ResidualProblem
    at: int
    size: float
    unit: Array
    lower: float
    upper: float

    def _found(self, z: Array) -> tuple[float, Array]:
        shown = natural_parameters(self.problem.model, self.problem.cells, z * self.unit)
        return float(shown.values[self.at]) / self.size, (
            shown.jacobian[self.at] * self.unit / self.size
        )

    def value(self, z: Array) -> float:
        """Return c(z)."""
        return self._found(z)[0]

    def derivatives(self, z: Array) -> tuple[Array, Array | None]:
        """Return gradient and Hessian of c, the latter by central differences."""
        _, gradient = self._found(z)
        H = np.zeros((len(z), len(z)))
        for i in range(len(z)):
            step = np.zeros(len(z))
            step[i] = STEP
            H[i] = (self._found(z + step)[1] - self._found(z - step)[1]) / (2.0 * STEP)
        return gradient, (H + H.T) / 2.0

    def retract(self, z: Array, value: float) -> Array:
        """Return a point near z where c is `value`; NaN where there is none."""
        z = np.array(z)
        for _ in range(MOST_STEPS):
            c, slope = self._found(z)
            miss, square = value - c, float(slope @ slope)
            if abs(miss) <= NEAR * max(1.0, abs(value)):
                return z
            if not (np.isfinite(square) and square > 0):
                break
            z = z + slope * (miss / square)
        return np.full_like(z, np.nan)

    def at_bound(self, z: Array, gradient: Array) -> int | None:
        """Return None: coordinates are free."""
        return None


class ResidualModel:
    """A model with correlated residuals at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : ResidualEstimates
        Where the maximum is looked for.
    """

    def __init__(self, design: Design, estimates: ResidualEstimates) -> None:
        problem = ResidualProblem(design, estimates.cells)
        self._problem, self._likelihood = problem, problem.likelihood(False)
        run = search(problem, self._likelihood, None if estimates.reml else estimates.x)
        self._solution = self._solve(run.end)
        self.deviance, self._x = run.value, run.end
        curvature = np.diag(run.curvature)
        self._unit = np.sqrt(2.0 / np.where(curvature > 0, curvature, 2.0))
        self._landscape = ResidualLandscape(self._likelihood, self._unit)
        self._natural = natural_parameters(problem.model, problem.cells, run.end)

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters."""
        return len(self._natural.names)

    def _solve(self, x: Array) -> BestCoefficients:
        solution = self._likelihood.solve(self._problem.model.at(x))
        if solution is None:
            raise CoreError("the likelihood cannot be evaluated.")
        return solution

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return 1, coefficients and covariance parameters, a row for each state."""
        problem = self._problem
        shown = [natural_parameters(problem.model, problem.cells, x).values for x, _, _ in states]
        gamma = problem.split[0] + np.array([gamma for _, _, gamma in states])
        return Optima(np.ones(len(states)), gamma @ problem.basis.inverse.T, np.array(shown))

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        ranges = natural_ranges(self._problem.model, self._problem.cells)
        return [self._reported(at, *ends) for at, ends in enumerate(ranges)]

    def _reported(self, at: int, lower: float, upper: float) -> Target:
        """Return a covariance parameter as a target."""
        estimate = abs(float(self._natural.values[at]))
        size = estimate if math.isinf(upper) and estimate > 0 else 1.0
        c = Reported(self._problem, at, size, self._unit, lower / size, upper / size)

        def read(z: Array) -> State:
            x = z * self._unit
            return x, 1.0, self._solve(x).gamma

        name, z = self._natural.names[at], self._x / self._unit
        return constrained(self._landscape, "theta", name, c, z, linear(size), read)

    def _coefficient(self, j: int, name: str) -> Target:
        """Return a coefficient as a target: its column leaves X and moves into the response.

        In the orthonormal basis a coefficient is a'gamma. With one value of it, c, gamma is
        a c / a'a plus a part orthogonal to a, which is that of a model with one column less.
        """
        problem, a = self._problem, self._problem.basis.inverse[j]
        across = np.linalg.svd(a[None, :])[2][1:].T
        X, column = problem.basis.Q @ across, problem.basis.Q @ a / float(a @ a)

        def at(x: Array, value: float) -> tuple[float, float, Array]:
            """Return distance, variance and coefficients at coordinates x."""
            solution = self._solve(x)
            along = solution.M @ a
            variance, distance = float(a @ along), value - float(a @ solution.gamma)
            return distance, variance, solution.gamma + along * (distance / variance)

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            less = problem.likelihood(False, X, problem.residual - value * column)
            run = minimize_newton(less, start)
            if not np.isfinite(run.value):
                return None
            distance, variance, _ = at(run.end, value)
            zero = np.zeros(len(start))
            return ConstrainedMinimum(
                run.end, run.value, 2.0 * distance / variance, 2.0 / variance, zero
            )

        def state(x: Array, value: float) -> State:
            return x, 1.0, at(x, value)[2]

        center = float(a @ self._solution.gamma)
        show = linear(1.0, float(a @ problem.split[0]))
        return Target("beta", name, center, -math.inf, math.inf, self._x, solve, show, state)
