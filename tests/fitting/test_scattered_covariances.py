"""Optima of linear models that only starts with correlated effects reach."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from fuzz.dense import criterion_of
from fuzz.linear_models import draw
from fuzz.relations import check
from scipy.optimize import minimize

from statsmodels_mixed.fitting.search import scattered_covariances


def refitted(case, fitted, theta):
    """Least value of the dense criterion, by scipy from a theta in other signs and sizes."""
    criterion = criterion_of(fitted.model.design, fitted.estimates.columns, **case.how)
    scale = np.abs(theta).max()

    def scaled(t):
        value, gradient = criterion(t * scale)
        return value, gradient * scale

    return minimize(scaled, theta / scale, jac=True, method="L-BFGS-B").fun


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (60995, [-0.066, 0.161, 0.049, -0.013, 0.047, -0.07, 0.0, 0.13, 0.056, 0.001]),
        (50589, [25.9, -6.7, 0.01]),
        (81515, [2.52, -0.477, 0.01, -0.665]),
        (82085, [4.42, -2.75, 0.01, 5.11]),
    ],
)
def test_no_optimum_with_other_correlations_is_lower(seed, start):
    """Fits from independent effects only are .53, 1.3, .87 and 2.5 above."""
    case = draw(seed)
    fitted = case.fit()
    assert fitted.converged
    assert fitted.objective < refitted(case, fitted, np.array(start)) + 1e-6
    assert fitted.report.other_optima


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (200231, [5.01, 3.0, 0.01, 2.56]),
        (201626, [2.07, 0.26, 1.26, 0.58, -0.33, 0.01]),
    ],
)
def test_no_optimum_of_lower_rank_is_lower(seed, start):
    """Without starts of lower rank fits with weights 10 orders apart are .31 and .76 above."""
    case = draw(seed)
    fitted = case.fit()
    assert fitted.converged
    assert fitted.objective < refitted(case, fitted, np.array(start)) + 1e-6


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (2004180, [0.0319, -0.00076, 0.0001]),
        (2002333, [1.67, -0.90, 0.029, 0.28, 0.27, 0.01]),
    ],
)
def test_no_optimum_among_a_dozen_is_lower(seed, start):
    """Weights 12 orders apart: 44 runs missed optima that are .69 and 5.4 lower.

    One in ten runs of rank one ends there, and none of those from usual starts.
    """
    case = draw(seed)
    fitted = case.fit()
    assert fitted.converged
    assert fitted.objective < refitted(case, fitted, np.array(start)) + 1e-6


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
@pytest.mark.parametrize(
    ("seed", "start"),
    [
        (5337, [0.001, 0.61]),
        (10480, [9.8, 1.7, -8.0, -11.7, 8.8, 3.0, -12.4, 0.01, 0.01, 0.01]),
    ],
)
def test_no_optimum_without_a_term_or_with_another_sign_is_lower(seed, start):
    """Fits were 5e-4 and .095 above: one between the sizes tried, one of another correlation."""
    case = draw(seed)
    fitted = case.fit()
    assert fitted.converged
    assert fitted.objective < refitted(case, fitted, np.array(start)) + 1e-6


@pytest.mark.parametrize("seed", [41130, 81010, 81983])
def test_a_lower_objective_with_vanishing_residuals_is_said(seed):
    """Runs from other starts fall by 5.9, 4.5 and 3.1 more, as sigma vanishes."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fitted = draw(seed).fit()
    assert not fitted.converged
    assert any("From another start the objective falls" in str(w.message) for w in said)
    assert fitted.estimates.sigma > 0.1


@pytest.mark.filterwarnings("ignore:a covariance matrix")
@pytest.mark.parametrize(
    ("seed", "start"), [(1100001, [390.0, 730.0, 0.01, 460.0]), (1514271, [6.5, -62.0, 0.01])]
)
def test_no_optimum_of_variances_that_few_rows_decide_is_lower(seed, start):
    """With weights 11 orders apart fits are 6.6 above, or 6.1 with x in other units."""
    case = draw(seed)
    fitted = case.fit()
    assert fitted.converged
    assert fitted.objective < refitted(case, fitted, np.array(start)) + 1e-6
    assert not check(seed).failures


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_terms_in_another_order_have_the_same_starts():
    """With (x2 || h) before (x | g) the fit was .18 above."""
    case = draw(12539)
    fitted = case.fit()
    assert fitted.objective < refitted(case, fitted, 1.1 * fitted.estimates.theta) + 1e-6
    assert fitted.report.other_optima
    assert not check(12539).failures


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_terms_of_one_kind_are_drawn_in_one_order(monkeypatch):
    case, taken = draw(12539), []
    monkeypatch.setattr(scattered_covariances, "_take_all", lambda _, __, t, *more: taken.append(t))
    for random in ("(x | g) + (x | h)", "(x | h) + (x | g)"):
        replace(case, formula=f"y ~ 1 + {random}").fit()
    one, two = (np.array(each) for each in taken)
    assert len(one) > 20
    np.testing.assert_allclose(two[:, [3, 4, 5, 0, 1, 2]], one, rtol=1e-9)
