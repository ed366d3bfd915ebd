"""A level for each row: weights or covariates distinguish its variance from the residual one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy.optimize import minimize

from statsmodels_mixed.errors import DataError


def rows(n: int = 300) -> pd.DataFrame:
    r = np.random.default_rng(3)
    data = pd.DataFrame({"x": r.normal(size=n), "w": r.uniform(0.1, 10.0, n), "obs": np.arange(n)})
    noise = 0.8 * r.normal(size=n) + r.normal(size=n) / np.sqrt(data["w"])
    return data.assign(y=1 + data["x"] + noise)


def least(data: pd.DataFrame, z: np.ndarray, w: np.ndarray, reml: bool) -> tuple[float, np.ndarray]:
    """The least criterion of variances sigma^2 / w + tau^2 z^2, and both by scipy."""
    X, y = np.column_stack([np.ones(len(data)), data["x"]]), data["y"].to_numpy()

    def criterion(logs):
        v = np.exp(logs[0]) / w + np.exp(logs[1]) * z**2
        A = (X.T / v) @ X
        e = y - X @ np.linalg.solve(A, X.T @ (y / v))
        value = np.log(v).sum() + (e**2 / v).sum() + (len(y) - 2 * reml) * np.log(2 * np.pi)
        return value + reml * np.linalg.slogdet(A)[1]

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    run = minimize(criterion, [0.0, -1.0], method="Nelder-Mead", options=options)
    return float(run.fun), np.exp(run.x)


@pytest.mark.parametrize("reml", [False, True])
def test_unequal_weights_distinguish_the_variances(reml):
    data = rows()
    fit = smf.mixedlm2("y ~ x + (1 | obs)", data, weights="w").fit(reml=reml)
    objective, (residual, between) = least(data, np.ones(len(data)), data["w"].to_numpy(), reml)
    assert fit.converged
    assert not fit.report.not_identified
    assert fit.objective == pytest.approx(objective, abs=1e-7)
    assert fit.sigma**2 == pytest.approx(residual, rel=1e-4)
    assert fit.sigma**2 * fit.theta[0] ** 2 == pytest.approx(between, rel=1e-4)
    found = [p for p in fit.check().problems if p.code == "known_by_weights"]
    assert [p.where for p in found] == ["obs"]


@pytest.mark.parametrize("reml", [False, True])
def test_slopes_of_single_rows_make_variances_unequal(reml):
    data = rows()
    slopes = np.random.default_rng(4).normal(size=len(data))
    data["y"] += slopes * data["x"]
    fit = smf.mixedlm2("y ~ x + (0 + x | obs)", data).fit(reml=reml)
    objective, _ = least(data, data["x"].to_numpy(), np.ones(len(data)), reml)
    assert fit.objective == pytest.approx(objective, abs=1e-7)


def test_variances_in_proportion_to_the_weights_are_refused():
    data = rows()
    alike = data.assign(s=1 / np.sqrt(data["w"]))
    for formula, weights in (
        ("y ~ x + (1 | obs)", None),
        ("y ~ x + (1 | obs)", np.full(len(data), 2.0)),
        ("y ~ x + (0 + s | obs)", "w"),
        ("y ~ x + (x | obs)", None),
    ):
        given = {} if weights is None else {"weights": weights}
        with pytest.raises(DataError, match="cannot be distinguished from the residual variance"):
            smf.mixedlm2(formula, alike, **given).fit()
