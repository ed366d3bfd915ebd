"""Conditional modes that are not unique: the objective is a function of its parameters only."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import simulated
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference.glmm_names import make_design
from scipy.stats import gamma, norm, poisson
from statsmodels.genmod.families import links

from statsmodels_mixed.fitting.families.spec import read_family
from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation

ONE, TWO = "y ~ x + (1 | g)", "y ~ x + (x | g) + (1 | h)"


def crossed(seed, slopes):
    """A linear predictor of 30 levels of g and 8 of h, and uniform numbers."""
    stream = simulated.Stream(seed)
    rows = np.arange(360)
    g, h, x = rows % 30, (rows * 7) // 30 % 8, stream.normal(360)
    eta = 0.5 * x + stream.normal(30)[g]
    if slopes:
        eta = eta + 0.5 * stream.normal(30)[g] * x + 0.5 * stream.normal(8)[h]
    return pd.DataFrame({"g": g, "h": h, "x": x}), eta, stream.uniform(360)


FAMILIES = {
    "poisson sqrt": (
        sm.families.Poisson(links.Sqrt()),
        lambda eta, p: poisson.ppf(p, np.exp(eta)),
    ),
    "gaussian inverse": (
        sm.families.Gaussian(links.InversePower()),
        lambda eta, p: 1 / np.maximum(1.5 + 0.3 * eta, 0.2) + 0.1 * norm.ppf(p),
    ),
    "gaussian log": (
        sm.families.Gaussian(links.Log()),
        lambda eta, p: np.exp(0.5 + 0.3 * eta) + 0.5 * norm.ppf(p),
    ),
    "gamma identity": (
        sm.families.Gamma(links.Identity()),
        lambda eta, p: gamma.ppf(p, 3, scale=np.maximum(3 + 0.5 * eta, 0.3) / 3),
    ),
    "binomial cauchit": (
        sm.families.Binomial(links.Cauchy()),
        lambda eta, p: (p < 0.5 + np.arctan(3 * eta) / np.pi).astype(float),
    ),
}


@pytest.mark.parametrize("formula", [ONE, TWO], ids=["one", "two"])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_objective_is_that_of_the_estimates(name, formula):
    """On the same model and on a new one, and no other optimizer or start finds a better one."""
    family, draw = FAMILIES[name]
    data, eta, p = crossed(5, formula == TWO)
    data["y"] = draw(eta, p)
    model = smf.mixedglm2(formula, data, family=family)
    fit = model.fit()
    at = (fit.theta, fit.params.to_numpy(), fit.estimates.dispersion)
    at = at if fit.estimates.spec.has_dispersion else at[:2]
    for made in (model, smf.mixedglm2(formula, data, family=family)):
        assert_allclose(made.objective(*at), fit.objective, rtol=1e-9)
    assert fit.converged
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NLopt's algorithm may stop before it has converged
        for how in ({"optimizer": "LN_BOBYQA"}, {"start": 3 * fit.theta}):
            assert fit.objective < model.fit(**how).objective + 1e-4


def test_evaluations_elsewhere_leave_no_trace():
    """An objective is the same to the last digit after any other evaluation."""
    data, eta, p = crossed(5, True)
    data["y"] = poisson.ppf(p, np.exp(eta))
    spec = read_family(sm.families.Poisson(links.Sqrt()))
    core = prepare_approximation(
        make_design(TWO, data), spec, n_agq=1, fast=False, hessian="expected"
    ).core
    here = np.array([0.5, 0.1, 0.3, 0.3, 1.3, 0.3])
    value, gradient = core.value_and_gradient(here)
    for far in (np.array([5, 1, 3, 3, -1.3, 2]), np.zeros(6), -here, here + 1.0):
        core.value_and_gradient(far)
        again, slope = core.value_and_gradient(here)
        assert again == value
        assert np.array_equal(slope, gradient)


def test_several_modes_are_said():
    """Rows of no or few counts may have a square root of either sign; logarithms have none."""
    data, eta, p = crossed(9, True)
    data["y"] = poisson.ppf(p, np.exp(eta))
    sentence = "Conditional modes: with this family and link there are several"
    for link, several in ((links.Sqrt(), True), (links.Log(), False)):
        fit = smf.mixedglm2(TWO, data, family=sm.families.Poisson(link)).fit()
        assert fit.estimates.several_modes == several
        assert (sentence in str(fit.summary())) == several


def test_zero_is_a_start_too():
    """Gamma with inverse link: modes of a trial far away and of the start have no likelihood."""
    stream = simulated.Stream(7)
    g, u = np.repeat(np.arange(40), 15), stream.normal(40)
    eta = np.clip(1 + 0.6 * u, 0.05, None)[g]
    data = pd.DataFrame({"y": gamma.ppf(stream.uniform(600), 3, scale=1 / (3 * eta)), "g": g})
    fit = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=sm.families.Gamma()).fit()
    assert fit.converged
    assert fit.report.failed_evaluations <= 1
    assert fit.report.evaluations < 20
