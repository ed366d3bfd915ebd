"""Quantiles and draws of counts, by sums over as many counts as there are."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.special import gammaln
from scipy.stats import nbinom, norm, poisson

from statsmodels_mixed.families import (
    ConwayMaxwellPoisson,
    GeneralizedPoisson,
    TruncatedGeneralizedPoisson,
)
from statsmodels_mixed.fitting.families.count_quantiles import count_quantiles
from statsmodels_mixed.fitting.families.draws import draw_rows
from statsmodels_mixed.fitting.families.spec import read_family
from statsmodels_mixed.prediction.new_response_quantiles import predictive_quantiles

LEVELS = (0.001, 0.025, 0.5, 0.975, 0.999)


@pytest.mark.parametrize(
    ("mu", "alpha"),
    [(0.5, 0.2), (30.0, 0.5), (1e3, 1e-6), (1e3, 3.0), (1e5, 0.2), (1e5, 1e-7), (1e7, 1e-3)],
)
def test_quantiles_of_negative_binomials(mu, alpha):
    exact = nbinom(1.0 / alpha, 1.0 / (1.0 + alpha * mu))
    asked = []

    def mass(counts):
        asked.extend(counts)
        with np.errstate(all="ignore"):
            k = 1.0 / alpha
            parts = gammaln(counts + k) - gammaln(k) - gammaln(counts + 1.0)
            logs = parts + counts * np.log(alpha * mu) - (counts + k) * np.log1p(alpha * mu)
        return np.where(counts >= 0, np.exp(logs), 0.0)

    first = max(0.0, mu - 14.0 * exact.std())
    found = count_quantiles(mass, lambda x: np.sqrt(x + alpha * x**2), first, LEVELS)
    # gammaln of 1e7 has an error of 1e-9, which is the probability of no whole count.
    np.testing.assert_allclose(found, exact.ppf(LEVELS), atol=0 if mu < 1e6 else 1)
    assert len(asked) < 4000


def test_what_the_counts_do_not_come_to_is_the_last_one():
    # Nine tenths of a distribution on 0, ..., 4, and a probability beyond.
    def mass(counts):
        return np.where((counts >= 0) & (counts < 5), 0.18, 0.0)

    found = count_quantiles(mass, np.sqrt, 0.0, (0.5, 0.95))
    assert found.tolist() == [2.0, 4.0]

    def nothing(counts):
        return np.full(len(counts), np.nan)

    assert np.isnan(count_quantiles(nothing, np.sqrt, 0.0, (0.5,))).all()


def consul_and_jain(y, mu, phi):
    """Probabilities of a generalized Poisson, as their paper has them."""
    rate, share = mu / np.sqrt(phi), 1.0 - 1.0 / np.sqrt(phi)
    at = rate + share * y
    return np.exp(np.log(rate) + (y - 1) * np.log(at) - at - gammaln(y + 1))


@pytest.mark.parametrize("sd", [0.01, 0.3])
def test_intervals_of_generalized_poisson_counts(sd):
    mu, phi, counts = 400.0, 3.0, np.arange(4000.0)
    x = np.linspace(-8.0, 8.0, 801)
    shares = norm.pdf(x) / norm.pdf(x).sum()
    mixture = consul_and_jain(counts[:, None], mu * np.exp(sd * x), phi) @ shares
    wanted = np.searchsorted(np.cumsum(mixture), LEVELS)
    spec = read_family(GeneralizedPoisson())
    found = predictive_quantiles(
        spec, phi, np.array([np.log(mu)]), np.array([sd]), np.ones(1), LEVELS
    )
    np.testing.assert_array_equal(found[0], wanted)


@pytest.mark.parametrize("family", [GeneralizedPoisson, ConwayMaxwellPoisson])
@pytest.mark.parametrize("mu", [0.3, 50.0, 3e3])
def test_intervals_and_draws_where_counts_are_poisson(family, mu):
    spec = read_family(family())
    linear, sd = np.array([np.log(mu)]), np.array([1e-9])
    found = predictive_quantiles(spec, 1.0, linear, sd, np.ones(1), LEVELS)
    np.testing.assert_array_equal(found[0], poisson.ppf(LEVELS, mu))
    drawn = family(dispersion=1.0).draw(np.random.default_rng(0), np.full(200, mu), np.ones(200))
    by_inversion = poisson.ppf(np.random.default_rng(0).random(200), mu)
    np.testing.assert_array_equal(drawn, by_inversion)


@pytest.mark.parametrize("family", [GeneralizedPoisson, TruncatedGeneralizedPoisson])
@pytest.mark.parametrize("mu", [5.0, 3e3])
def test_draws_of_rows_where_counts_are_poisson(family, mu):
    eta, outer = np.full(200, np.log(mu)), np.zeros((200, 4))
    drawn = draw_rows(np.random.default_rng(0), read_family(family()), eta, outer, None)
    where = np.random.default_rng(0).random(200)
    if family is TruncatedGeneralizedPoisson:
        where = poisson.cdf(0, mu) + where * poisson.sf(0, mu)
    np.testing.assert_array_equal(drawn, poisson.ppf(where, mu))


def test_large_counts_are_predicted_and_drawn():
    # Intervals of means of 1e5 took more than a second for each row, and draws of 2e6 an error.
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(6), 5)
    mean = 3e6 * np.exp(0.3 * rng.normal(size=6))[g]
    data = pd.DataFrame({"y": rng.negative_binomial(mean, 0.5).astype(float), "g": g})
    fit = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=GeneralizedPoisson()).fit()
    frame = fit.get_prediction().summary_frame()
    inside = (data.y > frame["obs_ci_lower"]) & (data.y < frame["obs_ci_upper"])
    assert inside.mean() >= 0.8
    # Given the random effects: sd = sqrt(phi mu), 1.96 of them on either side.
    drawn = np.asarray(fit.simulate(20, seed=1, re="conditional"), dtype=float)
    z = (drawn - mean_of(fit)) / np.sqrt(fit.estimates.dispersion * mean_of(fit))
    assert abs(z.mean()) < 0.2
    assert z.std() == pytest.approx(1.0, abs=0.1)


def mean_of(fit):
    return np.asarray(fit.estimates.fitted)[:, None]


def test_counts_that_doubles_do_not_tell_apart_have_no_quantiles():
    found = count_quantiles(
        lambda counts: np.zeros(len(counts)), lambda counts: np.ones(len(counts)), 1e36, (0.5,)
    )
    assert np.isnan(found).all()
