"""Separation along columns far from zero, where it takes the intercept along."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.separation import separation

LOGIT, LOG = FamilySpec("binomial", "logit"), FamilySpec("poisson", "log")


@pytest.mark.parametrize("shift", [0.0, 10.0, 1e4, 1e7, 1e8, -1e8])
@pytest.mark.parametrize(("spec", "end", "sign"), [(LOGIT, 1.0, 1.0), (LOG, 0.0, -1.0)])
def test_a_column_far_from_zero_separates_as_beside_it(shift, spec, end, sign):
    """y is at an end where f = 1, and both ends, or more, where f = 0: z = f + shift goes alone.

    For the level of f = 0 to stay where it is, the intercept goes by -shift times as much; x is
    balanced and stays. From shifts of 1e7 on nothing was found, or the intercept alone.
    """
    f, x, y = (each.ravel() for each in np.meshgrid([0.0, 1.0], [-1.0, 2.0, 5.0], [0.0, 1.0]))
    y = np.where(f == 1, end, y)
    X = np.column_stack([np.ones(12), f + shift, x])
    found = separation(X, y, spec, np.full((3, 3), np.inf), converged=True)
    assert found.sign.tolist() == [-sign * np.sign(shift), sign, 0.0]


@pytest.mark.parametrize("shift", [1e7, 1e8])
def test_two_columns_far_from_zero_that_separate_nothing_do_not_there(shift):
    rng = np.random.default_rng(0)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2)) + shift])
    y = rng.integers(0, 2, 200).astype(float)
    found = separation(X, y, LOGIT, np.full((3, 3), np.inf), converged=True)
    assert found.sign.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_errors_of_a_column_far_from_zero_are_none_where_it_has_no_estimate():
    """z had a standard error of 3e5."""
    rng = np.random.default_rng(1)
    g, f, trials = np.repeat(np.arange(12), 10), rng.integers(0, 2, 120), rng.integers(3, 9, 120)
    b = rng.normal(scale=0.5, size=12)[g]
    y = np.where(f == 1, 1.0, rng.binomial(trials, rng.beta(4 * np.exp(b), 4)) / trials)
    data = pd.DataFrame({"y": y, "z": f + 1e7, "g": g, "trials": trials})
    fit = mixedglm2("y ~ z + (1 | g)", data, "beta_binomial", weights="trials").fit()
    assert fit.separated == ("Intercept", "z")
    assert np.isnan(fit.bse.to_numpy()).all()


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.MixedModelWarning")
def test_directions_that_are_lost_are_those_of_each_coefficient_in_its_own_units():
    """Means of counts of 1, of which none is smaller, have no end: the error of z was .14."""
    rng = np.random.default_rng(1)
    g, f = np.repeat(np.arange(12), 10), rng.integers(0, 2, 120)
    y = np.maximum(rng.poisson(3 * np.exp(rng.normal(scale=0.5, size=12)[g])), 1)
    data = pd.DataFrame({"y": np.where(f == 1, 1, y), "z": f + 1e7, "g": g})
    fit = mixedglm2("y ~ z + (1 | g)", data, "truncated_poisson").fit()
    assert np.isnan(np.diag(fit.estimates.covariance)[1:]).all()
