"""The parameters of a model as things to hold fixed while all else is optimized."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..results.parameters import CovarianceParameters
from .constrained_minimum import Landscape, Minimum, constrained_minimum
from .constraints import Angle, Constraint, Element, Length

__all__ = [
    "NEAR_BOUND",
    "Model",
    "Show",
    "State",
    "Target",
    "constrained",
    "covariance_targets",
    "linear",
]

Array = NDArray[np.float64]

# A bound is approached no nearer than this, in working units: closer the deviance is flat.
NEAR_BOUND = 1e-6

# theta, sigma or the dispersion, and coefficients, in working units
State = tuple[Array, float, Array]
# Value -> (value, derivative) in the units of the data.
Show = Callable[[float], tuple[float, float]]


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
        (x of a minimum, value) -> the parameters of the model there.
    ceiling : Minimum or None
        A minimum that holds at any value, so that none is above it: for a correlation that
        where one of its effects does not vary.
    infinite : int
        1 or -1 where the optimum is at plus or minus infinity, and its value where the fit stopped.
    """

    kind: str
    name: str
    center: float
    lower: float
    upper: float
    start: Array
    solve: Callable[[float, Array], Minimum | None]
    show: Show
    state: Callable[[Array, float], State]
    ceiling: Minimum | None = None
    infinite: int = 0


class Model(Protocol):
    """A model at its optimum, whose parameters can be profiled."""

    @property
    def deviance(self) -> float:
        """-2 log-likelihood at the optimum, but for a constant."""

    @property
    def n_theta(self) -> int:
        """Number of elements of theta."""

    def parameters(self, states: Sequence[State]) -> Array:
        """Return scale, coefficients and theta in the units of the data, a row for each."""

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""


def constrained(
    landscape: Landscape,
    kind: str,
    name: str,
    constraint: Constraint,
    x: Array,
    show: Show,
    read: Callable[[Array], State],
    ceiling: Minimum | None = None,
) -> Target:
    """Return the target that a constraint on the variables of a landscape is.

    Parameters
    ----------
    landscape : Landscape
    kind, name : str
    constraint : Constraint
    x : ndarray, shape (m,)
        The optimum.
    show : callable
        As for `Target`.
    read : callable
        x -> the parameters of the model there.
    ceiling : Minimum, optional
        As for `Target`.
    """

    def solve(value: float, start: Array) -> Minimum | None:
        return constrained_minimum(landscape, constraint, value, start)

    def state(x: Array, value: float) -> State:
        return read(x if math.isnan(value) else constraint.retract(x, value))

    with np.errstate(all="ignore"):
        center = constraint.value(x)
    bounds = constraint.lower, constraint.upper
    return Target(kind, name, center, *bounds, x, solve, show, state, ceiling)


def covariance_targets(
    kind: str,
    components: CovarianceParameters,
    size: Array,
    unit: float,
    sigma: float | None,
    make: Callable[[str, str, Constraint, Show, Minimum | None], Target],
    minimum: Callable[[Constraint, float], Minimum | None],
) -> list[Target]:
    """Return the targets among theta, standard deviations or correlations.

    Parameters
    ----------
    kind : {"theta", "sd", "corr"}
    components : CovarianceParameters
    size : ndarray, shape (n_theta,)
        What the first variables are to be multiplied by to give theta.
    unit : float
        What standard deviations are to be multiplied by.
    sigma : float or None
        Scale of the random effects, None when its logarithm is the last variable.
    make : callable
        (kind, name, constraint, show, ceiling) -> the target.
    minimum : callable
        (constraint, value) -> the optimum where it has that value; None if it is not found.
    """
    if kind == "theta":
        elements = [
            Element(i, 0.0 if i == above else -math.inf, int(above))
            for i, above in enumerate(components.owner)
        ]
        return [
            make(kind, name, element, linear(size[element.at]), None)
            for name, element in zip(components.theta_names, elements, strict=True)
        ]
    rows: dict[tuple[int, int], tuple[int, ...]] = {at: () for at in components.sd_at}
    for i, (t, row, _) in enumerate(components.theta_at):
        rows[t, row] += (i,)
    lengths = {at: Length(row, sigma) for at, row in rows.items()}
    if kind == "sd":
        return [
            make(kind, name, lengths[at], linear(unit * size[rows[at][-1]]), None)
            for name, at in zip(components.sd_names, components.sd_at, strict=True)
        ]
    without = {
        at: minimum(lengths[at], NEAR_BOUND)
        for at in {(t, row) for t, i, j in components.corr_at for row in (i, j)}
    }
    return [
        make(
            kind, name, Angle(rows[t, j], rows[t, i]), _cosine, _lower(without[t, i], without[t, j])
        )
        for name, (t, i, j) in zip(components.corr_names, components.corr_at, strict=True)
    ]


def linear(unit: float, zero: float = 0.0) -> Show:
    """Return the change of units zero + unit * value."""
    return lambda value: (zero + unit * value, unit)


def _lower(one: Minimum | None, other: Minimum | None) -> Minimum | None:
    found = [minimum for minimum in (one, other) if minimum is not None]
    return min(found, key=lambda minimum: minimum.value, default=None)


def _cosine(angle: float) -> tuple[float, float]:
    return math.cos(angle), -math.sin(angle)
