"""Profiles that cannot reach their cutoff end after a bounded number of evaluations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.stats import norm

from statsmodels_mixed.profile.constrained_minimum import (
    MAX_EVALUATIONS,
    ConstrainedMinimum,
    Surface,
)
from statsmodels_mixed.profile.optima import Optima
from statsmodels_mixed.profile.path import MOST_EVALUATIONS, trace
from statsmodels_mixed.profile.targets import Target, linear


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


def little_slopes(seed: int) -> pd.DataFrame:
    """Ten groups of six rows, whose slopes in x vary little."""
    random = np.random.default_rng(seed)
    g, x = np.repeat(np.arange(10), 6), random.normal(size=60)
    b = random.normal(size=(10, 2))
    b = b @ np.array([[1.0, 0.0], [random.choice([0, 0.5, -0.9]), 0.1]]).T
    y = x + b[g, 0] + b[g, 1] * x + random.normal(size=60) * random.choice([1, 2, 3])
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_a_limit_just_before_a_curve_is_level(unit: float) -> None:
    # Where the variance of slopes becomes zero the curve has a kink: how far beyond it the next
    # point happens to be changed the limit before it, to .653 or .657.
    data = little_slopes(274)
    fit = smf.mixedlm2("y ~ x + (x | g)", data.assign(y=unit * data["y"])).fit()
    corr = fit.profile("corr").conf_int()["upper"].iloc[0]

    def objective(logs: np.ndarray) -> float:
        first, second = np.exp(logs)
        return float(fit.model.objective([first, second * corr, second * np.sqrt(1 - corr**2)]))

    found = minimize(objective, np.log([0.8, 0.3]), method="Nelder-Mead", options={"fatol": 1e-9})
    assert_allclose(np.sqrt(found.fun - fit.objective), norm.isf(0.025), atol=2e-3)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
def test_a_curve_that_is_level_goes_on_to_its_bound_after_all_evaluations() -> None:
    # With the response in this unit the points to the level take all evaluations of a side.
    data = little_slopes(10)
    fit = smf.mixedlm2("y ~ x + (x | g)", data.assign(y=1000 * data["y"])).fit()
    assert fit.profile("corr").conf_int()["upper"].iloc[0] == 1.0


class Parabola:
    """A deviance v^2 of one parameter."""

    deviance, n_theta = 0.0, 1

    def parameters(self, states: Any) -> Optima:
        one = np.ones(len(states))
        return Optima(one, one[:, None], one[:, None])

    def targets(self, kind: str, fixed_names: tuple[str, ...]) -> list[Target]:
        return []


def test_a_bound_without_a_minimum_is_not_tried_at_every_point() -> None:
    # A correlation of one where the likelihood has no minimum: each try takes MAX_EVALUATIONS.
    hopeless = []

    def solve(value: float, start: Any) -> ConstrainedMinimum | None:
        if value > 0.999:
            hopeless.append(value)
            return None
        return ConstrainedMinimum(start, value**2, 2.0 * value, 2.0, np.zeros(1), 1)

    def state(x: Any, value: float) -> Any:
        return x, 1.0, np.ones(1)

    target = Target("theta", "rho", 0.0, -1.0, 1.0, np.zeros(1), solve, linear(1.0), state)
    curve, _ = trace(Parabola(), target, 4.0)
    assert len(hopeless) * MAX_EVALUATIONS <= MOST_EVALUATIONS
    # Points where there is a minimum are on the curve all the same.
    assert curve.value.max() > 0.9
    assert curve.zeta == pytest.approx(curve.value, abs=1e-5)


@pytest.mark.parametrize("mean", [1e8, 1e9])
def test_an_intercept_beside_slopes_that_are_known_far_better(mean: float) -> None:
    """Counts so large tell the mean of each level, and the profile is that of a sample of means.

    Curvatures of the likelihood differ by ten orders between intercept and slopes: where directions
    of both were mixed no minimum was found in 200 evaluations, and the limits were NaN.
    """
    rng = np.random.default_rng(7)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 10), "x": rng.normal(size=120)})
    data["f"] = rng.choice(list("abc"), 120)
    eta = 0.3 * data["x"] + 0.4 * (data["f"] == "b") + 0.5 * rng.normal(size=12)[data["g"]]
    data["y"] = rng.poisson(mean * np.exp(eta))
    fit = smf.mixedglm2("y ~ x + f + (1 | g)", data, "poisson").fit()
    limits = fit.profile("beta").conf_int().loc[("beta", "Intercept")]
    slopes = fit.model.exog[:, 1:] @ np.asarray(fit.params)[1:]
    expected = np.bincount(data["g"], np.exp(slopes))
    means = np.log(np.bincount(data["g"], data["y"]) / expected)
    half = means.std() * np.sqrt(np.expm1(norm.isf(0.025) ** 2 / 12))
    wanted = [means.mean(), means.mean() - half, means.mean() + half]
    assert_allclose(limits, wanted, rtol=1e-6)
