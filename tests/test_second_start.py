"""Weights of wide spread: zero variance can be a local minimum beside a lower one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from small_models import fit


def weighted(seed: int, spread: float) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n, k = 60, 10
    g = rng.integers(0, k, n)
    w = np.exp(spread * rng.normal(size=n))
    w /= np.exp(np.mean(np.log(w)))
    data = pd.DataFrame({"x": rng.normal(size=n), "g": g, "w": w})
    data["y"] = 1 + data.x + rng.normal(size=k)[g] + rng.normal(size=n) / np.sqrt(w)
    return data


@pytest.mark.parametrize("spread", [3.0, 5.0, 8.0])
def test_no_start_finds_a_better_optimum(spread):
    worse = 0
    for seed in range(40):
        data = weighted(seed, spread)
        usual = fit("y ~ x + (1 | g)", data, {"weights": "w"})
        model = smf.mixedlm2("y ~ x + (1 | g)", data, weights="w")
        least = min(model.objective(np.array([t])) for t in 10.0 ** np.linspace(-2, 2, 41))
        worse += usual.objective > least + 1e-6
        assert len(usual.report.fitlog_theta) == usual.report.evaluations
    assert worse == 0
