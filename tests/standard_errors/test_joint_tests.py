"""Joint tests: one hypothesis has one answer, and each term has a row."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import Helmert, Sum

from statsmodels_mixed import MixedModelWarning, RankWarning
from statsmodels_mixed.standard_errors.kenward_roger import _moments


def few(seed: int, levels: int = 5, rows: int = 24) -> pd.DataFrame:
    """Few levels, unequal in size, with a factor between and one within."""
    random = np.random.default_rng(seed)
    data = pd.DataFrame({"g": random.integers(0, levels, rows)})
    data["a"] = random.choice(list("pqrs"), rows)
    data["b"] = random.choice(list("uvw"), levels)[data["g"]]
    data["x"] = random.normal(size=rows)
    data["y"] = 2 * random.normal(size=levels)[data["g"]] + random.normal(size=rows)
    data["y"] += data["x"] * random.normal(size=levels)[data["g"]]
    return data


def reml(formula: str, data: pd.DataFrame, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return smf.mixedlm2(formula, data, **options).fit(reml=True)


@pytest.mark.parametrize("seed", range(5))
def test_types_of_one_hypothesis_have_the_same_degrees_of_freedom(seed):
    # Two bases of it gave denominators as far apart as 12.4 and 17.4.
    fit = reml("y ~ a + b + x + (1 + x | g)", few(seed, 8, 60))
    two, three = (fit.anova(typ=typ) for typ in (2, 3))
    pd.testing.assert_frame_equal(two, three, rtol=1e-6)
    table = fit.with_inference(dof="satterthwaite").wald_test_terms().table
    assert_allclose(table.loc["a", "df_denom"], three.loc["a", "df_denom"], rtol=1e-6)
    factors = reml("y ~ b + a + (1 + x | g)", few(seed, 8, 60))
    last, third = (factors.anova(typ=typ).loc["a"] for typ in (1, 3))
    # Type I has the basis of lmerTest, which is another one.
    assert_allclose(last[["sum_sq", "F"]], third[["sum_sq", "F"]], rtol=1e-6)
    for code in (Sum(), Helmert()):
        other = reml("y ~ a + b + x + (1 + x | g)", few(seed, 8, 60), contrasts={"a": code})
        assert_allclose(other.anova(typ=2), three, rtol=1e-5)


@pytest.mark.parametrize("typ", [2, 3])
@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger", None])
def test_terms_without_columns_of_their_own_keep_their_rows(typ, dof):
    data = few(1, 8, 60)
    data["twice"] = 2 * data["x"] + 1
    result = reml("y ~ a + x + twice + (1 | g)", data)
    with pytest.warns(RankWarning, match="nothing of x, twice can be tested: their columns"):
        table = result.anova(typ=typ, dof=dof)
    assert list(table.index) == ["a", "x", "twice"]
    assert table["df_num"].tolist() == [3, 0, 0]
    assert table.loc[["x", "twice"], "PR(>F)"].isna().all()
    alone = reml("y ~ a + x + (1 | g)", data).anova(typ=typ, dof=dof)
    assert_allclose(table.loc["a"], alone.loc["a"], rtol=1e-6)


def test_kenward_roger_has_no_negative_statistics():
    negative = 0
    for seed in range(60):
        fit = reml("y ~ b + (1 + x | g)", few(seed))
        if not fit.identified.all() or fit.columns_dropped:
            continue
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            row = fit.anova(dof="kenward-roger").loc["b"]
            again = fit.with_inference(dof="kenward-roger").wald_test_terms().table.loc["b"]
        lost = np.isnan(row["PR(>F)"])
        told = [w for w in caught if issubclass(w.category, MixedModelWarning)]
        assert len(told) == 2 * lost
        if lost:
            assert "test of b" in str(told[0].message)
            assert row[["F", "df_denom", "scaling"]].isna().all()
            assert np.isnan(again["pvalue"])
        else:
            assert row["F"] > 0 and row["df_denom"] > 0 and row["scaling"] > 0
        negative += lost
    assert negative > 0


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 1.5, 3.0])
def test_one_contrast_has_twice_the_inverse_share(share):
    # The moments of Kenward and Roger's statistic for q = 1, worked out.
    assert_allclose(_moments(share, share, 1), (2 / share, 1.0), rtol=1e-9)
