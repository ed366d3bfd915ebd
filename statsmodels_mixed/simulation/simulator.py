"""What draws responses of one design: random effects first, then responses given them.

A linear model draws y = X beta + Z b + e with Var(e_i) = sigma^2 / w_i; a generalized one
draws b, then every response from the family at the mean that X beta + Z b + offset gives.
Draw r of a seed is the same whoever asks for it, alone or among others, in any thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import Array, Numbers
from ..errors import OptionError
from ..fitting.covariance import factors_of
from ..fitting.estimates import Estimates
from ..fitting.families.draws import draw_family
from ..fitting.families.spec import FamilySpec
from ..frame.design import Design
from ..results.parameters import values_by_name
from .streams import stream_length

__all__ = [
    "Simulator",
    "Truth",
    "Values",
    "check_effects",
    "check_weights",
    "hypothesized",
    "independent_simulator",
    "truth_of",
]


# Parameters in the order of the model, or by name.
Values = Numbers | Mapping[str, float] | None


@dataclass(frozen=True, eq=False)
class Truth:
    """The parameters that responses are drawn from.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
        Coefficients of the estimable columns of X.
    theta : ndarray, shape (n_theta,)
    scale : float
        sigma of a linear model, the dispersion of a generalized one (1 if it has none).
    """

    beta: Array
    theta: Array
    scale: float


def truth_of(
    estimates: Estimates,
    *,
    beta: Numbers | None = None,
    theta: Numbers | None = None,
    sigma: float | None = None,
    dispersion: float | None = None,
) -> Truth:
    """Return the estimates with some replaced by hypothesized values.

    Parameters
    ----------
    estimates : Estimates
    beta : array_like, shape (rank,), optional
    theta : array_like, shape (n_theta,), optional
    sigma : float, optional
        For a linear model.
    dispersion : float, optional
        For a generalized model whose family has one.

    Raises
    ------
    OptionError
        If a value does not go with the model.
    """
    spec, name = estimates.spec, estimates.scale_name
    if spec is None and dispersion is not None:
        raise OptionError("dispersion= is for generalized models; a linear model has sigma=.")
    if spec is not None and sigma is not None:
        raise OptionError("sigma= is for linear models; a generalized one may have dispersion=.")
    if spec is not None and dispersion is not None and not name:
        raise OptionError(f"the family {spec.family} has no dispersion to be given.")
    given = dispersion if sigma is None else sigma
    scale = estimates.scale if given is None else float(given)
    if not (np.isfinite(scale) and scale > 0):
        raise OptionError(f"{name}={scale!r} is not possible; give a positive number.")
    return Truth(
        _replaced("beta", beta, estimates.beta),
        _replaced("theta", theta, estimates.theta),
        float(scale),
    )


def hypothesized(
    result: Any, *, beta: Values, theta: Values, sigma: float | None, dispersion: float | None
) -> Truth:
    """Return what `truth_of` does for a fit, beta and theta perhaps by name."""
    estimates, layout = result.estimates, result.layout
    if result.takes_correlated and (sigma is not None or dispersion is not None):
        raise OptionError(
            "sigma= and dispersion= are for models of residuals with one variance: here theta= has "
            "all covariance parameters."
        )
    names = [layout.columns[i] for i in estimates.columns]
    return truth_of(
        estimates,
        beta=values_by_name("beta", beta, names, estimates.beta),
        theta=values_by_name("theta", theta, result.theta_names, estimates.theta),
        sigma=sigma,
        dispersion=dispersion,
    )


def _replaced(name: str, given: Numbers | None, estimate: Array) -> Array:
    if given is None:
        return estimate
    values = np.array(given, dtype=float, ndmin=1)
    if values.shape != estimate.shape or not np.isfinite(values).all():
        raise OptionError(
            f"{name}= must hold {len(estimate)} finite numbers, as the model has estimates; "
            f"it has shape {values.shape}."
        )
    return values


@dataclass(frozen=True, eq=False)
class Simulator:
    """Draws responses of one design, less their fixed part for linear models.

    Parameters
    ----------
    design : Design
    factors : tuple of ndarray, shape (k, k), or None
        S of each block, b_j = S u_j; None when the random effects are not drawn.
    offset : ndarray, shape (n,)
        What is added to Z b: for a linear model Z b of conditional modes, or zero; for a
        generalized one the linear predictor without the random effects that are drawn.
    scale : ndarray, shape (n,), or float
        Standard deviation of the errors of a linear model; for a generalized model the
        dispersion.
    spec : FamilySpec or None
        None for a linear model.
    """

    design: Design
    factors: tuple[Array, ...] | None
    offset: Array
    scale: Array | float
    spec: FamilySpec | None

    @property
    def n_random(self) -> int:
        """Random effects drawn for one response."""
        if self.factors is None:
            return 0
        return sum(len(block.levels) * len(block.names) for block in self.design.blocks)

    @property
    def stream_length(self) -> int:
        """Draws that share a stream."""
        model = "linear" if self.spec is None else "generalized"
        return stream_length(len(self.design.y) + self.n_random, model)

    def draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draw the next `count` responses of a stream, shape (count, n)."""
        n, q = len(self.design.y), self.n_random
        if self.spec is None:
            numbers = rng.standard_normal((count, q + n))
            out = numbers[:, q:] * self.scale
            out += self._random_part(numbers[:, :q])
            return out
        out = np.empty((count, n))
        for row in out:  # what a family draws is of no fixed length
            row[:] = self._response(rng, rng.standard_normal((1, q)))
        return out

    def _response(self, rng: np.random.Generator, u: Array) -> Array:
        """Draw one response of all rows for spherical effects, shape (1, q)."""
        return self.respond(rng, self._random_part(u)[0])

    def respond(self, rng: np.random.Generator, eta: Array) -> Array:
        """Draw the responses of all rows at their linear predictors, shape (n,)."""
        assert self.spec is not None
        return draw_family(rng, self.spec, eta, float(self.scale), self.design.weights)

    def _random_part(self, u: Array) -> Array:
        """Return Z b + offset for spherical effects, shape (count, n) for (count, q)."""
        return self._with_effects(self.offset, u, False)

    def _with_effects(self, start: Array, u: Array, zeros: bool) -> Array:
        """Return Z b of the effects on the mean, or on its zeros, added to a start, (count, n)."""
        total = np.broadcast_to(start, (len(u), len(start)))
        if self.factors is None:
            return total
        total, at = total.copy(), 0
        for block, S in zip(self.design.blocks, self.factors, strict=True):
            levels, k = len(block.levels), len(block.names)
            spherical = u[:, at : at + levels * k].reshape(-1, levels, k)
            at += levels * k
            if bool(block.part) != zeros:
                continue
            if block.related is not None:
                spherical = block.related.correlate(spherical)
            for i in range(k):
                # Element by element: BLAS would round otherwise for other numbers of draws.
                b = spherical[:, :, 0] * S[i, 0]
                for c in range(1, i + 1):
                    b += spherical[:, :, c] * S[i, c]
                total += b[:, block.refs] * block.z[:, i]
        return total


