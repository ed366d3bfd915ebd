"""Methods that all results have take the same options, and mean the same by them."""

import inspect

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from scipy import stats

import statsmodels_mixed
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.models.distributional.results import DistributionalResults
from statsmodels_mixed.models.generalized.results import GeneralizedLinearMixedModelResults

SAME = ("cov_params", "t_test", "wald_test", "f_test", "summary", "coeftable", "tidy", "glance")


@pytest.fixture(scope="module")
def fit():
    ticks = statsmodels_mixed.datasets.load("grouseticks")
    return smf.mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1").fit()


@pytest.mark.parametrize("name", SAME)
def test_options_are_those_of_other_results(name):
    own = inspect.signature(getattr(DistributionalResults, name)).parameters
    others = inspect.signature(getattr(GeneralizedLinearMixedModelResults, name)).parameters
    ours = list(own.values())[1:]
    theirs = list(others.values())[1:]
    assert [each.name for each in ours] == [each.name for each in theirs]
    assert [(e.kind, e.default) for e in ours] == [(e.kind, e.default) for e in theirs]


def test_covariances_of_combinations(fit):
    V = fit.cov_params().to_numpy()
    rows, other = np.array([[0.0, 1, -1, 0], [1, 0, 0, 1]]), np.array([[0.0, 0, 1, 0]])
    np.testing.assert_allclose(fit.cov_params(rows), rows @ V @ rows.T, rtol=1e-12)
    np.testing.assert_allclose(fit.cov_params(rows, other=other), rows @ V @ other.T, rtol=1e-12)
    np.testing.assert_allclose(fit.cov_params(scale=2.0), 2 * V, rtol=1e-12)
    np.testing.assert_allclose(fit.cov_params(rows, cov_p=np.eye(4)), rows @ rows.T, rtol=1e-12)
    assert fit.cov_params(column="zi: Intercept") == V[3, 3]
    part = fit.cov_params(column=["Intercept", 3])
    assert part.index.tolist() == part.columns.tolist() == ["Intercept", "zi: Intercept"]
    np.testing.assert_allclose(part, V[np.ix_([0, 3], [0, 3])])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "x"}, "column= is 'x'"),
        ({"column": 0, "r_matrix": np.eye(4)}, "column= goes with no other option"),
        ({"other": np.eye(4)}, "give that as well"),
        ({"r_matrix": np.eye(3)}, "rows of 4 numbers"),
        ({"cov_p": np.eye(3)}, r"shape \(4, 4\)"),
    ],
)
def test_options_of_cov_params_that_cannot_be(fit, options, message):
    with pytest.raises(OptionError, match=message):
        fit.cov_params(**options)


def test_tests_by_student_and_fisher(fit):
    rows = np.array([[0.0, 1, 0, 0], [0, 0, 1, 0]])
    V = fit.cov_params().to_numpy()[1:3, 1:3]
    b = fit.params.to_numpy()[1:3]
    wald, df = b @ np.linalg.solve(V, b), fit.df_resid

    student = fit.t_test(rows, use_t=True)
    expected = 2 * stats.t.sf(np.abs(b / np.sqrt(np.diag(V))), df)
    np.testing.assert_allclose(student.pvalue, expected, rtol=1e-10)
    np.testing.assert_allclose(fit.t_test(rows, np.eye(4)).sd, 1.0)

    assert fit.wald_test(rows).statistic == pytest.approx(wald, rel=1e-10)
    assert fit.wald_test(rows, invcov=np.linalg.inv(V)).statistic == pytest.approx(wald, rel=1e-9)
    assert fit.wald_test(rows, np.eye(4)).statistic == pytest.approx(b @ b, rel=1e-12)
    assert np.shape(fit.wald_test(rows, scalar=False).statistic) == (1, 1)
    f = fit.f_test(rows)
    assert float(f.fvalue) == pytest.approx(wald / 2, rel=1e-10)
    assert float(f.pvalue) == pytest.approx(stats.f.sf(wald / 2, 2, df), rel=1e-8)
    assert fit.wald_test(rows, use_f=True, df_constraints=1).statistic == pytest.approx(wald)


def test_coefficients_as_a_table(fit):
    table = fit.coeftable(0.9)
    assert table.columns.tolist()[-2:] == ["Lower 90%", "Upper 90%"]
    np.testing.assert_array_equal(table.iloc[:, -2:], fit.conf_int(0.1))
    with pytest.raises(OptionError, match="between 0 and 1"):
        fit.coeftable(95)


def test_names_of_a_summary(fit):
    text = str(fit.summary("parasites", ["one", "two", "three"], "Ticks"))
    assert text.splitlines()[0].strip() == "Ticks"
    assert "parasites" in text
    assert "two" in text
    with pytest.raises(OptionError, match="xname= has 1 names for 3"):
        fit.summary(xname=["one"])


def test_kinds_of_rows_and_of_intervals(fit):
    assert set(fit.tidy("fixed")["effect"]) == {"fixed"}
    modes = fit.tidy(["ran_pars", "ran_vals"])
    assert len(modes) == 1 + 118
    assert modes["level"].iloc[0] is np.nan or pd.isna(modes["level"].iloc[0])
    np.testing.assert_allclose(modes["estimate"][1:], fit.ranef()["brood"].to_numpy().ravel())

    profile = fit.profile()
    table = fit.tidy(conf_method=profile, level=0.9).set_index("term")
    limits = profile.conf_int(0.1)
    assert table.loc["year[T.96]", "lower"] == limits.loc[("beta", "year[T.96]"), "lower"]
    assert table.loc["sd__Intercept", "upper"] == limits.loc[("sd", "brood.Intercept"), "upper"]

    replicates = fit.bootstrap(4, seed=1)
    table = fit.tidy(conf_method=replicates).set_index("term")
    again = fit.tidy(conf_method="bootstrap", n=4, seed=1).set_index("term")
    pd.testing.assert_frame_equal(table, again)
    with pytest.raises(OptionError, match="n= is no option"):
        fit.tidy(n=4)
    with pytest.raises(OptionError, match="wald, profile or bootstrap"):
        fit.tidy(conf_method="score")


def test_modes_of_a_fit_without_random_effects_are_an_empty_table():
    pig = statsmodels_mixed.datasets.load("sleepstudy")
    fit = smf.mixedlm2("reaction ~ days", pig, residual="ar1(days | subj)").fit()
    long = fit.ranef(se=True, form="long")
    assert long.empty
    assert long.columns.tolist()[:3] == ["group", "level", "term"]
