"""Where generalized fits begin: the coefficients of the model without random effects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from statsmodels_mixed import datasets, mixedglm2
from statsmodels_mixed.fitting.families.spec import family_object
from statsmodels_mixed.fitting.generalized import start as generalized_start
from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation

FAMILIES = {
    "logit": sm.families.Binomial(),
    "cloglog": sm.families.Binomial(sm.families.links.CLogLog()),
    "poisson": sm.families.Poisson(),
    "gamma": sm.families.Gamma(sm.families.links.Log()),
    "inverse gaussian": sm.families.InverseGaussian(sm.families.links.Log()),
    "negative binomial": sm.families.NegativeBinomial(alpha=1.0),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_the_core_finds_what_glm_finds(name):
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.normal(size=200), "g": np.arange(200) % 12})
    offset = 0.3 * rng.normal(size=200)
    mean = np.exp(0.2 + 0.4 * data["x"] + offset)
    if name in ("logit", "cloglog"):
        data["y"] = (rng.uniform(size=200) < mean / (1 + mean)).astype(float)
    elif name in ("poisson", "negative binomial"):
        data["y"] = rng.poisson(mean).astype(float)
    else:
        data["y"] = rng.gamma(2.0, mean / 2.0)
    model = mixedglm2("y ~ x + (1 | g)", data, FAMILIES[name], offset=offset)
    problem = prepare_approximation(
        model.design, model.spec, n_agq=1, fast=False, hessian="expected"
    )
    family = family_object(model.spec)
    eta = family.link(family.starting_mu(model.design.y))
    gamma = problem.core.without_effects(eta, 1.0)
    theirs = sm.GLM(model.design.y, model.design.X, FAMILIES[name], offset=offset).fit(tol=1e-12)
    np.testing.assert_allclose(problem.basis.coefficients(gamma), theirs.params, rtol=1e-4)


def test_rows_that_say_nothing_have_no_coefficients():
    model = mixedglm2("use ~ age + (1 | dist)", datasets.load("contra"), sm.families.Binomial())
    problem = prepare_approximation(
        model.design, model.spec, n_agq=1, fast=False, hessian="expected"
    )
    assert problem.core.without_effects(np.full(len(model.design.y), np.inf), 1.0) is None


def test_a_start_is_not_evaluated_before_the_run(monkeypatch):
    """A passing look at it is 7 to 10 % of a fit."""

    def looked(*_):
        raise AssertionError

    monkeypatch.setattr(generalized_start, "_shrink_to_finite", looked)
    fit = mixedglm2("use ~ age + (1 | dist)", datasets.load("contra"), sm.families.Binomial()).fit()
    assert fit.converged
