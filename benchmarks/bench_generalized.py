"""Whole calls of generalized models: `smf.mixedglm2(...).fit()`.

Objectives are lme4's (tests/reference/glmm.json, 2.1 at tight tolerances). Of the simulated
data the answer is that the gradient vanishes near the parameters they were made with.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import SingularFitWarning, datasets

BINOMIAL, POISSON = sm.families.Binomial(), sm.families.Poisson()
VERBAGG = "r2 ~ anger + gender + btype + situ + mode + (1 | subj) + (1 | item)"
CONTRA = "use ~ age + I(age**2) + livch + urban + (1 | dist)"
TICKS = "ticks ~ C(year) + cheight + (1 | brood) + (1 | index) + (1 | location)"

# name: data, formula, family, arguments of the model and of fit, objective, evaluations allowed
CASES = {
    "verbagg": ("verbagg", VERBAGG, BINOMIAL, {}, {}, 8135.832855775, 25),
    "verbagg, fast": ("verbagg", VERBAGG, BINOMIAL, {}, {"fast": True}, 8136.170871706, 25),
    "contra": ("contra", CONTRA, BINOMIAL, {}, {}, 2372.728582364, 20),
    "contra, fast": ("contra", CONTRA, BINOMIAL, {}, {"fast": True}, 2372.784429136, 20),
    "contra, 9 points": ("contra", CONTRA, BINOMIAL, {}, {"n_agq": 9}, 2372.458884977, 20),
    "cbpp": (
        "cbpp",
        "incid / hsz ~ period + (1 | herd)",
        BINOMIAL,
        {"weights": "hsz"},
        {},
        184.052563730,
        20,
    ),
    "grouseticks": ("grouseticks", TICKS, POISSON, {}, {}, 1780.542660175, 25),
}


@pytest.mark.benchmark(group="generalized, whole call")
@pytest.mark.parametrize("name", CASES)
def test_generalized_call(benchmark, name):
    data, formula, family, given, how, objective, allowed = CASES[name]
    frame = datasets.load(data)
    result = benchmark(lambda: smf.mixedglm2(formula, frame, family=family, **given).fit(**how))
    assert result.converged
    assert result.objective <= objective + 1e-6
    assert_allclose(result.objective, objective, rtol=1e-8)
    assert result.report.evaluations <= allowed
    benchmark.extra_info["evaluations"] = result.report.evaluations


def without_variance() -> pd.DataFrame:
    """Return data whose groups are more alike than chance has them: the variance is zero."""
    return pd.DataFrame({"y": np.tile([0, 1], 100), "g": np.repeat(np.arange(10), 20)})


def all_successes() -> pd.DataFrame:
    """Return data with one level that knows successes only."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(20), 15)
    y = rng.random(300) < 1 / (1 + np.exp(-rng.normal(0, 1, 20)[g]))
    return pd.DataFrame({"y": np.where(g == 0, 1, y.astype(int)), "g": g})


@pytest.mark.benchmark(group="generalized, at the edge")
@pytest.mark.parametrize("make", [without_variance, all_successes])
def test_edge(benchmark, make):
    data = make()

    def run():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularFitWarning)
            return smf.mixedglm2("y ~ 1 + (1 | g)", data, family=BINOMIAL).fit()

    result = benchmark(run)
    assert result.converged
    if make is without_variance:
        assert result.theta[0] == 0
        # as many successes as failures: log 2 for each row
        assert_allclose(result.objective, 2 * len(data) * np.log(2), rtol=1e-10)
    else:
        assert 0.3 < result.theta[0] < 3


@pytest.mark.slow
@pytest.mark.benchmark(group="generalized, large")
def test_pairs(benchmark):
    """A hundred thousand groups of two."""
    rng = np.random.default_rng(2)
    g, x = np.repeat(np.arange(100_000), 2), rng.normal(size=200_000)
    eta = 0.5 * x + rng.normal(0, 0.5, 100_000)[g]
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "g": g})
    model = smf.mixedglm2("y ~ x + (1 | g)", data, family=POISSON)
    result = benchmark.pedantic(model.fit, rounds=1)
    assert result.converged
    assert_allclose(result.params["x"], 0.5, atol=0.02)
    assert_allclose(result.theta, 0.5, atol=0.05)


@pytest.mark.slow
@pytest.mark.benchmark(group="generalized, large")
def test_crossed_counts(benchmark):
    """A million counts, 10 000 levels crossed with 1000."""
    rng = np.random.default_rng(3)
    n = 1_000_000
    a, b, x = rng.integers(0, 10_000, n), rng.integers(0, 1000, n), rng.normal(size=n)
    eta = 0.2 + 0.3 * x + rng.normal(0, 0.5, 10_000)[a] + rng.normal(0, 0.4, 1000)[b]
    data = pd.DataFrame({"y": rng.poisson(np.exp(eta)), "x": x, "a": a, "b": b})
    model = smf.mixedglm2("y ~ x + (1 | a) + (1 | b)", data, family=POISSON)
    result = benchmark.pedantic(model.fit, rounds=1)
    assert result.converged
    assert_allclose(result.params["x"], 0.3, atol=0.005)
    assert_allclose(result.theta, [0.5, 0.4], atol=0.03)
