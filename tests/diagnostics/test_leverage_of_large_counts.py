"""What leverages near 1 leave: counts of a thousand millions with an effect of each row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

import statsmodels_mixed  # noqa: F401 - adds mixedglm2 to smf


def left_of_one(result):
    """1 - h of Poisson rows, the diagonal of W^-1 (V^-1 - V^-1 X (X'V^-1 X)^-1 X'V^-1), V dense."""
    X, w = result.model.design.X, np.asarray(result.fittedvalues)
    V = np.diag(1 / w)
    for block, T in zip(result.model.design.blocks, result.estimates.factors, strict=True):
        same = block.refs[:, None] == block.refs
        V += same * (block.z @ T @ T.T @ block.z.T)
    inverse = np.linalg.inv(V)
    projected = inverse @ X
    return np.diag(inverse - projected @ np.linalg.solve(X.T @ projected, projected.T)) / w


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize("random", ["(x || g)", "(0 + x | g)", "(x | g)"])
@pytest.mark.parametrize(("mean", "sd"), [(1e6, 0.1), (1e9, 0.1), (1e9, 1.0)])
def test_rows_with_an_effect_of_their_own(random, mean, sd):
    """By subtraction 1 - h was wrong by 1.7 % and more, and Cook's distances of 1e9 were NaN."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(6), 10), rng.normal(size=60)
    eta = np.log(mean) + 0.2 * x + 0.3 * rng.normal(size=6)[g] + sd * rng.normal(size=60)
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g, "o": np.arange(60)})
    fit = smf.mixedglm2(f"y ~ x + {random} + (1 | o)", data, family=sm.families.Poisson()).fit()
    rest, pearson = left_of_one(fit), fit.residuals("pearson").to_numpy()
    assert_allclose(fit.cooks_distance(), (pearson / rest) ** 2 * (1 - rest) / 2, rtol=1e-5)
    standardized = fit.residuals("pearson", standardized=True)
    assert_allclose(standardized, pearson / np.sqrt(rest), rtol=1e-5)
    influence = fit.get_influence()
    external = influence.resid_studentized_external
    assert_allclose(influence.dffits[0], external * np.sqrt((1 - rest) / rest), rtol=1e-5)
