"""Degrees of freedom as options of a fit: what every method of a result makes of them.

Reference numbers are lmerTest's, pbkrtest's and emmeans' (tests/reference/inference.json).
"""

from __future__ import annotations

import copy
import pickle
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from patsy import Sum
from reference import load
from reference.lme4_names import MODELS, column
from scipy import stats
from small_models import fit, fit_shipped

from statsmodels_mixed import DataError, OptionError, datasets
from statsmodels_mixed.inference import anova, denominators, profile, refit, simulate
from statsmodels_mixed.results.summary import coefficient_table

# Relative to published numbers.
TEST = 1e-4

RECORDS = [r for r in load("inference") if r["id"].removesuffix("_ML") in MODELS]
DOF = {"satterthwaite_coef": "satterthwaite", "kenward_roger_coef": "kenward-roger"}
# That of insteval takes seconds; test_inference_df has it.
COEFFICIENTS = [r for r in RECORDS if r["type"] in DOF and r["id"] != "insteval_1"]
TERMS = {"machines_slope": "machine", "machines_nested": "machine", "cake_temp": "recipe"}
MEANS = [r for r in RECORDS if r["type"] == "emmeans" and r["id"] in TERMS]


@cache
def fitted(name: str, reml: bool, dof: str | None) -> Any:
    model = MODELS[name.removesuffix("_ML")]
    return fit(model.formula, model.data(), model.options, reml=reml, dof=dof)


@pytest.mark.parametrize("record", COEFFICIENTS, ids=lambda r: f"{r['id']}-{r['type']}")
def test_coefficients_of_a_fit(record):
    result = fitted(record["id"], record["method"] == "REML", DOF[record["type"]])
    names = [column(name) for name in record["rownames"]]
    table = dict(zip(record["columns"], zip(*record["rows"], strict=True), strict=True))
    ours = result.coeftable().loc[names]
    assert list(ours.columns) == ["Coef.", "Std. Error", "df", "t", "Pr(>|t|)"]
    assert_allclose(ours["df"], table["df"], rtol=TEST)
    assert_allclose(result.bse[names], table["Std. Error"], rtol=TEST)
    assert_allclose(result.pvalues[names], table["Pr(>|t|)"], rtol=TEST)
    half = stats.t.ppf(0.975, table["df"]) * np.array(table["Std. Error"])
    lower = np.array(table["Estimate"]) - half
    size = np.array(table["Std. Error"])
    assert_allclose((result.conf_int().loc[names, 0] - lower) / size, 0, atol=TEST)
    printed = coefficient_table(result._results).to_frame().set_index("term").loc[names]
    assert_allclose(printed["df"].astype(float), table["df"], rtol=TEST)
    assert_allclose(printed["p_value"].astype(float), table["Pr(>|t|)"], rtol=TEST)


def test_the_summary_names_the_method():
    text = str(fitted("sleep_slope", True, "kenward-roger").summary())
    assert "Std. Errors:            Kenward-Roger" in text
    assert "Deg. of Freedom:        Kenward-Roger" in text
    assert " df " in text
    plain = str(fitted("sleep_slope", True, None).summary())
    assert "Deg. of Freedom" not in plain and "Std. Errors" not in plain


@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_terms_are_of_type_three_with_sum_coding(dof):
    data = datasets.load("cake")
    formula = "angle ~ recipe * C(temperature, Sum) + (1 | recipe:replicate)"
    model = smf.mixedlm2(formula, data, contrasts={"recipe": Sum()}, eval_env={"Sum": Sum})
    result = model.fit(reml=True, dof=dof)
    table = result.wald_test_terms(skip_single=True).table
    method = {"satterthwaite": "satterthwaite", "kenward-roger": "kenward_roger"}[dof]
    kind = f"{method}_anova_typeIII"
    record = next(r for r in RECORDS if r["id"] == "cake" and r["type"] == kind)
    theirs = dict(zip(record["columns"], zip(*record["rows"], strict=True), strict=True))
    assert_allclose(table["statistic"], theirs["F value"], rtol=TEST)
    assert_allclose(table["df_constraint"], theirs["NumDF"])
    assert_allclose(table["df_denom"], theirs["DenDF"], rtol=TEST)
    assert_allclose(table["pvalue"], theirs["Pr(>F)"], rtol=TEST)
    assert_allclose(result.anova()["F"], theirs["F value"], rtol=TEST)


