"""What marginaleffects makes of a fit: its offset, text, and degrees of freedom."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from statsmodels_mixed import DataError, OptionError, mixedglm2, mixedlm2

# It needs a later pyarrow than the oldest that goes with this package.
me = pytest.importorskip("marginaleffects", reason="marginaleffects is not installed")

# marginaleffects 0.6 calls what polars will remove.
pytestmark = pytest.mark.filterwarnings("ignore:`cat.get_categories:DeprecationWarning")

POISSON = sm.families.Poisson()


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(7)
    g = np.repeat(np.arange(16), 10)
    data = pd.DataFrame(
        {"g": g, "arm": np.tile(["ctl", "trt"], 80), "hours": rng.uniform(1, 90, 160)}
    )
    b = 0.3 * rng.normal(size=16)
    data["c"] = rng.poisson(data["hours"] * np.exp(0.2 * (data["arm"] == "trt") + b[g]))
    data["y"] = (data["arm"] == "trt") + b[g] + rng.normal(size=160)
    return data


def by_hand(fit, arm=None):
    """The mean prediction of the rows with their offset, all in one arm if it is given."""
    X = fit.model.design.X.copy()
    if arm is not None:
        X[:, 1] = float(arm == "trt")
    return np.exp(X @ fit.params.to_numpy() + fit.model.design.offset).mean()


@pytest.mark.parametrize(
    "option",
    [
        lambda data: {"exposure": "hours"},
        lambda data: {"exposure": data["hours"].to_numpy()},
        lambda data: {"offset": np.log(data["hours"])},
        lambda data: {"offset": "np.log(hours)"},
        lambda data: {},
    ],
    ids=["exposure", "array of exposures", "array of offsets", "expression", "formula"],
)
def test_offsets_are_kept(counts, option):
    options = option(counts)
    own = "" if options else " + offset(np.log(hours))"
    fit = mixedglm2(f"c ~ arm{own} + (1 | g)", counts, POISSON, **options).fit()
    mean = me.avg_predictions(fit).data["estimate"].item()
    assert_allclose(mean, by_hand(fit), rtol=1e-10)
    difference = me.avg_comparisons(fit, variables="arm").data["estimate"].item()
    assert_allclose(difference, by_hand(fit, "trt") - by_hand(fit, "ctl"), rtol=1e-8)


def test_new_rows_have_their_own_exposure(counts):
    fit = mixedglm2("c ~ arm + (1 | g)", counts, POISSON, exposure="hours").fit()
    new = pl.DataFrame({"arm": ["ctl", "trt"], "hours": [1.0, 100.0]})
    found = me.predictions(fit, newdata=new).data["estimate"].to_numpy()
    assert_allclose(found, fit.predict(new.to_pandas()), rtol=1e-10)


def test_new_rows_without_an_offset_are_asked_for_it(counts):
    fit = mixedglm2("c ~ arm + (1 | g)", counts, POISSON, offset=np.log(counts["hours"])).fit()
    new = pl.DataFrame({"arm": ["ctl", "trt"]})
    with pytest.raises(DataError, match=r"the new rows need a column '\(offset\)'"):
        me.predictions(fit, newdata=new)
    given = new.with_columns(pl.Series("(offset)", [0.0, 1.0]))
    found = me.predictions(fit, newdata=given).data["estimate"].to_numpy()
    assert_allclose(found, fit.predict(new.to_pandas(), offset=[0.0, 1.0]), rtol=1e-10)


def test_text_is_as_good_as_categories(counts):
    text = mixedlm2("y ~ arm + (1 | g)", counts).fit()
    categories = mixedlm2("y ~ arm + (1 | g)", counts.astype({"arm": "category"})).fit()
    ours, theirs = (me.avg_comparisons(fit).data for fit in (text, categories))
    assert ours["contrast"].to_list() == theirs["contrast"].to_list() == ["trt - ctl"]
    assert_allclose(ours["std_error"], theirs["std_error"])


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_degrees_of_freedom_of_each_contrast_are_refused(counts, dof):
    fit = mixedlm2("y ~ arm + (1 | g)", counts).fit(reml=True, dof=dof)
    for function in (me.predictions, me.avg_predictions, me.avg_comparisons, me.avg_slopes):
        with pytest.raises(OptionError, match=f"dof='{dof}': use emmeans"):
            function(fit)
    plain = fit.with_inference(dof="residual")
    found = me.avg_comparisons(plain, eps_vcov=1.0).data
    test = plain.t_test([0.0, 1.0])
    assert_allclose(found["p_value"], np.ravel(test.pvalue), rtol=1e-6)
    # The model itself, and other results of it, are as they were.
    assert fit.model.fit().model.data.design_info.dof is None


def test_degrees_of_freedom_by_clusters_are_refused(counts):
    options = {"cov_type": "cluster", "cov_kwds": {"groups": counts["g"]}}
    fit = mixedlm2("y ~ arm + (1 | g)", counts).fit(dof="residual", **options)
    with pytest.raises(OptionError, match="not with those of dof='residual'"):
        me.avg_comparisons(fit)
