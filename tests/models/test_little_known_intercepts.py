"""Intercepts of few groups beside counts so large that slopes have nine more digits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2


@pytest.mark.parametrize(
    ("family", "parts"), [("truncated_poisson", {}), ("poisson", {"zero_inflation": "~ 1"})]
)
@pytest.mark.parametrize("seed", range(6))
def test_an_intercept_is_as_uncertain_as_groups_differ(family, parts, seed):
    # Rounding of what slopes tell hid what three groups tell: errors were .6 to 1.8 times this one,
    # or NaN because "no finite estimate exists".
    rng = np.random.default_rng(seed)
    n, levels = 30, 3
    g, x, f = rng.integers(levels, size=n), rng.normal(size=n), rng.choice(list("abc"), n)
    offset = rng.choice([-20.0, 20.0], n) if seed < 3 else np.full(n, 20.0)
    eta = 0.4 * x + np.array([-1.0, 0.3, 1.1])[g] + 0.3 * rng.normal(size=n)
    y = np.maximum(rng.poisson(np.exp(eta + offset)), 1.0 if family != "poisson" else 0.0)
    data = pd.DataFrame({"y": y, "x": x, "f": f, "g": g, "o": offset})
    fit = mixedglm2("y ~ x + f + (1 | g)", data, family, offset="o", **parts).fit()
    # Each level is known: its mean, of the sd that is estimated, is all that is not.
    assert fit.bse["Intercept"] == pytest.approx(fit.theta[0] / np.sqrt(levels), rel=1e-3)
    assert fit.bse["x"] < 1e-3


@pytest.mark.parametrize(
    ("family", "parts"), [("truncated_poisson", {}), ("poisson", {"zero_inflation": "~ 1"})]
)
@pytest.mark.parametrize("levels", [3, 6])
@pytest.mark.parametrize("seed", [3, 4])
def test_an_intercept_alone_is_as_uncertain_as_groups_differ(family, parts, levels, seed):
    # Without a slope there is no direction that is known better, and the first step told nothing:
    # errors were .6 to 1.23 times this one, or NaN beside a part of zeros that has no estimate.
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(levels), 30 // levels)
    b = np.array([-1.0, 0.3, 1.1]) if levels == 3 else rng.normal(size=levels)
    y = rng.poisson(np.exp(20.0 + b[g] + 0.3 * rng.normal(size=30)))
    data = pd.DataFrame({"y": y, "g": g})
    fit = mixedglm2("y ~ 1 + (1 | g)", data, family, **parts).fit()
    assert fit.bse["Intercept"] == pytest.approx(fit.theta[0] / np.sqrt(levels), rel=1e-3)
