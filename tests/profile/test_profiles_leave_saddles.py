"""A variance that is zero at the estimates and not at a limit: Laplace's approximation by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import chi2
from statsmodels.genmod.families import Binomial

from statsmodels_mixed import SingularFitWarning, mixedglm2


def yes_and_no() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, x = np.repeat(np.arange(6), 5), rng.normal(size=30)
    u, v = 0.5 * rng.normal(size=6), 0.25 * rng.normal(size=6)
    eta = 0.3 + 0.5 * x + u[g] + v[g] * x
    rng.normal(size=30)
    rng.poisson(np.exp(eta))
    return pd.DataFrame({"b": rng.binomial(1, expit(eta)), "x": x, "g": g})


def deviance(data: pd.DataFrame, intercept: float, slope: float, sd: float) -> float:
    """Return -2 log-likelihood by Laplace's approximation, the mode of each group by Newton."""
    eta = (intercept + slope * data["x"].to_numpy()).reshape(6, 5)
    y = data["b"].to_numpy().reshape(6, 5)
    u = np.zeros((6, 1))
    for _ in range(50):
        mu = expit(eta + sd * u)
        curvature = 1.0 + sd**2 * (mu * (1.0 - mu)).sum(axis=1, keepdims=True)
        u = u + (sd * (y - mu).sum(axis=1, keepdims=True) - u) / curvature
    at = eta + sd * u
    likelihood = np.sum(y * at - np.logaddexp(0.0, at)) - 0.5 * np.sum(u**2)
    return float(-2.0 * likelihood + np.log(curvature).sum())


def test_the_limit_of_a_coefficient_whose_variance_is_zero_at_the_estimate_only():
    """At zero the deviance has a saddle from .61 on, where the curve stayed: root 1.942."""
    data = yes_and_no()
    with pytest.warns(SingularFitWarning):
        fit = mixedglm2("b ~ x + (1 | g)", data, Binomial()).fit()
    end = fit.profile("Intercept").conf_int().loc[("beta", "Intercept"), "upper"]
    found = minimize(lambda z: deviance(data, end, *z), (0.0, 0.4), method="Nelder-Mead")
    assert found.x[1] > 0.3
    assert found.fun + 2.0 * fit.llf == pytest.approx(chi2.isf(0.05, 1), abs=2e-3)
