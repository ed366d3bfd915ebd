"""Responses drawn from the distributions of families, at their linear predictors.

A row with a part of zeros is 0 with its probability, and otherwise drawn from the distribution,
which has no zeros of its own in a hurdle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit

from ..._core import row_derivatives
from ..._typing import Array
from ...errors import DataError
from ...later import load
from ..distributional.row_parameters import DISPERSION, SECOND_SHAPE, SHAPE, ZEROS
from .draws_above_zero import negative_binomial_above_zero, poisson_above_zero
from .own_family import BELOW, FEW_COUNTS
from .response import LARGEST_COUNT
from .spec import FamilySpec, family_object

__all__ = ["draw_family", "draw_rows"]


def draw_family(
    rng: np.random.Generator, spec: FamilySpec, eta: Array, phi: Any, weights: Array | None
) -> Array:
    """Draw the responses of all rows, shape (n,)."""
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec, phi).link.inverse(eta), dtype=float)
    w = 1.0 if weights is None else weights
    try:
        if not np.isfinite(mu).all():
            raise ValueError("mu is not finite.")  # some of NumPy's distributions draw NaN
        _refuse_uncountable(spec, mu)
        drawn = _draw_at(rng, spec, mu, phi, w)
    except ValueError as error:
        raise DataError(
            f"a mean drawn from the model is impossible for the family {spec.family} ({error}): "
            f"the link {spec.link} does not keep means in its range."
        ) from error
    if spec.family in ("gamma", "inverse_gaussian"):
        _refuse_nothing(drawn, phi / w)
    return drawn


def _draw_at(rng: np.random.Generator, spec: FamilySpec, mu: Array, phi: Any, w: Any) -> Array:
    """Draw the responses of all rows at their means and weights, shape (n,)."""
    if spec.own:
        return np.asarray(family_object(spec, phi).draw(rng, mu, np.asarray(w)))
    match spec.family:
        case "gaussian":
            return rng.normal(mu, np.sqrt(phi / w))
        case "binomial":
            trials = np.rint(np.broadcast_to(w, mu.shape)).astype(np.int64)
            return np.asarray(rng.binomial(trials, mu) / trials)
        case "poisson":
            # The mean of w counts, which is sufficient for them.
            return np.asarray(rng.poisson(mu * w) / w)
        case "gamma":
            return np.asarray(rng.gamma(w / phi, mu * phi / w))
        case "inverse_gaussian":
            return np.asarray(rng.wald(mu, w / phi))
        case _:
            return np.asarray(rng.poisson(rng.gamma(1.0 / phi, mu * phi)), dtype=float)


def _refuse_uncountable(spec: FamilySpec, mu: Array) -> None:
    """Refuse means of counts so large that doubles are not all whole numbers there.

    Raises
    ------
    DataError
        If there are any.
    """
    if spec.support in ("counts", "positive counts") and (mu > LARGEST_COUNT).any():
        raise DataError(
            f"a mean drawn from the model, {mu.max():.3g}, is beyond what can be counted, 2^53; "
            "its predictors or random effects are too large."
        )


def _refuse_nothing(drawn: Array, spread: Any) -> None:
    """Refuse draws of a positive response that are too small for a number.

    Raises
    ------
    DataError
        If there are any.
    """
    lost = int(np.count_nonzero(drawn <= 0))
    if lost:
        raise DataError(
            f"{lost} of {len(drawn)} responses drawn from the model are positive, but too small "
            f"for a number: the dispersion over the weight of a row is up to {np.max(spread):.3g}."
        )


def draw_rows(
    rng: np.random.Generator, spec: FamilySpec, eta: Array, outer: Array, weights: Array | None
) -> Array:
    """Draw responses of rows at their predictors and parameters, shape (n,)."""
    drawn = _draw_distribution(rng, spec, eta, outer, weights)
    if spec.zeros:
        drawn[rng.random(len(eta)) < expit(outer[:, ZEROS])] = 0.0
    return drawn


def _draw_distribution(
    rng: np.random.Generator, spec: FamilySpec, eta: Array, outer: Array, weights: Array | None
) -> Array:
    """Draw from the distributions of all rows, without their part of zeros, shape (n,)."""
    phi, shape = np.exp(outer[:, DISPERSION]), outer[:, SHAPE]
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec).link.inverse(eta), dtype=float)
    if not np.isfinite(mu).all():
        raise DataError("a mean drawn from the model is not finite: its random effects vary much.")
    _refuse_uncountable(spec, mu)
    match spec.family:
        case "truncated_poisson":
            return poisson_above_zero(rng, mu)
        case "truncated_negative_binomial":
            return negative_binomial_above_zero(rng, 1.0 / phi, mu * phi)
        case "truncated_negative_binomial1":
            return negative_binomial_above_zero(rng, mu / phi, phi)
        case (
            "generalized_poisson"
            | "conway_maxwell_poisson"
            | "truncated_generalized_poisson"
            | "truncated_conway_maxwell_poisson"
        ):
            return _one_after_the_other(rng, spec, eta, outer, mu)
        case "student_t":
            return np.asarray(mu + phi * rng.standard_t(np.exp(shape)))
        case "tweedie":
            return _sum_of_gammas(rng, mu, phi, 1.0 + expit(shape))
        case "ordered_beta":
            return _with_ends(rng, eta, mu, phi, outer)
    return draw_family(rng, spec, eta, phi, weights)


def _sum_of_gammas(rng: np.random.Generator, mu: Array, phi: Array, power: Array) -> Array:
    """Draw Tweedie variates: a Poisson number of gamma ones."""
    number = rng.poisson(mu ** (2.0 - power) / (phi * (2.0 - power)))
    each = (2.0 - power) / (power - 1.0)
    return np.asarray(rng.gamma(number * each, phi * (power - 1.0) * mu ** (power - 1.0)))


def _with_ends(rng: np.random.Generator, eta: Array, mu: Array, phi: Array, outer: Array) -> Array:
    """Draw 0, a beta variate or 1."""
    first = outer[:, SHAPE]
    at_zero = expit(first - eta)
    at_one = expit(eta - first - np.exp(outer[:, SECOND_SHAPE]))
    # Draws so near to an end that they round to it would be taken for it.
    inside = np.clip(
        rng.beta(mu * phi, (1.0 - mu) * phi), np.finfo(float).tiny, 1.0 - np.finfo(float).epsneg
    )
    where = rng.random(len(mu))
    return np.where(where < at_zero, 0.0, np.where(where > 1.0 - at_one, 1.0, inside))


def _one_after_the_other(
    rng: np.random.Generator, spec: FamilySpec, eta: Array, outer: Array, mu: Array
) -> Array:
    """Draw counts by inversion of the sum of their probabilities."""

    def probabilities(y: Array, rows: Any) -> Array:
        in_eta, _ = row_derivatives(
            spec.family, spec.link, y, eta[rows], outer[rows], power=spec.power
        )
        return np.asarray(np.exp(in_eta[:, 0]))

    left, drawn, count = rng.random(len(eta)), np.zeros(len(eta)), 0
    for i in np.flatnonzero(mu > FEW_COUNTS):
        drawn[i] = _of_large_mean(probabilities, i, left[i], mu[i], np.exp(outer[i, DISPERSION]))
    rows = np.flatnonzero(mu <= FEW_COUNTS)
    while len(rows):
        given = probabilities(np.full(len(rows), float(count)), rows)
        # Underdispersed generalized Poisson counts have an end, where less than 1 may be reached.
        possible = (given > 0) | (count <= mu[rows])
        rows, given = rows[possible], given[possible]
        left[rows] -= given
        drawn[rows] = count
        rows = rows[left[rows] > 1e-13]
        count += 1
    return drawn if spec.support == "counts" else np.maximum(drawn, 1.0)


def _of_large_mean(
    probabilities: Callable[[Array, Any], Array], i: Any, left: float, mu: float, phi: float
) -> float:
    """Return a quantile of the distribution of one row, of variance phi mu or about that."""

    def mass(counts: Array) -> Array:
        here = counts >= 1.0
        given = probabilities(np.where(here, counts, 1.0), np.full(len(counts), i))
        return np.where(here & np.isfinite(given), given, 0.0)

    def spread(counts: Array) -> Array:
        return np.sqrt(phi * counts)

    first = max(1.0, mu - BELOW * np.sqrt(phi * mu))
    found = load("fitting.families.count_quantiles:count_quantiles")(mass, spread, first, (left,))
    return float(found[0])
