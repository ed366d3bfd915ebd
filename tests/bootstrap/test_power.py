"""Power by simulation: each test is that of a fit, and rates are those of theory."""

from __future__ import annotations

import _thread
import copy
import math
import warnings
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest, nct

from statsmodels_mixed import MixedModelWarning, datasets
from statsmodels_mixed.bootstrap import replicate_tests
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.linear import refits as linear_refits
from statsmodels_mixed.inference import (
    anova,
    bootstrap,
    coefficient_tests,
    f_test,
    power,
    simulate,
)

SLEEP = "reaction ~ 1 + days + (1 + days | subj)"
PROPORTION = "incid / hsz ~ period + (1 | herd)"
GROUPS, ROWS = 10, 8


@cache
def sleepstudy() -> pd.DataFrame:
    data = datasets.load("sleepstudy")
    return data.assign(w=1.0 + data["days"] % 3, off=0.5 * data["days"] ** 2)


@cache
def sleep(reml: bool = False, **options: Any) -> Any:
    return smf.mixedlm2(SLEEP, sleepstudy(), **options).fit(reml=reml)


@cache
def herds() -> Any:
    family = sm.families.Binomial()
    return smf.mixedglm2(PROPORTION, datasets.load("cbpp"), family=family, weights="hsz").fit()


@cache
def layout(reml: bool) -> Any:
    """Half of the groups treated, and a covariate that is balanced within each."""
    rng = np.random.default_rng(2)
    group = np.repeat(np.arange(GROUPS), ROWS)
    data = pd.DataFrame(
        {
            "g": group,
            "treated": (group % 2).astype(float),
            "x": np.tile(np.repeat([-1.0, 1.0], ROWS // 2), GROUPS),
            "y": rng.normal(size=GROUPS)[group] + rng.normal(size=GROUPS * ROWS),
        }
    )
    return smf.mixedlm2("y ~ treated + x + (1 | g)", data).fit(reml=reml)


# Each p-value is that of a fit to a simulated response.


def again(response: np.ndarray, reml: bool, formula: str = SLEEP, **options: Any) -> Any:
    formula = "drawn ~" + formula.partition("~")[2]
    data = sleepstudy().assign(drawn=response)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        return smf.mixedlm2(formula, data, **options).fit(reml=reml)


TRUTH = {"beta": {"days": 5.0}, "theta": {"subj.days": 0.3}, "sigma": 20.0}


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"offset": "off"}], ids=str)
@pytest.mark.parametrize(
    ("test", "reml"),
    [
        ("wald", False),
        ("wald", True),
        ("satterthwaite", False),
        ("satterthwaite", True),
        ("kenward-roger", True),
    ],
)
def test_coefficients_are_tested_as_in_a_fit(test, reml, options):
    result = sleep(reml, **options)
    found = power(result, 3, test=test, seed=4, **TRUTH)
    responses = simulate(result, 3, seed=4, **TRUTH)
    for r in range(3):
        fit = again(responses[:, r], reml, **options)
        want = coefficient_tests(fit, None if test == "wald" else test)["Pr(>|t|)"]
        assert_allclose(found.pvalues.loc[r], want, rtol=2e-3)
    assert list(found.pvalues.columns) == ["Intercept", "days"]
    assert found.converged.all()


@pytest.mark.parametrize("options", [{}, {"weights": "w"}, {"offset": "off"}], ids=str)
def test_likelihood_ratios_are_those_of_two_fits(options):
    result = sleep(**options)
    truth = {**TRUTH, "beta": {"Intercept": 3.0, "days": 5.0}}
    found = power(result, 3, test="lrt", seed=4, **truth)
    responses = simulate(result, 3, seed=4, **truth)
    for r in range(3):
        full = again(responses[:, r], False, **options)
        for name, effects in {"days": "1", "Intercept": "0 + days"}.items():
            small = again(responses[:, r], False, SLEEP.replace("1 + days", effects, 1), **options)
            pvalue = full.compare_lr_test(small).pvalue
            assert_allclose(found.pvalues.loc[r, name], pvalue, rtol=2e-3)


