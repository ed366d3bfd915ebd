"""Random models with covariance structures of random effects and of residuals.

Gradients are those of differences, and no search from another start ends below the fit.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from structured_checks import difference

from statsmodels_mixed import mixedlm2
from statsmodels_mixed.errors import MixedModelError, MixedModelWarning
from statsmodels_mixed.fitting.search.trust_region import minimize_newton
from statsmodels_mixed.fitting.structured.linear import objective_of
from statsmodels_mixed.fitting.structured.objective import StructuredObjective
from statsmodels_mixed.residual_covariance.problem import ResidualProblem

EFFECTS = [
    *("us(0 + f | g)", "diag(0 + f | g)", "homdiag(0 + f | g)", "cs(0 + f | g)"),
    *("hcs(0 + f | g)", "rr(0 + f | g, d=1)", "rr(0 + f | g, d=2)", "us(1 + x | g)"),
    *(f"{kind}(0 + t | g)" for kind in ("ar1", "har1", "toep", "htoep", "ad", "had", "ou", "exp")),
    *(f"{kind}(0 + t | g)" for kind in ("gau", "mat", "ratio", "spher")),
    *("arma(0 + t | g, p=1, q=1)", "exp(0 + t + u | g)"),
]
RESIDUALS = [
    *(f"{kind}(t | g)" for kind in ("us", "diag", "cs", "hcs", "ar1", "har1", "toep", "htoep")),
    *(f"{kind}(t | g)" for kind in ("ad", "had", "ou", "exp", "gau", "mat", "ratio", "spher")),
    *("arma(t | g, p=1, q=1)", "exp(t + u | g, nugget=True)", "ar1(t | g, nugget=True)"),
    "ar1(t | g, by=arm)",
]
COMPANY = ["", "", "(1 | h)", "(1 + x | h)", "(1 | g)", "ar1(0 + t | h)"]


def random_data(rng: np.random.Generator, repeats: int) -> pd.DataFrame:
    groups, places = int(rng.integers(14, 26)), int(rng.integers(3, 7))
    n = groups * places * repeats
    data = pd.DataFrame({"g": np.repeat(np.arange(groups), places * repeats)})
    data["t"] = np.tile(np.repeat(np.arange(places), repeats), groups)
    data["h"] = rng.integers(0, 7, n)
    data["f"] = rng.choice(list("abc"), n)
    data["x"] = rng.normal(size=n)
    data["w"] = rng.uniform(0.5, 2.0, n)
    data["arm"] = np.where(data.g % 2, "p", "q")
    data["u"] = rng.uniform(0, 3, places)[data.t]
    rho, sds = rng.uniform(-0.5, 0.95), np.exp(0.7 * rng.normal(size=2))
    lags = np.abs(np.subtract.outer(np.arange(places), np.arange(places)))
    sigma = sds[0] ** 2 * np.sign(rho) ** lags * np.abs(rho) ** lags
    serial = rng.multivariate_normal(np.zeros(places), sigma, groups)
    crossed = rng.choice([0.0, 0.5]) * rng.normal(size=7)
    y = 1.0 + 0.5 * data.x + serial[data.g, data.t] + crossed[data.h] + sds[1] * rng.normal(size=n)
    data["y"] = y * 10.0 ** rng.integers(-2, 3)
    return data[rng.uniform(size=n) > rng.choice([0.0, 0.1, 0.25])].reset_index(drop=True)


def random_model(rng: np.random.Generator) -> Any:
    which = rng.choice(["G", "R", "GR"])
    options: dict[str, str] = {}
    terms = []
    if "G" in which:
        terms = [rng.choice(EFFECTS), *filter(None, [rng.choice(COMPANY)])]
    if "R" in which:
        options["residual"] = str(rng.choice(RESIDUALS))
        if which == "R" and rng.uniform() < 0.3:
            terms.append("(1 | h)")
        if rng.uniform() < 0.25:
            options["dispersion"] = str(rng.choice(["~ arm", "exp(x)"]))
    if rng.uniform() < 0.2:
        options["weights"] = "w"
    data = random_data(rng, 1 if "R" in which else int(rng.integers(1, 3)))
    return mixedlm2(" + ".join(["y ~ x", *terms]), data, **options)


def parts_of(objective: Any) -> list[tuple[slice, Any]]:
    """Return where the coordinates of each structure are, and what they are."""
    return [
        (getattr(part, "phi", None) or part.parameters, part.free.coordinates)
        for part in objective.model.parts
    ]


def elsewhere(rng: np.random.Generator, objective: Any, x: np.ndarray) -> np.ndarray:
    """Return other correlations, and variances within a factor of ten or so."""
    z = x + rng.normal(size=len(x))
    for at, free in parts_of(objective):
        signs = np.where(rng.uniform(size=len(x[at])) < 0.2, -1.0, 1.0)
        scaled = signs * x[at] * np.exp(rng.normal(size=len(x[at])))
        inside = rng.uniform(-1.4, 1.4, len(x[at]))
        z[at] = np.where(free.interval, inside, np.where(free.half != 0, z[at], scaled))
    return z


def is_degenerate(objective: Any, x: np.ndarray) -> bool:
    """Whether V is singular, or about to be: the likelihood may have no maximum there.

    Parameters at the ends of their ranges are no such case: an sd of zero, a correlation of one
    beside other variances.
    """
    if isinstance(objective, StructuredObjective):
        return objective.sigma is None and x[-1] < -20
    at = objective.model.at(x)
    values = [np.linalg.eigvalsh(at.value(batch)) for batch in objective.batches]
    return any(bool(np.any(each[:, 0] < 1e-8 * each[:, -1])) for each in values)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(200))
def test_random_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        try:
            model = random_model(rng)
            fit = model.fit(reml=bool(rng.integers(2)))
        except MixedModelError as error:
            pytest.skip(str(error))
    design, estimates = fit.kept_design(), fit.estimates
    if fit.takes_correlated:
        objective = ResidualProblem(design, estimates.cells).likelihood(estimates.reml)
        x = estimates.x
    elif estimates.structured is not None:
        objective, x = objective_of(design, estimates), estimates.structured.z
    else:
        pytest.skip("an ordinary model")
    if is_degenerate(objective, x):
        pytest.skip("a likelihood without a maximum, or one at a singular covariance")
    near = x + 0.1 * rng.normal(size=len(x))
    value, gradient, _ = objective(near)
    if np.isfinite(value) and np.abs(gradient).max() < 1e5:
        found = difference(lambda z: objective(z)[0], near, 1e-4)
        size = 1.0 + np.abs(gradient) + 1e-3 * abs(value)
        assert np.max(np.abs(found - gradient) / size) < 2e-6
    best = objective(x)[0]
    for _ in range(4):
        start = elsewhere(rng, objective, x)
        if not np.isfinite(objective(start)[0]):
            continue
        run = minimize_newton(objective, start, max_eval=200)
        lower = np.isfinite(run.value) and run.value < best - 1e-4
        assert not lower or is_degenerate(objective, run.end)


# Minima of their own, above others: a correlation of one, a range without correlation.
@pytest.mark.parametrize("seed", [9, 80])
def test_several_minima(seed: int) -> None:
    test_random_model(seed)
