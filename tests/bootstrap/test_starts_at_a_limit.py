"""Replicates of fits with a dispersion at a limit of its family against fresh fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import families, mixedglm2


def table() -> pd.DataFrame:
    """Counts, and successes of nine trials, with no more variance than a mean calls for."""
    rng = np.random.default_rng(4)
    g, x = np.repeat(np.arange(20), 6), rng.normal(size=120)
    eta = 0.3 + 0.5 * x + 0.5 * rng.normal(size=20)[g]
    count = rng.poisson(np.exp(eta))
    share = np.round(9.0 / (1.0 + np.exp(-eta))) / 9.0  # less than binomial variance
    return pd.DataFrame({"count": count, "share": share, "x": x, "g": g, "trials": 9.0})


def model(family: str) -> Any:
    if family == "BetaBinomial":
        return mixedglm2("share ~ x + (1 | g)", table(), families.BetaBinomial(), weights="trials")
    return mixedglm2("count ~ x + (1 | g)", table(), getattr(families, family)())


@pytest.mark.parametrize("family", ["NegativeBinomial1", "BetaBinomial"])
def test_replicates_come_away_from_the_limit(family):
    """Half of the negative binomial ones stayed at Poisson, up to 2.9 above their optimum."""
    fit = model(family).fit()
    assert "no overdispersion" in fit.summary().as_text()
    found = fit.bootstrap(12, seed=1).frame["objective"].to_numpy().ravel()
    fresh = [fit.model.with_response(y).fit() for y in fit.simulate(12, seed=1).T]
    assert any("no overdispersion" not in each.summary().as_text() for each in fresh)
    assert found == pytest.approx([-2.0 * each.llf for each in fresh], abs=1e-4)
