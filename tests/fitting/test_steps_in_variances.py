"""Variances that nearly vanish, or vanish, are found in a few steps.

With J groups of m rows each and sums of squares B between them and W within, maximum likelihood
has sigma^2 = W / (J (m - 1)) and theta^2 = (B / (J sigma^2) - 1) / m, or zero where that is
negative (Searle, Casella and McCulloch 1992, Variance components, section 3.7).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from small_models import fit

LEVELS, ROWS = 40, 30
ENOUGH = 7

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")


def balanced(ratio: float) -> pd.DataFrame:
    """Groups of rows in which B / (J sigma^2) is the ratio."""
    rng = np.random.default_rng(0)
    within = rng.normal(size=(LEVELS, ROWS))
    within -= within.mean(axis=1, keepdims=True)
    within /= np.sqrt(np.sum(within**2) / (LEVELS * (ROWS - 1)))
    means = rng.normal(size=LEVELS)
    means -= means.mean()
    means *= np.sqrt(ratio * LEVELS / ROWS / np.sum(means**2))
    groups = np.repeat(np.arange(LEVELS), ROWS)
    return pd.DataFrame({"y": (means[:, None] + within).ravel(), "g": groups})


@pytest.mark.parametrize("ratio", [1.0 + 1e-4, 1.001, 1.01, 1.1, 1.25])
def test_a_small_variance(ratio):
    model = fit("y ~ 1 + (1 | g)", balanced(ratio))
    # A millionth of the standard error, (2 / LEVELS)^(1/2) / ROWS.
    assert model.theta[0] ** 2 == pytest.approx((ratio - 1.0) / ROWS, abs=1e-8)
    assert model.report.evaluations <= ENOUGH


@pytest.mark.parametrize("ratio", [0.3, 0.9, 0.99, 0.9999])
def test_no_variance(ratio):
    model = fit("y ~ 1 + (1 | g)", balanced(ratio))
    assert model.theta[0] == 0.0
    assert model.report.evaluations <= ENOUGH


def test_slopes_without_variance_beside_those_with_it():
    """Contrasts within groups sum to zero in each: their variance is zero, intercepts' is not."""
    data = balanced(20.0)
    x = np.tile(np.where(np.arange(ROWS) % 2, 1.0, -1.0), LEVELS)
    effects = data.assign(x=x, r=x * data["y"]).groupby("g")["r"].transform("mean")
    data = data.assign(x=x, y=data["y"] - x * effects)
    model = smf.mixedlm2("y ~ 1 + (x | g)", data).fit()
    assert model.converged
    assert model.theta[1:] == pytest.approx(0.0, abs=1e-12)
    assert model.report.evaluations <= ENOUGH