@pytest.mark.parametrize("test", ["wald", "satterthwaite", "kenward-roger"])
def test_terms_and_combinations_are_tested_together(test):
    data = datasets.load("machines")
    result = smf.mixedlm2("score ~ machine + (1 | worker)", data).fit(reml=True)
    dof = None if test == "wald" else test
    pairs = [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, -1.0]]  # the third depends on two
    response = simulate(result, 1, seed=6, beta=[50.0, 0.5, -0.5])[:, 0]
    fit = smf.mixedlm2("y ~ machine + (1 | worker)", data.assign(y=response)).fit(reml=True)
    options = {"beta": [50.0, 0.5, -0.5], "test": test, "seed": 6}
    terms = power(result, 1, hypotheses="terms", **options)
    assert list(terms.pvalues.columns) == ["machine"]
    assert_allclose(terms.pvalues.iloc[0], anova(fit, dof=dof)["PR(>F)"], rtol=1e-3)
    named = power(result, 1, hypotheses={"all": pairs, "last": pairs[2]}, **options)
    want = [f_test(fit, rows, dof=dof).pvalue for rows in (pairs, pairs[2])]
    assert_allclose(named.pvalues.iloc[0], want, rtol=1e-3)


@pytest.mark.parametrize("test", ["wald", "lrt"])
def test_generalized_models_are_tested(test):
    result = herds()
    name = result.params.index[2]
    truth = {"beta": {name: 0.2}, "test": test, "seed": 3}
    found = power(result, 3, **truth)
    responses = simulate(result, 3, seed=3, beta={name: 0.2})
    options = {"family": sm.families.Binomial(), "weights": "hsz"}
    for r in range(3):
        data = datasets.load("cbpp").assign(
            drawn=responses[:, r], **pd.get_dummies(datasets.load("cbpp")["period"], prefix="p")
        )
        kept = [f"p_{i}" for i in data["period"].unique()[1:]]
        data[kept] = data[kept].astype(float)
        fit = smf.mixedglm2(f"drawn ~ {' + '.join(kept)} + (1 | herd)", data, **options).fit()
        if test == "wald":
            se = np.sqrt(np.diag(fit.estimates.cov_conditional))
            want = [math.erfc(z / math.sqrt(2.0)) for z in np.abs(fit.estimates.beta) / se]
        else:
            fewer = [" + ".join(one for one in kept if one != left) for left in kept]
            formulas = [f"drawn ~ 0 + {' + '.join(kept)}", *(f"drawn ~ {one}" for one in fewer)]
            want = [
                fit.compare_lr_test(
                    smf.mixedglm2(f"{formula} + (1 | herd)", data, **options).fit()
                ).pvalue
                for formula in formulas
            ]
        assert_allclose(found.pvalues.loc[r], want, rtol=5e-3)


@pytest.mark.parametrize("hypotheses", ["coefficients", "terms"])
def test_a_fit_without_standard_errors_has_hypotheses(hypotheses):
    """Dependent ones are found in units that such a fit does not have."""
    data = datasets.load("sleepstudy")
    result = smf.mixedlm2("reaction ~ days + (1 | subj)", data).fit()
    unknown = copy.copy(result._results)
    unknown.estimates = replace(
        result.estimates, cov_unscaled=np.full_like(result.estimates.cov_unscaled, np.nan)
    )
    found = unknown.power(20, hypotheses=hypotheses, seed=1).table()
    wanted = result.power(20, hypotheses=hypotheses, seed=1).table()
    pd.testing.assert_frame_equal(found, wanted)