@pytest.mark.parametrize("record", MEANS, ids=lambda r: f"{r['id']}-{r['df_method']}")
def test_pairwise_differences(record):
    dof = None if record["df_method"] == "asymptotic" else record["df_method"]
    result, pairs = fitted(record["id"], True, dof), record["pairs"]
    theirs = pd.DataFrame(pairs["rows"], columns=pairs["columns"])
    ours = result.t_test_pairwise(TERMS[record["id"]]).result_frame
    size = theirs["SE"].to_numpy()
    assert_allclose((ours["coef"].to_numpy() + theirs["estimate"]) / size, 0, atol=TEST)
    assert_allclose(ours["std err"], size, rtol=TEST)
    assert_allclose(ours["P>|z|" if dof is None else "P>|t|"], theirs["p.value"], rtol=TEST)
    lower = theirs["asymp.LCL" if dof is None else "lower.CL"]
    assert_allclose((ours["Conf. Int. Upp."].to_numpy() + lower) / size, 0, atol=TEST)


def test_each_contrast_has_its_own_degrees_of_freedom():
    result = fitted("cake", True, "satterthwaite")
    names = list(result.params.index)
    rows = np.eye(len(names))
    several = result.t_test(rows)
    assert len(set(np.round(several.df_denom, 6))) > 1
    for i in (0, 1, len(names) - 1):
        one = result.t_test(f"{names[i]} = 1" if i == 0 else rows[i])
        assert_allclose(np.squeeze(one.df_denom), several.df_denom[i])
    frame = several.summary_frame()
    assert_allclose(frame["P>|t|"], result.pvalues)
    assert_allclose(frame.iloc[:, 4:], result.conf_int())
    shifted = result.t_test((rows[:2], [1.0, 2.0]))
    assert_allclose(shifted.tvalue, (result.params.iloc[:2] - [1.0, 2.0]) / result.bse.iloc[:2])


def test_joint_tests_of_kenward_and_roger_are_scaled():
    result = fitted("machines_slope", True, "kenward-roger")
    rows = np.eye(3)[1:]
    expected = denominators(result, "kenward-roger").f_test(rows, [1.0, -2.0])
    found = result.f_test((rows, [1.0, -2.0]))
    assert_allclose(found.statistic, expected.statistic)
    assert_allclose(found.df_denom, expected.df_denom)
    assert expected.scaling < 1
    as_text = result.wald_test("machine[T.B] = 1, machine[T.C] = -2")
    assert_allclose(as_text.statistic, expected.statistic)
    chi2 = result.wald_test(rows, use_f=False)
    assert chi2.distribution == "chi2"
    by_array = result.wald_test(rows, scalar=False)
    assert np.shape(by_array.statistic) == (1, 1)


def test_given_covariances_are_used_as_statsmodels_does():
    result = fitted("sleep_slope", True, "satterthwaite")
    plain = fitted("sleep_slope", True, None)
    cov = np.diag([4.0, 9.0])
    assert_allclose(result.t_test(np.eye(2), cov_p=cov).sd, [2, 3])
    assert_allclose(result.t_test(np.eye(2), cov_p=cov).df_denom, result.df_resid)
    wald = result.wald_test(np.eye(2), cov_p=cov, use_f=False).statistic
    assert_allclose(wald, np.sum(plain.params**2 / [4, 9]))
    assert_allclose(result.t_test(np.eye(2), use_t=False).pvalue, plain.pvalues)


