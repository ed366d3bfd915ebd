"""Following the optimum of a model while one of its parameters is moved."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .._typing import Array
from ..errors import MixedModelError
from .constrained_minimum import MAX_EVALUATIONS, ConstrainedMinimum
from .curve import Curve
from .optima import Optima
from .targets import NEAR_BOUND, Model, Target

__all__ = ["trace"]


# Points are this far apart in zeta, about.
STEP = 0.6
MOST_POINTS = 60
# Curves that have taken this many evaluations without reaching the cutoff will not reach it.
MOST_EVALUATIONS = 1000
# No step is longer than this times the one before,
GROWTH = 2.5
# Nor than this: angles behind correlations, in radians; coefficients, whose curves are straight.
LONGEST = {"corr": 0.25, "beta": math.inf}
# Share of a coefficient that ran off to infinity that no step towards finite values exceeds.
FLAT_STEP = 0.05
# Deviances lower than that of the fit by more than this are no rounding.
BELOW = 1e-5
# As near to the ceiling as this, in zeta, a curve has reached it.
AT_CEILING = 1e-3
# A curve that rises by less, when the parameter is doubled, levels off for ever, if it has risen to
# this, or after all doublings: with a range too short for correlations it is flat at its beginning,
# as it is for coefficients that ran off to infinity. Others are where they rise.
LEVEL = 1e-3
RISEN = 0.1
# Errors of interpolated zeta that are left, and how often an interval is halved for them at most.
EXACT = 3e-4
HALVINGS = 6
# A root that is lower by more than this is that of another minimum.
LOWER = 1e-4


@dataclass(frozen=True, eq=False)
class _Point:
    """A point of a curve: value, root of the rise, its derivative (both >= 0), optimum.

    `turn` is the change of the tangent on the way to it, for each unit of the value, and `bend`
    that of the slope, unless the minimum has one. A point that represents a bound lies slightly
    inside it, and has that as its `place`. The last of a curve may be one from which it is `level`.
    """

    value: float
    root: float
    rate: float
    minimum: ConstrainedMinimum
    turn: Array | float = 0.0
    bend: float = 0.0
    place: float | None = None
    level: bool = False

    def is_level_from(self, here: _Point) -> bool:
        """Whether the curve rises no more on the way from another point, and beyond."""
        far = abs(self.value) >= 2.0 * abs(here.value) > 0.0
        return far and max(self.root - here.root, self.rate * abs(self.value)) < LEVEL


def trace(model: Model, target: Target, cutoff: float) -> tuple[Curve, Optima]:
    """Follow the optimum of a model along a target until zeta has reached a cutoff.

    Parameters
    ----------
    model : Model
    target : Target
    cutoff : float
        Positive.

    Returns
    -------
    curve : Curve
    optima : Optima
        All parameters at each point.

    Raises
    ------
    MixedModelError
        If a deviance is found that is below the one of the model.
    """
    if math.isnan(target.center):
        return _flat(model, target, cutoff)
    center = min(max(target.center, target.lower + NEAR_BOUND), target.upper - NEAR_BOUND)
    minimum = target.solve(center, target.start)
    if minimum is None:
        raise MixedModelError(
            f"the profile of {target.kind} {target.name} has no beginning: the deviance cannot "
            "be minimized at the estimate."
        )
    # An optimum as near to a bound as points come lies on it.
    bounds = (target.lower, target.upper)
    reached = [bound for bound in bounds if abs(target.center - bound) <= 2.0 * NEAR_BOUND]
    place = reached[0] if reached else target.center
    rate = math.sqrt(max(minimum.bend, 0.0) / 2.0)
    origin = _Point(center, 0.0, rate, minimum, bend=minimum.bend, place=place)
    sides = [
        [] if target.infinite == sign else _side(model, target, origin, sign, cutoff)
        for sign in (-1, 1)
    ]
    below, above = (_refined(model, target, origin, side) for side in sides)
    points = [*reversed(below), origin, *above]
    optima = model.parameters([target.state(point.minimum.x, point.value) for point in points])
    if target.kind == "corr":  # the cosine falls
        optima = optima.backwards()
    return _curve(target, below, origin, above, cutoff), optima


def _curve(
    target: Target, below: list[_Point], origin: _Point, above: list[_Point], cutoff: float
) -> Curve:
    """Return the curve through a point and those on both sides of it, going outward."""
    points = [*reversed(below), origin, *above]
    root = np.array([point.root for point in points])
    root[: len(below)] *= -1.0
    rate = np.array([point.rate for point in points])
    slope = rate / np.abs([target.show(point.value)[1] for point in points])
    places = [point.value if point.place is None else point.place for point in points]
    value = np.array([target.show(place)[0] for place in places])
    bounds = [target.show(bound)[0] for bound in (target.lower, target.upper)]
    if target.kind == "corr":
        root, value, slope = -root[::-1], value[::-1], slope[::-1]
    return Curve(
        kind=target.kind,
        name=target.name,
        estimate=target.show(target.center)[0],
        value=value,
        zeta=np.maximum.accumulate(root),
        slope=slope,
        lower=min(bounds),
        upper=max(bounds),
        cutoff=cutoff,
        infinite=target.infinite,
        level=tuple(bool(side) and side[-1].level for side in (below, above)),
    )


def _refined(model: Model, target: Target, here: _Point, side: list[_Point]) -> list[_Point]:
    """Return the points of a side, with others where the curve between them is not known."""
    points: list[_Point] = []
    for there in side:
        points += [*_between(model, target, here, there, HALVINGS), there]
        here = there
    return points


def _between(
    model: Model, target: Target, here: _Point, there: _Point, halvings: int
) -> list[_Point]:
    """Return the points that are needed on the way from one to another."""
    if there.value < here.value:
        pair = _curve(target, [there], replace(here, root=-here.root), [], math.inf)
    else:
        pair = _curve(target, [], here, [there], math.inf)
    if not halvings or pair.doubt <= EXACT:
        return []
    at = 0.5 * (here.value + there.value)
    middle = _point(model, target, here, at)
    if target.has_others:
        middle = _least(middle, _point(model, target, there, at))
    if middle is None or not here.root <= middle.root <= there.root:
        return []
    foretold = abs(float(pair.zeta_at(target.show(middle.value)[0])))
    if abs(foretold - middle.root) <= EXACT:
        return [middle]
    return [
        *_between(model, target, here, middle, halvings - 1),
        middle,
        *_between(model, target, middle, there, halvings - 1),
    ]


def _flat(model: Model, target: Target, cutoff: float) -> tuple[Curve, Optima]:
    """Return the curve of a parameter on which the deviance does not depend."""
    value = np.sort([target.show(bound)[0] for bound in (target.lower, target.upper)])
    nothing = np.zeros(2)
    about = target.kind, target.name, math.nan
    curve = Curve(*about, value, nothing, nothing, value[0], value[1], cutoff)
    return curve, model.parameters([target.state(target.start, math.nan)] * 2)


def _side(model: Model, target: Target, origin: _Point, sign: int, cutoff: float) -> list[_Point]:
    """Return the points on one side of the optimum, going outward."""
    bound = target.lower if sign < 0 else target.upper
    points: list[_Point] = []
    here, last = origin, None
    ceiling = math.inf
    if target.ceiling is not None:
        ceiling = math.sqrt(max(target.ceiling.value - model.deviance, 0.0))
    longest = _longest(target, origin, origin)
    evaluations, hopeless = 0, math.inf
    room = sign * (bound - here.value)
    while here.root < cutoff and len(points) < MOST_POINTS and room > 2.0 * NEAR_BOUND:
        if target.ceiling is not None and here.root > ceiling - AT_CEILING:
            end = bound - sign * NEAR_BOUND
            points.append(_Point(end, ceiling, 0.0, target.ceiling, place=bound))
            break
        if evaluations >= MOST_EVALUATIONS:
            break
        step = min(_step(here, bound), longest)
        if step > 0.5 * room:
            # Where no minimum was found at the bound none will be from a point hardly nearer to it.
            if last is None and room <= hopeless:
                last = _point(model, target, here, bound - sign * NEAR_BOUND)
                if last is None:
                    evaluations, hopeless = evaluations + MAX_EVALUATIONS, 0.1 * room
            if last is not None and last.root - here.root <= STEP:
                last = _below(target, ceiling, last)
                points.append(replace(last, root=max(last.root, here.root), place=bound))
                break
            step = 0.5 * room
        there, taken = _next(model, target, here, sign * step)
        evaluations += taken
        if there is None:
            break
        there = _below(target, ceiling, there)
        points.append(there)
        rising = target.kind == "beta" and not target.infinite
        known = rising or there.root > RISEN or len(points) == MOST_POINTS
        if math.isinf(bound) and known and there.is_level_from(here):
            points[-1] = replace(there, level=True)
            break
        longest = min(_longest(target, origin, there), GROWTH * abs(there.value - here.value))
        here, room = there, sign * (bound - there.value)
    return _returned(model, target, points)


def _returned(model: Model, target: Target, points: list[_Point]) -> list[_Point]:
    """Return points going outward, with lower minima that are found on the way back from others.

    The optimum that is followed may be one of several, above another one farther on: there the root
    falls. Going back from it the other one is followed to where it was passed.
    """
    points = list(points)
    for at in range(len(points) - 2, -1, -1):
        here, outer = points[at], points[at + 1]
        if target.has_others or outer.root < here.root - LOWER:
            found = _least(here, _point(model, target, outer, here.value))
            points[at] = here if found is None else found
    return points


def _least(one: _Point | None, other: _Point | None) -> _Point | None:
    """Return the lower of two points at one value, the first unless they are two minima."""
    if one is None or other is None:
        return one or other
    return other if other.root < one.root - LOWER else one


def _below(target: Target, ceiling: float, point: _Point) -> _Point:
    """Return a point, or the minimum that holds at any value where that is lower."""
    if target.ceiling is None or point.root <= ceiling:
        return point
    return _Point(point.value, ceiling, 0.0, target.ceiling)


def _longest(target: Target, origin: _Point, here: _Point) -> float:
    """Return the longest step from a point; an estimate near zero says nothing of the size."""
    if target.infinite:  # the curve is flat at its beginning
        return FLAT_STEP * abs(origin.value)
    return LONGEST.get(target.kind, max(1.0, abs(origin.value), abs(here.value)))


def _next(model: Model, target: Target, here: _Point, step: float) -> tuple[_Point | None, int]:
    """Return a point about STEP further on, if there is one, and the evaluations it took."""
    there, evaluations = None, 0
    for _ in range(8):
        there = _point(model, target, here, here.value + step)
        evaluations += MAX_EVALUATIONS if there is None else there.minimum.evaluations
        if there is not None and there.root - here.root <= 1.6 * STEP:
            break
        if evaluations >= MOST_EVALUATIONS:
            break
        step *= 0.5
    return there, evaluations


def _step(here: _Point, bound: float) -> float:
    """Return how far to go until the root has grown by STEP, by the local parabola."""
    rise = (here.root + STEP) ** 2 - here.root**2
    slope, bend = abs(here.minimum.slope), here.bend
    if bend > 0:
        return (math.sqrt(slope**2 + 2.0 * bend * rise) - slope) / bend
    return rise / slope if slope > 0 else math.inf if math.isinf(bound) else 0.1


def _point(model: Model, target: Target, here: _Point, value: float) -> _Point | None:
    """Find the optimum at a value, beginning from that at another."""
    way = value - here.value
    start, ahead = here.minimum.x, (here.minimum.tangent + 0.5 * way * here.turn) * way
    if (np.abs(ahead) <= 1.0 + np.abs(start)).all():
        start = start + ahead
    minimum = target.solve(value, start)
    if minimum is None:
        return None
    rise = minimum.value - model.deviance
    if rise < -BELOW:
        theta = model.parameters([target.state(minimum.x, value)]).theta[0]
        raise MixedModelError(
            f"profiling {target.kind} {target.name} has found a deviance {-rise:.3g} below that "
            "of the fit, by maximum likelihood: fit again with "
            f"{model.other_fit.format(theta=theta.tolist())}."
        )
    root = math.sqrt(max(rise, 0.0))
    rate = abs(minimum.slope) / (2.0 * root) if root > 0 else math.nan
    turn = (minimum.tangent - here.minimum.tangent) / way
    bend = minimum.bend
    if math.isnan(bend):
        bend = (minimum.slope - here.minimum.slope) / way
    return _Point(value, root, rate, minimum, turn, bend)
