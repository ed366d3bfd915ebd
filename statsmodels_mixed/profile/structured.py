"""Models with covariance structures to be profiled.

The variables of a minimizer are searched: the free coordinates of all structures, and then log
sigma^2 of a linear model, or coefficients and log dispersion of a generalized one. What is profiled
are the parameters that the results report.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from .._core import CoreWorkspace
from .._typing import Array
from ..errors import CoreError
from ..fitting.crossprod import core_design
from ..fitting.crossproduct_criterion import CrossproductCriterion
from ..fitting.estimates import GeneralizedEstimates, LinearEstimates
from ..fitting.fixed_effects.basis import residual_response
from ..fitting.generalized.approximation import prepare_at
from ..fitting.search.optimize import FitOptions
from ..fitting.search.trust_region import Evaluate, Minimum, minimize_newton
from ..fitting.structured.apart import ColumnsApart
from ..fitting.structured.covariance_model import CovarianceModel, CovariancePart
from ..fitting.structured.generalized import ROUNDING, TOLERANCE, approximation_at
from ..fitting.structured.linear import (
    column_sizes,
    minimize_structured,
    off_zero,
    other_starts,
    starts_of,
)
from ..fitting.structured.objective import StructuredObjective
from ..fitting.structured.several_starts import MANY_ROWS, best_minimum
from ..frame.design import Design
from ..structures import reported_ranges
from .constrained_minimum import ConstrainedMinimum
from .constraints import Combination, Constraint, Element
from .generalized import least_log_dispersion
from .optima import Optima
from .reported import Grown, Reported, ScaledLandscape, units_of
from .targets import Show, State, Target, constrained, linear

__all__ = ["StructuredGeneralizedModel", "StructuredLinearModel"]


# Where sigma is a smaller share of the response, what is left of the rows is rounding errors, and
# the deviance with it: it is flat long before, and is taken to stay so.
LEAST_SIGMA = 1e-6
# Starts beside the fit's own for each point that is at an end of a range: it has neighbours.
FEW_STARTS = 2


class _StructuredModel(ABC):
    """What linear and generalized models have in common.

    A subclass calls `_begin` at its optimum.
    """

    deviance: float
    _model: CovarianceModel
    _names: tuple[str, ...]
    # Where the model has other columns of Z than the user's.
    _other: ColumnsApart | None = None

    def _begin(self, evaluate: Evaluate, z: Array, value: float, size: float) -> None:
        """Take the optimum, and the size of a standard deviation that is zero."""
        self.deviance, self._z, self._size = value, z, size
        parts = [part.free.coordinates.without_unit for part in self._model.parts]
        self._unit = units_of(evaluate(z)[2], np.concatenate(parts))
        self._landscape = ScaledLandscape(evaluate, self._unit)

    other_fit = "another start="

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters that are reported."""
        return self._model.n_reported

    def _shown(self, z: Array) -> Array:
        """Return what is reported of all structures at z."""
        phi = self._model.phi(z[: self._model.size])
        return self._model.natural(phi if self._other is None else self._other.outward(phi))[0]

    @abstractmethod
    def _read(self, z: Array) -> State:
        """Return coordinates, scale and working coefficients at z."""

    def _covariances(self) -> list[Target]:
        """Return the parameters of the structures as targets."""
        names, out = iter(self._names), []
        for part in self._model.parts:
            natural = self._natural_of(part)
            values, _ = natural(self._z)
            for at, (lower, upper) in enumerate(reported_ranges(part.structure)):
                size = (abs(float(values[at])) or self._size) if math.isinf(upper) else 1.0
                c = Reported(natural, at, size, self._unit, lower / size, upper / size, part.phi)
                out.append(self._constrained("theta", next(names), c, linear(size)))
        return out

    def _natural_of(self, part: CovariancePart) -> Callable[[Array], tuple[Array, Array]]:
        """Return a function of z: what is reported of one structure, and its derivatives."""
        L = np.eye(part.free.size) if self._other is None else self._other.change(part)

        def natural(z: Array) -> tuple[Array, Array]:
            x = z[part.phi]
            shown = part.structure.natural(L @ part.free.phi(x))
            jacobian = np.zeros((len(shown.values), len(z)))
            jacobian[:, part.phi] = shown.jacobian @ L * part.free.coordinates.slopes(x)[0]
            return shown.values, jacobian

        return natural

    def _constrained(self, kind: str, name: str, constraint: Constraint, show: Show) -> Target:
        z = self._z / self._unit

        def read(z: Array) -> State:
            return self._read(z * self._unit)

        return constrained(self._landscape, kind, name, constraint, z, show, read)


