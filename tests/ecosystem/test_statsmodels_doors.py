"""What users of statsmodels call on a result: it works, or says where the answer is."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from statsmodels.imputation import mice

from statsmodels_mixed import (
    GeneralizedLinearMixedModel,
    LinearMixedModel,
    OptionError,
    datasets,
)


@pytest.fixture(scope="module")
def sleep():
    return smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


def test_information_criteria_by_name(sleep):
    # Of MixedModels.jl's page on the constructors, for this model.
    assert_allclose(sleep.info_criteria("aic"), 1763.9393, atol=1e-4)
    assert_allclose(sleep.info_criteria("BIC"), 1783.0971, atol=1e-4)
    assert_allclose(sleep.info_criteria("aicc"), 1764.4249, atol=1e-4)
    with pytest.raises(OptionError, match="choose from aic, aicc, bic, hqic"):
        sleep.info_criteria("dic")


def test_summary2(sleep):
    tables = sleep.summary2(alpha=0.1).tables
    assert_allclose(tables[1]["Coef."], sleep.params)
    assert_allclose(tables[1].iloc[:, 4:], sleep.conf_int(0.1))
    assert_allclose(tables[2]["Std.Dev."], [23.78058, 5.71683, 25.59182], atol=1e-4)
    text = sleep.with_inference(dof="residual").summary2(title="Sleep", yname="ms").as_text()
    assert "Sleep" in text and "P>|t|" in text and "ms" in text
    assert "\\begin{tabular}" in sleep.summary2().as_latex()


def test_summary2_of_a_fit_with_facts():
    data = datasets.load("cbpp").assign(twice=lambda d: (d.period == "2") * 2.0)
    model = smf.mixedglm2(
        "incid / hsz ~ period + twice + (1 | herd)", data, "binomial", weights="hsz"
    )
    with pytest.warns(match="rank deficient"):
        fit = model.fit()
    document = fit.summary2()
    assert len(document.tables[1]) == len(fit.params) == 4
    assert "linearly dependent" in document.as_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("get_margeff", "avg_slopes"),
        ("rsquared", r"r2\(\)"),
        ("fit_regularized", "shrinks those of groups"),
        ("get_robustcov_results", "with_inference"),
        ("compare_f_test", "compare_lr_test"),
        ("vcomp", "varcorr"),
        ("fe_params", "params"),
        ("no_such_thing", "has no attribute 'no_such_thing'"),
    ],
)
def test_what_a_result_does_not_have_is_answered(sleep, name, message):
    assert not hasattr(sleep, name)
    with pytest.raises(AttributeError, match=message):
        getattr(sleep, name)


def test_what_a_model_does_not_have_is_answered(sleep):
    with pytest.raises(AttributeError, match="shrinks those of groups"):
        sleep.model.fit_regularized(alpha=0.1)
    with pytest.raises(AttributeError, match="t_test and f_test"):
        sleep.model.fit_constrained("days = 0")


# Multiple imputation.


@pytest.fixture
def incomplete():
    rng = np.random.default_rng(8)
    n = 200
    data = pd.DataFrame({"g": np.arange(n) % 20, "x": rng.normal(size=n)})
    data["z"] = data.x + rng.normal(size=n)
    data["y"] = data.x + rng.normal(size=20)[data.g] + rng.normal(size=n)
    data["b"] = (data.y > 0).astype(float)
    data.loc[rng.choice(n, 30, replace=False), "x"] = np.nan
    return data


@pytest.mark.filterwarnings("ignore")
def test_multiple_imputation_by_statsmodels(incomplete):
    np.random.seed(1)
    imputed = mice.MICEData(incomplete.drop(columns="b"))
    analysis = mice.MICE("y ~ x + (1 | g)", LinearMixedModel, imputed)
    pooled = analysis.fit(n_burnin=2, n_imputations=4)
    fits = analysis.results_list
    assert_allclose(pooled.params, np.mean([fit.params for fit in fits], axis=0))
    # Rubin's rules.
    within = np.mean([fit.cov_params() for fit in fits], axis=0)
    between = np.cov(np.array([fit.params for fit in fits]).T)
    assert_allclose(pooled.cov_params(), within + 1.25 * between)
    assert "y" in str(pooled.summary())


@pytest.mark.filterwarnings("ignore")
def test_multiple_imputation_of_a_generalized_model(incomplete):
    np.random.seed(1)
    imputed = mice.MICEData(incomplete.drop(columns="y"))
    options = {"family": "binomial", "groups": "g"}
    analysis = mice.MICE("b ~ x", GeneralizedLinearMixedModel, imputed, init_kwds=options)
    pooled = analysis.fit(n_burnin=1, n_imputations=3)
    assert pooled.params.shape == (2,) and (pooled.frac_miss_info < 1).all()


def test_coefficients_to_start_from_are_checked(sleep):
    fit = sleep.model.fit(start_params=sleep.params)
    assert_allclose(fit.llf, sleep.llf)
    with pytest.raises(OptionError, match="start_params= has one finite number"):
        sleep.model.fit(start_params=[1.0, 2.0, 3.0])


def test_a_generalized_fit_starts_from_given_coefficients():
    contra = datasets.load("contra")
    model = smf.mixedglm2("use ~ urban + (1 | dist)", contra, "binomial")
    first, given = model.fit(), [-0.5, 0.5]
    fit = model.fit(start_params=given)
    assert_allclose(fit.report.start[1:], given, rtol=1e-12)
    assert_allclose(fit.objective, first.objective, rtol=1e-9)
    with pytest.raises(OptionError, match="2 coefficients, one for each estimable column, not 1"):
        model.fit(start_params=[1.0])
