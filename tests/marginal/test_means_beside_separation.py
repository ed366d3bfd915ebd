"""Marginal means where a coefficient of another cell has no finite estimate."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm

pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Rows of three kinds, of which the last has no zeros and only the highest category."""
    rng = np.random.default_rng(1)
    g, kind = np.repeat(np.arange(24), 10), np.tile(list("abc"), 80)
    eta = 0.5 + 0.4 * rng.normal(size=24)[g]
    counts = rng.poisson(np.exp(eta)) * (rng.random(240) > 0.3)
    category = np.digitize(eta + rng.logistic(size=240), [0.0, 1.5])
    last = kind == "c"
    return pd.DataFrame(
        {
            "g": g,
            "kind": kind,
            "counts": np.where(last, np.maximum(counts, 1), counts),
            "category": np.where(last, 2, category),
        }
    )


def test_probabilities_of_a_hurdle_are_shares_of_zeros(data):
    fit = smm.mixedglm2("counts ~ kind + (1 | g)", data, "poisson", hurdle="~ kind").fit()
    means = fit.emmeans("kind", component="zi", type="response")
    share = (data["counts"] == 0).groupby(data["kind"]).mean()[["a", "b"]].to_numpy()
    table, error = means.to_frame(), np.sqrt(share * (1 - share) / 80)
    assert_allclose(table["estimate"][:2], share, rtol=1e-7)
    assert_allclose(means.regrid().to_frame()["std_error"][:2], error, rtol=1e-5)
    difference = means.regrid().contrasts().to_frame().iloc[0]
    assert_allclose(difference["estimate"], share[0] - share[1], rtol=1e-6)
    assert_allclose(difference["std_error"], np.hypot(*error), rtol=1e-5)
    assert np.isnan(table.loc[2, ["estimate", "std_error"]].astype(float)).all()
    assert "(separation)" in means.reasons[2]


def test_rows_that_are_all_in_the_last_category_do_not_matter_to_others(data):
    # Their probability is 1 in the limit: they have no part in the likelihood.
    fit = smm.mixedordinal2("category ~ kind + (1 | g)", data).fit()
    rest = data[data["kind"] != "c"].assign(category=lambda d: d["category"].astype(int))
    alone = smm.mixedordinal2("category ~ kind + (1 | g)", rest).fit()
    for mode in ("prob", "mean.class", "cum.prob", "latent"):
        found = fit.emmeans("kind", mode=mode).to_frame()
        wanted = alone.emmeans("kind", mode=mode).to_frame()
        known = found["kind"].isin(["a", "b"]).to_numpy()
        columns = ["estimate", "std_error"]
        assert_allclose(found.loc[known, columns], wanted[columns], rtol=1e-4, atol=1e-5)
        assert found.loc[~known, "estimate"].isna().all()