def test_dropped_columns_are_not_tested():
    data = sleepstudy().assign(twice=2.0 * sleepstudy()["days"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)
        result = smf.mixedlm2("reaction ~ days + twice + (1 + days | subj)", data).fit()
    for test in ("wald", "satterthwaite", "lrt"):
        found = power(result, 3, beta={"days": 5.0}, test=test, seed=4)
        want = power(sleep(), 3, beta={"days": 5.0}, test=test, seed=4)
        assert_allclose(found.pvalues["days"], want.pvalues["days"], rtol=1e-3)
        assert list(found.pvalues.columns) == ["Intercept", "days"]


# Rates of rejection are those of theory.


def rate_between(t: float, effect: float, theta: float) -> float:
    """Chance that |t| exceeds a bound for means of groups, of which half are treated."""
    variance = theta**2 + 1.0 / ROWS
    noncentrality = effect / math.sqrt(variance * 4.0 / GROUPS)
    df = GROUPS - 2
    return float(nct.sf(t, df, noncentrality) + nct.cdf(-t, df, noncentrality))


# In a balanced layout the tests are functions of Student's t of the means of the groups: of
# its square LR = m log(1 + t^2 / (m - 2)), and maximum likelihood divides by m, not m - 2.
BOUNDS = {
    ("wald", False): 1.959964 * math.sqrt((GROUPS - 2) / GROUPS),
    ("wald", True): 1.959964,
    ("satterthwaite", True): 2.306004,
    ("kenward-roger", True): 2.306004,
    ("lrt", False): math.sqrt((GROUPS - 2) * math.expm1(3.841459 / GROUPS)),
}


@pytest.mark.parametrize(("test", "reml"), BOUNDS, ids=str)
@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_rates_are_those_of_a_balanced_layout(test, reml, effect):
    n = 300 if test == "kenward-roger" else 1000
    truth = {"beta": {"treated": effect, "x": 0.0}, "theta": [1.0], "sigma": 1.0}
    only = {"treated": [0.0, 1.0, 0.0]}
    found = power(layout(reml), n, test=test, hypotheses=only, seed=31, **truth)
    chance = rate_between(BOUNDS[test, reml], effect, 1.0)
    row = found.table(level=0.9999).loc["treated"]
    assert row["lower"] < chance < row["upper"]
    assert row["replicates"] == n


def test_rates_of_an_effect_within_groups():
    found = power(
        layout(True), 1000, beta={"x": 0.3}, theta=[1.0], sigma=1.0, test="satterthwaite", seed=5
    )
    df = GROUPS * ROWS - GROUPS - 1
    noncentrality = 0.3 * math.sqrt(GROUPS * ROWS)
    t = 1.994945  # 69 degrees of freedom
    chance = nct.sf(t, df, noncentrality) + nct.cdf(-t, df, noncentrality)
    row = found.table(level=0.9999).loc["x"]
    assert row["lower"] < chance < row["upper"]


# The table.


def test_intervals_are_exact():
    found = power(layout(True), 200, beta={"treated": 1.5, "x": 5.0}, seed=1, sigma=1.0)
    table = found.table()
    assert list(table.columns) == ["power", "se", "lower", "upper", "replicates"]
    for name, row in table.iterrows():
        hits = int((found.pvalues[name] <= 0.05).sum())
        assert row["power"] == hits / 200
        assert row["se"] == pytest.approx(math.sqrt(row["power"] * (1 - row["power"]) / 200))
        interval = binomtest(hits, 200).proportion_ci(0.95, "exact")
        assert_allclose(row[["lower", "upper"]].astype(float), interval, rtol=1e-9)
    assert table.loc["x", "power"] == table.loc["x", "upper"] == 1.0
    assert (found.table(alpha=0.01)["power"] <= table["power"]).all()
    assert (found.table(level=0.99)["lower"] <= table["lower"]).all()
    assert repr(found).startswith("Power of wald tests at level 0.05, 200 replicates\n")


def test_replicates_that_fail_are_not_counted(monkeypatch):
    original = linear_refits.LinearRefits._fits

    def fits(self: Any, raw: Any) -> Any:
        out = original(self, raw)
        for part in out[:-1]:
            part[::2] = np.nan
        return out

    monkeypatch.setattr(linear_refits.LinearRefits, "_fits", fits)
    for test in ("wald", "satterthwaite", "lrt"):
        found = power(sleep(), 20, test=test, seed=1)
        assert (found.table()["replicates"] == 10).all()


# Streams and interruptions.


@pytest.mark.parametrize("test", ["wald", "satterthwaite", "lrt"])
def test_threads_do_not_matter(test):
    runs = [power(sleep(), 70, test=test, seed=5, threads=threads) for threads in (1, 3)]
    assert_array_equal(runs[0].pvalues, runs[1].pvalues)
    assert_array_equal(runs[0].pvalues.index, np.arange(70))
    fewer = power(sleep(), 33, test=test, seed=runs[0].seed)
    assert_array_equal(fewer.pvalues, runs[0].pvalues[:33])


def test_ctrl_c_returns_what_is_done(monkeypatch):
    whole = power(sleep(), 300, seed=9)
    original, count = replicate_tests._wald_pvalues, 0

    def interrupted(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 3:
            _thread.interrupt_main()
        return original(*arguments)

    monkeypatch.setattr(replicate_tests, "_wald_pvalues", interrupted)
    some = power(sleep(), 300, seed=9, threads=1)
    assert 32 <= len(some.pvalues) <= 300
    assert some.requested == 300
    assert_array_equal(some.pvalues, whole.pvalues.loc[some.pvalues.index])


# Parameters by name.


def test_parameters_are_given_by_name():
    result = sleep()
    beta, theta = np.array(result.params), np.array(result.theta)
    beta[1], theta[2] = 5.0, 0.1
    want = simulate(result, 2, seed=1, beta=beta, theta=theta)
    names = {"beta": {"days": 5.0}, "theta": {"subj.days": 0.1}}
    assert_array_equal(simulate(result, 2, seed=1, **names), want)
    shuffled = pd.Series({"days": 5.0, "Intercept": beta[0]})
    assert_array_equal(simulate(result, 2, seed=1, beta=shuffled, theta=theta), want)
    boot = bootstrap(result, 2, seed=1, **names)
    assert_array_equal(boot.values, bootstrap(result, 2, seed=1, beta=beta, theta=theta).values)
    with pytest.raises(OptionError, match="beta= names 'Days'; the model has estimates of 'Inter"):
        simulate(result, 1, beta={"Days": 1.0})
    with pytest.raises(OptionError, match="theta= names 'days'; the model has estimates of 'subj"):
        bootstrap(result, 1, theta={"days": 1.0})


# What is refused.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0 is not possible; give a number of replicates"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
        ({"test": "score"}, "test= is one of 'wald', 'hessian', 'satterthwaite'"),
        ({"test": "kenward-roger"}, "is for fits by REML: refit with reml=True"),
        ({"dispersion": 2.0}, "dispersion= is for generalized models"),
        ({"hypotheses": "effects"}, 'hypotheses= is "coefficients", "terms" or contrasts'),
        ({"hypotheses": {}}, "there is nothing to test"),
        ({"hypotheses": {"a": [1.0]}}, r"hypotheses\['a'\] must hold finite numbers"),
        ({"hypotheses": {"a": [0.0, 0.0]}}, "not all zero"),
        ({"threads": 0}, "threads=0 is not possible"),
    ],
    ids=str,
)
def test_impossible_options_are_refused(arguments, message):
    with pytest.raises(OptionError, match=message):
        power(sleep(), **{"n": 10, **arguments})


