"""What `check` says of fits whose rows have parameters besides their mean."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed

ROWS, LEVELS = 400, 20


@pytest.fixture(scope="module")
def counts() -> pd.DataFrame:
    """Negative binomial counts whose variance is mu + mu^2, and Poisson ones."""
    rng = np.random.default_rng(3)
    g = rng.integers(0, LEVELS, ROWS)
    mu = np.exp(1 + 0.5 * rng.normal(size=LEVELS)[g])
    poisson, varied = rng.poisson(mu), rng.negative_binomial(1.0, 1 / (1 + mu))
    grade = pd.cut(poisson, [-1, 0, 3, 99], labels=list("abc"))
    return pd.DataFrame({"g": g, "poisson": poisson, "varied": varied, "grade": grade})


def codes(fit, **options) -> list[str]:
    return [problem.code for problem in fit.check(**options).problems]


def test_overdispersion_beside_zero_inflation_is_seen(counts):
    fit = smf.mixedglm2("varied ~ 1 + (1 | g)", counts, "poisson", zero_inflation="~ 1").fit()
    assert codes(fit) == []
    assert codes(fit, simulate=True, seed=1) == ["overdispersion"]
    enough = smf.mixedglm2("varied ~ 1 + (1 | g)", counts, "nbinom2", dispersion="~ 1").fit()
    assert codes(enough, simulate=True, seed=1) == []


def test_inflation_at_its_boundary_is_said(counts):
    some = counts.query("poisson > 0")
    none = smf.mixedglm2("poisson ~ 1 + (1 | g)", some, "poisson", zero_inflation="~ 1").fit()
    assert none.without_zeros and "zero_inflation" in codes(none)
    assert "No zero inflation" in str(none.check())


def test_ordered_categories_are_checked(counts):
    fit = statsmodels_mixed.mixedordinal2("grade ~ 1 + (1 | g)", counts).fit()
    report = fit.check(simulate=True, seed=1)
    assert report.problems == [] and "zero inflation" not in str(report)
