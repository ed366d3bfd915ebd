"""The parameters of a model as things to hold fixed while all else is optimized."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..results.parameters import CovarianceParameters
from .constrained_minimum import ConstrainedMinimum
from .constraints import Angle, Combination, Constraint, Element, Length
from .learned_curvature import LandscapeWithSaddles, LearnedCurvature
from .optima import Optima

__all__ = [
    "NEAR_BOUND",
    "CovarianceUnits",
    "Model",
    "Show",
    "State",
    "Target",
    "constrained",
    "covariance_targets",
    "linear",
    "wanted_targets",
]


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
    has_others : bool
        Whether there may well be several minima, so that each is looked for from both sides.
    """

    kind: str
    name: str
    center: float
    lower: float
    upper: float
    start: Array
    solve: Callable[[float, Array], ConstrainedMinimum | None]
    show: Show
    state: Callable[[Array, float], State]
    ceiling: ConstrainedMinimum | None = None
    infinite: int = 0
    has_others: bool = False


class Model(Protocol):
    """A model at its optimum, whose parameters can be profiled."""

    @property
    def deviance(self) -> float:
        """-2 log-likelihood at the optimum, but for a constant."""

    @property
    def other_fit(self) -> str:
        """What a fit can be given to end elsewhere, with {theta} for that of `parameters`."""

    @property
    def n_theta(self) -> int:
        """Number of elements of theta."""

    def parameters(self, states: Sequence[State]) -> Optima:
        """Return scale, coefficients and theta in the units of the data, a row for each."""

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        """Return the parameters of a kind."""


def wanted_targets(
    model: Model,
    asked: str | Sequence[str] | None,
    present: Sequence[str],
    fixed_names: tuple[str, ...],
) -> list[Target]:
    """Return the parameters that are asked for, by kind or by name.

    Parameters
    ----------
    model : Model
    asked : str or sequence of str, optional
        Kinds and names; all parameters by default.
    present : sequence of str
        The kinds that the model has.
    fixed_names : tuple of str
        Names of the coefficients.

    Raises
    ------
    OptionError
        If there is no parameter of such a kind or name.
    """
    if asked is None:
        asked = present
    found: dict[tuple[str, str], Target] = {}
    for what in (asked,) if isinstance(asked, str) else asked:
        if what in present:
            targets = model.targets(what, fixed_names)
        else:
            kinds = (
                ["beta"] if what in fixed_names else [kind for kind in present if kind != "beta"]
            )
            targets = [each for kind in kinds for each in model.targets(kind, fixed_names)]
            targets = [each for each in targets if each.name == what]
        if not targets and what not in present:
            raise OptionError(
                f"there is no {what!r} here; choose from {', '.join(present)}, or name parameters "
                "as summary() or conf_int() of a profile names them."
            )
        found |= {(each.kind, each.name): each for each in targets}
    return list(found.values())


def constrained(
    landscape: LandscapeWithSaddles,
    kind: str,
    name: str,
    constraint: Constraint,
    x: Array,
    show: Show,
    read: Callable[[Array], State],
    ceiling: ConstrainedMinimum | None = None,
) -> Target:
    """Return the target that a constraint on the variables of a landscape is.

    Parameters
    ----------
    landscape : LandscapeWithSaddles
        What its curvature leaves out is learned for this target.
    kind, name : str
    constraint : Constraint
    x : ndarray, shape (m,)
        The optimum.
    show : callable
        As for `Target`.
    read : callable
        x -> the parameters of the model there.
    ceiling : ConstrainedMinimum, optional
        As for `Target`.
    """
    learned = LearnedCurvature(landscape)

    def solve(value: float, start: Array) -> ConstrainedMinimum | None:
        return learned.constrained_minimum(constraint, value, start)

    def state(x: Array, value: float) -> State:
        return read(x if math.isnan(value) else constraint.retract(x, value))

    with np.errstate(all="ignore"):
        center = constraint.value(x)
    bounds = constraint.lower, constraint.upper
    return Target(kind, name, center, *bounds, x, solve, show, state, ceiling)


