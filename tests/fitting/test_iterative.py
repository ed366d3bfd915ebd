"""The iterative solution of crossed factors: against dense matrices, and against direct fits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.linalg import block_diag

from statsmodels_mixed import datasets, mixedlm2
from statsmodels_mixed._core import memory
from statsmodels_mixed.errors import CoreError, OptionError
from statsmodels_mixed.fitting.iterative.criterion import Criterion, Point
from statsmodels_mixed.fitting.iterative.schur_complement import SchurComplement
from statsmodels_mixed.fitting.iterative.sparse_products import form_sparse_products
from statsmodels_mixed.fitting.iterative.trace import estimated_traces, quadratic_control, signs

T = [np.array([[0.7, 0.0], [0.1, 0.4]]), np.array([[0.5, 0.0], [-0.1, 0.3]]), np.array([[0.6]])]


def crossed(rows=4000, levels=(200, 60, 10), seed=0):
    rng = np.random.default_rng(seed)
    data = {name: rng.integers(0, count, rows) for name, count in zip("abc", levels, strict=True)}
    x = rng.normal(size=rows)
    y = 1 + 0.5 * x + rng.normal(size=rows)
    for name, count in zip("abc", levels, strict=True):
        y += 0.5 * rng.normal(size=count)[data[name]]
    y += 0.4 * rng.normal(size=levels[0])[data["a"]] * x
    return pd.DataFrame({"y": y, "x": x, **data})


def model(**options):
    data = crossed()
    if options.pop("weighted", False):
        options["weights"] = np.random.default_rng(1).uniform(0.5, 2, len(data))
    return mixedlm2("y ~ x + (x | a) + (x | b) + (1 | c)", data, **options)


def dense(products):
    """Z'WZ and Lambda in full."""
    A = products.Z.multiply(np.eye(len(products.ZXy)))
    shapes = products.Z.shapes
    return A, block_diag(*(np.kron(np.eye(n), t) for (n, _), t in zip(shapes, T, strict=True)))


@pytest.mark.parametrize("weighted", [False, True])
def test_products_are_those_of_the_rows(weighted):
    fitted = model(weighted=weighted)
    design = fitted.design
    products = form_sparse_products(design)
    columns = []
    for z, block in zip(products.coordinates.z, design.blocks, strict=True):
        Z = np.zeros((len(z), len(block.levels), z.shape[1]))
        Z[np.arange(len(z)), block.refs] = z
        columns.append(Z.reshape(len(z), -1))
    Z = np.concatenate(columns, axis=1)
    w = np.ones(len(Z)) if design.weights is None else design.weights
    A, _ = dense(products)
    assert_allclose(A, Z.T @ (w[:, None] * Z), atol=1e-9)
    assert_allclose(products.ZXy[:, :-1], Z.T @ (w[:, None] * products.basis.Q), atol=1e-10)
    effects = np.random.default_rng(2).normal(size=(len(A), 3))
    pattern = products.Z.pattern
    assert_allclose(pattern.rows(effects), Z @ effects, atol=1e-10)
    assert_allclose(pattern.rows(effects, slice(5, 9)), Z[5:9] @ effects, atol=1e-10)


def test_solutions_determinant_and_blocks_are_those_of_the_dense_matrix():
    products = form_sparse_products(model().design)
    A, Lambda = dense(products)
    Omega = Lambda.T @ A @ Lambda + np.eye(len(A))
    schur = SchurComplement.at(products.Z, T)
    right = np.random.default_rng(3).normal(size=(len(A), 4))
    inverse = np.linalg.inv(Omega)
    assert_allclose(schur.solve(right), inverse @ right, atol=1e-9)
    assert_allclose(schur.apply_lambda(right, transposed=True), Lambda.T @ right, atol=1e-12)

    estimates = estimated_traces(schur, signs(0, len(schur.diagonal), 400))
    values = estimates.logdet + quadratic_control(schur, estimates)
    error = values.std() / 20
    assert_allclose(values.mean(), np.linalg.slogdet(Omega)[1], atol=4 * error)
    assert error < 0.8 * estimates.logdet.std() / 20
    at = 0
    for (levels, k), blocks in zip(products.Z.shapes, estimates.blocks, strict=True):
        own = inverse[at : at + levels * k, at : at + levels * k].reshape(levels, k, levels, k)
        exact = np.einsum("jrjc->rc", own)
        assert np.all(np.abs(blocks.mean(axis=0) - exact) <= 4 * blocks.std(axis=0) / 20 + 1e-9)
        at += levels * k