def test_normal_tests_are_the_default():
    result = fitted("sleep_slope", False, None)
    assert result.dof_method is None and not result.use_t
    assert np.isinf(result.df_coef).all()
    z = result.params / result.bse
    assert_allclose(result.pvalues, 2 * stats.norm.sf(np.abs(z)))
    assert_allclose(result.conf_int(0.1)[1], result.params + 1.6448536269514722 * result.bse)
    assert list(result.coeftable().columns) == ["Coef.", "Std. Error", "z", "Pr(>|z|)"]


@pytest.mark.parametrize("dof", [None, "residual", "kenward-roger"])
def test_units_of_a_column_do_not_matter_to_joint_tests(dof):
    data = datasets.load("sleepstudy")
    scaled = data.assign(days=1e8 * data["days"])
    formula = "reaction ~ days + (1 | subj)"
    plain, other = (fit(formula, d, reml=True, dof=dof) for d in (data, scaled))
    for use_f in (False, True):
        ours, same = (r.wald_test(np.eye(2), use_f=use_f) for r in (other, plain))
        assert_allclose(ours.statistic, same.statistic, rtol=1e-6)
        assert_allclose([ours.df_denom, ours.pvalue], [same.df_denom, same.pvalue], rtol=1e-6)
    if dof is None:
        beta, V = plain.params.to_numpy(), plain.cov_params().to_numpy()
        statistic = beta @ np.linalg.solve(V, beta)
        chi2, f = (plain.wald_test(np.eye(2), use_f=use_f) for use_f in (False, True))
        assert_allclose(chi2.statistic, statistic)
        assert chi2.df_denom == 2 and chi2.distribution == "chi2"
        assert_allclose(chi2.pvalue, stats.chi2.sf(statistic, 2))
        assert_allclose(f.pvalue, stats.f.sf(statistic / 2, 2, plain.df_resid))


@pytest.mark.parametrize("engine", ["patsy", "formulaic"])
def test_hypotheses_that_cannot_be_read(engine, monkeypatch):
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", engine)
    result = fitted("sleep_slope", True, None)
    for test in (result.t_test, result.f_test, result.wald_test):
        for hypotheses in ("hours = 0", [1.0, 2.0, 3.0], np.empty((0, 2)), {"days": "x"}):
            with pytest.raises(OptionError, match="Intercept, days"):
                test(hypotheses)
    empty = fit("reaction ~ 0 + (1 | subj)", datasets.load("sleepstudy"))
    with pytest.raises(OptionError, match="no coefficients"):
        empty.t_test(np.eye(0))


def test_residual_degrees_of_freedom():
    result = fitted("sleep_slope", False, "residual")
    assert_allclose(result.df_coef, 180 - 6)
    assert_allclose(result.pvalues, 2 * stats.t.sf(np.abs(result.tvalues), 174))
    assert_allclose(result.f_test(np.eye(2)).df_denom, 174)


def test_another_reference_changes_nothing_else():
    plain = fitted("machines_slope", True, None)
    again = plain.with_inference(dof="kenward-roger")
    direct = fitted("machines_slope", True, "kenward-roger")
    assert_allclose(again.bse, direct.bse)
    assert_allclose(again.pvalues, direct.pvalues)
    assert plain.dof_method is None
    assert_allclose(again.with_inference().bse, plain.bse)
    assert again.llf == plain.llf
    assert isinstance(again.params, pd.Series)
    assert_allclose(anova(again)["F"], anova(plain, dof="kenward-roger")["F"])


def test_references_survive_pickling_and_the_loss_of_data():
    result = fitted("machines_slope", True, "satterthwaite")
    before = result.pvalues, result.f_test(np.eye(3)[1:])
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        other.remove_data()
        assert_allclose(other.pvalues, before[0])
        assert_allclose(other.f_test(np.eye(3)[1:]).df_denom, before[1].df_denom)
        with pytest.raises(DataError, match="removed"):
            other.with_inference(dof="kenward-roger")