def test_tests_that_do_not_apply_are_refused():
    with pytest.raises(OptionError, match="test='lrt' is for maximum likelihood"):
        power(sleep(True), 10, test="lrt")
    with pytest.raises(OptionError, match="test='satterthwaite' is for linear models"):
        power(herds(), 10, test="satterthwaite")
    with pytest.raises(OptionError, match="a fitted mixed model is needed"):
        power(sm.OLS([1.0, 2.0, 4.0], [1.0, 1.0, 1.0]).fit(), 10)
    with pytest.raises(OptionError, match="the model has no coefficients"):
        power(smf.mixedlm2("reaction ~ 0 + (1 | subj)", sleepstudy()).fit(), 10)
    result = smf.mixedlm2(SLEEP, sleepstudy()).fit()
    result.remove_data()
    with pytest.raises(DataError, match="the data of this result were removed"):
        power(result, 10)


@pytest.mark.parametrize("test", ["satterthwaite", "kenward-roger"])
def test_the_tests_of_the_fit_are_the_default(test):
    result = sleep(True).with_inference(dof=test)
    ours, named = power(result, 3, seed=2), power(sleep(True), 3, test=test, seed=2)
    assert ours.test == test
    assert_allclose(ours.pvalues, named.pvalues, rtol=1e-12)
    assert power(sleep(), 1, seed=2).test == "wald"


@pytest.mark.parametrize(
    "options",
    [{"dof": "residual"}, {"cov_type": "cluster", "cov_kwds": {"groups": "subj"}}],
)
def test_tests_that_are_not_simulated_are_refused(options):
    result = sleep(True).with_inference(**options)
    with pytest.raises(OptionError, match="are not simulated: choose others by test="):
        power(result, 3)
    assert_allclose(
        power(result, 2, test="wald", seed=1).pvalues, power(sleep(True), 2, seed=1).pvalues
    )


def test_errors_from_the_hessian_are_those_of_fits_to_the_responses():
    rng = np.random.default_rng(4)
    group = np.repeat(np.arange(12), 8)
    data = pd.DataFrame({"g": group, "x": rng.normal(size=96)})
    p = 1 / (1 + np.exp(-0.3 * data["x"] - 1.2 * rng.normal(size=12)[group]))
    data["share"] = rng.beta(5 * p, 5 * (1 - p))
    fit = smf.mixedglm2("share ~ x + (1 | g)", data, family="beta").fit()
    found = power(fit, 3, seed=5)
    assert found.test == "hessian"
    for r, y in enumerate(simulate(fit, 3, seed=5).T):
        again = smf.mixedglm2("share ~ x + (1 | g)", data.assign(share=y), family="beta").fit()
        assert again.cov_type == "hessian"
        assert_allclose(found.pvalues.iloc[r], again.pvalues, rtol=1e-4)
    with pytest.raises(OptionError, match="test='hessian' is for generalized models"):
        power(sleep(), 3, test="hessian")
