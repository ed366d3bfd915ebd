"""Quantiles of a new response of a generalized model whose linear predictor is uncertain.

The distribution is a mixture: given eta ~ N(linear, sd^2) the response follows the family at
the mean g^-1(eta). Its distribution function is an integral over eta by the trapezoidal rule,
whose error for so smooth an integrand falls like exp(-c/h) in the step h; Gauss-Hermite nodes
would miss the steps of a family that is much narrower than the spread of its mean.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import bdtr, gammainc, ndtr, pdtr
from scipy.stats import invgauss

from .._typing import Array
from ..fitting.families.count_quantiles import count_quantiles
from ..fitting.families.own_family import BELOW
from ..fitting.families.spec import FamilySpec, family_object
from .counts import negative_binomial_cdf

__all__ = ["predictive_quantiles"]


# Beyond this many standard deviations 1e-16 of a normal distribution is left.
_REACH = 8.3
# Step of the rule, in units of the narrower of the two distributions.
_STEP = 0.5
_MOST_DOUBLINGS = 12  # 4097 nodes
# Where the density of eta is cut off within this many standard deviations the rule takes all its
# nodes, because the error at a cut falls like h only.
_CUT = 4.5
# Shares of a mixture that are none, and means that are many: they are narrow and nearly normal, so
# that few of them have a part in a probability.
_NOTHING, _MANY = 1e-18, 200
# Numbers in the largest temporary array.
_ROOM = 2_000_000


def predictive_quantiles(
    spec: FamilySpec,
    dispersion: float,
    linear: Array,
    sd: Array,
    weights: Array,
    probabilities: tuple[float, ...],
) -> Array:
    """Return quantiles of new responses, exact up to rounding of the integral.

    Parameters
    ----------
    spec : FamilySpec
        Distribution and link.
    dispersion : float
        phi, or alpha of the negative binomial.
    linear, sd : ndarray, shape (m,)
        Mean and standard deviation of the linear predictor.
    weights : ndarray, shape (m,)
        Prior weights, with the meaning they have for the fit. Binomial: numbers of trials,
        whole; the response is a proportion. Poisson: numbers of counts whose mean
        is the response.
    probabilities : tuple of float

    Returns
    -------
    ndarray, shape (m, len(probabilities))
        Of a discrete response the smallest value that reaches the probability. Values of
        eta at which the family has no mean have no part; NaN if `linear` is one of them.
    """
    stacked = np.column_stack([linear, sd, weights])
    out = np.full((len(stacked), len(probabilities)), np.nan)
    usable = np.isfinite(stacked).all(axis=1) & np.isfinite(_mean(spec, stacked[:, 0]))
    if not usable.any():
        return out
    cases, which = np.unique(stacked[usable], axis=0, return_inverse=True)
    which = which.reshape(-1)  # NumPy 2.0 has a column
    # The step must resolve the family's spread over the range of eta, by the delta method.
    x = np.array([-3.0, 0.0, 3.0])
    narrow = _relative_spread(spec, dispersion, cases, x).max(axis=1)
    steps = 2 * _REACH * np.hypot(1.0, narrow) / _STEP
    # Cases of about the same number of nodes are done together.
    doublings = np.minimum(np.ceil(np.log2(steps)), _MOST_DOUBLINGS).astype(int)
    reached = cases[:, :1] + cases[:, 1:2] * np.array([-_CUT, _CUT])
    doublings[~np.isfinite(_mean(spec, reached)).all(axis=1)] = _MOST_DOUBLINGS
    found = np.empty((len(cases), len(probabilities)))
    for doubling in np.unique(doublings):
        nodes = np.linspace(-_REACH, _REACH, 2**doubling + 1)
        rows = np.flatnonzero(doublings == doubling)
        for at in range(0, len(rows), max(1, _ROOM // len(nodes))):
            part = rows[at : at + max(1, _ROOM // len(nodes))]
            mixture = _Mixture(spec, dispersion, cases[part], nodes)
            if spec.own and family_object(spec, dispersion).summed:
                found[part] = [
                    mixture.count_quantiles(row, probabilities) for row in range(len(part))
                ]
                continue
            for i, probability in enumerate(probabilities):
                found[part, i] = mixture.quantile(probability)
    out[usable] = found[which.reshape(-1)]
    return out


def _mean(spec: FamilySpec, eta: Array) -> Array:
    """Return means, NaN where the family cannot have them."""
    with np.errstate(all="ignore"):
        mu = np.array(family_object(spec).link.inverse(eta), dtype=float)
    impossible = np.zeros(mu.shape, dtype=bool)
    if spec.link == "power":
        impossible |= eta <= 0
    if spec.support in ("trials", "shares"):
        impossible |= (mu < 0) | (mu > 1)
    elif spec.family != "gaussian":
        impossible |= mu <= 0
    mu[impossible] = np.nan
    return mu


def _spread(spec: FamilySpec, dispersion: float, mu: Array, w: Array) -> Array:
    """Return the standard deviation of the response at a mean."""
    if spec.own:
        return np.asarray(family_object(spec, dispersion).spread(mu, w))
    match spec.family:
        case "gaussian":
            spread = np.broadcast_to(np.sqrt(dispersion / w), mu.shape)
        case "binomial":
            spread = np.sqrt(mu * (1 - mu) / w)
        case "poisson":
            spread = np.sqrt(mu / w)
        case "gamma":
            spread = mu * np.sqrt(dispersion / w)
        case "inverse_gaussian":
            spread = np.sqrt(mu**3 * dispersion / w)
        case _:
            spread = np.sqrt(mu + dispersion * mu**2)
    return np.asarray(spread)


def _relative_spread(spec: FamilySpec, dispersion: float, cases: Array, x: Array) -> Array:
    """Return the spread of the mean over that of the response, at standardized eta x."""
    linear, sd, w = cases.T[:, :, None]
    eta = linear + sd * x
    mu = _mean(spec, eta)
    with np.errstate(all="ignore"):
        slope = np.abs(family_object(spec).link.inverse_deriv(eta))
        ratio = sd * slope / _spread(spec, dispersion, mu, w)
    ratio[~np.isfinite(ratio)] = 0.0
    return np.asarray(ratio)


class _Mixture:
    """The distributions of some rows, on nodes of eta."""

    def __init__(self, spec: FamilySpec, dispersion: float, cases: Array, x: Array) -> None:
        linear, sd, self.w = cases.T[:, :, None]
        self.spec, self.dispersion, self.sd = spec, dispersion, sd[:, 0]
        mu = _mean(spec, linear + sd * x)
        density = np.exp(-0.5 * x**2) * np.isfinite(mu)
        self.shares = density / density.sum(axis=1, keepdims=True)
        self.center = _mean(spec, linear)
        # Any possible mean will do where the share is zero.
        self.mu = np.where(np.isfinite(mu), mu, self.center)

    def cdf(self, y: Array) -> Array:
        """Probability of at most y, shape (m,); of counts, where the response is discrete."""
        phi, w, mu, y = self.dispersion, self.w, self.mu, y[:, None]
        given: Array
        if self.spec.own:
            family = family_object(self.spec, phi)
            given = family.cdf(np.maximum(y, 0), mu, w) * (y >= 0)
            return np.asarray(np.einsum("ij,ij->i", self.shares, given))
        match self.spec.family:
            case "gaussian":
                given = ndtr((y - mu) / np.sqrt(phi / w))
            case "binomial":
                given = bdtr(np.maximum(y, 0), np.rint(w).astype(int), mu) * (y >= 0)
            case "poisson":
                given = pdtr(np.maximum(y, 0), mu * w) * (y >= 0)
            case "gamma":
                given = gammainc(w / phi, y * w / (phi * mu))
            case "inverse_gaussian":
                given = invgauss.cdf(y, mu * phi / w, scale=w / phi)
            case _:
                given = negative_binomial_cdf(np.maximum(y, 0), mu, phi) * (y >= 0)
        return np.asarray(np.einsum("ij,ij->i", self.shares, given))

    def count_quantiles(self, row: int, probabilities: tuple[float, ...]) -> Array:
        """Return the quantiles of one row, of a family whose probabilities are summed."""
        family = family_object(self.spec, self.dispersion)
        seen = self.shares[row] > _NOTHING
        mu, shares = self.mu[row, seen], self.shares[row, seen]
        wide, link, sd = family.spread(mu, np.ones(len(mu))), family.link, self.sd[row]
        given = family.probabilities_at(mu)

        def mass(counts: Array) -> Array:
            here, low, high = counts >= 0, counts.min(), counts.max()
            near = np.full(len(mu), len(mu) < _MANY)
            near |= (mu + BELOW * wide > low) & (mu - BELOW * wide < high)
            return np.where(here, given(np.where(here, counts, 0.0), near) @ shares[near], 0.0)

        def spread(counts: Array) -> Array:
            own = family.spread(counts, np.ones(len(counts)))
            return np.asarray(np.hypot(own, sd * np.abs(link.inverse_deriv(link(counts)))))

        first = max(0.0, float((mu - BELOW * wide).min()))
        return count_quantiles(mass, spread, first, probabilities)

    def quantile(self, probability: float) -> Array:
        """Return the quantile of each row, shape (m,)."""
        center, w = self.center[:, 0], self.w[:, 0]
        if self.spec.discrete:
            units = (
                w
                if self.spec.family in ("binomial", "poisson", "beta_binomial")
                else np.ones_like(w)
            )
            most = np.rint(w) if self.spec.support == "trials" else None
            return np.asarray(_least_whole(self.cdf, probability, center * units, most) / units)
        if self.spec.family == "gaussian":
            wide = np.sqrt(self.dispersion / w)
            t = _root(lambda t: self.cdf(center + wide * t) - probability, len(w))
            return np.asarray(center + wide * t)
        if self.spec.support == "shares":
            odds = center / (1.0 - center)
            t = _root(lambda t: self.cdf(1.0 / (1.0 + np.exp(-t) / odds)) - probability, len(w))
            return np.asarray(1.0 / (1.0 + np.exp(-t) / odds))
        # Positive responses by their logarithm.
        t = _root(lambda t: self.cdf(center * np.exp(t)) - probability, len(w))
        return np.asarray(center * np.exp(t))


def _least_whole(
    cdf: Callable[[Array], Array], probability: float, start: Array, most: Array | None
) -> Array:
    """Return the least whole number at which the distribution function reaches a probability."""
    sure = probability - 1e-12  # so that rounding does not pass over a value that reaches it
    below, above = np.full(len(start), -1.0), np.ceil(start) + 1.0
    if most is not None:
        above = np.rint(most)
    else:
        while True:
            short = cdf(above) < sure
            if not short.any():
                break
            below[short], above[short] = above[short], 2.0 * above[short] + 1.0
    while True:
        middle = np.floor(below + (above - below) / 2)
        # Beyond 2^53 not every whole number is one of doubles.
        inside = (above - below > 1) & (below < middle) & (middle < above)
        if not inside.any():
            return above
        reached = cdf(middle) >= sure
        above = np.where(inside & reached, middle, above)
        below = np.where(inside & ~reached, middle, below)


def _root(function: Callable[[Array], Array], m: int) -> Array:
    """Return where m increasing functions are zero, by the Illinois method (Ford 1995)."""
    low, high = np.full(m, -1.0), np.full(m, 1.0)
    at_low, at_high = function(low), function(high)
    for _ in range(60):
        if np.all(at_low <= 0) and np.all(at_high >= 0):
            break
        low, high = np.where(at_low > 0, 2 * low, low), np.where(at_high < 0, 2 * high, high)
        at_low, at_high = function(low), function(high)
    last = np.full(m, np.inf)
    moved_low = moved_high = np.zeros(m, dtype=bool)
    for _ in range(200):
        with np.errstate(all="ignore"):
            x = (low * at_high - high * at_low) / (at_high - at_low)
        x = np.where((x >= low) & (x <= high), x, (low + high) / 2)
        if np.all(np.abs(x - last) <= 1e-12 * (1.0 + np.abs(x))):
            break
        last, value = x, function(x)
        above = value > 0
        # An end that stays twice counts half, so that the other one moves too.
        at_low, at_high = (
            np.where(above, np.where(moved_high, at_low / 2, at_low), value),
            np.where(above, value, np.where(moved_low, at_high / 2, at_high)),
        )
        low, high = np.where(above, low, x), np.where(above, x, high)
        moved_high, moved_low = above, ~above
    return x