def test_a_dropped_column_has_no_test():
    data = datasets.load("sleepstudy").assign(twice=lambda frame: 2 * frame["days"])
    model = smf.mixedlm2("reaction ~ days + twice + (days | subj)", data)
    with pytest.warns(UserWarning, match="twice"):
        result = model.fit(reml=True, dof="satterthwaite")
    reference = fitted("sleep_slope", True, "satterthwaite")
    assert_allclose(result.pvalues, reference.pvalues, rtol=1e-6)
    assert result.coeftable().loc["twice"].isna().all()
    assert "dropped" in str(result.summary())


# Profile intervals and other responses.


def test_profile_intervals_of_the_coefficients():
    result = fit_shipped("sleepstudy")
    # lme4 1.1, confint(method = "profile"), to 1e-3 of the width.
    expected = [[237.680695505234, 265.129514680174], [7.35865325511896, 13.5759187517082]]
    found = result.conf_int(method="profile")
    width = np.diff(expected, axis=1)
    assert np.all(np.abs(found.to_numpy() - expected) < 1e-3 * width)
    table = profile(result, "beta").conf_int(0.2)[["lower", "upper"]]
    assert_allclose(result.conf_int(0.2, method="profile"), table, rtol=1e-6)
    wide = result.conf_int(1e-4, method="profile")
    assert (wide[0] < found[0]).all() and (wide[1] > found[1]).all()
    assert list(found.index) == ["Intercept", "days"]


def test_intervals_are_refused_that_do_not_exist():
    result = fit_shipped("sleepstudy")
    with pytest.raises(OptionError, match="wald or profile"):
        result.conf_int(method="exact")
    with pytest.raises(OptionError, match="alpha"):
        result.conf_int(alpha=5)


@pytest.mark.parametrize("how", [{"reml": True}, {"sigma": 20.0}, {"dof": "residual"}])
def test_refit_is_a_fit_to_the_other_response(how):
    result = fit_shipped("sleepstudy", **how)
    y = simulate(result, seed=1)[:, 0]
    found = result.refit(y)
    data = datasets.load("sleepstudy").assign(reaction=y)
    direct = smf.mixedlm2("reaction ~ 1 + days + (1 + days | subj)", data).fit(**how)
    assert_allclose(found.objective, direct.objective, atol=1e-7)
    assert_allclose(found.params, direct.params, rtol=1e-7)
    assert_allclose(found.bse, direct.bse, rtol=1e-5)
    assert found.dof_method == direct.dof_method and found.method == direct.method
    assert_allclose(found.resid, y - found.fittedvalues)
    assert_allclose(result.refit(result.model.endog).params, result.params, rtol=1e-6)
    assert result.model.endog is not found.model.endog


def test_refits_share_the_analysis_of_their_structure(analysed):
    data = datasets.load("cbpp")
    generalized = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", data, sm.families.Binomial(), weights="hsz"
    ).fit()
    for result in (fit_shipped("penicillin"), generalized):
        y = simulate(result, 3, seed=2)
        analysed.clear()
        refits = [result.refit(y[:, 0]), result.refit(y[:, 1])]
        refits.append(refits[0].refit(y[:, 2]))
        assert not analysed  # of small data it is that of the fit
        again = pickle.loads(pickle.dumps(refits[2]))
        assert_allclose(again.refit(y[:, 0]).params, refits[0].params, rtol=1e-4)
        assert_allclose(again.refit(y[:, 0]).objective, refits[0].objective, rtol=1e-8)


def test_refit_of_a_singular_fit_leaves_the_boundary():
    with pytest.warns(UserWarning, match="singular"):
        result = smf.mixedlm2("yield ~ 1 + (1 | batch)", datasets.load("dyestuff2")).fit()
    other = result.refit(datasets.load("dyestuff")["yield"])
    assert_allclose(other.objective, fit_shipped("dyestuff").objective, atol=1e-8)


