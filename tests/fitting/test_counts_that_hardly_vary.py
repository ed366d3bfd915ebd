"""Underdispersed counts whose conditional mode meets a response: the objective jumps there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from family_cases import table
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import norm

import statsmodels_mixed as smm
from statsmodels_mixed._core import CoreDesign, CoreGeneralized, TermArrays, row_derivatives
from statsmodels_mixed.fitting.families.limit_of_dispersion import rows_that_do_not_vary


def counts() -> pd.DataFrame:
    """Return counts in ten groups whose dispersion grows with x."""
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 6), rng.normal(size=60)
    mu = np.exp(0.6 + 0.4 * x + 0.5 * rng.normal(size=10)[g])
    phi = np.exp(2.5 + 1.5 * x)
    more = np.maximum(phi - 1, 1e-2)
    many = rng.poisson(rng.gamma(mu / more, more))
    return pd.DataFrame(
        {"g": g, "x": x, "y": np.where(phi > 1, many, np.floor(mu + rng.random(60)))}
    )


def test_a_count_that_hardly_varies_bends_the_likelihood_where_it_is_the_mean():
    # Two counts about the mean have all probability: 1 - |y - mu| of y, which has a bend at mu = y.
    mu, y = np.array([1.8, 1.99, 2.01, 2.2]), np.full(4, 2.0)
    outer = np.zeros((4, 4))
    outer[:, 0] = -6.0
    by_eta, _ = row_derivatives("conway_maxwell_poisson", "log", y, np.log(mu), outer)
    assert_allclose(by_eta[:, 0], np.log1p(-np.abs(y - mu)), atol=1e-12)
    assert_allclose(by_eta[:, 1], np.sign(y - mu) * mu / (1 - np.abs(y - mu)), rtol=1e-9)


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_searches_end_beside_such_a_jump_and_say_so():
    fit = smm.mixedglm2("y ~ x + (1 | g)", counts(), "compois", dispersion="~ x").fit()
    assert not fit.converged
    assert fit.report.message.startswith("The objective jumps beside the end of the search")
    assert fit.report.message.endswith(
        "Take quadrature over the random effects of a level, such as n_agq=9."
    )
    assert fit.report.evaluations < 70  # it crept for hundreds of evaluations, a second each


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_quadrature_has_a_maximum_where_laplaces_approximation_jumps():
    rows = table(240, 40, 3)
    formula, options = "counts ~ x + (1 | g)", {"dispersion": "~ x"}
    drawn = smm.mixedglm2(formula, rows, "compois", **options).fit().simulate(63, seed=1)[:, 62]
    model = smm.mixedglm2(formula, rows.assign(counts=drawn), "compois", **options)
    laplace, fit = model.fit(), model.fit(n_agq=9)
    assert "n_agq=9" in laplace.report.message
    assert fit.converged
    assert np.isfinite(fit.conf_int().to_numpy()).all()
    # Integrals over the effects by the trapezoidal rule.
    u = np.linspace(-8.0, 8.0, 161)
    eta = fit.predict(which="linear").to_numpy()[:, None] + fit.theta[0] * u
    again = np.repeat(np.arange(240), len(u))
    outer = fit.estimates.outer[again]
    found, _ = row_derivatives("conway_maxwell_poisson", "log", drawn[again], eta.ravel(), outer)
    levels = found[:, 0].reshape(40, 6, len(u)).sum(axis=1) + norm.logpdf(u) + np.log(0.1)
    assert fit.llf == pytest.approx(logsumexp(levels, axis=1).sum(), abs=0.03)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_a_search_that_does_not_find_its_modes_again_is_no_error():
    # With 5 points the search went on from where no conditional modes were found.
    rows = table(240, 40, 3)
    formula, options = "counts ~ x + (1 | g)", {"dispersion": "~ x"}
    drawn = smm.mixedglm2(formula, rows, "compois", **options).fit().simulate(80, seed=1)[:, 79]
    fit = smm.mixedglm2(formula, rows.assign(counts=drawn), "compois", **options).fit(n_agq=5)
    assert not fit.converged
    assert fit.report.message.endswith("Leave terms out of the formulas for zeros and dispersion.")


@pytest.mark.parametrize("log_phi", [-3.0, 0.0, 0.5, 4.0])
def test_tiny_means_have_a_likelihood_at_any_dispersion(log_phi):
    # The rate is the mean there. Overdispersed counts had none at means below 1e-16.
    y, eta = np.tile([0.0, 1.0, 2.0], 3), np.repeat([-20.0, -40.0, -150.0], 3)
    outer = np.zeros((9, 4))
    outer[:, 0] = log_phi
    by_eta, by_outer = row_derivatives("conway_maxwell_poisson", "log", y, eta, outer)
    nu = np.exp(-log_phi)
    wanted = y * eta - np.exp(eta) - nu * np.log(2.0) * (y == 2)
    assert_allclose(by_eta[:, 0], wanted, rtol=1e-8, atol=1e-14)
    assert_allclose(by_eta[:, 1], y - np.exp(eta), rtol=1e-7, atol=1e-14)
    assert np.isfinite(by_outer).all()


def test_deviance_residuals_of_zeros():
    rows = table(120, 15, 7)
    fit = smm.mixedglm2("counts ~ x + (1 | g)", rows, "compois", dispersion="~ 1").fit()
    found = fit.residuals("deviance").to_numpy()
    assert np.isfinite(found).all()
    zeros, p = rows["counts"] == 0, fit.predict(which="zero_probability", re=True)
    assert (fit.dispersion > 1).all()
    assert_allclose(found[zeros], -np.sqrt(-2.0 * np.log(p[zeros])), rtol=1e-9)


@pytest.mark.parametrize("y", [[6, 9, 7, 4, 4], [5, 13, 7, 9, 14], [5, 7, 9, 3, 9]], ids=str)
def test_a_mode_at_a_bend_is_given_up_after_few_steps(y):
    # The first count does not vary and the others of the level do: the slope of their likelihood
    # changes its sign where the first is the mean. These took 47 to 298 steps more.
    level, n = np.zeros(5, dtype=np.int32), 5
    one = TermArrays(1, level, np.ones((n, 1)), np.ones((1, 1), dtype=bool))
    core = CoreGeneralized(
        CoreDesign([one], np.ones((n, 1))),
        "conway_maxwell_poisson",
        "log",
        np.array(y, dtype=float),
        observed=True,
    )
    core.set_sides([np.eye(n, 2) * [1.0, 0.0] + [0.0, 1.0], None, None, None], np.zeros(4), "")
    eta = np.log(y[0]) + np.array([-1e-6, 1e-6])
    outer = np.zeros((2, 4))
    outer[:, 0] = -13.0
    slopes, _ = row_derivatives("conway_maxwell_poisson", "log", np.full(2, y[0]), eta, outer)
    assert_allclose(slopes[:, 1], [y[0], -y[0]], rtol=1e-4)  # of 1 - |y - mu|
    assert np.isnan(core.value_and_gradient(np.array([0.5, 0.5, -16.0, 3.0]))[0])
    assert np.isfinite(core.value_and_gradient(np.array([0.5, 0.5, 0.0, 0.0]))[0])
    assert core.solution().pirls_steps < 50


@pytest.mark.filterwarnings("ignore::statsmodels_mixed.errors.MixedModelWarning")
def test_a_dispersion_that_tends_to_none_is_said():
    # One row of each group is 3, always: no dispersion is small enough for these.
    rng = np.random.default_rng(3)
    g, x = np.repeat(np.arange(10), 6), np.tile([0, 0, 0, 0, 0, 1], 10)
    mu = np.exp(0.8 + 0.5 * rng.normal(size=10)[g])
    y = np.where(x == 1, 3, rng.negative_binomial(1, 1 / (1 + mu)))
    rows = pd.DataFrame({"g": g, "x": x, "y": y})
    fit = smm.mixedglm2("y ~ x + (1 | g)", rows, "compois", dispersion="~ x").fit()
    assert not fit.converged
    assert fit.report.message.startswith("The dispersion of 10 of 60 rows tends to 0, where counts")


def test_rows_that_do_not_vary_are_those_of_two_counts():
    # P(3) / P(2) at a mean of 2.5 is 1, and P(4) / P(3) = (3 / 4)^nu.
    log_phi = np.array([-np.log(1e8), -np.log(1e8), -np.log(100.0), 0.0])
    mu = np.array([2.5, 1e6, 2.5, 2.5])
    assert rows_that_do_not_vary("conway_maxwell_poisson", log_phi, mu) == 1
    assert rows_that_do_not_vary("truncated_conway_maxwell_poisson", log_phi, mu) == 1
    assert rows_that_do_not_vary("generalized_poisson", log_phi, mu) == 0
