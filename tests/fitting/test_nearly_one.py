"""Independent intercepts and slopes of an x far from zero: both are large, or one is alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from fuzz.dense import criterion_of
from numpy.testing import assert_allclose
from scipy.optimize import minimize


def by_country(seed: int, countries: int) -> pd.DataFrame:
    """Ten years of some countries, each with a line of its own."""
    r = np.random.default_rng(seed)
    g, year = np.repeat(np.arange(countries), 10), np.tile(np.arange(2000.0, 2010), countries)
    level, slope = 20 * r.normal(size=countries), 2 * r.normal(size=countries)
    y = level[g] + slope[g] * (year - 2004.5) + r.normal(size=len(g))
    return pd.DataFrame({"y": y, "year": year, "country": g})


@pytest.mark.parametrize(("seed", "countries"), [(1, 10), (3, 10), (5, 20)])
@pytest.mark.parametrize("formula", ["(year || country)", "(1 | country) + (0 + year | country)"])
def test_lines_that_differ_need_large_effects(formula: str, seed: int, countries: int) -> None:
    # With intercepts or slopes alone the criterion is higher by 63, 96 and 231.
    model = smf.mixedlm2(f"y ~ year + {formula}", by_country(seed, countries))
    fit = model.fit(reml=True)
    criterion = criterion_of(model.design, fit.estimates.columns, reml=True)
    unit = np.array([4000.0, 2.0])

    def scaled(t: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = criterion(t * unit)
        return value, gradient * unit

    how = {"method": "L-BFGS-B", "options": {"ftol": 1e-12}}
    found = minimize(scaled, [1.0, 1.0], jac=True, **how)
    assert fit.converged and not fit.issingular()
    assert fit.objective <= found.fun + 1e-6
    assert_allclose(np.abs(fit.theta), np.abs(found.x * unit), rtol=1e-3)
