"""Covariance structures: autoregressive random effects of 1000 groups at 50 times."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedlm2

GROUPS, TIMES = 1000, 50


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    lags = np.abs(np.subtract.outer(range(TIMES), range(TIMES)))
    T = np.linalg.cholesky(4.0 * 0.8**lags + np.eye(TIMES))
    return pd.DataFrame(
        {
            "g": np.repeat(np.arange(GROUPS), TIMES),
            "t": np.tile(np.arange(TIMES), GROUPS),
            "x": (x := rng.normal(size=GROUPS * TIMES)),
            "y": 1.0 + x + (rng.normal(size=(GROUPS, TIMES)) @ T.T).ravel(),
        }
    )


def dense_objective(fit, frame):
    """-2 log-likelihood by the covariance matrix of a group."""
    sd, rho = fit.covariance_structures["estimate"]
    lags = np.abs(np.subtract.outer(range(TIMES), range(TIMES)))
    V = sd**2 * rho**lags + fit.sigma**2 * np.eye(TIMES)
    r = (frame["y"] - fit.params["Intercept"] - fit.params["x"] * frame["x"]).to_numpy()
    r = r.reshape(GROUPS, TIMES)
    squares = np.einsum("gt,gt->", r, np.linalg.solve(V, r.T).T)
    return GROUPS * (TIMES * np.log(2 * np.pi) + np.linalg.slogdet(V)[1]) + squares


def test_autoregressive(benchmark, frame):
    fit = benchmark(lambda: mixedlm2("y ~ x + ar1(0 + t | g)", frame).fit())
    assert fit.converged
    assert_allclose(fit.objective, dense_objective(fit, frame), rtol=1e-9)
    benchmark.extra_info["evaluations"] = fit.report.evaluations
