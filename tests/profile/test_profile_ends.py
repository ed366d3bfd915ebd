"""Profiles that cannot reach their cutoff end after a bounded number of evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

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
    assert np.isfinite(profile.conf_int().to_numpy()).all()
    assert np.isfinite(fit.profile("sd").conf_int().to_numpy()).all()


def test_a_standard_deviation_next_to_zero() -> None:
    # The search for the maximum ends near the bound, not on it: the lower limit is the bound.
    random = np.random.default_rng(5)
    site, plot = np.repeat(np.arange(8), 6), np.arange(48) // 2
    x = random.normal(size=24)[plot]
    y = random.normal(size=8)[site] + 0.3 * x + random.normal(size=24)[plot]
    data = pd.DataFrame({"y": y + 1e-7 * random.normal(size=48), "x": x, "site": site, "p": plot})
    fit = smf.mixedlm2("y ~ x + (1 | site / p)", data).fit(reml=True)
    limits = fit.profile("sd").conf_int().loc[("sd", "site.Intercept")]
    assert limits["estimate"] < 1e-8 and limits["lower"] == 0.0 and 0.5 < limits["upper"] < 1.0
