"""Independent intercepts and slopes of an x far from zero: both are large, or one is alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.dense import criterion_of
from glmm_oracle import Model
from numpy.testing import assert_allclose
from oracle import Term
from scipy.optimize import minimize
from statsmodels.genmod.families import Gamma, Poisson
from statsmodels.genmod.families.links import Log


def by_country(seed: int, countries: int) -> pd.DataFrame:
    """Ten years of some countries, each with a line of its own."""
    r = np.random.default_rng(seed)
    g, year = np.repeat(np.arange(countries), 10), np.tile(np.arange(2000.0, 2010), countries)
    level, slope = 20 * r.normal(size=countries), 2 * r.normal(size=countries)
    y = level[g] + slope[g] * (year - 2004.5) + r.normal(size=len(g))
    return pd.DataFrame({"y": y, "year": year, "country": g})


def best_of_dense(data: pd.DataFrame) -> tuple[float, np.ndarray]:
    """Return the optimum of dense matrices below large effects: value and sds over sigma."""
    model = smf.mixedlm2("y ~ year + (year || country)", data)
    criterion = criterion_of(model.design, np.arange(2), reml=True)
    unit = np.array([4000.0, 2.0])

    def scaled(t: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = criterion(t * unit)
        return value, gradient * unit

    how = {"method": "L-BFGS-B", "options": {"ftol": 1e-12}}
    found = minimize(scaled, [1.0, 1.0], jac=True, **how)
    return float(found.fun), np.abs(found.x * unit)


SAMPLES = [(1, 10), (3, 10), (5, 20)]


@pytest.mark.parametrize(("seed", "countries"), SAMPLES)
@pytest.mark.parametrize(
    "formula",
    [
        "(year || country)",
        "(1 | country) + (0 + year | country)",
        "diag(year | country)",
        "diag(1 | country) + (0 + year | country)",
    ],
)
def test_lines_that_differ_need_large_effects(formula: str, seed: int, countries: int) -> None:
    # With intercepts or slopes alone the criterion is higher by 63, 96 and 231.
    data = by_country(seed, countries)
    fit = smf.mixedlm2(f"y ~ year + {formula}", data).fit(reml=True)
    value, sds = best_of_dense(data)
    assert fit.converged and not fit.issingular()
    assert fit.objective <= value + 1e-6
    assert_allclose(np.abs(fit.theta), sds, rtol=1e-3)


@pytest.mark.parametrize(("seed", "countries"), SAMPLES)
@pytest.mark.parametrize("formula", ["diag(year | country)", "(year || country)"])
def test_and_effects_beside_a_covariance_of_residuals(
    formula: str, seed: int, countries: int
) -> None:
    data = by_country(seed, countries)
    data["visit"] = np.tile(np.arange(10), countries)
    value, _ = best_of_dense(data)
    equal, apart = (
        smf.mixedlm2(f"y ~ year + {formula}", data, residual=f"{name}(visit | country)").fit(
            reml=True
        )
        for name in ("homdiag", "diag")
    )
    assert equal.converged and apart.converged
    assert_allclose(equal.objective, value, atol=1e-5)
    # Equal variances are among those that differ between visits.
    assert apart.objective < equal.objective


def test_one_standard_deviation_of_columns_of_one_size() -> None:
    data = by_country(1, 10)
    data["year"] /= 2000.0
    fit = smf.mixedlm2("y ~ year + homdiag(year | country)", data).fit(reml=True)
    criterion = criterion_of(
        smf.mixedlm2("y ~ year + (year || country)", data).design, np.arange(2), reml=True
    )
    sizes = 10.0 ** np.arange(-2.0, 8.0, 0.02)
    values = [criterion(np.full(2, size))[0] for size in sizes]
    assert fit.converged
    assert fit.objective <= min(values) + 1e-6


@pytest.mark.parametrize("formula", ["(1 + x || g)", "diag(1 + x | g)"])
@pytest.mark.parametrize(("family", "mean", "seed"), [("poisson", 6000.0, 0), ("gamma", 30.0, 100)])
def test_generalized_models_do(family: str, mean: float, seed: int, formula: str) -> None:
    # Runs from small effects ended higher, by 322 (Poisson) and 35 (gamma).
    r = np.random.default_rng(seed)
    g, t = np.repeat(np.arange(15), 10), np.tile(np.arange(10.0) - 4.5, 15)
    level = r.normal(size=15) * (1.0 if family == "poisson" else 0.5)
    slope = r.normal(size=15) * (0.4 if family == "poisson" else 0.3)
    mu = np.exp(1 + level[g] + slope[g] * t)
    y = r.poisson(mu) if family == "poisson" else r.gamma(3, mu / 3)
    data = pd.DataFrame({"y": y, "x": mean + t, "g": g})
    model = smf.mixedglm2(f"y ~ x + {formula}", data, family=family, link="log")
    fit = model.fit()
    z = np.column_stack([np.ones(150), data["x"]])
    alike = Term(15, g, z, np.eye(2, dtype=bool))
    shape = (Poisson(), 1.0) if family == "poisson" else (Gamma(link=Log()), 1 / 3)
    # Of centred columns, as X is nearly singular: the likelihood is the same.
    X = np.column_stack([np.ones(150), t])
    dense = Model((alike,), X, data["y"].to_numpy(float), *shape)
    large = dense.objective(np.array([0.3 * mean, 0.3]), np.array([1.0, 0.0]))
    assert fit.converged
    assert fit.objective < large
