"""Spherical correlations end at their range: between two distances there may be a maximum."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2

SUBJECTS = TIMES = 9


def serial() -> np.ndarray:
    """Subjects in rows: autoregressions beside independent errors."""
    rng = np.random.default_rng(111)
    shape = int(rng.integers(5, 14)), int(rng.integers(8, 20))
    assert shape == (TIMES, SUBJECTS)
    rho = rng.uniform(0.3, 0.95)
    e = rng.normal(size=(SUBJECTS, TIMES))
    y = e.copy()
    for t in range(1, TIMES):
        y[:, t] = rho * y[:, t - 1] + np.sqrt(1 - rho**2) * e[:, t]
    return y + rng.choice([0.0, 0.4, 1.0]) * rng.normal(size=y.shape)


def highest(y: np.ndarray) -> float:
    """The log-likelihood of a mean and this covariance, on a grid of ranges and shares."""
    apart = np.abs(np.subtract.outer(np.arange(TIMES), np.arange(TIMES)))
    found = []
    for length in np.arange(1.0, 16.0, 0.05):
        x = np.minimum(apart / length, 1.0)
        w, U = np.linalg.eigh(1.0 - 1.5 * x + 0.5 * x**3)
        for share in np.arange(0.0, 1.0, 0.02):
            v = (1.0 - share) * w + share
            one, z = U.sum(axis=0), y @ U
            mean = np.sum(one * z / v) / (SUBJECTS * np.sum(one**2 / v))
            s2 = np.mean((z - mean * one) ** 2 / v)
            found.append(
                -0.5 * y.size * (np.log(2 * np.pi * s2) + 1) - SUBJECTS / 2 * np.log(v).sum()
            )
    return max(found)


@pytest.mark.parametrize("where", ["effects", "residuals"])
def test_the_highest_of_several_maxima_is_found(where: str) -> None:
    y = serial()
    g, t = (each.ravel() for each in np.indices(y.shape))
    data = pd.DataFrame({"g": g, "t": t, "y": y.ravel()})
    if where == "effects":
        fit = mixedlm2("y ~ 1 + spher(0 + t | g)", data).fit(reml=False)
    else:
        fit = mixedlm2("y ~ 1", data, residual="spher(t | g, nugget=True)").fit(reml=False)
    best = highest(y)
    assert best - 1e-9 < fit.llf < best + 5e-3
