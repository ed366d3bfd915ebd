"""The same generalized model in other words has the same fit."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
import simulated
import tolerances as tol
from generalized_checks import fitted
from numpy.testing import assert_allclose
from reference.glmm_names import BINOMIAL, MODELS, POISSON, fit, make_design
from scipy.special import gammaln

from statsmodels_mixed import datasets
from statsmodels_mixed.fitting.estimates import GeneralizedEstimates
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.fit import fit_generalized
from statsmodels_mixed.fitting.linear.fit import fit_linear

CONTRA = MODELS["contra"].formula


@cache
def contra() -> pd.DataFrame:
    return datasets.load("contra")


def assert_same(one: GeneralizedEstimates, other: GeneralizedEstimates) -> None:
    assert one.report.converged
    assert_allclose(one.objective, other.objective, rtol=1e-10)
    assert_allclose(np.abs(one.theta), np.abs(other.theta), rtol=tol.INVARIANCE, atol=1e-9)


@pytest.mark.parametrize("how", [{}, {"fast": True}, {"n_agq": 5}], ids=str)
def test_order_of_rows(how):
    order = np.argsort(simulated.Stream(3).uniform(len(contra())))
    one, other = fitted(CONTRA, contra().iloc[order], BINOMIAL, **how), fit("contra", **how)
    assert_same(one, other)
    assert_allclose(one.beta, other.beta, rtol=tol.INVARIANCE)
    assert_allclose(one.fitted, other.fitted[order], rtol=tol.INVARIANCE)


def test_names_of_levels():
    levels = contra()["dist"].cat.categories
    names = {level: f"x{i * 17 % len(levels)}" for i, level in enumerate(levels)}
    data = contra().assign(dist=contra()["dist"].map(names).astype(str))
    design = make_design(CONTRA, data)
    one, other = fit_generalized(design, BINOMIAL), fit("contra")
    assert_same(one, other)
    at = design.blocks[0].levels.get_indexer([names[level] for level in levels])
    assert_allclose(one.b[0][at], other.b[0], rtol=tol.INVARIANCE, atol=1e-9)


@pytest.mark.parametrize("factor", [1e-5, 1e5])
def test_units_of_a_covariate(factor):
    formula = "use ~ age + livch + (1 + age | dist)"
    other = fitted(formula, contra(), BINOMIAL)
    one = fitted(formula, contra().assign(age=factor * contra()["age"]), BINOMIAL)
    assert one.report.evaluations == other.report.evaluations
    T, wanted = one.factors[0].copy(), other.factors[0]
    T[1] *= factor
    assert_allclose(T, wanted, rtol=1e-5, atol=1e-5 * np.max(wanted))
    assert_same(replace(one, theta=other.theta), other)
    beta = one.beta.copy()
    beta[-1] *= factor
    assert_allclose(beta, other.beta, rtol=1e-5)


def test_failures_for_successes():
    data = contra().assign(use=contra()["use"].cat.reorder_categories(["Y", "N"]))
    one, other = fitted(CONTRA, data, BINOMIAL), fit("contra")
    assert_same(one, other)
    assert_allclose(one.beta, -other.beta, rtol=tol.INVARIANCE)
    cloglog, loglog = FamilySpec("binomial", "cloglog"), FamilySpec("binomial", "loglog")
    for how in ({"hessian": "expected"}, {"hessian": "observed"}, {"n_agq": 5}):
        one = fitted(CONTRA, data, cloglog, **how)
        other = fitted(CONTRA, contra(), loglog, **how)
        assert_same(one, other)
        assert_allclose(one.beta, -other.beta, rtol=1e-5)


@pytest.mark.parametrize("how", [{}, {"fast": True}, {"n_agq": 9}], ids=str)
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_trials_in_one_row_or_in_many(link, how):
    data, family = datasets.load("cbpp"), FamilySpec("binomial", link)
    one = fitted("I(incid / hsz) ~ period + (1 | herd)", data, family, weights="hsz", **how)
    many = data.loc[data.index.repeat(data["hsz"])]
    trial = many.groupby(level=0).cumcount()
    many = many.assign(sick=(trial < many["incid"]).astype(float)).reset_index(drop=True)
    other = fitted("sick ~ period + (1 | herd)", many, family, **how)
    trials, sick = data["hsz"], data["incid"]
    ways = gammaln(trials + 1) - gammaln(sick + 1) - gammaln(trials - sick + 1)
    assert_same(replace(one, objective=one.objective + 2 * ways.sum()), other)
    assert_allclose(one.beta, other.beta, rtol=1e-5)
    assert_allclose(one.cov_conditional, other.cov_conditional, rtol=1e-5)
    assert_allclose(one.b[0], other.b[0], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("how", [{}, {"fast": True}, {"n_agq": 9}], ids=str)
def test_weights_repeat_rows(how):
    data = MODELS["mmmec"].data()
    data["times"] = 1 + np.arange(len(data)) % 3
    formula = MODELS["mmmec"].formula
    one = fitted(formula, data, POISSON, weights="times", offset="log_expected", **how)
    many = data.loc[data.index.repeat(data["times"])].reset_index(drop=True)
    other = fitted(formula, many, POISSON, offset="log_expected", **how)
    assert_same(one, other)
    assert_allclose(one.beta, other.beta, rtol=1e-5)


def test_shift_of_the_offset():
    data = MODELS["mmmec"].data().assign(off=lambda frame: frame["log_expected"] + 1.7)
    one = fitted(MODELS["mmmec"].formula, data, POISSON, offset="off")
    other = fit("mmmec")
    assert_same(one, other)
    assert_allclose(one.beta, other.beta - [1.7, 0.0], rtol=1e-6)
    assert_allclose(one.eta, other.eta, rtol=1e-6, atol=1e-9)


def test_aliased_columns_do_not_matter():
    data = contra().assign(twice=2 * contra()["age"])
    one, other = fitted(CONTRA + " + twice", data, BINOMIAL), fit("contra")
    assert_same(one, other)
    assert len(one.beta) == len(other.beta)
    assert_allclose(one.fitted, other.fitted, rtol=tol.INVARIANCE)


# What the dispersion is multiplied by when the response is: variances phi, phi mu^2, phi mu^3.
POWERS = {"gaussian": 2, "gamma": 0, "inverse_gaussian": -1}


@pytest.mark.parametrize("factor", [1e-6, 1e3, 1e6])
@pytest.mark.parametrize("name", POWERS)
def test_units_of_a_response(name, factor):
    data, family = datasets.load("sleepstudy"), FamilySpec(name, "log", 1.0, True)
    formula = "reaction ~ days + (1 | subj)"
    one = fitted(formula, data.assign(reaction=factor * data["reaction"]), family)
    other = fitted(formula, data, family)
    shift = 2 * len(data) * np.log(factor)
    assert_same(replace(one, objective=one.objective - shift), other)
    assert_allclose(one.beta, other.beta + np.array([np.log(factor), 0]), rtol=1e-5)
    dispersion = other.dispersion * factor ** POWERS[name]
    assert_allclose(one.dispersion, dispersion, rtol=1e-5)


@pytest.mark.parametrize(
    "formula, name",
    [
        ("reaction ~ days + (days | subj)", "sleepstudy"),
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "penicillin"),
        ("yield ~ 1 + (1 | batch)", "dyestuff"),
        ("strength ~ 1 + (1 | batch / cask)", "pastes"),
    ],
)
def test_gaussian_responses_are_a_linear_model(formula, name):
    design = make_design(formula, datasets.load(name))
    linear = fit_linear(design)
    for how in ({}, {"fast": True}, {"hessian": "observed"}):
        estimates = fit_generalized(design, MODELS["sleep_slope"].family, **how)
        assert estimates.report.converged
        assert abs(estimates.objective - linear.objective) <= tol.OBJECTIVE_ABOVE
        assert_allclose(estimates.beta, linear.beta, rtol=tol.BETA)
        assert_allclose(np.sqrt(estimates.dispersion), linear.sigma, rtol=tol.THETA)
        size = linear.sigma * np.max(np.abs(linear.theta))
        theta = estimates.theta - linear.sigma * linear.theta
        assert_allclose(theta / size, 0, atol=tol.THETA)
        assert_allclose(estimates.cov_conditional, linear.sigma**2 * linear.cov_unscaled, rtol=1e-3)
