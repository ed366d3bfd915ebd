"""Quadrature over the random effects of several formulas: dense grids, differences, poles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from scipy.stats import nbinom

import statsmodels_mixed as smm
from statsmodels_mixed._core import CoreDesign, CoreGeneralized, TermArrays, row_derivatives
from statsmodels_mixed.errors import ConvergenceWarning, OptionError
from statsmodels_mixed.fitting.generalized.quadrature import gauss_hermite

TRIANGLE, ONE = np.tri(2, dtype=bool), np.ones((1, 1), dtype=bool)


def _core(family, zeros, slopes, points, seed=0, levels=7):
    rng = np.random.default_rng(seed)
    n = 12 * levels
    refs = rng.permutation(np.repeat(np.arange(levels), 12)).astype(np.int32)
    x = rng.normal(size=n)
    X = np.column_stack([np.ones(n), x])
    effect = rng.normal(size=(2, levels))
    y = rng.poisson(np.exp(0.7 + 0.4 * x + 0.7 * effect[0, refs]))
    y = y * (rng.random(n) > 1 / (1 + np.exp(0.5 - effect[1, refs]))) * 1.0
    mean = (
        TermArrays(levels, refs, X, TRIANGLE)
        if slopes
        else TermArrays(levels, refs, X[:, :1].copy(), ONE)
    )
    terms = [mean, TermArrays(levels, refs, np.ones((n, 1)), ONE, predictor=1)]
    core = CoreGeneralized(CoreDesign(terms, X), family, "log", y, observed=True)
    dispersion, logit = np.zeros((n, 3)), np.zeros((n, 3))
    dispersion[:, 0] = 1.0
    logit[:, 1:] = X
    core.set_sides([dispersion, None, None, logit], np.zeros(4), zeros)
    core.set_approximation(False, *gauss_hermite(points))
    theta = [0.7, 0.2, 0.5, 1.1] if slopes else [0.8, 1.1]
    at = np.array([*theta, 0.6, 0.3, -0.2, -0.5, 0.4])
    return core, at, y, X, refs


def _by_grid(at, y, X, refs, family, zeros, slopes):
    """-2 log-likelihood by sums over a grid: the trapezoidal rule has no error to speak of."""
    side = np.linspace(-7, 7, 61 if slopes else 141)
    dimensions = 3 if slopes else 2
    u = np.array(np.meshgrid(*[side] * dimensions, indexing="ij")).reshape(dimensions, -1)
    log_step = dimensions * np.log(side[1] - side[0])
    T = np.array([[at[0], 0], [at[1], at[2]]]) if slopes else at[:1, None]
    nt = 4 if slopes else 2
    prior = -0.5 * (u**2).sum(axis=0) - 0.5 * dimensions * np.log(2 * np.pi)
    total = 0.0
    for level in np.unique(refs):
        terms = prior.copy()
        for i in np.flatnonzero(refs == level):
            z = X[i] if slopes else X[i, :1]
            eta = X[i] @ at[nt : nt + 2] + z @ T @ u[: len(T)]
            outer = np.zeros((u.shape[1], 4))
            outer[:, 0] = at[nt + 2]
            outer[:, 3] = X[i] @ at[nt + 3 :] + at[nt - 1] * u[-1]
            rows, _ = row_derivatives(
                family, "log", np.full(u.shape[1], y[i]), eta, outer, zeros=zeros
            )
            terms += rows[:, 0]
        total += logsumexp(terms) + log_step
    return -2 * total


@pytest.mark.parametrize(
    ("family", "zeros", "slopes", "points", "error"),
    [
        ("poisson", "inflation", False, 35, 1e-7),
        ("negative_binomial", "inflation", False, 35, 1e-7),
        ("truncated_poisson", "hurdle", False, 25, 1e-7),
        ("negative_binomial1", "inflation", True, 21, 1e-5),
    ],
)
def test_quadrature_is_the_integral_over_both_effects(family, zeros, slopes, points, error):
    core, at, *data = _core(family, zeros, slopes, points)
    value, _ = core.value_and_gradient(at)
    assert value == pytest.approx(_by_grid(at, *data, family, zeros, slopes), abs=error)


@pytest.mark.parametrize("points", [2, 5, 12])
@pytest.mark.parametrize(
    ("family", "zeros", "slopes"),
    [
        ("poisson", "inflation", False),
        ("negative_binomial", "inflation", True),
        ("negative_binomial1", "inflation", False),
        ("truncated_negative_binomial", "hurdle", True),
    ],
)
def test_the_gradient_is_that_of_the_rule(family, zeros, slopes, points):
    # With few points the rule is no integral: its gradient is still its own.
    core, at, *_ = _core(family, zeros, slopes, points)
    _, gradient = core.value_and_gradient(at)
    step = 1e-5
    wanted = [
        (core.value_and_gradient(at + s)[0] - core.value_and_gradient(at - s)[0]) / (2 * step)
        for s in step * np.eye(len(at))
    ]
    assert_allclose(gradient, wanted, rtol=1e-6, atol=2e-6)


def _groups(seed):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(30), 8)
    x = rng.normal(size=len(g))
    b = rng.normal(size=(2, 30))
    mu = np.exp(1 + 0.3 * x + 0.5 * b[0, g])
    y = rng.negative_binomial(2.0, 2 / (2 + mu)) * (
        rng.random(len(g)) > 1 / (1 + np.exp(0.5 - b[1, g]))
    )
    return pd.DataFrame({"y": y, "x": x, "g": g})


@pytest.mark.parametrize("seed", [23, 32])
def test_quadrature_has_a_maximum_where_laplace_has_a_pole(seed):
    model = smm.mixedglm2(
        "y ~ x + (1 | g)", _groups(seed), "nbinom2", zero_inflation="~ 1 + (1 | g)"
    )
    with pytest.warns(ConvergenceWarning, match="n_agq=9"):
        assert not model.fit().converged
    few, fit = model.fit(n_agq=9), model.fit(n_agq=19)
    assert few.converged
    assert fit.report.gradient_norm < 1e-6
    assert "AGQ, 19 points" in str(fit.summary())
    # The likelihood there, by sums over a grid.
    data = _groups(seed)
    zeros, size = fit.params["zi: Intercept"], fit.dispersion
    side = np.linspace(-7, 7, 141)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    total = 0.0
    for _, rows in data.groupby("g"):
        terms = -(u**2 + v**2) / 2 - np.log(2 * np.pi) + 2 * np.log(side[1] - side[0])
        for y, x in rows[["y", "x"]].to_numpy():
            mu = np.exp(fit.params["Intercept"] + fit.params["x"] * x + fit.theta[0] * u)
            f = nbinom.logpmf(y, size, size / (size + mu))
            zeta = zeros + fit.theta[1] * v
            rest = f - np.logaddexp(0, zeta)
            terms += np.logaddexp(-np.logaddexp(0, -zeta), rest) if y == 0 else rest
        total += logsumexp(terms)
    assert fit.llf == pytest.approx(total, abs=2e-2 if seed == 23 else 1e-3)
    assert few.llf == pytest.approx(fit.llf, abs=0.1)


def test_terms_of_one_factor_of_a_mean_are_taken_together():
    contra = smm.datasets.load("contra")
    apart = smm.mixedglm2("use ~ age + (1 + age || dist)", contra, "binomial")
    assert apart.fit(n_agq=1).converged
    fit = apart.fit(n_agq=9)
    side = np.linspace(-7, 7, 121)
    u, v = (a.ravel() for a in np.meshgrid(side, side))
    total = 0.0
    for _, rows in contra.groupby("dist", observed=True):
        terms = -(u**2 + v**2) / 2 - np.log(2 * np.pi) + 2 * np.log(side[1] - side[0])
        for use, age in zip((rows["use"] == "Y"), rows["age"], strict=True):
            eta = fit.params["Intercept"] + fit.params["age"] * age
            eta = eta + fit.theta[0] * u + fit.theta[1] * age * v
            terms -= np.logaddexp(0, -eta if use else eta)
        total += logsumexp(terms)
    assert fit.llf == pytest.approx(total, abs=1e-4)


def test_too_many_nodes_or_factors_are_refused():
    data = _groups(0).assign(h=lambda d: d["g"] % 5)
    model = smm.mixedglm2("y ~ x + (1 | g)", data, "poisson", zero_inflation="~ 1 + (1 | h)")
    with pytest.raises(OptionError, match=r"terms of several \(g, zi: h\)"):
        model.fit(n_agq=3)
    model = smm.mixedglm2("y ~ x + (1 + x | g)", data, "poisson", zero_inflation="~ 1 + (1 | g)")
    with pytest.raises(OptionError, match="in 3 dimensions makes 1000000 nodes"):
        model.fit(n_agq=100)
