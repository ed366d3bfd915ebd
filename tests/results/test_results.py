"""Results of linear fits.

Numbers marked "page" are printed on the page "Model constructors" (and "Extractor
functions") of the documentation of MixedModels.jl 4.31.0. Its fits stop when the
objective has settled to about 1e-8: the objective is right to the digits printed, while
variances are off by up to 1e-5 of their size, as the closed forms below show. `PAGE` is
the relative tolerance for such numbers.
"""

import io
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula
import statsmodels.formula.api as smf
from statsmodels.iolib.summary2 import summary_col

from statsmodels_mixed import (
    DataError,
    LinearMixedModelResults,
    OptionError,
    RankWarning,
    SingularFitWarning,
    datasets,
)

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
PAGE = 2e-5


def load(name):
    return datasets.load(name)


def same_table(printed, page):
    """Same words and decimals, numbers equal within `PAGE`."""
    ours, theirs = printed.splitlines(), page.splitlines()
    assert [len(line.split()) for line in ours] == [len(line.split()) for line in theirs]
    for a, b in zip(printed.split(), page.split(), strict=True):
        if "." in b and b[-1].isdigit():
            assert float(a) == pytest.approx(float(b), rel=PAGE)
            assert len(a.partition(".")[2]) == len(b.partition(".")[2])
        else:
            assert a == b
    return True


@pytest.fixture(scope="module")
def dyestuff():
    return smf.mixedlm2("yield ~ 1 + (1 | batch)", load("dyestuff")).fit()


