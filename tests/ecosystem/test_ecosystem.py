"""What other packages do with our results: tables, marginal effects, storage, other frames.

Expected numbers come from elsewhere: statsmodels' own MixedLM and OLS, closed forms of
balanced designs, the definition of what the other package computes.
"""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy import stats
from stargazer.stargazer import Stargazer
from statsmodels.iolib.summary2 import summary_col

from statsmodels_mixed import LinearMixedModelResults, datasets

# It needs a later pyarrow than the oldest that goes with this package.
me = pytest.importorskip("marginaleffects", reason="marginaleffects is not installed")

# marginaleffects 0.6 calls what polars will remove.
pytestmark = pytest.mark.filterwarnings("ignore:`cat.get_categories:DeprecationWarning")

SLEEP = "reaction ~ days + (days | subj)"
MACHINES = "score ~ machine + (1 | worker)"


@pytest.fixture(scope="module")
def sleep():
    return smf.mixedlm2(SLEEP, datasets.load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def machines():
    return smf.mixedlm2(MACHINES, datasets.load("machines")).fit(reml=True)


@pytest.fixture(scope="module")
def layout():
    """The same model as an additive two-way layout, which is balanced."""
    return smf.ols("score ~ machine + worker", datasets.load("machines")).fit()


def numbers(result, column):
    """A column of what marginaleffects returns."""
    return result.data[column].to_numpy()


# statsmodels.


def test_statsmodels_own_mixed_model_agrees(sleep):
    data = datasets.load("sleepstudy")
    old = smf.mixedlm("reaction ~ days", data, groups="subj", re_formula="days").fit(reml=True)
    new = smf.mixedlm2(SLEEP, data).fit(reml=True)
    assert_allclose(new.llf, old.llf, rtol=1e-9)
    assert_allclose(new.params, old.fe_params, rtol=1e-6)
    assert_allclose(new.bse, old.bse_fe, rtol=1e-4)
    assert_allclose(new.cov_re, old.cov_re, rtol=1e-4)
    assert_allclose(new.scale, old.scale, rtol=1e-5)
    assert_allclose(new.random_effects["S308"], old.random_effects["S308"], rtol=1e-4)
    assert_allclose(new.fittedvalues, old.fittedvalues, rtol=1e-6)
    assert_allclose(new.resid, old.resid, atol=1e-3)


def test_summary_col_puts_models_side_by_side(sleep):
    ols = smf.ols("reaction ~ days", datasets.load("sleepstudy")).fit()
    table = summary_col([ols, sleep], stars=True, model_names=["OLS", "mixed"]).tables[0]
    # Balanced data: both have the same coefficients, but not the same standard errors.
    assert table.loc["days"].tolist() == ["10.4673***", "10.4673***"]
    at = list(table.index).index("days") + 1
    assert table.iloc[at].tolist() == [f"({ols.bse['days']:.4f})", "(1.5022)"]
    assert table.loc["Method"].tolist() == ["", "ML"]
    assert table.loc["No. Observations", "mixed"] == "180"


def test_stargazer_renders_our_models(sleep, machines):
    table = Stargazer([sleep, machines])
    table.covariate_order(["days", "machine[T.B]", "Intercept"])
    latex, html = table.render_latex(), table.render_html()
    for text in (latex, html):
        for number in ("10.467", "(1.502)", "251.405", "(6.632)", "7.967", "52.356"):
            assert number in text
        assert "180" in text and "54" in text


def test_pairwise_comparisons_of_a_balanced_design(machines, layout):
    # Differences of means over the same workers: the worker effects cancel, and their
    # standard errors are those of the two-way layout.
    table = machines.t_test_pairwise("machine").result_frame
    means = datasets.load("machines").groupby("machine", observed=True)["score"].mean()
    error = np.sqrt(2 * layout.mse_resid / 18)
    for pair in ("B-A", "C-A", "C-B"):
        first, second = pair.split("-")
        assert_allclose(table.loc[pair, "coef"], means[first] - means[second])
        assert_allclose(table.loc[pair, "std err"], error, rtol=1e-5)
    assert list(table.index) == ["B-A", "C-A", "C-B"]


def test_wald_test_of_a_balanced_factor(machines, layout):
    # Its chi-squared statistic is the sum of squares over the residual mean square.
    squares = sm.stats.anova_lm(layout).loc["machine"]
    table = machines.wald_test_terms(scalar=True).table
    assert_allclose(table.loc["machine", "statistic"], 2 * squares["F"], rtol=1e-5)
    assert table.loc["machine", "df_constraint"] == 2


def test_prediction_frame(sleep):
    frame = sleep.get_prediction(pd.DataFrame({"days": [0.0, 4.5]})).summary_frame()
    x = np.array([[1.0, 0.0], [1.0, 4.5]])
    error = np.sqrt(np.diag(x @ sleep.cov_params().to_numpy() @ x.T))
    assert_allclose(frame["mean"], x @ sleep.params)
    assert_allclose(frame["mean_se"], error)


def test_anova_of_linear_models_does_not_accept_a_mixed_model(sleep):
    # It would take residual sums of squares, which a mixed model does not have.
    with pytest.raises(AttributeError, match=r"anova\(\) of its fit tests the terms"):
        sm.stats.anova_lm(sleep)
    assert not hasattr(sleep, "ssr")
    assert not hasattr(sleep, "rsquared")


# marginaleffects. It differentiates by coefficients numerically: in a linear model a step of
# any size is exact, and a large one has no rounding error. Its reference distribution is
# Student's t with df_resid degrees of freedom.

STEP = {"eps_vcov": 1.0}


def test_average_slope_is_the_coefficient(sleep):
    slope = me.avg_slopes(sleep, **STEP)
    assert_allclose(numbers(slope, "estimate"), sleep.params["days"], rtol=1e-6)
    assert_allclose(numbers(slope, "std_error"), sleep.bse["days"], rtol=1e-6)
    half = stats.t.ppf(0.975, 180 - 6) * sleep.bse["days"]
    assert_allclose(numbers(slope, "conf_low"), sleep.params["days"] - half, rtol=1e-6)
    assert_allclose(numbers(slope, "conf_high"), sleep.params["days"] + half, rtol=1e-6)


def test_predictions_are_those_of_the_fixed_part(sleep):
    out = me.predictions(sleep, **STEP)
    expected = sleep.get_prediction()
    assert_allclose(numbers(out, "estimate"), expected.predicted_mean)
    assert_allclose(numbers(out, "std_error"), expected.se_mean, rtol=1e-6)


def test_predictions_for_new_data(sleep):
    new = pl.DataFrame({"days": [2.0, 20.0], "reaction": [0.0, 0.0]})
    out = me.predictions(sleep, newdata=new)
    expected = sleep.predict(pd.DataFrame({"days": [2.0, 20.0]}))
    assert_allclose(numbers(out, "estimate"), expected)


def test_stateful_terms_keep_what_they_learned():
    data = datasets.load("sleepstudy")
    fit = smf.mixedlm2("reaction ~ bs(days, df=4) + (1 | subj)", data).fit()
    new = pd.DataFrame({"days": [3.0, 4.0], "reaction": 0.0})
    out = me.predictions(fit, newdata=pl.from_pandas(new))
    assert_allclose(numbers(out, "estimate"), fit.predict(new))


def test_average_comparisons_of_a_factor(machines):
    out = me.avg_comparisons(machines, variables="machine", **STEP).data.sort("contrast")
    expected = machines.params[["machine[T.B]", "machine[T.C]"]]
    assert out["contrast"].to_list() == ["B - A", "C - A"]
    assert_allclose(out["estimate"], expected, rtol=1e-6)
    assert_allclose(out["std_error"], machines.bse[expected.index], rtol=1e-6)


def test_average_predictions_by_a_factor_of_a_balanced_design(machines):
    out = me.avg_predictions(machines, by="machine").data
    means = datasets.load("machines").groupby("machine", observed=True)["score"].mean()
    assert_allclose(out["estimate"], means[out["machine"].to_list()])


def test_hypotheses_about_coefficients(sleep):
    out = me.hypotheses(sleep, "days = 10", **STEP)
    test = sleep.t_test("days = 10")
    assert_allclose(numbers(out, "estimate"), sleep.params["days"] - 10, rtol=1e-6)
    assert_allclose(numbers(out, "std_error"), test.sd.ravel(), rtol=1e-6)
    p_value = 2 * stats.t.sf(abs(test.tvalue), 180 - 6)
    assert_allclose(numbers(out, "p_value"), p_value.ravel(), rtol=1e-5)


def test_marginal_effects_of_a_model_made_from_polars(machines):
    data = pl.from_pandas(datasets.load("machines"))
    fit = smf.mixedlm2(MACHINES, data).fit(reml=True)
    ours = me.avg_comparisons(fit).data.sort("contrast")
    theirs = me.avg_comparisons(machines).data.sort("contrast")
    assert_allclose(ours["estimate"], theirs["estimate"])


# Storage.


@pytest.mark.parametrize("how", ["pickle", "deepcopy", "save"])
def test_results_survive(sleep, how, tmp_path):
    if how == "pickle":
        again = pickle.loads(pickle.dumps(sleep))
    elif how == "deepcopy":
        again = copy.deepcopy(sleep)
    else:
        sleep.save(tmp_path / "fit.pickle")
        again = sm.load(tmp_path / "fit.pickle")
    assert again.summary().as_text() == sleep.summary().as_text()
    assert_allclose(again.leverage(), sleep.leverage())
    new = pd.DataFrame({"days": [11], "subj": ["S308"]})
    assert_allclose(again.predict(new, re=True), sleep.predict(new, re=True))
    error = numbers(me.avg_slopes(again, **STEP), "std_error")
    assert_allclose(error, sleep.bse["days"], rtol=1e-6)


def test_a_result_without_data_is_small_and_predicts_elsewhere(sleep, tmp_path):
    whole, bare = tmp_path / "whole.pickle", tmp_path / "bare.pickle"
    sleep.save(whole)
    sleep.save(bare, remove_data=True)
    assert bare.stat().st_size < whole.stat().st_size / 2
    again = LinearMixedModelResults.load(bare)
    assert_allclose(again.params, sleep.params)
    assert again.summary().as_text() == sleep.summary().as_text()
    code = (
        "import sys, statsmodels.api as sm\n"
        "fit = sm.load(sys.argv[1])\n"
        "print(repr(float(fit.predict({'days': [11.0]})[0])))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, bare], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert_allclose(float(run.stdout), sleep.params["Intercept"] + 11 * sleep.params["days"])


# Other frames.


@pytest.mark.parametrize(
    "convert",
    [
        pl.from_pandas,
        lambda data: pl.from_pandas(data).with_columns(pl.col("worker", "machine").cast(pl.String)),
        lambda data: pl.from_pandas(data).to_arrow(),
        lambda data: {name: data[name].to_numpy() for name in data},
        lambda data: data.to_records(index=False),
    ],
    ids=["polars", "polars strings", "pyarrow", "dict", "records"],
)
def test_tables_of_any_kind_give_the_same_fit(machines, convert):
    fit = smf.mixedlm2(MACHINES, convert(datasets.load("machines"))).fit(reml=True)
    assert_allclose(fit.params, machines.params)
    assert list(fit.params.index) == list(machines.params.index)
    assert_allclose(fit.theta, machines.theta)
    assert_allclose(fit.ranef()["worker"], machines.ranef()["worker"])
    assert [str(level) for level in fit.ranef()["worker"].index] == list("123456")


def test_prediction_for_a_polars_frame(machines):
    data = datasets.load("machines")
    new = pl.from_pandas(data.head(4)).select("machine", "worker")
    assert_allclose(machines.predict(new), machines.predict(data.head(4)))
    assert_allclose(machines.predict(new, re=True), machines.fittedvalues[:4])


def test_missing_values_of_polars_are_missing_values():
    data = pl.from_pandas(datasets.load("sleepstudy"))
    first = pl.int_range(pl.len()) < 3
    holes = data.with_columns(reaction=pl.when(first).then(None).otherwise("reaction"))
    fit = smf.mixedlm2(SLEEP, holes).fit()
    expected = smf.mixedlm2(SLEEP, datasets.load("sleepstudy").iloc[3:]).fit()
    assert fit.n_dropped == 3
    assert_allclose(fit.params, expected.params)
