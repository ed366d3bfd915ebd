"""Newton steps for an objective whose determinant and traces come from fixed random probes.

An objective of this kind has a value for each probe, with a Monte Carlo error that hardly changes
from one step to the next. Its gradient is estimated from the same probes but is not the exact
derivative of the mean value. So steps are judged by the values as far as these say something, and
by the gradient within their errors: the end is where the gradient vanishes. Few of the probes are
enough until the end is near. What the approximate Hessian lacks is learned from the last changes
of the gradient (Broyden, Fletcher, Goldfarb and Shanno).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array

__all__ = ["ProbedPoint", "ProbedRun", "free_places", "minimize_probed"]


# Curvatures below this share of the largest count as this share.
FLAT = 1e-8
# The run has converged when the model promises less than this: far below the Monte Carlo error.
PROMISE = 1e-7
# Rounding errors of an objective, as a share of it.
ROUNDING = 1e-14
MOST_STEPS = 60
MOST_HALVINGS = 12
# All probes are used once the model promises no more than this.
THOROUGH = 1e-2
# Changes of the gradient correct the Hessian once the model promises no more than the first, if
# they change the curvature along the step by no more than the second, a factor.
NEAR = 1.0
MOST_CORRECTION = 3.0
MOST_SECANTS = 3
# Step of a difference of gradients, in standard errors, and the share of the variance of
# displacements that needs none.
DIFFERENCE = 0.03
NEGLIGIBLE = 0.01
# The most that a parameter changes in one step: in units of its scale, or where points say so as a
# share of the largest one.
LONGEST_STEP = 2.0
# Diagonal elements of T stay above this: at zero the gradient carries no information.
NEAR_ZERO = 1e-5


class ProbedPoint(ABC):
    """An objective and its derivatives at one set of parameters."""

    parameters: Array
    scale: Array
    # A run has converged when the model promises less than this.
    enough: float = PROMISE
    # Whether steps may be as long as the parameters are large.
    doubling: bool = False
    # Steps that led here and changes of the gradient; the last one is from `origin`.
    older: tuple[tuple[Array, Array], ...] = ()
    origin: tuple[Array, Array] | None = None

    @property
    @abstractmethod
    def values(self) -> Array:
        """The objective by each probe, (probes,); not finite where there is none."""

    @property
    @abstractmethod
    def gradient(self) -> Array:
        """The mean of the gradients by each probe."""

    @property
    @abstractmethod
    def hessian(self) -> Array:
        """An approximate Hessian."""

    @abstractmethod
    def moved(self, parameters: Array) -> ProbedPoint:
        """Return another point."""

    @abstractmethod
    def thorough(self) -> ProbedPoint:
        """Return the same point with all probes; itself if it has them."""

    @abstractmethod
    def forget(self) -> None:
        """Drop all but the values, so that the point takes no memory in a log."""

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors of the Hessian in units of the scale."""
        scaled = self.hessian * np.outer(self.scale, self.scale)
        scaled = 0.5 * (scaled + scaled.T)
        for step, change in self.secants:
            s, y = step / self.scale, self.scale * change
            product = scaled @ s
            usual, found = float(s @ product), float(s @ y)
            if usual > 0 and 1.0 / MOST_CORRECTION < found / usual < MOST_CORRECTION:
                scaled = scaled + np.outer(y, y) / found - np.outer(product, product) / usual
        values, vectors = np.linalg.eigh(scaled)
        return values, vectors

    @cached_property
    def secants(self) -> tuple[tuple[Array, Array], ...]:
        """The last steps of the run and the changes of the gradient, the oldest first."""
        if self.origin is None:
            return self.older
        parameters, gradient = self.origin
        last = self.parameters - parameters, self.gradient - gradient
        return (*self.older, last)[-MOST_SECANTS:]

    def tried(self, parameters: Array) -> ProbedPoint:
        """Return another point, which knows where it came from."""
        out = self.moved(parameters)
        out.older = self.secants
        if self.promise <= NEAR:
            out.origin = self.parameters, self.gradient
        return out

    def newton(self, gradient: Array) -> Array:
        """Return the solution of H x = gradient with eigenvalues made positive."""
        values, vectors = self.spectrum
        safe = np.maximum(np.abs(values), FLAT * np.max(np.abs(values)))
        return np.asarray(self.scale * (vectors @ ((vectors.T @ (self.scale * gradient)) / safe)))

    @cached_property
    def promise(self) -> float:
        """The decrease that the local quadratic model expects."""
        return 0.5 * float(self.gradient @ self.newton(self.gradient))

    def displacements(self, deviations: Array) -> Array:
        """Return how far from here the gradient by each probe vanishes, (probes, parameters).

        The Hessian is approximate, and where one parameter is far less certain than another,
        what couples them decides. So it acts on the main directions by differences of the gradient,
        and one step of refinement corrects the solutions.

        Parameters
        ----------
        deviations : ndarray, shape (probes, parameters)
            The gradient by each probe less their mean.
        """
        moved = np.array([self.newton(each) for each in deviations])
        values, vectors = self.spectrum
        safe = np.maximum(np.abs(values), FLAT * np.max(np.abs(values)))
        # In these coordinates the approximate Hessian is the identity.
        outward = self.scale[:, None] * vectors / np.sqrt(safe)
        inward = (np.sqrt(safe) * vectors / self.scale[:, None]).T
        lengths, right = np.linalg.svd(moved @ inward.T, full_matrices=False)[1:]
        left_over = 1.0 - np.cumsum(lengths**2) / np.sum(lengths**2)
        for direction in right[: 1 + int(np.sum(left_over > NEGLIGIBLE))]:
            x = outward @ direction
            trial = self.moved(self.parameters + DIFFERENCE * x)
            if np.all(np.isfinite(trial.values)):
                product = (trial.gradient - self.gradient) / DIFFERENCE
                moved += np.outer(moved @ (inward.T @ direction), x - self.newton(product))
        return moved


