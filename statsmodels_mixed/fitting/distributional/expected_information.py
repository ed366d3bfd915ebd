"""The information that a row is expected to give of the predictor of its mean.

With s(y) = dl/d eta and all other parameters of the row given, it is I = E s(Y)^2. Natural
exponential families with a known dispersion have I = mu'^2 / V, mu' = d mu / d eta; Student's t,
the lognormal and the beta distribution their own formulas; for other counts it is a sum over y.
What zeros do follows from f0 and s0, probability and score of the family at 0:

    no zeros      E_t  = (I - f0 s0^2) / (1 - f0) - (f0 s0 / (1 - f0))^2
    inflation     P s_P^2 + (1 - pi) (I - f0 s0^2),  P and s_P at 0 of the mixture
    hurdle        (1 - pi) E_t
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit, polygamma

from ..._core import row_derivatives
from ..._typing import Array
from ..families.spec import FamilySpec, family_object
from .row_parameters import DISPERSION, SECOND_SHAPE, SHAPE, ZEROS
from .variances import untruncated_variance

__all__ = ["expected_information"]


# Families whose variance is V(mu) or phi V(mu), and whose score in the mean is (y - mu) over it.
_NATURAL = (
    *("gaussian", "poisson", "binomial", "gamma", "inverse_gaussian", "negative_binomial"),
    *("tweedie", "conway_maxwell_poisson"),
)
_WITHOUT_ZERO = ("real", "positive", "shares")
# Tails of counts are cut where less than exp(-_TAIL) is left; longer ranges are sampled.
_TAIL, _TERMS = 40.0, 4000
# Dispersions at which a distribution is its limit, Poisson or binomial, but for this share.
_NO_DISPERSION = 1e-8
# Terms that are evaluated at once.
_AT_ONCE = 200_000


def expected_information(
    spec: FamilySpec, eta: Array, outer: Array, weights: Array | None
) -> Array:
    """Return the information of rows on their predictor of the mean, shape (n,).

    Parameters
    ----------
    spec : FamilySpec
    eta : ndarray, shape (n,)
        The predictor of the mean.
    outer : ndarray, shape (n, 4)
        The other parameters of the rows.
    weights : ndarray, shape (n,), or None
        Numbers of trials of proportions; of other families weights of the likelihood.
    """
    family = spec.family.removeprefix("truncated_")
    whole = replace(spec, family=family, zeros="")
    trials = weights if spec.support == "trials" else None
    with np.errstate(all="ignore"):  # rows beyond the range of doubles have NaN
        value = _of_family(whole, eta, outer, trials)
        if spec.support == "positive counts":
            value = _truncated(whole, eta, outer, value, trials)
        elif spec.zeros and spec.support in _WITHOUT_ZERO:
            value = value * expit(-outer[:, ZEROS])
        elif spec.zeros == "hurdle":
            value = _truncated(whole, eta, outer, value, trials)
        elif spec.zeros == "inflation":
            value = _inflated(whole, eta, outer, value, trials)
        if spec.zeros == "hurdle" and spec.support not in _WITHOUT_ZERO:
            value = value * expit(-outer[:, ZEROS])
    return value * weights if spec.copies and weights is not None else value


def _of_family(spec: FamilySpec, eta: Array, outer: Array, trials: Array | None) -> Array:
    """Return the information of a family that is neither truncated nor mixed with zeros."""
    family, phi = spec.family, np.exp(outer[:, DISPERSION])
    link = family_object(spec).link
    mu, slope = np.asarray(link.inverse(eta)), np.asarray(link.inverse_deriv(eta))
    if family in _NATURAL:
        one = untruncated_variance(spec, eta, outer)
        return np.asarray(slope**2 / (one if trials is None else one / trials))
    if family == "student_t":
        df = np.exp(outer[:, SHAPE])
        return np.asarray(slope**2 * (df + 1.0) / ((df + 3.0) * phi**2))
    if family == "lognormal":
        # Of the logarithm: the variance s = log(1 + (phi/mu)^2), the mean log(mu) - s / 2.
        s = np.log1p((phi / mu) ** 2)
        s_slope = -2.0 * phi**2 / (mu * (mu**2 + phi**2))
        return np.asarray(
            slope**2 * ((1.0 / mu - s_slope / 2.0) ** 2 / s + s_slope**2 / (2.0 * s**2))
        )
    if family == "beta":
        return np.asarray(_of_beta(mu, phi) * slope**2)
    if family == "ordered_beta":
        first = outer[:, SHAPE]
        below, above = expit(first - eta), expit(eta - first - np.exp(outer[:, SECOND_SHAPE]))
        inside = expit(eta - first) - above
        # Derivatives of the probabilities of 0, of the inside and of 1.
        down, up = below * (1.0 - below), above * (1.0 - above)
        ends = down**2 / below + up**2 / above + (down - up) ** 2 / inside
        return np.asarray(ends + inside * _of_beta(mu, phi) * slope**2)
    # Sums lose their digits where overdispersion vanishes; the limits have theirs.
    limit = phi < _NO_DISPERSION if family == "negative_binomial1" else 1.0 / phi < _NO_DISPERSION
    if family == "generalized_poisson" or not limit.any():
        return _sum_over_counts(spec, eta, outer, trials)
    one = mu if trials is None else mu * (1.0 - mu) / trials
    value, rest = np.asarray(slope**2 / one), ~limit
    if rest.any():
        given = None if trials is None else trials[rest]
        value[rest] = _sum_over_counts(spec, eta[rest], outer[rest], given)
    return value


def _of_beta(mu: Array, phi: Array) -> Array:
    """Return the information on the mean of a beta variate of precision phi."""
    a, b = mu * phi, (1.0 - mu) * phi
    return np.asarray(phi**2 * (polygamma(1, a) + polygamma(1, b)))


def _sum_over_counts(spec: FamilySpec, eta: Array, outer: Array, trials: Array | None) -> Array:
    """Return the sum of f(y) s(y)^2 over counts y."""
    if trials is None:
        variance = untruncated_variance(spec, eta, outer)
        mu = np.asarray(family_object(spec).link.inverse(eta))
        # Tails fall off at least as those of a geometric distribution of the same dispersion.
        top = np.ceil(mu + _TAIL * (variance / mu + 1.0 + np.sqrt(variance)))
    else:
        top = np.rint(trials)
    step = np.maximum(1.0, np.ceil(top / _TERMS))
    count = (top // step).astype(int) + 1
    out = np.empty(len(eta))
    order = np.argsort(count, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * count[order[end]] <= _AT_ONCE:
            end += 1
        rows = order[start:end]
        y = step[rows, None] * np.arange(count[rows[-1]])
        inside = y <= top[rows, None]
        shares = y if trials is None else y / top[rows, None]
        at = np.repeat(rows, y.shape[1])
        found, _ = row_derivatives(
            spec.family,
            spec.link,
            np.where(inside, shares, 0.0).ravel(),
            eta[at],
            outer[at],
            weights=None if trials is None else trials[at],
            power=spec.power,
        )
        logs, score = (found[:, k].reshape(y.shape) for k in range(2))
        f = np.where(inside & np.isfinite(logs), np.exp(logs), 0.0)
        square = np.where(f > 0, f * score**2, 0.0)
        out[rows] = square.sum(axis=1) / f.sum(axis=1)
        start = end
    return out


def _at_zero(
    spec: FamilySpec, eta: Array, outer: Array, trials: Array | None, zeros: str = ""
) -> tuple[Array, Array]:
    """Return the logarithm of the probability of a response of 0, and its score."""
    found, _ = row_derivatives(
        spec.family,
        spec.link,
        np.zeros(len(eta)),
        eta,
        outer,
        weights=trials,
        power=spec.power,
        zeros=zeros,
    )
    return found[:, 0], found[:, 1]


def _truncated(
    spec: FamilySpec, eta: Array, outer: Array, value: Array, trials: Array | None
) -> Array:
    """Return the information of responses without zeros."""
    log_f0, s0 = _at_zero(spec, eta, outer, trials)
    f0, rest = np.exp(log_f0), -np.expm1(log_f0)
    # Means near 0 leave the difference of two ones, which is about the mean, or rounding.
    return np.maximum((value - f0 * s0**2) / rest - (f0 * s0 / rest) ** 2, 0.0)


def _inflated(
    spec: FamilySpec, eta: Array, outer: Array, value: Array, trials: Array | None
) -> Array:
    """Return the information of responses with zeros besides those of the family."""
    log_f0, s0 = _at_zero(spec, eta, outer, trials)
    log_P, s_P = _at_zero(spec, eta, outer, trials, "inflation")
    of_others = expit(-outer[:, ZEROS]) * (value - np.exp(log_f0) * s0**2)
    return np.asarray(np.exp(log_P) * s_P**2 + of_others)
