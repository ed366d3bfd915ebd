"""Ordered categories with covariates far from zero, such as years, are as with others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedordinal2

FAR = 2010.0


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    g, x = rng.integers(0, 20, 500), rng.normal(size=500)
    latent = (
        (0.4 + 0.5 * rng.normal(size=20)[g]) * x
        + 0.6 * rng.normal(size=20)[g]
        + rng.logistic(size=500)
    )
    answer = pd.Categorical(np.searchsorted([-1.0, 0.2, 1.4], latent), ordered=True)
    f = rng.choice(["a", "b"], 500)
    return pd.DataFrame({"answer": answer, "x": x, "year": x + FAR, "g": g, "f": f})


@pytest.mark.parametrize("far", [FAR, 1e6])
@pytest.mark.parametrize("threshold", ["flexible", "symmetric", "equidistant"])
def test_thresholds_move_with_a_covariate(data, threshold, far):
    # Rounding hid the difference between slope and thresholds: errors were NaN from a mean of a
    # hundred standard deviations on, and at 1e7 the search ended at a slope of 0.
    near = mixedordinal2("answer ~ x + f + (1 | g)", data, threshold=threshold).fit()
    moved = data.assign(x=data.x + far)
    fit = mixedordinal2("answer ~ x + f + (1 | g)", moved, threshold=threshold).fit()
    assert fit.converged
    assert fit.report.evaluations == near.report.evaluations
    assert fit.llf == pytest.approx(near.llf, rel=1e-10)
    alike = ["x", "f[T.b]"]
    assert_allclose(fit.params[alike], near.params[alike], atol=1e-7)
    assert_allclose(fit.bse[alike], near.bse[alike], rtol=1e-6)
    others = [name for name in near.params.index if name not in alike]
    places = [name for name in others if not name.startswith("spacing")]
    moves = np.array([name in places for name in others])
    assert_allclose(
        fit.params[others], near.params[others] + far * near.params["x"] * moves, rtol=1e-6
    )
    covariance = near.cov_params()
    for name in places:
        variance = covariance.loc[name, name] + far**2 * covariance.loc["x", "x"]
        variance += 2 * far * covariance.loc[name, "x"]
        assert fit.bse[name] == pytest.approx(np.sqrt(variance), rel=1e-6)


@pytest.mark.parametrize("far", [3.0, 5.0, FAR])
def test_slopes_of_levels_are_found_as_fast(data, far):
    """With a mean of five standard deviations the search took 25 evaluations for 16."""
    near = mixedordinal2("answer ~ x + (x | g)", data).fit()
    fit = mixedordinal2("answer ~ x + (x | g)", data.assign(x=data.x + far)).fit()
    assert fit.llf == pytest.approx(near.llf, rel=1e-9)
    assert fit.report.evaluations <= near.report.evaluations + 1


def test_what_follows_a_fit_is_the_same(data):
    fits = [
        mixedordinal2(f"answer ~ {name} * f + (1 | g)", data.assign(x=data[name])).fit()
        for name in ("x", "year")
    ]
    slopes = [fit.params.index[-1] for fit in fits]
    new = data.head(4)
    near, far = (
        [
            fit.predict(new).to_numpy(),
            fit.predict(new, re=True).to_numpy(),
            fit.get_prediction(new).se_mean,
            fit.objective,
            fit.with_inference(cov_type="cluster", cov_kwds={"groups": "g"}).bse[slope],
            fit.ranova().to_numpy(dtype=float)[:, 0],
        ]
        for fit, slope in zip(fits, slopes, strict=True)
    )
    for here, there in zip(near, far, strict=True):
        assert_allclose(there, here, rtol=1e-5)


@pytest.mark.parametrize("threshold", ["flexible", "symmetric"])
def test_profiles_are_the_same(data, threshold):
    # Limits of the year and of the thresholds were NaN, and those of f off by .005.
    near, far = (
        mixedordinal2(f"answer ~ {name} + f + (1 | g)", data.head(100), threshold=threshold)
        .fit()
        .profile("beta")
        .conf_int()
        .loc["beta"]
        for name in ("x", "year")
    )
    assert_allclose(far.loc["year"], near.loc["x"], atol=1e-5)
    assert_allclose(far.loc["f[T.b]"], near.loc["f[T.b]"], atol=1e-5)
    assert far.notna().to_numpy().all()
