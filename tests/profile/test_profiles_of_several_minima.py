"""Profiles of few rows, whose deviance has several minima, some at ends of ranges: dense V."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2

from statsmodels_mixed import mixedlm2

GROUPS, TIMES = 6, 5
LAG = np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))


@cache
def few() -> pd.DataFrame:
    """Return 30 rows without effects of groups: the residual variance is estimated as zero."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=GROUPS * TIMES)
    rng.normal(size=2 * GROUPS)
    y = 0.3 + 0.5 * x + rng.normal(size=GROUPS * TIMES)
    g, t = np.repeat(np.arange(GROUPS), TIMES), np.tile(np.arange(TIMES), GROUPS)
    return pd.DataFrame({"y": y, "x": x, "g": g, "t": t})


@cache
def fitted() -> Any:
    return mixedlm2("y ~ x + ar1(0 + t | g)", few()).fit()


def deviance(sd: float, rho: float, sigma: float, slope: float | None = None) -> float:
    """Return -2 log-likelihood, at the best coefficients or those beside a given slope."""
    y, x = few()["y"].to_numpy(), few()["x"].to_numpy()
    X = np.column_stack([np.ones(len(y)), x])
    if slope is not None:
        y, X = y - slope * x, X[:, :1]
    V = np.kron(np.eye(GROUPS), sd**2 * rho**LAG + sigma**2 * np.eye(TIMES))
    L = np.linalg.cholesky(V)
    A, b = np.linalg.solve(L, X), np.linalg.solve(L, y)
    r = b - A @ np.linalg.lstsq(A, b)[0]
    return float(len(y) * np.log(2.0 * np.pi) + 2.0 * np.log(np.diag(L)).sum() + r @ r)


def least(sd: float | None = None, slope: float | None = None) -> float:
    """Return the least of the minima over what is not given, from both ends of both variances."""

    def at(z: np.ndarray) -> float:
        if np.abs(z).max() > 12.0:
            return 1e9
        size = np.exp(z[0]) if sd is None else sd
        return deviance(size, np.tanh(z[1]), np.exp(z[2]), slope)

    begins = [(0.0, -0.2, -8.0), (0.0, 0.0, 0.0), (-1.5, -1.5, 0.0), (-1.5, 1.5, 0.0)]
    return min(float(minimize(at, z, method="Nelder-Mead").fun) for z in begins)


def test_the_residual_variance_is_zero():
    assert fitted().scale < 1e-6
    assert -2.0 * fitted().llf == pytest.approx(least(), abs=1e-4)


def test_limits_of_a_coefficient_are_those_of_the_lowest_minima():
    """At an end of sigma no derivative leads to where the deviance is lower, by up to .47 here."""
    best = -2.0 * fitted().llf
    for end in fitted().profile("x").conf_int().loc[("beta", "x"), ["lower", "upper"]]:
        rise = least(slope=end) - best
        assert rise == pytest.approx(chi2.isf(0.05, 1), abs=5e-3)


def test_no_deviance_is_made_of_rounding_errors():
    """With sigma a 1e-16th of the response the deviance was 17 too low, and the profile refused."""
    best = -2.0 * fitted().llf
    limits = fitted().profile("theta").conf_int()
    upper = limits.loc[("theta", "g.ar1.sd"), "upper"]
    assert least(sd=upper) - best == pytest.approx(chi2.isf(0.05, 1), abs=5e-3)
    # Both ends of the correlation are possible.
    for rho in (-1.0 + 1e-9, 1.0 - 1e-9):
        rise = min(deviance(sd, rho, 0.66) for sd in np.linspace(1e-9, 0.4, 50)) - best
        assert rise < 2.0
    assert tuple(limits.loc[("theta", "g.ar1.rho"), ["lower", "upper"]]) == (-1.0, 1.0)


@pytest.mark.parametrize("seed", [0, 5, 10])
def test_many_rows_leave_a_residual_variance_of_zero_as_well(seed):
    """The deviance is flat in log sigma there: limits were where the root is 1.92 to 1.95."""
    rng = np.random.default_rng(seed)
    e = rng.normal(size=(24, 5))
    for j in range(1, 5):
        e[:, j] = 0.6 * e[:, j - 1] + 0.8 * e[:, j]
    x = rng.normal(size=120)
    y = 0.3 + 0.5 * x + e.ravel()
    g, t = np.repeat(np.arange(24), 5), np.tile(np.arange(5), 24)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "t": t})

    def at(z: np.ndarray, slope: float) -> float:
        V = np.exp(z[0]) * np.tanh(z[1]) ** LAG + np.exp(z[2]) * np.eye(5)
        halves = np.linalg.solve(np.linalg.cholesky(V), np.stack([y - slope * x, np.ones(120)]
            ).reshape(2, 24, 5).transpose(2, 0, 1).reshape(5, -1)).reshape(5, 2, 24)  # fmt: skip
        r, one = halves[:, 0].ravel(), halves[:, 1].ravel()
        r = r - one * (one @ r) / (one @ one)
        return float(120 * np.log(2.0 * np.pi) + 24 * np.linalg.slogdet(V)[1] + r @ r)

    fit = mixedlm2("y ~ x + ar1(0 + t | g)", data).fit()
    assert fit.sigma < 1e-4
    options = {"xatol": 1e-6, "fatol": 1e-9}
    for end in fit.profile("x").conf_int().loc[("beta", "x"), ["lower", "upper"]]:
        ends = [
            minimize(at, (0.0, 0.8, begin), args=(end,), method="Nelder-Mead", options=options).fun
            for begin in (-9.0, -1.0)
        ]
        assert min(ends) + 2.0 * fit.llf == pytest.approx(chi2.isf(0.05, 1), abs=2e-3)
