"""Parameters that the data know well beside others that they hardly know.

The curvatures of such parameters differ by many powers of ten, and a small one is not a flat one.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_mixed import ConvergenceWarning


def few_large_and_many_small(ratio: float, seed: int) -> pd.DataFrame:
    """Return six levels with effects of size `ratio` beside a thousand of small ones."""
    rng = np.random.default_rng(seed)
    a = np.repeat(np.arange(1000), 10)
    b = rng.integers(0, 6, len(a))
    y = 0.3 * rng.standard_normal(1000)[a] + ratio * rng.standard_normal(6)[b]
    return pd.DataFrame({"y": y + rng.standard_normal(len(a)), "a": a, "b": b})


@pytest.mark.parametrize("ratio, seed, most", [(100, 0, 25), (100, 6, 25), (300, 4, 45)])
def test_large_effects_of_few_levels(ratio, seed, most):
    model = smf.mixedlm2("y ~ 1 + (1 | a) + (1 | b)", few_large_and_many_small(ratio, seed))
    result = model.fit()
    assert result.converged
    assert result.report.evaluations <= most
    # The minimum in the ill-known parameter alone, on a fine grid about the estimate.
    for factor in (0.99, 0.999, 1.001, 1.01):
        near = result.theta * np.where(np.arange(2) == np.argmax(result.theta), factor, 1.0)
        assert model.objective(near) >= result.objective - 1e-5


def test_promise_counts_directions_of_small_curvature():
    """Stopped early, a fit still says what the ill-known parameter would gain."""
    model = smf.mixedlm2("y ~ 1 + (1 | a) + (1 | b)", few_large_and_many_small(100, 0))
    best = model.fit()
    known = int(np.argmin(best.theta))
    start = best.theta * np.where(np.arange(2) == known, 1.0, 1.05)
    with pytest.warns(ConvergenceWarning):
        short = model.fit(start=start, max_eval=1)
    gain = short.objective - best.objective
    assert gain > 1e-4
    assert short.report.gradient_norm > 0.5 * gain


def test_counts_of_about_two_thousand():
    rng = np.random.default_rng(11)
    g, x, u = rng.integers(0, 6, 10_000), rng.standard_normal(10_000), rng.standard_normal(6)
    data = pd.DataFrame({"y": rng.poisson(np.exp(5 + 0.3 * x + 2 * u[g])), "x": x, "g": g})
    result = smf.mixedglm2("y ~ x + (1 | g)", data, family=sm.families.Poisson()).fit()
    assert result.converged
    assert result.report.evaluations <= 25
    assert result.report.failed_evaluations == 0
