"""Underdispersed counts whose conditional mode meets a response: the objective jumps there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed._core import row_derivatives


def counts() -> pd.DataFrame:
    """Return counts in ten groups whose dispersion grows with x."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 6), rng.normal(size=60)
    mu = np.exp(0.6 + 0.4 * x + 0.5 * rng.normal(size=10)[g])
    phi = np.exp(2.5 + 1.5 * x)
    more = np.maximum(phi - 1, 1e-2)
    many = rng.poisson(rng.gamma(mu / more, more))
    return pd.DataFrame(
        {"g": g, "x": x, "y": np.where(phi > 1, many, np.floor(mu + rng.random(60)))}
    )


def test_a_count_that_hardly_varies_bends_the_likelihood_where_it_is_the_mean():
    # Two counts about the mean have all probability: 1 - |y - mu| of y, which has a bend at mu = y.
    mu, y = np.array([1.8, 1.99, 2.01, 2.2]), np.full(4, 2.0)
    outer = np.zeros((4, 4))
    outer[:, 0] = -6.0
    by_eta, _ = row_derivatives("conway_maxwell_poisson", "log", y, np.log(mu), outer)
    assert_allclose(by_eta[:, 0], np.log1p(-np.abs(y - mu)), atol=1e-12)
    assert_allclose(by_eta[:, 1], np.sign(y - mu) * mu / (1 - np.abs(y - mu)), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_searches_end_beside_such_a_jump_and_say_so():
    fit = smm.mixedglm2("y ~ x + (1 | g)", counts(), "compois", dispersion="~ x").fit()
    assert not fit.converged
    assert fit.report.message.startswith("The objective jumps beside the end of the search")
    assert fit.report.evaluations < 70  # it crept for hundreds of evaluations, a second each
