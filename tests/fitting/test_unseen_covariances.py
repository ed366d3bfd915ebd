"""Covariances of random effects that no group shows: no two of its rows have both effects."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import LinearMixedModel, MixedModelWarning


@pytest.fixture(scope="module")
def treatments() -> pd.DataFrame:
    """Every group has the control and one of two treatments."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 8)
    treated = np.tile([0, 1], 120).astype(bool)
    other = np.where(groups < 15, "b", "c")
    effects = rng.normal(size=(2, 30))
    y = effects[0, groups] + effects[1, groups] * treated + rng.normal(size=240)
    return pd.DataFrame({"y": y, "f": np.where(treated, other, "a"), "g": groups})


def test_ranova_of_a_covariance_that_no_group_shows(treatments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        table = LinearMixedModel.from_formula("y ~ f + (f | g)", treatments).fit().ranova()
    row = table.iloc[1]
    # Half of the chi-squared distributions that the boundary mixes have fewer degrees of freedom.
    assert 0 < row["pvalue_boundary"] <= row["pvalue"] < 0.05
