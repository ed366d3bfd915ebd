"""The page "Model constructors" of MixedModels.jl v4.31: what its extractor functions return.

Also the summaries of data and the formulas it shows. Numbers are compared to the digits
printed, which are kept as text in tests/reference/model_constructors.json.
"""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference.model_constructors import PAGE, UNCONVERGED, VALUES, assert_printed, fit, patsy_name

from statsmodels_mixed import RankWarning, datasets, parse, term


def test_model_fit_statistics():
    result = fit("fm1")
    for name, value in {
        "loglikelihood": result.llf,
        "aic": result.aic,
        "bic": result.bic,
        "objective": result.objective,
        "deviance": result.deviance,
    }.items():
        # The page's objective is 8e-12 above the optimum.
        assert_allclose(value, float(VALUES[f"{name}(fm1)"]), rtol=5e-14)
    assert result.dof == int(VALUES["dof(fm1)"])
    assert result.nobs == int(VALUES["nobs(fm1)"])


def test_coefficients_and_their_names():
    result = fit("fm1")
    assert result.coefnames == [patsy_name(name) for name in VALUES["coefnames(fm1)"]]
    assert result.fixefnames == [patsy_name(name) for name in VALUES["fixefnames(fm1)"]]
    for coefficients in (result.coef, result.fixef, result.params):
        assert_allclose(coefficients, [float(text) for text in VALUES["fm1.beta"]], rtol=2e-15)


def test_rank_deficient_coefficients():
    data = datasets.load("sleepstudy").assign(hours=lambda frame: 24.0 * frame["days"])
    model = smf.mixedlm2("reaction ~ 1 + days + hours + (1 + days | subj)", data)
    with pytest.warns(RankWarning, match="hours"):
        result = model.fit()
    assert result.coefnames == ["Intercept", "days", "hours"]
    assert len(result.coef) == len(result.stderror) == 3
    # One of days and hours is left out: which does not matter to fitted values.
    assert len(result.fixef) == len(result.fixefnames) == result.dims.p == 2
    assert result.coef.isna().sum() == result.stderror.isna().sum() == 1
    assert list(result.coef.dropna().index) == result.fixefnames
    assert result.vcov.shape == (3, 3)
    assert result.cov_params().shape == (2, 2)
    assert_allclose(result.objective, fit("fm2").objective, rtol=1e-12)
    assert_allclose(result.fittedvalues, fit("fm2").fittedvalues, rtol=1e-6)


def test_covariance_and_standard_errors():
    result = fit("fm2")
    error = UNCONVERGED["fm2"]
    # An error in a covariance is relative to the standard errors, not to the covariance.
    unit = np.outer(result.stderror, result.stderror)
    for ours in (result.vcov, result.cov_params()):
        for index, printed in np.ndenumerate(np.array(VALUES["vcov(fm2)"])):
            value = np.asarray(ours)[index]
            assert_printed(value, printed, error * unit[index] / abs(value))
    for ours in (result.stderror, result.bse):
        for value, printed in zip(ours, VALUES["stderror(fm2)"], strict=True):
            assert_printed(value, printed, error)


def test_residual_variance():
    result = fit("fm2")
    # Of the page's digits 654.94 is exact.
    assert_printed(result.scale, VALUES["varest(fm2)"], 1e-6)
    assert_printed(result.sigma, VALUES["sdest(fm2)"], 5e-7)


def test_conditional_modes():
    result = fit("fm1")
    modes = result.ranef()["batch"]["Intercept"]
    assert list(modes.index) == list("ABCDEF")
    for level, printed in VALUES["ranef(fm1)"].items():
        # theta of the page is right to 1e-7, and so are its modes.
        assert_printed(modes[level], printed, 1e-7)
    for level, printed in VALUES["raneftables(fm1)"].items():
        assert_printed(modes[level], printed)
    spherical = result.ranef(uscale=True)["batch"]["Intercept"]
    assert_allclose(spherical * result.theta[0], modes, rtol=1e-12)


def test_conditional_variances():
    variances = fit("fm1").condvar()["batch"]
    assert variances.shape == (6, 1, 1)
    assert_allclose(variances, float(VALUES["condVar(fm1)"]), rtol=1e-7)


def test_leverages():
    leverage = fit("fm1").leverage()
    assert leverage.shape == (30,)
    assert_allclose(leverage, float(VALUES["leverage(fm1)"]), rtol=1e-7)


@pytest.mark.parametrize("name", ["fm1", "fm2", "singular", "fm4", "fm4r"])
def test_sum_of_leverages(name):
    error = max(UNCONVERGED.get(name, 0.0), 1e-14)
    total = np.sum(fit(name).leverage())
    assert_allclose(total, float(VALUES[f"sum(leverage({name}))"]), rtol=error)


@pytest.mark.parametrize("name", ["fm1", "fm2"])
def test_dimensions(name):
    n, p, q, k = fit(name).dims
    assert [n, p, q, k] == VALUES[f"size({name})"]
    assert p <= np.sum(fit(name).leverage()) <= p + q


def test_singular_fit_has_the_fewest_effective_parameters():
    result = fit("singular")
    assert result.theta[0] == 0
    assert result.issingular()


# Data and formulas.


@pytest.mark.parametrize("column", PAGE["describe"])
def test_data(column):
    name, column_name = column.split(".")
    values = datasets.load(name)[column_name]
    for statistic, printed in PAGE["describe"][column].items():
        if statistic == "nmissing":
            assert values.isna().sum() == printed
        elif values.dtype == "category":
            assert values.astype(str).agg(statistic) == printed
        else:
            assert_printed(values.agg(statistic), printed)


def test_dyestuff_has_the_columns_of_the_page():
    data = datasets.load("dyestuff")
    assert data.shape == (30, 2)
    assert list(data.columns) == ["batch", "yield"]


def test_programmatic_formulas_equal_typed_ones():
    y, a, b, g = (term(name) for name in "yabg")
    assert y.follows(term(1) + a + b + (a & b) + (term(1) | g)) == parse(
        "y ~ 1 + a + b + a & b + (1 | g)"
    )
    terms = sum(term(name) for name in [1, "a", "b"])
    formula = y.follows(terms + (terms | g))
    assert formula == parse("y ~ 1 + a + b + (1 + a + b | g)")
    assert str(formula) == "y ~ 1 + a + b + (1 + a + b | g)"