@dataclass(frozen=True, eq=False)
class CovarianceUnits:
    """How the covariance parameters are found among the variables that are minimized over.

    Parameters
    ----------
    components : CovarianceParameters
    size : ndarray, shape (n_theta,)
        What the first variables are to be multiplied by to give theta.
    unit : float
        What standard deviations are to be multiplied by.
    changes : sequence of ndarray, shape (k, k), or None
        For each block what T in the coordinates of x is to be multiplied by to give T.
    total : int
        Number of variables.
    sigma : float or None
        Scale of the random effects, None when its logarithm is the last variable.
    """

    components: CovarianceParameters
    size: Array
    unit: float
    changes: Sequence[Array | None]
    total: int
    sigma: float | None


def covariance_targets(
    kind: str,
    units: CovarianceUnits,
    make: Callable[[str, str, Constraint, Show, ConstrainedMinimum | None], Target],
    minimum: Callable[[Constraint, float], ConstrainedMinimum | None],
) -> list[Target]:
    """Return the targets among theta, standard deviations or correlations.

    Parameters
    ----------
    kind : {"theta", "sd", "corr"}
    units : CovarianceUnits
    make : callable
        (kind, name, constraint, show, ceiling) -> the target.
    minimum : callable
        (constraint, value) -> the optimum where it has that value; None if it is not found.
    """
    components = units.components
    rows = {at: _row(components, at, units.size, units.changes[at[0]]) for at in components.sd_at}
    if kind == "theta":
        return [
            make(kind, name, *_element(components, rows, i, units.total), None)
            for i, name in enumerate(components.theta_names)
        ]
    lengths = {at: Length(row.at, row.matrix, units.sigma) for at, row in rows.items()}
    if kind == "sd":
        return [
            make(kind, name, lengths[at], linear(units.unit * rows[at].size), None)
            for name, at in zip(components.sd_names, components.sd_at, strict=True)
        ]
    without = {
        at: minimum(lengths[at], NEAR_BOUND)
        for at in {(t, row) for t, i, j in components.corr_at for row in (i, j)}
    }
    return [
        make(
            kind,
            name,
            Angle(rows[t, j].at, rows[t, j].matrix, rows[t, i].matrix),
            _cosine,
            _lower(without[t, i], without[t, j]),
        )
        for name, (t, i, j) in zip(components.corr_names, components.corr_at, strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Row:
    """A row of T as size * matrix @ x[at], x in units of theta.

    Parameters
    ----------
    at : tuple of int
        Positions of all elements of its block.
    matrix : ndarray, shape (k, m)
    size : float
    """

    at: tuple[int, ...]
    matrix: Array
    size: float


def _row(
    components: CovarianceParameters, at: tuple[int, int], size: Array, change: Array | None
) -> _Row:
    t, row = at
    inside = [(n, r, c) for n, (block, r, c) in enumerate(components.theta_at) if block == t]
    k = len(components.blocks[t][1])
    shares = np.eye(k)[row] if change is None else change[row]
    matrix = np.zeros((k, len(inside)))
    for m, (n, r, c) in enumerate(inside):
        matrix[c, m] = shares[r] * size[n]
    typical = float(np.abs(matrix).max()) or 1.0
    return _Row(tuple(n for n, _, _ in inside), matrix / typical, typical)


def _element(
    components: CovarianceParameters, rows: dict[tuple[int, int], _Row], i: int, total: int
) -> tuple[Constraint, Show]:
    """Return an element of theta as a constraint, and how it is shown."""
    t, row, column = components.theta_at[i]
    one, above = rows[t, row], int(components.owner[i])
    shares = one.matrix[column]
    if i == above or np.count_nonzero(shares) == 1:
        share = float(shares[one.at.index(i)])
        return Element(i, 0.0 if i == above else -math.inf, above), linear(one.size * share)
    return Combination(_scattered(shares, one.at, total), above), linear(one.size)


def _scattered(values: Array, at: tuple[int, ...], n: int) -> Array:
    out = np.zeros(n)
    out[list(at)] = values
    return out


def linear(unit: float, zero: float = 0.0) -> Show:
    """Return the change of units zero + unit * value."""
    return lambda value: (zero + unit * value, unit)


def _lower(
    one: ConstrainedMinimum | None, other: ConstrainedMinimum | None
) -> ConstrainedMinimum | None:
    found = [minimum for minimum in (one, other) if minimum is not None]
    return min(found, key=lambda minimum: minimum.value, default=None)


def _cosine(angle: float) -> tuple[float, float]:
    return math.cos(angle), -math.sin(angle)
