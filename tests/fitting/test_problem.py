"""What can be done with a fit again: the same questions to a linear and a generalized model."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose, assert_array_equal

import statsmodels_mixed  # noqa: F401 - it adds the models to statsmodels
from statsmodels_mixed import datasets
from statsmodels_mixed.bootstrap.parameter_rows import ParameterRows
from statsmodels_mixed.fitting.distributional.problem import _projected
from statsmodels_mixed.fitting.generalized.approximation import generalized_structure
from statsmodels_mixed.fitting.problem import problem_of
from statsmodels_mixed.frame.row_groups import design_of_rows


@cache
def fitted(kind: str) -> Any:
    if kind == "linear":
        data = datasets.load("sleepstudy")
        return smf.mixedlm2("reaction ~ days + (1 + days | subj)", data).fit(reml=False)
    formula = "incid + I(hsz - incid) ~ period + (1 | herd)"
    return smf.mixedglm2(formula, datasets.load("cbpp"), family=sm.families.Binomial()).fit()


KINDS = pytest.mark.parametrize("kind", ["linear", "generalized"])


@KINDS
def test_a_problem_is_fitted_as_the_model_was(kind):
    fit = fitted(kind)
    design, estimates = fit.model.design, fit.estimates
    problem = problem_of(design, estimates)
    again = problem.fit(problem.parameters(estimates.theta, estimates.beta, estimates.scale))
    assert_allclose(again.objective, estimates.objective, rtol=1e-10)
    assert again.how == estimates.how
    assert again.report.evaluations <= estimates.report.evaluations


@KINDS
def test_variances_of_rows_are_those_of_the_mixed_model_equations(kind):
    fit = fitted(kind)
    design = fit.model.design
    problem = problem_of(design, fit.estimates)
    blocks = design.blocks
    want = problem.mixed_model_equations().variances(
        design.X, [block.z for block in blocks], [block.refs for block in blocks]
    )
    assert_allclose(problem.variances_of_rows(), want, rtol=1e-8)


@KINDS
def test_without_rows_is_the_fit_to_the_others(kind):
    fit = fitted(kind)
    design, own = fit.model.design, fit.estimates
    rows = np.array([0, 3])
    refits = problem_of(design, own).refits(own.theta, own.beta, own.scale)
    found = refits.without(rows)
    keep = np.ones(len(design.y), dtype=bool)
    keep[rows] = False
    alone = problem_of(design_of_rows(design, keep), own).fit()
    assert_allclose(found.objective, alone.objective, rtol=1e-9)
    assert_allclose(found.beta, alone.beta, rtol=1e-4)
    assert_allclose(found.scale, alone.scale, rtol=1e-5)


@KINDS
def test_a_fit_to_the_response_itself_is_the_fit(kind):
    fit = fitted(kind)
    design, own = fit.model.design, fit.estimates
    refits = problem_of(design, own).refits(own.theta, own.beta, own.scale)
    response = design.y - own.linear_predictor if own.linear else design.y
    fits = refits.fitter()(response[None, :], np.zeros(1, dtype=np.int32))
    assert_allclose(fits.objective, own.objective, rtol=1e-10)
    assert_allclose(fits.beta[0], own.beta, rtol=1e-4)
    assert_allclose(fits.covariance[0], own.cov_conditional, rtol=1e-4, atol=1e-8)


def test_without_random_effects_a_problem_is_least_squares():
    fit = fitted("linear")
    design = replace(fit.model.design, blocks=())
    ols = sm.OLS(design.y, design.X).fit()
    value = problem_of(design, fit.estimates).objective_without_random_effects()
    assert_allclose(value, -2 * ols.llf, rtol=1e-12)


def test_rows_of_parameters_are_read_by_name():
    parts = {
        "objective": np.array([1.0, 2.0]),
        "scale": np.array([3.0, 4.0]),
        "beta": np.array([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0]]),
        "se": np.array([[11.0, 12.0, 13.0], [14.0, 15.0, 16.0]]),
        "theta": np.array([[17.0], [18.0]]),
    }
    rows = ParameterRows.of(**parts)
    for name, part in parts.items():
        assert_array_equal(getattr(rows, name), part)
    one = ParameterRows.one(
        objective=1.0, scale=3.0, beta=parts["beta"][0], se=parts["se"][0], theta=parts["theta"][0]
    )
    assert_array_equal(one.values, rows.values[:1])


def test_a_linear_predictor_is_projected_on_the_columns_it_is_of():
    # Columns have length root n; the projection was n times too long, a start without likelihood.
    ticks = datasets.load("grouseticks")
    model = smf.mixedglm2("ticks ~ year + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    design, mean = model.kept_design(), model.fit().estimates.conditional
    Q = generalized_structure(design).basis.Q
    assert_allclose(Q @ _projected(mean, design, Q), mean.linear_predictor, rtol=1e-10)
