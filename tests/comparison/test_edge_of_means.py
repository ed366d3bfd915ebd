"""Comparisons with models whose likelihood rises up to the edge of the range of means."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from fuzz.generalized_models import draw
from scipy.optimize import minimize

from statsmodels_mixed.comparison.difference_of_minima import difference_of_minima


def test_a_model_without_random_effects_that_ends_at_the_edge():
    # A binomial with the identity link. Scoring leaves the range of means, and so do the
    # coefficients of the mixed model alone: llf was NaN, with a p-value of 1.
    case = draw(630128)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = case.fit()
        table = fit.ranova()
    X, y = fit.model.design.X, fit.model.design.y

    def deviance(beta):
        mu = X @ beta
        inside = np.all((mu > 0) & (mu < 1))
        return -2 * np.sum(y * np.log(mu) + (1 - y) * np.log1p(-mu)) if inside else np.inf

    end = np.r_[0.5, np.zeros(X.shape[1] - 1)]
    for _ in range(30):
        run = minimize(deviance, end, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-9})
        end = run.x
    assert -2.0 * table["llf"].iloc[1] == pytest.approx(run.fun, abs=1e-5)
    assert 0.0 < table["pvalue"].iloc[1] < 1.0


def test_no_minimum_is_no_difference_of_zero():
    assert np.isnan(difference_of_minima(np.nan, 12.0))
    assert difference_of_minima(12.0 + 1e-12, 12.0) == 0.0
