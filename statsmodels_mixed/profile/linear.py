"""A linear model to be profiled: theta and sigma are searched, coefficients solved for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._core import CoreWorkspace, Minimization
from .._typing import Array
from ..errors import CoreError
from ..fitting.apart import columns_apart
from ..fitting.crossprod import core_design, form_crossproducts
from ..fitting.estimates import LinearEstimates
from ..fitting.fixed_effects.basis import residual_response
from ..fitting.range_of_numbers import refuse_lost_variances
from ..fitting.search.optimize import BY_OBJECTIVE
from ..frame.design import Design
from ..results.parameters import CovarianceParameters
from .constrained_minimum import ConstrainedMinimum, Surface
from .constraints import Constraint, Element
from .learned_curvature import LearnedCurvature
from .optima import Optima
from .targets import (
    NEAR_BOUND,
    CovarianceUnits,
    Show,
    State,
    Target,
    constrained,
    covariance_targets,
    linear,
)

__all__ = ["LinearModel"]


class LinearModel:
    """A linear model at the maximum of its likelihood, in working units.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Where the maximum is looked for; a fixed sigma stays fixed.
    components : CovarianceParameters
    """

    other_fit = "start={theta}"

    def __init__(
        self, design: Design, estimates: LinearEstimates, components: CovarianceParameters
    ) -> None:
        refuse_lost_variances(design, estimates)
        design, estimates, self._coordinates = columns_apart(design, estimates)
        products = form_crossproducts(design)
        self._design, self._products, self._components = design, products, components
        self._workspace = products.workspace
        self._sigma = estimates.sigma / products.y_scale if estimates.sigma_fixed else None
        run = self._minimize(self._workspace, estimates.theta)
        theta = components.rectify(run.theta[None, :])[0]
        self.deviance = run.value
        self._theta = theta
        self._workspace.value_and_gradient(theta)
        self._solution = self._workspace.solution()
        sigma = self._sigma or math.sqrt(self._solution.pwrss / self._solution.dof)
        self._surface = Surface(self._workspace, components.diagonal, self._sigma)
        self._x = self._surface.point(theta, sigma)
        self._inverse_r = products.basis.inverse

    @property
    def n_theta(self) -> int:
        """Number of elements of theta."""
        return len(self._theta)

    def _minimize(self, workspace: CoreWorkspace, start: Array) -> Minimization:
        workspace.set_criterion(False, self._sigma or 0.0)
        return workspace.minimize(start, BY_OBJECTIVE, log_capacity=0)

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return sigma, coefficients and theta in the units of the data, a row for each state."""
        products = self._products
        theta = self._coordinates.outward(np.array([theta for theta, _, _ in states]))
        theta = self._components.rectify(theta)
        sigma = np.array([sigma for _, sigma, _ in states])
        gamma = products.gamma + products.y_scale * np.array([gamma for _, _, gamma in states])
        return Optima(products.y_scale * sigma, gamma @ self._inverse_r.T, theta)

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        y_scale, size = self._products.y_scale, self._surface.scale
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        if kind == "sigma":
            last = Element(len(self._theta), -math.inf)
            return [self._covariance(kind, "", last, lambda tau: (y_scale * math.exp(tau),) * 2)]
        changes, total = self._coordinates.C, len(self._x)
        units = CovarianceUnits(self._components, size, y_scale, changes, total, self._sigma)
        return covariance_targets(kind, units, self._covariance, self._least)

    def _least(self, constraint: Constraint, value: float) -> ConstrainedMinimum | None:
        surface = LearnedCurvature(self._surface)
        return surface.constrained_minimum(constraint, value, self._x)

    def _covariance(
        self,
        kind: str,
        name: str,
        constraint: Constraint,
        show: Show,
        ceiling: ConstrainedMinimum | None = None,
    ) -> Target:
        """Return a target among the covariance parameters and sigma."""

        def read(x: Array) -> State:
            theta, sigma = self._surface.parameters(x)
            self._workspace.value_and_gradient(theta)
            return theta, sigma, self._workspace.solution().beta

        x, surface = self._x, self._surface
        target = constrained(surface, kind, name, constraint, x, show, read, ceiling)

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            # Curvatures away from the estimate are learned, and depend on the units of theta.
            found = target.solve(value, start)
            if found is None or abs(value - target.center) <= 2.0 * NEAR_BOUND:
                return found
            return replace(found, bend=math.nan)

        return replace(target, solve=solve)

    def _coefficient(self, j: int, name: str) -> Target:
        """Return a coefficient as a target: its column leaves X and moves into the response.

        In the orthonormal basis a coefficient is a'gamma. With one value of it, c, gamma is
        a c / a'a plus a part orthogonal to a, which is that of a model with one column less.
        """
        products, design = self._products, self._design
        a = self._inverse_r[j]
        square = float(a @ a)
        across = np.linalg.svd(a[None, :])[2][1:].T
        y = design.y_less_offset
        response = residual_response(y, design.X, products.basis, design.weights, design.counted)[1]
        core = core_design(design, np.ascontiguousarray(products.basis.Q @ across))
        workspace = CoreWorkspace(core, response, design.weights, design.counted)
        column = products.basis.Q @ a / square
        n = products.n

        def at(theta: Array, value: float) -> tuple[float, float, float, Array]:
            """Return sigma^2, distance, variance / sigma^2 and coefficients at theta."""
            self._workspace.set_criterion(False, 0.0)
            self._workspace.value_and_gradient(theta)
            solution = self._workspace.solution()
            along = solution.xvx_inverse @ a
            variance, distance = float(a @ along), value - float(a @ solution.beta)
            gamma = solution.beta + along * (distance / variance)
            r2 = solution.pwrss + distance**2 / variance
            return self._sigma**2 if self._sigma else r2 / n, distance, variance, gamma

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            workspace.set_response(response - value * column)
            try:
                run = self._minimize(workspace, start)
            except CoreError:
                return None
            sigma2, distance, variance, _ = at(run.theta, value)
            slope = 2.0 * distance / (variance * sigma2)
            bend = 2.0 / (variance * sigma2) - (0.0 if self._sigma else slope**2 / n)
            return ConstrainedMinimum(run.theta, run.value, slope, bend, np.zeros(len(run.theta)))

        def state(x: Array, value: float) -> State:
            sigma2, _, _, gamma = at(x, value)
            return x, math.sqrt(sigma2), gamma

        show = linear(products.y_scale, float(a @ products.gamma))
        center = float(a @ self._solution.beta)
        return Target("beta", name, center, -math.inf, math.inf, self._theta, solve, show, state)
