"""Densities of all families that there are: those of SciPy, and sums and integrals of 1."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from family_cases import FAMILIES, pairs, responses, spec_of
from numpy.testing import assert_allclose
from scipy import optimize, special, stats

from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.fitting.families.spec import family_object, make_link

LOGS = (-4.0, 0.3, 3.0)  # of dispersions
BELOW_ONE = ("shares", "shares and ends", "trials")


def shapes_of(family: str) -> list[tuple[float, float]]:
    """Return what the second and third parameters of rows may be."""
    match family:
        case "student_t":
            return [(np.log(df), 0.0) for df in (0.7, 4.0, 1e6)]
        case "tweedie":
            return [(special.logit(power - 1), 0.0) for power in (1.01, 1.5, 1.98)]
        case "ordered_beta":
            return [(-0.8, np.log(2.1)), (-30.0, np.log(60.0))]
    return [(0.0, 0.0)]


def com_poisson(y, mu, phi):
    """Return log-probabilities: the rate has the mean mu, by a sum of 4000 terms."""
    j = np.arange(4000.0)

    def logs(log_rate):
        return j * log_rate - special.gammaln(j + 1) / phi

    def miss(log_rate):
        terms = logs(log_rate)
        return np.sum(np.exp(terms - special.logsumexp(terms)) * (j - mu))

    best = optimize.brentq(miss, -60.0, 60.0, xtol=1e-15, rtol=1e-14)
    return logs(best)[np.asarray(y, int)] - special.logsumexp(logs(best))


def tweedie(y, mu, phi, power):
    """Return log-densities: a Poisson number of gamma variates."""
    rate, shape = mu ** (2 - power) / (phi * (2 - power)), (2 - power) / (power - 1)
    n = np.arange(1.0, 4000.0)
    number = stats.poisson.logpmf(n, rate)
    scale = phi * (power - 1) * mu ** (power - 1)

    def sums(each):
        return special.logsumexp(number + stats.gamma.logpdf(each, n * shape, scale=scale))

    return [-rate if each == 0 else sums(each) for each in y]


def ordered_beta(y, mu, phi, first, width):
    low, high = special.log_expit(first - 0.3), special.log_expit(0.3 - first - width)
    middle = np.log(-np.expm1(low) - np.exp(high))
    inside = middle + stats.beta.logpdf(np.clip(y, 1e-300, 1 - 1e-16), mu * phi, (1 - mu) * phi)
    return np.where(y == 0, low, np.where(y == 1, high, inside))


def independent(family: str, y, mu, phi, shape, trials):
    """Return log-densities of y by SciPy, or by their definitions."""
    if family.startswith("truncated_"):
        whole = family.removeprefix("truncated_")
        none = independent(whole, np.zeros(1), mu, phi, shape, trials)
        return independent(whole, y, mu, phi, shape, trials) - np.log(-np.expm1(none))
    root = np.sqrt(phi)
    log_sd = np.sqrt(np.log1p((phi / mu) ** 2))
    theta, sum_of_both = mu / root, np.asarray(y) * (1 - 1 / root) + mu / root
    return {
        "gaussian": lambda: stats.norm.logpdf(y, mu, root),
        "binomial": lambda: stats.binom.logpmf(np.round(y * trials), trials, mu),
        "poisson": lambda: stats.poisson.logpmf(y, mu),
        "gamma": lambda: stats.gamma.logpdf(y, 1 / phi, scale=mu * phi),
        "inverse_gaussian": lambda: stats.invgauss.logpdf(y, mu * phi, scale=1 / phi),
        "negative_binomial": lambda: stats.nbinom.logpmf(y, 1 / phi, 1 / (1 + mu * phi)),
        "negative_binomial1": lambda: stats.nbinom.logpmf(y, mu / phi, 1 / (1 + phi)),
        # Where the sum is not positive the probability is 0 (Consul and Jain 1973).
        "generalized_poisson": lambda: np.where(
            sum_of_both > 0,
            np.log(theta)
            + (y - 1) * np.log(np.maximum(sum_of_both, 1e-300))
            - sum_of_both
            - special.gammaln(y + 1),
            -np.inf,
        ),
        "conway_maxwell_poisson": lambda: com_poisson(y, mu, phi),
        "beta": lambda: stats.beta.logpdf(y, mu * phi, (1 - mu) * phi),
        "beta_binomial": lambda: stats.betabinom.logpmf(
            np.round(y * trials), trials, mu * phi, (1 - mu) * phi
        ),
        "lognormal": lambda: stats.lognorm.logpdf(y, log_sd, scale=mu * np.exp(-(log_sd**2) / 2)),
        "student_t": lambda: stats.t.logpdf(y, np.exp(shape[0]), mu, phi),
        "tweedie": lambda: tweedie(y, mu, phi, 1 + special.expit(shape[0])),
        "ordered_beta": lambda: ordered_beta(y, mu, phi, shape[0], np.exp(shape[1])),
    }[family]()


PLAIN = [pair for pair in pairs() if pair[0] != "ordered"]


def power_of(link: str) -> tuple[str, float]:
    powers = {"sqrt": 0.5, "inverse": -1.0, "inverse-squared": -2.0}
    return ("power", powers[link]) if link in powers else (link, 1.0)


@pytest.mark.parametrize("pair", PLAIN, ids="-".join)
def test_densities_are_those_of_others(pair: tuple[str, str]) -> None:
    family, link = pair
    rng = np.random.default_rng(3)
    spec = spec_of(family, link)
    assert spec is not None
    made = responses(np.full(6, 0.4), rng)
    y = np.asarray(made[spec.support.replace(" ", "_")], float)
    trials = np.asarray(made["trials_of_row"], float) if spec.support == "trials" else None
    name, power = power_of(link)
    for eta, log_phi, shape in product((0.3, 1.1), (-1.0, 1.2), shapes_of(family)):
        mu = float(make_link(link).inverse(eta))
        if link == "log" and family == "binomial":
            eta, mu = -eta, np.exp(-eta)
        if not 0 < mu < (1 if spec.support in BELOW_ONE else np.inf):
            continue
        outer = np.tile([log_phi, *shape, 0.0], (6, 1))
        if family == "ordered_beta":
            outer[:, 1] += eta - 0.3  # its thresholds are seen from eta = 0.3 above
        found, _ = row_derivatives(
            family, name, y, np.full(6, eta), outer, weights=trials, power=power
        )
        wanted = independent(family, y, mu, np.exp(log_phi), shape, trials)
        possible = np.isfinite(wanted) & (np.asarray(wanted) > -600)
        assert possible.any()
        assert_allclose(found[possible, 0], np.asarray(wanted)[possible], rtol=1e-9, atol=1e-9)


def total(family: str, mu: float, outer: list[float], zeros: str) -> float:
    """Return the sum or the integral of the density over all responses."""
    spec = spec_of(family)
    assert spec is not None
    name, power = power_of(spec.link) if spec.link != "power" else ("power", spec.power)
    eta = float(family_object(spec).link(mu))

    def density(y, trials=None):
        y = np.asarray(y, float)
        found, _ = row_derivatives(
            family, name, y, np.full(len(y), eta), np.tile(outer, (len(y), 1)),
            weights=None if trials is None else np.full(len(y), trials), power=power, zeros=zeros,
        )  # fmt: skip
        return np.exp(found[:, 0])

    first = 0.0
    if zeros and spec.support in ("positive", "shares", "positive counts"):
        first = density([0.0])[0]
    match spec.support:
        case "counts" | "positive counts":
            start = 1.0 if spec.support == "positive counts" else 0.0
            return float(first + density(np.arange(start, 10_000.0)).sum())
        case "trials":
            return float(density(np.arange(13) / 12, 12.0).sum())
        case "real":
            # Substitutions y(s) with tails that fall exponentially, and the trapezoidal rule.
            s = np.linspace(-60.0, 60.0, 24_001)
            scale = np.exp(outer[0])
            return float(density(mu + scale * np.sinh(s)) @ (scale * np.cosh(s)) * (s[1] - s[0]))
        case "shares" | "shares and ends":
            s = np.linspace(-700.0, 36.0, 15_001)
            y = special.expit(s)
            ends = density([0.0, 1.0]).sum() if spec.support == "shares and ends" else first
            return float(ends + density(y) @ (y * special.expit(-s)) * (s[1] - s[0]))
    # Near the mean as fine as the narrowest of the densities.
    s = np.linspace(-14.1, 10.5, 2_001)
    y = mu * np.exp(1e-3 * np.sinh(s))
    first = density([0.0])[0] if spec.support == "not negative" else first
    return float(first + density(y) @ (y * 1e-3 * np.cosh(s)) * (s[1] - s[0]))


def means_of(family: str) -> tuple[float, ...]:
    spec = spec_of(family)
    assert spec is not None
    return (
        (0.2, 0.5, 0.97) if spec.support in BELOW_ONE else (0.02, 1.0, 20.0)
    )  # counts have none of 10000 and more


def zeros_of(family: str) -> tuple[str, ...]:
    spec = spec_of(family)
    assert spec is not None
    if spec.support in ("counts", "trials", "not negative"):
        return ("", "inflation")
    return ("", "hurdle") if spec.support in ("positive", "shares", "positive counts") else ("",)


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "ordered"])
def test_densities_sum_to_one(family: str) -> None:
    """For small and large means and dispersions, with and without a part of zeros."""
    for zeros, mu, log_phi, shape in product(
        zeros_of(family), means_of(family), LOGS, shapes_of(family)
    ):
        if family.endswith("generalized_poisson") and log_phi < 0:
            continue  # underdispersed, its probabilities sum to less (Consul and Jain 1973)
        if spec_of(family).support.startswith("shares") and (1 - mu) * np.exp(log_phi) < 0.6:
            continue  # a pole at 1 that is narrower than the numbers there
        if family == "tweedie" and log_phi * shape[0] > 10:
            continue  # nearly a gamma of so small a shape that its pole at 0 is not seen
        found = total(family, mu, [log_phi, *shape, -0.7], zeros)
        assert found == pytest.approx(1.0, abs=1e-8), (zeros, mu, log_phi, shape)


@pytest.mark.parametrize("log_phi", [-28.0, -12.0, -5.0, 4.0, 32.0])
@pytest.mark.parametrize("mu", [1e-6, 0.3, 0.999, 1.5, 7.00001, 40.3])
def test_com_poisson_counts_of_any_dispersion_have_their_mean(mu: float, log_phi: float) -> None:
    """From two integers about the mean, of the probabilities that give it, to the geometric."""
    y = np.arange(3_000.0)
    eta, outer = np.full(len(y), np.log(mu)), np.tile([log_phi, 0, 0, 0], (len(y), 1))
    found, others = row_derivatives("conway_maxwell_poisson", "log", y, eta, outer)
    p = np.exp(found[:, 0])
    assert p.sum() == pytest.approx(1.0, abs=1e-12)
    assert p @ y == pytest.approx(mu, rel=1e-12)
    # Scores have mean 0, also where all of the distribution is on two integers.
    seen = p > 0
    assert np.isfinite(others[seen]).all()
    assert p[seen] @ found[seen, 1] == pytest.approx(0.0, abs=1e-10)
    assert p[seen] @ others[seen, 0, 0] == pytest.approx(0.0, abs=1e-10)
    if log_phi < -10:
        low = np.floor(mu)
        assert p[int(low)] == pytest.approx(1.0 - (mu - low), rel=1e-9)
    if log_phi > 30:
        wanted = stats.geom.logpmf(y + 1, 1 / (1 + mu))
        assert_allclose(found[:, 0], wanted, rtol=1e-9, atol=1e-9)
