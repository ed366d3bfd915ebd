"""Fits to other responses, or fewer rows, where the residual variance was estimated as zero."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedlm2

GROUPS, TIMES = 24, 5


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """An autoregressive process without further residuals."""
    rng = np.random.default_rng(0)
    e = rng.normal(size=(GROUPS, TIMES))
    for j in range(1, TIMES):
        e[:, j] = 0.6 * e[:, j - 1] + 0.8 * e[:, j]
    x = rng.normal(size=GROUPS * TIMES)
    g, t = (each.ravel() for each in np.indices((GROUPS, TIMES)))
    return pd.DataFrame({"y": 0.3 + 0.5 * x + e.ravel(), "x": x, "g": g, "t": t})


@pytest.mark.parametrize("kind", ["ar1", "exp"])
def test_replicates_have_a_residual_variance_where_fits_to_them_have_one(kind, data):
    """They began at zero, stayed there, and were up to 1.2 above."""
    model = mixedlm2(f"y ~ x + {kind}(0 + t | g)", data)
    fit = model.fit()
    assert fit.sigma < 1e-4
    found = fit.bootstrap(10, seed=3).frame
    fresh = [model.with_response(y).fit() for y in fit.simulate(10, seed=3).T]
    assert max(each.sigma for each in fresh) > 0.3
    expected = [-2.0 * each.llf for each in fresh]
    assert found["objective"].to_numpy().ravel() == pytest.approx(expected, abs=1e-4)


def test_the_fit_without_a_group_is_that_of_the_other_rows(data):
    model = mixedlm2("y ~ x + ar1(0 + t | g)", data)
    objective = model.fit().influence("g").objective
    for group in range(0, GROUPS, 3):
        alone = mixedlm2("y ~ x + ar1(0 + t | g)", data[data.g != group]).fit()
        assert objective[group] == pytest.approx(-2.0 * alone.llf, abs=1e-4)
