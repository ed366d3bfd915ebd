"""Generalized models at the edges: zero variances, certain outcomes, bounded means, size."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import simulated
import statsmodels.api as sm
import statsmodels.formula.api as smf
from generalized_checks import assert_stationary, fitted
from numpy.testing import assert_allclose
from reference.glmm_names import BINOMIAL, POISSON, make_design
from scipy.special import expit, ndtr
from scipy.stats import poisson

from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.fitting.generalized.approximation import prepare_approximation
from statsmodels_mixed.fitting.generalized.fit import fit_generalized
from statsmodels_mixed.frame.design import Design

NEGATIVE_BINOMIAL = FamilySpec("negative_binomial", "log", 1.0, True)


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


@pytest.mark.parametrize("seed", [3, 18])
@pytest.mark.parametrize("how", [{}, {"fast": True}], ids=["laplace", "fast"])
def test_a_start_that_goes_astray(seed, how):
    """Scoring for the coefficients without groups leads to means that overflow."""
    stream, g = simulated.Stream(seed), np.repeat(np.arange(10), 8)
    x = stream.normal(80)
    eta = 1.3 * stream.normal(10)[g] + 0.7 * x + 0.5
    data = pd.DataFrame({"y": np.exp(eta + 0.5 * stream.normal(80)), "x": x, "g": g})
    family = FamilySpec("inverse_gaussian", "log", 1.0, True)
    estimates = fitted("y ~ x + (1 | g)", data, family, **how)
    assert estimates.report.converged
    if not how:
        assert_stationary(make_design("y ~ x + (1 | g)", data), family, estimates)
    # in another unit, y / c, the family has the mean mu / c and the dispersion c phi
    larger = fitted("y ~ x + (1 | g)", data.assign(y=8 * data["y"]), family, **how)
    assert_allclose(larger.beta - estimates.beta, [np.log(8), 0], atol=1e-6)
    assert_allclose(larger.theta, estimates.theta, rtol=1e-5)
    assert_allclose(larger.dispersion, estimates.dispersion / 8, rtol=1e-5)
    assert_allclose(larger.objective - estimates.objective, 2 * 80 * np.log(8), rtol=1e-8)


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
    # A full Hessian would take long here; standard errors given theta will do.
    gradient = estimates.report.gradient[2:] * errors
    assert_allclose(gradient, 0, atol=1e-4)


def test_large_random_effects_have_one_objective():
    # After any other evaluation: PIRLS starts from its modes, and ends where eta, not u,
    # is settled.
    rng = np.random.default_rng(0)
    for _ in range(60):
        n, k = int(rng.integers(30, 200)), int(rng.integers(3, 12))
        frame = pd.DataFrame({"g": rng.integers(0, k, n), "x": rng.normal(size=n)})
        eta = frame["x"] + rng.normal(size=k)[frame["g"]]
        frame["y"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float)
        model = smf.mixedglm2("y ~ x + (x | g)", frame, sm.families.Binomial())
        at = [10 ** rng.uniform(0, 2.5), rng.normal(), 10 ** rng.uniform(0, 2), *rng.normal(size=2)]
        values = []
        for before in (None, [0.5, 0, 0.5, 0, 0], [50, 0, 80, 3, -3]):
            problem = prepare_approximation(
                model.design, model.spec, n_agq=1, fast=False, hessian="expected"
            )
            for point in (before, at):
                if point is not None:
                    value, _ = problem.core.value_and_gradient(problem.to_working(np.array(point)))
            values.append(value)
        assert_allclose(values, values[0], rtol=0, atol=1e-9)
