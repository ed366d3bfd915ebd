"""Standard errors of fits in which some covariance parameters are not determined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fuzz.linear_models import draw
from fuzz.many_digits import at_many_digits
from fuzz.relations import check

from statsmodels_mixed.fitting.covariance import factors_of
from statsmodels_mixed.standard_errors.undetermined import undetermined


@pytest.mark.filterwarnings("ignore")
def test_covariances_of_lower_rank_that_run_to_infinity():
    # T of rank one and 1e9 or more: numpy said "Singular matrix".
    case = draw(624961)
    fit = case.fit()
    assert "take up all information" in fit.report.not_identified[0]
    lost = fit.bse.index != "x"
    assert np.isnan(fit.bse[lost]).all()
    exact = at_many_digits(fit.model.design, fit.estimates.columns, fit.theta, **case.how)
    assert fit.bse["x"] == pytest.approx(exact.errors[~lost].item(), rel=1e-6)
    # Runs that were not asked for digits ended here.
    design, theta = fit.model.design, np.zeros_like(fit.theta)
    theta[:4] = 2.98540477e12 * np.array([1.0, -1.0, -1.0, -1.0])
    factors = factors_of(theta, [block.pattern for block in design.blocks])
    far = undetermined(design, replace(fit.estimates, theta=theta, factors=factors))
    assert far is not None
    assert far.tests(np.eye(len(fit.params))[lost]).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shift", [0.0, 8000.0, 1e6])
def test_what_is_not_determined_does_not_depend_on_where_x_is_measured_from(shift):
    """Five rows: (x | g) and (x | h) cannot be told apart, nor from fixed effects.

    Far from zero the covariances of intercepts and slopes had no digits of these directions, and
    standard errors of 8e6 were shown.
    """
    case = draw(35493)
    data = case.data.copy()
    data["x"] = np.round(data["x"] * 2.0**20) / 2.0**20 + shift
    fit = replace(case, data=data).fit()
    assert len(fit.report.not_identified) == 2
    assert np.isnan(fit.bse).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [1e3, 1.6e6, 1.6e9])
def test_a_variance_without_an_end_hides_no_change(size):
    """The coefficient of f[d] has any variance: standard errors of 1e9 were shown for NaN."""
    fit = replace(draw(100271), formula="y ~ 0 + f + x:f + (x + f || g)").fit()
    design, theta = fit.model.design, fit.theta.copy()
    theta[[5, 11]] = size, 0.1 * size
    factors = factors_of(theta, [block.pattern for block in design.blocks])
    found = undetermined(design, replace(fit.estimates, theta=theta, factors=factors))
    assert found is not None
    lost = found.tests(np.eye(len(fit.params)))
    np.testing.assert_array_equal(lost, fit.params.index == "f[d]")


@pytest.mark.filterwarnings("ignore")
def test_large_variances_of_lower_rank_hide_no_change():
    """Other labels of the groups of 7 rows: standard errors were NaN in one form only.

    By dense algebra: along directions in which the criterion is the same, so are two of the errors.
    """
    assert check(15453).failures == []
    case = draw(15453)
    fit = case.fit()
    design, found = fit.model.design, fit.estimates.identification
    X, changes = design.X[:, fit.estimates.columns], []

    def solved(direction):
        """Minus twice the log of the restricted likelihood, and the variances of coefficients."""
        V = np.diag(fit.sigma**2 / design.weights)
        for i, block in enumerate(design.blocks):
            sigma = np.eye(2)
            for element, value in zip(found.elements, direction, strict=True):
                for place in element.places if element.block == i else ():
                    sigma[place] += value
            V = V + (block.refs[:, None] == block.refs) * (block.z @ sigma @ block.z.T)
        solve = np.linalg.inv(V)
        covariance = np.linalg.inv(X.T @ solve @ X)
        left = design.y_less_offset - X @ (covariance @ X.T @ solve @ design.y_less_offset)
        logs = np.linalg.slogdet(V)[1] - np.linalg.slogdet(covariance)[1]
        return logs + left @ solve @ left, np.diag(covariance)

    value, variances = solved(np.zeros(6))
    for direction in found.flat.T:
        there, others = solved(0.3 * direction / np.abs(direction).max())
        assert there == pytest.approx(value, abs=1e-6)
        changes.append(np.abs(others / variances - 1))
    np.testing.assert_array_equal(np.isnan(fit.bse), np.max(changes, axis=0) > 1e-5)
