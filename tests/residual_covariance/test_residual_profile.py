"""Profiles of models with correlated residuals: at every limit the deviance has risen by 3.84."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import minimize
from scipy.stats import chi2

from statsmodels_mixed import datasets

RISE = chi2.isf(0.05, 1)
FORMULA = "distance ~ age * sex"


def growth() -> pd.DataFrame:
    return datasets.load("orthodont").reset_index(drop=True)


@cache
def fitted(formula: str = FORMULA, reml: bool = False, **options: Any) -> Any:
    return smf.mixedlm2(formula, growth(), **options).fit(reml=reml)


def deviance(V: np.ndarray) -> float:
    """Return -2 log-likelihood, maximized over the coefficients."""
    design = fitted(residual="ar1(age | subject)").kept_design()
    X, y = design.X, design.y
    W = np.linalg.solve(V, X)
    r = y - X @ np.linalg.solve(X.T @ W, W.T @ y)
    return float(np.linalg.slogdet(2.0 * np.pi * V)[1] + r @ np.linalg.solve(V, r))


def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = growth()
    subject, age = table["subject"].astype(str).to_numpy(), table["age"].to_numpy()
    return (
        subject[:, None] == subject,
        np.abs(age[:, None] - age) / 2.0,
        ((age - 8) / 2).astype(int),
    )


def test_limits_of_a_correlation_and_a_deviation():
    fit = fitted(residual="ar1(age | subject)")
    same, lag, _ = rows()
    limits = fit.profile("theta").conf_int().loc["theta"]

    def at(sd: float, rho: float) -> float:
        return deviance(np.where(same, sd**2 * rho**lag, 0.0))

    best = -2.0 * fit.llf
    for rho in limits.loc["Residual.rho", ["lower", "upper"]]:
        found = minimize(lambda s, rho=rho: at(float(np.exp(s[0])), rho), [0.8], method="BFGS")
        assert found.fun - best == pytest.approx(RISE, abs=2e-3)
    for sd in limits.loc["Residual.sd", ["lower", "upper"]]:
        found = minimize(lambda z, sd=sd: at(sd, float(np.tanh(z[0]))), [0.7], method="BFGS")
        assert found.fun - best == pytest.approx(RISE, abs=2e-3)


def test_limits_of_a_correlation_among_many():
    fit = fitted(residual="us(age | subject)")
    same, _, place = rows()
    estimates = fit.residual_covariance.to_numpy()
    limits = fit.profile("theta").conf_int().loc["theta"].loc["Residual.rho[12,8]"]
    for rho in limits[["lower", "upper"]]:

        def at(z: np.ndarray, rho: float = rho) -> float:
            # T[2,0] is what gives rows 2 and 0 this correlation.
            T = np.zeros((4, 4))
            T[np.tril_indices(4)] = np.insert(z, 3, 0.0)
            T[2, 0] = rho * np.linalg.norm(T[2, 1:3]) / np.sqrt(1.0 - rho**2)
            sigma = T @ T.T
            return deviance(np.where(same, sigma[np.ix_(place, place)], 0.0))

        start = np.delete(np.linalg.cholesky(estimates)[np.tril_indices(4)], 3)
        found = minimize(at, start, method="BFGS", options={"gtol": 1e-3})
        assert found.fun + 2.0 * fit.llf == pytest.approx(RISE, abs=5e-3)


@pytest.mark.parametrize(
    "options",
    [
        {"residual": "toep(age | subject)"},
        {"residual": "cs(age | subject)", "dispersion": "~ sex"},
    ],
)
@pytest.mark.parametrize("reml", [False, True])
def test_limits_of_a_coefficient(options, reml):
    fit = fitted("distance ~ age + sex", reml, **options)
    limits = fit.conf_int(method="profile").loc["age"]
    table = growth()
    whole = smf.mixedlm2("distance ~ age + sex", table, **options).fit()
    for end in limits:
        fixed = smf.mixedlm2("distance ~ sex", table, offset=end * table["age"], **options).fit()
        assert 2.0 * (whole.llf - fixed.llf) == pytest.approx(RISE, abs=2e-3)


def test_a_variance_that_may_be_zero_has_zero_as_its_limit():
    formula = "reaction ~ days + (1 | subj)"
    table = datasets.load("sleepstudy")
    fit = smf.mixedlm2(formula, table, residual="ar1(days | subj)").fit()
    profile = fit.profile("theta")
    assert profile.conf_int().loc[("theta", "subj.sd[Intercept]"), "lower"] == 0.0
    without = smf.mixedlm2("reaction ~ days", table, residual="ar1(days | subj)").fit()
    curve = profile["theta", "subj.sd[Intercept]"]
    assert curve.zeta[0] ** 2 == pytest.approx(2.0 * (fit.llf - without.llf), rel=1e-4)


def test_tables_take_profiles():
    fit = fitted(residual="ar1(age | subject)")
    table = fit.tidy(conf_int=True, conf_method="profile", effects="fixed").set_index("term")
    limits = fit.conf_int(method="profile")
    assert table[["lower", "upper"]].to_numpy() == pytest.approx(limits.to_numpy(), rel=1e-9)


@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_units_do_not_matter(factor):
    fit = fitted(residual="ar1(age | subject)")
    table = growth().assign(distance=lambda t: factor * t["distance"])
    other = smf.mixedlm2(FORMULA, table, residual="ar1(age | subject)").fit()
    ours, theirs = (each.profile().conf_int() for each in (fit, other))
    scale = np.where([name == "Residual.rho" for _, name in ours.index], 1.0, factor)
    assert (theirs.T / scale).T.to_numpy() == pytest.approx(ours.to_numpy(), rel=2e-4)
