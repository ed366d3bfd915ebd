"""Random effects that tell all responses apart, under a link whose tails fall as a power."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2
from statsmodels_mixed.fitting.generalized.approximation import prepare_at
from statsmodels_mixed.fitting.search.effects_without_end import without_end

# In a level of m ones log(1 - F(u sigma)) and its derivatives fall as powers of sigma: the mode has
# (u sigma)^3 = m sigma^2 / pi, and log(1 + sigma^2 w) there tends to log 2.
LIMIT = np.log(2.0)


def _fit(levels: int, rows: int, link: str, **how):
    g = np.repeat(np.arange(levels), rows)
    data = pd.DataFrame({"y": (g % 2).astype(float), "g": g})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mixedglm2("y ~ 1 + (1 | g)", data, "binomial", link=link).fit(**how)


@pytest.mark.parametrize(("levels", "rows"), [(10, 2), (6, 3)])
@pytest.mark.parametrize("fast", [False, True])
def test_a_variance_without_end_is_no_estimate(levels, rows, fast):
    # "Converged: yes" beside a standard deviation of 6.6e19.
    fit = _fit(levels, rows, "cauchit", fast=fast)
    assert fit.objective == pytest.approx(levels * LIMIT, abs=1e-6)
    assert not fit.converged
    assert "has no maximum: it is as high for random effects of 'g'" in fit.report.message


def test_a_variance_so_large_that_it_is_lost_in_rounding_is_no_estimate():
    fit = _fit(5, 8, "cauchit", fast=True)  # the joint mode of larger ones is another one
    assert not fit.converged


@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_tails_that_fall_faster_have_an_estimate(link):
    assert _fit(10, 2, link).converged  # log|Omega| grows without end


def test_large_effects_that_have_an_end_are_estimates():
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(20), 5)
    data = pd.DataFrame({"y": rng.poisson(5 * np.exp(0.7 * rng.normal(size=20)[g])), "g": g})
    fit = mixedglm2("y ~ 1 + (1 | g)", data, "poisson").fit()
    problem = prepare_at(fit.model.design, fit.estimates)
    end = np.r_[fit.theta, problem.basis.R @ fit.params]
    for size, found in ((1e7, None), (1e13, "'g'")):
        message = without_end(
            problem.core, end, fit.objective, problem.beta, np.array([size]), ["g"]
        )
        assert message is None if found is None else found in message
