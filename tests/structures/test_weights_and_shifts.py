"""Weighted models with covariance structures in other units of the weights, and of the response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2


def table(seed: int) -> pd.DataFrame:
    """Autoregressive rows; weights over six orders, and numbers that shifts leave exact."""
    rng = np.random.default_rng(seed)
    g, t = (each.ravel() for each in np.indices((20, 6)))
    e = rng.normal(size=(20, 6))
    for j in range(1, 6):
        e[:, j] = 0.6 * e[:, j - 1] + 0.8 * e[:, j]
    x = rng.normal(size=120)
    y = np.round((0.3 + 0.5 * x + 0.7 * rng.normal(size=20)[g] + e.ravel()) * 2.0**20) / 2.0**20
    arm, h = np.where(g % 2, "a", "b"), rng.integers(0, 7, 120)
    w = 10.0 ** rng.uniform(-3, 3, 120)
    return pd.DataFrame({"y": y, "x": x, "g": g, "t": t, "h": h, "arm": arm, "w": w})


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_unit_of_weights_does_not_decide_which_optimum_is_found(seed):
    model = "y ~ x + cs(1 + arm | h)"
    plain = mixedlm2(model, table(seed), weights="w").fit()
    for unit in (2.0**20, 2.0**-20):
        other = mixedlm2(model, table(seed).assign(w=lambda d, c=unit: c * d.w), weights="w").fit()
        assert other.llf == pytest.approx(plain.llf, abs=1e-6)
        assert other.params.to_numpy() == pytest.approx(plain.params.to_numpy(), rel=1e-5)


@pytest.mark.parametrize("seed", [12, 15])
def test_a_residual_variance_of_zero_is_no_rounding_error_of_a_large_response(seed):
    """Random effects of rows have all of the variance: there is a maximum."""
    model, data = "y ~ x + ar1(0 + t | g)", table(seed).assign(w=lambda d: d.w**0.1)
    plain = mixedlm2(model, data, weights="w").fit()
    assert plain.sigma < 1e-4
    far = mixedlm2(model, data.assign(y=data.y + 2.0**32), weights="w").fit()
    assert far.llf == pytest.approx(plain.llf, abs=1e-5)
    assert far.params["x"] == pytest.approx(plain.params["x"], rel=1e-5)
