"""Newton's method in a trust region, for objectives of a few parameters with derivatives.

The quadratic model may be indefinite, so that saddle points are left along directions of
negative curvature; its minimum inside the region is exact (Moré and Sorensen 1983), from an
eigendecomposition. Lengths are measured in units in which the curvatures are one. What an
approximate Hessian lacks is learned from the changes of the gradient, by symmetric updates of
rank one, and used where it foretells the objective better (Dennis, Gay and Welsch 1981).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from ..._typing import Array

__all__ = ["Evaluate", "Evaluation", "Minimum", "minimize_newton"]

Evaluation = tuple[float, Array, Array]
Evaluate = Callable[[Array], Evaluation]

# A decrease in the objective that is not worth another evaluation.
TOLERANCE = 1e-10
# A minimum counts when the quadratic model promises no more than this.
CONVERGED_DECREMENT = 1e-6
# A minimum that is lower by more than this is another one.
LOWER = 1e-6
# Negative curvatures of this size, in units of the largest, are rounding errors.
FLAT = 1e-7
# Changes of the objective below this share of it are rounding errors.
NOISE = 1e-13
FIRST_RADIUS = 4.0
LEAST_RADIUS = 1e-12


@dataclass(frozen=True)
class Minimum:
    """Where a minimization ended.

    Parameters
    ----------
    end : ndarray, shape (m,)
    value : float
    gradient : ndarray, shape (m,)
    curvature : ndarray, shape (m, m)
    decrement : float
        The decrease that the quadratic model still promises.
    min_eigenvalue : float
        Least curvature, in units in which curvatures are about one.
    converged : bool
    status : str
        ``"GTOL_REACHED"``, ``"ROUNDOFF_LIMITED"``, ``"MAXEVAL_REACHED"`` or ``"FAILURE"``.
    evaluations, failures : int
        Number of evaluations, and of those where the objective was no number.
    points : ndarray, shape (evaluations, m)
    values : ndarray, shape (evaluations,)
        All evaluations in order.
    """

    end: Array
    value: float
    gradient: Array
    curvature: Array
    decrement: float
    min_eigenvalue: float
    converged: bool
    status: str
    evaluations: int
    failures: int
    points: Array = field(repr=False)
    values: Array = field(repr=False)

    def or_lower(self, later: Minimum) -> Minimum:
        """Return this, or a later minimum that is lower, with the evaluations of both.

        Of two that are as low the one that converged counts.
        """
        margin = LOWER if later.converged and not self.converged else -LOWER
        return replace(
            later if later.value < self.value + margin else self,
            evaluations=self.evaluations + later.evaluations,
            failures=self.failures + later.failures,
            points=np.concatenate([self.points, later.points]),
            values=np.concatenate([self.values, later.values]),
        )

    def raised(self, constant: float) -> Minimum:
        """Return the same of an objective to which a constant is added."""
        return replace(self, value=self.value + constant, values=self.values + constant)

    def times(self, units: Array) -> Minimum:
        """Return the same of coordinates that are multiplied by units."""
        return replace(
            self,
            end=self.end * units,
            gradient=self.gradient / units,
            curvature=self.curvature / units[:, None] / units,
            points=self.points * units,
        )


def _in_units(evaluate: Evaluate, units: Array) -> Evaluate:
    """Return an objective as a function of its coordinates divided by units."""

    def scaled(x: Array) -> Evaluation:
        value, gradient, curvature = evaluate(x * units)
        return value, gradient * units, curvature * units[:, None] * units

    return scaled


def _promise(eigenvalues: Array, slopes: Array) -> float:
    """Return the decrease that a quadratic model promises, flat directions bounded."""
    least = FLAT * max(float(np.abs(eigenvalues).max(initial=0.0)), 1e-300)
    return float(0.5 * np.sum(slopes**2 / np.maximum(np.abs(eigenvalues), least)))


def _step(eigenvalues: Array, slopes: Array, radius: float) -> Array:
    """Return the minimum of the model in the region, in the basis of the eigenvectors."""
    least = float(eigenvalues[0])
    if least > 0:
        newton = -slopes / eigenvalues
        if float(newton @ newton) <= radius**2:
            return newton
    floor = max(0.0, -least)
    tiny = 1e-14 * max(1.0, float(np.abs(eigenvalues).max()))

    def length(shift: float) -> float:
        step = slopes / (eigenvalues + shift)
        return math.sqrt(float(step @ step))

    if length(floor + tiny) <= radius:
        # The hard case: no slope along the direction of least curvature, which fills the rest.
        step = -slopes / (eigenvalues + floor + tiny)
        rest = np.sqrt(max(radius**2 - float(step @ step), 0.0))
        step[0] += rest if slopes[0] <= 0 else -rest
        return step
    low, high = floor + tiny, floor + float(np.linalg.norm(slopes)) / radius + tiny
    for _ in range(200):
        middle = math.sqrt(low * high) if low > 0 else (low + high) / 2.0
        if length(middle) > radius:
            low = middle
        else:
            high = middle
        if high - low <= 1e-10 * high:
            break
    return -slopes / (eigenvalues + high)


def _next_radius(radius: float, length: float, quality: float) -> float:
    """Return the radius after a step that made this share of the promised fall."""
    if quality < 0.25:
        return 0.25 * length
    return max(radius, 3.0 * length) if quality > 0.75 else radius


class _Run:
    """One minimization: the evaluations made, and the best point among them."""

    def __init__(self, evaluate: Evaluate, start: Array) -> None:
        self.evaluate = evaluate
        self.points: list[Array] = []
        self.values: list[float] = []
        self.failures = 0
        self.x = np.array(start, dtype=float)
        self.value, self.gradient, self.curvature = self.at(self.x)
        self.units = np.zeros(len(self.x))
        self.lacking = np.zeros((len(self.x), len(self.x)))
        self.corrected = False
        self._decompose()

    def at(self, x: Array) -> Evaluation:
        value, gradient, curvature = self.evaluate(x)
        known = np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(curvature).all()
        value = float(value) if known else np.inf
        self.failures += not known
        self.points.append(x.copy())
        self.values.append(value)
        return value, gradient, curvature

    def _decompose(self) -> None:
        if not np.isfinite(self.value) or not len(self.x):
            self.eigenvalues, self.vectors = np.ones(len(self.x)), np.eye(len(self.x))
            self.slopes = np.zeros(len(self.x))
            return
        hessian = self.hessian
        size = np.sqrt(np.abs(np.diag(hessian)))
        size = np.maximum(size, 1e-4 * max(float(size.max()), 1e-8))
        self.units = np.maximum(size, 0.1 * self.units)
        self.eigenvalues, self.vectors = np.linalg.eigh(hessian / np.outer(self.units, self.units))
        self.slopes = self.vectors.T @ (self.gradient / self.units)

    def promise(self) -> float:
        return _promise(self.eigenvalues, self.slopes)

    def convex_promise(self) -> float:
        return self.promise() if self.is_minimum() else np.inf

    def is_minimum(self) -> bool:
        flat = FLAT * max(1.0, float(np.abs(self.eigenvalues).max(initial=0.0)))
        return bool(self.eigenvalues.min(initial=0.0) >= -10.0 * flat)

    def is_flat_enough(self) -> bool:
        """Whether no curvature is negative by more than what ordinary steps would gain by it."""
        if self.is_minimum():
            return True
        far = np.maximum(1.0, np.abs(self.x)) * self.units
        lengths = np.sqrt(np.sum((self.vectors * far[:, None]) ** 2, axis=0))
        gains = 0.5 * np.maximum(-self.eigenvalues, 0.0) * lengths**2
        suspects = np.flatnonzero(gains > CONVERGED_DECREMENT).tolist()
        return all(self.is_no_descent(at, float(lengths[at]), float(gains[at])) for at in suspects)

    def is_no_descent(self, at: int, length: float, gain: float) -> bool:
        """Whether the objective does not fall along an eigenvector of negative curvature.

        Where a parameter has all but no effect the curvature is a rounding error of others.
        """
        while gain > CONVERGED_DECREMENT:
            step = length * self.vectors[:, at] / self.units
            for end in (self.x + step, self.x - step):
                if self.at(end)[0] < self.value - CONVERGED_DECREMENT:
                    return False
            length, gain = 0.1 * length, 0.01 * gain
        return True

    def trial(self, radius: float, longest: Array) -> tuple[Array, float, float]:
        """Return the step, the change it promises and its length in units."""
        inner = _step(self.eigenvalues, self.slopes, radius)
        step = (self.vectors @ inner) / self.units
        share = float(np.max(np.abs(step) / longest, initial=0.0))
        if share > 1.0:
            # Shorter as a whole, or in the coordinates that go too far: one that the objective
            # does not depend on must not hold up the others.
            clipped = np.clip(step, -longest, longest)
            step, inner = min(
                (step / share, inner / share),
                (clipped, self.vectors.T @ (clipped * self.units)),
                key=lambda each: self.change(each[1]),
            )
        return step, self.change(inner), float(np.linalg.norm(inner))

    def change(self, inner: Array) -> float:
        """Return the change that the model foretells of a step in the basis of eigenvectors."""
        return float(self.slopes @ inner + 0.5 * inner @ (self.eigenvalues * inner))

    def move(self, x: Array, evaluation: Evaluation) -> None:
        self.x = x
        self.value, self.gradient, self.curvature = evaluation
        self._decompose()

    @property
    def hessian(self) -> Array:
        """The approximate Hessian, with the correction where it helps."""
        return self.curvature + self.lacking if self.corrected else self.curvature

    def learn(self, step: Array, fall: float, change: Array, curvature: Array) -> None:
        """Correct the Hessian by the change of the gradient along a step."""
        plain = -float(self.gradient @ step + 0.5 * step @ self.curvature @ step)
        added = plain - 0.5 * float(step @ self.lacking @ step)
        if plain != added:
            self.corrected = abs(added - fall) < abs(plain - fall)
        wanted, has = abs(float(step @ (change - curvature @ step))), added - plain
        if 2.0 * abs(has) > wanted:
            self.lacking = self.lacking * (wanted / (2.0 * abs(has)))
        miss = change - (curvature + self.lacking) @ step
        product = float(miss @ step)
        lengths = np.linalg.norm(miss / self.units) * np.linalg.norm(step * self.units)
        if abs(product) > 1e-6 * float(lengths) > 0.0:
            self.lacking = self.lacking + np.outer(miss, miss) / product

    def settle(self, promise: float, radius: float, longest: Array, rounding: float) -> None:
        """Take one step more if more is promised, where it makes the promise smaller."""
        if self.promise() <= promise:
            return
        x = self.x + self.trial(radius, longest)[0]
        evaluation = self.at(x)
        noise = rounding * (1.0 + abs(self.value))
        self.refine(x, evaluation, evaluation[0] - self.value <= 1000.0 * noise)

    def refine(self, x: Array, evaluation: Evaluation, allowed: bool) -> bool:
        """Move where rounding errors hide the fall, if the gradient became smaller there.

        Return whether it did by so much that another step may be worth it.
        """
        if not allowed:
            return False
        before, kept = self.promise(), (self.x, (self.value, self.gradient, self.curvature))
        self.move(x, evaluation)
        after = self.promise()
        if not after <= before:
            self.move(*kept)
        return after < 0.9 * before

    @property
    def here(self) -> tuple[Array, Evaluation]:
        """The best point and its evaluation."""
        return self.x, (self.value, self.gradient, self.curvature)

    def end(self, status: str) -> Minimum:
        decrement = self.promise() if np.isfinite(self.value) else np.inf
        done = status in ("GTOL_REACHED", "ROUNDOFF_LIMITED")
        return Minimum(
            end=self.x,
            value=self.value,
            gradient=self.gradient,
            curvature=self.hessian,
            decrement=decrement,
            min_eigenvalue=float(self.eigenvalues.min(initial=np.inf)),
            converged=bool(done and decrement <= CONVERGED_DECREMENT and self.is_flat_enough()),
            status=status,
            evaluations=len(self.values),
            failures=self.failures,
            points=np.array(self.points),
            values=np.array(self.values),
        )


def minimize_newton(
    evaluate: Evaluate,
    start: Array,
    *,
    longest: Array | None = None,
    max_eval: int = 500,
    tolerance: float = TOLERANCE,
    settled: float = np.inf,
    rounding: float = NOISE,
    stop: Callable[[Array, float, float], bool] | None = None,
    units: Array | None = None,
) -> Minimum:
    """Minimize an objective.

    Parameters
    ----------
    evaluate : callable
        Returns value, gradient (m,) and an approximation of the Hessian (m, m) at x, such as an
        information matrix; a value that is not finite says that there is none at x.
    start : ndarray, shape (m,)
    longest : ndarray, shape (m,), optional
        Longest step of each coordinate.
    max_eval : int
        Limit of evaluations; 0 for none.
    tolerance : float
        Stop when the quadratic model promises less.
    settled : float
        Take one step more if it still promises more than this.
    rounding : float
        Changes of the objective below this share of it are rounding errors.
    stop : callable, optional
        Looked at after each step with x, its value and the decrease that the quadratic model
        promises, infinite where it is not convex: true ends the run early.
    units : ndarray, shape (m,), optional
        Units of the coordinates, of very different sizes perhaps; ones by default.

    Returns
    -------
    Minimum
        It says whether it converged.
    """
    if units is not None:
        scaled = minimize_newton(
            _in_units(evaluate, units),
            start / units,
            longest=None if longest is None else longest / units,
            max_eval=max_eval,
            tolerance=tolerance,
            settled=settled,
            rounding=rounding,
            stop=None if stop is None else lambda x, *others: stop(x * units, *others),
        )
        return scaled.times(units)
    start = np.asarray(start, dtype=float)
    reach = np.full(len(start), np.inf) if longest is None else np.asarray(longest, dtype=float)
    run = _Run(evaluate, start)
    if not np.isfinite(run.value):
        return run.end("FAILURE")
    if not len(start):
        return run.end("GTOL_REACHED")
    radius = FIRST_RADIUS * np.sqrt(len(start))
    while True:
        if run.promise() <= tolerance and run.is_minimum():
            run.settle(settled, radius, reach, rounding)
            return run.end("GTOL_REACHED")
        if max_eval and len(run.values) >= max_eval:
            return run.end("MAXEVAL_REACHED")
        step, change, length = run.trial(radius, reach)
        x = run.x + step
        evaluation = run.at(x)
        noise = rounding * (1.0 + abs(run.value))
        fall = run.value - evaluation[0]
        if -change <= 100.0 * noise:
            if not run.refine(x, evaluation, -fall <= 1000.0 * noise):
                return run.end("ROUNDOFF_LIMITED")
            continue
        quality = fall / -change
        taken = quality > 1e-4
        if np.isfinite(evaluation[0]):
            curvature = evaluation[2] if taken else run.curvature
            run.learn(step, fall, evaluation[1] - run.gradient, curvature)
        run.move(*((x, evaluation) if taken else run.here))
        if taken and stop is not None and stop(run.x, run.value, run.convex_promise()):
            return run.end("STOPPED")
        radius = _next_radius(radius, length, quality)
        if radius < LEAST_RADIUS:
            return run.end("ROUNDOFF_LIMITED")
