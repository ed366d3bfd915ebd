"""What other packages do with generalized results: marginal effects, tables, comparisons.

marginaleffects differentiates by the coefficients numerically, so its standard errors agree
with the delta method worked out here to a few digits.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import expit
from stargazer.stargazer import Stargazer
from statsmodels.iolib.summary2 import summary_col

from statsmodels_mixed import datasets

# It needs a later pyarrow than the oldest that goes with this package.
me = pytest.importorskip("marginaleffects", reason="marginaleffects is not installed")
ETable = pytest.importorskip("maketables", reason="maketables is not installed").ETable

# marginaleffects 0.6 calls what polars will remove.
pytestmark = pytest.mark.filterwarnings("ignore:`cat.get_categories:DeprecationWarning")

CONTRA = "use ~ urban + livch + bs(age, df=4) + (1 | dist)"
# Differences by marginaleffects of a function that bends.
DELTA = {"rtol": 2e-3}


@pytest.fixture(scope="module")
def contra():
    return smf.mixedglm2(CONTRA, datasets.load("contra"), sm.families.Binomial()).fit()


@pytest.fixture(scope="module")
def ticks():
    data = datasets.load("grouseticks")
    return smf.mixedglm2("ticks ~ year + cheight + (1 | brood)", data, sm.families.Poisson()).fit()


def numbers(result, column):
    return result.data[column].to_numpy()


def matrix(fit):
    return fit.model.design.X


def test_predictions(contra):
    out = me.predictions(contra)
    mean = expit(matrix(contra) @ contra.params.to_numpy())
    slope = (mean * (1 - mean))[:, None] * matrix(contra)
    error = np.sqrt(np.einsum("ij,jk,ik->i", slope, contra.cov_params(), slope))
    assert_allclose(numbers(out, "estimate"), mean)
    assert_allclose(numbers(out, "std_error"), error, **DELTA)


def test_predictions_for_new_data_keep_the_spline(contra):
    new = datasets.load("contra").iloc[[3, 700, 1900]]
    out = me.predictions(contra, newdata=pl.from_pandas(new))
    rows = matrix(contra)[[3, 700, 1900]]
    assert_allclose(numbers(out, "estimate"), expit(rows @ contra.params.to_numpy()))


def test_average_slope_of_a_number(ticks):
    out = me.avg_slopes(ticks, variables="cheight")
    mean = np.exp(matrix(ticks) @ ticks.params.to_numpy())
    at = list(ticks.params.index).index("cheight")
    gradient = ticks.params["cheight"] * (mean[:, None] * matrix(ticks)).mean(axis=0)
    gradient[at] += mean.mean()
    error = np.sqrt(gradient @ ticks.cov_params() @ gradient)
    assert_allclose(numbers(out, "estimate"), ticks.params["cheight"] * mean.mean(), rtol=1e-4)
    assert_allclose(numbers(out, "std_error"), error, **DELTA)


def test_average_comparison_of_a_factor(contra):
    out = me.avg_comparisons(contra, variables="urban")
    at = list(contra.params.index).index("urban[T.Y]")
    sides = []
    for value in (1.0, 0.0):
        X = matrix(contra).copy()
        X[:, at] = value
        mean = expit(X @ contra.params.to_numpy())
        sides.append((mean.mean(), ((mean * (1 - mean))[:, None] * X).mean(axis=0)))
    gradient = sides[0][1] - sides[1][1]
    error = np.sqrt(gradient @ contra.cov_params() @ gradient)
    assert_allclose(numbers(out, "estimate"), sides[0][0] - sides[1][0])
    assert_allclose(numbers(out, "std_error"), error, **DELTA)


def test_hypotheses(contra):
    out = me.hypotheses(contra, "b0 = 0.5")
    expected = contra.t_test(np.eye(len(contra.params))[:1])
    assert_allclose(numbers(out, "estimate"), contra.params.iloc[0] - 0.5)
    assert_allclose(numbers(out, "std_error"), expected.sd.ravel(), **DELTA)


def test_pairs_of_levels(contra):
    frame = contra.t_test_pairwise("livch").result_frame
    b, cov = contra.params, contra.cov_params()
    one, two = "livch[T.1]", "livch[T.2]"
    error = np.sqrt(cov.loc[one, one] + cov.loc[two, two] - 2 * cov.loc[one, two])
    assert_allclose(frame.loc["2-1", "coef"], b[two] - b[one])
    assert_allclose(frame.loc["2-1", "std err"], error)
    z = (b[two] - b[one]) / error
    assert_allclose(frame.loc["2-1", "P>|z|"], 2 * stats.norm.sf(abs(z)))
    assert (frame["pvalue-hs"] >= frame["P>|z|"] - 1e-15).all()


def test_tables_of_several_models(contra, ticks):
    table = summary_col([contra, ticks], stars=True, model_names=["contra", "ticks"]).tables[0]
    assert table.loc["Family"].tolist() == ["Binomial", "Poisson"]
    assert table.loc["cheight", "ticks"].startswith(f"{ticks.params['cheight']:.4f}")
    latex = Stargazer([contra, ticks]).render_latex()
    assert f"{contra.params['urban[T.Y]']:.3f}" in latex
    assert f"({ticks.bse['cheight']:.3f})" in latex


def test_maketables_extracts_both_kinds_of_models(ticks):
    sleep = smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    html = ETable([sleep, ticks]).make(type="html")
    for fit, name in ((sleep, "days"), (ticks, "cheight")):
        assert f"{fit.params[name]:.3f}" in html
        assert f"{fit.bse[name]:.3f}" in html
    assert "180" in html and "403" in html


def test_robust_standard_errors_reach_other_packages(ticks):
    data = datasets.load("grouseticks")
    options = {"groups": data["brood"], "kind": "CR1"}
    robust = ticks.with_inference(cov_type="cluster", cov_kwds=options)
    out = me.avg_slopes(robust, variables="cheight")
    mean = np.exp(matrix(ticks) @ ticks.params.to_numpy())
    gradient = ticks.params["cheight"] * (mean[:, None] * matrix(ticks)).mean(axis=0)
    gradient[list(ticks.params.index).index("cheight")] += mean.mean()
    error = np.sqrt(gradient @ robust.cov_params() @ gradient)
    assert_allclose(numbers(out, "std_error"), error, **DELTA)
    assert not np.isclose(robust.bse["cheight"], ticks.bse["cheight"], rtol=1e-3)
    assert isinstance(robust.bse, pd.Series)