class StructuredLinearModel(_StructuredModel):
    """A linear model with covariance structures at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Where the maximum is looked for; a fixed sigma stays fixed.
    """

    def __init__(self, design: Design, estimates: LinearEstimates) -> None:
        fitted = estimates.structured
        assert fitted is not None
        sigma = estimates.fixed_sigma
        criterion = CrossproductCriterion.of(design, False, sigma)
        products = criterion.products
        self._design, self._products, self._names = design, products, fitted.names
        start = None if estimates.reml else fitted.phi
        _, found, _ = minimize_structured(criterion, start, FitOptions())
        self._model = CovarianceModel(design)
        objective = StructuredObjective.of(
            criterion, self._model, column_sizes(design, design.weights)
        )
        least = min(LEAST_SIGMA * products.y_scale, 0.5 * objective.split(found.z)[1])
        self._objective = replace(objective, least_sigma=least)
        value, _ = self._objective.value_and_gradient(found.z)
        self._solution = products.workspace.solution()
        self._begin(self._objective, found.z, value, products.y_scale)

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return sigma, coefficients and what is reported, a row for each state."""
        products = self._products
        scale = np.array([sigma for _, sigma, _ in states])
        gamma = products.gamma + products.y_scale * np.array([gamma for _, _, gamma in states])
        shown = np.array([self._shown(z) for z, _, _ in states])
        return Optima(scale, gamma @ products.basis.inverse.T, shown)

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        if kind == "theta":
            return [self._leaving_zero(target) for target in self._covariances()]
        sigma = self._objective.split(self._z)[1]
        c = Grown(len(self._z) - 1, 0.5 * float(self._unit[-1]), sigma)
        return [self._constrained(kind, "", c, linear(sigma))]

    def _leaving_zero(self, target: Target) -> Target:
        """Return a target whose minima may have a residual variance where they began with none."""

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            found = target.solve(value, start)
            if found is None:
                return None
            raised = off_zero(self._objective, found.x * self._unit, found.value)
            other = None if raised is None else target.solve(value, raised / self._unit)
            return other if other is not None and other.value < found.value else found

        return replace(target, solve=solve)

    def _read(self, z: Array) -> State:
        self._objective.solve(z)
        beta = self._products.workspace.solution().beta
        return z, self._objective.split(z)[1], beta

    def _coefficient(self, j: int, name: str) -> Target:
        """Return a coefficient as a target: its column leaves X and moves into the response.

        In the orthonormal basis a coefficient is a'gamma. With one value of it, c, gamma is
        a c / a'a plus a part orthogonal to a, which is that of a model with one column less.
        """
        products, design = self._products, self._design
        a = products.basis.inverse[j]
        across = np.linalg.svd(a[None, :])[2][1:].T
        y = design.y_less_offset
        response = residual_response(y, design.X, products.basis, design.weights)[1]
        X = np.ascontiguousarray(products.basis.Q @ across)
        core = core_design(design, X, design.weights, by_factors=True)
        workspace = CoreWorkspace(core, response, design.weights)
        column = products.basis.Q @ a / float(a @ a)
        less = replace(self._objective, products=replace(products, workspace=workspace))
        sizes = column_sizes(design, design.weights)
        units, begin = self._objective.units(sizes), starts_of(self._objective, sizes)[0]
        at_end = bool(other_starts(self._objective, self._z, begin, design.nobs))

        def least(start: Array) -> Minimum:
            """Return the minimum; look elsewhere too if this or the fit is at an end of a range."""
            found = minimize_newton(less, start, units=units)
            raised = off_zero(less, found.end, found.value)
            if raised is not None:
                found = found.or_lower(minimize_newton(less, raised, units=units))
            others = other_starts(less, found.end, begin, design.nobs)[:FEW_STARTS]
            if not (at_end or others):
                return found
            return found.or_lower(best_minimum(less, [begin, *others], units=units))

        def at(z: Array, value: float) -> tuple[float, float, Array]:
            """Return distance, variance and coefficients at z."""
            self._objective.solve(z)
            solution = products.workspace.solution()
            along = solution.xvx_inverse @ a
            variance, distance = float(a @ along), value - float(a @ solution.beta)
            return distance, variance, solution.beta + along * (distance / variance)

        def solve(value: float, start: Array) -> ConstrainedMinimum | None:
            workspace.set_response(response - value * column)
            run = least(start)
            if not np.isfinite(run.value):
                return None
            distance, variance, _ = at(run.end, value)
            variance *= (less.split(run.end)[1] / products.y_scale) ** 2
            nothing = np.zeros(len(start))
            slope, bend = 2.0 * distance / variance, 2.0 / variance
            return ConstrainedMinimum(run.end, run.value, slope, bend, nothing, run.evaluations)

        def state(z: Array, value: float) -> State:
            return z, self._objective.split(z)[1], at(z, value)[2]

        show = linear(products.y_scale, float(a @ products.gamma))
        center = float(a @ self._solution.beta)
        few = design.nobs <= MANY_ROWS * len(self._z)
        bounds = -math.inf, math.inf
        return Target("beta", name, center, *bounds, self._z, solve, show, state, has_others=few)


class StructuredGeneralizedModel(_StructuredModel):
    """A generalized model with covariance structures at the maximum of its likelihood.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
    infinite : ndarray, shape (rank,)
        1 or -1 for coefficients that have their optimum at plus or minus infinity, else 0.
    """

    def __init__(self, design: Design, estimates: GeneralizedEstimates, infinite: Array) -> None:
        self._other = ColumnsApart.of(design, None)
        if self._other is not None:
            design, estimates = self._other.design, self._other.inner(estimates)
        fitted = estimates.structured
        assert fitted is not None
        problem = prepare_at(design, estimates, n_agq=estimates.n_agq)
        objective, z = approximation_at(problem, design, estimates)
        self._model, self._names, self._infinite = objective.model, fitted.names, infinite
        self._inverse, self._least = problem.basis.inverse, least_log_dispersion(estimates)
        self._has_dispersion = estimates.spec.has_dispersion
        run = minimize_newton(objective, z, tolerance=TOLERANCE, rounding=ROUNDING)
        if not np.isfinite(run.value):
            raise CoreError("the likelihood cannot be evaluated.")
        self._begin(objective, run.end, run.value, 1.0)

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return dispersion, coefficients and what is reported, a row for each state."""
        beta = np.array([gamma for _, _, gamma in states]) @ self._inverse.T
        shown = np.array([self._shown(z) for z, _, _ in states])
        return Optima(np.array([scale for _, scale, _ in states]), beta, shown)

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        if kind == "theta":
            return self._covariances()
        unit, least = float(self._unit[-1]), self._least

        def show(value: float) -> tuple[float, float]:
            size = math.exp(unit * value)
            return (size if unit * value > least else 0.0), unit * size

        return [self._constrained(kind, "", Element(len(self._z) - 1, least / unit), show)]

    def _coefficient(self, j: int, name: str) -> Target:
        m, gradient = self._model.size, np.zeros(len(self._z))
        at = slice(m, m + self._inverse.shape[1])
        gradient[at] = self._inverse[j] * self._unit[at]
        target = self._constrained("beta", name, Combination(gradient), linear(1.0))
        return replace(target, infinite=int(self._infinite[j]))

    def _read(self, z: Array) -> State:
        m = self._model.size
        scale = math.exp(z[-1]) if self._has_dispersion else 1.0
        return z, scale, z[m : m + self._inverse.shape[1]]