def test_all_signs_together_give_the_exact_determinant_and_gradient():
    """With every vector of signs as a probe no randomness is left."""
    data = crossed(60, (12, 5, 3), seed=4)
    fitted = mixedlm2("y ~ x + (x | a) + (1 | b) + (1 | c)", data)
    products = form_sparse_products(fitted.design)
    count = len(products.ZXy) - products.Z.split
    every = 2.0 * ((np.arange(2**count) >> np.arange(count)[:, None]) & 1) - 1.0
    patterns = [block.pattern for block in fitted.design.blocks]
    theta = np.array([0.8, 0.2, 0.5, 0.6, 0.4])
    for reml in (False, True):
        point = Point(Criterion(products, patterns, reml, None, every), theta)
        outward = products.coordinates.outward(theta)
        value = point.final_values.mean() + products.constant(reml)
        assert_allclose(value, fitted.objective(outward, reml=reml), rtol=1e-10)
        gradient = products.coordinates.gradient_outward(point.gradient)
        assert_allclose(gradient, fitted.gradient(outward, reml=reml), rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("reml", [False, True])
def test_a_fit_agrees_with_the_direct_one_within_its_stated_error(reml):
    fitted = model(weighted=True)
    direct = fitted.fit(reml=reml)
    fit = fitted.fit(reml=reml, solver="iterative", probes=40)
    errors = fit.monte_carlo
    assert fit.converged
    assert direct.monte_carlo is None
    assert abs(fit.objective - direct.objective) < 4 * errors.objective
    assert np.all(np.abs(fit.theta - direct.theta) < 4 * errors.theta + 1e-6)
    assert np.all(errors.theta < 0.05)
    # What has no Monte Carlo error of its own agrees as closely as theta does.
    assert_allclose(fit.params, direct.params, atol=0.01 * direct.bse.max())
    assert_allclose(fit.bse, direct.bse, rtol=0.05)
    assert_allclose(fit.sigma, direct.sigma, rtol=1e-3)
    assert_allclose(fit.fittedvalues, direct.fittedvalues, atol=0.05)
    assert "Solved iteratively with 40 random probes" in str(fit.summary())


def test_the_same_seed_gives_the_same_fit_and_another_one_a_close_one():
    fitted = mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed())
    first, again, other = (
        fitted.fit(solver="iterative", probes=10, seed=seed) for seed in (1, 1, 2)
    )
    assert_allclose(again.theta, first.theta, rtol=1e-12)
    assert 0 < np.max(np.abs(other.theta - first.theta)) < 6 * first.monte_carlo.theta.max()


@pytest.mark.parametrize("reml", [False, True])
def test_the_stated_error_is_the_spread_over_probes_and_covers_the_direct_fit(reml):
    """Over many seeds, against the quantiles of chi-square and of Student's t with 19 degrees."""
    fitted = mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed(2000))
    direct = fitted.fit(reml=reml)
    exact = np.r_[direct.theta, direct.params, direct.objective]
    ends, stated = [], []
    for seed in range(24):
        result = fitted.fit(reml=reml, solver="iterative", probes=20, seed=seed)
        error = result.monte_carlo
        ends.append(np.r_[result.theta, result.params, result.objective])
        stated.append(np.r_[error.theta, error.beta, error.objective])
    ends, stated = np.array(ends), np.array(stated)
    ratio = ends.var(axis=0, ddof=1) / np.mean(stated**2, axis=0)
    assert np.all((ratio > 0.3) & (ratio < 2.3)), ratio
    covered = np.mean(np.abs(ends - exact) < 2.093 * stated, axis=0)
    assert np.all(covered >= 0.75), covered


def test_sigma_may_be_given():
    fitted = mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed())
    fit = fitted.fit(sigma=1.1, solver="iterative")
    direct = fitted.fit(sigma=1.1)
    assert_allclose(fit.theta, direct.theta, atol=4 * fit.monte_carlo.theta.max())
    assert fit.sigma == 1.1


def test_variances_at_zero_are_reported_as_singular():
    data = crossed()
    data["c"] = np.arange(len(data)) % 10  # nothing differs between these levels
    data["y"] -= data.groupby("c")["y"].transform("mean")
    with pytest.warns(match="singular"):
        fit = mixedlm2("y ~ 1 + (1 | a) + (1 | c)", data).fit(solver="iterative")
    assert fit.issingular()
    assert fit.converged


def test_models_that_no_memory_holds_are_solved_iteratively(monkeypatch):
    fitted = mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed())
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
    ("options", "message"),
    [
        ({"solver": "cg"}, "solver= is 'auto', 'direct' or 'iterative', not 'cg'"),
        ({"solver": "iterative", "probes": 1}, "probes=1 is not possible"),
        ({"solver": "iterative", "probes": 2.5}, "probes must be a whole number, not 2.5"),
        ({"solver": "iterative", "seed": -1}, "seed=-1 is not possible"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(OptionError, match=message):
        mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed()).fit(**options)


def test_one_grouping_factor_needs_no_iteration():
    with pytest.raises(OptionError, match="two or more grouping factors"):
        mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit(
            solver="iterative"
        )


def test_conjugate_gradients_that_do_not_converge_say_so(monkeypatch):
    monkeypatch.setattr("statsmodels_mixed.fitting.iterative.schur_complement.MOST_STEPS", 2)
    with pytest.raises(CoreError, match="did not converge in 2 steps"):
        mixedlm2("y ~ x + (1 | a) + (1 | b)", crossed()).fit(solver="iterative")
