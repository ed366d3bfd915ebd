"""The parameters of a model as things to hold fixed while all else is optimized."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .constraints import Angle, Constraint, Element, Length
from .parameters import Components
from .surface import Landscape, Minimum, constrained_minimum

__all__ = ["Model", "Show", "State", "Target", "constrained", "covariance_targets", "linear"]

Array = NDArray[np.float64]

# theta, sigma or the dispersion, and coefficients, in working units
State = tuple[Array, float, Array]
# value -> (value, derivative) in the units of the data
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
    """

    def solve(value: float, start: Array) -> Minimum | None:
        return constrained_minimum(landscape, constraint, value, start)

    def state(x: Array, value: float) -> State:
        return read(x if math.isnan(value) else constraint.retract(x, value))

    with np.errstate(all="ignore"):
        center = constraint.value(x)
    return Target(kind, name, center, constraint.lower, constraint.upper, x, solve, show, state)


def covariance_targets(
    kind: str,
    components: Components,
    size: Array,
    unit: float,
    sigma: float | None,
    make: Callable[[str, str, Constraint, Show], Target],
) -> list[Target]:
    """Return the targets among theta, standard deviations or correlations.

    Parameters
    ----------
    kind : {"theta", "sd", "corr"}
    components : Components
    size : ndarray, shape (n_theta,)
        What the first variables are to be multiplied by to give theta.
    unit : float
        What standard deviations are to be multiplied by.
    sigma : float or None
        Scale of the random effects, None when its logarithm is the last variable.
    make : callable
        (kind, name, constraint, show) -> the target.
    """
    if kind == "theta":
        elements = [
            Element(i, 0.0 if i == above else -math.inf, int(above))
            for i, above in enumerate(components.owner)
        ]
        return [
            make(kind, name, element, linear(size[element.at]))
            for name, element in zip(components.theta_names, elements, strict=True)
        ]
    rows: dict[tuple[int, int], tuple[int, ...]] = {at: () for at in components.sd_at}
    for i, (t, row, _) in enumerate(components.theta_at):
        rows[t, row] += (i,)
    if kind == "sd":
        return [
            make(kind, name, Length(rows[at], sigma), linear(unit * size[rows[at][-1]]))
            for name, at in zip(components.sd_names, components.sd_at, strict=True)
        ]
    return [
        make(kind, name, Angle(rows[t, j], rows[t, i]), _cosine)
        for name, (t, i, j) in zip(components.corr_names, components.corr_at, strict=True)
    ]


def linear(unit: float, zero: float = 0.0) -> Show:
    """Return the change of units zero + unit * value."""
    return lambda value: (zero + unit * value, unit)


def _cosine(angle: float) -> tuple[float, float]:
    return math.cos(angle), -math.sin(angle)
