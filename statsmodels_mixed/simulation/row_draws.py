"""Drawing responses whose rows have parameters besides their mean: zeros, dispersion, thresholds.

A row is 0 with the probability of its part of zeros, if there is one, and otherwise drawn from its
distribution, which has no zeros of its own in a hurdle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit
from scipy.stats import nbinom, poisson

from .._core import row_derivatives
from .._typing import Array
from ..errors import DataError, OptionError
from ..fitting.covariance import factors_of
from ..fitting.distributional import DistributionalEstimates
from ..fitting.families import FamilySpec, family_object
from ..fitting.row_parameters import DISPERSION, SECOND_SHAPE, SHAPE, ZEROS
from ..frame.design import Design
from .simulator import Simulator, check_weights, draw_family

__all__ = ["RowSimulator", "draw_rows", "row_simulator"]


# The least overdispersion of truncated counts: with less, probabilities near 1 lose its digits.
_SEEN = 1e-9
# Counts that are drawn one after the other until all probabilities are passed.
_MOST_COUNTS = 1_000_000


@dataclass(frozen=True, eq=False)
class RowSimulator(Simulator):
    """Draws responses of rows with their own parameters.

    Parameters
    ----------
    outer : ndarray, shape (n, 4)
        The parameters of the rows besides the mean, without the random effects that are drawn.
    thresholds : ndarray, shape (n, categories - 1), or None
        Of ordered categories, whose codes are drawn.
    """

    outer: Array
    thresholds: Array | None = None

    def _response(self, rng: np.random.Generator, u: Array) -> Array:
        zeros = self._with_effects(self.outer[:, ZEROS], u, True)[0]
        outer = np.column_stack([self.outer[:, :ZEROS], zeros])
        return replace(self, outer=outer).respond(rng, self._random_part(u)[0])

    def respond(self, rng: np.random.Generator, eta: Array) -> Array:
        """Draw the responses of all rows at their linear predictors, shape (n,)."""
        spec, weights = self._family, self.design.weights
        if self.thresholds is not None:
            link = family_object(spec).link
            below = np.asarray(link.inverse(self.thresholds - eta[:, None]), dtype=float)
            return np.asarray((rng.random((len(eta), 1)) > below).sum(axis=1), dtype=float)
        return draw_rows(rng, spec, eta, self.outer, weights)

    @property
    def _family(self) -> FamilySpec:
        assert self.spec is not None  # such a model is not linear
        return self.spec


def row_simulator(
    design: Design,
    estimates: DistributionalEstimates,
    re: str,
    thresholds: Array | None = None,
) -> RowSimulator:
    """Prepare the drawing of responses from a fit.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : DistributionalEstimates
    re : {"new", "conditional"}
        Draw random effects, or keep them at their modes.
    thresholds : ndarray, optional
        Of ordered categories.

    Raises
    ------
    OptionError
        If `re` is something else, or rows have weights that their responses do not have.
    """
    if re not in ("new", "conditional"):
        raise OptionError(f're must be "new" or "conditional", not {re!r}.')
    mean = estimates.conditional
    assert mean.spec is not None  # such a model is not linear
    check_weights(design, mean.spec)
    if design.weights is not None and mean.spec.support != "trials" and np.any(design.weights != 1):
        raise OptionError(
            "weights multiply the likelihood of rows here; responses of such rows cannot be "
            "simulated."
        )
    factors, offset, outer = None, mean.eta, estimates.outer_at_modes
    if re == "new":
        factors = factors_of(mean.theta, [block.pattern for block in design.blocks])
        offset, outer = mean.linear_predictor, estimates.outer
    return RowSimulator(design, factors, offset, 1.0, mean.spec, outer, thresholds)


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
    phi, shape, n = np.exp(outer[:, DISPERSION]), outer[:, SHAPE], len(eta)
    with np.errstate(all="ignore"):
        mu = np.asarray(family_object(spec).link.inverse(eta), dtype=float)
    if not np.isfinite(mu).all():
        raise DataError("a mean drawn from the model is not finite: its random effects vary much.")
    match spec.family:
        case "truncated_poisson":
            return _above_zero(rng, poisson(mu), n)
        case "truncated_negative_binomial":
            phi = np.maximum(phi, _SEEN)
            return _above_zero(rng, nbinom(1.0 / phi, 1.0 / (1.0 + mu * phi)), n)
        case "truncated_negative_binomial1":
            phi = np.maximum(phi, _SEEN)
            return _above_zero(rng, nbinom(mu / phi, 1.0 / (1.0 + phi)), n)
        case (
            "generalized_poisson"
            | "conway_maxwell_poisson"
            | "truncated_generalized_poisson"
            | "truncated_conway_maxwell_poisson"
        ):
            return _one_after_the_other(rng, spec, eta, outer)
        case "student_t":
            return np.asarray(mu + phi * rng.standard_t(np.exp(shape)))
        case "tweedie":
            return _sum_of_gammas(rng, mu, phi, 1.0 + expit(shape))
        case "ordered_beta":
            return _with_ends(rng, eta, mu, phi, outer)
    return draw_family(rng, spec, eta, phi, weights)


def _above_zero(rng: np.random.Generator, counts: Any, n: int) -> Array:
    """Draw from distributions of counts, given that they are not 0."""
    # By upper tails, so that rare positive counts keep their digits.
    tail = counts.sf(0)
    drawn = counts.isf((1.0 - rng.random(n)) * tail)
    return np.asarray(np.maximum(drawn, 1.0), dtype=float)


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
    rng: np.random.Generator, spec: FamilySpec, eta: Array, outer: Array
) -> Array:
    """Draw counts by inversion of the sum of their probabilities."""
    left, drawn, rows = rng.random(len(eta)), np.zeros(len(eta)), np.arange(len(eta))
    for count in range(_MOST_COUNTS):
        y = np.full(len(rows), float(count))
        in_eta, _ = row_derivatives(
            spec.family, spec.link, y, eta[rows], outer[rows], power=spec.power
        )
        # Underdispersed generalized Poisson counts have an end, where less than 1 may be reached.
        possible = np.isfinite(in_eta[:, 0]) | (count == 0)
        rows, in_eta = rows[possible], in_eta[possible]
        left[rows] -= np.exp(in_eta[:, 0])
        drawn[rows] = count
        rows = rows[left[rows] > 1e-13]
        if not len(rows):
            return drawn if spec.support == "counts" else np.maximum(drawn, 1.0)
    raise DataError("the mean of a count that was drawn is too large.")