def free_places(
    patterns: Sequence[NDArray[np.bool_]],
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Return rows and columns of the free elements of every T, in the order of theta."""
    return [tuple(reversed(np.nonzero(pattern.T))) for pattern in patterns]  # type: ignore[misc]


def _diagonal(patterns: Sequence[NDArray[np.bool_]]) -> NDArray[np.intp]:
    """Return where the diagonal elements of every T are in theta."""
    own = [rows == columns for rows, columns in free_places(patterns)]
    return np.flatnonzero(np.concatenate(own))


class ProbedRun(NamedTuple):
    """A minimization.

    Parameters
    ----------
    point : ProbedPoint
        Where it ended.
    log : list of ProbedPoint
        Every point that was tried, with its values only.
    status : str
    message : str
    """

    point: ProbedPoint
    log: list[ProbedPoint]
    status: str
    message: str


_MESSAGES = {
    "GTOL_REACHED": "The gradient vanished.",
    "ROUNDOFF_LIMITED": "No step decreases the objective beyond its Monte Carlo error.",
    "MAXEVAL_REACHED": "The limit of evaluations was reached.",
}


@dataclass(frozen=True)
class _Search:
    """Steps that are shortened until they are good, and all that was tried."""

    diagonal: NDArray[np.intp]
    log: list[ProbedPoint]

    def keep_off_zero(self, parameters: Array, scale: Array) -> Array:
        out, own = parameters.copy(), self.diagonal
        out[own] = np.where(
            np.abs(out[own]) < NEAR_ZERO * scale[own], NEAR_ZERO * scale[own], out[own]
        )
        return out

    def with_all_probes(self, point: ProbedPoint) -> ProbedPoint:
        """Return the same point with all probes."""
        out = point.thorough()
        out.older = point.secants
        self.log.append(out)
        point.forget()
        return out

    def step(self, point: ProbedPoint) -> ProbedPoint | None:
        """Return a better point, None when there is none."""
        scale = point.scale
        step = -point.newton(point.gradient)
        longest = np.max(np.abs(step / scale))
        size = np.max(np.abs(point.parameters / scale)) if point.doubling else 1.0
        most = LONGEST_STEP * max(1.0, size)
        length = min(1.0, most / longest) if longest > 0 else 1.0
        slack = 3.0 * point.values.std() / np.sqrt(len(point.values))
        slack += ROUNDING * abs(float(point.values.mean()))
        for _ in range(MOST_HALVINGS):
            trial = point.tried(self.keep_off_zero(point.parameters + length * step, scale))
            self.log.append(trial)
            rise = float(np.mean(trial.values - point.values))
            if rise < 0 or (rise <= slack and trial.promise < 0.5 * point.promise):
                return trial
            trial.forget()
            length *= 0.4
        return None


def minimize_probed(
    begin: ProbedPoint, patterns: Sequence[NDArray[np.bool_]], max_eval: int
) -> ProbedRun:
    """Minimize from a point.

    Parameters
    ----------
    begin : ProbedPoint
        Its first parameters are theta.
    patterns : sequence of ndarray of bool, shape (k, k)
        Free elements of the T.
    max_eval : int
        Largest number of evaluations; 0 for the usual one.
    """
    search = _Search(_diagonal(patterns), [begin])
    point, status = begin, "MAXEVAL_REACHED"
    while len(search.log) < (max_eval or MOST_STEPS):
        if point.promise <= THOROUGH and point.thorough() is not point:
            point = search.with_all_probes(point)
        if point.promise <= point.enough:
            status = "GTOL_REACHED"
            break
        following = search.step(point)
        if following is not None:
            point.forget()
            point = following
        elif point.thorough() is not point:
            point = search.with_all_probes(point)
        else:
            status = "ROUNDOFF_LIMITED"
            break
    if point.thorough() is not point:
        point = search.with_all_probes(point)
    return ProbedRun(point, search.log, status, _MESSAGES[status])
