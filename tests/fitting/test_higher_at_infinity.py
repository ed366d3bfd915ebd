"""Coefficients whose way to their estimate leads through infinity: the fit has not converged."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.generalized_models import draw
from scipy.stats import norm

from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.ends_of_means import is_higher_at_infinity
from statsmodels_mixed.fitting.separation import SolvedRows

Y = np.array([-0.1, -0.2, 1.0, 1.1])
X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize(("first", "higher"), [(2000.0, True), (-1 / 0.15, False)])
def test_means_of_the_inverse_link_change_their_sign_at_infinity(first, higher):
    """The best mean of the first rows is -.15: from 1 / 2000 the way to it goes through 0."""
    eta = X @ [first, 1 / 1.05]
    at_zero, here = (norm.logpdf(Y[:2], mean).sum() for mean in (0.0, 1.0 / first))
    assert (at_zero > here) == higher
    spec = FamilySpec("gaussian", "power", -1.0)
    errors = np.array([first**2, 0.0])
    assert is_higher_at_infinity(SolvedRows(eta, None, 1.0), X, Y, spec, errors) == higher


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_a_fit_that_ended_before_infinity_has_not_converged():
    """A coefficient of 2368 with an error of 1e6; that of infinity is 1.5e-4 lower in deviance."""
    fit = draw(633514).fit()
    assert not fit.converged
    assert "infinite coefficient" in fit.report.message
