"""Intervals of new proportions of many trials, of a beta-binomial."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.outcome import time_limit
from numpy.testing import assert_allclose
from scipy.special import bdtr, betaincinv
from scipy.stats import betabinom

from statsmodels_mixed.fitting.families.beta_binomial import beta_binomial_cdf


@pytest.mark.parametrize("n", [1, 7, 101, 1000, 10**6, 10**9])
def test_distribution_function_in_closed_form(n: int) -> None:
    k = np.unique(np.floor(n * np.array([0, 1e-6, 0.001, 0.3, 0.5, 0.9999, 1])))
    uniform = (k + 1.0) / (n + 1.0)
    assert_allclose(beta_binomial_cdf(k, n, 1.0, 1.0), uniform, rtol=0, atol=1e-12)
    # Probabilities proportional to k + 1, and to n - k + 1.
    rising = (k + 1.0) / (n + 1.0) * ((k + 2.0) / (n + 2.0))
    assert_allclose(beta_binomial_cdf(k, n, 2.0, 1.0), rising, rtol=0, atol=1e-12)
    falling = 1.0 - (n - k) / (n + 1.0) * ((n - k + 1.0) / (n + 2.0))
    assert_allclose(beta_binomial_cdf(k, n, 1.0, 2.0), falling, rtol=0, atol=1e-12)
    assert_allclose(beta_binomial_cdf([-1, n, n + 1], n, 2.0, 3.0), [0, 1, 1])


def test_distribution_function_by_sums() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(101, 400, 200)
    k = rng.integers(0, n + 1)
    share, phi = rng.uniform(0.001, 0.999, 200), 10.0 ** rng.uniform(-2, 4, 200)
    a, b = share * phi, (1.0 - share) * phi
    wanted = betabinom.cdf(k, n, a, b)
    assert_allclose(beta_binomial_cdf(k, n, a, b), wanted, rtol=0, atol=1e-10)


def test_distribution_function_of_binomials() -> None:
    k, n, p = (
        np.array([3.0, 40.0, 480.0]),
        np.array([10.0, 101.0, 1000.0]),
        np.array([0.4, 0.4, 0.5]),
    )
    got = beta_binomial_cdf(k, n, 1e12 * p, 1e12 * (1.0 - p))
    assert_allclose(got, bdtr(k, n.astype(int), p), rtol=1e-7)


def test_intervals_of_a_hundred_thousand_trials() -> None:
    """Of 120 rows they took more than a hundred seconds for 1000 trials: sums over all counts."""
    rng, n = np.random.default_rng(3), 100_000
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": rng.normal(size=120)})
    share = 1.0 / (1.0 + np.exp(-0.3 * data["x"] - 0.5 * rng.normal(size=12)[data["g"]]))
    data["y"] = rng.binomial(n, rng.beta(50.0 * share, 50.0 * (1.0 - share)))
    data["rest"] = n - data["y"]
    fit = smf.mixedglm2("y + rest ~ x + (1 | g)", data, "beta_binomial").fit()
    with time_limit(20):
        limits = fit.get_prediction(re=True).summary_frame()[["obs_ci_lower", "obs_ci_upper"]]
    # With 100 000 trials a proportion is nearly a draw from the beta distribution. Limits lie a
    # little outside its quantiles, because the mean is estimated.
    phi, mean = fit.dispersion, np.asarray(fit.predict(re=True))
    for name, p, sign in (("obs_ci_lower", 0.025, -1), ("obs_ci_upper", 0.975, 1)):
        quantile = betaincinv(mean * phi, (1.0 - mean) * phi, p)
        beyond = sign * (limits[name].to_numpy() - quantile)
        assert np.all((beyond > 0) & (beyond < 0.02))
