"""Covariances so large that the objective depends on the last digits of theta."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fuzz.linear_models import draw
from fuzz.many_digits import at_many_digits

from statsmodels_mixed.errors import CoreError
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.search.last_digits import has_digits, if_it_has_digits
from statsmodels_mixed.fitting.search.runs import evaluated

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels_mixed.SingularFitWarning",
    "ignore::statsmodels_mixed.MixedModelWarning",
)


def where_no_digits_are_left(fit) -> np.ndarray:
    """Intercepts and differences of levels of f that cancel, of 3e12 times sigma."""
    theta = np.zeros_like(fit.theta)
    theta[:7] = [2.98540477e12, *3 * [-2.98540477e12], 6.40381742e-3, 2.51752630e-3, 7.9e-10]
    return theta


def test_the_objective_is_that_at_theta_of_sixty_digits():
    """A run went to effects of 1e12 sigma, at which .036 less was computed than the data say."""
    case = draw(624961)
    fit = case.fit()
    exact = at_many_digits(fit.model.design, fit.estimates.columns, fit.theta, **case.how)
    assert fit.converged
    assert fit.objective == pytest.approx(exact.value, abs=1e-6)
    far = where_no_digits_are_left(fit)
    there = at_many_digits(fit.model.design, fit.estimates.columns, far, **case.how)
    assert abs(fit.model.objective(far, reml=True) - there.value) > 1e-3
    assert len(fit.report.fitlog_objective) == fit.report.evaluations


def test_an_end_without_digits_has_not_converged():
    fit = draw(624961).fit()
    products = form_crossproducts(fit.model.design)
    products.set_criterion(True, None)
    workspace = products.workspace
    assert has_digits(workspace, fit.theta)
    assert if_it_has_digits(workspace, fit.report) is fit.report
    far = where_no_digits_are_left(fit)
    assert not has_digits(workspace, far)
    report = if_it_has_digits(workspace, replace(fit.report, end=far))
    assert report.hopeless
    assert "last digits" in report.message


def test_large_effects_of_one_column_have_all_digits():
    """They cancel with nothing: the criterion is that of sixty digits at 1e9 sigma too."""
    fit = draw(112746).fit()  # (1 | g)
    products = form_crossproducts(fit.model.design)
    products.set_criterion(True, None)
    assert fit.theta.shape == (1,)
    theta = 1e9 * fit.theta
    assert has_digits(products.workspace, theta)
    exact = at_many_digits(fit.model.design, fit.estimates.columns, theta, reml=True)
    value = products.workspace.value(theta) + products.constant(True)
    assert value == pytest.approx(exact.value, abs=1e-6)


def test_steps_to_where_there_are_no_derivatives_are_not_taken():
    """A last step went to 1e16 sigma: the core said that a matrix was not positive definite."""
    case = draw(3000530)
    fit = case.fit()
    exact = at_many_digits(fit.model.design, fit.estimates.columns, fit.theta, **case.how)
    assert fit.objective == pytest.approx(exact.value, abs=1e-8)


def test_an_objective_without_derivatives_has_no_digits():
    """At 1e16 sigma the core says that a matrix is not positive definite, not what it is."""
    fit = draw(3000530).fit()
    products = form_crossproducts(fit.model.design)
    products.set_criterion(True, None)
    workspace = products.workspace
    workspace.set_precision(True)
    far = np.zeros(10)
    far[:7] = [-1.59, -1.62, 3.75e16, -1.17, 10.7, 5.69e15, 7.27]
    with pytest.raises(CoreError, match="positive definite"):
        workspace.value_and_gradient(far)
    value, gradient = evaluated(workspace, far)
    assert np.isnan(value)
    assert np.isnan(gradient).all()
    assert not has_digits(workspace, far)
