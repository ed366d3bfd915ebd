"""Conway-Maxwell-Poisson counts of large means: their sums are taken in steps of many counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.families import ConwayMaxwellPoisson


def by_all_counts(
    mu: float, phi: float, y: np.ndarray, last: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities and their derivatives in log mu, by a sum over every count to the last."""
    nu, t = 1 / np.longdouble(phi), int(mu)
    last = last or int(mu + 30 * np.sqrt(mu * phi)) + 50
    d = np.arange(last + 1).astype(np.longdouble) - t
    M = np.cumsum(np.log1p(np.r_[0, d[1:]] / t))  # log j! - j log t
    M -= M[t]

    def probabilities(c):
        exponents = c * d - nu * M
        w = np.exp(exponents - exponents.max())
        return w / w.sum()

    high = 1 / np.sqrt(np.longdouble(mu * phi)) + 1 / np.longdouble(mu)
    low = -high
    for _ in range(80):
        c = (low + high) / 2
        low, high = (low, c) if probabilities(c) @ d > mu - t else (c, high)
    p = probabilities(c)
    variance = p @ (d - np.longdouble(mu - t)) ** 2
    at = y.astype(int)
    return np.log(p[at]).astype(float), ((y - mu) * mu / variance).astype(float)


@pytest.mark.parametrize(
    ("mu", "phi"),
    [(201.3, 4.6), (432.1, 0.93), (1e4, 0.5), (2000.7, 45.0), (2000.7, 60.0), (1e5 + 0.125, 30.0)],
)
def test_rows_are_those_of_all_counts(mu, phi):
    sd = np.sqrt(mu * phi)
    y = np.rint(mu + sd * np.array([-3.0, 0.0, 2.5, 6.0]))
    outer = np.tile([np.log(phi), 0.0, 0.0, 0.0], (4, 1))
    rows, _ = row_derivatives("conway_maxwell_poisson", "identity", y, np.full(4, mu), outer)
    value, slope = by_all_counts(mu, phi, y)
    # One count after the other left errors of 1e-10 at means of 1e6.
    np.testing.assert_allclose(rows[:, 0], value, atol=3e-13)
    np.testing.assert_allclose(rows[:, 1] * mu, slope, rtol=1e-12, atol=1e-12)


def test_derivatives_in_the_dispersion_are_those_of_differences():
    mu, phi, step = 3000.3, 7.0, 1e-4
    y, eta = np.rint(mu + np.array([-300.0, 50.0, 500.0])), np.full(3, np.log(mu))

    def at(shift):
        outer = np.tile([np.log(phi) + shift, 0.0, 0.0, 0.0], (3, 1))
        return row_derivatives("conway_maxwell_poisson", "log", y, eta, outer)

    numeric = (at(step)[0][:, :3] - at(-step)[0][:, :3]) / (2 * step)
    np.testing.assert_allclose(at(0.0)[1][:, :, 0], numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mu", "phi"),
    [(50.3, 1e3), (50.3, 1e6), (300.2, 10.0), (1160.3, 158.0), (3000.4, 800.0), (2e4, 2e4)],
)
def test_rows_of_bells_that_are_cut_off_at_zero_are_those_of_all_counts(mu, phi):
    y = np.array([0.0, 1.0, 20.0, np.rint(0.4 * mu), np.rint(mu), np.rint(3 * mu)])
    outer = np.tile([np.log(phi), 0.0, 0.0, 0.0], (len(y), 1))
    rows, _ = row_derivatives("conway_maxwell_poisson", "identity", y, np.full(len(y), mu), outer)
    value, slope = by_all_counts(mu, phi, y, last=int(50 * mu))
    # Counts added up one by one lost digits, and at means of 2e4 they were too many.
    np.testing.assert_allclose(rows[:, 0], value, atol=3e-14)
    np.testing.assert_allclose(rows[:, 1] * mu, slope, rtol=1e-13, atol=1e-13)


def test_derivatives_in_the_dispersion_of_counts_that_are_cut_off_at_zero():
    mu, phi, step = 900.3, 150.0, 1e-4
    y, eta = np.array([0.0, 400.0, 1500.0]), np.full(3, np.log(mu))

    def at(shift):
        outer = np.tile([np.log(phi) + shift, 0.0, 0.0, 0.0], (3, 1))
        return row_derivatives("conway_maxwell_poisson", "log", y, eta, outer)

    numeric = (at(step)[0][:, :3] - at(-step)[0][:, :3]) / (2 * step)
    np.testing.assert_allclose(at(0.0)[1][:, :, 0], numeric, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("level", [1e4, 1e5, 1e8])
@pytest.mark.parametrize("phi", [0.3, 30.0])
def test_models_of_large_counts_are_fitted(level, phi):
    # From means of 1e5 on they could not be evaluated at the start.
    rng = np.random.default_rng(1)
    g, x = np.repeat(np.arange(10), 12), rng.normal(size=120)
    mu = level * np.exp(0.3 * x + 0.3 * rng.normal(size=10)[g])
    y = np.rint(mu + np.sqrt(phi * mu) * rng.normal(size=120))
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    fit = mixedglm2("y ~ x + (1 | g)", data, ConwayMaxwellPoisson()).fit()
    assert fit.converged
    assert fit.dispersion == pytest.approx(phi, rel=0.5)
    assert abs(fit.params["x"] - 0.3) < 4 * fit.bse["x"]
