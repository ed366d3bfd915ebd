"""The iterative solution of generalized models: against the factorization, and its own errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedglm2
from statsmodels_mixed._core import memory
from statsmodels_mixed.errors import DataError, OptionError
from statsmodels_mixed.fitting.generalized.approximation import working_basis
from statsmodels_mixed.fitting.iterative.laplace import LaplaceCriterion, LaplacePoint
from statsmodels_mixed.fitting.iterative.modes import GeneralizedRows
from statsmodels_mixed.fitting.iterative.sparse_products import level_pattern

links = sm.families.links
FAMILIES = {
    "poisson": sm.families.Poisson(),
    "bernoulli": sm.families.Binomial(),
    "probit": sm.families.Binomial(links.Probit()),
    "gamma": sm.families.Gamma(links.Log()),
    "negative_binomial": "negative_binomial",
    "beta": "beta",
}


def crossed(rows, levels, seed=0):
    """Responses of every kind with three crossed factors and a slope."""
    rng = np.random.default_rng(seed)
    data = {name: rng.integers(0, count, rows) for name, count in zip("abc", levels, strict=True)}
    x = rng.normal(size=rows)
    eta = 0.3 + 0.5 * x + 0.4 * rng.normal(size=levels[0])[data["a"]] * x
    for name, count in zip("abc", levels, strict=True):
        eta += 0.5 * rng.normal(size=count)[data[name]]
    mean = 1 / (1 + np.exp(-eta))
    return pd.DataFrame(
        {
            "x": x,
            "poisson": rng.poisson(np.exp(eta)),
            "bernoulli": (rng.uniform(size=rows) < mean) * 1.0,
            "probit": (rng.uniform(size=rows) < mean) * 1.0,
            "gamma": rng.gamma(2, np.exp(eta) / 2),
            "negative_binomial": rng.negative_binomial(2, 2 / (2 + np.exp(eta))),
            "beta": np.clip(rng.beta(5 * mean, 5 * (1 - mean)), 1e-4, 1 - 1e-4),
            **data,
        }
    )


def model(name, rows=3000, levels=(150, 40, 8), **options):
    formula = f"{name} ~ x + (x | a) + (1 | b) + (1 | c)"
    return mixedglm2(formula, crossed(rows, levels), FAMILIES[name], **options)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("hessian", ["expected", "observed"])
def test_all_signs_together_give_the_exact_objective_and_gradient(name, hessian):
    """With every vector of signs as a probe no randomness is left."""
    if (name, hessian) == ("beta", "expected"):
        pytest.skip("the family has no closed form of it")
    weights = np.random.default_rng(1).uniform(0.5, 2, 60) if name == "gamma" else None
    fitted = model(name, 60, (12, 5, 3), weights=weights)
    design, spec = fitted.kept_design(), fitted.spec
    pattern, coordinates = level_pattern(design, None)
    basis = working_basis(design)
    count = sum(levels * k for levels, k in pattern.shapes[1:])
    every = 2.0 * ((np.arange(2**count) >> np.arange(count)[:, None]) & 1) - 1.0
    theta, beta = np.array([0.5, 0.2, 0.3, 0.4, 0.3]), np.array([0.2, 0.4])
    dispersion = 0.6 if spec.has_dispersion else 1.0
    zeta = [np.log(dispersion)] if spec.has_dispersion else []
    parameters = np.concatenate([coordinates.inward(theta), basis.R @ beta, zeta])
    rows = GeneralizedRows(
        spec, hessian == "observed", design.y, design.weights, design.offset, basis.Q, pattern
    )
    patterns = [np.asarray(block.pattern, dtype=bool) for block in design.blocks]
    criterion = LaplaceCriterion(rows, patterns, False, every, np.ones(len(parameters)))
    effects = np.zeros(sum(levels * k for levels, k in pattern.shapes))
    point = LaplacePoint(criterion, parameters, effects, beta)

    options = {"dispersion": dispersion, "hessian": hessian}
    value = fitted.objective(theta, beta, **options)
    assert_allclose(point.final_values.mean(), value, rtol=1e-10)
    gradient = coordinates.gradient_outward(point.gradient.copy())
    gradient[5:7] = basis.R.T @ gradient[5:7]
    assert_allclose(gradient, fitted.gradient(theta, beta, **options), rtol=1e-7, atol=1e-7)
    # Deviations of single probes are those of the gradient by some of them from that by all.
    few = LaplaceCriterion(rows, patterns, False, every[:, 5:9], np.ones(len(parameters)))
    other = LaplacePoint(few, parameters, effects, beta).gradient - point.gradient
    assert_allclose(point.deviations()[5:9].mean(axis=0), other, rtol=1e-5, atol=1e-6)


def agrees(fit, direct):
    """A fit agrees with the direct one within four times its stated errors."""
    errors = fit.monte_carlo
    assert fit.converged
    assert direct.monte_carlo is None
    assert abs(fit.objective - direct.objective) < 4 * errors.objective
    assert np.all(np.abs(fit.theta - direct.theta) < 4 * errors.theta + 1e-5)
    difference = np.abs(np.asarray(fit.params) - np.asarray(direct.params))
    assert np.all(difference < 4 * errors.beta + 1e-3 * np.asarray(direct.bse))
    assert_allclose(fit.bse, direct.bse, rtol=0.01)
    assert abs(fit.dispersion - direct.dispersion) < 4 * errors.scale + 1e-3 * direct.dispersion
    assert abs(fit.deviance - direct.deviance) < 5 * errors.objective or np.isnan(direct.deviance)
    assert np.all(errors.theta < 0.02)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_fit_agrees_with_the_direct_one_within_its_stated_error(name):
    fitted = model(name)
    direct, fit = fitted.fit(), fitted.fit(solver="iterative", probes=40)
    agrees(fit, direct)
    for group, modes in direct.ranef().items():
        assert_allclose(fit.ranef()[group], modes, atol=0.02)
    assert_allclose(fit.fittedvalues, direct.fittedvalues, rtol=0.05)


@pytest.mark.parametrize("name", ["bernoulli", "gamma"])
def test_coefficients_may_be_profiled_out(name):
    fitted = model(name)
    agrees(fitted.fit(solver="iterative", fast=True), fitted.fit(fast=True))


def test_verbal_aggression():
    """Offsets of 316 subjects and 24 items, published for lme4 and others."""
    data = datasets.load("verbagg")
    formula = "r2 ~ 1 + anger + gender + btype + situ + (1 | subj) + (1 | item)"
    fitted = mixedglm2(formula, data, sm.families.Binomial())
    fit = fitted.fit(solver="iterative")
    agrees(fit, fitted.fit())
    # MixedModels.jl, documentation: Laplace's approximation.
    assert abs(fit.objective - 8151.3997) < 4 * fit.monte_carlo.objective
    assert "Solved iteratively with 20 random probes" in str(fit.summary())


def test_weights_offsets_and_starts():
    rng = np.random.default_rng(5)
    fitted = model("poisson", weights=rng.integers(1, 4, 3000) * 1.0, offset=rng.normal(size=3000))
    direct = fitted.fit()
    fit = fitted.fit(solver="iterative")
    agrees(fit, direct)
    again = fitted.fit(
        solver="iterative", start=np.concatenate([direct.theta, np.asarray(direct.params)])
    )
    assert_allclose(again.theta, fit.theta, rtol=1e-3)
    assert again.report.evaluations < fit.report.evaluations
    started = fitted.fit(solver="iterative", start=direct.theta, start_params=direct.params)
    assert_allclose(started.theta, fit.theta, rtol=1e-3)


def test_the_same_seed_gives_the_same_fit_and_the_stated_error_is_the_spread():
    fitted = model("poisson", 1500, (80, 30, 8))
    fits = [fitted.fit(solver="iterative", probes=8, seed=seed) for seed in range(12)]
    again = fitted.fit(solver="iterative", probes=8, seed=0)
    assert_allclose(again.theta, fits[0].theta, rtol=1e-12)
    spread = np.std([fit.theta for fit in fits], axis=0, ddof=1)
    stated = np.sqrt(np.mean([fit.monte_carlo.theta**2 for fit in fits], axis=0))
    assert np.all((0.4 * stated < spread) & (spread < 2.5 * stated))
    spread = np.std([np.asarray(fit.params) for fit in fits], axis=0, ddof=1)
    stated = np.sqrt(np.mean([fit.monte_carlo.beta**2 for fit in fits], axis=0))
    assert np.all((0.4 * stated < spread) & (spread < 2.5 * stated))


def test_models_that_no_memory_holds_are_solved_iteratively(monkeypatch):
    fitted = model("bernoulli", 1500, (80, 30, 8))
    asked = fitted.fit(solver="iterative")
    monkeypatch.setattr(memory, "SMALL", 1)
    monkeypatch.setattr(memory, "available_memory", lambda: 1)
    fit = fitted.fit()
    assert_allclose(fit.theta, asked.theta, rtol=1e-12)
    with pytest.raises(MemoryError, match=r'solver="iterative"'):
        fitted.fit(solver="direct")
    with pytest.raises(MemoryError, match="GiB"):
        fit.condvar()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"solver": "cg"}, OptionError, "solver= is 'auto', 'direct' or 'iterative', not 'cg'"),
        ({"solver": "iterative", "probes": 1}, OptionError, "probes=1 is not possible"),
        ({"solver": "iterative", "n_agq": 3}, OptionError, "n_agq=3 needs a single grouping"),
        ({"solver": "iterative", "start": [1.0]}, OptionError, "must hold 5 finite numbers"),
        ({"solver": "iterative", "start_params": [1.0]}, OptionError, "2 coefficients"),
    ],
)
def test_options_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        model("poisson", 300, (30, 10, 4)).fit(**options)


def test_one_grouping_factor_needs_no_iteration():
    fitted = mixedglm2("use ~ urban + (1 | dist)", datasets.load("contra"), "binomial")
    with pytest.raises(OptionError, match="two or more grouping factors"):
        fitted.fit(solver="iterative")


def test_links_that_are_not_canonical_step_by_expected_weights_where_they_must():
    """The observed weights of normal responses with a log link are negative above their means."""
    data = crossed(2000, (60, 20, 5))
    data["y"] = data["x"] + np.exp(0.5 * data["gamma"] ** 0.3)
    fitted = mixedglm2("y ~ x + (1 | a) + (1 | b)", data, sm.families.Gaussian(links.Log()))
    agrees(fitted.fit(solver="iterative", probes=40), fitted.fit())


def test_a_response_without_a_maximum_is_refused():
    data = crossed(400, (20, 10, 4))
    data["y"] = data["gamma"].groupby(data["a"]).transform("mean")
    with pytest.raises(DataError, match="does not vary within the levels"):
        mixedglm2("y ~ x + (1 | a) + (1 | b)", data, sm.families.Gamma(links.Log())).fit(
            solver="iterative"
        )
