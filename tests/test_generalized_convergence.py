"""Generalized fits end at the optimum, in few evaluations, and say how they ended."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import simulated
import statsmodels.api as sm
import tolerances as tol
from numpy.testing import assert_allclose
from reference.glmm_names import BINOMIAL, MODELS, POISSON, design_of, fit, make_design
from scipy.special import expit, gammaln, ndtr
from scipy.stats import poisson

from statsmodels_mixed import datasets
from statsmodels_mixed.design import Design
from statsmodels_mixed.estimates import GeneralizedEstimates
from statsmodels_mixed.families import FamilySpec
from statsmodels_mixed.fit import fit_linear
from statsmodels_mixed.generalized import fit_generalized, hessian, objective_and_gradient
from statsmodels_mixed.optimize import FitOptions

NEGATIVE_BINOMIAL = FamilySpec("negative_binomial", "log", 1.0, True)
each_model = pytest.mark.parametrize("name", [name for name in MODELS if name != "cbpp_prop"])


def assert_stationary(
    design: Design, family: FamilySpec, estimates: GeneralizedEstimates, **how: Any
) -> None:
    """Check that the gradient vanishes, in units of the standard error of each parameter."""
    _, gradient = objective_and_gradient(
        design, family, estimates.theta, estimates.beta, estimates.dispersion, **how
    )
    curvature = hessian(design, estimates)
    assert np.min(np.linalg.eigvalsh(curvature / np.sqrt(diagonal_products(curvature)))) > 0
    errors = np.sqrt(2 * np.diag(np.linalg.inv(curvature)))
    # A gradient of 2 is that at one standard error from the optimum.
    assert_allclose(gradient * errors, 0, atol=1e-4)
    assert estimates.report.gradient_norm < 1e-8
    assert estimates.report.converged


def diagonal_products(matrix: np.ndarray) -> np.ndarray:
    return np.outer(np.diag(matrix), np.diag(matrix))


def fitted(
    formula: str, data: pd.DataFrame, family: FamilySpec, *, weights: Any = None,
    offset: Any = None, **how: Any,
) -> GeneralizedEstimates:  # fmt: skip
    options = {"weights": weights, "offset": offset}
    given = {name: value for name, value in options.items() if value is not None}
    return fit_generalized(make_design(formula, data, **given), family, **how)


# Few evaluations.


@pytest.mark.parametrize(
    "name, how, most, steps",
    [
        ("verbagg", {}, 25, 80),
        ("verbagg", {"fast": True}, 20, 60),
        ("contra", {}, 20, 60),
        ("contra", {"fast": True}, 20, 60),
        ("contra", {"n_agq": 9}, 20, 60),
        ("contra_slope", {}, 20, 60),
        ("contra_probit", {"hessian": "observed"}, 20, 60),
        ("cbpp", {}, 20, 60),
        ("grouseticks", {}, 30, 100),
        ("grouseticks_nb2", {"hessian": "observed"}, 30, 100),
        ("gamma_sleep", {"hessian": "observed"}, 30, 100),
    ],
)
def test_evaluations(name, how, most, steps):
    estimates = fit(name, **how)
    assert estimates.report.converged
    assert estimates.report.evaluations <= most
    assert estimates.pirls_steps <= steps
    assert estimates.report.failed_evaluations == 0


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


# The same model in other words.


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


# Extremes.


def test_zero_variance():
    """Groups that are more alike than chance: theta is zero, the rest a model without groups."""
    data = pd.DataFrame({"g": np.repeat(np.arange(20), 10), "x": np.tile(np.arange(10.0), 20)})
    data["y"] = (np.tile(np.arange(10), 20) % 2).astype(float)
    glm = sm.GLM(data["y"], sm.add_constant(data[["x"]]), sm.families.Binomial()).fit()
    for how in ({}, {"fast": True}, {"n_agq": 9}):
        estimates = fitted("y ~ x + (1 | g)", data, BINOMIAL, **how)
        assert estimates.report.converged
        assert estimates.singular
        assert_allclose(estimates.theta, 0, atol=1e-6)
        assert_allclose(estimates.objective, -2 * glm.llf, rtol=1e-12)
        assert_allclose(estimates.beta, glm.params, rtol=1e-6)
        assert_allclose(estimates.cov_conditional, glm.cov_params(), rtol=1e-5)


def test_one_level_with_successes_only():
    """And one with failures only: the penalty keeps their modes finite."""
    stream = simulated.Stream(77)
    g, x = np.repeat(np.arange(25), 12), stream.normal(300)
    p = expit(0.3 + 0.5 * x + 0.8 * stream.normal(25)[g])
    y = (stream.uniform(300) < p).astype(float)
    y[g == 3], y[g == 8] = 1.0, 0.0
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    design = make_design("y ~ x + (1 | g)", data)
    for how in ({}, {"n_agq": 11}):
        estimates = fit_generalized(design, BINOMIAL, **how)
        assert_stationary(design, BINOMIAL, estimates, **how)
        modes = estimates.b[0][:, 0]
        assert np.sum(modes > modes[3]) <= 1
        assert np.sum(modes < modes[8]) <= 1
        assert np.all(np.abs(modes) < 5)


def test_empty_counts():
    """Levels without a single count."""
    stream = simulated.Stream(78)
    g = np.repeat(np.arange(40), 5)
    mu = np.exp(-1.5 + 1.2 * stream.normal(40)[g])
    data = pd.DataFrame({"y": poisson.ppf(stream.uniform(200), mu), "g": g})
    assert (data.groupby("g")["y"].sum() == 0).sum() > 3
    design = make_design("y ~ 1 + (1 | g)", data)
    assert_stationary(design, POISSON, fit_generalized(design, POISSON))


# Rows whose outcome is nearly certain: 1 - mu is below 1e-16 in some of them.

INVERSE_LINKS = {
    "logit": lambda eta: expit(4 * eta),
    "probit": lambda eta: ndtr(2 * eta),
    "cloglog": lambda eta: -np.expm1(-np.exp(eta)),
    "loglog": lambda eta: np.exp(-np.exp(-eta)),
    "cauchit": lambda eta: 0.5 + np.arctan(3 * eta) / np.pi,
}


@cache
def strong_effects(link: str) -> Design:
    stream = simulated.Stream(5)
    n, groups = 600, 30
    g, x = np.arange(n) % groups, 1.5 * stream.normal(n)
    mu = INVERSE_LINKS[link](0.3 + 1.2 * x + 0.7 * stream.normal(groups)[g])
    y = (stream.uniform(n) < mu).astype(float)
    return make_design("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}))


@pytest.mark.parametrize(
    "how", [{}, {"hessian": "observed"}, {"fast": True}, {"n_agq": 9}], ids=str
)
@pytest.mark.parametrize("link", INVERSE_LINKS)
def test_strong_effects(link, how):
    design, family = strong_effects(link), FamilySpec("binomial", link)
    estimates = fit_generalized(design, family, **how)
    assert estimates.report.converged
    # The observed information of a Cauchy tail is negative, and the weights of the curvature
    # are the expected ones, so the steps converge at a linear rate.
    assert estimates.report.evaluations <= (80 if link == "cauchit" else 40)
    if "fast" not in how:
        assert_stationary(design, family, estimates, **how)


# Links that restrict the linear predictor.


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "family, link, low, high",
    [
        ("poisson", "identity", 1.0, 4.0),
        ("poisson", "identity", 0.3, 3.3),
        ("binomial", "identity", 0.2, 0.8),
        ("binomial", "log", -2.5, -0.5),
        ("gamma", "identity", 1.0, 4.0),
    ],
)
def test_means_inside_their_range(family, link, low, high, seed):
    """A start exists, the fit gets there, and no mean leaves the range of the family."""
    stream = simulated.Stream(100 + seed)
    n, groups = 600, 30
    g, x = np.arange(n) % groups, stream.uniform(n)
    eta = low + (high - low) * x
    eta = eta + 0.2 * min(abs(low), 0.75) * np.clip(stream.normal(groups), -2, 2)[g]
    mu, u = (np.exp(eta) if link == "log" else eta), stream.uniform(n)
    if family == "poisson":
        y = poisson.ppf(u, mu)
    elif family == "binomial":
        y = (u < mu).astype(float)
    else:
        y = -mu * np.log(u)
    design = make_design("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}))
    estimates = fit_generalized(design, FamilySpec(family, link, 1.0, family == "gamma"))
    assert estimates.report.converged
    assert estimates.report.evaluations <= 60
    assert np.all(estimates.fitted > 0)
    if family == "binomial":
        assert np.all(estimates.fitted < 1)


@pytest.mark.parametrize(
    "how", [{}, {"hessian": "observed"}, {"fast": True}, {"n_agq": 9}], ids=str
)
@pytest.mark.parametrize("kind", ["poisson", "less than poisson"])
def test_negative_binomial_without_overdispersion(kind, how):
    """The optimum has alpha = 0: the Poisson model."""
    stream = simulated.Stream(41)
    n, groups = 600, 30
    g, x = np.arange(n) % groups, stream.normal(n)
    mu = np.exp(0.5 + 0.3 * x + 0.5 * stream.normal(groups)[g])
    y = np.round(mu) if kind == "less than poisson" else poisson.ppf(stream.uniform(n), mu)
    data = pd.DataFrame({"y": y, "x": x, "g": g})
    limit = fitted("y ~ x + (1 | g)", data, POISSON, **how)
    estimates = fitted("y ~ x + (1 | g)", data, NEGATIVE_BINOMIAL, **how)
    assert estimates.report.converged
    if estimates.dispersion < 1e-4:
        assert_allclose(estimates.objective, limit.objective, rtol=0, atol=1e-3)
        assert_allclose(estimates.beta, limit.beta, rtol=1e-3)
        assert_allclose(estimates.theta, limit.theta, rtol=1e-3)
    else:
        assert kind == "poisson"
        assert estimates.objective < limit.objective


# Size.


def pairs(groups: int) -> Design:
    stream = simulated.Stream(11)
    g, x = np.repeat(np.arange(groups), 2), stream.normal(2 * groups)
    p = expit(0.5 + x + stream.normal(groups)[g])
    y = (stream.uniform(2 * groups) < p).astype(float)
    return make_design("y ~ x + (1 | g)", pd.DataFrame({"y": y, "x": x, "g": g}))


@pytest.mark.parametrize("groups", [10_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_pairs(groups):
    """With two rows a group Laplace's approximation is crude, and quadrature is not."""
    design = pairs(groups)
    estimates = fit_generalized(design, BINOMIAL)
    assert_stationary(design, BINOMIAL, estimates)
    assert estimates.report.evaluations <= 40
    better = fit_generalized(design, BINOMIAL, n_agq=9)
    errors = np.sqrt(np.diag(better.cov_conditional))
    assert_allclose((better.beta - [0.5, 1.0]) / errors, 0, atol=4)
    assert_allclose(better.theta, 1.0, atol=30 / np.sqrt(groups))
    assert estimates.theta[0] < better.theta[0]


