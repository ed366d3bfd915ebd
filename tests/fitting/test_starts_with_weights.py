"""Weights that differ by twelve orders: the start takes them, so the way to the end is short."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.optimize import brentq
from scipy.special import gammaln

from statsmodels_mixed import mixedglm2

MOST = 40  # 13 to 25 are needed; 4000 were, from a dispersion without weights


def rows(draw):
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(30), 10), rng.normal(size=300)
    mean = np.exp(0.5 + 0.4 * x + 0.7 * rng.normal(size=30)[g])
    weights = 10.0 ** rng.uniform(-6, 6, size=300)
    return pd.DataFrame({"y": draw(rng, mean), "x": x, "g": g, "w": weights})


FAMILIES = {
    "gamma": (sm.families.Gamma(sm.families.links.Log()), lambda rng, mu: rng.gamma(3, mu / 3)),
    "inverse gaussian": (
        sm.families.InverseGaussian(sm.families.links.Log()),
        lambda rng, mu: rng.wald(mu, 4 * mu),
    ),
    "gaussian": (
        sm.families.Gaussian(sm.families.links.Log()),
        lambda rng, mu: mu + 0.3 * rng.normal(size=len(mu)),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_few_evaluations_with_weights_over_twelve_orders(name):
    family, draw = FAMILIES[name]
    fit = mixedglm2("y ~ x + (1 | g)", rows(draw), family=family, weights="w").fit()
    assert fit.converged
    assert fit.report.evaluations <= MOST


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_in_other_units_change_the_dispersion_only(name):
    # The variance of a row is phi V(mu) / w.
    family, draw = FAMILIES[name]
    data = rows(draw)
    fit = mixedglm2("y ~ x + (1 | g)", data, family=family, weights="w").fit()
    other = mixedglm2(
        "y ~ x + (1 | g)", data.assign(w=1e6 * data["w"]), family=family, weights="w"
    ).fit()
    np.testing.assert_allclose(other.params, fit.params, atol=1e-6 * fit.bse.min())
    np.testing.assert_allclose(other.bse, fit.bse, rtol=1e-6)
    np.testing.assert_allclose(other.scale, 1e6 * fit.scale, rtol=1e-6)


def laplace_of_counts(data, theta, beta, alpha):
    """-2 log-likelihood of negative binomial counts with a random intercept, group by group."""
    total = 0.0
    for _, rows in data.groupby("g"):
        y, w = rows["y"].to_numpy(), rows["w"].to_numpy()
        fixed = beta[0] + beta[1] * rows["x"].to_numpy()

        def score(b, y=y, w=w, fixed=fixed):
            mu = np.exp(fixed + b)
            return float(np.sum(w * (y - mu) / (1.0 + alpha * mu)) - b / theta**2)

        ends = min(0.0, -beta[0]) - 60.0, max(0.0, -beta[0]) + 60.0
        b = brentq(score, *ends, xtol=1e-13, rtol=1e-14)
        mu = np.exp(fixed + b)
        ways = gammaln(y + 1.0 / alpha) - gammaln(1.0 / alpha) - gammaln(y + 1.0)
        each = ways + y * np.log(alpha * mu) - (y + 1.0 / alpha) * np.log1p(alpha * mu)
        curvature = 1.0 + theta**2 * np.sum(w * mu / (1.0 + alpha * mu))
        total += -2.0 * np.sum(w * each) + (b / theta) ** 2 + np.log(curvature)
    return total


@pytest.mark.parametrize("intercept", [-600.0, -280.0, -30.0, 280.0])
def test_modes_are_found_from_the_responses(intercept):
    # From u = 0 the steps overshot until they were given up: there was no objective.
    data = rows(lambda rng, mu: rng.negative_binomial(2, 2 / (2 + mu)))
    model = mixedglm2("y ~ x + (1 | g)", data, family="negative_binomial", weights="w")
    ours = model.objective([30.0], [intercept, 0.4], 0.66)
    np.testing.assert_allclose(
        ours, laplace_of_counts(data, 30.0, [intercept, 0.4], 0.66), rtol=1e-9
    )
