"""Profiles that cannot reach their cutoff end after a bounded number of evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import MixedModelWarning
from statsmodels_mixed.profile.constrained_minimum import Surface
from statsmodels_mixed.profile.path import MOST_EVALUATIONS


def test_theta_of_a_tiny_residual_variance(monkeypatch: pytest.MonkeyPatch) -> None:
    # theta times sigma is known well and sigma little: the optimum runs along a bent ridge.
    random = np.random.default_rng(5)
    g, h, x = np.arange(33) % 7, np.arange(33) % 6, random.normal(size=33)
    u, v, w = random.normal(size=7), random.normal(size=7), random.normal(size=6)
    y = u[g] + 3.0 * v[g] * x + w[h] + 1e-4 * random.normal(size=33)
    data = pd.DataFrame({"y": y, "x": x, "g": g, "h": h})
    calls, value = [0], Surface.value

    def counted(self: Any, at: Any) -> float:
        calls[0] += 1
        return value(self, at)

    monkeypatch.setattr(Surface, "value", counted)
    fit = smf.mixedlm2("y ~ x + (x | g) + (1 | h)", data).fit()
    profile = fit.profile("theta")
    # Two sides of four parameters, and what the last of each needs.
    assert calls[0] < 2 * 4 * 2 * MOST_EVALUATIONS
    with pytest.warns(MixedModelWarning, match="could not be minimized far enough"):
        profile.conf_int()
    assert np.isfinite(fit.profile("sd").conf_int().to_numpy()).all()