def test_refit_of_a_generalized_model():
    data = datasets.load("cbpp")
    model = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", data, sm.families.Binomial(), weights="hsz"
    )
    options = {"groups": data["herd"], "kind": "CR0"}
    result = model.fit(cov_type="cluster", cov_kwds=options, dof="residual")
    y = simulate(result, seed=3)[:, 0]
    found = refit(result, y)
    other = data.assign(incid=np.rint(y * data["hsz"]))
    direct = smf.mixedglm2(
        "incid / hsz ~ period + (1 | herd)", other, sm.families.Binomial(), weights="hsz"
    ).fit(cov_type="cluster", cov_kwds=options, dof="residual")
    assert_allclose(found.objective, direct.objective, atol=1e-6)
    assert_allclose(found.bse, direct.bse, rtol=1e-3)
    assert found.cov_type == "cluster"
    with pytest.raises(DataError, match="outside of 0 to 1"):
        refit(result, y + 1)


def test_a_response_is_numbers():
    for y in (["a"] * 180, [[1.0]] * 180, np.ones(3)):
        with pytest.raises(OptionError, match="finite number for each of the 180 rows"):
            refit(fitted("sleep_slope", True, None), y)


def test_refit_takes_a_series_by_its_index():
    data = datasets.load("sleepstudy").astype({"reaction": float})
    data.loc[5, "reaction"] = np.nan
    result = smf.mixedlm2("reaction ~ days + (days | subj)", data).fit()
    whole = datasets.load("sleepstudy")["reaction"]
    assert_allclose(result.refit(whole).params, result.params, rtol=1e-6)
    with pytest.raises(OptionError, match="each of the 179 rows"):
        result.refit(whole.to_numpy())
    # as many as there are rows, in another order; not with an index of its own
    used = whole.drop(5)
    backwards = used[::-1]
    assert_allclose(result.refit(backwards).params, result.params, rtol=1e-6)
    with pytest.raises(DataError, match="lacks labels of the rows"):
        result.refit(used.reset_index(drop=True))
    subjects = data["subj"].drop(5)
    by = [result.influence(labels).params for labels in (subjects, subjects[::-1])]
    assert_allclose(by[0], by[1])


def test_predictions_have_degrees_of_freedom():
    data = datasets.load("machines").assign(score=lambda frame: frame["score"] + 0.0)
    new = pd.DataFrame({"machine": ["A", "B", "C"], "worker": ["1", "2", "3"]})
    rows = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1]], dtype=float)
    result = smf.mixedlm2("score ~ machine + (machine | worker)", data).fit(
        reml=True, dof="kenward-roger"
    )
    # emmeans: marginal means of a balanced design, with Kenward and Roger's method
    record = next(r for r in MEANS if r["id"] == "machines_slope")
    theirs = pd.DataFrame(record["rows"], columns=record["columns"])
    assert record["df_method"] == "kenward-roger"
    frame = result.get_prediction(new).summary_frame()
    assert_allclose(frame["mean"], theirs["emmean"], rtol=1e-6)
    assert_allclose(frame["mean_se"], theirs["SE"], rtol=TEST)
    assert_allclose(frame["mean_ci_lower"], theirs["lower.CL"], rtol=TEST)
    assert_allclose(frame["mean_ci_upper"], theirs["upper.CL"], rtol=TEST)
    test = result.t_test(rows)
    assert_allclose(result.get_prediction(new).df, test.df_denom)
    # conditional means and new responses have normal intervals
    conditional = result.get_prediction(new, re=True)
    half = stats.norm.ppf(0.975) * conditional.se_mean
    assert_allclose(np.diff(conditional.conf_int(), axis=1)[:, 0], 2 * half)
    width = np.diff(conditional.conf_int(obs=True), axis=1)[:, 0]
    assert_allclose(width, 2 * stats.norm.ppf(0.975) * conditional.se_obs)
    residual = fitted("machines_slope", True, "residual").get_prediction(re=True)
    t = stats.t.ppf(0.975, 54 - 10)
    assert_allclose(np.diff(residual.conf_int(), axis=1)[:, 0], 2 * t * residual.se_mean)
