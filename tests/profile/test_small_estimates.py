"""Profiles from an estimate that is tiny beside what the data allow."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from statsmodels_mixed import mixedlm2


def territories(spread: float) -> pd.DataFrame:
    """Rows of a territory that nearly agree, territories in sites: lme4's issue 489."""
    rng = np.random.default_rng(5)
    site, territory = np.repeat(np.arange(8), 6), np.arange(48) // 2
    x = rng.normal(size=24)[territory]
    mean = rng.normal(size=8)[site] + 0.3 * x + rng.normal(size=24)[territory]
    y = mean + spread * rng.normal(size=48)
    return pd.DataFrame({"site": site, "territory": territory, "x": x, "y": y})


# From a spread of 1e-3 on the variance of sites is zero, as in the model of the territories' means.
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
@pytest.mark.parametrize("spread", [1e-2, 1e-4])
def test_limits_of_theta_are_as_far_away_as_those_of_the_deviation(spread: float) -> None:
    fit = mixedlm2("y ~ x + (1 | site / territory)", territories(spread)).fit()
    limits = fit.profile(["theta", "sd"]).conf_int()
    name = "site.Intercept"
    assert np.isfinite(limits.to_numpy()).all()
    assert limits.loc["sd", "upper"][name] > 0.7
    # The least deviance at that theta, over the other one.
    at = list(fit.theta_names).index(name)
    upper, theta = limits.loc["theta", "upper"][name], fit.theta.copy()

    def deviance(log: float) -> float:
        theta[at], theta[1 - at] = upper, np.exp(log)
        return float(fit.model.objective(theta, reml=False))

    best = minimize_scalar(deviance, bracket=np.log(fit.theta[1 - at]) + np.array([-0.3, 0.3]))
    assert best.fun - fit.objective == pytest.approx(3.8414588, abs=2e-3)


def test_profile_of_a_structure_whose_estimate_is_tiny() -> None:
    fit = mixedlm2("y ~ x + diag(1 | site) + (1 | territory)", territories(1e-2)).fit()
    limits = fit.profile(["theta"]).conf_int()
    plain = mixedlm2("y ~ x + (1 | site) + (1 | territory)", territories(1e-2)).fit()
    wanted = plain.profile(["sd"]).conf_int()["upper"]
    np.testing.assert_allclose(limits["upper"].iloc[:2], wanted.iloc[:2], rtol=2e-3)
