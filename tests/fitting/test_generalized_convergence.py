"""Generalized fits end at the optimum, in few evaluations, and say how they ended."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import tolerances as tol
from generalized_checks import assert_stationary
from numpy.testing import assert_allclose
from reference.glmm_names import BINOMIAL, MODELS, design_of, fit

from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation
from statsmodels_mixed.fitting.generalized.fit import fit_generalized, objective_and_gradient
from statsmodels_mixed.fitting.search.optimize import FitOptions

each_model = pytest.mark.parametrize("name", [name for name in MODELS if name != "cbpp_prop"])


# Few evaluations.


@pytest.mark.parametrize(
    "name, how, most, steps",
    [
        ("verbagg", {}, 9, 24),
        ("verbagg", {"fast": True}, 8, 22),
        ("contra", {}, 9, 21),
        ("contra", {"fast": True}, 7, 17),
        ("contra", {"n_agq": 9}, 9, 21),
        ("contra_slope", {}, 11, 26),
        ("contra_probit", {"hessian": "observed"}, 9, 21),
        ("cbpp", {}, 7, 16),
        ("grouseticks", {}, 14, 40),
        ("grouseticks_nb2", {"hessian": "observed"}, 17, 76),
        ("gamma_sleep", {"hessian": "observed"}, 7, 20),
    ],
)
def test_evaluations(name, how, most, steps):
    estimates = fit(name, **how)
    assert estimates.report.converged
    assert estimates.report.evaluations <= most
    assert estimates.pirls_steps <= steps
    assert estimates.report.failed_evaluations == 0


@pytest.mark.parametrize("how", [{}, {"fast": True}, {"n_agq": 5}], ids=str)
@pytest.mark.parametrize("name", ["contra", "contra_slope"])
def test_modes_are_predicted(name, how):
    estimates, design = fit(name, **how), design_of(name)
    options = {"n_agq": 1, "fast": False, "hessian": "expected", **how}
    core = prepare_approximation(design, estimates.spec, **options).core
    here = np.concatenate([estimates.theta, estimates.report.end[len(estimates.theta) :]])
    near = here + 1e-4 * (1 + np.arange(len(here)) % 3)
    core.value_and_gradient(here)
    before = core.solution().pirls_steps
    value, _ = core.value_and_gradient(near)
    assert core.solution().pirls_steps == before + 1
    assert_allclose(value, core.fresh_value(near), rtol=0, atol=1e-8)


@each_model
@pytest.mark.parametrize("information", ["expected", "observed"])
def test_gradient_vanishes(name, information):
    estimates = fit(name, hessian=information)
    assert_stationary(design_of(name), MODELS[name].family, estimates, hessian=information)


@pytest.mark.parametrize("name", ["contra", "contra_slope", "cbpp", "mmmec", "gamma_sleep"])
def test_gradient_of_quadrature_vanishes(name):
    estimates = fit(name, n_agq=7)
    assert_stationary(design_of(name), MODELS[name].family, estimates, n_agq=7)


@each_model
@pytest.mark.parametrize("fast", [False, True])
def test_report(name, fast):
    estimates = fit(name, fast=fast)
    report, dispersion = estimates.report, MODELS[name].family.has_dispersion
    count = len(estimates.theta) + dispersion + (0 if fast else len(estimates.beta))
    assert report.fitlog_theta.shape == (report.evaluations, count)
    assert_allclose(report.fitlog_theta[0], report.start)
    assert report.initial_objective == report.fitlog_objective[0]
    assert_allclose(np.nanmin(report.fitlog_objective), estimates.objective, rtol=1e-12)
    assert_allclose(report.end[: len(estimates.theta)], estimates.theta)
    if not fast:
        end = report.end[len(estimates.theta) : count - dispersion]
        assert_allclose(end, estimates.beta, rtol=1e-9)
    if dispersion:
        assert_allclose(np.exp(report.end[-1]), estimates.dispersion)


@pytest.mark.parametrize("name", ["contra", "cbpp", "grouseticks_nb2"])
def test_profiled_coefficients_are_no_better(name):
    """`fast` takes the coefficients at the joint mode: never below the optimum, and near it."""
    excess = fit(name, fast=True).objective - fit(name).objective
    assert 1e-6 < excess < 0.6
    value, _ = objective_and_gradient(
        design_of(name), MODELS[name].family, fit(name, fast=True).theta,
        fit(name, fast=True).beta, fit(name, fast=True).dispersion,
    )  # fmt: skip
    assert_allclose(value, fit(name, fast=True).objective, rtol=tol.EVALUATION)


# Other algorithms, starts and limits.


@pytest.mark.parametrize("optimizer", ["LD_LBFGS", "LD_SLSQP", "LN_BOBYQA"])
@pytest.mark.parametrize("name", ["contra", "cbpp", "gamma_sleep"])
def test_algorithms_reach_the_same_optimum(name, optimizer):
    estimates = fit(name, options=FitOptions(optimizer=optimizer))
    assert estimates.report.optimizer == optimizer
    assert estimates.report.converged
    assert abs(estimates.objective - fit(name).objective) <= 2 * tol.OBJECTIVE_ABOVE
    assert_allclose(estimates.theta, fit(name).theta, rtol=2e-3)


@pytest.mark.parametrize("optimizer", ["newton", "LD_LBFGS", "LN_BOBYQA"])
def test_limit_of_evaluations_is_reported(optimizer):
    options = FitOptions(optimizer=optimizer, max_eval=3)
    estimates = fit("contra", options=options)
    assert estimates.report.status == "MAXEVAL_REACHED"
    assert not estimates.report.converged
    # NLopt looks at its limit between line searches, and the last evaluation returns to the
    # best parameters found.
    assert estimates.report.evaluations <= (3 if optimizer == "newton" else 3 + 2)
    assert fit("contra").objective < estimates.objective <= estimates.report.initial_objective


def test_limit_of_time_is_reported():
    estimates = fit("contra", options=FitOptions(max_time=1e-9))
    assert estimates.report.status == "MAXTIME_REACHED"
    assert not estimates.report.converged


@pytest.mark.parametrize(
    "name, start",
    [
        ("contra", [0.0]),
        ("contra", [-2.0]),
        ("contra", [20.0]),
        ("contra", [1.0] + [0.0] * 7),
        ("contra_slope", [0.0, 0.0, 0.0]),
        ("contra_slope", [0.0, 1.0, 0.0]),
        ("contra_slope", [-1.0, 3.0, -1.0]),
        ("verbagg", [0.0, 0.0]),
        ("verbagg", [0.0, 2.0]),
        ("grouseticks", [0.0, 0.0, 0.0]),
        ("gamma_sleep", [0.0]),
        ("grouseticks_nb2", [0.0, 0.0]),
    ],
)
def test_starting_point_does_not_matter(name, start):
    # The objective is even in each column of T, so it is stationary where one is zero.
    design, family, usual = design_of(name), MODELS[name].family, fit(name)
    estimates = fit_generalized(design, family, start=start)
    assert estimates.report.converged
    assert_allclose(estimates.report.start[: len(start)], start, atol=1e-12)
    assert abs(estimates.objective - usual.objective) <= tol.OBJECTIVE_ABOVE
    assert_allclose(estimates.theta, usual.theta, rtol=tol.THETA)


def test_fit_from_the_optimum_stays_there():
    usual = fit("contra")
    again = fit_generalized(design_of("contra"), BINOMIAL, start=usual.report.end)
    assert again.report.evaluations <= 2
    assert_allclose(again.report.end, usual.report.end, rtol=1e-6)


def test_negative_binomial_counts_of_all_sizes():
    # The start of alpha was that of rows with means of 1e-6: it was 1e-4 for .2, the search took
    # 122 steps, and others were made from further starts (8 s).
    rng = np.random.default_rng(0)
    g, x = np.repeat(np.arange(12), 20), rng.normal(size=240)
    e = 10.0 ** rng.uniform(-6, 9, 240)
    mean = e * np.exp(0.4 * rng.normal(size=12)[g] + 0.3 * x)
    data = pd.DataFrame({"y": rng.negative_binomial(5, 1 / (1 + mean / 5)), "x": x, "g": g, "e": e})
    model = smf.mixedglm2("y ~ x + (1 | g)", data, "nbinom2", exposure="e")
    fit = model.fit()
    assert fit.converged
    assert fit.report.evaluations < 15
    # Rows with means far above 1 / alpha are gamma variates of shape 1 / alpha = 5.
    assert fit.estimates.dispersion == pytest.approx(0.2, rel=0.25)
    assert fit.params["x"] == pytest.approx(0.3, abs=4 * fit.bse["x"])
