"""Following the optimum of a linear model while one of its parameters is moved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .._core import CoreDesign, CoreWorkspace, Minimization, TermArrays
from ..basis import residual_response
from ..crossprod import form_crossproducts
from ..design import Design
from ..errors import CoreError, MixedModelError
from ..estimates import LinearEstimates
from ..optimize import FitOptions
from .constraints import Angle, Constraint, Element, Length
from .curve import Curve
from .parameters import Components
from .surface import Minimum, Surface, constrained_minimum

__all__ = ["LinearModel", "Target", "trace"]

Array = NDArray[np.float64]

# Points are this far apart in zeta, about.
STEP = 0.7
# A bound is approached no nearer than this, in working units: closer the deviance is flat.
NEAR_BOUND = 1e-6
MOST_POINTS = 60
# Deviances lower than that of the fit by more than this are no rounding.
BELOW = 1e-5


@dataclass(frozen=True, eq=False)
class Target:
    """A parameter to be profiled, in working units.

    Parameters
    ----------
    kind, name : str
    center : float
        Its value at the optimum; NaN when it is not defined there.
    lower, upper : float
        Its bounds.
    start : ndarray
        The optimum of the model.
    solve : callable
        (value, start) -> the optimum where it has that value; None if it is not found.
    show : callable
        value -> (value, derivative) in the units of the data.
    state : callable
        (x of a minimum, value) -> theta, sigma and coefficients in working units.
    """

    kind: str
    name: str
    center: float
    lower: float
    upper: float
    start: Array
    solve: Callable[[float, Array], Minimum | None]
    show: Callable[[float], tuple[float, float]]
    state: Callable[[Array, float], tuple[Array, float, Array]]


class LinearModel:
    """A linear model at the maximum of its likelihood, in working units.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Where the maximum is looked for; a fixed sigma stays fixed.
    components : Components
    """

    def __init__(
        self, design: Design, estimates: LinearEstimates, components: Components
    ) -> None:
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
        rank = products.rank
        identity = np.eye(rank)
        self._inverse_r = np.linalg.solve(products.basis.R, identity) if rank else identity

    @property
    def n_theta(self) -> int:
        """Number of elements of theta."""
        return len(self._theta)

    def _minimize(self, workspace: CoreWorkspace, start: Array) -> Minimization:
        workspace.set_criterion(False, self._sigma or 0.0)
        return workspace.minimize(
            start, ftol_rel=FitOptions.ftol_rel, ftol_abs=FitOptions.ftol_abs, log_capacity=0
        )

    def parameters(self, states: Sequence[tuple[Array, float, Array]]) -> Array:
        """Return sigma, coefficients and theta in the units of the data, a row for each state."""
        products = self._products
        theta = self._components.rectify(np.array([theta for theta, _, _ in states]))
        sigma = np.array([sigma for _, sigma, _ in states])
        gamma = products.gamma + products.y_scale * np.array([gamma for _, _, gamma in states])
        return np.column_stack([products.y_scale * sigma, gamma @ self._inverse_r.T, theta])

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""
        components, y_scale = self._components, self._products.y_scale
        if kind == "beta":
            return [self._coefficient(j, name) for j, name in enumerate(fixed_names)]
        if kind == "sigma":
            last = Element(len(self._theta), -math.inf)
            return [self._covariance(kind, "", last, lambda tau: (y_scale * math.exp(tau),) * 2)]
        size = self._surface.scale
        if kind == "theta":
            diagonal = set(components.diagonal.tolist())
            return [
                self._covariance(
                    kind, name, Element(i, 0.0 if i in diagonal else -math.inf), _times(size[i])
                )
                for i, name in enumerate(components.theta_names)
            ]
        rows: dict[tuple[int, int], tuple[int, ...]] = {at: () for at in components.sd_at}
        for i, (t, row, _) in enumerate(components.theta_at):
            rows[t, row] += (i,)
        if kind == "sd":
            return [
                self._covariance(
                    kind, name, Length(rows[at], self._sigma), _times(y_scale * size[rows[at][-1]])
                )
                for name, at in zip(components.sd_names, components.sd_at, strict=True)
            ]
        return [
            self._covariance(kind, name, Angle(rows[t, j], rows[t, i]), _cosine)
            for name, (t, i, j) in zip(components.corr_names, components.corr_at, strict=True)
        ]

    def _covariance(
        self,
        kind: str,
        name: str,
        constraint: Constraint,
        show: Callable[[float], tuple[float, float]],
    ) -> Target:
        """Return a target among the covariance parameters and sigma."""

        def solve(value: float, start: Array) -> Minimum | None:
            return constrained_minimum(self._surface, constraint, value, start)

        def state(x: Array, value: float) -> tuple[Array, float, Array]:
            theta, sigma = self._surface.parameters(constraint.retract(x, value))
            self._workspace.value_and_gradient(theta)
            return theta, sigma, self._workspace.solution().beta

        with np.errstate(all="ignore"):
            center = constraint.value(self._x)
        return Target(
            kind, name, center, constraint.lower, constraint.upper, self._x, solve, show, state
        )

    def _coefficient(self, j: int, name: str) -> Target:
        """Return a coefficient as a target: its column leaves X and moves into the response.

        In the orthonormal basis a coefficient is a'gamma. With one value of it, c, gamma is
        a c / a'a plus a part orthogonal to a, which is that of a model with one column less.
        """
        products, design = self._products, self._design
        a = self._inverse_r[j]
        square = float(a @ a)
        across = np.linalg.svd(a[None, :])[2][1:].T
        terms = [TermArrays(len(b.levels), b.refs, b.z, b.pattern) for b in design.blocks]
        y = design.y if design.offset is None else design.y - design.offset
        response = residual_response(y, products.basis, design.weights)[1]
        core = CoreDesign(terms, np.ascontiguousarray(products.basis.Q @ across))
        workspace = CoreWorkspace(core, response, design.weights)
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

        def solve(value: float, start: Array) -> Minimum | None:
            workspace.set_response(response - value * column)
            try:
                run = self._minimize(workspace, start)
            except CoreError:
                return None
            sigma2, distance, variance, _ = at(run.theta, value)
            slope = 2.0 * distance / (variance * sigma2)
            bend = 2.0 / (variance * sigma2) - (0.0 if self._sigma else slope**2 / n)
            return Minimum(run.theta, run.value, slope, bend, np.zeros(len(run.theta)))

        def state(x: Array, value: float) -> tuple[Array, float, Array]:
            sigma2, _, _, gamma = at(x, value)
            return x, math.sqrt(sigma2), gamma

        zero, unit = float(a @ products.gamma), products.y_scale
        center = float(a @ self._solution.beta)
        return Target(
            "beta",
            name,
            center,
            -math.inf,
            math.inf,
            self._theta,
            solve,
            lambda value: (zero + unit * value, unit),
            state,
        )


def _times(unit: float) -> Callable[[float], tuple[float, float]]:
    return lambda value: (unit * value, unit)


def _cosine(angle: float) -> tuple[float, float]:
    return math.cos(angle), -math.sin(angle)


@dataclass(frozen=True, eq=False)
class _Point:
    """A point of a curve: value, root of the rise, its derivative (both >= 0), optimum.

    One that stands for a bound lies a little inside of it.
    """

    value: float
    root: float
    rate: float
    minimum: Minimum
    bound: float | None = None


def trace(model: LinearModel, target: Target, cutoff: float) -> tuple[Curve, Array]:
    """Follow the optimum of a model along a target until zeta has reached a cutoff.

    Parameters
    ----------
    model : LinearModel
    target : Target
    cutoff : float
        Positive.

    Returns
    -------
    curve : Curve
    others : ndarray, shape (m, 1 + rank + n_theta)
        sigma, coefficients and theta at each point.

    Raises
    ------
    MixedModelError
        If a deviance is found that is below the one of the model.
    """
    if math.isnan(target.center):
        return _flat(model, target)
    center = min(max(target.center, target.lower + NEAR_BOUND), target.upper - NEAR_BOUND)
    minimum = target.solve(center, target.start)
    if minimum is None:
        raise MixedModelError(
            f"the profile of {target.kind} {target.name} has no beginning: the deviance cannot "
            "be minimized at the estimate"
        )
    origin = _Point(center, 0.0, math.sqrt(max(minimum.bend, 0.0) / 2.0), minimum)
    below = _side(model, target, origin, -1, cutoff)
    above = _side(model, target, origin, 1, cutoff)
    points = [*reversed(below), origin, *above]
    root = np.array([point.root for point in points])
    root[: len(below)] *= -1.0
    rate = np.array([point.rate for point in points])
    slope = rate / np.abs([target.show(point.value)[1] for point in points])
    places = [point.value if point.bound is None else point.bound for point in points]
    places[len(below)] = target.center
    value = np.array([target.show(place)[0] for place in places])
    others = model.parameters([target.state(point.minimum.x, point.value) for point in points])
    bounds = [target.show(bound)[0] for bound in (target.lower, target.upper)]
    if target.kind == "corr":  # the cosine falls
        root, value, slope, others = -root[::-1], value[::-1], slope[::-1], others[::-1]
    curve = Curve(
        kind=target.kind,
        name=target.name,
        estimate=target.show(target.center)[0],
        value=value,
        zeta=np.maximum.accumulate(root),
        slope=slope,
        lower=min(bounds),
        upper=max(bounds),
    )
    return curve, others


def _flat(model: LinearModel, target: Target) -> tuple[Curve, Array]:
    """Return the curve of a parameter on which the deviance does not depend."""
    value = np.sort([target.show(bound)[0] for bound in (target.lower, target.upper)])
    nothing = np.zeros(2)
    curve = Curve(
        target.kind, target.name, math.nan, value, nothing, nothing, value[0], value[1]
    )
    return curve, model.parameters([target.state(target.start, math.nan)] * 2)


def _side(
    model: LinearModel, target: Target, origin: _Point, sign: int, cutoff: float
) -> list[_Point]:
    """Return the points on one side of the optimum, going outward."""
    bound = target.lower if sign < 0 else target.upper
    points: list[_Point] = []
    here, last = origin, None
    while here.root < cutoff and len(points) < MOST_POINTS:
        room = sign * (bound - here.value)
        if room <= 2.0 * NEAR_BOUND:
            break
        step = _step(here)
        if step > 0.5 * room:
            last = last or _point(model, target, here, bound - sign * NEAR_BOUND)
            if last is not None and last.root - here.root <= STEP:
                points.append(replace(last, root=max(last.root, here.root), bound=bound))
                break
            step = 0.5 * room
        there = None
        for _ in range(8):
            there = _point(model, target, here, here.value + sign * step)
            if there is not None and there.root - here.root <= 1.6 * STEP:
                break
            step *= 0.5
        if there is None:
            break
        points.append(there)
        here = there
    return points


def _step(here: _Point) -> float:
    """Return how far to go until the root has grown by STEP, by the local parabola."""
    rise = (here.root + STEP) ** 2 - here.root**2
    slope, bend = abs(here.minimum.slope), here.minimum.bend
    if bend > 0:
        return (math.sqrt(slope**2 + 2.0 * bend * rise) - slope) / bend
    return rise / slope if slope > 0 else 0.1


def _point(model: LinearModel, target: Target, here: _Point, value: float) -> _Point | None:
    """Find the optimum at a value, beginning from that at another."""
    start = here.minimum.x + here.minimum.tangent * (value - here.value)
    minimum = target.solve(value, start)
    if minimum is None:
        return None
    rise = minimum.value - model.deviance
    if rise < -BELOW:
        theta = model.parameters([target.state(minimum.x, value)])[0, -model.n_theta :]
        raise MixedModelError(
            f"profiling {target.kind} {target.name} has found a deviance {-rise:.3g} below that "
            f"of the fit, by maximum likelihood: fit again with start={theta.tolist()}"
        )
    root = math.sqrt(max(rise, 0.0))
    rate = abs(minimum.slope) / (2.0 * root) if root > 0 else math.nan
    return _Point(value, root, rate, minimum)