def independent_simulator(design: Design, estimates: Estimates, truth: Truth, re: str) -> Simulator:
    """Prepare the drawing of responses that are independent given the random effects.

    See `simulators.simulator_of` for the parameters.
    """
    patterns = [block.pattern for block in design.blocks]
    factors = None
    if re == "new":
        factors = factors_of(truth.theta, patterns)
    if estimates.spec is None:
        kept = estimates.fitted - estimates.linear_predictor
        root = 1.0 if design.weights is None else np.sqrt(design.weights)
        return Simulator(
            design,
            None if factors is None else tuple(truth.scale * T for T in factors),
            kept if factors is None else np.zeros_like(kept),
            truth.scale / root,
            None,
        )
    check_weights(design, estimates.spec)
    kept = estimates.eta if factors is None else estimates.linear_predictor
    moved = design.X[:, estimates.columns] @ (truth.beta - estimates.beta)
    return Simulator(design, factors, kept + moved, truth.scale, estimates.spec)


def check_effects(re: str, truth: Truth, estimates: Estimates) -> None:
    """Make sure that `re` is possible, alone and with these parameters.

    Raises
    ------
    OptionError
        If it is not.
    """
    if re not in ("new", "conditional"):
        raise OptionError(f're must be "new" or "conditional", not {re!r}.')
    if re == "conditional" and not np.allclose(truth.theta, estimates.theta, rtol=1e-5):
        raise OptionError(
            'theta= cannot be used with re="conditional": the random effects are kept.'
        )


def check_weights(design: Design, spec: FamilySpec) -> None:
    """Make sure that responses with these weights have a distribution.

    Raises
    ------
    OptionError
        If they have not.
    """
    weights = design.weights
    if weights is None:
        return
    if spec.support == "trials" and np.any(np.abs(weights - np.rint(weights)) > 1e-6):
        raise OptionError("numbers of trials that are not whole cannot be simulated.")
    if spec.copies and np.any(weights != 1):
        kind = spec.family.replace("_", " ")
        raise OptionError(
            f"weights of a {kind} multiply its likelihood; responses of such rows "
            "cannot be simulated."
        )
