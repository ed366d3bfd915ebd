"""Units of the data change units of the results and nothing else, up to the range of doubles."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from statsmodels_mixed import DataError
from statsmodels_mixed.fitting.fixed_effects.basis import orthonormal_basis

FORMULA = "y ~ x + (1 | g)"

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def data():
    r = np.random.default_rng(0)
    g = np.arange(60) % 6
    d = pd.DataFrame({"x": r.normal(size=60), "g": g, "w": 10.0 ** r.uniform(-6, 6, 60)})
    return d.assign(y=1 + d.x + r.normal(size=6)[g] + r.normal(size=60))


@pytest.fixture(scope="module")
def plain(data):
    return smf.mixedlm2(FORMULA, data).fit(reml=True, dof="satterthwaite")


@pytest.mark.parametrize("x_power", [-170, -155, -150, -30, 30, 150, 155, 170])
def test_units_of_a_covariate(data, plain, x_power):
    unit = 10.0**x_power
    fit = smf.mixedlm2(FORMULA, data.assign(x=data.x * unit)).fit(reml=True)
    scaled = np.array([1.0, unit])
    assert fit.converged and not fit.columns_dropped
    np.testing.assert_allclose(fit.params * scaled, plain.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse * scaled, plain.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.tvalues, plain.tvalues, rtol=1e-9)
    intervals = plain.params.to_numpy() + 1.959963984540054 * np.outer([-1, 1], plain.bse)
    np.testing.assert_allclose(fit.conf_int().T * scaled, intervals, rtol=1e-9)
    assert fit.sigma == pytest.approx(plain.sigma, rel=1e-9)


@pytest.mark.parametrize("y_power", [-150, -30, 30, 150])
@pytest.mark.parametrize("x_power", [-30, 0, 30])
def test_units_of_the_response(data, plain, y_power, x_power):
    unit, x_unit = 10.0**y_power, 10.0**x_power
    other = data.assign(y=data.y * unit, x=data.x * x_unit)
    fit = smf.mixedlm2(FORMULA, other).fit(reml=True)
    scaled = np.array([1.0, x_unit]) / unit
    assert fit.converged
    np.testing.assert_allclose(fit.params * scaled, plain.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse * scaled, plain.bse, rtol=1e-9)
    np.testing.assert_allclose(fit.theta, plain.theta, rtol=1e-7)
    jacobian = 2 * (len(data) - 2) * np.log(unit) + 2 * np.log(x_unit)
    assert fit.objective - jacobian == pytest.approx(plain.objective, abs=1e-7)


@pytest.mark.parametrize("power", [-150, 150])
def test_tests_in_units_of_the_response(data, plain, power):
    fit = smf.mixedlm2(FORMULA, data.assign(y=data.y * 10.0**power)).fit(
        reml=True, dof="satterthwaite"
    )
    np.testing.assert_allclose(fit.df_coef, plain.df_coef, rtol=1e-6)
    np.testing.assert_allclose(fit.pvalues, plain.pvalues, rtol=1e-6)
    got, wanted = fit.anova(), plain.anova()
    np.testing.assert_allclose(got["F"], wanted["F"], rtol=1e-9)
    np.testing.assert_allclose(got["df_denom"], wanted["df_denom"], rtol=1e-6)


@pytest.mark.parametrize("unit", [1e-250, 1e-30, 1e30, 1e250])
def test_units_of_weights(data, unit):
    """Twelve orders among the weights, in any unit."""
    plain = smf.mixedlm2(FORMULA, data, weights="w").fit()
    fit = smf.mixedlm2(FORMULA, data.assign(w=data.w * unit), weights="w").fit()
    assert plain.converged and fit.converged
    np.testing.assert_allclose(fit.params, plain.params, rtol=1e-9)
    np.testing.assert_allclose(fit.bse, plain.bse, rtol=1e-9)
    assert fit.llf == pytest.approx(plain.llf, abs=1e-7)
    assert fit.sigma == pytest.approx(plain.sigma * np.sqrt(unit), rel=1e-8)
    # Weighted least squares at the estimated covariance, by dense matrices.
    Z = (data.g.to_numpy()[:, None] == np.arange(6)).astype(float)
    V = plain.theta[0] ** 2 * Z @ Z.T + np.diag(1 / data.w)
    X = np.column_stack([np.ones(60), data.x])
    M = np.linalg.inv(X.T @ np.linalg.solve(V, X))
    np.testing.assert_allclose(plain.bse, plain.sigma * np.sqrt(np.diag(M)), rtol=1e-7)


@pytest.mark.parametrize(("unit", "what"), [(1e155, "so large"), (1e-160, "so small")])
def test_variances_of_the_response_must_be_numbers(data, unit, what):
    with pytest.raises(DataError, match=f"the response 'y' is {what}.*power of ten"):
        smf.mixedlm2(FORMULA, data.assign(y=data.y * unit)).fit()


def test_coefficients_must_be_numbers(data):
    other = data.assign(y=data.y * 1e150, x=data.x * 1e-170)
    with pytest.raises(DataError, match="the coefficient of 'x' is beyond the range"):
        smf.mixedlm2(FORMULA, other).fit()


@pytest.mark.parametrize("unit", [1e-160, 1e160])
def test_variances_of_coefficients_that_are_no_numbers(data, unit):
    """Standard errors are numbers where their squares are not; what needs these says so."""
    fit = smf.mixedlm2(FORMULA, data.assign(x=data.x * unit)).fit()
    for ask in (fit.cov_params, lambda: fit.t_test("x = 0"), lambda: fit.wald_test("x = 0")):
        with pytest.raises(DataError, match="the variance of the coefficient of 'x'"):
            ask()


def test_columns_beyond_the_range_of_squares_keep_their_rank():
    r = np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a, b = r.normal(size=(2, 30))
        X = np.column_stack([np.ones(30), 1e300 * a, 1e-300 * b, 1e-200 * a])
        basis = orthonormal_basis(X, None)
    np.testing.assert_array_equal(basis.columns, [0, 1, 2])
    lengths = np.abs(X[:, :3]).max(axis=0)
    np.testing.assert_allclose((basis.Q @ basis.R) / lengths, X[:, :3] / lengths, atol=1e-14)


@pytest.mark.parametrize("unit", [1e-160, 1e160])
def test_variances_of_random_slopes_must_be_numbers(data, unit):
    with pytest.raises(DataError, match=r"'x' is so .* random effects for 'g' is beyond"):
        smf.mixedlm2("y ~ 1 + (x || g)", data.assign(x=data.x * unit))


@pytest.mark.parametrize("unit", [1e-130, 1e130])
def test_units_of_random_slopes(data, unit):
    plain = smf.mixedlm2("y ~ 1 + (x || g)", data).fit()
    fit = smf.mixedlm2("y ~ 1 + (x || g)", data.assign(x=data.x * unit)).fit()
    assert fit.llf == pytest.approx(plain.llf, abs=1e-7)
    np.testing.assert_allclose(fit.theta * [1.0, unit], plain.theta, rtol=1e-5)