def crossed_counts(n: int, first: int, second: int) -> Design:
    stream = simulated.Stream(12)
    g = np.floor(stream.uniform(n) * first).astype(int)
    h = np.floor(stream.uniform(n) * second).astype(int)
    x = stream.normal(n)
    mu = np.exp(-0.5 + 0.3 * x + 0.5 * stream.normal(first)[g] + 0.3 * stream.normal(second)[h])
    data = pd.DataFrame({"y": poisson.ppf(stream.uniform(n), mu), "x": x, "g": g, "h": h})
    return make_design("y ~ x + (1 | g) + (1 | h)", data)


@pytest.mark.parametrize(
    "size", [(20_000, 500, 100), pytest.param((1_000_000, 10_000, 1_000), marks=pytest.mark.slow)]
)
def test_large_crossed_counts(size):
    design = crossed_counts(*size)
    estimates = fit_generalized(design, POISSON)
    assert estimates.report.converged
    assert estimates.report.evaluations <= 20
    assert estimates.report.gradient_norm < 1e-8
    errors = np.sqrt(np.diag(estimates.cov_conditional))
    assert_allclose((estimates.beta - [-0.5, 0.3]) / errors, 0, atol=4)
    for theta, truth, levels in zip(estimates.theta, (0.5, 0.3), size[1:], strict=True):
        assert_allclose(theta, truth, rtol=5 / np.sqrt(2 * levels))
    # By the score of the intercept and of x, whose expectations the modes satisfy: the
    # gradient is exact, so each is small beside its standard error.
    gradient = estimates.report.gradient[2:] * errors
    assert_allclose(gradient, 0, atol=1e-4)
