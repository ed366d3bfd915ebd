"""Means that a family does not have, in fits whose rows have parameters besides their mean."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize

from statsmodels_mixed import mixedglm2
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import DataError

OUTER = np.array([[0.2, 0.5, 1.0, -0.4]])


@pytest.mark.parametrize(
    ("family", "link", "power", "eta", "y"),
    [
        ("poisson", "identity", 1.0, -0.5, 0.0),
        ("poisson", "identity", 1.0, -0.5, 2.0),
        ("negative_binomial", "identity", 1.0, -0.5, 0.0),
        ("negative_binomial1", "identity", 1.0, -0.5, 0.0),
        ("generalized_poisson", "identity", 1.0, -0.5, 0.0),
        ("binomial", "identity", 1.0, -0.2, 0.0),
        ("binomial", "identity", 1.0, 1.2, 1.0),
        ("binomial", "log", 1.0, 0.2, 1.0),
        ("inverse_gaussian", "power", -1.0, -0.7, 1.3),
        ("lognormal", "identity", 1.0, -0.7, 1.3),
        ("gamma", "identity", 1.0, -0.7, 1.3),
    ],
)
@pytest.mark.parametrize("zeros", ["inflation", ""])
def test_no_row_has_a_likelihood_at_a_mean_that_its_family_does_not_have(
    family, link, power, eta, y, zeros
):
    # exp(-mu) was a probability above 1, and a maximum of the likelihood had means of -1.9.
    rows = row_derivatives(
        family, link, np.array([y]), np.array([eta]), OUTER, power=power, zeros=zeros
    )
    assert np.isnan(rows[0][0, 0])


def _data(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(10), 6), rng.normal(size=60)
    mu = np.maximum(2.3 + x + 0.2 * rng.normal(size=10)[g], 0.01)
    y = rng.poisson(mu * rng.gamma(2, 0.5, size=60))
    y[np.argsort(x)[:3]] = 0
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("family", ["poisson", "nbinom2"])
@pytest.mark.parametrize("seed", range(4))
def test_a_likelihood_that_rises_to_the_edge_of_means_has_not_converged(family, seed):
    data = _data(seed)
    model = mixedglm2("y ~ x + (1 | g)", data, family, link="identity", zero_inflation="~ 1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit = model.fit()
        except DataError as error:
            assert "use a link whose inverse stays inside" in str(error)
            return
    assert fit.fittedvalues.min() >= 0
    assert not fit.converged
    assert "edge of the range of means" in fit.report.message


def test_a_maximum_inside_the_range_is_that_of_scipy():
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(30), 6), rng.uniform(-1, 1, size=180)
    y = rng.poisson(5.0 + 2.0 * x) * (rng.random(180) < 0.8)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = mixedglm2(
            "y ~ x + (1 | g)", data, "poisson", link="identity", zero_inflation="~ 1"
        ).fit()
    assert fit.converged

    def objective(b):
        mu, pi = b[0] + b[1] * x, 1 / (1 + np.exp(-b[2]))
        if mu.min() <= 0:
            return np.inf
        f = (1 - pi) * stats.poisson.pmf(y, mu) + pi * (y == 0)
        return -np.sum(np.log(f))

    plain = minimize(
        objective, [4.0, 1.0, -1.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-11}
    )
    assert fit.llf >= -plain.fun - 1e-7  # without random effects
    assert fit.theta[0] > 0.05 or fit.llf == pytest.approx(-plain.fun, abs=1e-6)
