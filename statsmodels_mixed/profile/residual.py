"""A linear model with correlated residuals to be profiled.

Covariance parameters are profiled on the scale on which they are reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._typing import Array
from ..errors import CoreError
from ..fitting.search.trust_region import minimize_newton
from ..frame.design import Design
from ..residual_covariance.estimates import ResidualEstimates
from ..residual_covariance.fit import search
from ..residual_covariance.likelihood import BestCoefficients
from ..residual_covariance.natural import natural_parameters, natural_ranges
from ..residual_covariance.problem import ResidualProblem
from .constrained_minimum import ConstrainedMinimum
from .optima import Optima
from .reported import Reported, ScaledLandscape, units_of
from .targets import State, Target, constrained, linear

__all__ = ["ResidualModel"]


class ResidualModel:
    """A model with correlated residuals at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : ResidualEstimates
        Where the maximum is looked for.
    """

    other_fit = "start={theta}"

    def __init__(self, design: Design, estimates: ResidualEstimates) -> None:
        problem = ResidualProblem(design, estimates.cells)
        self._problem, self._likelihood = problem, problem.likelihood(False)
        run = search(problem, self._likelihood, None if estimates.reml else estimates.x)
        self._solution = self._solve(run.end)
        self.deviance, self._x = run.value, run.end
        parts = [part.free.coordinates.without_unit for part in problem.model.parts]
        self._unit = units_of(run.curvature, np.concatenate(parts))
        self._landscape = ScaledLandscape(self._likelihood, self._unit)
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
        problem = self._problem

        def natural(x: Array) -> tuple[Array, Array]:
            shown = natural_parameters(problem.model, problem.cells, x)
            return shown.values, shown.jacobian

        c = Reported(natural, at, size, self._unit, lower / size, upper / size)

        def read(z: Array) -> State:
            x = z * self._unit
            return x, 1.0, self._solve(x).gamma

        name, z = self._natural.names[at], self._x / self._unit
        target = constrained(self._landscape, "theta", name, c, z, linear(size), read)
        if np.isfinite(self._natural.jacobian[at]).all():
            return target
        return replace(target, center=math.nan)  # beyond the range of numbers

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
            run = minimize_newton(less, start, units=problem.units)
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