@pytest.fixture(scope="module")
def sleep():
    return smf.mixedlm2(SLEEP, load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def penicillin():
    return smf.mixedlm2("diameter ~ 1 + (1 | plate) + (1 | sample)", load("penicillin")).fit()


@pytest.fixture(scope="module")
def machines():
    return smf.mixedlm2("score ~ machine + (1 | worker)", load("machines")).fit()


@pytest.fixture(scope="module")
def deficient():
    """Sleepstudy with a column of X that is a multiple of another."""
    data = load("sleepstudy")
    data["twice"] = 2 * data["days"]
    model = smf.mixedlm2("reaction ~ days + twice + (1 | subj)", data)
    with pytest.warns(RankWarning, match="twice"):
        return model.fit()


# Likelihood and criteria.


def test_criteria_of_dyestuff(dyestuff):
    assert dyestuff.llf == pytest.approx(-163.6635299405715, abs=1e-9)  # page
    assert dyestuff.aic == pytest.approx(333.327059881143, abs=1e-9)  # page
    assert dyestuff.aicc == pytest.approx(334.2501, abs=1e-4)  # page
    assert dyestuff.bic == pytest.approx(337.5306520261295, abs=1e-9)  # page
    assert dyestuff.objective == dyestuff.deviance
    assert dyestuff.objective == pytest.approx(327.327059881143, abs=1e-9)  # page
    assert (dyestuff.dof, dyestuff.df_modelwc, dyestuff.nobs) == (3, 3, 30)  # page
    assert dyestuff.hqic == pytest.approx(dyestuff.objective + 6 * np.log(np.log(30)))
    assert (dyestuff.df_resid, dyestuff.df_model) == (27, 0)


def test_criteria_under_reml_count_the_same_parameters():
    fit = smf.mixedlm2("yield ~ 1 + (1 | batch)", load("dyestuff")).fit(reml=True)
    assert fit.objective == pytest.approx(319.65427684225943, abs=1e-8)  # page
    # lme4's AIC and BIC of the same fit.
    assert fit.aic == pytest.approx(325.654276842, abs=1e-7)
    assert fit.bic == pytest.approx(fit.objective + 3 * np.log(30))
    assert (fit.method, fit.reml, fit.llf) == ("REML", True, -fit.objective / 2)


def test_a_given_sigma_is_not_counted(dyestuff):
    fit = dyestuff.model.fit(sigma=49.5)
    assert (fit.dof, fit.sigma) == (2, 49.5)
    assert "fixed at 49.5" in str(fit.summary())


def test_balanced_one_way_layout_has_closed_forms():
    data = load("dyestuff")
    means = data.groupby("batch", observed=True)["yield"].mean()
    within = data["yield"] - data["batch"].map(means).astype(float)
    msw = (within**2).sum() / (30 - 6)
    msb = 5 * ((means - means.mean()) ** 2).sum() / (6 - 1)
    reml = smf.mixedlm2("yield ~ 1 + (1 | batch)", data).fit(reml=True)
    assert reml.scale == pytest.approx(msw, rel=1e-6)
    assert reml.cov_re.iloc[0, 0] == pytest.approx((msb - msw) / 5, rel=1e-6)
    ml = smf.mixedlm2("yield ~ 1 + (1 | batch)", data).fit()
    assert ml.scale == pytest.approx(msw, rel=1e-6)
    assert ml.cov_re.iloc[0, 0] == pytest.approx((msb * 5 / 6 - msw) / 5, rel=1e-6)
    # The generalized least squares estimate is the grand mean, its variance msb/n.
    assert reml.params.iloc[0] == pytest.approx(1527.5)
    assert reml.bse.iloc[0] == pytest.approx(np.sqrt(msb / 30), rel=1e-6)


def test_balanced_random_slopes_have_closed_forms(sleep):
    # Every subject has the same days, so each has its own least squares line: the
    # covariance of the lines is that of the random effects plus that of the estimates.
    data = load("sleepstudy")
    x = np.column_stack([np.ones(10), np.arange(10.0)])
    y = data["reaction"].to_numpy().reshape(18, 10)
    lines = np.linalg.lstsq(x, y.T, rcond=None)[0].T
    scale = ((y - lines @ x.T) ** 2).sum() / (18 * 8)
    between = np.cov(lines.T, bias=True)
    assert sleep.scale == pytest.approx(scale, rel=1e-6)
    np.testing.assert_allclose(sleep.cov_re, between - scale * np.linalg.inv(x.T @ x), rtol=1e-5)
    np.testing.assert_allclose(sleep.params, lines.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(sleep.cov_params(), between / 18, rtol=1e-6)


# Fixed effects.


def test_coefficients_of_sleepstudy(sleep):
    np.testing.assert_allclose(sleep.params, [251.405, 10.4673], atol=5e-4)  # page
    np.testing.assert_allclose(sleep.bse, [6.632257724308144, 1.5022355036397133], rtol=PAGE)
    vcov = [[43.9868, -1.37039], [-1.37039, 2.25671]]  # page
    np.testing.assert_allclose(sleep.cov_params(), vcov, rtol=1e-4)
    np.testing.assert_allclose(sleep.vcov, vcov, rtol=1e-4)
    table = sleep.coeftable()
    assert table["z"].round(2).tolist() == [37.91, 6.97]  # page
    assert 1e-12 < table.loc["days", "Pr(>|z|)"] < 1e-11  # page: <1e-11
    assert table.index.tolist() == sleep.coefnames == sleep.fixefnames == ["Intercept", "days"]


def test_intervals_use_the_normal_distribution(sleep):
    half = 1.959963984540054 * sleep.bse
    np.testing.assert_allclose(sleep.conf_int()[0], sleep.params - half)
    np.testing.assert_allclose(sleep.conf_int()[1], sleep.params + half)
    narrower = sleep.conf_int(alpha=0.5)
    assert (narrower[1] - narrower[0] < sleep.conf_int()[1] - sleep.conf_int()[0]).all()


def test_dropped_columns_are_nan_in_the_full_length_extractors(deficient):
    assert deficient.coefnames == ["Intercept", "days", "twice"]
    assert deficient.fixefnames == deficient.params.index.tolist() == ["Intercept", "days"]
    assert deficient.columns_dropped == ["twice"]
    plain = smf.mixedlm2("reaction ~ days + (1 | subj)", load("sleepstudy")).fit()
    np.testing.assert_allclose(deficient.coef, [*plain.params, np.nan])
    np.testing.assert_allclose(deficient.fixef, plain.params)
    np.testing.assert_allclose(deficient.stderror, [*plain.bse, np.nan])
    assert deficient.vcov.isna().to_numpy().sum() == 5
    assert deficient.coeftable().loc["twice"].isna().all()
    assert deficient.cov_params().shape == (2, 2)
    assert deficient.dims.p == 2
    assert "Dropped" in str(deficient.summary())


# Covariance parameters and random effects.


def test_variance_components_print_as_the_page_shows(sleep, penicillin):
    assert same_table(
        str(sleep.varcorr),
        """Variance components:
                    Column    Variance Std.Dev.   Corr.
        subj     Intercept    565.51066 23.78047
                 days          32.68212  5.71683 +0.08
        Residual              654.94145 25.59182""",
    )
    assert same_table(
        str(penicillin.varcorr),
        """Variance components:
                    Column   Variance Std.Dev.
        plate    Intercept   0.714979 0.845565
        sample   Intercept   3.135193 1.770648
        Residual             0.302426 0.549933""",
    )


def test_variance_components_of_uncorrelated_effects():
    fit = smf.mixedlm2("reaction ~ 1 + days + zerocorr(1 + days | subj)", load("sleepstudy")).fit()
    assert same_table(
        str(fit.varcorr),
        """Variance components:
                    Column    Variance Std.Dev.   Corr.
        subj     Intercept    584.25897 24.17145
                 days          33.63281  5.79938   .
        Residual              653.11578 25.55613""",
    )
    assert fit.varcorr.to_frame().loc[("subj", "days"), "corr_1"] == 0.0


def test_variance_components_as_a_frame(sleep):
    frame = sleep.varcorr.to_frame()
    assert list(frame.columns) == ["variance", "std_dev", "corr_1"]
    assert frame.index.tolist() == [("subj", "Intercept"), ("subj", "days"), ("Residual", "")]
    np.testing.assert_allclose(frame["variance"], frame["std_dev"] ** 2)
    covariance = sleep.cov_re
    np.testing.assert_allclose(np.diag(covariance), frame["variance"].iloc[:2])
    correlation = covariance.iloc[0, 1] / np.sqrt(np.diag(covariance)).prod()
    assert frame.loc[("subj", "days"), "corr_1"] == pytest.approx(correlation)
    assert sleep.varcorr.correlation("subj").loc["days", "Intercept"] == pytest.approx(correlation)
    with pytest.raises(OptionError, match="no grouping factor 'item'"):
        sleep.varcorr.std_dev("item")


def test_covariance_follows_from_theta_and_sigma(sleep):
    a, b, c = sleep.theta
    factor = np.array([[a, 0], [b, c]])
    np.testing.assert_allclose(sleep.cov_re, sleep.scale * factor @ factor.T)
    assert sleep.theta_names == ["subj.Intercept", "subj.days.Intercept", "subj.days"]
    assert sleep.sigma == pytest.approx(25.591823890404502, rel=PAGE)  # page
    assert sleep.scale == pytest.approx(654.9414500374786, rel=PAGE)  # page
    assert a > 0 and c > 0


def test_a_singular_fit_is_reported():
    model = smf.mixedlm2("yield ~ 1 + (1 | batch)", load("dyestuff2"))
    with pytest.warns(SingularFitWarning) as caught:
        fit = model.fit()
    assert len(caught) == 1
    assert fit.issingular()
    assert fit.objective == pytest.approx(162.8730, abs=1e-4)  # page
    assert "Singular" in str(fit.summary())
    lines = [line.split() for line in str(fit.varcorr).splitlines()]
    assert lines[2:] == [
        ["batch", "Intercept", "0.00000", "0.00000"],
        ["Residual", "13.34610", "3.65323"],
    ]  # page
    assert fit.leverage().sum() == pytest.approx(1.0)  # page: 0.9999999999999998


def test_random_effects_of_dyestuff(dyestuff):
    modes = [-16.6282, 0.369516, 26.9747, -21.8014, 53.5798, -42.4943]  # page
    table = dyestuff.ranef()["batch"]
    assert table.index.tolist() == list("ABCDEF")
    np.testing.assert_allclose(table["Intercept"], modes, rtol=1e-5)
    np.testing.assert_allclose(
        dyestuff.ranef(uscale=True)["batch"] * dyestuff.theta[0], table, rtol=1e-10
    )
    old = dyestuff.random_effects
    assert list(old) == list("ABCDEF")
    assert old["C"]["Intercept"] == table.loc["C", "Intercept"]
    np.testing.assert_allclose(dyestuff.condvar()["batch"], 362.3104675622471, rtol=PAGE)  # page
    assert dyestuff.condvar()["batch"].shape == (6, 1, 1)


def test_several_grouping_factors(penicillin):
    assert penicillin.dims == (144, 1, 30, 2)
    assert {name: table.shape for name, table in penicillin.ranef().items()} == {
        "plate": (24, 1),
        "sample": (6, 1),
    }
    assert set(penicillin.cov_re) == set(penicillin.random_effects) == {"plate", "sample"}
    assert penicillin.random_effects["sample"]["A"].index.tolist() == ["Intercept"]


def test_interaction_of_grouping_factors_has_pairs_as_levels():
    fit = smf.mixedlm2("strength ~ 1 + (1 | batch/cask)", load("pastes")).fit()
    assert fit.objective == pytest.approx(247.9945, abs=1e-4)  # page
    assert list(fit.ranef()) == ["batch & cask", "batch"]
    assert fit.ranef()["batch & cask"].index.names == ["batch", "cask"]
    text = str(fit.summary())
    for number in ("-123.9972", "255.9945", "256.7217", "264.3718"):  # page
        assert number in text
    assert "Levels of batch & cask:" in text


@pytest.mark.parametrize(
    ("name", "total"),
    [
        ("dyestuff", 4.695160224829895),
        ("sleep", 28.611526266274847),
        ("penicillin", 27.46531792078765),
    ],  # page
)
def test_sum_of_leverages(name, total, request):
    leverage = request.getfixturevalue(name).leverage()
    assert leverage.sum() == pytest.approx(total, rel=PAGE)
    assert ((leverage > 0) & (leverage < 1)).all()


def test_dims(dyestuff, sleep):
    assert tuple(dyestuff.dims) == (30, 1, 6, 1)  # page
    assert tuple(sleep.dims) == (180, 2, 36, 1)  # page
    assert sleep.dims._fields == ("n", "p", "q", "k")


# Fitted values and prediction.


def test_fitted_values_hold_the_random_effects(sleep):
    data = load("sleepstudy")
    modes = sleep.ranef()["subj"].loc[data["subj"].astype(str)]
    days = data["days"].to_numpy()
    total = sleep.params["Intercept"] + modes["Intercept"].to_numpy()
    total = total + (sleep.params["days"] + modes["days"].to_numpy()) * days
    np.testing.assert_allclose(sleep.fittedvalues, total)
    np.testing.assert_allclose(sleep.resid, data["reaction"] - total)
    assert sleep.resid.index.equals(data.index)
    # Penalized least squares: the residuals are orthogonal to X.
    np.testing.assert_allclose([sleep.resid.sum(), sleep.resid @ days], 0, atol=1e-6)


def test_prediction_of_the_fixed_part(sleep):
    new = pd.DataFrame({"days": [0.0, 3.5]}, index=["a", "b"])
    predicted = sleep.predict(new)
    expected = sleep.params["Intercept"] + sleep.params["days"] * new["days"]
    pd.testing.assert_series_equal(predicted, expected, check_names=False)
    np.testing.assert_allclose(sleep.predict({"days": [0.0, 3.5]}), expected)
    np.testing.assert_allclose(sleep.predict([[1, 0], [1, 3.5]], transform=False), expected)
    np.testing.assert_allclose(sleep.model.predict(sleep.params, [[1, 0], [1, 3.5]]), expected)
    np.testing.assert_allclose(sleep.predict(new.loc["b"]), expected["b"])
    np.testing.assert_allclose(sleep.predict(load("sleepstudy")), sleep.predict())


def test_conditional_prediction(sleep):
    data = load("sleepstudy")
    np.testing.assert_allclose(sleep.predict(data, re=True), sleep.fittedvalues)
    np.testing.assert_allclose(sleep.predict(re=True), sleep.fittedvalues)
    new = pd.DataFrame({"days": [1.0, 1.0], "subj": ["S308", "stranger"]})
    with pytest.raises(DataError, match="subj that the fit has not seen"):
        sleep.predict(new, re=True)
    known = sleep.fittedvalues.iloc[1]
    population = sleep.predict(new).iloc[1]
    np.testing.assert_allclose(
        sleep.predict(new, re=True, new_levels="population"), [known, population]
    )
    np.testing.assert_allclose(sleep.predict(new, re=True, new_levels="missing"), [known, np.nan])
    with pytest.raises(OptionError, match="new_levels"):
        sleep.predict(new, re=True, new_levels="guess")


def test_missing_values_in_new_data_give_nan(sleep):
    new = pd.DataFrame({"days": [1.0, np.nan], "subj": ["S308", "S308"]})
    assert sleep.predict(new).isna().tolist() == [False, True]
    assert sleep.predict(new, re=True).isna().tolist() == [False, True]


def test_prediction_with_an_offset():
    data = load("sleepstudy")
    data["shift"] = np.arange(180.0)
    by_name = smf.mixedlm2(SLEEP, data, offset="shift").fit()
    by_array = smf.mixedlm2(SLEEP, data, offset=data["shift"].to_numpy()).fit()
    new = data.head(3)
    expected = by_name.predict().iloc[:3]
    np.testing.assert_allclose(by_name.predict(new), expected)
    np.testing.assert_allclose(by_array.predict(new, offset=[0.0, 1.0, 2.0]), expected)
    np.testing.assert_allclose(by_name.predict(new, offset=0), expected - [0, 1, 2])
    for fit, table in [(by_array, new), (by_name, new.drop(columns="shift"))]:
        with pytest.raises(DataError, match=r"offset|shift"):
            fit.predict(table)


def test_standard_errors_of_predictions(sleep):
    matrix = np.array([[1, 0], [1, 3.5]])
    frame = sleep.get_prediction(pd.DataFrame({"days": [0.0, 3.5]})).summary_frame()
    np.testing.assert_allclose(frame["mean"], matrix @ sleep.params)
    error = np.sqrt(np.diag(matrix @ sleep.cov_params().to_numpy() @ matrix.T))
    np.testing.assert_allclose(frame["mean_se"], error)
    np.testing.assert_allclose(frame["mean_ci_upper"] - frame["mean"], 1.959963984540054 * error)
    assert len(sleep.get_prediction().predicted_mean) == 180


def test_prediction_after_a_dropped_column(deficient):
    new = pd.DataFrame({"days": [2.0], "twice": [4.0]})
    expected = deficient.params["Intercept"] + 2 * deficient.params["days"]
    assert deficient.predict(new).iloc[0] == pytest.approx(expected)
    assert deficient.get_prediction(new).predicted_mean[0] == pytest.approx(expected)
    assert deficient.model.predict(deficient.params)[0] == deficient.predict().iloc[0]


def test_stateful_transforms_remember_the_data_of_the_fit():
    data = load("sleepstudy")
    centered = smf.mixedlm2("reaction ~ center(days) + (1 | subj)", data).fit()
    plain = smf.mixedlm2("reaction ~ days + (1 | subj)", data).fit()
    new = pd.DataFrame({"days": [7.0, 8.0], "subj": ["S308", "S309"]})
    np.testing.assert_allclose(centered.predict(new), plain.predict(new))
    # What marginaleffects calls.
    _, matrix = centered.model.data.design_info(new)
    np.testing.assert_allclose(matrix, [[1, 7 - 4.5], [1, 8 - 4.5]])


# Tests of hypotheses.


def test_t_test_f_test_and_wald_test_of_one_coefficient(sleep):
    z = (sleep.params["days"] - 8) / sleep.bse["days"]
    assert sleep.t_test("days = 8").statistic[0, 0] == pytest.approx(z)
    assert sleep.wald_test("days = 8", scalar=True).statistic == pytest.approx(z**2)
    f = sleep.f_test("days = 8")
    assert (f.statistic, f.df_denom) == (pytest.approx(z**2), sleep.df_resid)


def test_wald_tests_of_terms(machines):
    table = machines.wald_test_terms().table
    assert table.index.tolist() == ["Intercept", "machine"]
    assert table["df_constraint"].tolist() == [1, 2]
    joint = machines.wald_test("machine[T.B] = 0, machine[T.C] = 0", scalar=True)
    assert table.loc["machine", "statistic"] == pytest.approx(joint.statistic)
    assert machines.wald_test_terms(skip_single=True).table.index.tolist() == ["machine"]
    combined = machines.wald_test_terms(combine_terms=["mach"]).table.loc["mach"]
    assert combined["statistic"] == pytest.approx(joint.statistic)
    with pytest.raises(OptionError, match="no term contains"):
        machines.wald_test_terms(combine_terms=["worker"])


def test_wald_tests_of_terms_after_a_dropped_column(deficient):
    table = deficient.wald_test_terms().table
    assert table.index.tolist() == ["Intercept", "days"]
    expected = (deficient.params / deficient.bse) ** 2
    np.testing.assert_allclose(table["statistic"], expected)


@pytest.mark.parametrize("contrast", [None, "sum", "helmert"])
def test_pairwise_comparisons_do_not_depend_on_the_coding(machines, contrast):
    contrasts = {"machine": contrast} if contrast else None
    fit = smf.mixedlm2(
        "score ~ machine + (1 | worker)", load("machines"), contrasts=contrasts
    ).fit()
    frame = fit.t_test_pairwise("machine").result_frame
    b, c = machines.params[1:]
    assert frame.index.tolist() == ["B-A", "C-A", "C-B"]
    np.testing.assert_allclose(frame["coef"], [b, c, c - b], rtol=1e-6)
    assert (frame["pvalue-hs"] >= frame["P>|z|"]).all()


@pytest.mark.parametrize("term", ["worker", "Intercept"])
def test_pairwise_comparisons_need_a_factor(machines, term):
    with pytest.raises(OptionError, match=term):
        machines.t_test_pairwise(term)


def test_pairwise_comparisons_of_equal_means():
    """p = 1, whose log(1 - p) is no matter of a warning."""
    half = pd.DataFrame({"f": "a", "g": [1, 1, 2, 2, 3, 3], "y": [1.0, 3, 2, 5, 4, 4]})
    data = pd.concat([half, half.assign(f="b"), half.assign(f="c", y=half["y"] + 1)])
    table = smf.mixedlm2("y ~ 0 + f + (1 | g)", data).fit().t_test_pairwise("f").result_frame
    assert table.loc["b-a", "coef"] == pytest.approx(0, abs=1e-12)
    assert table.loc["b-a", "pvalue-hs"] == pytest.approx(1)


def test_pairwise_comparisons_that_are_not_estimable_are_nan():
    data = load("machines")
    data["c"] = (data["machine"] == "C").astype(float)
    model = smf.mixedlm2("score ~ C(c) + machine + (1 | worker)", data)
    with pytest.warns(RankWarning):
        fit = model.fit()
    frame = fit.t_test_pairwise("machine").result_frame
    assert fit.columns_dropped == ["machine[T.C]"]
    assert frame["coef"].isna().tolist() == [False, True, True]


def test_formulaic_gives_the_same_tests(machines):
    options = statsmodels.formula.options
    before = options.formula_engine
    options.formula_engine = "formulaic"
    try:
        fit = smf.mixedlm2("score ~ machine + (1 | worker)", load("machines")).fit()
    finally:
        options.formula_engine = before
    pd.testing.assert_frame_equal(fit.wald_test_terms().table, machines.wald_test_terms().table)
    pairs = [result.t_test_pairwise("machine").result_frame for result in (fit, machines)]
    pd.testing.assert_frame_equal(*pairs)
    with pytest.raises(OptionError, match="Intercept"):
        fit.t_test_pairwise("Intercept")


def test_likelihood_ratio(sleep):
    smaller = smf.mixedlm2("reaction ~ 1 + days + (1 | subj)", load("sleepstudy")).fit()
    test = sleep.compare_lr_test(smaller)
    # lme4's anova() of the two models: 42.139 on 2 degrees of freedom, 7.072e-10.
    assert test.statistic == pytest.approx(42.139, abs=1e-3)
    assert test.df_diff == 2
    assert test.pvalue == pytest.approx(7.072e-10, rel=1e-3)


def test_likelihoods_that_cannot_be_compared_are_refused(sleep):
    data = load("sleepstudy")
    reml = sleep.model.fit(reml=True)
    other_mean = smf.mixedlm2("reaction ~ 1 + (1 + days | subj)", data).fit(reml=True)
    fewer_rows = smf.mixedlm2("reaction ~ days + (1 | subj)", data.head(170)).fit()
    weighted = smf.mixedlm2("reaction ~ days + (1 | subj)", data, weights=np.full(180, 2.0)).fit()
    for full, restricted, message in [
        (reml, other_mean, "different fixed effects"),
        (reml, sleep, "by REML and the other by ML"),
        (sleep, fewer_rows, "different data"),
        (sleep, weighted, "different data"),
        (sleep, sleep, "fewer parameters"),
        (sleep, smf.quantreg("reaction ~ days", data).fit(), "fitted linear mixed model"),
    ]:
        with pytest.raises(OptionError, match=message):
            full.compare_lr_test(restricted)


# Display.


def test_summary_says_what_was_fitted(sleep):
    text = str(sleep.summary())
    assert "fit by maximum likelihood" in text
    assert SLEEP in text
    for number in ("-875.9697", "1751.9393", "1763.9393", "1764.4249", "1783.0971"):  # page
        assert number in text
    for number in ("251.405", "37.91", "10.4673", "1.50224", "6.97", "<1e-11"):  # page
        assert number in text
    for words in ("No. Observations:", "180", "Levels of subj:", "18"):
        assert words in text
    reml = str(sleep.model.fit(reml=True).summary())
    assert "fit by REML" in reml and "REML criterion:" in reml and "AIC (REML):" in reml


def test_summary_options(sleep):
    text = str(sleep.summary(yname="RT", xname=["const", "slope"], title="Sleep", alpha=0.1))
    for words in ("RT", "const", "slope", "Sleep", "[0.05", "0.95]"):
        assert words in text
    with pytest.raises(OptionError, match="2 names"):
        sleep.summary(xname=["const"])


def test_summary_renders_in_every_format(sleep):
    summary = sleep.summary()
    for text in (
        summary.as_text(),
        summary.as_html(),
        summary.as_latex(),
        summary.as_markdown(),
        summary.as_csv(),
    ):
        assert "1763.9393" in text and "251.405" in text and "+0.08" in text
    assert "coef" in summary.tables[1].as_html()  # where statsmodels has it


def test_short_and_long_representation(sleep):
    assert repr(sleep) == (f"<LinearMixedModelResults: {SLEEP}; ML, -2 log-likelihood 1751.9393>")
    assert str(sleep) == str(sleep.summary())
    assert sleep._repr_html_() == sleep.summary().as_html()


def test_summary_col(sleep, machines):
    text = str(summary_col([sleep, machines], stars=True))
    for words in ("10.4673***", "(1.5022)", "Method", "ML", "No. Observations", "180", "54"):
        assert words in text


def test_dropped_rows_are_counted():
    data = load("sleepstudy")
    data.loc[[3, 5], "reaction"] = np.nan
    fit = smf.mixedlm2(SLEEP, data).fit()
    assert (fit.nobs, fit.n_dropped) == (178, 2)
    assert "2 rows with missing values left out, 178 used." in str(fit.summary())
    assert fit.fittedvalues.index.equals(data.index.drop([3, 5]))


def test_log_of_the_fit(sleep):
    log = sleep.fitlog
    assert list(log.columns) == [*sleep.theta_names, "objective"]
    assert len(log) == sleep.report.evaluations
    assert log["objective"].min() == pytest.approx(sleep.objective, abs=1e-7)
    assert sleep.converged


# Storage.


@pytest.mark.parametrize("formula", [SLEEP, "reaction ~ bs(days, df=4) + (np.sqrt(days) | subj)"])
def test_results_survive_pickling(formula):
    fit = smf.mixedlm2(formula, load("sleepstudy")).fit()
    again = pickle.loads(pickle.dumps(fit))
    new = load("sleepstudy").head(4)
    assert str(again.summary()) == str(fit.summary())
    for method in ("predict", "get_prediction"):
        assert getattr(again, method)(new) is not None
    np.testing.assert_array_equal(again.predict(new, re=True), fit.predict(new, re=True))
    np.testing.assert_array_equal(again.leverage(), fit.leverage())
    assert again.model.fit().objective == pytest.approx(fit.objective, abs=1e-9)


def test_results_load_in_another_process(sleep, tmp_path):
    path = tmp_path / "sleep.pickle"
    sleep.save(path, remove_data=False)
    code = (
        "import pickle, sys; r = pickle.load(open(sys.argv[1], 'rb')); "
        "sys.stdout.write(str(r.summary()) + repr(r.predict({'days': [3]})[0]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(sleep.summary()))
    assert done.stdout.endswith(repr(sleep.predict({"days": [3]})[0]))


def test_save_and_load(sleep):
    buffer = io.BytesIO()
    sleep.save(buffer)
    buffer.seek(0)
    assert str(LinearMixedModelResults.load(buffer).summary()) == str(sleep.summary())


def test_removing_the_data_keeps_what_does_not_need_them():
    model = smf.mixedlm2(SLEEP, load("sleepstudy"))
    fit, untouched = model.fit(), model.fit()
    text, size = str(fit.summary()), len(pickle.dumps(fit))
    new = load("sleepstudy").head(3)
    expected = fit.predict(new, re=True)
    fit.remove_data()
    assert len(pickle.dumps(fit)) < size / 1.5
    again = pickle.loads(pickle.dumps(fit))
    assert str(again.summary()) == text
    pd.testing.assert_series_equal(again.predict(new, re=True), expected)
    assert again.ranef()["subj"].shape == (18, 2)
    assert again.wald_test_terms().table.shape == (2, 3)
    for attempt in (
        lambda: again.fittedvalues,
        lambda: again.resid,
        lambda: again.predict(),
        lambda: again.leverage(),
        lambda: again.condvar(),
        lambda: again.model.fit(),
    ):
        with pytest.raises(DataError, match="removed"):
            attempt()
    assert untouched.fittedvalues.shape == (180,)
    assert untouched.model is model


def test_fitting_again_changes_no_earlier_result():
    model = smf.mixedlm2(SLEEP, load("sleepstudy"))
    first = model.fit()
    before = pickle.dumps(first.estimates)
    model.fit(reml=True)
    model.fit(sigma=30.0)
    model.objective(np.array([0.1, 0.2, 0.3]))
    assert pickle.dumps(first.estimates) == before
    with pytest.raises(ValueError, match="read-only"):
        first.theta[0] = 0.0
